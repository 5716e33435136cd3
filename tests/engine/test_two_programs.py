"""One writer per library, whichever program comes second, and however the first one ended."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cret_desktop.engine import client as client_module
from cret_desktop.engine import joining, protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.lock import WriterLock
from cret_desktop.errors import CretError, LibraryLocked, StorageError
from cret_desktop.library_files import LibraryFiles
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite.catalog import Catalog

FACTORY = "tests.fakes:open_library"
WAIT = 60
posix = pytest.mark.skipif(sys.platform == "win32", reason="users and permissions are POSIX's here")


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory=FACTORY)


def start_at_once(clients: list[EngineClient]) -> list[CretError | None]:
    """Start clients in parallel; return what each raised, in order of completion."""
    outcomes: list[CretError | None] = []

    def start(client: EngineClient) -> None:
        try:
            client.start()
        except CretError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=start, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_programs_that_start_at_once_one_writes_and_the_others_join_it(config: EngineConfig) -> None:
    clients = [EngineClient(config) for _ in range(3)]
    outcomes = start_at_once(clients)
    engines = [client.pid for client in clients if not client.is_joined]
    for number, client in enumerate(clients):
        client.request(protocol.SaveSearch(protocol.SavedSearch(str(number), "red"))).result(WAIT)
    kept = clients[0].request(protocol.GetSavedSearches()).result(WAIT)
    for client in sorted(clients, key=lambda client: not client.is_joined):
        client.close()
    assert outcomes == [None] * 3
    assert len(engines) == 1
    assert len(kept) == 3


def test_of_programs_that_cannot_join_one_writes(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "join", lambda _: None)
    clients = [EngineClient(config) for _ in range(3)]
    outcomes = start_at_once(clients)
    for client in clients:
        client.close()
    assert outcomes.count(None) == 1
    refused = [error for error in outcomes if error is not None]
    assert all(isinstance(error, LibraryLocked) and "searching works meanwhile" in str(error) for error in refused)


def test_a_killed_writer_holds_nothing(config: EngineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "RESTARTS", 0)
    monkeypatch.setattr(joining, "join", lambda _: None)  # the reader has its own engine
    first = EngineClient(config).start()
    lost = threading.Event()
    first.subscribe(lambda event: lost.set() if isinstance(event, protocol.EngineLost) else None)
    with EngineClient(EngineConfig(config.library, read_only=True, factory=FACTORY)) as reader:
        assert first.pid is not None
        os.kill(first.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        assert lost.wait(WAIT)
        first.close()
        with EngineClient(config) as second:
            second.request(protocol.SaveSearch(protocol.SavedSearch("kept", "red"))).result(WAIT)
        assert len(reader.request(protocol.GetSavedSearches()).result(WAIT)) == 1


def test_a_lock_is_held_and_let_go_where_its_note_cannot_be_written(
    config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    paths = LibraryPaths(config.library)
    monkeypatch.setattr(LibraryFiles, "write", full)
    first, second = WriterLock(paths.lock), WriterLock(paths.lock)
    for _ in range(2):
        first.acquire()
        with pytest.raises(LibraryLocked, match=r"by another program\. Wait"):
            second.acquire()
        first.release()


def as_another_user(work: Callable[[], None]) -> None:
    """Run `work` in a forked process without root's rights, so that permissions apply. Raises: AssertionError."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - told by the status
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def foreign(config: EngineConfig, tmp_path: Path) -> Iterator[LibraryPaths]:
    """A library that others may read but not change."""
    EngineClient(config).start().close()
    for folder in (tmp_path, *tmp_path.parents):
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | stat.S_IROTH | stat.S_IXOTH)
    for path in (config.library, *config.library.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield LibraryPaths(config.library)
    config.library.chmod(0o755)


@posix
def test_a_library_of_another_user_is_read_and_never_written(foreign: LibraryPaths) -> None:
    def work() -> None:
        with pytest.raises(StorageError, match="cannot be used: permission denied"):
            WriterLock(foreign.lock).acquire()
        with pytest.raises(StorageError, match=str(foreign.root)):
            Catalog.open(foreign.catalog)
        with Catalog.open(foreign.catalog, read_only=True) as catalog:
            assert catalog.roots() == []

    before = {path: path.read_bytes() for path in foreign.root.rglob("*") if path.is_file()}
    as_another_user(work)
    assert {path: path.read_bytes() for path in foreign.root.rglob("*") if path.is_file()} == before


@posix
def test_a_library_of_another_user_is_read_while_it_is_written(config: EngineConfig, tmp_path: Path) -> None:
    with EngineClient(config) as writer:
        writer.request(protocol.SaveSearch(protocol.SavedSearch("kept", "red"))).result(WAIT)
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | stat.S_IROTH | stat.S_IXOTH)
        for name in ("", "catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):  # as permitted by its owner
            file = config.library / name
            assert not file.stat().st_mode & 0o077, "a library is its owner's alone unless he says otherwise"
            file.chmod(0o755)

        def work() -> None:
            with pytest.raises((StorageError, LibraryLocked)):
                WriterLock(LibraryPaths(config.library).lock).acquire()
            with Catalog.open(LibraryPaths(config.library).catalog, read_only=True) as catalog:
                assert catalog.reader().execute("SELECT name FROM saved_searches").fetchall() == [("kept",)]

        as_another_user(work)
