"""Backups, restoring, moving and exported tags, through the engine while it works."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cret_desktop.domain.records import Contents, Merged
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import CopyCancelled, LibraryMissing, PathError, StorageError, UsageError
from tests.engine.test_annotations import files
from tests.engine.test_engine import FACTORY, WAIT, Events, index
from tests.said import said
from tests.videos import write_colours


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_colours(folder / "first.mp4", ["red", "blue"])
    return folder


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory=FACTORY)


def note(client: EngineClient, text: str) -> None:
    client.request(protocol.SetNote(files(client)["first.mp4"].id, text)).result(WAIT)


def test_a_backup_is_restored_over_a_restart(config: EngineConfig, videos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup"
    with EngineClient(config) as client:
        index(client, videos)
        note(client, "before")
        events = Events(client)
        assert client.request(protocol.BackUpLibrary(str(copy))).result(WAIT) == Contents(1, 2)
        events.until(lambda e: isinstance(e, protocol.CopyProgress) and e.done == e.total)
        with pytest.raises(PathError):
            client.request(protocol.BackUpLibrary(str(copy))).result(WAIT)
        note(client, "after")
        assert client.request(protocol.RestoreLibrary(str(copy))).result(WAIT) == Contents(1, 2)
        assert files(client)["first.mp4"].note == "after"
        size = client.request(protocol.GetLibrarySize()).result(WAIT)
        assert size.thumbnails > 0
    with EngineClient(config) as client:
        events = Events(client)
        assert files(client)["first.mp4"].note == "before"
        best = client.request(protocol.Search("blue")).result(WAIT).moments[0]
        assert best.start == pytest.approx(2.0, abs=0.05)
        assert os.path.exists(best.thumbnails[0].path)
    (aside,) = config.library.glob("set-aside-*")
    for place, words in ((copy, "before"), (aside, "after")):
        with EngineClient(replace(config, library=place)) as client:
            assert files(client)["first.mp4"].note == words


def test_thumbnails_that_were_left_out_are_drawn_anew(config: EngineConfig, videos: Path, tmp_path: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)
        client.request(protocol.BackUpLibrary(str(tmp_path / "backup"), thumbnails=False)).result(WAIT)
    assert not (tmp_path / "backup" / "thumbnails").exists()
    client = EngineClient(replace(config, library=tmp_path / "backup"))
    events = Events(client)
    with client:
        events.until(lambda event: isinstance(event, protocol.LibraryChanged))
    assert len(list((tmp_path / "backup" / "thumbnails").rglob("*.jpg"))) == 2


def test_the_start_tells_that_a_library_was_restored(config: EngineConfig, tmp_path: Path) -> None:
    with EngineClient(config) as client:
        client.request(protocol.BackUpLibrary(str(tmp_path / "backup"))).result(WAIT)
        client.request(protocol.RestoreLibrary(str(tmp_path / "backup"))).result(WAIT)
    client = EngineClient(config)
    events = Events(client)
    with client:
        started = events.until(lambda event: isinstance(event, protocol.EngineStarted))
    assert isinstance(started, protocol.EngineStarted)
    assert "was restored" in said(started.notice)


def test_a_moved_library_takes_no_changes_in_its_old_place(config: EngineConfig, videos: Path, tmp_path: Path) -> None:
    place = tmp_path / "other disk" / "library"
    with EngineClient(config) as client:
        index(client, videos)
        client.request(protocol.MoveLibrary(str(place))).result(WAIT)
        with pytest.raises(StorageError, match="was moved"):
            note(client, "lost")
        with pytest.raises(StorageError, match="was moved"):
            client.request(protocol.RestoreLibrary(str(place))).result(WAIT)
    moved = replace(config, library=place, moved=True)
    with EngineClient(moved) as client:
        note(client, "there")
        assert [folder.clips for folder in client.request(protocol.GetStatus()).result(WAIT).folders] == [2]
    place.rename(tmp_path / "unplugged")
    with pytest.raises(LibraryMissing, match="Plug in its drive"):
        EngineClient(moved).start()
    assert not place.exists(), "no empty library is made in its place"


def test_copying_can_be_stopped(config: EngineConfig, tmp_path: Path) -> None:
    with EngineClient(config) as client:
        for number in range(30):  # sent at once: the first copy may be complete when the cancellation arrives
            last = client.request(protocol.BackUpLibrary(str(tmp_path / f"backup {number}")))
        client.request(protocol.CancelCopy()).result(WAIT)
        with pytest.raises(CopyCancelled):
            last.result(WAIT)
        assert not (tmp_path / "backup 29").exists()
        client.request(protocol.BackUpLibrary(str(tmp_path / "again"))).result(WAIT)


def test_a_cancel_holds_when_another_request_follows_at_once(config: EngineConfig, tmp_path: Path) -> None:
    with EngineClient(config) as client:
        for number in range(30):
            last = client.request(protocol.BackUpLibrary(str(tmp_path / f"backup {number}")))
        client.request(protocol.CancelCopy())
        size = client.request(protocol.GetLibrarySize())  # as the window requests it during the copying
        with pytest.raises(CopyCancelled):
            last.result(WAIT)
        assert size.result(WAIT).catalog > 0
    assert not (tmp_path / "backup 29").exists()


def test_tags_go_out_and_come_in(config: EngineConfig, videos: Path, tmp_path: Path) -> None:
    file = tmp_path / "tags.json"
    with EngineClient(config) as client:
        index(client, videos)
        note(client, "mine")
        client.request(protocol.SaveSearch(protocol.SavedSearch("dogs", "a dog"))).result(WAIT)
        assert client.request(protocol.ExportTags(str(file))).result(WAIT) == (1, 1)
        for path, error in (("tags.txt", UsageError), ("no folder/tags.json", StorageError)):
            with pytest.raises(error):
                client.request(protocol.ExportTags(str(tmp_path / path))).result(WAIT)
    assert [entry["note"] for entry in json.loads(file.read_text())["files"]] == ["mine"]
    with EngineClient(replace(config, library=tmp_path / "another")) as client:
        assert client.request(protocol.ImportTags(str(file))).result(WAIT) == Merged(waiting=1, searches=1)
        index(client, videos)
        assert files(client)["first.mp4"].note == "mine", "it waited for the video"
        with pytest.raises(UsageError):
            client.request(protocol.ImportTags(str(tmp_path / "nothing"))).result(WAIT)
    with EngineClient(replace(config, read_only=True)) as client:
        assert client.request(protocol.ExportTags(str(tmp_path / "tags.csv"))).result(WAIT) == (1, 1)
        with pytest.raises(StorageError):
            client.request(protocol.ImportTags(str(file))).result(WAIT)
