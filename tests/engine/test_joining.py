"""Programs of one person on one library share the first one's engine and its model; strangers are refused."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from cret_desktop import paths
from cret_desktop.engine import adoption, joining, listening, local_socket, protocol, sessions
from cret_desktop.engine.client import EngineClient, EngineConfig, Superseded
from cret_desktop.engine.joining import Hello, Refused
from cret_desktop.engine.listening import Door
from cret_desktop.errors import LibraryLocked, StorageError
from cret_desktop.messages import Message
from tests.engine.test_sessions import Peer
from tests.said import said
from tests.videos import write_colours

WAIT = 60
posix = pytest.mark.skipif(sys.platform == "win32", reason="a socket in a folder, and signals")


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_counted")


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """The file whose existence lets queries be answered."""
    return tmp_path / "go"


@pytest.fixture
def owner(config: EngineConfig) -> Iterator[EngineClient]:
    with EngineClient(config) as started:
        yield started


def ask(client: EngineClient, request: protocol.Request[Any]) -> Any:
    return client.request(request).result(WAIT)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hear(client: EngineClient, kind: type) -> Future[Any]:
    """Return a future for the next event of a type."""
    found: Future[Any] = Future()
    client.subscribe(lambda event: found.set_result(event) if isinstance(event, kind) and not found.done() else None)
    return found


def add_videos(client: EngineClient, folder: Path) -> None:
    folder.mkdir()
    for name in ("red", "green", "blue"):
        write_colours(folder / f"{name}.mp4", [name])
    finished = hear(client, protocol.IndexFinished)
    ask(client, protocol.AddFolders((str(folder),)))
    assert finished.result(WAIT).places == (str(folder),)


def test_two_clients_search_and_tag_with_one_model(
    owner: EngineClient, config: EngineConfig, go: Path, tmp_path: Path
) -> None:
    go.touch()
    add_videos(owner, tmp_path / "videos")
    with EngineClient(config) as command, EngineClient(replace(config, read_only=True)) as reader:
        assert owner.pid is not None
        assert (command.is_joined, command.pid, reader.is_joined) == (True, None, True)
        changed = hear(owner, protocol.LibraryChanged)
        for client in (owner, command, reader):
            assert ask(client, protocol.Search("green")).moments[0].path.endswith("green.mp4")
        (file,) = [file for file in ask(reader, protocol.Search("")).files if file.path.endswith("red.mp4")]
        ask(command, protocol.ChangeTags((file.id,), add=("Zoo",)))
        assert changed.result(WAIT).touches(protocol.LibraryPart.TAGS)
        ask(owner, protocol.ChangeTags((file.id,), add=("Farm",)))
        for client in (owner, command, reader):
            assert ask(client, protocol.GetTags()) == (("Farm", 1), ("Zoo", 1))
    assert (tmp_path / "loads").read_text().split() == [str(owner.pid)]
    assert ask(owner, protocol.GetStatus()).files == 3, "a client that leaves ends nothing"


def test_live_searches_supersede_those_of_their_own_client_alone(
    owner: EngineClient, config: EngineConfig, go: Path
) -> None:
    with EngineClient(config) as command:
        first = owner.request(protocol.Search("re", live=True))
        theirs = command.request(protocol.Search("blue", live=True))
        ask(command, protocol.GetStatus())
        second = owner.request(protocol.Search("red", live=True))
        ask(owner, protocol.GetStatus())
        go.touch()
        with pytest.raises(Superseded):
            first.result(WAIT)
        assert second.result(WAIT).query == "red"
        assert theirs.result(WAIT).query == "blue"


def test_a_client_that_only_reads_changes_nothing(owner: EngineClient, config: EngineConfig) -> None:
    with EngineClient(replace(config, read_only=True)) as reader:
        assert reader.is_joined
        for change in (protocol.SaveSearch(protocol.SavedSearch("x", "y")), protocol.FreeSpace()):
            with pytest.raises(StorageError, match="reading only"):
                ask(reader, change)
    assert ask(owner, protocol.GetSavedSearches()) == ()


# --- admission ------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(owner: EngineClient, config: EngineConfig) -> str:
    """Return the address of the owner's engine."""
    return local_socket.address(config.library)


