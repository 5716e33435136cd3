"""The checksums that stand beside what is stored. CRC-32: it notices every change of up to 32 bits in a row."""

from __future__ import annotations

import struct
import zlib


def checksum_of(*parts: bytes) -> int:
    """Return the CRC-32 of the parts one after the other."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total


def checksum_of_line(start: float, end: float, text: str) -> int:
    """Return the checksum of a subtitle line: its times in seconds and its text."""
    return checksum_of(struct.pack("<dd", start, end), text.encode("utf-8", "surrogatepass"))
