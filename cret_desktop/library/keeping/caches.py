"""Cache files beside the catalog: one that cannot be read is rebuilt, whatever error it raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from cret_desktop.foreign import why
from cret_desktop.library_files import LibraryFiles

log = logging.getLogger(__name__)

T = TypeVar("T")


def read_cache(files: LibraryFiles, name: str, largest: int, read: Callable[[bytes], T | None]) -> T | None:
    """Return the result of `read` for a file of at most `largest` bytes; None if it is missing or unreadable."""
    try:
        return read(files.read(name, largest))
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - no defect of a cache may stop the caller
        log.warning("%s cannot be read and is made anew: %s", files.root / name, why(error))
        return None
