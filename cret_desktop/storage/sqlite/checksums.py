"""The checksums of stored data. CRC-32 detects every burst error of up to 32 bits."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable

# The decoded facts of a file and of a clip, and the strip that shows the clip. The other columns need no checksum: the
# next scan reads them again, or (words, tags, roots) the catalog stores them twice.
OF_FILE = "fingerprint, duration, width, height, frame_rate, codec, container"
OF_CLIP = "ordinal, shot, start, end, sprite, tile_width, tile_height, poster, times"


def checksum_of(*parts: bytes) -> int:
    """Return the CRC-32 of the concatenated parts."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total


def checksum_of_line(start: float, end: float, text: str) -> int:
    """Return the checksum of a subtitle line: its times in seconds and its text."""
    return checksum_of(struct.pack("<dd", start, end), text.encode("utf-8", "surrogatepass"))


def checksum_of_row(values: Iterable[object]) -> int:
    """Return the checksum of values as SQLite gives them, their types included."""
    return checksum_of(*(_bytes_of(value) for value in values))


def seal_file(db: sqlite3.Connection, file_id: int) -> None:
    """Take the checksum of a file's facts, within the transaction that changes them."""
    _seal(db, "files", OF_FILE, "id = ?", file_id)


def seal_clips(db: sqlite3.Connection, condition: str, value: object) -> None:
    """Take the checksums of the clips that an SQL condition with one value names, as `seal_file`."""
    _seal(db, "clips", OF_CLIP, condition, value)


def _seal(db: sqlite3.Connection, table: str, columns: str, condition: str, value: object) -> None:
    rows = db.execute(f"SELECT id, {columns} FROM {table} WHERE {condition}", (value,)).fetchall()
    db.executemany(
        f"UPDATE {table} SET checksum = ? WHERE id = ?", [(checksum_of_row(values), i) for i, *values in rows]
    )


def _bytes_of(value: object) -> bytes:
    if isinstance(value, float):
        return b"d" + struct.pack("<d", value)
    if isinstance(value, bytes):
        return b"b" + value
    return f"{type(value).__name__} {value}".encode("utf-8", "surrogatepass")
