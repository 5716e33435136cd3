"""Copies a catalog as of one moment, even during writes. Never changes the source."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cret_desktop.library_files import LibraryFiles
from cret_desktop.storage.flush import flush_folder

_PAGES = 512  # copied between two progress reports


def copy_catalog(
    source: sqlite3.Connection, target: Path, progress: Callable[[float], None] = lambda share: None
) -> None:
    """Copy to `target`, which gets its name only once it is complete and on the disk; one file without a log.

    `progress` gets the share done, in [0, 1]; an error raised by it ends the copying. Raises: OSError, sqlite3.Error.
    """
    files = LibraryFiles(target.parent)
    part = files.create_catalog(f"{target.name}.part")
    # A transaction fixes the snapshot: otherwise each change would restart the copying.
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(part)) as copy:
            source.backup(
                copy, pages=_PAGES, progress=lambda _, remaining, total: progress(1 - remaining / max(total, 1))
            )
            copy.execute("PRAGMA journal_mode = DELETE")  # so that it can be read from a read-only place
    except BaseException:
        files.remove(part.name)
        raise
    finally:
        source.execute("ROLLBACK")
    files.rename(part.name, target.name)
    flush_folder(target.parent)
