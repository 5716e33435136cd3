"""Copies of a whole library: to be kept, to be put in the present one's place, to be used from another disk.

A copy is a library itself. It has its name only once it is whole, checked and on the disk; what is in the way of a
restored one is set aside beside it. Never writes over anything, never deletes a library, never changes what it copies.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cret_desktop.errors import LibraryDamaged, LibraryMissing, PathError, StorageError
from cret_desktop.index.copying import copy_catalog
from cret_desktop.index.flush import flush_folder
from cret_desktop.index.migrations import check_version
from cret_desktop.paths import LibraryPaths

# Within a library's folder, where a restored one waits to be put in place; its name tells how far that is.
_RESTORED, _ARRIVING = "restored", "arriving"
_PARTS = (
    "catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite", "catalog.head", "catalog.sqlite.open",
    "catalog.recovered.sqlite", "thumbnails", "graphs", "calibration",
)  # fmt: skip
_SPARE = 64 * 2**20  # bytes that a disk keeps free, for what is not counted: folders, blocks that are not full

Progress = Callable[[int, int], None]  # bytes done, bytes in all; what it raises ends the copying


@dataclass(frozen=True, slots=True)
class LibrarySize:
    """In bytes; `free` is left on the library's disk."""

    catalog: int
    thumbnails: int
    graphs: int
    free: int

    @property
    def whole(self) -> int:
        return self.catalog + self.thumbnails + self.graphs


@dataclass(frozen=True, slots=True)
class Contents:
    """What a library holds, read without opening it."""

    videos: int
    clips: int


def measure(library: Path) -> LibrarySize:
    """Raises: StorageError."""
    paths = LibraryPaths(library)
    with _told(library):
        catalog = sum(
            path.stat().st_size for path in library.glob(f"{paths.catalog.name}*") if not path.name.endswith("-shm")
        )
        graphs = _folder_size(paths.graphs) + _folder_size(paths.calibration)
        return LibrarySize(catalog, _folder_size(paths.thumbnails), graphs, shutil.disk_usage(library).free)


def check(library: Path, named: Path | None = None) -> Contents:
    """Look whether a library is whole, and of a version that this program knows. Errors name it, or what is `named`.

    Raises: LibraryMissing, LibraryTooNew, LibraryDamaged, StorageError.
    """
    with _reading(library, named) as catalog:
        verdict = catalog.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        videos = catalog.execute("SELECT count(*) FROM files WHERE missing_since IS NULL").fetchone()[0]
        return Contents(videos, catalog.execute("SELECT count(*) FROM clips").fetchone()[0])


