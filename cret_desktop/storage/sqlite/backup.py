"""Copies of a whole library: to keep, to restore, or to use on another disk.

A copy is itself a library. It gets its name only once it is complete, checked and on the disk. Restoring sets the
existing library aside. Never overwrites anything, never deletes a library, never changes the source.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path

from cret_desktop.domain.records import Contents, LibrarySize
from cret_desktop.errors import LibraryDamaged, LibraryMissing, PathError, StorageError
from cret_desktop.foreign import short
from cret_desktop.library_files import (
    ARRIVING,
    CALIBRATION,
    CATALOG,
    FOLDER_MODE,
    GRAPHS,
    RESTORED,
    THUMBNAILS,
    LibraryFiles,
)
from cret_desktop.messages import Message
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.flush import flush_folder
from cret_desktop.storage.sqlite.beliefs import COLUMNS
from cret_desktop.storage.sqlite.connections import connect_to_read, difference
from cret_desktop.storage.sqlite.copying import copy_catalog
from cret_desktop.storage.sqlite.damage import BadCatalog, reason_of
from cret_desktop.storage.sqlite.migrations import check_version

_UNFINISHED = f".{RESTORED}.unfinished"
_PARTS = (
    "catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite", "catalog.head", "catalog.sqlite.open",
    "catalog.recovered.sqlite", "thumbnails", "graphs", "calibration",
)  # fmt: skip
_SPARE = 64 * 2**20  # bytes that a disk keeps free, for folders and partly filled blocks

Progress = Callable[[int, int], None]  # see `library.ports.CopyProgress`


class FolderBackup:
    """Copies of the library in one folder (`library.ports.Backup`)."""

    def __init__(self, library: Path) -> None:
        self._library = library

    def measure(self) -> LibrarySize:
        return measure(self._library)

    def copy(
        self,
        target: Path,
        progress: Progress,
        thumbnails: bool = True,
        hold: AbstractContextManager[object] | None = None,
    ) -> Contents:
        return copy_library(self._library, target, progress, thumbnails, hold)

    def take_in(self, backup: Path, progress: Progress) -> Contents:
        return take_in(self._library, backup, progress)


def measure(library: Path) -> LibrarySize:
    """Return the sizes of a library's parts in bytes, and the free space. Raises: StorageError."""
    files = LibraryFiles(library)
    with _writing(library):
        catalog = 0
        for name, is_folder in files.listed(""):
            if name.startswith(CATALOG) and not is_folder and not name.endswith("-shm"):
                catalog += files.entry(name).size
        graphs = files.size(GRAPHS) + files.size(CALIBRATION)
        return LibrarySize(catalog, files.size(THUMBNAILS), graphs, shutil.disk_usage(library).free)


def check(library: Path, named: Path | None = None) -> Contents:
    """Check that a library is intact and of a known version; return its counts. Errors name it, or `named` if given.

    Raises: LibraryMissing, LibraryTooNew, LibraryDamaged, StorageError.
    """
    with _reading(library, named) as catalog:
        # quick_check evaluates CHECK constraints, so tables that are not ours are excluded.
        ours = [f"PRAGMA quick_check({table})" for table in COLUMNS]
        checks = ours if difference(catalog) else ["PRAGMA quick_check(1)"]
        for statement in checks:
            verdict = catalog.execute(statement).fetchone()[0]
            if verdict != "ok":
                raise BadCatalog(Message("reason.said", text=short(str(verdict))))
        videos = catalog.execute("SELECT count(*) FROM files WHERE missing_since IS NULL").fetchone()[0]
        return Contents(videos, catalog.execute("SELECT count(*) FROM clips").fetchone()[0])


