"""Finds what may still hold the words of videos that were forgotten: older copies beside the catalog, and the log.

Deletes them where a person asks for it by their names' patterns; never the library itself, and never through a link.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cret_desktop.errors import StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.library_files import (
    CALIBRATION,
    CATALOG_FILES,
    GRAPHS,
    HEAD,
    HOLDER,
    LOCK,
    LOG,
    MARK,
    PACE,
    THUMBNAILS,
    LibraryFiles,
)

# What a restoring, a repair, an adoption and a new version of the app have set aside in a library's folder.
_SET_ASIDE = re.compile(
    r"set-aside-[\d-]+|catalog\.(damaged|foreign)-[\d-]+\.sqlite(-wal|-shm)?"
    r"|catalog\.v\d+\.backup\.sqlite(\.part)?|engine\.log\.\d+"
)
_WORDLESS = {THUMBNAILS, GRAPHS, CALIBRATION, PACE, LOCK, HOLDER, MARK, HEAD, *CATALOG_FILES}


def copies(library: Path) -> tuple[Path, ...]:
    """All in a library's folder that may hold words of its videos, but the catalog as it is used; by name.

    What is not known to hold none is taken to hold some. Raises: StorageError.
    """
    try:
        return tuple(
            place
            for place in sorted(library.iterdir())
            if place.name not in _WORDLESS and (place.is_symlink() or place.is_dir() or place.stat().st_size)
        )
    except OSError as error:
        raise StorageError("library.unreadable", library=library, reason=reason_of(error)) from error


def delete_copies(library: Path) -> None:
    """Delete what was set aside in a library's folder, and empty its log. What another has put there stays.

    Raises: StorageError for the first that cannot be deleted; then call it again.
    """
    files = LibraryFiles(library)
    try:
        for name, _ in files.listed(""):
            if _SET_ASIDE.fullmatch(name):
                files.remove_tree(name)
            elif name == LOG:  # it is being written to
                files.own(LOG)
                os.truncate(files.path(LOG), 0)
    except OSError as error:
        raise StorageError("library.not-deleted", path=error.filename or library, reason=reason_of(error)) from error
