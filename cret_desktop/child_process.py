"""Starts a child process, communicates through one pipe, and ensures that it ends.

`ChildProcess` is the only supervisor of this app: of the engine, the decoders, the exporter, the graph builder, the
still decoder, a model's trial and the demo. Its users decide which requests to send, how to handle a lost child and
whether to start another one (`RestartLimit`). The rules for all of them:

- A child is spawned, never forked: a copy of a process with threads and a GPU must not run a codec or hnswlib.
- It gets this app's environment (`environment.of_children`) and can gain no rights (`confinement.no_new_privileges`).
- It ignores Ctrl-C, which reaches every process of a terminal: its parent ends it, at a safe point.
- It ends with its parent: its pipe ends then, and a child that a codec may block calls `end_with_parent`.
- It is asked to end by closing its pipe or by a message, and then killed. SIGTERM is not used: a child blocked in a
  codec could not handle it, and none has anything to lose.
- Its messages are bytes of a bounded length, and never unpickled here.

The functions `end_with_parent`, `bound_memory` and `receive_descriptor` are called in the child.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, reduction
from multiprocessing.connection import Connection
from typing import Any, Self

from cret_desktop import confinement, environment

_REAP_SECONDS = 1.0  # from the signal of a process's end to its exit status


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """The bounds at which a child is given up; the users of `ChildProcess` check them and decide.

    `start_seconds` of silence until its first message, `stall_seconds` from then on. Silence counts only while someone
    listens: a busy caller stalls no child. `memory_bytes` are resident bytes.
    """

    start_seconds: float = 120.0  # for its imports, on a slow disk and a busy computer
    stall_seconds: float = math.inf
    memory_bytes: float = math.inf


class ChildProcess:
    """One started child: its pipe, its silence, its memory and its end.

    `target` is a function of a module; it runs in the child as `target(pipe, *arguments)`. One thread communicates with
    the child; `kill` and `wait` may be called from any other. `close` leaves no process, no zombie and no descriptor.
    """

    start_method = "spawn"

    def __init__(
        self,
        name: str,
        target: Callable[..., None],
        *arguments: object,
        limits: ChildLimits = ChildLimits(),
        only_answers: bool = False,
        has_children: bool = False,
    ) -> None:
        """Start the process.

        `only_answers`: nothing is sent to it. `has_children`: it starts processes of its own, which the standard
        library forbids to daemons; a program that ends by an error then waits for it. Raises: OSError.
        """
        self.name = name
        self.silent = 0.0  # seconds of silence while listening, since the last message
        self.has_spoken = False
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting = 0  # threads inside `wait`
        self._closed = False
        self._exit_status: int | None = None
        context: Any = multiprocessing.get_context(self.start_method)
        self.pipe: Connection
        self.pipe, theirs = context.Pipe(duplex=not only_answers)
        given = (target, theirs, arguments)
        self._process = context.Process(target=_run, args=given, name=name, daemon=not has_children)
        try:
            with environment.of_children():
                self._process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()  # otherwise the pipe would not end with the child
        self.pid: int = self._process.pid
        self._sentinel: int = self._process.sentinel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- communication ------------------------------------------------------------------------------------------------

    def send(self, content: bytes) -> None:
        """Send a message; block while the child does not read. Raises: OSError if the child is gone."""
        self.pipe.send_bytes(content)

    def hand_over(self, descriptor: int) -> None:
        """Give the child a descriptor of its own for an open file. Raises: OSError if the child is gone."""
        reduction.send_handle(self.pipe, descriptor, self.pid)

    def poll(self, seconds: float | None) -> bool:
        """Return whether there is something to receive, the end of the pipe included; None waits for ever."""
        began = time.monotonic()
        ready = self.pipe.poll(seconds)
        self.silent = 0.0 if ready else self.silent + time.monotonic() - began
        return ready

    def receive(self, longest: int | None = None) -> bytes:
        """Wait for the next message. Raises: EOFError, OSError if the child is gone or sends more than `longest`."""
        content = self.pipe.recv_bytes(longest)
        self.silent, self.has_spoken = 0.0, True
        return content

    def expect(self) -> None:
        """Restart the count of the child's silence, as after sending it work."""
        self.silent = 0.0

    # --- monitoring ---------------------------------------------------------------------------------------------------

    @property
    def has_stalled(self) -> bool:
        """Whether it has been silent for longer than its limits allow."""
        return self.silent > (self._limits.stall_seconds if self.has_spoken else self._limits.start_seconds)

    @property
    def is_oversized(self) -> bool:
        """Whether it takes more memory than its limits allow."""
        return self.memory() > self._limits.memory_bytes

    def memory(self) -> int:
        """Return the resident bytes; 0 if the process is gone, which its pipe shows."""
        import psutil  # here, because the window and commands start a child but measure none

        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    @property
    def exit_status(self) -> int | None:
        """The system's exit status, negative for a signal; None while it runs, or if unknown."""
        self.wait(0.0)
        return self._exit_status

    # --- ending -------------------------------------------------------------------------------------------------------

    def wait(self, seconds: float | None = None) -> bool:
        """Return whether the process ends within `seconds`; None waits for ever."""
        with self._lock:
            if self._closed or self._exit_status is not None:
                return True
            self._waiting += 1
        try:
            return bool(connection.wait([self._sentinel], seconds)) and self._reap()
        finally:
            with self._lock:
                self._waiting -= 1
                self._release()

    def kill(self) -> None:
        """End the process at once, whatever it is doing. Threads that wait for its pipe wake up."""
        with self._lock:
            if not self._closed and self._exit_status is None:
                self._process.kill()

    @contextmanager
    def killed_after(self, seconds: float) -> Iterator[threading.Event]:
        """Kill the process unless the block ends in time; the event is set if it did not.

        For a block that waits in `send` or `receive`, both of which end when the process does.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self.kill()

        clock = threading.Timer(seconds, give_up)
        clock.start()
        try:
            yield late
        finally:
            clock.cancel()
            clock.join()

    def close(self, patience: float = 0.0) -> None:
        """Close the pipe, give the process `patience` seconds to exit by itself, then kill it. Safe to call twice."""
        self.pipe.close()
        if not (patience and self.wait(patience)):
            self.kill()
            self.wait()
        with self._lock:
            self._closed = True
            self._release()

    def _reap(self) -> bool:
        """Collect the exit status of a process that seems to have ended; return whether it has.

        Never waits for it: a child may close the descriptor that signals its end, and live on.
        """
        deadline = time.monotonic() + _REAP_SECONDS
        while True:
            with self._lock:  # also held by `kill`: a collected pid may be reused by another process
                if self._exit_status is None:
                    self._exit_status = self._process.exitcode
                if self._exit_status is not None:
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)

    def _release(self) -> None:
        """Close the descriptor of an ended process, once no thread waits for it."""
        if self._closed and not self._waiting and self._exit_status is not None:
            self._process.close()


def listen(children: Sequence[ChildProcess], seconds: float) -> list[ChildProcess]:
    """Return the children that have sent something, or have gone, after at most `seconds`."""
    began = time.monotonic()
    ready = connection.wait([child.pipe for child in children], seconds)
    listened = time.monotonic() - began
    for child in children:
        child.silent = 0.0 if child.pipe in ready else child.silent + listened
    return [child for child in children if child.pipe in ready]


class RestartLimit:
    """Limits restarts of a crashed child: `most` times within `seconds`."""

    def __init__(self, most: int, seconds: float = math.inf) -> None:
        self._most = most
        self._seconds = seconds
        self._falls: list[float] = []

    @property
    def falls(self) -> int:
        """The number of crashes within the last `seconds`, as of the last one."""
        return len(self._falls)

    def fell(self) -> bool:
        """Count a crash; return whether another child may be started."""
        now = time.monotonic()
        self._falls = [fall for fall in self._falls if now - fall < self._seconds] + [now]
        return len(self._falls) <= self._most

    def reset(self) -> None:
        """Forget all crashes, once a child works."""
        self._falls.clear()


# --- in the child -----------------------------------------------------------------------------------------------------


def _run(target: Callable[..., None], pipe: Connection, arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confinement.no_new_privileges()
    target(pipe, *arguments)


def end_with_parent(grace: float = 0.0) -> None:
    """End this process once its parent has ended, whatever it is doing.

    For a child that does not check its pipe while it works. `grace`: the seconds in which it may see the end of its
    pipe and clean up. Starts a thread, so call it after `confinement.confine`, which confines no other thread.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def receive_descriptor(pipe: Connection) -> int:
    """Return a descriptor that the parent passes by `ChildProcess.hand_over`. Raises: EOFError, OSError."""
    return reduction.recv_handle(pipe)


def bound_memory(more: int) -> None:
    """Limit this process, until it ends, to `more` bytes in addition to its present ones. Linux only.

    The system enforces this at once; `ChildProcess.is_oversized` is checked only now and then, but on every system.
    """
    if sys.platform != "linux":
        return
    import resource

    import psutil

    # Not the address space, which threads and mapped files reserve freely, but writable memory.
    wanted = psutil.Process().memory_info().data + more
    _, hardest = resource.getrlimit(resource.RLIMIT_DATA)
    limit = wanted if hardest == resource.RLIM_INFINITY else min(wanted, hardest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
