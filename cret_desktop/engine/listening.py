"""Admits further clients of the same person to the engine that holds a library's lock (`engine.joining`).

Each guest has its own thread, and little time to prove its identity, so that none delays another. A guest that fails or
sends invalid data is disconnected; nothing that it does ends the engine.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Listener
from pathlib import Path

from cret_desktop.engine import joining, local_socket
from cret_desktop.engine.joining import Hello, Refused
from cret_desktop.errors import StorageError
from cret_desktop.settings import make_private_folder

log = logging.getLogger(__name__)

MOST_GUESTS = 16  # at a time, those still in the handshake included
HEARING_SECONDS = 5.0  # for the handshake of a guest

Welcome = Callable[[Connection, bool], None]
"""Serve a guest until it leaves; the flag says whether it only reads."""


class Door:
    """The socket of one library. The caller holds the writer's lock, so any existing socket is a dead engine's."""

    def __init__(self, library: Path) -> None:
        """Listen. Guests wait until `open`. If listening fails, the engine runs without guests."""
        self._closing = False
        self._listener: Listener | None = None
        self._accepting: threading.Thread | None = None
        self._free = threading.Semaphore(MOST_GUESTS)
        self._place = ""
        try:
            self._place = local_socket.address(library)
            self._listener = _listen(self._place)
        except (OSError, StorageError) as error:
            # Logged only: no one who searches or indexes needs to know.
            log.info("Other programs cannot join this engine: %s", error)

    def open(self, key: bytes, engine: Hello, welcome: Welcome) -> None:
        """Start admitting guests that hold the library's key."""
        if self._listener is None:
            return
        arguments = (self._listener, key, engine, welcome)
        self._accepting = threading.Thread(target=self._accept, args=arguments, name="door", daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop admitting guests and remove the socket. Admitted guests stay. Safe to call twice."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._closing = True
        if self._accepting is not None:
            woken = local_socket.connect(self._place)  # the only call that ends `accept` on every system
            if woken is not None:
                woken.close()
                self._accepting.join()
        with suppress(OSError):  # the socket's file was already removed
            listener.close()

    def _accept(self, listener: Listener, key: bytes, engine: Hello, welcome: Welcome) -> None:
        while True:
            try:
                connection = listener.accept()
            except OSError as error:  # the guest has left, or no file descriptor is free
                if self._closing:
                    return
                log.warning("A guest was not let in: %s", error)
                threading.Event().wait(0.1)
                continue
            if self._closing or not self._free.acquire(blocking=False):
                connection.close()
                if self._closing:
                    return
                continue
            arguments = (connection, key, engine, welcome)
            threading.Thread(target=self._hear, args=arguments, name="guest", daemon=True).start()

    def _hear(self, connection: Connection, key: bytes, engine: Hello, welcome: Welcome) -> None:
        try:
            with local_socket.deadline(connection, HEARING_SECONDS):
                if not local_socket.is_same_person(connection):
                    raise Refused("it is another user's")
                hello = joining.admit(connection, key, engine)
        except (EOFError, OSError, Refused) as error:
            log.info("A guest was not let in: %s", error or "it left")
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            welcome(connection, hello.read_only)
        finally:
            self._free.release()


def _listen(place: str) -> Listener:
    """Return a listener that only this person can connect to. Raises: OSError."""
    if sys.platform == "win32":
        return Listener(place, "AF_PIPE")
    if len(os.fsencode(place)) > local_socket.LONGEST_PATH:
        raise OSError(f"the path {place} is too long for a socket")
    folder = Path(place).parent
    make_private_folder(folder)
    if not local_socket.is_private(str(folder)):
        raise OSError(f"{folder} is open to others")
    with suppress(FileNotFoundError):
        os.unlink(place)
    listener = Listener(place, "AF_UNIX", backlog=MOST_GUESTS)
    os.chmod(place, 0o600)
    return listener
