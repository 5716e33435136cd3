"""Writes false values into small real files: MP4 boxes, Matroska elements, AVI chunks, transport stream packets.

Knows just enough of each format to find a field and replace its value. Never writes a file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"mvex"}


def boxes(content: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield every box of an MP4, parents first: its kind, and the start and end of its payload."""
    at, end = start, len(content) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, at)
        yield kind, at + 8, at + size
        if kind in _CONTAINERS:
            yield from boxes(content, at + 8, at + size)
        at += size


def box(content: bytes | bytearray, kind: bytes) -> int:
    """Return the start of the payload of the first box of this kind. Raises: StopIteration."""
    return next(start for found, start, _ in boxes(content) if found == kind)


def with_box(content: bytes, kind: bytes, payload: bytes) -> bytes:
    """Return the file with another payload in its first box of that kind, resizing the boxes around it.

    The following content moves, so the `moov` must be at the end of the file.
    """
    found = list(boxes(content))
    _, start, end = next(item for item in found if item[0] == kind)
    changed = bytearray(content)
    for _, first, last in found:
        if first <= start and end <= last:
            struct.pack_into(">I", changed, first - 8, last - first + 8 + len(payload) - (end - start))
    changed[start:end] = payload
    return bytes(changed)


def element(content: bytes | bytearray, identity: int) -> tuple[int, int]:
    """Return the start and the length of the payload of the first Matroska element of this id. Raises: ValueError."""
    wanted = _identity(identity)
    at = content.index(wanted)
    while True:
        first = at + len(wanted)
        width = 9 - content[first].bit_length()
        length = int.from_bytes(content[first : first + width], "big") & ((1 << 7 * width) - 1)
        if 0 < length < len(content):
            return first + width, length
        at = content.index(wanted, at + 1)


def ebml(identity: int, payload: bytes) -> bytes:
    """Return one Matroska element."""
    return _identity(identity) + (len(payload) | 1 << 28).to_bytes(4, "big") + payload


def _identity(identity: int) -> bytes:
    return identity.to_bytes((identity.bit_length() + 7) // 8, "big")
