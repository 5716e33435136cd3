"""A copy of a catalog as it is at one moment, also while it is being written to. Never changes what it copies."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cret_desktop.library_files import LibraryFiles
from cret_desktop.storage.flush import flush_folder

_PAGES = 512  # copied between two words about progress


def copy_catalog(
    source: sqlite3.Connection, target: Path, progress: Callable[[float], None] = lambda share: None
) -> None:
    """Copy to `target`, which has its name only once it is whole and on the disk; one file, without a log beside it.

    `progress` is told the share done, in [0, 1]; what it raises ends the copying. Raises: OSError, sqlite3.Error.
    """
    files = LibraryFiles(target.parent)
    part = files.create_catalog(f"{target.name}.part")
    # Within a transaction the source stays as it is seen now: else each change would begin the copying anew.
    source.execute("BEGIN")
    try:
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(part)) as copy:
            source.backup(
                copy, pages=_PAGES, progress=lambda _, remaining, total: progress(1 - remaining / max(total, 1))
            )
            copy.execute("PRAGMA journal_mode = DELETE")  # so that it can be read where nothing can be written
    except BaseException:
        files.remove(part.name)
        raise
    finally:
        source.execute("ROLLBACK")
    files.rename(part.name, target.name)
    flush_folder(target.parent)