def copy_library(
    library: Path,
    target: Path,
    progress: Progress = lambda done, total: None,
    thumbnails: bool = True,
    hold: AbstractContextManager[object] | None = None,
) -> Contents:
    """Copy a library, which may be in use, to a folder that is not there yet; returns what the copy holds.

    Without `thumbnails`, the copy has none until they are drawn anew. Nothing is written to the library within `hold`,
    which begins before its catalog is copied and ends when the copy has its name.
    Raises: PathError where `target` is taken or within the library; LibraryMissing, LibraryTooNew, LibraryDamaged,
    StorageError for a full disk or one that cannot be written; what `progress` raises.
    """
    if os.path.lexists(target):
        raise PathError(f"{target} is there already. Choose a name that is not taken: nothing is ever overwritten.")
    source, unfinished = LibraryPaths(library), _unfinished(target)
    copy = LibraryPaths(unfinished)
    with _told(target), _reading(library) as catalog:
        catalog_bytes = source.catalog.stat().st_size
        names = _cached_files(catalog, source, thumbnails)
        total = catalog_bytes + sum(names.values())
        target.parent.mkdir(parents=True, exist_ok=True)
        _require(total, target.parent)
        shutil.rmtree(unfinished, ignore_errors=True)  # of one that was killed
        try:
            unfinished.mkdir()
            done = _copy_files(library, unfinished, names, 0, lambda done: progress(done, total))
            with hold or nullcontext():
                copy_catalog(catalog, copy.catalog, lambda share: progress(done + round(share * catalog_bytes), total))
                with _reading(unfinished) as copied:  # what came while the first files were copied
                    late = _cached_files(copied, source, thumbnails)
                _copy_files(library, unfinished, {name: late[name] for name in late.keys() - names.keys()})
                contents = check(unfinished, named=library)
                if hasattr(os, "sync"):
                    os.sync()  # once for all: a flush for each of a hundred thousand thumbnails would take an hour
                progress(total, total)
                unfinished.rename(target)
                flush_folder(target.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return contents


def take_in(library: Path, backup: Path, progress: Progress = lambda done, total: None) -> Contents:
    """Copy a backup into a library's folder, where it waits for `finish` to put it in place.

    Raises: PathError where both are the same; otherwise as `copy_library`.
    """
    if library.exists() and backup.exists() and library.samefile(backup):
        raise PathError(f"{backup} is the library itself. Choose a backup of it.")
    check(backup)
    waiting = library / _RESTORED
    with _told(library):
        library.mkdir(parents=True, exist_ok=True)
        if waiting.exists():  # another one was chosen before, and is not wanted any more
            shutil.rmtree(waiting)
    return copy_library(backup, waiting, progress)


def finish(library: Path) -> str:
    """Where a restored library waits: put it in the present one's place; returns a sentence on it, '' where none waits.

    The caller holds the writer's lock, and nobody has the catalog open. After a crash at any point, the next call goes
    on from there. Raises: StorageError.
    """
    waiting, arriving = library / _RESTORED, library / _ARRIVING
    sentence = ""
    with _told(library):
        shutil.rmtree(_unfinished(waiting), ignore_errors=True)  # of a copying that was killed
        if waiting.exists():
            made = waiting.stat().st_mtime_ns  # the same in a second try, and another in another restoring
            moment = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(made // 10**9))
            aside = library / f"set-aside-{moment}-{made // 10**6 % 1000:03}"
            aside.mkdir(exist_ok=True)
            for name in _PARTS:
                if (library / name).exists():
                    (library / name).rename(aside / name)
            flush_folder(aside)
            flush_folder(library)
            waiting.rename(arriving)
            sentence = f"The library was restored. The one that was in its place is kept in {aside}."
        if arriving.exists():
            sentence = sentence or "The library was restored."
            for part in list(arriving.iterdir()):
                part.rename(library / part.name)
            flush_folder(library)
            arriving.rmdir()
    return sentence


# --- files ----------------------------------------------------------------------------------------------------------


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.unfinished")


def _cached_files(catalog: sqlite3.Connection, source: LibraryPaths, thumbnails: bool) -> dict[str, int]:
    """The files beside the catalog that belong to it and are there, by their names in the library, with their sizes."""
    names = [f"{source.graphs.name}/{file}" for (file,) in catalog.execute("SELECT file FROM graphs")]
    if source.calibration.is_dir():
        names += [f"{source.calibration.name}/{path.name}" for path in source.calibration.iterdir()]
    if thumbnails:
        sprites = catalog.execute("SELECT DISTINCT sprite FROM clips WHERE sprite != ''")
        names += [f"{source.thumbnails.name}/{sprite}" for (sprite,) in sprites]
    sizes = {}
    for name in names:
        if ".." in re.split(r"[/\\]", name):
            continue  # no catalog of ours has one; a backup that comes from somebody else might
        try:
            sizes[name] = os.stat(source.root / name).st_size
        except FileNotFoundError:
            continue  # they can all be made again
    return sizes


def _copy_files(
    library: Path, target: Path, names: dict[str, int], done: int = 0, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Returns the bytes done. A file that goes meanwhile is left out: what it was for has gone as well."""
    made: set[str] = set()
    for name, size in names.items():
        folder = os.path.dirname(name)
        if folder not in made:
            (target / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        try:
            _copy_file(library / name, target / name)
        except FileNotFoundError:
            continue
        done += size
        progress(done)
    return done


def _copy_file(source: Path, target: Path) -> None:
    """On the same disk both are one file: thumbnails and graphs are only ever replaced, never written into."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)


def _folder_size(folder: Path) -> int:
    total, waiting = 0, [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total


def _require(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        raise StorageError(
            f"{folder} has {free / 1e6:,.0f} MB left, and the copy needs {(size + _SPARE) / 1e6:,.0f} MB. Free some "
            "space or choose another disk."
        )


# --- errors ---------------------------------------------------------------------------------------------------------


@contextmanager
def _reading(library: Path, named: Path | None = None) -> Iterator[sqlite3.Connection]:
    """A library's catalog, for reading. Raises: LibraryMissing, LibraryTooNew, LibraryDamaged, StorageError."""
    path, named = LibraryPaths(library).catalog, named or library
    if not path.is_file():
        raise LibraryMissing(f"There is no library in {library}. Choose the folder that holds catalog.sqlite.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
            check_version(db, path)
            yield db
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"The library {named} could not be read or copied: {error}. Free some space and check the disks."
        ) from error
    except sqlite3.DatabaseError as error:
        raise LibraryDamaged(f"The library {named} is damaged ({error}) and was not copied.") from error


@contextmanager
def _told(place: Path) -> Iterator[None]:
    """The system's errors as a sentence."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written: {(error.strerror or str(error)).lower()}. Free some space, or choose another "
            "place; the library is as it was."
        ) from error
