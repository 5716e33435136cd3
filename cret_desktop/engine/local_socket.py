"""Where programs of one person on one computer meet over a library: a Unix socket, or a named pipe on Windows.

The address is computed from the library's path, never read from the library's folder, which somebody else may have
written. On Unix the socket is in a folder that only this person may enter. Nothing here speaks a protocol.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import socket
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection
from pathlib import Path

from cret_desktop import paths

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
LONGEST_PATH = 100  # bytes of a socket's path that every system takes


def address(library: Path) -> str:
    """Return the address that belongs to a library's folder on this computer, for this person.

    The computer's name is part of it, since computers may share a home folder. Raises: StorageError.
    """
    place = os.path.normcase(os.path.realpath(library))
    digest = hashlib.sha256(os.fsencode(platform.node()) + b"\0" + os.fsencode(place)).hexdigest()
    if sys.platform == "win32":
        return rf"\\.\pipe\cret-desktop-{digest[:32]}"
    return str(paths.instance_folder() / f"{digest[:16]}.engine")


def is_private(folder: str) -> bool:
    """Whether a folder is this person's own and nobody else may enter it. On Windows, profiles are closed to others."""
    if sys.platform == "win32":
        return True
    try:
        there = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(there.st_mode) and there.st_uid == os.geteuid() and not there.st_mode & 0o077


def connect(place: str) -> Connection | None:
    """Connect to an address. None where nobody of this person's listens there."""
    try:
        if sys.platform == "win32":
            return Client(place, "AF_PIPE")
        if not is_private(os.path.dirname(place)) or not stat.S_ISSOCK(os.lstat(place).st_mode):
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
            made.settimeout(CONNECT_SECONDS)  # a stopped program accepts nobody
            made.connect(place)
            made.setblocking(True)
            connection = Connection(made.detach())
    except OSError as error:
        log.debug("nobody listens at %s: %s", place, error)
        return None
    if is_same_person(connection):
        return connection
    connection.close()
    return None


def is_same_person(connection: Connection) -> bool:
    """Whether the program at the other end runs as this user. Linux alone says so; elsewhere the key decides."""
    if sys.platform != "linux":
        return True
    with _socket_of(connection) as there:
        credentials = there.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("=iII"))
    _, user, _ = struct.unpack("=iII", credentials)
    return bool(user == os.geteuid())


def cut(connection: Connection, how: int = socket.SHUT_RDWR) -> None:
    """End a connection under whoever reads from it or writes to it on another thread.

    `how`: which directions, as for `shutdown` of a socket.
    """
    with suppress(OSError):  # it has ended already
        if sys.platform == "win32":
            if how == socket.SHUT_RDWR:
                connection.close()
            return
        with _socket_of(connection) as there:
            there.shutdown(how)


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut a connection where the block takes longer; what it reads or writes raises EOFError or OSError then."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # else it might cut whatever has the same descriptor next


def _socket_of(connection: Connection) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=os.dup(connection.fileno()))
