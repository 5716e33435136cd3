"""Writes one short clip in each common video codec, for the self-test. Never reads a video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 192
FRAMES, FRAME_RATE = 50, 25


Plane = NDArray[np.float64]  # [H, W]


@dataclass(frozen=True, slots=True)
class Format:
    """FFmpeg's name of the encoder, its pixel format, the file suffix, and the content of the clip.

    `pattern` maps x and y, pixels from the middle, to a number: above 0 the clip has the first colour, else the second.
    """

    encoder: str
    pixels: str
    ending: str
    colours: tuple[tuple[int, int, int], tuple[int, int, int]]
    pattern: Callable[[Plane, Plane], Plane]
    options: dict[str, str] = field(default_factory=dict)


RED, GREEN, BLUE, YELLOW = (200, 30, 40), (20, 140, 60), (30, 60, 200), (240, 210, 40)
WHITE, BLACK, PINK = (245, 245, 245), (15, 15, 15), (250, 150, 190)
# Keyed by FFmpeg's names of the decoded formats. The patterns are easy to distinguish for a video tower.
FORMATS = {
    "h264": Format("libx264", "yuv420p", "mp4", (RED, WHITE), lambda x, y: np.sin(np.hypot(x, y) / 7)),
    "hevc": Format(
        "libx265", "yuv420p", "mp4", (BLUE, YELLOW), lambda x, y: np.sin(x / 6), {"x265-params": "log-level=none"}
    ),
    "vp9": Format("libvpx-vp9", "yuv420p", "webm", (GREEN, BLACK), lambda x, y: np.sin(y / 4)),
    "av1": Format("libsvtav1", "yuv420p", "mkv", (BLACK, WHITE), lambda x, y: np.sin(x / 10) * np.sin(y / 10)),
    "mpeg4": Format("mpeg4", "yuv420p", "avi", (PINK, BLUE), lambda x, y: np.hypot(x % 48 - 24, y % 48 - 24) - 12),
    "prores": Format("prores_ks", "yuv422p10le", "mov", (YELLOW, GREEN), lambda x, y: np.hypot(x, y) - 60),
    "mjpeg": Format("mjpeg", "yuvj420p", "mov", (RED, BLACK), lambda x, y: np.sin(8 * np.arctan2(y, x))),
}


def write_sample_clips(folder: Path) -> dict[str, str]:
    """Write one clip per codec, named after the keys of `FORMATS`. Return codec -> error, or ''."""
    av.logging.set_level(None)
    return {codec: _write(folder / f"{codec}.{form.ending}", form, codec) for codec, form in FORMATS.items()}


def picture_of(codec: str) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3]: the first picture of a codec's clip."""
    form = FORMATS[codec]
    y, x = np.mgrid[:HEIGHT, :WIDTH] - np.array([HEIGHT / 2, WIDTH / 2])[:, None, None]
    one, other = np.array(form.colours, np.uint8)
    shown: NDArray[np.uint8] = np.where(form.pattern(x, y)[..., None] > 0, one, other)
    return shown


def _write(path: Path, form: Format, codec: str) -> str:
    picture = picture_of(codec)
    try:
        with av.open(str(path), "w") as container:
            stream = cast(av.VideoStream, container.add_stream(form.encoder, rate=FRAME_RATE, options=form.options))
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, form.pixels
            for number in range(FRAMES):
                moved = np.roll(picture, number // 5, axis=1)  # moves, without changing its content
                container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError, OSError) as error:  # a missing encoder is a ValueError
        path.unlink(missing_ok=True)
        return str(error)
    return ""
