"""The clients of one engine. Each has its own replies and its own live searches; events go to all of them.

The owner is the program that started the engine, which ends with it. Guests have joined it (`engine.joining`); a guest
that does not read its messages delays no one.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from cret_desktop.cancellation import CancelToken
from cret_desktop.engine import codec, local_socket, protocol

log = logging.getLogger(__name__)

MOST_WAITING = 64 * 2**20  # unread bytes for a guest; a guest with more is disconnected
FLUSH_SECONDS = 2.0  # for a guest to read its last messages before it is disconnected

Publish = Callable[[protocol.Event], None]
"""Report an event to every client."""


class Session:
    """One client's connection. A `read_only` session may change nothing, even if the engine can."""

    read_only = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._newest: dict[type, CancelToken] = {}

    def receive(self) -> tuple[int, protocol.Request[Any] | protocol.Shutdown]:
        """Return the next request and its number. Raises: EOFError, OSError if the client is gone; Undecodable."""
        return codec.decode_request(self._connection.recv_bytes())

    def wait_with(self, other: Connection) -> list[Any]:
        """Wait until this client or `other` has something to read; return the readable connections."""
        return wait([self._connection, other])

    def close(self) -> None:
        with self._sending:
            self._connection.close()

    def send(self, message: protocol.Reply | protocol.Failure | protocol.Event) -> None:
        """Send a reply or an event; do nothing if the client is gone. Raises: TypeError, ValueError (see `codec`)."""
        self._put(codec.encode_message(message))

    def _put(self, content: bytes) -> None:
        with self._sending:
            try:
                self._connection.send_bytes(content)
            except OSError:
                log.debug("the client is gone; %d bytes were not sent", len(content))

    def supersede(self, kind: type, token: CancelToken) -> None:
        """Make a call the newest of its kind in this session, and cancel the previous one."""
        with self._lock:
            before = self._newest.get(kind)
            self._newest[kind] = token
        if before is not None:
            before.cancel()


class Guest(Session):
    """A client that has joined. It has its own sending thread, so that no one waits for a guest that does not read."""

    def __init__(self, connection: Connection, read_only: bool = False) -> None:
        super().__init__(connection)
        self.read_only = read_only
        self._changed = threading.Condition()
        self._outbox: deque[bytes] = deque()
        self._waiting = 0  # bytes in the outbox
        self._closing = False
        self._writer = threading.Thread(target=self._write, name="guest-writer", daemon=True)
        self._writer.start()

    def stop_reading(self) -> None:
        """End a current `receive`, even within a message. Replies can still be sent."""
        local_socket.cut(self._connection, socket.SHUT_RD)

    def close(self) -> None:
        """Send waiting messages, for `FLUSH_SECONDS` at most, and end the connection. Safe to call twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join(FLUSH_SECONDS)
        local_socket.cut(self._connection)
        self._writer.join()
        super().close()

    def _put(self, content: bytes) -> None:
        with self._changed:
            if self._closing:
                return
            if self._outbox and self._waiting + len(content) > MOST_WAITING:
                log.warning("A client that reads nothing of what it is sent was let go.")
                self._leave()
                local_socket.cut(self._connection)
                return
            self._outbox.append(content)
            self._waiting += len(content)
            self._changed.notify()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._outbox or self._closing)
                if not self._outbox:
                    return
                content = self._outbox.popleft()
                self._waiting -= len(content)
            try:
                self._connection.send_bytes(content)
            except OSError:
                log.debug("the client is gone; %d bytes were not sent", len(content))
                with self._changed:
                    self._leave()

    def _leave(self) -> None:
        self._closing = True
        self._outbox.clear()
        self._waiting = 0
        self._changed.notify()


class Sessions:
    """All connected clients. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[Session] = []
        self._parted = False
        self.closed = False
        self._end, self._ended = Pipe(duplex=False)

    def add(self, session: Session, first: protocol.EngineStarted) -> None:
        """Add a client; `first` is sent before any event."""
        with self._lock:
            session.send(first)
            if not self._parted:
                self._sessions.append(session)
                return
        session.close()

    def remove(self, session: Session) -> None:
        with self._lock:
            if session not in self._sessions:
                return
            self._sessions.remove(session)
        session.close()

    def publish(self, event: protocol.Event) -> None:
        """Send an event to every client."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.send(event)

    def receive(self, session: Session) -> tuple[int, protocol.Request[Any] | protocol.Shutdown]:
        """Return a client's next request and its number.

        Raises: EOFError, OSError if the client is gone, and after `close`; Undecodable.
        """
        if self._end in session.wait_with(self._end):
            raise EOFError
        return session.receive()

    def close(self) -> None:
        """Make every `receive` end. Replies can still be sent."""
        self.closed = True
        self._ended.close()
        for guest in self._guests():
            guest.stop_reading()

    def part(self) -> None:
        """Disconnect all guests, and any that still join."""
        with self._lock:
            self._parted = True
        for guest in self._guests():
            self.remove(guest)

    def _guests(self) -> list[Guest]:
        with self._lock:
            return [session for session in self._sessions if isinstance(session, Guest)]
