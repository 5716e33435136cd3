"""Annotations go through the engine to the disk, are reported to all clients, and survive a crash."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from cret_desktop.domain.clips import LibraryFile, Match, Picture, Sort
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.protocol import FolderState, LibraryPart
from cret_desktop.errors import PathError, QueryError, StorageError
from cret_desktop.library.indexing.progress import FileIndexed
from tests.engine.test_engine import FACTORY, WAIT, Events, index
from tests.fakes import COLOURS
from tests.narrowing import found
from tests.videos import write_colours


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_colours(folder / "first.mp4", ["red", "blue"])
    write_colours(folder / "second.mp4", ["green"])
    (folder / "second.srt").write_text("1\n00:00:01,000 --> 00:00:01,500\na volcano sleeps\n", encoding="utf-8")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory=FACTORY)


def files(client: EngineClient) -> dict[str, LibraryFile]:
    answer = client.request(protocol.Search("", sort=Sort.NAME)).result(WAIT)
    return {Path(file.path).name: file for file in answer.files}


def test_annotations_by_request(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)
        first, second = (files(client)[name].id for name in ("first.mp4", "second.mp4"))
        events = Events(client)
        best = protocol.SavedSearch("best", "red is:favourite", sort=Sort.DATE)

        def change(body: protocol.Request[None], part: LibraryPart) -> None:
            assert client.request(body).result(WAIT) is None
            changed = events.until(lambda event: isinstance(event, protocol.LibraryChanged))
            assert changed == protocol.LibraryChanged.of(part)

        change(protocol.ChangeTags((first, second), add=("Zoo", "Family")), LibraryPart.TAGS)
        change(protocol.ChangeTags((second,), remove=("zoo",)), LibraryPart.TAGS)
        change(protocol.SetFavourite((first,), True), LibraryPart.FAVOURITES)
        change(protocol.SetNote(first, "grandma waves"), LibraryPart.NOTES)
        change(
            protocol.SaveSearch(best),
            LibraryPart.SAVED_SEARCHES,
        )
        change(protocol.SaveSearch(protocol.SavedSearch("worst", "blue")), LibraryPart.SAVED_SEARCHES)
        change(protocol.ForgetSearch("worst"), LibraryPart.SAVED_SEARCHES)
        assert client.request(protocol.GetTags()).result(WAIT) == (("Family", 2), ("Zoo", 1))
        told = client.request(protocol.GetFile(first)).result(WAIT)
        assert (told.favourite, told.tags, told.note) == (True, ("Family", "Zoo"), "grandma waves")
        saved = (best,)
        assert client.request(protocol.GetSavedSearches()).result(WAIT) == saved
        with pytest.raises(QueryError):
            client.request(protocol.ChangeTags((first,), add=(" ",))).result(WAIT)
        with pytest.raises(PathError):
            client.request(protocol.GetFile(999)).result(WAIT)
        reader = EngineConfig(config.library, read_only=True, factory=FACTORY)
        with EngineClient(reader) as other:
            assert other.request(protocol.GetTags()).result(WAIT) == (("Family", 2), ("Zoo", 1))
            with pytest.raises(StorageError):
                other.request(protocol.SetFavourite((first,), False)).result(WAIT)


def test_a_tag_typed_while_the_engine_dies_is_kept(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)
        first = files(client)["first.mp4"].id
        assert client.pid is not None
        os.kill(client.pid, signal.SIGSTOP)
        change = client.request(protocol.ChangeTags((first,), add=("kept",)))
        os.kill(client.pid, signal.SIGKILL)
        assert change.result(WAIT) is None
        assert files(client)["first.mp4"].tags == ("kept",)


def test_a_removed_folder_comes_back_whole_and_at_once(config: EngineConfig, tmp_path: Path) -> None:
    drive = tmp_path / "drive" / "videos"
    drive.mkdir(parents=True)
    write_colours(drive / "first.mp4", ["red", "blue"])
    with EngineClient(replace(config, factory="tests.fakes:open_logged_library")) as client:
        index(client, drive)
        client.request(protocol.SetNote(files(client)["first.mp4"].id, "mine")).result(WAIT)
        decoded = (tmp_path / "decoder.log").read_text()

        def ask_blue() -> list[str]:
            answer: protocol.SearchAnswer = client.request(protocol.Search("blue")).result(WAIT)
            return [Path(moment.path).name for moment in answer.moments[:1]]

        # Both requested without waiting in between: the folder that is added again stays.
        client.request(protocol.RemoveFolder(str(drive)))
        client.request(protocol.AddFolders((str(drive),))).result(WAIT)
        assert ask_blue() == ["first.mp4"]
        client.request(protocol.RemoveFolder(str(drive))).result(WAIT)
        assert (files(client), ask_blue()) == ({}, [])
        drive.parent.rename(tmp_path / "unplugged")  # it is restored all the same, and searchable
        index(client, drive)
        assert (files(client)["first.mp4"].note, ask_blue()) == ("mine", ["first.mp4"])
        (tmp_path / "unplugged").rename(drive.parent)
        index(client, drive)
        (folder,) = client.request(protocol.GetStatus()).result(WAIT).folders
        assert (folder.clips, folder.offline) == (2, False)
        assert (tmp_path / "decoder.log").read_text() == decoded, "nothing was decoded again"


def test_searches_of_every_kind(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)

        def ask(*arguments: object, **more: object) -> protocol.SearchAnswer:
            answer: protocol.SearchAnswer = client.request(protocol.Search(*arguments, **more)).result(WAIT)  # type: ignore[arg-type]
            return answer

        listed = ask("", sort=Sort.NAME)
        assert (listed.browsed, listed.total, [m.match for m in listed.moments]) == (True, 2, [Match.BROWSED] * 2)
        assert [Path(f.path).name for f in ask('red "second"').files] == ["second.mp4"]
        assert Path(ask("", like=Picture(2, 1, bytes(COLOURS["green"]) * 2)).files[0].path).name == "second.mp4"
        blue = ask("blue").moments[0]
        assert blue.clip_id not in [m.clip_id for m in ask("", like=blue.clip_id).moments]
        assert blue.clip_id not in [m.clip_id for m in ask("blue", without="blue").moments]
        spoken = ask("volcano").moments[0]
        assert (spoken.start, spoken.reasons[0].kind) == (1.0, "subtitle")
        strip = client.request(protocol.GetFilmstrip(blue.file_id, "blue")).result(WAIT)
        assert [s.start for s in strip] == [0.0, pytest.approx(2.0, abs=0.05)]
        assert found(strip[1].relevance) > found(strip[0].relevance)
        (folder,) = client.request(protocol.GetStatus()).result(WAIT).folders
        assert folder.state is FolderState.READY


def test_a_folder_that_waits_can_go_first(config: EngineConfig, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            write_colours(tmp_path / name / f"{name}{number}.mp4", ["red"], seconds=1)
    with EngineClient(config) as client:
        client.request(protocol.Pause(True)).result(WAIT)
        events = Events(client)
        for name in ("a", "b"):
            client.request(protocol.AddFolders((str(tmp_path / name),))).result(WAIT)
        client.request(protocol.PrioritiseFolder(str(tmp_path / "b"))).result(WAIT)
        with pytest.raises(PathError):
            client.request(protocol.PrioritiseFolder(str(tmp_path))).result(WAIT)
        client.request(protocol.Pause(False)).result(WAIT)
        events.until(lambda event: isinstance(event, protocol.IndexFinished) and not event.totals.cancelled)
        found = {Path(f.path).name: f.state for f in files(client).values()}
        assert all(found[f"b{number}.mp4"] == "indexed" for number in range(3))
        while [*found.values()] != ["indexed"] * 6:
            events.finished()
            found = {Path(f.path).name: f.state for f in files(client).values()}


def test_gentle_and_leaving_out(config: EngineConfig, videos: Path) -> None:
    import psutil

    gentle = EngineConfig(config.library, gentle=True, leave_out=("second*",), factory=FACTORY)
    with EngineClient(gentle) as client:
        assert client.pid is not None
        assert psutil.Process(client.pid).nice() > psutil.Process().nice()
        index(client, videos)
        assert list(files(client)) == ["first.mp4"]


def test_clients_hear_that_a_video_has_its_tags_again(config: EngineConfig, videos: Path, tmp_path: Path) -> None:
    kept, folder = tmp_path / "tags.json", tmp_path / "videos"
    folder.mkdir()
    (folder / "first.mp4").write_bytes((videos / "first.mp4").read_bytes())

    def hears_of_tags(events: Events) -> bool:
        """Return whether the event comes before the end of the run."""
        while not isinstance(event := events.until(lambda _: True), protocol.IndexFinished):
            if isinstance(event, protocol.LibraryChanged) and event.touches(LibraryPart.TAGS):
                return True
        return False

    with EngineClient(config) as client:
        index(client, folder)
        client.request(protocol.ChangeTags((files(client)["first.mp4"].id,), add=("Zoo",))).result(WAIT)
        client.request(protocol.ExportTags(str(kept))).result(WAIT)
        (folder / "first.mp4").rename(tmp_path / "away.mp4")
        index(client, folder)
        (tmp_path / "away.mp4").rename(folder / "first.mp4")
        events = Events(client)
        client.request(protocol.Refresh()).result(WAIT)
        assert hears_of_tags(events)
        assert client.request(protocol.GetTags()).result(WAIT) == (("Zoo", 1),)
        events.until(lambda event: isinstance(event, protocol.IndexFinished))
        client.request(protocol.RemoveFolder(str(folder))).result(WAIT)
        events = Events(client)
        client.request(protocol.AddFolders((str(folder),))).result(WAIT)
        assert hears_of_tags(events)
    with EngineClient(replace(config, library=tmp_path / "other")) as client:
        assert client.request(protocol.ImportTags(str(kept))).result(WAIT).waiting == 1
        events = Events(client)
        client.request(protocol.AddFolders((str(folder),))).result(WAIT)
        indexed = events.until(lambda event: isinstance(event, FileIndexed))
        assert isinstance(indexed, FileIndexed)
        assert indexed.path == str(folder / "first.mp4")
        assert hears_of_tags(events)
        assert client.request(protocol.GetTags()).result(WAIT) == (("Zoo", 1),)
