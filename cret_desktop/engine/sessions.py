"""The clients of one engine. Each has its own replies and its own live searches; events go to all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from cret_desktop.cancellation import CancelToken
from cret_desktop.engine import codec, protocol

log = logging.getLogger(__name__)

Publish = Callable[[protocol.Event], None]
"""Report an event to every client."""


class Session:
    """One client's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._newest: dict[type, CancelToken] = {}

    def receive(self) -> tuple[int, protocol.Request[Any] | protocol.Shutdown]:
        """Wait for the next request and its number. Raises: EOFError, OSError when the client is gone; Undecodable."""
        return codec.decode_request(self._connection.recv_bytes())

    def wait_with(self, other: Connection) -> list[Any]:
        """Wait until this client or `other` has something to read; returns which of the two connections have."""
        return wait([self._connection, other])

    def close(self) -> None:
        with self._sending:
            self._connection.close()

    def send(self, message: protocol.Reply | protocol.Failure | protocol.Event) -> None:
        """Send a reply or an event; nothing where the client is gone. Raises: TypeError, ValueError (see `codec`)."""
        content = codec.encode_message(message)
        with self._sending:
            try:
                self._connection.send_bytes(content)
            except OSError:
                log.debug("the client is gone; %s was not sent", type(message).__name__)

    def supersede(self, kind: type, token: CancelToken) -> None:
        """Make a call the newest of its kind in this session, and cancel the one before it."""
        with self._lock:
            before = self._newest.get(kind)
            self._newest[kind] = token
        if before is not None:
            before.cancel()


class Sessions:
    """All clients that are connected. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[Session] = []
        self._end, self._ended = Pipe(duplex=False)

    def add(self, session: Session, first: protocol.EngineStarted) -> None:
        """Serve a client; `first` comes before any event."""
        with self._lock:
            session.send(first)
            self._sessions.append(session)

    def remove(self, session: Session) -> None:
        with self._lock:
            self._sessions.remove(session)
        session.close()

    def publish(self, event: protocol.Event) -> None:
        """Send an event to every client."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.send(event)

    def receive(self, session: Session) -> tuple[int, protocol.Request[Any] | protocol.Shutdown]:
        """Wait for a client's next request and its number.

        Raises: EOFError, OSError when the client is gone, and after `close`; Undecodable.
        """
        if self._end in session.wait_with(self._end):
            raise EOFError
        return session.receive()

    def close(self) -> None:
        """Make every `receive` end."""
        self._ended.close()
