"""Makes file names durable."""

from __future__ import annotations

import os
from pathlib import Path


def flush_folder(folder: str | Path) -> None:
    """Make the names in a folder survive a power cut. Windows has no such call and needs none. Raises: OSError."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
