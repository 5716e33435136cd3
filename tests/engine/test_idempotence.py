"""Every request that changes the library can be carried out twice.

The engine is killed after a change is committed and before its reply is sent. The client sends the change again to the
next engine: the change succeeds, and the library is as one whose engine was never killed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cret_desktop.domain.records import Merged, SavedSearch
from cret_desktop.engine import client, protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.protocol import Request
from cret_desktop.errors import PathError
from tests.fakes import ColourModel, FakeDecoder

if TYPE_CHECKING:
    from cret_desktop.engine.assemble import OpenLibrary

WAIT = 60
VIDEOS = {"a.mp4": "red blue", "b.mp4": "green", "c.mp4": "broken"}


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """An `EngineConfig.factory` whose engine kills itself once, before it replies to the request named in a file."""
    from cret_desktop.engine.assemble import wire
    from cret_desktop.engine.sessions import Session

    receive, send = Session.receive, Session.send
    received: dict[int, str] = {}

    def noted(self: Session) -> tuple[int, Request[Any] | protocol.Shutdown]:
        number, request = receive(self)
        received[number] = type(request).__name__
        return number, request

    def sent(self: Session, message: protocol.Reply | protocol.Failure | protocol.Event) -> None:
        plan = plan_of(library)
        if isinstance(message, protocol.Reply) and plan.exists() and received[message.id] == plan.read_text():
            plan.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        send(self, message)

    Session.receive = noted  # type: ignore[method-assign]
    Session.send = sent  # type: ignore[method-assign]
    return wire(library, ColourModel(), FakeDecoder, read_only, still_seconds=0.0)


def plan_of(library: Path) -> Path:
    return library.with_name("killed before the reply")


class Library:
    """A library of a folder of videos, and the folder itself."""

    def __init__(self, folder: Path, videos: Path) -> None:
        folder.mkdir()
        self.videos = videos
        self.library = folder / "library"
        self.client = EngineClient(EngineConfig(self.library, factory=f"{__name__}:open_library", watch=False)).start()
        self._ask(protocol.AddFolders((str(videos),)))
        self.rest()
        self.exported = folder / "tags.json"
        self._ask(protocol.ChangeTags((self.file("a.mp4"),), ("kept",), ()))
        self._ask(protocol.SetNote(self.file("a.mp4"), "from the file"))
        self._ask(protocol.SaveSearch(SavedSearch("imported", "red")))
        self._ask(protocol.ExportTags(str(self.exported)))
        self._ask(protocol.ChangeTags((self.file("a.mp4"),), ("old",), ("kept",)))
        self._ask(protocol.SetNote(self.file("a.mp4"), "typed here"))
        self._ask(protocol.SaveSearch(SavedSearch("imported", "blue")))

    def _ask(self, request: Request[Any]) -> Any:
        return self.client.request(request).result(WAIT)

    def change(self, request: Request[Any], killed: bool) -> object:
        """Carry out a change; `killed`: with an engine that dies before it replies."""
        before = self.client.pid
        if killed:
            plan_of(self.library).write_text(type(request).__name__, encoding="utf-8")
        outcome: object = self._ask(request)
        assert not plan_of(self.library).exists(), "the engine was killed in time"
        assert (self.client.pid != before) == killed
        self.rest()
        return outcome

    def rest(self) -> None:
        """Wait until indexing is idle."""
        until = time.monotonic() + WAIT
        while self._ask(protocol.GetStatus()).indexing:
            assert time.monotonic() < until
            time.sleep(0.02)

    def file(self, name: str) -> int:
        """Return the id of a video."""
        (found,) = (f.id for f in self._ask(protocol.Search("")).files if Path(f.path).name == name)
        assert isinstance(found, int)
        return found

    def state(self) -> tuple[object, ...]:
        """Return all that a person can see of it, except the times of indexing."""
        answers = [
            self._ask(protocol.Search(text)) for text in ("", "blue", "typed", "kept", "tag:old", "is:favourite")
        ]
        return (
            replace(self._ask(protocol.GetStatus()), library=""),
            self._ask(protocol.GetFailures()),
            self._ask(protocol.GetTags()),
            self._ask(protocol.GetSavedSearches()),
            [a.files for a in answers],
            [[(m.path, m.start, m.end, m.score, m.match, m.reasons) for m in a.moments] for a in answers],
        )


def imports(library: Library) -> protocol.ImportTags:
    return protocol.ImportTags(str(library.exported))


Change = Callable[[Library], Request[Any]]
CHANGES: dict[type[Request[Any]], Change] = {
    protocol.ChangeTags: lambda at: protocol.ChangeTags((at.file("a.mp4"), at.file("b.mp4")), ("new",), ("old",)),
    protocol.SetFavourite: lambda at: protocol.SetFavourite((at.file("b.mp4"),), True),
    protocol.SetNote: lambda at: protocol.SetNote(at.file("b.mp4"), "typed twice"),
    protocol.SaveSearch: lambda at: protocol.SaveSearch(SavedSearch("two", "green")),
    protocol.ForgetSearch: lambda at: protocol.ForgetSearch("imported"),
    protocol.ImportTags: imports,
    protocol.AddFolders: lambda at: protocol.AddFolders((str(at.videos.with_name("more")),)),
    protocol.RetryFailures: lambda at: protocol.RetryFailures(),
    protocol.IndexAgain: lambda at: protocol.IndexAgain(str(at.videos)),
    protocol.RemoveFolder: lambda at: protocol.RemoveFolder(str(at.videos)),  # the last: the others need its videos
}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    for place in (folder, folder.with_name("more")):
        place.mkdir()
    for name, words in VIDEOS.items():
        (folder / name).write_text(words, encoding="utf-8")
    (folder.with_name("more") / "d.mp4").write_text("blue blue red", encoding="utf-8")
    return folder


def test_every_change_is_tried() -> None:
    changes = {kind for kind in vars(protocol).values() if isinstance(kind, type) and issubclass(kind, Request)}
    assert {kind for kind in changes if kind.change} == set(CHANGES)


def test_a_change_whose_reply_was_lost_is_done_once(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RESTARTS", len(CHANGES))
    undisturbed, killed = Library(tmp_path / "undisturbed", videos), Library(tmp_path / "killed", videos)
    with closing(undisturbed.client), closing(killed.client):
        for kind, change in CHANGES.items():
            before = killed.state()
            assert before == undisturbed.state()
            expected = undisturbed.change(change(undisturbed), killed=False)
            outcome = killed.change(change(killed), killed=True)
            if isinstance(expected, Merged):  # it counts what it adds, and the second time all of it is there
                expected = replace(expected, notes_joined=0, searches=0)
            assert outcome == expected, kind.__name__
            assert killed.state() == undisturbed.state(), kind.__name__
            is_changed = kind not in (protocol.RetryFailures, protocol.IndexAgain)  # they end where they began
            assert (killed.state() != before) == is_changed, kind.__name__


def test_a_folder_that_was_never_there_cannot_be_removed(videos: Path, tmp_path: Path) -> None:
    library = Library(tmp_path / "library", videos)
    with closing(library.client), pytest.raises(PathError):
        library.change(protocol.RemoveFolder(str(tmp_path)), killed=False)


def test_a_known_folder_that_is_not_there_can_be_added_again(videos: Path, tmp_path: Path) -> None:
    """It may have been unplugged between the change and its repetition."""
    library = Library(tmp_path / "library", videos)
    with closing(library.client):
        library.change(protocol.SetNote(library.file("b.mp4"), "kept"), killed=False)
        videos.rename(videos.with_name("unplugged"))
        library.change(protocol.AddFolders((str(videos),)), killed=False)
        found = library.client.request(protocol.Search("kept")).result(WAIT).files
        assert {Path(file.path).name: file.note for file in found}["b.mp4"] == "kept", "nothing is missing"
        with pytest.raises(PathError):
            library.change(protocol.AddFolders((str(videos.with_name("never there")),)), killed=False)
