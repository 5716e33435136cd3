"""The engine follows its folders by real file system events, while it indexes and answers."""

from __future__ import annotations

import os
import queue
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.watching import KEEP_SECONDS
from cret_desktop.library.indexing.progress import FileIndexed
from tests.videos import write_colours

WAIT = 120  # seconds until a test gives up; nothing is asserted about time


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        colour: write_colours(folder / f"{colour}.mp4", [colour], seconds=1)
        for colour in ("red", "green", "blue", "yellow", "purple")
    }


class Engine:
    """A watching engine, and its events."""

    def __init__(self, client: EngineClient) -> None:
        self.client = client
        self._events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        self.seen: list[protocol.Event] = []
        client.subscribe(self._events.put)

    def ask(self, body: protocol.Request[Any]) -> object:
        return self.client.request(body).result(WAIT)

    def add(self, *folders: Path) -> None:
        self.ask(protocol.AddFolders(tuple(map(str, folders))))
        self.until(lambda: any(isinstance(event, protocol.IndexFinished) for event in self.seen))

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for events until a condition is true; it is checked again after each."""
        while not holds():
            self.seen.append(self._events.get(timeout=WAIT))

    def files(self) -> dict[str, LibraryFile]:
        answer = self.ask(protocol.Search("", limit=100_000))
        assert isinstance(answer, protocol.SearchAnswer)
        return {file.path: file for file in answer.files}

    def names(self) -> list[str]:
        return sorted(Path(path).name for path in self.files())

    def best(self, query: str) -> str:
        answer = self.ask(protocol.Search(query))
        assert isinstance(answer, protocol.SearchAnswer)
        return Path(answer.moments[0].path).name if answer.moments else ""

    @property
    def decoded(self) -> list[str]:
        return [Path(event.path).name for event in self.seen if isinstance(event, FileIndexed)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "videos"
    made.mkdir()
    return made


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", watch=True, factory="tests.fakes:open_library")


@pytest.fixture
def engine(config: EngineConfig, folder: Path, clips: dict[str, Path]) -> Iterator[Engine]:
    shutil.copy(clips["red"], folder / "a.mp4")
    with EngineClient(config) as client:
        watching = Engine(client)
        watching.add(folder)
        yield watching


def test_what_comes_changes_moves_and_goes_is_followed(engine: Engine, folder: Path, clips: dict[str, Path]) -> None:
    shutil.copy(clips["blue"], folder / "b.mp4")
    engine.until(lambda: engine.decoded == ["a.mp4", "b.mp4"])
    assert engine.best("blue") == "b.mp4"
    file_id = engine.files()[str(folder / "b.mp4")].id
    engine.ask(protocol.ChangeTags((file_id,), add=("keep",)))

    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "b.mp4").rename(folder / "new" / "deep" / "c.mp4")
    moved = str(folder / "new" / "deep" / "c.mp4")
    engine.until(lambda: moved in engine.files())
    assert (engine.files()[moved].id, engine.files()[moved].tags) == (file_id, ("keep",))

    (folder / "new").rename(folder / "old")
    moved = str(folder / "old" / "deep" / "c.mp4")
    engine.until(lambda: moved in engine.files())
    assert engine.files()[moved].tags == ("keep",)
    assert engine.decoded == ["a.mp4", "b.mp4"], "nothing is decoded for a new name"

    shutil.copy(clips["green"], folder / "a.mp4")
    engine.until(lambda: engine.decoded == ["a.mp4", "b.mp4", "a.mp4"])
    assert engine.best("green") == "a.mp4"

    (folder / "a.mp4").unlink()
    engine.until(lambda: engine.names() == ["c.mp4"])
    (folder / "name.srt").write_text("no video beside it")
    (folder / ".hidden.mp4").write_bytes(clips["red"].read_bytes())
    shutil.copy(moved, folder / "copy.mp4")
    engine.until(lambda: engine.names() == ["c.mp4", "copy.mp4"])
    assert len(engine.decoded) == 3, "nor for a copy"


def test_a_file_is_taken_when_it_stands_still(tmp_path: Path, folder: Path, clips: dict[str, Path]) -> None:
    config = EngineConfig(tmp_path / "library", watch=True, factory="tests.fakes:open_careful_library")
    whole = clips["yellow"].read_bytes()
    growing = folder / "growing.mp4"
    shutil.copy(clips["red"], folder / "a.mp4")
    with EngineClient(config) as client:
        engine = Engine(client)
        engine.ask(protocol.AddFolders((str(folder),)))
        with growing.open("wb") as target:
            # It grows until the other file is indexed: by then it was scanned and skipped.
            at = 0
            while not engine.decoded or at < len(whole) - 1:
                at = min(at + len(whole) // 20, len(whole) - 1)
                target.seek(0)
                target.write(whole[:at])
                target.flush()
                try:
                    engine.seen.append(engine._events.get(timeout=0.05))
                except queue.Empty:
                    continue
                assert "growing.mp4" not in engine.decoded
            target.seek(0)
            target.write(whole)
        engine.until(lambda: "growing.mp4" in engine.decoded)
        assert engine.decoded == ["a.mp4", "growing.mp4"]
        assert not any(isinstance(event, FileIndexed) and event.reason for event in engine.seen)
        assert engine.best("yellow") == "growing.mp4"


def test_a_folder_that_goes_and_comes_back_is_offline_meanwhile(engine: Engine, folder: Path) -> None:
    away = folder.with_name("unplugged")
    before = engine.files()

    def status() -> protocol.Folder:
        answer = engine.ask(protocol.GetStatus())
        assert isinstance(answer, protocol.LibraryStatus)
        return answer.folders[0]

    # Outside the parent folder, where a renamed folder would be found.
    (folder.parent / "elsewhere").mkdir()
    away = folder.rename(folder.parent / "elsewhere" / "videos")
    engine.until(lambda: status().offline)
    assert status().state is protocol.FolderState.OFFLINE
    assert engine.files().keys() == before.keys()
    assert engine.best("red") == "a.mp4"
    away.rename(folder)
    engine.until(lambda: not status().offline)
    folder.rename(folder.with_name("renamed"))
    engine.until(lambda: status().path == str(folder.with_name("renamed")))
    assert engine.names() == ["a.mp4"]
    assert engine.decoded == ["a.mp4"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
def test_unmounting_loses_nothing_and_remounting_finds_all(
    config: EngineConfig, tmp_path: Path, clips: dict[str, Path]
) -> None:
    point = tmp_path / "drive"
    point.mkdir()
    if os.system(f"mount -t tmpfs -o size=20m tmpfs '{point}' 2>/dev/null"):
        pytest.skip("mounting is not permitted here")
    try:
        shutil.copy(clips["blue"], point / "b.mp4")
        with EngineClient(config) as client:
            engine = Engine(client)
            engine.add(tmp_path / "drive")
            assert engine.names() == ["b.mp4"]

            def offline() -> bool:
                answer = engine.ask(protocol.GetStatus())
                assert isinstance(answer, protocol.LibraryStatus)
                return answer.folders[0].offline

            # Another file system mounted over it looks like a removed drive.
            assert os.system(f"mount -t tmpfs -o size=1m tmpfs '{point}'") == 0
            try:
                engine.until(offline)
                assert engine.best("blue") == "b.mp4"
            finally:
                os.system(f"umount -l '{point}'")
            engine.until(lambda: not offline())
            assert engine.decoded == ["b.mp4"]
    finally:
        os.system(f"umount -l '{point}'")


def test_what_happened_while_it_was_closed_is_found_at_the_start(
    config: EngineConfig, tmp_path: Path, folder: Path, clips: dict[str, Path]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number, colour in enumerate(clips):
        shutil.copy(clips[colour], folder / f"{number}.mp4")
    with EngineClient(config) as client:
        engine = Engine(client)
        engine.add(folder, other)
        ids = {name: engine.files()[str(folder / name)].id for name in ("0.mp4", "1.mp4")}
        engine.ask(protocol.SetNote(ids["0.mp4"], "the first"))
    (folder / "0.mp4").rename(other / "renamed.mp4")
    (folder / "1.mp4").unlink()
    with EngineClient(config) as client:
        engine = Engine(client)
        engine.until(lambda: str(other / "renamed.mp4") in engine.files() and len(engine.files()) == len(clips) - 1)
        moved = engine.files()[str(other / "renamed.mp4")]
        assert (moved.id, moved.note) == (ids["0.mp4"], "the first")
        assert engine.decoded == []


def test_what_is_gone_is_forgotten_after_thirty_days(
    config: EngineConfig, folder: Path, clips: dict[str, Path]
) -> None:
    for colour in ("red", "green", "blue"):
        shutil.copy(clips[colour], folder / f"{colour}.mp4")
    with EngineClient(config) as client:
        engine = Engine(client)
        engine.add(folder)
        engine.ask(protocol.SetFavourite((engine.files()[str(folder / "red.mp4")].id,), True))
        (folder / "red.mp4").unlink()
        (folder / "green.mp4").unlink()
        engine.until(lambda: engine.names() == ["blue.mp4"])
    thumbnails = config.library / "thumbnails"
    assert len(list(thumbnails.rglob("*.jpg"))) == 3
    with sqlite3.connect(config.library / "catalog.sqlite") as db:
        long_ago = time.time() - KEEP_SECONDS - 3600
        db.execute("UPDATE files SET missing_since = ? WHERE path = ?", (long_ago, b"red.mp4"))
    db.close()
    with EngineClient(config) as client:
        engine = Engine(client)
        # Green returns in time, and is not reindexed; red returns too late, and keeps only its annotations.
        shutil.copy(clips["green"], folder / "green.mp4")
        engine.until(lambda: "green.mp4" in engine.names())
        assert engine.decoded == []
        assert len(list(thumbnails.rglob("*.jpg"))) == 2
        shutil.copy(clips["red"], folder / "back.mp4")
        engine.until(lambda: engine.decoded == ["back.mp4"])
        assert engine.files()[str(folder / "back.mp4")].favourite


def test_hundreds_of_files_come_move_and_go_while_searches_are_answered(
    engine: Engine, folder: Path, clips: dict[str, Path]
) -> None:
    """Nothing is decoded for the copies, so that the test is about following changes."""
    contents = {colour: path.read_bytes() for colour, path in clips.items()}
    for colour in clips:
        (folder / f"{colour}.mp4").write_bytes(contents[colour])
    engine.until(lambda: len(engine.decoded) == len(clips))  # red is known already
    for number in range(400):
        place = folder / f"day {number % 7}" / f"{number}.mp4"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(contents[sorted(clips)[number % len(clips)]])
        if number % 5 == 1:
            place.rename(folder / f"{number} moved.mp4")
        elif number % 5 == 2:
            place.unlink()
        if number % 50 == 0:
            assert engine.best("red") != ""
    (folder / "day 3").rename(folder / "day 3, sorted")
    shutil.rmtree(folder / "day 4")
    there = sorted(path.name for path in folder.rglob("*.mp4"))

    def status() -> protocol.LibraryStatus:
        answer = engine.ask(protocol.GetStatus())
        assert isinstance(answer, protocol.LibraryStatus)
        return answer

    engine.until(lambda: engine.names() == there and status().pending == 0)
    assert (status().files, status().clips, status().failed) == (len(there), len(there), 0)
    assert len(engine.decoded) < len(there) // 4, "copies are known by their content, unless met half-written"
