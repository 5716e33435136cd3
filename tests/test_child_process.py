"""Real children that die, hang, talk nonsense, grow and cling to life; none of them outlives its parent or its end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil
import pytest

from cret_desktop.child_process import (
    ChildLimits,
    ChildProcess,
    RestartLimit,
    bound_memory,
    end_with_parent,
    listen,
    receive_descriptor,
)

PATIENCE = 60.0
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and descriptors of POSIX")


# --- children ---------------------------------------------------------------------------------------------------------


def echoing(pipe: Connection, prefix: bytes = b"") -> None:
    try:
        while True:
            pipe.send_bytes(prefix + pipe.recv_bytes())
    except EOFError:
        return


def answering(pipe: Connection) -> None:
    pipe.send_bytes(b"done")


def dying(pipe: Connection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leaving(pipe: Connection, status: int) -> None:
    os._exit(status)


def hanging(pipe: Connection) -> None:
    pipe.send_bytes(b"ready")
    time.sleep(600)


def silent(pipe: Connection) -> None:
    time.sleep(600)


def clinging(pipe: Connection) -> None:
    """Ignores every signal that can be ignored, and the end of its pipe."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    pipe.send_bytes(b"ready")
    while True:
        time.sleep(600)


def chattering(pipe: Connection, size: int) -> None:
    pipe.send_bytes(os.urandom(size))
    time.sleep(600)


def babbling(pipe: Connection) -> None:
    """Bytes that are no message at all."""
    os.write(pipe.fileno(), b"\xff" * 4096)
    time.sleep(600)


def growing(pipe: Connection) -> None:
    pipe.send_bytes(b"ready")
    held = []
    while True:
        held.append(b"x" * (8 << 20))
        time.sleep(0.01)


def bounded(pipe: Connection) -> None:
    bound_memory(64 << 20)
    try:
        bytearray(256 << 20)
    except MemoryError:
        pipe.send_bytes(b"refused")
    else:
        pipe.send_bytes(b"given")


def hiding(pipe: Connection) -> None:
    """Closes every descriptor it has, those by which its end is seen included, and lives on."""
    pipe.send_bytes(b"ready")
    os.closerange(3, 256)
    time.sleep(600)


def reading(pipe: Connection) -> None:
    with os.fdopen(receive_descriptor(pipe), "rb") as file:
        pipe.send_bytes(file.read())


def describing(pipe: Connection) -> None:
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    status = Path("/proc/self/status")
    privileges = "NoNewPrivs:\t1" in status.read_text() if status.exists() else True
    pipe.send_bytes(f"{ignored} {os.environ.get('PYTHONSAFEPATH')} {privileges}".encode())


def deaf(pipe: Connection) -> None:
    time.sleep(600)


def starting_another(pipe: Connection) -> None:
    with ChildProcess("another", answering, only_answers=True) as child:
        pipe.send_bytes(child.receive())


def without_parent(pipe: Connection) -> None:
    """Works and does not look at its pipe."""
    end_with_parent()
    pipe.send_bytes(b"ready")
    time.sleep(600)


# --- what is left -----------------------------------------------------------------------------------------------------


def descriptors() -> int:
    process: Any = psutil.Process()
    return int(process.num_handles() if sys.platform == "win32" else process.num_fds())


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No child, no zombie and no descriptor after any test here."""
    with ChildProcess("first", answering, only_answers=True) as child:
        child.receive()  # what the first start leaves open for good, as the resource tracker's pipe, is open from here
    before, children = descriptors(), set(psutil.Process().children())
    yield
    assert descriptors() == before
    assert set(psutil.Process().children()) <= children
    assert multiprocessing.active_children() == []


def ended(pid: int, seconds: float = PATIENCE) -> bool:
    """Whether a process that is not this one's child has ended; a zombie that its new parent has not collected has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


# --- talking ----------------------------------------------------------------------------------------------------------


def test_messages_cross_both_ways_and_closing_the_pipe_ends_it() -> None:
    child = ChildProcess("echo", echoing, b"> ")
    child.send(b"one")
    assert child.poll(PATIENCE)
    assert child.receive() == b"> one"
    assert child.exit_status is None
    assert not child.wait(0.0)
    child.close(PATIENCE)
    assert child.exit_status == 0