def dial(place: str) -> Connection:
    connection = local_socket.connect(place)
    assert connection is not None
    return connection


def is_well(owner: EngineClient, config: EngineConfig) -> bool:
    """Return whether the engine is still the same, answers, and admits clients."""
    before = owner.pid
    with EngineClient(config) as other:
        ask(other, protocol.GetStatus())
        return other.is_joined and ask(owner, protocol.GetStatus()) is not None and owner.pid == before


def test_another_key_is_refused(
    owner: EngineClient, config: EngineConfig, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in (bytes(range(32)), b""):
        with monkeypatch.context() as patch:
            patch.setattr(joining, "_key", lambda _, key=key: key)
            assert joining.join(config) is None
            with pytest.raises(LibraryLocked):
                EngineClient(config).start()
    connection = dial(place)
    challenge = connection.recv_bytes()
    connection.send_bytes(challenge + bytes(32))
    with pytest.raises((EOFError, OSError)):
        connection.recv_bytes()
    connection.close()
    assert is_well(owner, config)


def test_an_engine_without_the_key_is_not_joined(config: EngineConfig, owner: EngineClient, tmp_path: Path) -> None:
    """A listener at the address of this person's library must prove that it holds the library's key."""
    other = tmp_path / "other"
    door = Door(other)
    key = adoption.key_in(config.library)
    door.open(bytes(32), Hello.of(config), lambda connection, _: connection.close())
    connection = dial(local_socket.address(other))
    with pytest.raises((Refused, EOFError, OSError)):
        joining._introduce(connection, key, Hello.of(config))
    connection.close()
    door.close()
    assert local_socket.connect(local_socket.address(other)) is None

    def pretend(connection: Connection) -> None:
        """Echo the client's message."""
        connection.send_bytes(bytes(32))
        connection.send_bytes(connection.recv_bytes())

    ours, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=pretend, args=[theirs])
    thread.start()
    with pytest.raises(Refused, match="key"):
        joining._introduce(ours, key, Hello.of(config))
    thread.join()
    ours.close()
    theirs.close()


def test_a_strange_library_is_not_joined(owner: EngineClient, config: EngineConfig, tmp_path: Path) -> None:
    """A library whose key this person lacks, in a folder whose address leads to an engine of theirs."""
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "catalog.sqlite").write_bytes((config.library / "catalog.sqlite").read_bytes())
    os.symlink(local_socket.address(config.library), local_socket.address(strange))
    try:
        assert adoption.key_in(strange) == b""
        assert joining.join(replace(config, library=strange)) is None
    finally:
        os.unlink(local_socket.address(strange))


@pytest.mark.parametrize(
    "changed",
    [{"model": "another"}, {"device": "cpu"}, {"clip_seconds": 3.0}, {"leave_out": ("*.tmp",)}],
    ids=["model", "device", "clips", "left out"],
)
def test_an_engine_that_does_not_fit_is_not_joined(
    owner: EngineClient, config: EngineConfig, changed: dict[str, Any]
) -> None:
    with pytest.raises(LibraryLocked):
        EngineClient(replace(config, **changed)).start()
    with EngineClient(replace(config, **changed, read_only=True)) as reader:
        assert reader.is_joined == ("model" not in changed and "device" not in changed)
        ask(reader, protocol.GetStatus())


def test_another_version_is_not_joined(
    owner: EngineClient, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(paths, "version", lambda: "0.0.1")
        with pytest.raises(LibraryLocked), EngineClient(config):
            pass
        with EngineClient(replace(config, read_only=True)) as reader:
            assert not reader.is_joined
    assert is_well(owner, config)


def test_garbage_harms_nothing(owner: EngineClient, config: EngineConfig, place: str) -> None:
    for content in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff" + b"\xff" * 8,
        b"\x7f\xff\xff\xff",
        bytes(4096),
    ):
        connection = dial(place)
        with socket.socket(socket.AF_UNIX, fileno=os.dup(connection.fileno())) as raw:
            raw.sendall(content)
        connection.close()
    joined = joining.join(config)
    assert joined is not None
    peer = Peer(joined[0])
    for content in (b"", b"{", b"\x80\x04pickle", b'{"kind":"NoSuch","id":3}', b'{"kind":"Search","id":4,"body":7}'):
        peer.connection.send_bytes(content)
    for number in (3, 4):
        assert isinstance(peer.reply(number, protocol.GetStatus()), protocol.Failure)
    assert peer.ask(5, protocol.GetTags()) == ()
    peer.connection.close()
    assert is_well(owner, config)


