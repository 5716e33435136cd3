"""Turns photographs into short pan-and-zoom clips, for the demo library and the benchmarks.

A 16:9 window moves and zooms smoothly over the photograph. The path depends only on a seed (by default on the
photograph's file name), so that every computer makes the same clip. This module never reads video.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from cret_desktop.atomic_write import atomic_path
from cret_desktop.errors import BadFile
from cret_desktop.foreign import reason_of

Picture = NDArray[np.uint8]  # [H, W, 3] RGB
Crops = NDArray[np.float64]  # [N, 4]: left, top, width, height in pixels of the photograph

LIGHT_GROUND = 232  # the grey behind a cut-out
CUT_OUT_MARGIN = 0.06  # of the canvas, on each side of a cut-out
CLOSE_UP = (0.72, 0.85)  # width of the closest view, as a share of the widest that fits
TRAVEL = (0.6, 1.0)  # share of the room beside the window that a pan crosses
# Without x264's macroblock tree, which gives other bytes now and then on a busy machine.
_OPTIONS = {"preset": "veryfast", "crf": "20", "x264-params": "mbtree=0"}


def seed_of(photo: Path) -> int:
    """Return the seed of a photograph's file name, the same on every computer."""
    return int.from_bytes(blake2b(os.fsencode(photo.name), digest_size=8).digest(), "big")


def read_photograph(photo: Path, aspect: float = 16 / 9) -> Picture:
    """Read a photograph of any format that OpenCV supports, upright, 8 bits, RGB.

    A cut-out (a picture with transparency) is placed whole on a plain light canvas of `aspect` (width / height),
    because a crop to that aspect would cut through the object itself.

    Raises: BadFile.
    """
    try:
        data = np.fromfile(photo, np.uint8)
    except OSError as error:
        raise BadFile("picture.photo-not-opened", photo=photo, reason=reason_of(error)) from error
    # Only IMREAD_UNCHANGED keeps transparency, only the other modes turn a picture upright.
    raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if raw is None:
        raise BadFile("picture.photo-unreadable", photo=photo)
    if raw.ndim == 3 and raw.shape[2] == 4:
        unit = raw.astype(np.float32) / np.float32({"uint8": 255, "uint16": 65535}.get(raw.dtype.name, 1))
        if unit[..., 3].min() < 1.0:
            return _on_light_ground(unit, aspect)
    colour = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    if colour is None:
        raise BadFile("picture.photo-unreadable", photo=photo)
    return np.asarray(colour, np.uint8)


def _on_light_ground(bgra: NDArray[np.float32], aspect: float) -> Picture:
    alpha = bgra[..., 3:]
    flat = bgra[..., 2::-1] * alpha * 255 + LIGHT_GROUND * (1 - alpha)
    height, width = flat.shape[:2]
    canvas_height = max(height, width / aspect) / (1 - 2 * CUT_OUT_MARGIN)
    vertical, horizontal = round(canvas_height) - height, round(canvas_height * aspect) - width
    top, left = vertical // 2, horizontal // 2
    canvas = np.full((height + vertical, width + horizontal, 3), LIGHT_GROUND, np.uint8)
    canvas[top : top + height, left : left + width] = np.rint(flat)
    return canvas


def widest_window(picture: Picture, aspect: float) -> tuple[float, float]:
    """Return width and height in pixels of the largest window of that aspect inside the picture."""
    height, width = picture.shape[:2]
    return min(width, height * aspect), min(height, width / aspect)


def pan_and_zoom_path(picture: Picture, frames: int, aspect: float, seed: int) -> Crops:
    """Return a smooth path of `frames` windows, inside the picture throughout, slow at both ends.

    Along the axis with more room (vertically in a portrait) it goes from near one end to near the other.
    """
    random = np.random.default_rng(seed)
    width, height = widest_window(picture, aspect)
    zoom = np.array([1.0, random.uniform(*CLOSE_UP)])
    travel = random.uniform(*TRAVEL, size=2)
    # Positions are shares of the room left beside the window, so that no zoom can leave the picture.
    ends = np.stack([0.5 - travel / 2, 0.5 + travel / 2])  # [start and end, x and y]
    if random.random() < 0.5:
        zoom = zoom[::-1]
    for axis in range(2):
        if random.random() < 0.5:
            ends[:, axis] = ends[::-1, axis]

    t = np.linspace(0, 1, frames)
    eased = t * t * (3 - 2 * t)
    scale = zoom[0] * (zoom[1] / zoom[0]) ** eased
    x, y = (ends[0] + (ends[1] - ends[0]) * eased[:, None]).T
    return np.stack(
        [
            x * (picture.shape[1] - width * scale),
            y * (picture.shape[0] - height * scale),
            width * scale,
            height * scale,
        ],
        axis=1,
    )


