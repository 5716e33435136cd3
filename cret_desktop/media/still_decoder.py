"""Decodes the bytes of an untrusted still picture with OpenCV. Runs only in the child of `still_picture`."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import LONGEST_PICTURE, Picture
from cret_desktop.media.still_picture import kind_of

_OPAQUE = ("jpeg", "bmp")
_BAND = 256  # rows composited on white at a time: a whole picture would need twice its memory


def decode(data: bytes) -> Picture | str:
    """Return the picture, upright and small, or the reason why there is none: "too large" or "broken"."""
    cv2.setNumThreads(1)
    given = np.frombuffer(data, np.uint8)
    try:
        pixels = _with_transparency(given) if kind_of(data) not in _OPAQUE else None
        if pixels is None:
            # No other mode turns a picture upright.
            pixels = cast(NDArray[np.uint8] | None, cv2.imdecode(given, cv2.IMREAD_COLOR))
    except cv2.error as error:
        # OpenCV's failed assertion on the header's size contains the name of the limit.
        return "too large" if "CV_IO_MAX_IMAGE" in str(error) else "broken"
    except MemoryError:
        return "too large"
    if pixels is None or pixels.ndim != 3 or not pixels.size:
        return "broken"
    rgb = np.ascontiguousarray(_small(np.asarray(pixels, np.uint8))[..., ::-1])
    return Picture(rgb.shape[1], rgb.shape[0], rgb.tobytes())


def _with_transparency(given: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return a partly transparent picture composited on white, [H, W, 3] BGR; None if it is opaque."""
    raw = cv2.imdecode(given, cv2.IMREAD_UNCHANGED)  # no other mode keeps transparency
    if raw is None or raw.ndim != 3 or raw.shape[2] != 4 or raw.dtype not in (np.uint8, np.uint16):
        return None
    most = 255 if raw.dtype == np.uint8 else 65535
    if raw[..., 3].min() == most:
        return None
    flat = np.empty((*raw.shape[:2], 3), np.uint8)
    for top in range(0, len(raw), _BAND):
        band = raw[top : top + _BAND].astype(np.float32) / np.float32(most)
        alpha = band[..., 3:]
        flat[top : top + _BAND] = np.rint((band[..., :3] * alpha + 1 - alpha) * 255)
    return flat


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = LONGEST_PICTURE / max(width, height)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
