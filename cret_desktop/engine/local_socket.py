"""The socket between one person's programs on one library: a Unix socket, or a named pipe on Windows.

The address is computed from the library's path, never read from the library's folder, which somebody else may have
written. On Unix the socket is in a folder that only this person may enter. This module implements no protocol.
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
LONGEST_PATH = 100  # bytes of a socket's path that every system accepts


def address(library: Path) -> str:
    """Return the address of a library's folder on this computer, for this person.

    It includes the computer's name, because computers may share a home folder. Raises: StorageError.
    """
    place = os.path.normcase(os.path.realpath(library))
    digest = hashlib.sha256(os.fsencode(platform.node()) + b"\0" + os.fsencode(place)).hexdigest()
    if sys.platform == "win32":
        return rf"\\.\pipe\cret-desktop-{digest[:32]}"
    return str(paths.instance_folder() / f"{digest[:16]}.engine")


def is_private(folder: str) -> bool:
    """Return whether a folder belongs to this person and is closed to others. On Windows, profiles always are."""
    if sys.platform == "win32":
        return True
    try:
        there = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(there.st_mode) and there.st_uid == os.geteuid() and not there.st_mode & 0o077


def connect(place: str) -> Connection | None:
    """Connect to an address. Return None if no program of this person listens there."""
    try:
        if sys.platform == "win32":
            return Client(place, "AF_PIPE")
        if not is_private(os.path.dirname(place)) or not stat.S_ISSOCK(os.lstat(place).st_mode):
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
            made.settimeout(CONNECT_SECONDS)  # a stopped program accepts no connection
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
    """Return whether the other end runs as this user. Only Linux reports that; elsewhere the key decides."""
    if sys.platform != "linux":
        return True
    with _socket_of(connection) as there:
        credentials = there.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("=iII"))
    _, user, _ = struct.unpack("=iII", credentials)
    return bool(user == os.geteuid())


def cut(connection: Connection, how: int = socket.SHUT_RDWR) -> None:
    """Shut down a connection while another thread reads from it or writes to it.

    `how`: the directions, as for `shutdown` of a socket.
    """
    with suppress(OSError):  # already closed
        if sys.platform == "win32":
            if how == socket.SHUT_RDWR:
                connection.close()
            return
        with _socket_of(connection) as there:
            there.shutdown(how)


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut a connection if the block takes longer than `seconds`; reads and writes then raise EOFError or OSError."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # otherwise it could cut a later connection with the same descriptor


def _socket_of(connection: Connection) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=os.dup(connection.fileno()))
