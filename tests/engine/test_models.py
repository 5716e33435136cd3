"""Models through the engine: downloaded from a local hub, used, switched in a library, removed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.protocol import ModelCard, ModelState
from cret_desktop.errors import DownloadCancelled, ModelError
from tests.engine.test_engine import WAIT, Events, index
from tests.hub import Hub, serve
from tests.model import tiny
from tests.videos import write_colours

R = TypeVar("R")

FACTORY = "tests.fakes:open_library_with_models"
NAME = "tiny-published"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_colours(folder / "red.mp4", ["red"])
    write_colours(folder / "green.mp4", ["green"])
    return folder


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", "colours", "cpu", factory=FACTORY)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub used by this test's engine, and a separate folder of models."""
    tiny.write_published(tmp_path / "published")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with serve(Hub()) as hub:
        hub.add("tiny/aligned", tmp_path / "published")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def ask(client: EngineClient, body: protocol.Request[R]) -> R:
    return client.request(body).result(WAIT)


def card(client: EngineClient, name: str) -> ModelCard:
    (found,) = (model for model in ask(client, protocol.GetModels()) if model.name == name)
    return found


def until_fetching(events: Events) -> None:
    events.until(lambda e: isinstance(e, protocol.DownloadProgress) and e.stage == "fetching" and e.done > 0)


def test_what_there_is_and_could_be(config: EngineConfig, hub: Hub) -> None:
    with EngineClient(config) as client:
        models = {model.name: model for model in ask(client, protocol.GetModels())}
    assert next(iter(models)) == "starter"
    small = models["pe-core-s16"]
    assert (small.state, small.licence, small.languages) == (ModelState.DOWNLOADABLE, "Apache-2.0", "en")
    assert round(small.size / 1e6) == 349
    assert models["paper"].state is ModelState.IMPORTABLE
    assert hub.asked == [], "nothing is asked of a network unasked"


def test_download_cancel_go_on_use_and_remove(config: EngineConfig, hub: Hub, videos: Path) -> None:
    with EngineClient(config) as client:
        events = Events(client)
        hub.hold = 6000
        download: Future[Any] = client.request(protocol.DownloadModel(NAME))
        until_fetching(events)
        assert card(client, NAME).state is ModelState.DOWNLOADING
        ask(client, protocol.CancelDownload(NAME))
        with pytest.raises(DownloadCancelled):
            download.result(WAIT)
        kept = card(client, NAME)
        assert kept.state is ModelState.PARTIAL
        assert 0 < kept.fetched <= 6000
        hub.hold = None
        ask(client, protocol.DownloadModel(NAME))
        events.until(lambda e: isinstance(e, protocol.ModelsChanged))
        here = card(client, NAME)
        assert (here.state, here.removable, here.wanted, here.clips) == (ModelState.READY, True, False, 0)
    with EngineClient(EngineConfig(config.library, NAME, "cpu", factory=FACTORY)) as client:
        assert index(client, videos).error is None
        assert ask(client, protocol.Search("a red square")).model == "Tiny"
        assert (card(client, NAME).wanted, card(client, NAME).clips) == (True, 2)
        with pytest.raises(ModelError, match="in use"):
            ask(client, protocol.RemoveModel(NAME))
    with EngineClient(config) as client:
        assert card(client, NAME).index_bytes > 0
        ask(client, protocol.RemoveModel(NAME))
        gone = card(client, NAME)
        assert (gone.state, gone.clips) == (ModelState.DOWNLOADABLE, 0)


def test_an_engine_that_ends_while_it_downloads_leaves_what_came(config: EngineConfig, hub: Hub) -> None:
    hub.hold = 6000
    with EngineClient(config) as client:
        events = Events(client)
        client.request(protocol.DownloadModel(NAME))
        until_fetching(events)
    with EngineClient(config) as client:
        assert card(client, NAME).state is ModelState.PARTIAL
        ask(client, protocol.RemoveModel(NAME))
        assert card(client, NAME).state is ModelState.DOWNLOADABLE


def test_a_model_from_a_file(config: EngineConfig, hub: Hub, tmp_path: Path) -> None:
    with EngineClient(config) as client:
        ask(client, protocol.DownloadModel(NAME))
        models = tmp_path / "data" / "CRET Desktop" / "models"
        archive = shutil.make_archive(str(tmp_path / "model"), "zip", models / NAME)
        ask(client, protocol.RemoveModel(NAME))
        assert ask(client, protocol.ImportModel(archive)) == NAME
        assert card(client, NAME).state is ModelState.READY
        with pytest.raises(ModelError, match="not a readable zip"):
            ask(client, protocol.ImportModel(str(tmp_path / "published" / "tokenizer.json")))


def test_searches_go_on_with_the_old_index_until_the_new_one_is_whole(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)
    paints = EngineConfig(config.library, "paints", "cpu", factory=FACTORY)
    with EngineClient(paints) as client:
        events = Events(client)
        ask(client, protocol.Pause(True))
        ask(client, protocol.Refresh())
        answer = ask(client, protocol.Search("green"))
        assert answer.model.startswith("Colours")
        assert Path(answer.moments[0].path).name == "green.mp4"
        status = ask(client, protocol.GetStatus())
        assert (status.model, status.answering, status.pending) == ("Paints (another)", answer.model, 2)
        ask(client, protocol.Pause(False))
        assert events.finished().totals.files == 2
        answer = ask(client, protocol.Search("green"))
        assert answer.model.startswith("Paints")
        assert Path(answer.moments[0].path).name == "green.mp4"
        assert ask(client, protocol.GetStatus()).answering == ""
    with EngineClient(config) as client:  # the old model again: its index was kept, nothing is decoded
        events = Events(client)
        assert ask(client, protocol.GetStatus()).pending == 0
        ask(client, protocol.Refresh())
        assert events.finished().totals.files == 0
        assert ask(client, protocol.Search("green")).model.startswith("Colours")


def test_a_reader_finds_with_the_old_index_what_the_new_one_has_not_yet(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)
    reader = EngineConfig(config.library, "paints", "cpu", read_only=True, factory=FACTORY)
    with EngineClient(reader) as client:
        assert ask(client, protocol.Search("red")).moments