def copy_library(
    library: Path,
    target: Path,
    progress: Progress = lambda done, total: None,
    thumbnails: bool = True,
    hold: AbstractContextManager[object] | None = None,
) -> Contents:
    """Copy a library, which may be in use, to a new folder; return the contents of the copy.

    Without `thumbnails`, the copy has none until they are redrawn. Nothing is written to the library within `hold`,
    which begins before its catalog is copied and ends when the copy has its name.

    Raises: PathError if `target` exists or is within the library; LibraryMissing, LibraryTooNew, LibraryDamaged;
    StorageError for a full or read-only disk; any error of `progress`.
    """
    if os.path.lexists(target):
        raise PathError("backup.taken", target=target)
    source, unfinished = LibraryFiles(library), _unfinished(target)
    copy = LibraryFiles(unfinished)
    with _writing(target), _reading(library) as catalog:
        catalog_bytes = source.entry(CATALOG).size
        names = _cached_files(catalog, source, thumbnails)
        total = catalog_bytes + sum(names.values())
        target.parent.mkdir(parents=True, exist_ok=True)
        _require(total, target.parent)
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed copy
        try:
            unfinished.mkdir(mode=FOLDER_MODE)
            done = _copy_files(source, copy, names, 0, lambda done: progress(done, total))
            with hold or nullcontext():
                copy_catalog(
                    catalog, unfinished / CATALOG, lambda share: progress(done + round(share * catalog_bytes), total)
                )
                with _reading(unfinished) as copied:  # files added while the first ones were copied
                    late = _cached_files(copied, source, thumbnails)
                _copy_files(source, copy, {name: late[name] for name in late.keys() - names.keys()})
                contents = check(unfinished, named=library)
                if hasattr(os, "sync"):
                    os.sync()  # once for all files: flushing 100,000 thumbnails one by one would take an hour
                progress(total, total)
                unfinished.rename(target)
                flush_folder(target.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return contents


def take_in(library: Path, backup: Path, progress: Progress = lambda done, total: None) -> Contents:
    """Copy a backup into a library's folder, where `finish` finds it.

    Raises: PathError if both are the same; otherwise as `copy_library`.
    """
    if library.exists() and backup.exists() and library.samefile(backup):
        raise PathError("backup.itself", backup=backup)
    check(backup)
    files = LibraryFiles(library)
    with _writing(library):
        files.make_folder("")
        files.remove_tree(RESTORED)  # a backup chosen before and now superseded
    return copy_library(backup, library / RESTORED, progress)


def finish(library: Path) -> Message | None:
    """Replace the library by a restored one, if any; return a message about it, None if there is none.

    The caller holds the writer's lock, and the catalog is closed. After a crash at any point, the next call resumes.
    Raises: StorageError.
    """
    files, notice = LibraryFiles(library), None
    with _writing(library):
        files.remove_tree(_UNFINISHED)  # left by a killed copy
        if files.has_folder(RESTORED) and not files.has(f"{RESTORED}/{CATALOG}"):
            files.rename(RESTORED, _aside(library, RESTORED))  # no library, and not created by this program
        if files.has_folder(RESTORED):
            aside = _aside(library, RESTORED)
            files.make_folder(aside)
            _move_parts(files, "", f"{aside}/")
            files.rename(RESTORED, ARRIVING)
            notice = Message("backup.restored-aside", kept=library / aside)
        if files.has_folder(ARRIVING):
            here = {name for name, _ in files.listed("")}
            if here & {name.partition("/")[2] for name, _ in files.listed(ARRIVING)}:
                files.rename(ARRIVING, _aside(library, ARRIVING))  # not left by our own restore: nothing is replaced
                return notice
            _move_parts(files, f"{ARRIVING}/", "")
            if not files.remove_folder(ARRIVING):
                files.rename(ARRIVING, _aside(library, ARRIVING))  # any other content is not ours to delete
            notice = notice or Message("backup.restored")
    return notice


def _aside(library: Path, waiting: str) -> str:
    """Return the name of the folder for the replaced library: the same on a retry, new for another restore."""
    made = os.stat(library / waiting, follow_symlinks=False).st_mtime_ns
    moment = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(made // 10**9))
    return f"set-aside-{moment}-{made // 10**6 % 1000:03}"


# --- files ----------------------------------------------------------------------------------------------------------


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.unfinished")


def _move_parts(files: LibraryFiles, source: str, target: str) -> None:
    """Move the files of a library between its folder ('') and a folder within it ('arriving/')."""
    for name in _PARTS:
        if files.has(source + name) or files.has_folder(source + name):  # no link, which could point elsewhere
            files.rename(source + name, target + name)
    for folder in (target, source):
        flush_folder(files.root / folder)


def _cached_files(catalog: sqlite3.Connection, source: LibraryFiles, thumbnails: bool) -> dict[str, int]:
    """Return the existing files that belong to the catalog, by their names in the library, with their sizes."""
    names = [f"{GRAPHS}/{file}" for (file,) in catalog.execute("SELECT file FROM graphs")]
    names += source.walk(CALIBRATION) if source.has_folder(CALIBRATION) else []
    if thumbnails:
        sprites = catalog.execute("SELECT DISTINCT sprite FROM clips WHERE sprite != ''")
        names += [f"{THUMBNAILS}/{sprite}" for (sprite,) in sprites]
    sizes = {}
    for name in names:
        with suppress(OSError):  # missing, or not a regular file: all of them can be rebuilt
            sizes[name] = source.entry(name).size
    return sizes


def _copy_files(
    source: LibraryFiles,
    target: LibraryFiles,
    names: dict[str, int],
    done: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Copy files; return the bytes done. A file deleted meanwhile is left out, because it is no longer needed."""
    for name, size in names.items():
        try:
            source.copy(name, target)
        except FileNotFoundError:
            continue
        done += size
        progress(done)
    return done


def _require(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        raise StorageError("backup.no-space", folder=folder, free=free / 1e6, needed=(size + _SPARE) / 1e6)


# --- errors ---------------------------------------------------------------------------------------------------------


@contextmanager
def _reading(library: Path, named: Path | None = None) -> Iterator[sqlite3.Connection]:
    """Yield a read-only connection. Raises: LibraryMissing, LibraryTooNew, LibraryDamaged, StorageError."""
    path, named = LibraryPaths(library).catalog, named or library
    if not LibraryFiles(library).has(CATALOG):
        raise LibraryMissing("backup.no-library", folder=library)
    try:
        with closing(_connected(path, named)) as db:
            check_version(db, path)
            if not (differs := difference(db)).is_readable:
                raise BadCatalog(differs.reason)
            yield db
    except sqlite3.OperationalError as error:
        raise StorageError("backup.not-copied", library=named, reason=reason_of(error)) from error
    except sqlite3.DatabaseError as error:
        raise LibraryDamaged("backup.damaged", library=named, reason=reason_of(error)) from error


def _connected(path: Path, named: Path) -> sqlite3.Connection:
    try:
        return connect_to_read(path)
    except OSError as error:
        raise StorageError("library.unreadable", library=named, reason=reason_of(error)) from error


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Raise OSError as StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError("backup.not-written", place=place, reason=reason_of(error)) from error