def test_guests_that_say_nothing_keep_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HEARING_SECONDS", 1.0)
    config, key = EngineConfig(tmp_path / "library"), bytes(32)
    served: list[bool] = []

    def welcome(connection: Connection, read_only: bool) -> None:
        served.append(read_only)
        connection.close()

    door = Door(config.library)
    try:
        door.open(key, Hello.of(config), welcome)
        place = local_socket.address(config.library)
        silent = [dial(place) for _ in range(listening.MOST_GUESTS)]
        for connection in silent:
            connection.recv_bytes()
        full = dial(place)
        with pytest.raises((EOFError, OSError)):
            full.recv_bytes()  # the maximum is reached
        for connection in silent:
            with pytest.raises((EOFError, OSError)):
                connection.recv_bytes()  # its time is up
        until(lambda: door._free._value == listening.MOST_GUESTS)
        late = dial(place)
        joining._introduce(late, key, replace(Hello.of(config), read_only=True))
        until(lambda: served)
        assert served == [True]
        for connection in (*silent, full, late):
            connection.close()
    finally:
        door.close()


def test_one_that_is_silent_does_not_delay_another(owner: EngineClient, config: EngineConfig, place: str) -> None:
    silent = dial(place)
    began = time.monotonic()
    assert is_well(owner, config)
    assert time.monotonic() - began < listening.HEARING_SECONDS
    silent.close()


