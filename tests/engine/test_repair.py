"""A damaged library in the engine: repaired, reported, and complete again."""

from __future__ import annotations

import os
import queue
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.graph_building import GraphBuilding
from cret_desktop.engine.jobs import JobQueue
from cret_desktop.engine.services import upkeep
from cret_desktop.engine.services.upkeep import UpkeepService
from cret_desktop.errors import EngineError, LibraryDamaged
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite.store import SqliteStore
from tests import fakes
from tests.said import said
from tests.videos import write_colours

PAGE = 4096
WAIT = 60


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three indexed videos, the first a favourite."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "videos").mkdir()
    for colour in ("red", "green", "blue"):
        write_colours(folder / "videos" / f"{colour}.mp4", [colour], seconds=1)
    with EngineClient(config(folder / "library")) as client:
        events = listen(client)
        client.request(protocol.AddFolders((str(folder / "videos"),))).result(WAIT)
        until(events, protocol.IndexFinished)
        client.request(protocol.SetFavourite((1,), True)).result(WAIT)
    return folder / "library"


def config(library: Path) -> EngineConfig:
    return EngineConfig(library, factory="tests.fakes:open_library")


def listen(client: EngineClient) -> queue.SimpleQueue[protocol.Event]:
    events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
    client.subscribe(events.put)
    return events


def until(events: queue.SimpleQueue[protocol.Event], kind: type) -> protocol.Event:
    while not isinstance(event := events.get(timeout=WAIT), kind):
        pass
    return event


def overwrite(library: Path, table: str) -> None:
    path = LibraryPaths(library).catalog
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with path.open("r+b") as stream:
        stream.seek((root - 1) * PAGE)
        stream.write(os.urandom(PAGE))


def found(client: EngineClient, query: str) -> list[str]:
    answer = client.request(protocol.Search(query, 3)).result(WAIT)
    return [Path(moment.path).stem for moment in answer.moments]


def test_damage_met_in_use_is_repaired_and_told(library: Path, tmp_path: Path) -> None:
    """The engine ends with a message and restarts, and the library is as before."""
    damaged = shutil.copytree(library, tmp_path / "library")
    overwrite(damaged, "saved_searches")
    with EngineClient(config(damaged)) as client:
        events = listen(client)
        assert client.notice == ()
        with pytest.raises((LibraryDamaged, EngineError)):
            client.request(protocol.GetSavedSearches()).result(WAIT)
        started = until(events, protocol.EngineStarted)
        assert isinstance(started, protocol.EngineStarted)
        assert "3 videos and 1 favourite came back." in said(started.notice)
        (aside,) = damaged.glob("catalog.damaged-*.sqlite")
        assert aside.name in said(started.notice)
        assert client.request(protocol.GetSavedSearches()).result(WAIT) == ()
        assert found(client, "green")[0] == "green"


