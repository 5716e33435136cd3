"""The checksums that stand beside what is stored. CRC-32: it notices every change of up to 32 bits in a row."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable

# What decoding found out of a file and of a clip, and what shows the clip. The columns beside them heal by themselves:
# what a scan reads is read again by the next one, and words, tags and roots are in the catalog twice.
OF_FILE = "fingerprint, duration, width, height, frame_rate, codec, container"
OF_CLIP = "ordinal, shot, start, end, sprite, tile_width, tile_height, poster, times"


def checksum_of(*parts: bytes) -> int:
    """Return the CRC-32 of the parts one after the other."""
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
