"""Reads the origin of a catalog without opening it as a library, and rebuilds a foreign catalog."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from cret_desktop.domain.clips import VideoFile
from cret_desktop.errors import LibraryDamaged, StorageError, StoreFault
from cret_desktop.library_files import CATALOG, LibraryFiles
from cret_desktop.storage.sqlite import recovery
from cret_desktop.storage.sqlite.beliefs import believed
from cret_desktop.storage.sqlite.connections import connect_to_read, difference
from cret_desktop.storage.sqlite.damage import reason_of
from cret_desktop.storage.sqlite.migrations import IDENTITY_SINCE, check_version
from cret_desktop.storage.sqlite.recovery import Rows
from cret_desktop.storage.sqlite.rows import joined_path

_LOOKED_AT = 50  # files that may show that an older library is from this computer


@dataclass(frozen=True, slots=True)
class Provenance:
    """`identity` is None in versions without one; the first `files` may then show where the catalog was made.

    `is_altered`: the schema holds objects that are not ours.
    """

    identity: str | None
    files: tuple[VideoFile, ...] = ()
    is_altered: bool = False


def look(library: Path) -> Provenance:
    """Read the origin of a library from its catalog. Leaves no file behind.

    Raises: LibraryTooNew; LibraryDamaged if it is damaged or not a catalog; StorageError if it cannot be read.
    """
    files, path = LibraryFiles(library), library / CATALOG
    try:
        files.path(CATALOG)
        # Without a log, read it as immutable: a refused library must be left without new files.
        with closing(connect_to_read(path, immutable=not files.has(f"{CATALOG}-wal"))) as db:
            if check_version(db, path) < IDENTITY_SINCE:
                return Provenance(None, _some_files(db))
            return Provenance(_identity(db), is_altered=bool(difference(db).added))
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError("library.unreadable", library=library, reason=reason_of(error)) from error
    except sqlite3.DatabaseError as error:
        raise LibraryDamaged("catalog.damaged-or-foreign", catalog=path, reason=reason_of(error)) from error


def require_known_version(path: Path) -> None:
    """Check the version; a damaged catalog passes, because it can be recovered. Raises: LibraryTooNew, OSError."""
    with suppress(sqlite3.DatabaseError), closing(connect_to_read(path)) as db:
        check_version(db, path)


def remake(path: Path) -> tuple[Rows, Path]:
    """Rebuild a catalog, as `recovery.remake` does. Raises: OSError, StoreFault."""
    try:
        return recovery.remake(path)
    except sqlite3.Error as error:
        raise StoreFault(str(error)) from error


def _some_files(db: sqlite3.Connection) -> tuple[VideoFile, ...]:
    rows = db.execute(
        "SELECT r.path, f.path, f.size, f.mtime_ns, f.device, f.inode FROM files f JOIN roots r ON r.id = f.root_id"
        " WHERE f.missing_since IS NULL AND f.inode > 0 AND f.size > 0 ORDER BY f.id LIMIT ?",
        (_LOOKED_AT,),
    )
    kinds = "roots.path files.path files.size files.mtime_ns files.device files.inode"
    return tuple(VideoFile(joined_path(root, path), *rest) for root, path, *rest in believed(rows, kinds))


def _identity(db: sqlite3.Connection) -> str:
    for source in ("library INDEXED BY library_again", "library NOT INDEXED"):  # stored on two pages, like annotations
        with suppress(sqlite3.DatabaseError):
            for (identity,) in db.execute(f"SELECT id FROM {source} WHERE id > '' LIMIT 1"):
                return identity if isinstance(identity, str) else ""
    return ""
