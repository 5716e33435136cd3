"""The client side of the engine, for the window and the command line: requests as futures, events as callbacks.

Joins the engine of another program if there is one (`engine.joining`), else starts one in a child process, and restarts
it after a crash. When a joined engine ends, the client joins the next one or starts one itself. It keeps every change
until the engine has acknowledged it. Never imports the engine's dependencies: `engine.server` is imported only inside
the child.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cret_desktop import errors, paths
from cret_desktop.child_process import ChildProcess, RestartLimit
from cret_desktop.domain.clips import DEVICES, USUAL_SAMPLING, Sampling
from cret_desktop.engine import codec, joining, local_socket, protocol
from cret_desktop.messages import Message
from cret_desktop.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

log = logging.getLogger(__name__)

R = TypeVar("R")

RESTARTS = 3  # within RESTART_WINDOW seconds; an engine that crashes more often stays down
RESTART_WINDOW = 60.0
HANDOVER_SECONDS = 2.0  # for the program whose engine has ended to start the next one, as after a change of settings
BRIEF_SECONDS = 10.0  # a joined engine that ends sooner counts as a crash
LOCKED_SECONDS = 1.0  # from locking to listening when an engine starts, and from its end to the release of the lock
LEAVE_SECONDS = 5.0  # for a joined engine to end the connection
SHUTDOWN_SECONDS = 20.0  # enough for a file's transaction and the end of the decoders


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The configuration that the child needs to open a library. `factory` names its constructor ("module:function").

    `leave_out` are patterns of files and folders, relative to a library's folder, that are not indexed; `clip_seconds`
    and `thumbnail_width` set the sampling (`clips.Sampling`). `disk_budget` is the size in GB at which indexing stops,
    0 for no limit. `gentle` indexes at background priority, `pause_on_battery` only on mains power. `watch` indexes
    changes in the folders while the engine runs. `paused` starts with indexing paused, as in the engine before.
    `moved`: a person has moved the library here; if it is missing, none is created. `adopt` makes another person's
    library this person's own (`engine.adoption`), and `follow` indexes the folders listed in it.
    """

    library: Path
    model: str = "starter"
    device: str = "auto"
    read_only: bool = False
    leave_out: tuple[str, ...] = ()
    clip_seconds: float = USUAL_SAMPLING.clip_seconds
    thumbnail_width: int = USUAL_SAMPLING.tile_width
    disk_budget: float = 0.0
    gentle: bool = False
    pause_on_battery: bool = False
    watch: bool = False
    paused: bool = False
    moved: bool = False
    adopt: bool = False
    follow: bool = False
    factory: str = "cret_desktop.engine.assemble:open_library"

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.clip_seconds, self.thumbnail_width)


def chosen_config(
    settings: Settings, library: Path | None = None, device: str = "", model: str = "", read_only: bool = False
) -> EngineConfig:
    """Return a configuration from these arguments and, for the rest, the settings. Raises: UsageError, StorageError."""
    device = device or settings.device
    if device not in DEVICES:
        raise errors.UsageError("model.no-device", device=device, devices=", ".join(DEVICES))
    moved = library is None and bool(settings.library)
    place = (library or (Path(settings.library) if moved else paths.default_library())).absolute()
    return EngineConfig(
        place,
        model or settings.model,
        device,
        read_only,
        moved=moved,
        leave_out=settings.leave_out,
        clip_seconds=settings.clip_seconds,
        thumbnail_width=settings.thumbnail_width,
        disk_budget=settings.disk_budget,
    )


def _run_engine(connection: Connection, config: EngineConfig) -> None:
    # One thread for numpy's products: those of a search are small, and a second thread would wait for a core that
    # decoders occupy. OpenBLAS reads this when it is loaded; torch has its own threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from cret_desktop.engine.server import serve  # in the child only: the client's process stays light

    serve(connection, config)


