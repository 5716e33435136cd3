"""Search for remaining names and words of forgotten videos: older copies beside the catalog, and the log.

Deletes them on request, by the patterns of their names; never the library itself, and never through a link.
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

# Set aside in a library's folder by a restore, a repair, an adoption or a new version of the app.
_SET_ASIDE = re.compile(
    r"set-aside-[\d-]+|catalog\.(damaged|foreign)-[\d-]+\.sqlite(-wal|-shm)?"
    r"|catalog\.v\d+\.backup\.sqlite(\.part)?|engine\.log\.\d+"
)
_WORDLESS = {THUMBNAILS, GRAPHS, CALIBRATION, PACE, LOCK, HOLDER, MARK, HEAD, *CATALOG_FILES}


def copies(library: Path) -> tuple[Path, ...]:
    """Return all entries of a library's folder that may contain words of its videos, by name.

    The catalog in use is omitted; an unknown entry is assumed to contain some. Raises: StorageError.
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
    """Delete the copies set aside in a library's folder, and empty its log. Files of other programs stay.

    Raises: StorageError for the first file that cannot be deleted; call again then.
    """
    files = LibraryFiles(library)
    try:
        for name, _ in files.listed(""):
            if _SET_ASIDE.fullmatch(name):
                files.remove_tree(name)
            elif name == LOG:  # it is open for writing
                files.own(LOG)
                os.truncate(files.path(LOG), 0)
    except OSError as error:
        raise StorageError("library.not-deleted", path=error.filename or library, reason=reason_of(error)) from error
