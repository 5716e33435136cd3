"""Files beside the catalog that hold nothing of worth: one that does not read is made again, whatever it raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from cret_desktop.foreign import why
from cret_desktop.library_files import LibraryFiles

log = logging.getLogger(__name__)

T = TypeVar("T")


def read_cache(files: LibraryFiles, name: str, largest: int, read: Callable[[bytes], T | None]) -> T | None:
    """What `read` makes of a file of at most `largest` bytes; None where it is not there, or makes nothing of it."""
    try:
        return read(files.read(name, largest))
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001 - there is nothing that it may hold up
        log.warning("%s cannot be read and is made anew: %s", files.root / name, why(error))
        return None