def test_it_gets_our_environment_and_ignores_ctrl_c() -> None:
    with ChildProcess("describing", describing) as child:
        assert child.receive() == b"True 1 True"


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are handed over on Linux alone")
def test_a_descriptor_is_handed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with ChildProcess("reading", reading) as child, open(tmp_path / "file", "rb") as file:
        child.hand_over(file.fileno())
        assert child.receive() == b"content"


def test_one_that_has_children_of_its_own() -> None:
    with ChildProcess("starting", starting_another, has_children=True) as child:
        assert child.receive() == b"done"
        assert child.wait(PATIENCE)
        assert child.exit_status == 0


def test_a_target_that_cannot_be_sent_leaves_nothing() -> None:
    with pytest.raises((AttributeError, TypeError, ValueError)):
        ChildProcess("lambda", lambda pipe: None)


# --- what can become of it --------------------------------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize(("target", "arguments", "status"), [(dying, (), -9), (leaving, (3,), 3), (leaving, (0,), 0)])
def test_a_death_ends_the_pipe_and_has_a_status(target: object, arguments: tuple[object, ...], status: int) -> None:
    child = ChildProcess("dying", target, *arguments)  # type: ignore[arg-type]
    with pytest.raises((EOFError, ConnectionResetError)):
        child.receive()
    assert not child.has_spoken
    assert child.wait(PATIENCE)
    assert child.exit_status == status
    assert child.memory() == 0
    with pytest.raises(OSError, match=r"."):
        child.send(bytes(1 << 20))
    child.kill()  # nobody's pid any more
    child.close()
    assert child.exit_status == status


def test_one_that_hangs_is_stalled_once_it_was_listened_to_for_long_enough() -> None:
    with ChildProcess("hanging", hanging, limits=ChildLimits(stall_seconds=0.3)) as child:
        assert child.receive() == b"ready"
        time.sleep(0.5)
        stalled = [child.has_stalled]  # a caller who is busy stalls nobody
        while not child.has_stalled:
            assert not child.poll(0.1), child.exit_status
        assert 0.3 < child.silent < 5.0
        child.expect()
        assert [*stalled, child.has_stalled] == [False, False]


def test_one_that_never_begins_is_stalled_by_its_own_limit() -> None:
    limits = ChildLimits(start_seconds=0.3, stall_seconds=600)
    with ChildProcess("silent", silent, limits=limits) as child:
        while not child.has_stalled:
            assert listen([child], 0.1) == []


def test_those_that_have_something_to_say_are_found_among_many() -> None:
    with ChildProcess("silent", silent) as quiet, ChildProcess("answering", answering) as other:
        while not (ready := listen([quiet, other], PATIENCE)):
            pass
        assert ready == [other]
        assert other.silent == 0.0 < quiet.silent


def test_more_than_it_may_say_is_an_error() -> None:
    with ChildProcess("chattering", chattering, 1 << 16) as child, pytest.raises(OSError, match=r"."):
        child.receive(longest=1 << 10)


@needs_posix
def test_bytes_that_are_no_message_are_an_error() -> None:
    with ChildProcess("babbling", babbling) as child, pytest.raises(OSError, match=r"."):
        child.receive(longest=1 << 10)


def test_one_that_grows_is_seen() -> None:
    with ChildProcess("growing", growing, limits=ChildLimits(memory_bytes=256 << 20)) as child:
        child.receive()
        deadline = time.monotonic() + PATIENCE
        while not child.is_oversized:
            assert time.monotonic() < deadline
        assert child.memory() > 200 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="the system bounds no process's memory by itself")
def test_one_that_is_bounded_is_refused_more() -> None:
    with ChildProcess("bounded", bounded) as child:
        assert child.receive() == b"refused"


# --- ending -----------------------------------------------------------------------------------------------------------


@needs_posix
@pytest.mark.parametrize("patience", [0.0, 0.3])
def test_one_that_ignores_sigterm_and_its_pipe_is_killed(patience: float) -> None:
    child = ChildProcess("clinging", clinging)
    child.receive()
    os.kill(child.pid, signal.SIGTERM)
    began = time.monotonic()
    child.close(patience)
    assert time.monotonic() - began < patience + 10
    assert child.exit_status == -signal.SIGKILL


