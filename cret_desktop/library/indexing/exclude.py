"""Files and folders that a person does not want indexed, by patterns. Pure.

A pattern without a slash is a file's or folder's name (`*.gif`, `Proxies`), one with a slash the path from the
library's folder (`2019/Raw*`). `*`, `?` and `[…]` as shells have them; case does not count. What lies in a folder that
is left out is left out with it.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Sequence


def left_out(root: str, patterns: Sequence[str]) -> Callable[[str], bool]:
    """-> whether a path (absolute, within `root`) is left out by its own name or by its place."""
    cleaned = [pattern.strip().replace("\\", "/").rstrip("/").casefold() for pattern in patterns]
    names = _any_of([pattern for pattern in cleaned if "/" not in pattern])
    places = _any_of([pattern.lstrip("/") for pattern in cleaned if "/" in pattern])

    def leaves_out(path: str) -> bool:
        place = os.path.relpath(path, root).replace(os.sep, "/").casefold()
        return bool(names.fullmatch(place.rpartition("/")[2]) or places.fullmatch(place))

    return leaves_out


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns if pattern) or r"(?!)")
