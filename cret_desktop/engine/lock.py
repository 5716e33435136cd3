"""One writer per library: an operating-system lock, released when its process ends for any reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cret_desktop.errors import LibraryLocked, StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.library_files import HOLDER, LOCK, LibraryFiles


class WriterLock:
    """The lock that a process must hold to change a library. `acquire` and `held` raise LibraryLocked, StorageError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = LibraryFiles(path.parent)
        self._lock = FileLock(path, timeout=0)

    def acquire(self) -> None:
        try:
            self._files.make_folder("")
            self._files.own(LOCK)  # opening truncates the file, including any hard link to it
            self._lock.acquire()
        except Timeout:
            raise self._locked() from None
        except OSError as error:
            raise StorageError("library.folder-unusable", folder=self._path.parent, reason=reason_of(error)) from error
        with suppress(OSError):  # the disk may be full: the note is a courtesy, the lock is what counts
            self._files.write(HOLDER, str(os.getpid()).encode())  # separate: on Windows a locked file is unreadable

    def release(self) -> None:
        if self._lock.is_locked:
            with suppress(OSError):
                self._files.remove(HOLDER)
            self._lock.release()

    @contextmanager
    def held(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _locked(self) -> LibraryLocked:
        library = self._path.parent
        try:
            return LibraryLocked("library.locked-by", library=library, process=int(self._files.read(HOLDER, most=20)))
        except (OSError, ValueError):
            return LibraryLocked("library.locked", library=library)
