"""Validates values read from the catalog, because SQLite itself enforces no column types.

A catalog may be damaged or malicious. A row with an impossible value is skipped, and the log counts the skipped rows.
Pure: nothing here opens a catalog.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np

from cret_desktop.domain.clips import Sort
from cret_desktop.library_files import is_sprite_name

Row = tuple[Any, ...]

LARGEST_TILE = 4096  # pixels; ours have 320 at most, before rotation
MOST_FRAMES = 4096  # of a clip
LARGEST_FEATURES = 16 * 2**20  # bytes
_LONGEST_PATH = 65_536  # bytes
_LAST_ID = 1 << 60  # above it SQLite would soon run out of row ids
LONGEST_PRINT = 4096  # bytes of a fingerprint
_MOST_TAGS = 100_000  # characters of JSON
_LONGEST_WORD, _LONGEST_TEXT = 1000, 10_000_000  # characters; joined notes may exceed LONGEST_NOTE
_LONGEST = 1e12  # seconds
_LAST_ORDINAL = 1_000_000_000  # of a clip
_STATES = {"pending", "indexed", "failed"}  # of a file
_STAGE_STATES = {"waiting", "done", "failed"}

log = logging.getLogger(__name__)


def _is_integer(value: object) -> bool:
    return type(value) is int


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _are_seconds(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LONGEST  # false for NaN


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_WORD


def _is_path(value: object) -> bool:
    return isinstance(value, bytes) and len(value) <= _LONGEST_PATH and b"\0" not in value


def _is_absolute(value: object) -> bool:
    return isinstance(value, bytes) and _is_path(value) and os.path.isabs(os.fsdecode(value))


def _is_relative(value: object) -> bool:
    """Return whether a value is a path that stays within its root; empty if the root is the file."""
    if not isinstance(value, bytes) or not _is_path(value):
        return False
    if os.name == "nt":
        path = os.fsdecode(value)
        return not (os.path.splitdrive(path)[0] or os.path.isabs(path) or ".." in re.split(r"[\\/]", path))
    return not value.startswith(b"/") and (b".." not in value or b".." not in value.split(b"/"))


def _is_print(value: object) -> bool:
    return isinstance(value, bytes) and 0 < len(value) <= LONGEST_PRINT


def _is_times(value: object) -> bool:
    if not isinstance(value, bytes) or len(value) % 8 or not 0 < len(value) <= 8 * MOST_FRAMES:
        return False
    return bool(np.isfinite(np.frombuffer(value, "<f8")).all())


def _are_features(value: object) -> bool:
    """Return whether a value is float16 features: a foreign page is hardly ever finite throughout."""
    if not isinstance(value, bytes) or len(value) % 2 or len(value) > LARGEST_FEATURES:
        return False
    return bool(np.isfinite(np.frombuffer(value, "<f2")).all())


def _are_tags(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _MOST_TAGS:
        return False
    try:
        names = json.loads(value)
    except (ValueError, RecursionError):
        return False
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "id": lambda value: _is_integer(value) and 0 < value < _LAST_ID,
    "integer": _is_integer,
    "number": _is_number,
    "seconds": _are_seconds,
    "ordinal": lambda value: _is_integer(value) and 0 <= value <= _LAST_ORDINAL,
    "state": lambda value: isinstance(value, str) and value in _STATES,
    "progress": lambda value: isinstance(value, str) and value in _STAGE_STATES,
    "text": _is_text,
    "word": _is_word,
    "path": _is_path,
    "root": _is_absolute,
    "relative": _is_relative,
    "print": _is_print,
    "sprite": lambda value: value == "" or is_sprite_name(value),
    "tile": lambda value: _is_integer(value) and 0 <= value <= LARGEST_TILE,
    "times": _is_times,
    "features": _are_features,
    "width": lambda value: _is_integer(value) and 0 < value <= 65_536,
    "centers": lambda value: _is_integer(value) and 0 <= value <= 65_536,
    "tags": _are_tags,
    "sort": lambda value: isinstance(value, str) and value in set(Sort),
}

# Every column that is read, and its kind; "?" if it may be NULL.
COLUMNS = {
    "library": "id word",
    "roots": "id id, path root, added_at number, offline integer, volume text, within path, device integer,"
    " inode integer, removed_at number?, followed integer",
    "models": "id id, fingerprint word, name word, width width, centers centers",
    "tags": "id id, name word, folded word",
    "files": "id id, root_id integer, path relative, size integer, mtime_ns integer, device integer, inode integer,"
    " fingerprint print?, duration seconds?, width integer?,"
    " height integer?, frame_rate seconds?, codec word?, container word?, missing_since number?, favourite integer,"
    " note text, name_key text, away integer, checksum integer?",
    "stages": "file_id integer, stage word, version word?, state progress, reason text, owner word?, lease number?",
    "file_tags": "file_id integer, tag_id integer",
    "saved_searches": "name word, text text, without text, sort sort, reverse integer",
    "kept_annotations": "fingerprint print, favourite integer, note text, tags tags",
    "clips": "id id, file_id integer, ordinal ordinal, shot integer, start seconds, end seconds, sprite sprite,"
    " tile_width tile, tile_height tile, poster integer, times times, sprite_checksum integer?,"
    " checksum integer?",
    "embeddings": "clip_id integer, model_id integer, globals features, centers features, checksum integer?",
    "sidecars": "file_id integer, path path, size integer, mtime_ns integer, reason text",
    "subtitle_lines": "id id, file_id integer, start seconds, end seconds, text text, checksum integer?",
}
# Columns that only older schemas have; `recovery` reads them.
FORMER_COLUMNS = {"files": "state state, reason text, model_id integer?"}
_OF_COLUMN = {
    f"{table}.{column}": kind
    for table, columns in [*COLUMNS.items(), *FORMER_COLUMNS.items()]
    for column, kind in map(str.split, columns.split(","))
}


@cache
def _check(column: str) -> tuple[Callable[[Any], bool], bool]:
    """Return the check for a column's values, and whether they may be NULL."""
    kind = _OF_COLUMN.get(column, column)
    return _KINDS[kind.rstrip("?")], kind.endswith("?")


def fits(values: Iterable[object], columns: Iterable[str]) -> bool:
    """Return whether each value is valid for its column, given as "files.path" or as its kind, such as "integer"."""
    return _fits(values, [_check(column) for column in columns])


def _fits(values: Iterable[object], checks: Iterable[tuple[Callable[[Any], bool], bool]]) -> bool:
    return all(
        may_be_null if value is None else check(value)
        for value, (check, may_be_null) in zip(values, checks, strict=True)
    )


def believed(rows: Iterable[Row], columns: str) -> Iterator[Row]:
    """Yield the rows whose values are valid for these space-separated columns; skip the others."""
    checks, left_out = [_check(column) for column in columns.split()], 0
    try:
        for row in rows:
            if _fits(row, checks):
                yield row
            else:
                left_out += 1
    finally:
        if left_out:
            log.warning("The catalog has %d rows that cannot be read as %s; they are left out", left_out, columns)