@needs_posix
def test_one_that_hides_its_end_is_killed_all_the_same() -> None:
    child = ChildProcess("hiding", hiding)
    child.receive()
    began = time.monotonic()
    child.close(patience=5.0)
    assert time.monotonic() - began < 10
    assert child.exit_status == -signal.SIGKILL


def test_closing_twice_is_closing_once() -> None:
    child = ChildProcess("hanging", hanging)
    child.close()
    status = child.exit_status
    child.close()
    child.close(patience=1.0)
    child.kill()
    assert child.wait()
    assert child.exit_status == status


def test_a_block_that_takes_too_long_is_over() -> None:
    with ChildProcess("deaf", deaf) as child:
        with pytest.raises(OSError, match=r"."), child.killed_after(0.3) as late:
            child.send(bytes(64 << 20))
        assert late.is_set()
    with ChildProcess("echo", echoing) as child:
        with child.killed_after(PATIENCE) as late:
            child.send(b"in time")
            assert child.receive() == b"in time"
        assert not late.is_set()
        assert child.exit_status is None


def test_any_thread_may_kill_and_wait() -> None:
    """Many threads wait for one child while others kill it; each hears of its end."""
    child = ChildProcess("hanging", hanging)
    child.receive()
    heard: list[bool] = []
    waiters = [threading.Thread(target=lambda: heard.append(child.wait(PATIENCE))) for _ in range(8)]
    killers = [threading.Thread(target=child.kill) for _ in range(8)]
    for thread in [*waiters, *killers]:
        thread.start()
    child.close()
    for thread in [*waiters, *killers]:
        thread.join()
    assert heard == [True] * 8


def test_children_are_started_by_many_threads_at_once() -> None:
    answers: list[bytes] = []

    def one(number: int) -> None:
        with ChildProcess("echo", echoing, b"%d " % number) as child:
            child.send(b"hello")
            answers.append(child.receive())

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [b"%d hello" % number for number in range(6)]


@needs_posix
def test_the_pipe_of_one_ends_though_another_was_started_meanwhile() -> None:
    """No child inherits the other end of another's pipe."""
    first = ChildProcess("first", dying)
    with ChildProcess("second", silent):
        assert first.wait(PATIENCE)
        assert wait([first.pipe], PATIENCE) == [first.pipe]
        with pytest.raises((EOFError, ConnectionResetError)):
            first.receive()
    first.close()


def test_fifty_starts_leave_no_zombie_and_no_descriptor() -> None:
    before = descriptors()
    for number in range(50):
        child = ChildProcess("echo", echoing, only_answers=False)
        if number % 3 == 0:
            child.kill()
        elif number % 3 == 1:
            child.send(b"x")
        child.close(patience=PATIENCE if number % 3 == 1 else 0.0)
        assert descriptors() == before
        assert psutil.Process().children(recursive=True) == [] or not psutil.pid_exists(child.pid)


PARENT = textwrap.dedent(
    """
    import sys, time
    from cret_desktop.child_process import ChildProcess
    from tests import test_child_process as children
    if __name__ == "__main__":
        child = ChildProcess("child", getattr(children, sys.argv[1]))
        if sys.argv[1] != "echoing":
            child.receive()
        print(child.pid, flush=True)
        time.sleep(600)
    """
)


@needs_posix
@pytest.mark.parametrize("target", ["echoing", "without_parent"])
def test_a_child_ends_when_its_parent_is_killed(target: str) -> None:
    """One that reads its pipe, and one that does not while it works."""
    with subprocess.Popen([sys.executable, "-c", PARENT, target], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(parent.pid, signal.SIGKILL)
    assert ended(pid)


# --- starting again ---------------------------------------------------------------------------------------------------


def test_a_child_that_falls_too_often_stays_down(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limit = RestartLimit(2, within := 60.0)
    assert [limit.fell() for _ in range(3)] == [True, True, False]
    assert limit.falls == 3
    now += within
    assert limit.fell(), "falls of long ago do not count"
    assert limit.fell()
    limit.reset()
    assert [limit.fell(), limit.fell(), limit.fell()] == [True, True, False]
    assert not RestartLimit(0).fell()
