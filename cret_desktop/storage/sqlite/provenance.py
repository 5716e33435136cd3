"""Read where a catalog comes from without opening it as a library, and rewrite a foreign catalog."""

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

_LOOKED_AT = 50  # files, by which an older library is known to be of this computer


@dataclass(frozen=True, slots=True)
class Provenance:
    """`identity`: None in a catalog of a version that has none; its first `files` may tell where it was made.

    `is_altered`: the schema holds objects that are not ours.
    """

    identity: str | None
    files: tuple[VideoFile, ...] = ()
    is_altered: bool = False


def look(library: Path) -> Provenance:
    """Read what the catalog of a library says of itself. Leaves no file behind.

    Raises: LibraryTooNew; LibraryDamaged where it is damaged or no catalog; StorageError where it cannot be read.
    """
    files, path = LibraryFiles(library), library / CATALOG
    try:
        files.path(CATALOG)
        # Without a log beside it, it is read as it lies there: a look that is refused must leave no file behind.
        with closing(connect_to_read(path, immutable=not files.has(f"{CATALOG}-wal"))) as db:
            if check_version(db, path) < IDENTITY_SINCE:
                return Provenance(None, _some_files(db))
            return Provenance(_identity(db), is_altered=bool(difference(db).added))
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError("library.unreadable", library=library, reason=reason_of(error)) from error
    except sqlite3.DatabaseError as error:
        raise LibraryDamaged("catalog.damaged-or-foreign", catalog=path, reason=reason_of(error)) from error


def require_known_version(path: Path) -> None:
    """Raises: LibraryTooNew, OSError. A catalog that is damaged passes: what is left of it is taken over."""
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
    for source in ("library INDEXED BY library_again", "library NOT INDEXED"):  # on two pages, like what people said
        with suppress(sqlite3.DatabaseError):
            for (identity,) in db.execute(f"SELECT id FROM {source} WHERE id > '' LIMIT 1"):
                return identity if isinstance(identity, str) else ""
    return ""
