"""Patterns of files and folders to exclude from indexing. Pure.

A pattern without a slash matches the name of a file or folder (`*.gif`, `Proxies`). A pattern with a slash matches the
path relative to the library's folder (`2019/Raw*`). `*`, `?` and `[…]` work as in shells; case is ignored. Excluding a
folder excludes its contents.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Sequence


def left_out(root: str, patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that returns whether a path (absolute, within `root`) is excluded by its name or its place."""
    cleaned = [pattern.strip().replace("\\", "/").rstrip("/").casefold() for pattern in patterns]
    names = _any_of([pattern for pattern in cleaned if "/" not in pattern])
    places = _any_of([pattern.lstrip("/") for pattern in cleaned if "/" in pattern])

    def leaves_out(path: str) -> bool:
        place = os.path.relpath(path, root).replace(os.sep, "/").casefold()
        return bool(names.fullmatch(place.rpartition("/")[2]) or places.fullmatch(place))

    return leaves_out


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns if pattern) or r"(?!)")