def test_a_client_that_does_not_read_delays_nobody(
    config: EngineConfig, owner: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = joining.join(config)
    assert joined is not None
    for number in range(2000):  # more replies than a socket buffers
        owner.request(protocol.SaveSearch(protocol.SavedSearch(str(number), "x" * 200)))
    assert len(ask(owner, protocol.GetSavedSearches())) == 2000
    assert is_well(owner, config)
    joined[0].close()


def test_a_guest_that_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_WAITING", 1000)
    ours, theirs = multiprocessing.Pipe()
    guest = sessions.Guest(theirs)
    for _ in range(20):
        guest.send(protocol.DeviceLost(Message("reason.other", text="x" * 100_000)))
    with pytest.raises((EOFError, OSError)):
        guest.receive()
    guest.close()
    ours.close()


# --- addresses ------------------------------------------------------------------------------------------------------


@posix
def test_the_socket_is_this_persons_alone(owner: EngineClient, config: EngineConfig, place: str) -> None:
    folder = Path(place).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_ISSOCK(os.lstat(place).st_mode)
    assert stat.S_IMODE(os.lstat(place).st_mode) == 0o600
    assert not folder.is_relative_to(config.library)
    folder.chmod(0o755)
    try:
        assert joining.join(config) is None, "others could have put it there"
    finally:
        folder.chmod(0o700)
    assert is_well(owner, config)


@posix
def test_a_dead_engines_socket_is_replaced(config: EngineConfig) -> None:
    place = Path(local_socket.address(config.library))
    EngineClient(config).start().close()
    assert not place.exists(), "it is taken away with its engine"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    assert joining.join(config) is None
    with EngineClient(config) as owner:
        assert not owner.is_joined
        assert is_well(owner, config)


@posix
def test_an_engine_that_cannot_listen_works_alone(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/" + "long" * 30)
    with EngineClient(config) as owner:
        ask(owner, protocol.GetStatus())
        with pytest.raises(LibraryLocked):
            EngineClient(config).start()
    assert not Path("/tmp/" + "long" * 30).exists()


# --- ends -----------------------------------------------------------------------------------------------------------

CLIENT = """
import sys
from pathlib import Path
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
if __name__ == "__main__":
    client = EngineClient(EngineConfig(Path(sys.argv[1]), factory="tests.fakes:open_library_counted")).start()
    assert client.is_joined
    client.request(protocol.Search("red"))
    client.request(protocol.GetStatus()).result()
    print("asked", flush=True)
    sys.stdin.read()
"""


@posix
def test_a_killed_client_frees_its_session(owner: EngineClient, config: EngineConfig, go: Path, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    for _ in range(listening.MOST_GUESTS + 1):  # more than the maximum at a time
        command = [sys.executable, str(script), str(config.library)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "asked\n"
            killed.kill()
    until(lambda: is_well(owner, config))
    mine = owner.request(protocol.Search("green"))
    go.touch()
    assert mine.result(WAIT).query == "green"


@posix
def test_the_engines_death_is_heard_by_both_and_one_starts_the_next(
    owner: EngineClient, config: EngineConfig, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EngineClient(config) as command:
        lost = [hear(client, protocol.EngineLost) for client in (owner, command)]
        again = [hear(client, protocol.EngineStarted) for client in (owner, command)]
        search = command.request(protocol.Search("red"))
        ask(command, protocol.GetStatus())
        assert owner.pid is not None
        os.kill(owner.pid, signal.SIGKILL)
        assert [event.result(WAIT).final for event in lost] == [False, False]
        assert [event.result(WAIT).restarted for event in again] == [True, True]
        assert sorted((owner.is_joined, command.is_joined)) == [False, True]
        go.touch()
        assert search.result(WAIT).query == "red", "what a joined engine took along is asked again"
        ask(command, protocol.SaveSearch(protocol.SavedSearch("kept", "red")))
        assert len(ask(owner, protocol.GetSavedSearches())) == 1


def test_when_the_owner_ends_a_client_opens_the_library_itself(config: EngineConfig, go: Path) -> None:
    owner = EngineClient(config).start()
    with EngineClient(config) as command, EngineClient(config) as another:
        lost, again = hear(command, protocol.EngineLost), hear(command, protocol.EngineStarted)
        back = hear(another, protocol.EngineStarted)
        waiting = command.request(protocol.Search("red"))
        ask(command, protocol.GetStatus())
        closing = threading.Thread(target=owner.close)
        closing.start()
        change = command.request(protocol.SaveSearch(protocol.SavedSearch("kept", "red")))
        go.touch()
        closing.join()
        assert not lost.result(WAIT).final
        assert "opens the library itself" in said(lost.result().message)
        assert not again.result(WAIT).read_only
        assert change.result(WAIT) is None
        assert waiting.result(WAIT).query == "red"
        back.result(WAIT)
        assert sorted((command.is_joined, another.is_joined)) == [False, True]
        assert len(ask(another, protocol.GetSavedSearches())) == 1
        pids = {client.pid for client in (command, another)} - {None}
        assert len(pids) == 1


def test_indexing_goes_on_when_its_owner_ends(tmp_path: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_held_videos")
    folder = tmp_path / "videos"
    folder.mkdir()
    write_colours(folder / "red.mp4", ["red"])
    owner = EngineClient(config).start()
    with EngineClient(config) as command:
        ask(command, protocol.AddFolders((str(folder),)))
        until(lambda: ask(command, protocol.GetStatus()).pending)
        again = hear(command, protocol.EngineStarted)
        closing = threading.Thread(target=owner.close)
        closing.start()
        (tmp_path / "go").touch()
        closing.join()
        again.result(WAIT)
        until(lambda: ask(command, protocol.GetStatus()).clips)


def test_the_addresses_of_two_libraries_differ(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (tmp_path / "link").symlink_to(first)
    assert local_socket.address(first) != local_socket.address(second)
    assert local_socket.address(first) == local_socket.address(tmp_path / "link")
    assert len(os.fsencode(local_socket.address(first))) <= local_socket.LONGEST_PATH
    assert json.dumps(local_socket.address(first)).isascii()
