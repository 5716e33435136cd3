"""Writes a file so that its name always refers to complete content: the old or the new, whatever fails.

The content goes into a temporary file in the target's folder, which gets the target's name once it is complete. A
target that is a link is replaced, not followed. If the block or the renaming fails, the target is unchanged and the
temporary file is removed; only a kill or a power cut can leave one, and nothing is ever written through its name again.

A library's own files are written by `library_files`, which works by descriptors of folders and shares `put_in_place`
and `flush_to_disk`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PREFIX, SUFFIX = ".cret-desktop-", ".part"  # of temporary files: hidden, and not a video's suffix
_OWNER_ONLY, _USUAL = 0o600, 0o666  # the latter less the process's umask, as for any new file


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, private: bool = False, flush: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing, which becomes `path` if the block ends without an error.

    `private`: only this account may read it. `flush`: the content is on the disk before it has the name, so that a
    power cut leaves the old content or the new one; without it a file may then be empty. Flushing can take seconds.
    Raises: OSError that names the target.
    """
    with _errors_of(path):
        descriptor, part = _create(path, private)
        with put_in_place(part, os.fspath(path)), os.fdopen(descriptor, "wb") as stream:
            yield stream
            if flush:
                flush_to_disk(stream)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty temporary file's path as `atomic_write` yields a stream, for code that writes by path.

    The content is not flushed to the disk. Raises: OSError that names the target.
    """
    with _errors_of(path):
        descriptor, part = _create(path, private=False)
        os.close(descriptor)
        with put_in_place(part, os.fspath(path)):
            yield Path(part)


@contextmanager
def put_in_place(part: str, target: str, folder: int | None = None) -> Iterator[None]:
    """Rename `part` to `target` after the block, and remove it if the block or the renaming fails.

    `folder` is the descriptor of the folder that holds both names, None if they are paths. Raises: OSError.
    """
    try:
        yield
        os.replace(part, target, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):  # on a failing disk a file may remain, which nobody reads
            os.unlink(part, dir_fd=folder)
        raise


def flush_to_disk(stream: IO[bytes]) -> None:
    """Write all buffered content of a stream to the disk itself. Raises: OSError."""
    stream.flush()
    os.fsync(stream.fileno())


def _create(path: str | os.PathLike[str], private: bool) -> tuple[int, str]:
    """Return descriptor and path of a new file beside `path`, under an unpredictable name."""
    folder = os.path.dirname(os.path.abspath(path))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # with O_EXCL a link is never followed
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    part = os.path.join(folder, f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}")
    return os.open(part, flags, _OWNER_ONLY if private else _USUAL), part


@contextmanager
def _errors_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make the system's errors name the target instead of the temporary file or no file."""
    try:
        yield
    except OSError as error:
        if error.filename is None or os.path.basename(str(error.filename)).startswith(PREFIX):
            error.filename = os.fspath(path)
            if error.filename2 is not None:
                del error.filename2
        raise
