"""Translates `Filters` to SQL conditions on files. Pure: nothing here opens a catalog."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cret_desktop.domain.filters import Bounds, Filters
from cret_desktop.paths import is_inside
from cret_desktop.storage.sqlite.rows import FAILED, PENDING

_STATES: dict[str, str] = {
    "offline": "(r.offline OR f.away)",
    "favourite": "f.favourite",
    "failed": FAILED,
    "pending": PENDING,
    "noted": "f.note != ''",
    "tagged": "EXISTS (SELECT 1 FROM file_tags t WHERE t.file_id = f.id)",
}
# The height in "1080p", for landscape and portrait alike: the short side, or the long one scaled as if 16:9.
_LINES = "max(min(f.width, f.height), max(f.width, f.height) * 9.0 / 16)"


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL expression over `files f JOIN roots r`, and its parameters in order."""

    sql: str
    parameters: tuple[object, ...] = ()


def condition(filters: Filters, roots: Sequence[tuple[int, str]], without: Sequence[int] = ()) -> Condition:
    """Return the condition for files that match `filters`, without missing ones and `without`; `roots`: (id, path)."""
    parts = [Condition("f.missing_since IS NULL")]
    if filters.folders:
        parts.append(_any([_in_folder(folder, roots) for folder in filters.folders]))
    parts += [_not(_in_folder(folder, roots)) for folder in filters.not_folders]
    if filters.suffixes:
        parts.append(_any([_with_suffix(suffix) for suffix in filters.suffixes]))
    parts += [_not(_with_suffix(suffix)) for suffix in filters.not_suffixes]
    parts += [_tagged(tag) for tag in filters.tags]
    parts += [_not(_tagged(tag)) for tag in filters.not_tags]
    parts += [Condition(_STATES[state]) for state in filters.states]
    parts += [_not(Condition(_STATES[state])) for state in filters.not_states]
    parts += [_matching("name", words) for words in filters.names]
    parts += _between("f.duration", filters.duration)
    parts += _between(_LINES, filters.lines)
    parts += _between("f.mtime_ns", _scaled(filters.modified, 1e9))
    if without:
        parts.append(Condition(f"f.id NOT IN ({','.join('?' * len(without))})", tuple(without)))
    return Condition(" AND ".join(part.sql for part in parts), tuple(p for part in parts for p in part.parameters))


def phrase(words: str) -> str:
    """Return an FTS5 phrase of these words. The last one is a prefix, so that a query matches while it is typed."""
    return '"' + _utf8(words).replace('"', '""') + '"*'


def _utf8(text: str) -> str:
    """Return text without NULs and the lone surrogates of `os.fsdecode`: SQLite refuses them, and no word has any."""
    return text.encode("utf-8", "ignore").decode("utf-8").replace("\0", " ")


def _in_folder(folder: str, roots: Sequence[tuple[int, str]]) -> Condition:
    if not os.path.isabs(folder):
        return _matching("folders", folder)
    folder = os.path.normpath(folder)
    found = [Condition("0")]
    for root_id, root in roots:
        if is_inside(root, folder):
            found.append(Condition("f.root_id = ?", (root_id,)))
        elif is_inside(folder, root):
            below = os.fsencode(os.path.relpath(folder, root)) + os.fsencode(os.sep)
            found.append(Condition("(f.root_id = ? AND f.path >= ? AND f.path < ?)", (root_id, below, _after(below))))
    return _any(found)


def _after(prefix: bytes) -> bytes:
    """Return the least bytes greater than all that begin with `prefix`, which ends with a separator."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _matching(column: str, words: str) -> Condition:
    return Condition(
        "f.id IN (SELECT rowid FROM file_texts WHERE file_texts MATCH ?)", (f"{column} : {phrase(words)}",)
    )


def _with_suffix(suffix: str) -> Condition:
    # If its own path is empty, the file is the root itself. LIKE ignores the case of ASCII, enough for suffixes.
    escaped = _utf8(suffix).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    name = "CAST(CASE WHEN length(f.path) THEN f.path ELSE r.path END AS TEXT)"
    return Condition(f"{name} LIKE ? ESCAPE '\\'", (f"%.{escaped}",))


def _tagged(tag: str) -> Condition:
    return Condition(
        "f.id IN (SELECT t.file_id FROM file_tags t JOIN tags g ON g.id = t.tag_id WHERE g.folded = ?)", (_utf8(tag),)
    )


def _between(expression: str, bounds: Bounds) -> list[Condition]:
    parts = []
    if bounds.low is not None:
        parts.append(Condition(f"{expression} >= ?", (bounds.low,)))
    if bounds.high is not None:
        parts.append(Condition(f"{expression} < ?", (bounds.high,)))
    return parts


def _scaled(bounds: Bounds, factor: float) -> Bounds:
    return Bounds(*(None if b is None else b * factor for b in (bounds.low, bounds.high)))


def _any(parts: Sequence[Condition]) -> Condition:
    return Condition(
        "(" + " OR ".join(part.sql for part in parts) + ")", tuple(p for part in parts for p in part.parameters)
    )


def _not(part: Condition) -> Condition:
    return Condition(f"NOT coalesce({part.sql}, 0)", part.parameters)
