"""Two clients of one engine: each gets its own replies, both get events, neither supersedes the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from cret_desktop.engine import codec, protocol
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.codec import Message
from cret_desktop.engine.protocol import LibraryPart
from cret_desktop.engine.server import Engine
from tests import fakes
from tests.engine.test_engine import WAIT
from tests.videos import write_colours


class Peer:
    """A client's end of a pipe."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.passed: list[Message] = []

    def send(self, number: int, request: protocol.Request[Any] | protocol.Shutdown) -> None:
        self.connection.send_bytes(codec.encode_request(number, request))

    def until(self, fits: Callable[[Message], bool]) -> Message:
        """Return the first matching message, of those skipped before and those to come."""
        for message in self.passed:
            if fits(message):
                self.passed.remove(message)
                return message
        while True:
            assert self.connection.poll(WAIT), "nothing came"
            message = Message(self.connection.recv_bytes())
            if fits(message):
                return message
            self.passed.append(message)

    def reply(self, number: int, request: protocol.Request[Any]) -> Any:
        """Return the reply's value, or the Failure."""
        message = self.until(lambda message: message.number == number)
        return message.value(request.reply_type()) if message.is_reply else message.event()

    def ask(self, number: int, request: protocol.Request[Any]) -> Any:
        self.send(number, request)
        return self.reply(number, request)

    def event(self, kind: type) -> Any:
        found = self.until(lambda message: not message.is_reply and isinstance(message.event(), kind))
        return found.event()


@dataclass
class Two:
    window: Peer
    command: Peer
    engine: Engine
    thread: threading.Thread
    go: Path


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    """An engine with two clients; its model answers a query once `go` exists."""
    config = EngineConfig(tmp_path / "library")
    library = fakes.open_library_held(config.library, "", "", False)
    ours, theirs = Pipe()
    other_ours, other_theirs = Pipe()
    engine = Engine(theirs, config, library, strange=False)

    def serve() -> None:
        engine.run()
        engine.part()

    thread = threading.Thread(target=serve)
    thread.start()
    window = Peer(ours)
    window.event(protocol.EngineStarted)
    joined = threading.Thread(target=engine.join, args=[other_theirs])
    joined.start()
    command = Peer(other_ours)
    command.event(protocol.EngineStarted)
    try:
        yield Two(window, command, engine, thread, tmp_path / "go")
    finally:
        (tmp_path / "go").touch()
        if thread.is_alive():
            window.send(0, protocol.Shutdown())
        thread.join(WAIT)
        joined.join(WAIT)
        assert not joined.is_alive()
        for connection in (ours, other_ours, theirs):
            connection.close()
        library.close()
        assert not thread.is_alive()


def add(two: Two, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    write_colours(folder / "red.mp4", ["red"])
    two.window.ask(1, protocol.AddFolders((str(folder),)))
    two.window.event(protocol.IndexFinished)


def test_each_hears_of_what_the_other_does(two: Two, tmp_path: Path) -> None:
    add(two, tmp_path)
    assert two.command.event(protocol.IndexFinished).totals.files == 1
    (file,) = two.command.ask(2, protocol.Search("")).files
    assert two.command.ask(3, protocol.ChangeTags((file.id,), add=("Zoo",))) is None
    for peer in (two.window, two.command):
        changed = peer.until(lambda m: not m.is_reply and m.event() == protocol.LibraryChanged.of(LibraryPart.TAGS))
        assert changed.number == 0
    assert two.window.ask(4, protocol.GetTags()) == (("Zoo", 1),)


def test_the_same_number_of_two_clients_is_two_requests(two: Two) -> None:
    two.window.send(7, protocol.GetTags())
    two.command.send(7, protocol.GetFailures())
    status = two.window.ask(8, protocol.GetStatus())
    assert isinstance(status, protocol.LibraryStatus)
    assert two.window.reply(7, protocol.GetTags()) == ()
    assert two.command.reply(7, protocol.GetFailures()) == ()
    assert not [message for message in two.command.passed if message.number == 8]


def test_nobody_supersedes_the_search_of_another(two: Two, tmp_path: Path) -> None:
    add(two, tmp_path)
    first, second, theirs = (protocol.Search(text, live=True) for text in ("re", "red", "blue"))
    two.window.send(10, first)
    two.command.send(10, theirs)
    two.command.ask(11, protocol.GetStatus())  # the engine has received it
    two.window.send(11, second)
    two.window.ask(12, protocol.GetStatus())
    two.go.touch()
    superseded = two.window.reply(10, first)
    assert isinstance(superseded, protocol.Failure)
    assert superseded.superseded
    assert two.window.reply(11, second).query == "red"
    assert two.command.reply(10, theirs).query == "blue"


def test_a_client_that_leaves_takes_its_searches_along_and_nothing_else(two: Two, tmp_path: Path) -> None:
    add(two, tmp_path)
    two.window.send(10, protocol.Search("red"))
    two.command.send(11, protocol.Search("blue"))
    two.command.ask(12, protocol.GetStatus())
    lane = two.engine._lanes[protocol.Lane.SEARCH]
    (theirs,) = [call for call in lane.calls() if call.request == protocol.Search("blue")]
    two.command.connection.close()
    assert theirs.token.wait(WAIT)
    two.go.touch()
    assert two.window.reply(10, protocol.Search("red")).query == "red"
    assert isinstance(two.window.ask(13, protocol.GetStatus()), protocol.LibraryStatus)


def test_the_engine_ends_with_its_owner_though_another_client_is_there(two: Two) -> None:
    two.window.connection.close()
    two.thread.join(WAIT)
    assert not two.thread.is_alive()
    with pytest.raises(EOFError):
        two.command.until(lambda message: False)
