"""Files that refer elsewhere: scripts under a video's name, and films that refer to other files or to the network.

Their targets must never be opened: `targets` are beside the corpus, or at reserved addresses.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from tests.hostile import patching

_NOWHERE = "192.0.2.1"  # RFC 5737: a reserved address


def targets(elsewhere: str, number: int) -> list[str]:
    """Return the addresses of the forbidden targets; `elsewhere` is the folder of the forbidden films."""
    return [
        "../../elsewhere/target.ts", f"{elsewhere}/target.ts", f"file://{elsewhere}/target.mp4",
        f"http://127.0.0.1:9/{number}.ts", f"http://{_NOWHERE}/{number}.mp4", f"rtsp://{_NOWHERE}/{number}",
        f"tcp://{_NOWHERE}:9", f"udp://{_NOWHERE}:9", f"concat:{elsewhere}/target.ts|{elsewhere}/target.ts",
        f"subfile,,start,0,end,0,,:{elsewhere}/target.mp4", f"crypto:{elsewhere}/target.ts", "/dev/zero",
    ]  # fmt: skip


SCRIPTS = [
    "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n%s\n#EXT-X-ENDLIST\n",
    '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:9\n#EXT-X-MAP:URI="%s"\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n',
    '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="%s"\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n',
    "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n%s\n",
    "ffconcat version 1.0\nfile '%s'\n",
    "ffconcat version 1.0\nstream\nfile %s\nduration 10\n",
    f"v=0\no=- 0 0 IN IP4 {_NOWHERE}\ns=%s\nc=IN IP4 {_NOWHERE}\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><BaseURL>%s</BaseURL><Period>'
    '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"/></AdaptationSet></Period></MPD>',
    '<asx version="3.0"><entry><ref href="%s"/></entry></asx>',
    "[playlist]\nFile1=%s\nNumberOfEntries=1\n",
    "[Reference]\nRef1=%s\n",
    '<smil><body><video src="%s"/></body></smil>',
    '<?quicktime type="application/x-quicktime-media-link"?><embed src="%s" autoplay="true"/>',
    "RTSPtext\n%s\n",
    "WEBVTT\n\n00:00.000 --> 00:09.000\n<img src='%s'>\n",
    '<svg xmlns="http://www.w3.org/2000/svg"><image href="%s" width="9" height="9"/></svg>',
    '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>%s</Id>'
    "</CompositionPlaylist>",
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "%s">]><MPD>&e;</MPD>',
    ";FFMETADATA1\ntitle=%s\n",
]


def _data_elsewhere(bases: dict[str, bytes], source: random.Random, target: str) -> bytes:
    """Return a QuickTime film whose data is declared to be in another file."""
    entry = source.choice([b"url ", b"alis", b"rsrc"])
    address = target.encode() + b"\0"
    payload = struct.pack(">III4sI", 0, 1, 12 + len(address), entry, 0) + address
    return patching.with_box(bases["mp4"], b"dref", payload)


def _film_elsewhere(bases: dict[str, bytes], source: random.Random, target: str) -> bytes:
    """Return a QuickTime reference movie: only the address of another film."""
    address = target.encode() + b"\0"
    content = struct.pack(">I4sI", 0, b"url ", len(address)) + address
    for kind in (b"rdrf", b"rmda", b"rmra", b"moov"):
        content = struct.pack(">I4s", 8 + len(content), kind) + content
    return struct.pack(">I4s4sI4s", 20, b"ftyp", b"qt  ", 0, b"qt  ") + content


def _segment_elsewhere(bases: dict[str, bytes], source: random.Random, target: str) -> bytes:
    """Return a Matroska film that names another as its continuation, written over its title."""
    content = bases["mkv"]
    start, length = patching.element(content, _TITLE)
    begin = content.rindex(b"\x7b\xa9", 0, start)
    linked = patching.ebml(_NEXT_UUID, bytes(range(16))) + patching.ebml(_NEXT_FILE, target.encode()[:120])
    room = start + length - begin - len(linked)
    return content[:begin] + linked + patching.ebml(_VOID, bytes(room - 5)) + content[start + length :]


def _attached(bases: dict[str, bytes], source: random.Random, target: str) -> bytes:
    """Return a Matroska film with an attachment whose name points elsewhere."""
    content = bases["mkv"]
    fields = {0x466E: b"../../elsewhere/out", 0x4660: b"text/x-sh", 0x46AE: b"\1", 0x465C: target.encode()}
    attached = b"".join(patching.ebml(identity, value) for identity, value in fields.items())
    at = content.index(_CLUSTER)
    return content[:at] + patching.ebml(0x1941A469, patching.ebml(0x61A7, attached)) + content[at:]


_TITLE, _NEXT_UUID, _NEXT_FILE, _VOID = 0x7BA9, 0x3EB923, 0x3E83BB, 0xEC
_CLUSTER = b"\x1f\x43\xb6\x75"
# Builders of films from an "mp4", an "mkv" and an address, with the end of the file's name.
LINKED: list[tuple[str, Callable[[dict[str, bytes], random.Random, str], bytes]]] = [
    ("mov", _data_elsewhere),
    ("mov", _film_elsewhere),
    ("mkv", _segment_elsewhere),
    ("mkv", _attached),
]
