"""The disk space of a library: reported, and freed without loss of thumbnails; and folders indexed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cret_desktop.domain.records import LibrarySize
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import PathError, StorageError
from cret_desktop.media.sprites import tile_size
from tests.engine.test_engine import FACTORY, WAIT, Events, index
from tests.videos import write_colours


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_colours(folder / "red then blue.mp4", ["red", "blue"])
    write_colours(folder / "green.mp4", ["green"], seconds=6)
    return folder


def ask(client: EngineClient, request: protocol.Request[Any]) -> object:
    return client.request(request).result(WAIT)


def pictures(client: EngineClient) -> dict[str, tuple[int, int, int, int]]:
    """Return the first tile of every clip, by its file's path."""
    answer = client.request(protocol.Search("red")).result(WAIT)
    moments = [client.request(protocol.GetFilmstrip(file.id)).result(WAIT) for file in answer.files]
    return {stretch.thumbnails[0].path: stretch.thumbnails[0].rect for strip in moments for stretch in strip}


def test_thumbnails_are_made_smaller_and_strays_are_taken_away(tmp_path: Path, videos: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory=FACTORY)
    with EngineClient(config) as client:
        index(client, videos)
        before = ask(client, protocol.GetLibrarySize())
        large = pictures(client)
    assert isinstance(before, LibrarySize)
    assert before.thumbnails == sum(Path(path).stat().st_size for path in large)
    assert before.catalog >= (config.library / "catalog.sqlite").stat().st_size
    width, height = next(iter(large.values()))[2:]
    stray = config.library / "thumbnails" / "aa" / "aa" / f"aaaa{'0' * 20}-1.jpg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(bytes(100_000))
    narrower = EngineConfig(config.library, thumbnail_width=width // 2, factory=FACTORY)
    with EngineClient(narrower) as client:
        after = ask(client, protocol.FreeSpace())
        small = pictures(client)
        again = ask(client, protocol.FreeSpace())
    assert isinstance(after, LibrarySize)
    assert isinstance(again, LibrarySize)
    assert again.thumbnails == after.thumbnails < before.thumbnails, "there is nothing more to free"
    assert not stray.exists()
    assert len(small) == len(large) == 3
    assert {rect[2:] for rect in small.values()} == {tile_size(width, height, width // 2)}
    on_disk = {str(path) for path in (config.library / "thumbnails").rglob("*") if path.is_file()}
    assert on_disk == set(small), "each is there, and nothing else"


def test_a_reader_frees_nothing(tmp_path: Path, videos: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory=FACTORY)
    with EngineClient(config) as client:
        index(client, videos)
        reader = EngineConfig(config.library, read_only=True, thumbnail_width=16, factory=FACTORY)
        with EngineClient(reader) as other, pytest.raises(StorageError, match="reading only"):
            ask(other, protocol.FreeSpace())
        assert all(Path(path).is_file() for path in pictures(client))


def test_a_folder_is_indexed_again_as_finely_as_now_wanted(tmp_path: Path, videos: Path) -> None:
    library = tmp_path / "library"
    with EngineClient(EngineConfig(library, factory=FACTORY)) as client:
        assert index(client, videos).totals.clips == 3
        assert index(client, videos).totals.files == 0
    finer = EngineConfig(library, clip_seconds=2.0, factory=FACTORY)
    with EngineClient(finer) as client:
        assert index(client, videos).totals.files == 0, "what is indexed stays as it is"
        events = Events(client)
        ask(client, protocol.IndexAgain(str(videos)))
        totals = events.finished().totals
        assert (totals.files, totals.clips) == (2, 5), "six seconds of green are three clips now"
        best = client.request(protocol.Search("green")).result(WAIT).moments[0]
        assert best.path.endswith("green.mp4")
        with pytest.raises(PathError):
            ask(client, protocol.IndexAgain(str(tmp_path / "elsewhere")))
