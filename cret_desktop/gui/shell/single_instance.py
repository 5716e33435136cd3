"""One window per library: a second start passes its arguments to the first, which comes to the front.

The first instance holds a lock file, so a crash leaves nothing in the way. The others connect to a local socket in a
folder that only this user may enter. Nothing listens on a network. A connection that sends nothing, too much or
something else is closed: the number of connections and their time are limited. Never opens or raises a window.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QCryptographicHash, QLockFile, QObject, QTimer, Signal

from cret_desktop.settings import keep_private, make_private_folder

# QtNetwork is imported on demand: it does not delay the window.
if TYPE_CHECKING:
    from PySide6.QtNetwork import QLocalServer, QLocalSocket

log = logging.getLogger(__name__)

WAIT_MS = 3000  # for a first instance that does not listen yet, or is busy
RETRY_SECONDS = 0.05
MOST_BYTES = 4 * 2**20  # a message longer than any command line is invalid
MOST_GUESTS = 16  # connections at a time; the one silent longest is closed for a new one
GUEST_MS = 3000  # for a connection to send its message and close


class SingleInstance(QObject):
    """Signals: `called(query, paths)`, by a second start; `paths` is a list of absolute paths."""

    called = Signal(str, object)

    def __init__(self, library: Path, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        digest = QCryptographicHash.hash(os.fsencode(library.resolve()), QCryptographicHash.Algorithm.Sha256)
        key = bytes(digest.toHex().data()).decode("ascii")[:16]
        make_private_folder(folder)
        # QLockFile, because filelock, which the engine uses, takes longer to import than the window to build.
        self._lock_path = folder / f"{key}.lock"
        self._lock = QLockFile(str(self._lock_path))
        # Keep its default stale time: it releases a file that a power cut left empty. A lock of a live process is also
        # held in the system, and never taken over, however old.
        # A path on Unix, the name of a pipe on Windows.
        self._name = f"cret-desktop-{key}" if sys.platform == "win32" else str(folder / f"{key}.socket")
        self._sockets: list[QLocalSocket] = []
        self._since: list[float] = []  # when each of them connected, by the monotonic clock
        self._patience = QTimer(self)
        self._patience.timeout.connect(self._lose_patience)
        self._server: QLocalServer | None = None
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._listen)

    def claim(self, query: str = "", paths: Sequence[str] = ()) -> bool:
        """Become the first instance, or pass `query` and `paths` to it. Return False if they were passed on.

        True also if a first instance does not answer: two windows are better than none, and the engine's own lock
        protects the library. The first listens as soon as Qt's event loop runs; earlier calls wait for it.
        """
        if not self._lock.tryLock(0):
            return not self._call(query, paths)
        keep_private(self._lock_path)
        self._soon.start()
        return True

    def release(self) -> None:
        """Stop listening and let another instance be the first. Safe to call twice."""
        self._soon.stop()
        if self._server is not None:
            self._server.close()
        for socket in list(self._sockets):
            socket.abort()
        self._lock.unlock()

    def _listen(self) -> None:
        from PySide6.QtNetwork import QLocalServer

        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.setMaxPendingConnections(MOST_GUESTS)
        self._server.newConnection.connect(self._on_connection)
        QLocalServer.removeServer(self._name)  # of a first instance that crashed
        if not self._server.listen(self._name):
            log.warning("A second start will not find this one: %s", self._server.errorString())

    def _call(self, query: str, paths: Sequence[str]) -> bool:
        from PySide6.QtNetwork import QLocalSocket

        deadline = time.monotonic() + WAIT_MS / 1000
        while time.monotonic() < deadline:
            socket = QLocalSocket()
            socket.connectToServer(self._name)
            if socket.waitForConnected(WAIT_MS):
                # ASCII: the bytes of a Linux path may be anything, and JSON's escapes carry them all.
                socket.write(json.dumps({"query": query, "paths": list(paths)}).encode("ascii") + b"\n")
                answered = socket.waitForReadyRead(WAIT_MS) and bytes(socket.readAll().data()) == b"ok\n"
                socket.close()
                return answered
            time.sleep(RETRY_SECONDS)
        return False

    def _on_connection(self) -> None:
        assert self._server is not None
        while self._server.hasPendingConnections():
            socket = self._server.nextPendingConnection()
            socket.setReadBufferSize(MOST_BYTES)
            self._sockets.append(socket)
            self._since.append(time.monotonic())
            socket.readyRead.connect(self._read)
            socket.disconnected.connect(self._forget)
        self._read()  # data that arrived with the connection
        for socket in self._sockets[:-MOST_GUESTS]:
            socket.abort()  # which also removes it from the lists
        if self._sockets and not self._patience.isActive():
            self._patience.start(GUEST_MS // 4)

    def _read(self) -> None:
        for socket in list(self._sockets):
            if socket.canReadLine():
                self._hear(socket)
            elif socket.bytesAvailable() >= MOST_BYTES:
                socket.abort()

    def _hear(self, socket: QLocalSocket) -> None:
        message = _understood(bytes(socket.readLine(MOST_BYTES).data()))
        if message is None:
            log.warning("A message that is not a second start's was left unread.")
            socket.abort()
            return
        socket.write(b"ok\n")
        socket.flush()
        socket.disconnectFromServer()  # one message each; the answer is still sent
        self.called.emit(*message)

    def _lose_patience(self) -> None:
        late = time.monotonic() - GUEST_MS / 1000
        for socket in [socket for socket, since in zip(self._sockets, self._since, strict=True) if since < late]:
            socket.abort()

    def _forget(self) -> None:
        gone = [socket for socket in self._sockets if socket.state() is socket.LocalSocketState.UnconnectedState]
        for socket in gone:
            place = self._sockets.index(socket)
            del self._sockets[place], self._since[place]
            socket.deleteLater()
        if not self._sockets:
            self._patience.stop()


def _understood(line: bytes) -> tuple[str, list[str]] | None:
    try:
        message: Any = json.loads(line)
        query, paths = message["query"], message["paths"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if isinstance(query, str) and isinstance(paths, list) and all(isinstance(path, str) for path in paths):
        return query, paths
    return None