def crop_frames(picture: Picture, crops: Crops, size: tuple[int, int]) -> Iterator[Picture]:
    """Yield the windows of the picture, resized to `size` (width, height), with sub-pixel accuracy for slow pans."""
    out_width, out_height = size
    # Shrunk first by area averaging: the warp's interpolation would alias when it shrinks by more than two.
    shrink = min(1.0, 1.5 * out_width / float(crops[:, 2].min()))
    if shrink < 1:
        shrunk_size = (round(picture.shape[1] * shrink), round(picture.shape[0] * shrink))
        crops = crops * (np.array(shrunk_size * 2) / np.array([picture.shape[1], picture.shape[0]] * 2))
        picture = np.asarray(cv2.resize(picture, shrunk_size, interpolation=cv2.INTER_AREA), np.uint8)
    for left, top, width, height in crops:
        x, y = width / out_width, height / out_height
        warp = np.array([[x, 0, left + x / 2 - 0.5], [0, y, top + y / 2 - 0.5]])
        yield np.asarray(
            cv2.warpAffine(
                picture, warp, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )


def pan_and_zoom_frames(
    photo: Path, frames: int, size: tuple[int, int] = (640, 360), seed: int | None = None
) -> Iterator[Picture]:
    """Yield `frames` pictures [height, width, 3] RGB of a pan and zoom over a photograph; `size` is (width, height).

    Raises: BadFile.
    """
    aspect = size[0] / size[1]
    picture = read_photograph(photo, aspect)
    path = pan_and_zoom_path(picture, frames, aspect, seed_of(photo) if seed is None else seed)
    yield from crop_frames(picture, path, size)


def write_pan_and_zoom(
    photo: Path,
    video: Path,
    seconds: float = 4.0,
    size: tuple[int, int] = (640, 360),
    frame_rate: int = 25,
    seed: int | None = None,
) -> None:
    """Write a pan-and-zoom clip of a photograph as H.264 in mp4. The same arguments give the same bytes.

    Raises: BadFile if the photograph cannot be read, OSError if the clip cannot be written.
    """
    frames = pan_and_zoom_frames(photo, round(seconds * frame_rate), size, seed)
    write_video(frames, video, frame_rate)


def write_video(
    frames: Iterable[Picture],
    video: Path,
    frame_rate: int = 25,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
) -> None:
    """Encode pictures of one even size as 8-bit 4:2:0 BT.709 video in mp4, with the encoder's own `options`.

    The file gets its name only when it is complete.

    Raises: ValueError without a frame, OSError if the file cannot be written.
    """
    with (
        atomic_path(video) as unfinished,
        av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        _encode(container, frames, frame_rate, codec, options or _OPTIONS)


def _encode(
    container: av.container.OutputContainer,
    frames: Iterable[Picture],
    frame_rate: int,
    codec: str,
    options: Mapping[str, str],
) -> None:
    stream: av.VideoStream | None = None
    for number, picture in enumerate(frames):
        if stream is None:
            stream = cast(av.VideoStream, container.add_stream(codec, rate=frame_rate, options=dict(options)))
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.colorspace = Colorspace.ITU709
            context.color_primaries = ColorPrimaries.BT709
            context.color_trc = ColorTrc.BT709
            context.color_range = ColorRange.MPEG
            context.thread_count = 1  # the number of threads changes the bytes
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = number, Fraction(1, frame_rate)
        container.mux(stream.encode(frame))
    if stream is None:
        raise ValueError("A video needs at least one frame.")
    container.mux(stream.encode())
