"""False headers in small real files: sizes, counts, time scales, durations, and pictures of 16,000 lines.

`LIES` and `HUGE` map the kind of file (see `videos.RECIPES`) to changes of its bytes in place.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from tests.hostile import patching

_EXTREMES = (0, 1, 2, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Lie = Callable[[bytearray, random.Random], None]


def _in_box(kind: bytes, offset: int, form: str = ">I", values: tuple[float, ...] = _EXTREMES) -> Lie:
    def lie(content: bytearray, source: random.Random) -> None:
        struct.pack_into(form, content, patching.box(content, kind) + offset, source.choice(values))

    return lie


def _behind(mark: bytes, offset: int, form: str = ">I") -> Lie:
    def lie(content: bytearray, source: random.Random) -> None:
        struct.pack_into(form, content, content.index(mark) + 4 + offset, source.choice(_EXTREMES))

    return lie


def _size_of_box(content: bytearray, source: random.Random) -> None:
    _, start, _ = source.choice(list(patching.boxes(content)))
    struct.pack_into(">I", content, start - 8, source.choice((0, 1, 4, 7, 9, 0x7FFFFFFF, 0xFFFFFFFF)))


def _codec_of_mp4(content: bytearray, source: random.Random) -> None:
    at = patching.box(content, b"stsd") + 12
    codecs = (
        b"hvc1",
        b"vp09",
        b"av01",
        b"png ",
        b"raw ",
        b"ap4h",
        b"mp4v",
        b"tmcd",
        b"jpeg",
        b"rle ",
        b"mp4a",
        b"\0\0\0\0",
    )
    content[at : at + 4] = source.choice(codecs)


def _in_element(identity: int, values: tuple[bytes, ...]) -> Lie:
    def lie(content: bytearray, source: random.Random) -> None:
        start, length = patching.element(content, identity)
        value = source.choice(values)
        content[start : start + length] = (
            (value * length)[:length] if len(value) == 1 else value[:length].ljust(length, b"\0")
        )

    return lie


def _size_of_element(content: bytearray, source: random.Random) -> None:
    start, _ = patching.element(content, source.choice((0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xA3)))
    content[start - 1] = source.randrange(256)


def _in_chunk(chunk: bytes, offset: int) -> Lie:
    return _behind(chunk, 4 + offset, "<I")


def _size_of_chunk(content: bytearray, source: random.Random) -> None:
    chunk = source.choice((b"RIFF", b"LIST", b"avih", b"strh", b"strf", b"00dc", b"idx1"))
    struct.pack_into("<I", content, content.index(chunk) + 4, source.choice(_EXTREMES))


def _packets(change: Callable[[list[bytes], random.Random], list[bytes]]) -> Lie:
    def lie(content: bytearray, source: random.Random) -> None:
        packets = [bytes(content[at : at + 188]) for at in range(0, len(content), 188)]
        content[:] = b"".join(change(packets, source))

    return lie


def _clocks(packets: list[bytes], source: random.Random) -> list[bytes]:
    """Set another time in every packet that begins a picture."""
    changed = []
    for packet in packets:
        if packet[1] & 0x40 and (at := packet.find(b"\0\0\1\xe0")) > 0 and at + 14 < len(packet):
            time = struct.pack(">BI", 0x21 | source.randrange(8) << 1, source.getrandbits(32) | 0x00010001)
            packet = packet[: at + 9] + time + packet[at + 14 :]
        changed.append(packet)
    return changed


_FLOATS = tuple(struct.pack(">d", value) for value in (float("nan"), float("inf"), -1.0, 1e300, 5e-324, 4e9))
_BYTES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")
LIES: list[tuple[str, str, Lie]] = [
    ("mp4", "box size", _size_of_box),
    ("mp4", "codec", _codec_of_mp4),
    ("mp4", "count stts", _in_box(b"stts", 4)),
    ("mp4", "count stsc", _in_box(b"stsc", 4)),
    ("mp4", "count stco", _in_box(b"stco", 4)),
    ("mp4", "count stss", _in_box(b"stss", 4)),
    ("mp4", "count stsd", _in_box(b"stsd", 4)),
    ("mp4", "count dref", _in_box(b"dref", 4)),
    ("mp4", "count stsz", _in_box(b"stsz", 8)),
    ("mp4", "size stsz", _in_box(b"stsz", 4)),
    ("mp4", "sizes stsz", _in_box(b"stsz", 12)),
    ("mp4", "offset stco", _in_box(b"stco", 8)),
    ("mp4", "samples stsc", _in_box(b"stsc", 12)),
    ("mp4", "chunk stsc", _in_box(b"stsc", 8)),
    ("mp4", "delta stts", _in_box(b"stts", 12)),
    ("mp4", "samples stts", _in_box(b"stts", 8)),
    ("mp4", "time scale mvhd", _in_box(b"mvhd", 12)),
    ("mp4", "time scale mdhd", _in_box(b"mdhd", 12)),
    ("mp4", "duration mvhd", _in_box(b"mvhd", 16)),
    ("mp4", "duration mdhd", _in_box(b"mdhd", 16)),
    ("mp4", "duration tkhd", _in_box(b"tkhd", 20)),
    ("mp4", "matrix tkhd", _in_box(b"tkhd", 40)),
    ("mp4", "edit length", _in_box(b"elst", 8)),
    ("mp4", "edit time", _in_box(b"elst", 12)),
    ("mp4", "edit rate", _in_box(b"elst", 16)),
    ("mp4", "handler", _in_box(b"hdlr", 8)),
    ("fragmented.mp4", "fragment's samples", _behind(b"trun", 4)),
    ("fragmented.mp4", "fragment's offset", _behind(b"trun", 8)),
    ("fragmented.mp4", "fragment's time", _behind(b"tfdt", 4)),
    ("mkv", "time scale", _in_element(0x2AD7B1, _BYTES)),
    ("mkv", "duration", _in_element(0x4489, _FLOATS)),
    ("mkv", "track number", _in_element(0xD7, _BYTES)),
    ("mkv", "track type", _in_element(0x83, _BYTES)),
    ("mkv", "frame duration", _in_element(0x23E383, _BYTES)),
    ("mkv", "codec", _in_element(0x86, (b"V_MPEGH/ISO/HEVC", b"V_AV1", b"V_UNCOMPRESSED", b"V_MS/VFW/FOURCC", b"\0"))),
    ("mkv", "codec's own", _in_element(0x63A2, _BYTES)),
    ("mkv", "cluster's time", _in_element(0xE7, _BYTES)),
    ("mkv", "element size", _size_of_element),
    ("webm", "duration", _in_element(0x4489, _FLOATS)),
    ("webm", "element size", _size_of_element),
    ("webm", "cluster's time", _in_element(0xE7, _BYTES)),
    ("avi", "frame time", _in_chunk(b"avih", 0)),
    ("avi", "frames", _in_chunk(b"avih", 16)),
    ("avi", "streams", _in_chunk(b"avih", 24)),
    ("avi", "scale", _in_chunk(b"strh", 20)),
    ("avi", "rate", _in_chunk(b"strh", 24)),
    ("avi", "start", _in_chunk(b"strh", 28)),
    ("avi", "length", _in_chunk(b"strh", 32)),
    ("avi", "header size", _in_chunk(b"strf", 0)),
    ("avi", "depth", _in_chunk(b"strf", 14)),
    ("avi", "codec", _in_chunk(b"strf", 16)),
    ("avi", "index offset", _in_chunk(b"idx1", 8)),
    ("avi", "index size", _in_chunk(b"idx1", 12)),
    ("avi", "chunk size", _size_of_chunk),
    ("mjpeg.avi", "chunk size", _size_of_chunk),
    ("ts", "clocks", _packets(_clocks)),
    ("ts", "shuffled", _packets(lambda packets, source: source.sample(packets, len(packets)))),
    ("ts", "doubled", _packets(lambda packets, source: [p for packet in packets for p in (packet, packet)])),
    ("ts", "thinned", _packets(lambda packets, source: [p for p in packets if source.random() < 0.7])),
    ("mpeg2.ts", "clocks", _packets(_clocks)),
    ("gif", "delay", lambda c, s: struct.pack_into("<H", c, c.index(b"\x21\xf9\x04") + 4, s.choice((0, 1, 65535)))),
]  # fmt: skip


# --- pictures as large as declared ----------------------------------------------------------------------------------

Huge = Callable[[bytearray, int, int], None]


def _huge_mp4(content: bytearray, width: int, height: int) -> None:
    struct.pack_into(">HH", content, patching.box(content, b"stsd") + 8 + 8 + 24, width, height)
    struct.pack_into(">HHHH", content, patching.box(content, b"tkhd") + 76, width, 0, height, 0)


def _huge_mkv(content: bytearray, width: int, height: int) -> None:
    for identity, value in ((0xB0, width), (0xBA, height)):
        at, length = patching.element(content, identity)
        # One byte each, for 160 and 96: the length stays the same, and the number becomes one byte's value, shifted.
        content[at : at + length] = value.to_bytes(2, "big")[:length]


def _huge_avi(content: bytearray, width: int, height: int) -> None:
    struct.pack_into("<ii", content, content.index(b"strf") + 8 + 4, width, height)
    struct.pack_into("<II", content, content.index(b"avih") + 8 + 32, width, height)


def _huge_jpegs(content: bytearray, width: int, height: int) -> None:
    _huge_avi(content, 160, 96)
    at = content.find(b"\xff\xc0")
    while at >= 0:
        struct.pack_into(">HH", content, at + 5, height, width)
        at = content.find(b"\xff\xc0", at + 2)


def _huge_vp8(content: bytearray, width: int, height: int) -> None:
    at = content.find(b"\x9d\x01\x2a")
    while at >= 0:
        struct.pack_into("<HH", content, at + 3, min(width, 16383), min(height, 16383))
        at = content.find(b"\x9d\x01\x2a", at + 3)


def _huge_mpeg2(content: bytearray, width: int, height: int) -> None:
    at = content.find(b"\0\0\1\xb3")
    while at >= 0:
        low = (width & 0xFFF) << 12 | height & 0xFFF
        content[at + 4 : at + 7] = low.to_bytes(3, "big")
        if content[at + 12 : at + 16] == b"\0\0\1\xb5":  # the extension has two more bits of each
            bits = int.from_bytes(content[at + 16 : at + 20], "big") & ~(0b1111 << 13)
            bits |= (width >> 12 & 3) << 15 | (height >> 12 & 3) << 13
            content[at + 16 : at + 20] = bits.to_bytes(4, "big")
        at = content.find(b"\0\0\1\xb3", at + 4)


def _huge_png(content: bytearray, width: int, height: int) -> None:
    at = content.find(b"IHDR")
    while at >= 0:
        struct.pack_into(">II", content, at + 4, width, height)
        at = content.find(b"IHDR", at + 4)


def _huge_gif(content: bytearray, width: int, height: int) -> None:
    struct.pack_into("<HH", content, 6, width, height)


HUGE: list[tuple[str, Huge]] = [
    ("mp4", _huge_mp4), ("mkv", _huge_mkv), ("avi", _huge_avi), ("mjpeg.avi", _huge_jpegs), ("webm", _huge_vp8),
    ("mpeg2.ts", _huge_mpeg2), ("png.mov", _huge_png), ("gif", _huge_gif),
]  # fmt: skip
