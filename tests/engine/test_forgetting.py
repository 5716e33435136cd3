"""A removed folder is deleted permanently on request: its words, its pictures, and copies set aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import StorageError
from tests.engine.test_engine import FACTORY, WAIT, Events, index
from tests.storage.sqlite.test_forgetting import traces
from tests.videos import write_colours

WORDS = ("qxzjk", "jkzxq", "zqkjx", "xjqkz")  # in a name, a note, a tag and a subtitle


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    name, _, _, spoken = WORDS
    for folder in (tmp_path / name, tmp_path / "kept"):
        folder.mkdir()
        write_colours(folder / "red.mp4", ["red"] if folder.name == name else ["blue"], seconds=1)
    (tmp_path / name / "red.srt").write_text(f"1\n00:00:00,100 --> 00:00:00,500\n{spoken}\n", encoding="utf-8")
    return EngineConfig(tmp_path / "library", factory=FACTORY)


def forget(client: EngineClient, path: Path | str, copies: bool = False) -> protocol.Forgotten:
    answer: protocol.Forgotten = client.request(protocol.Forget(str(path), copies)).result(WAIT)
    return answer


def test_a_removed_folder_is_forgotten_for_good(config: EngineConfig, tmp_path: Path) -> None:
    name, note, tag, _ = WORDS
    library, removed = config.library, tmp_path / name
    with EngineClient(config) as client:
        for folder in (removed, tmp_path / "kept"):
            index(client, folder)
        (video,) = client.request(protocol.Search(f'in:"{removed}"')).result(WAIT).files
        client.request(protocol.SetNote(video.id, note)).result(WAIT)
        client.request(protocol.ChangeTags((video.id,), add=(tag,))).result(WAIT)
        here = forget(client, removed)
        assert (here.videos, here.staying) == (0, 1), "what is in the library is not forgotten"
    shutil.copytree(library, tmp_path / "aside")
    (tmp_path / "aside").rename(library / "set-aside-2026-01-02-030405-678")
    (library / "engine.log").write_text(f"{removed}/red.mp4 was indexed\n")
    with EngineClient(config) as client:
        client.request(protocol.RemoveFolder(str(removed))).result(WAIT)
        assert traces(library, WORDS).keys() == set(WORDS), "for 30 days it could be brought back"
        events = Events(client)
        done = forget(client, removed)
        events.until(lambda event: isinstance(event, protocol.LibraryChanged))
        assert (done.videos, done.folders, done.staying, done.log_held) == (1, 1, 0, False)
        assert [Path(copy).name for copy in done.copies] == ["engine.log", "set-aside-2026-01-02-030405-678"]
        assert traces(library, WORDS) == {}
        assert len(list((library / "thumbnails").rglob("*.jpg"))) == 1
        again = forget(client, removed, copies=True)
        assert (again.videos, again.folders, again.copies) == (0, 0, ())
        (kept,) = client.request(protocol.Search("blue")).result(WAIT).files
        assert kept.path == str(tmp_path / "kept" / "red.mp4")
    assert traces(library, WORDS) == {}
    assert not list(library.glob("set-aside-*"))
    assert (removed / "red.mp4").is_file()


def test_words_said_otherwise_are_gone_at_the_next_start_or_when_space_is_freed(
    config: EngineConfig, tmp_path: Path
) -> None:
    with EngineClient(config) as client:
        index(client, tmp_path / "kept")
        (video,) = client.request(protocol.Search("")).result(WAIT).files
        for note in WORDS[:2]:
            client.request(protocol.SetNote(video.id, note)).result(WAIT)
    assert traces(config.library, WORDS).keys() == set(WORDS[:2]), "SQLite's index of words has both"
    EngineClient(config).start().close()
    assert traces(config.library, WORDS).keys() == {WORDS[1]}
    with EngineClient(config) as client:
        for note in WORDS[2:]:
            client.request(protocol.SetNote(video.id, note)).result(WAIT)
        client.request(protocol.FreeSpace()).result(WAIT)
        assert traces(config.library, WORDS).keys() == {WORDS[-1]}
        reading = EngineConfig(config.library, read_only=True, factory=FACTORY)
        with EngineClient(reading) as reader, pytest.raises(StorageError, match="reading only"):
            forget(reader, "", copies=True)
