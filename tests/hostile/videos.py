"""Small videos, as a base for damage or to be found among the damaged: one colour each, reproducible from a seed."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from tests.fakes import COLOURS

TITLE = " " * 200  # room for overwriting


@dataclass(frozen=True, slots=True)
class _Recipe:
    codec: str
    pixels: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    muxer: tuple[tuple[str, str], ...] = ()


_X264 = (("preset", "ultrafast"), ("g", "12"), ("threads", "1"))
RECIPES = {  # by the end of the file's name
    "mp4": _Recipe("libx264", options=_X264),
    "fast.mp4": _Recipe("libx264", options=_X264, muxer=(("movflags", "faststart"),)),
    "fragmented.mp4": _Recipe("libx264", options=_X264, muxer=(("movflags", "frag_keyframe+empty_moov"),)),
    "mkv": _Recipe("libx264", options=_X264),
    "webm": _Recipe("libvpx", options=(("g", "12"), ("deadline", "good"), ("cpu-used", "5"), ("threads", "1"))),
    "avi": _Recipe("mpeg4", options=(("g", "12"),)),
    "mjpeg.avi": _Recipe("mjpeg", "yuvj420p"),
    "ts": _Recipe("libx264", options=_X264),
    "mpeg2.ts": _Recipe("mpeg2video", options=(("g", "12"),)),
    "png.mov": _Recipe("png", "rgb24"),
    "gif": _Recipe("gif", "rgb8"),
}


def make_video(recipe: str, colour: str, source: random.Random, frames: int = 50) -> bytes:
    """Return a film of one colour, with some noise, so that no two have the same bytes."""
    how = RECIPES[recipe]
    noise = np.random.default_rng(source.getrandbits(32)).integers(-8, 9, (96, 160, 3))
    picture = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"film.{recipe}")
        with av.open(str(file), "w", options={"fflags": "bitexact", **dict(how.muxer)}) as container:
            container.metadata["title"] = TITLE
            stream = container.add_stream(how.codec, rate=25, options={"flags": "+bitexact", **dict(how.options)})
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 160, 96, how.pixels
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=how.pixels)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return file.read_bytes()