class EngineClient:
    """A connection to an engine: a child, or another program's that this client has joined.

    Callbacks run on the client's reader thread; the window's adapter forwards them to Qt's.

    Raises from `start`: LibraryLocked, LibraryStrange, LibraryTooNew, LibraryMissing, LibraryDamaged, StorageError,
    EngineError.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        # Messages about the last opening of the library, or the reason why it is read-only.
        self.notice: tuple[Message, ...] = ()
        self.is_strange = False  # neither made here nor adopted, so read-only
        self.paused = config.paused  # as last reported by the engine; passed on to its successor
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._pending: dict[int, tuple[protocol.Request[Any], Future[Any]]] = {}
        self._subscribers: list[Callable[[protocol.Event], None]] = []
        self._restarts = RestartLimit(RESTARTS, RESTART_WINDOW)
        self._asked_again: set[int] = set()  # requests already repeated once, after a joined engine ended
        self._opened = 0.0  # time of the connection, by the monotonic clock
        self._taking_over = False  # the joined engine has ended, the next one does not answer yet
        self._closing = False
        self._process: ChildProcess | None = None
        self._connection: Connection | None = None
        self._reader: threading.Thread | None = None

    def start(self, restarted: bool = False) -> EngineClient:
        """Join or start an engine and wait until it has opened the library (which loads no model).

        `restarted` if it replaces an engine with another configuration.
        """
        started = self._open(restarted)
        self.config = replace(self.config, adopt=False)  # only once, and for this library
        self._reader = threading.Thread(target=self._read, name="engine-client", daemon=True)
        self._reader.start()
        self._publish(started)
        return self

    def __enter__(self) -> EngineClient:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_joined(self) -> bool:
        """Whether the engine is another program's, which keeps running when this client closes."""
        return self._connection is not None and self._process is None

    @property
    def pid(self) -> int | None:
        """The process id of the engine; None if it is another program's."""
        return self._process.pid if self._process is not None else None

    def subscribe(self, callback: Callable[[protocol.Event], None]) -> Callable[[], None]:
        """Call `callback` with every following event; return the function that unsubscribes it."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def request(self, body: protocol.Request[R]) -> Future[R]:
        """Send a request. The future returns the reply's value or raises the engine's CretError.

        A request that cannot be encoded (for example with a number that is not finite) raises TypeError or ValueError.
        """
        future: Future[R] = Future()
        with self._lock:
            kept = body.change or self._taking_over
            restarting = self._reader is not None and self._reader.is_alive() and kept
            if self._closing or (self._connection is None and not restarting):
                future.set_exception(errors.EngineError("engine.not-running"))
                return future
            number = next(self._ids)
            try:
                content = codec.encode_request(number, body)
            except (TypeError, ValueError) as error:
                future.set_exception(error)
                return future
            self._pending[number] = (body, future)
            self._send(content)
        return future

    def close(self) -> None:
        """End the engine and wait for it; disconnect from a joined one. Safe to call twice."""
        with self._lock:
            self._closing = True
            if self._connection is not None:
                self._send(codec.encode_request(0, protocol.Shutdown()))
        process = self._process
        if process is not None and not process.wait(SHUTDOWN_SECONDS):
            log.warning("The engine did not end within %.0f s and was killed.", SHUTDOWN_SECONDS)
            process.kill()
        if self._reader is not None and self._reader is not threading.current_thread():
            if self.is_joined:
                self._reader.join(LEAVE_SECONDS)
                self._cut()
            self._reader.join()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            pending, self._pending = self._pending, {}
        if self._process is not None:
            self._process.close(SHUTDOWN_SECONDS)  # a new process if it was being restarted
        for _, future in pending.values():
            _settle(future, error=errors.EngineError("engine.closed"))

    def _cut(self) -> None:
        """Disconnect from a joined engine that does not end the connection."""
        with self._lock:
            if self._connection is not None:
                local_socket.cut(self._connection)

    def _open(self, restarted: bool, handover: float = 0.0) -> protocol.EngineStarted:
        """Join the engine that has the library open, or start one.

        `handover`: the seconds in which another program may start the engine first. Raises: as `start`.
        """
        first_chance = time.monotonic() + handover
        while True:
            started = self._join(restarted)
            if started is None and (self._closing or time.monotonic() >= first_chance):
                try:
                    return self._launch(restarted)
                except errors.LibraryLocked:  # perhaps by an engine that is still starting, or about to end
                    started = self._join(restarted)
                    if started is None and (self._closing or time.monotonic() >= first_chance + LOCKED_SECONDS):
                        raise
            if started is not None:
                return started
            time.sleep(0.1)

    def _join(self, restarted: bool) -> protocol.EngineStarted | None:
        joined = joining.join(self.config)
        if joined is None:
            return None
        connection, first = joined
        with self._lock:
            self._process, self._connection = None, connection
            closed_meanwhile = self._closing
        if closed_meanwhile:
            connection.send_bytes(codec.encode_request(0, protocol.Shutdown()))
        self._opened = time.monotonic()
        self.notice, self.is_strange, self.paused = first.notice, first.strange, first.paused
        return replace(first, restarted=restarted)

    def _launch(self, restarted: bool = False) -> protocol.EngineStarted:
        config = replace(self.config, paused=self.paused)
        process = ChildProcess("cret-engine", _run_engine, config, has_children=True)
        try:
            first = codec.Message(process.receive()).event()
        except (EOFError, ConnectionError):
            process.wait()
            process.close()
            raise errors.EngineError("engine.not-started", code=process.exit_status or 0) from None
        if isinstance(first, protocol.Failure):
            process.wait()
            process.close()
            raise _to_error(first)
        with self._lock:
            self._process, self._connection = process, process.pipe
            closed_meanwhile = self._closing
        if closed_meanwhile:
            process.send(codec.encode_request(0, protocol.Shutdown()))
        assert isinstance(first, protocol.EngineStarted)
        self.notice, self.is_strange, self.paused = first.notice, first.strange, first.paused
        return replace(first, restarted=restarted)

    def _send(self, content: bytes) -> None:
        """Send an encoded request; do nothing between the end of an engine and the start of the next."""
        if self._connection is None:
            return
        try:
            self._connection.send_bytes(content)
        except OSError as error:
            # The reader sees the same end of the pipe and decides about a restart.
            log.debug("a request could not be sent: %s", error)

    def _read(self) -> None:
        while True:
            connection = self._connection
            assert connection is not None
            try:
                content = connection.recv_bytes()
            except (EOFError, OSError):
                if self._closing or not self._recover():
                    return
                continue
            try:
                self._take(codec.Message(content))
            except codec.Undecodable:
                log.exception("A message of the engine's was passed over.")

    def _take(self, message: codec.Message) -> None:
        """Settle the request that a message answers, or publish an event. Raises: Undecodable for an event."""
        if not message.is_reply:
            event = message.event()
            if isinstance(event, protocol.Failure):
                self._settle(event.id, error=Superseded(event.message) if event.superseded else _to_error(event))
                return
            if isinstance(event, protocol.PauseChanged):
                self.paused = event.paused
            self._publish(event)
            return
        with self._lock:
            body, _ = self._pending.get(message.number, (None, None))
        if body is not None:
            try:
                self._settle(message.number, message.value(body.reply_type()))
            except codec.Undecodable as failure:
                self._settle(message.number, error=errors.EngineError(failure.message))

    def _settle(self, number: int, value: object = None, error: errors.CretError | None = None) -> None:
        with self._lock:
            _, future = self._pending.pop(number, (None, None))
        if future is not None:
            _settle(future, value, error)

    def _recover(self) -> bool:
        """Recover from a crash: fail pending reads, keep pending changes, restart. Return False if it stays down."""
        process = self._process
        if process is None:
            return self._take_over()
        with self._lock:
            self._connection = None
        process.pipe.close()
        process.wait()
        process.close()
        code = process.exit_status or 0
        may_restart = self._restarts.fell()
        with self._lock:
            kept = {n: p for n, p in self._pending.items() if p[0].change}
            lost = [p for n, p in self._pending.items() if n not in kept]
            self._pending = kept
        for _, future in lost:
            _settle(future, error=errors.EngineError("engine.stopped", code=code))
        if not may_restart:
            return self._give_up(Message("engine.stays-down", count=self._restarts.falls, code=code))
        self._publish(protocol.EngineLost(Message("engine.restarting", code=code), False))
        return self._go_on()

    def _take_over(self) -> bool:
        """Replace a joined engine that ended: join or start the next one, and repeat unanswered requests once.

        Return False if there is no next one.
        """
        may_restart = time.monotonic() - self._opened >= BRIEF_SECONDS or self._restarts.fell()
        with self._lock:
            ended, self._connection = self._connection, None
            self._taking_over = True
            lost = [n for n, (body, _) in self._pending.items() if n in self._asked_again and not body.change]
            self._asked_again = set(self._pending) - set(lost)
        if ended is not None:
            ended.close()
        for number in lost:  # one of them may have crashed the engine
            self._settle(number, error=errors.EngineError(joining.OWNER_ENDED))
        if not may_restart:
            return self._give_up(joining.OWNER_ENDED)
        self._publish(protocol.EngineLost(joining.OWNER_ENDED, False))
        return self._go_on(HANDOVER_SECONDS)

    def _go_on(self, handover: float = 0.0) -> bool:
        """Reopen the library, and send all pending requests. Return False if that fails."""
        try:
            started = self._open(restarted=True, handover=handover)
        except errors.CretError as error:
            return self._give_up(error.message)
        with self._lock:
            self._taking_over = False
            for number, (body, _) in self._pending.items():
                self._send(codec.encode_request(number, body))
            if not started.read_only and not self.is_joined:
                self._send(codec.encode_request(0, protocol.Refresh()))  # resumes the interrupted indexing
        self._publish(started)
        return True

    def _give_up(self, message: Message) -> bool:
        with self._lock:
            self._taking_over = False
            pending, self._pending = self._pending, {}
        for _, future in pending.values():
            _settle(future, error=errors.EngineError(message))
        self._publish(protocol.EngineLost(message, True))
        return False

    def _publish(self, event: protocol.Event) -> None:
        with self._lock:
            subscribers = list(self._subscribers)
        for callback in subscribers:
            try:
                callback(event)
            except Exception:  # other subscribers still get the event, and replies are still read
                log.exception("A callback failed on %s.", type(event).__name__)


def _to_error(failure: protocol.Failure) -> errors.CretError:
    return errors.of_kind(failure.error, failure.message) or errors.Defect(failure.message, failure.details)


def _settle(future: Future[Any], value: object = None, error: errors.CretError | None = None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


class Superseded(errors.CretError):
    """Raised if a newer live search replaced this one; nothing to show."""
