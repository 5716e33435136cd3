"""Files with a video's name that are no videos: other formats, noise, and the first bytes of containers alone."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable

import cv2
import numpy as np


def _zip_bomb(source: random.Random) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(8 << 20))
    return written.getvalue()


def _jpeg(source: random.Random) -> bytes:
    return cv2.imencode(".jpg", np.full((90, 160, 3), source.randrange(256), np.uint8))[1].tobytes()


MASKS: list[Callable[[random.Random], bytes]] = [
    lambda source: source.randbytes(1 << 16),
    lambda source: bytes(1 << 16),
    lambda source: b"\xff" * (1 << 16),
    lambda source: b"this is no video\n" * source.randrange(1, 999),
    _zip_bomb,
    _jpeg,
    lambda source: b"\x80\x04cos\nsystem\n\x94\x8c\x04true\x94\x85\x94R\x94.",  # a pickle that runs a command
    lambda source: b"\x7fELF\2\1\1" + bytes(99),
    lambda source: b"#!/bin/sh\ntouch executed\n",
    lambda source: b"%PDF-1.7\n" + source.randbytes(999),
    lambda source: b"GIF89a" + source.randbytes(999),
    lambda source: b"\0\0\0\x18ftypmp42" + source.randbytes(999),
    lambda source: b"\x1a\x45\xdf\xa3" + source.randbytes(999),
    lambda source: b"RIFF\xff\xff\xff\xffAVI LIST" + source.randbytes(999),
    lambda source: b"\x47" + source.randbytes(187) + b"\x47" + source.randbytes(187),
    lambda source: b"FLV\1\5\0\0\0\x09" + source.randbytes(999),
    lambda source: b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c" + source.randbytes(999),
    lambda source: b"OggS\0\2" + source.randbytes(999),
    lambda source: b"\0\0\1\xba" + source.randbytes(999),
    lambda source: b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\x00" + source.randbytes(999),
]  # fmt: skip
