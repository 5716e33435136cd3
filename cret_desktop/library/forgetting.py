"""Finds what may still hold the words of videos that were forgotten: older copies beside the catalog, and the log.

Deletes them where a person asks for it by their names' patterns; never the library itself, and never through a link.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from cret_desktop.errors import StorageError
from cret_desktop.paths import LibraryPaths

# What a restoring, a repair and a new version of the app have set aside in a library's folder.
_SET_ASIDE = re.compile(
    r"set-aside-\d{4}-\d\d-\d\d-\d{6}(-\d{3})?"
    r"|catalog\.damaged-\d{4}-\d\d-\d\d-\d{6}\.sqlite(-wal|-shm)?"
    r"|catalog\.v\d+\.backup\.sqlite(\.part)?"
    r"|engine\.log\.\d+"
)


def copies(library: Path) -> tuple[Path, ...]:
    """All in a library's folder that may hold words of its videos, but the catalog as it is used; by name.

    What is not known to hold none is taken to hold some. Raises: StorageError.
    """
    paths = LibraryPaths(library)
    wordless = {paths.thumbnails, paths.graphs, paths.calibration, paths.pace, paths.lock, paths.catalog}
    wordless |= {paths.catalog.with_name(paths.catalog.name + ending) for ending in ("-wal", "-shm", ".open")}
    wordless |= {paths.catalog.with_suffix(".head"), paths.lock.with_suffix(".pid")}
    try:
        return tuple(
            place
            for place in sorted(library.iterdir())
            if place not in wordless and (place.is_symlink() or place.is_dir() or place.stat().st_size)
        )
    except OSError as error:
        raise StorageError(f"{library} cannot be read: {error.strerror or error}.") from error


def delete_copies(library: Path) -> None:
    """Delete what was set aside in a library's folder, and empty its log. What another has put there stays.

    Raises: StorageError for the first that cannot be deleted; then call it again.
    """
    log = LibraryPaths(library).log
    for place in copies(library):
        if place.is_symlink():
            continue
        try:
            if place == log:  # it is being written to
                os.close(os.open(place, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)))
            elif _SET_ASIDE.fullmatch(place.name) and place.is_dir():
                shutil.rmtree(place)
            elif _SET_ASIDE.fullmatch(place.name):
                place.unlink()
        except OSError as error:
            raise StorageError(
                f"{place} cannot be deleted: {error.strerror or error}. Delete it yourself, then try again."
            ) from error