def test_damage_met_at_the_start_is_repaired_before_anything_is_asked(library: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(library, tmp_path / "library")
    overwrite(damaged, "files")
    with EngineClient(config(damaged)) as client:
        assert "3 videos and 1 favourite came back; 3 videos are indexed again" in said(client.notice)
        assert found(client, "blue")[0] == "blue", "what was indexed is found meanwhile"
        events = listen(client)
        client.request(protocol.Refresh()).result(WAIT)
        until(events, protocol.IndexFinished)
        assert found(client, "green")[0] == "green"
        assert client.request(protocol.GetFile(1)).result(WAIT).favourite
        status = client.request(protocol.GetStatus()).result(WAIT)
        assert (status.files, status.pending) == (3, 0)


def test_reading_only_a_damaged_library_is_one_sentence(library: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(library, tmp_path / "library")
    with LibraryPaths(damaged).catalog.open("r+b") as stream:
        stream.write(os.urandom(PAGE))
    with pytest.raises(LibraryDamaged, match="repaired when the window is next opened"):
        EngineClient(EngineConfig(damaged, read_only=True, factory="tests.fakes:open_library")).start()
    assert not list(damaged.glob("catalog.damaged-*"))


def test_thumbnails_are_drawn_again_without_encoding_and_what_none_shows_goes(library: Path, tmp_path: Path) -> None:
    torn = shutil.copytree(library, tmp_path / "library")
    paths = LibraryPaths(torn)
    first, second, third = sorted(paths.thumbnails.rglob("*.jpg"))
    pictures = {path: path.read_bytes() for path in (first, second, third)}
    first.unlink()
    second.write_bytes(pictures[second][:-100])
    somebodys = paths.thumbnails / "aa" / "holiday.jpg"
    stray = [third.with_name(f"{third.name}.part"), third.with_name(f"{third.stem}99.jpg"), somebodys]
    somebodys.parent.mkdir(exist_ok=True)
    for path in stray:
        path.write_bytes(b"left by a process that was killed")
    pictures[somebodys] = somebodys.read_bytes()  # not a name of ours: not ours to delete
    paths.catalog.with_name("catalog.sqlite.open").touch()
    with EngineClient(EngineConfig(torn, factory="tests.fakes:open_library_that_cannot_encode")) as client:
        until(listen(client), protocol.LibraryChanged)
        assert client.request(protocol.GetStatus()).result(WAIT).pending == 0
    assert {path: path.read_bytes() for path in paths.thumbnails.rglob("*.*")} == pictures


def test_thumbnails_that_are_cut_differently_now_are_indexed_again(library: Path, tmp_path: Path) -> None:
    torn = shutil.copytree(library, tmp_path / "library")
    paths = LibraryPaths(torn)
    shutil.rmtree(paths.thumbnails)
    with closing(sqlite3.connect(paths.catalog)) as db, db:
        db.execute("UPDATE clips SET tile_width = tile_width + 1 WHERE file_id = 1")
    with EngineClient(config(torn)) as client:
        events = listen(client)
        until(events, protocol.LibraryChanged)
        client.request(protocol.Refresh()).result(WAIT)
        finished = until(events, protocol.IndexFinished)
        assert isinstance(finished, protocol.IndexFinished)
        assert finished.totals.files == 1
    assert len(list(paths.thumbnails.rglob("*.jpg"))) == 3


def test_an_idle_engine_notices_changed_bits_and_makes_what_they_damaged_again(library: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(library, tmp_path / "library")
    catalog = LibraryPaths(damaged).catalog
    with closing(sqlite3.connect(catalog, isolation_level=None)) as db:
        sound = db.execute("SELECT globals FROM embeddings ORDER BY rowid LIMIT 1").fetchone()[0]
        db.execute("UPDATE embeddings SET globals = ? WHERE rowid = 1", (bytes([sound[0] ^ 1]) + sound[1:],))
    strips = sorted((damaged / "thumbnails").rglob("*.jpg"))
    content = strips[-1].read_bytes()
    strips[-1].write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    config_of_all = EngineConfig(damaged, factory="tests.fakes:open_library_checked_whole")
    with EngineClient(config_of_all) as client:
        events = listen(client)
        finished = until(events, protocol.IndexFinished)
        assert isinstance(finished, protocol.IndexFinished)
        assert (finished.totals.files, finished.error) == (1, None)
        assert found(client, "red")[0] == "red"
        deadline = time.monotonic() + WAIT
        while not strips[-1].exists() or strips[-1].read_bytes() != content:
            assert time.monotonic() < deadline, "the thumbnail is drawn again"
            time.sleep(0.05)
    with SqliteStore.open(damaged, read_only=True) as store:
        report = store.checks.check(1.0)
        assert (report.damaged, report.unknown) == ((), 0)


def test_a_check_that_work_interrupted_is_due_again(library: Path, tmp_path: Path) -> None:
    """The window requests a scan as it starts: a check begun before must not count as that day's."""
    place = Path(shutil.copytree(library, tmp_path / "library"))
    with closing(fakes.open_library(place, "", "", False)) as opened:
        service = UpkeepService(
            opened, EngineConfig(place), JobQueue(), GraphBuilding(opened, lambda _: None), lambda _: None
        )
        answers = iter([False, True])  # idle at the beginning, busy after the first item
        service.check_if_due(lambda: next(answers))
        assert service.rest_seconds() == upkeep.QUIET_SECONDS
        service.check_if_due(lambda: False)
        assert service.rest_seconds() == upkeep.PURGE_SECONDS
