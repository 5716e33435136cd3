"""Small real videos for tests, written with the encoders that PyAV brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.fakes import COLOURS
from tests.narrowing import found, of_type

BITS = 10  # of a frame's number


def write_colours(
    path: Path, colours: Sequence[str], seconds: float = 2.0, frame_rate: int = 25, sound: bool = False
) -> Path:
    """One scene of plain colour after the other, with a little texture, as H.264 in whatever container `path` names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if sound:
            noise = container.add_stream("aac", rate=48_000, layout="mono")
        texture = np.random.default_rng(0).integers(-8, 8, (96, 160, 3))
        for colour in colours:
            picture = np.clip(np.array(COLOURS[colour]) + texture, 0, 255).astype(np.uint8)
            for _ in range(round(seconds * frame_rate)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
        if sound:
            _add_noise(container, noise, len(colours) * seconds)
    return path


def add_video_stream(
    container: av.container.OutputContainer, codec: str, rate: Fraction | int, options: dict[str, str] | None = None
) -> av.VideoStream:
    """Add a stream of pictures to a file that is being written."""
    return of_type(av.VideoStream, container.add_stream(codec, rate=rate, options=options or {}))


def clock_time(frame: av.VideoFrame) -> Fraction:
    """The time of a decoded frame on its container's clock, in seconds."""
    return found(frame.pts) * found(frame.time_base)


def write_unlike(template: Path, path: Path, number: int) -> Path:
    """A video that shows what another one does, and is not a copy of it: with an atom more, which players pass over."""
    content = number.to_bytes(32, "big")
    path.write_bytes(template.read_bytes() + (len(content) + 8).to_bytes(4, "big") + b"free" + content)
    return path


def write_noise_audio(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        _add_noise(container, container.add_stream("aac", rate=48_000, layout="mono"), seconds)
    return path


def _add_noise(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    random = np.random.default_rng(0)
    for _ in range(round(seconds * 48_000 / 1024)):
        frame = av.AudioFrame.from_ndarray(random.normal(0, 0.1, (1, 1024)).astype("f4"), "fltp", "mono")
        frame.rate = 48_000
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_numbered(
    path: Path,
    codec: str,
    frame_rate: Fraction,
    frames: int,
    start: int = 0,
    uneven: bool = False,
    options: dict[str, str] | None = None,
) -> list[float]:
    """A video whose frames carry their number (`read_number`). Returns the frames' times on the player's clock.

    `start` is the container's start in seconds. `uneven` frames last between 20 and 99 ms, whatever `frame_rate` says.
    """
    with av.open(str(path), "w") as container:
        stream = add_video_stream(container, codec, frame_rate, options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if uneven:
            stream.codec_context.time_base = Fraction(1, 1000)
        milliseconds = start * 1000
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(_numbered_picture(number), format="rgb24")
            if uneven:
                frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
                milliseconds += 20 + number * 37 % 80
            else:
                frame.pts, frame.time_base = number + round(start * frame_rate), 1 / frame_rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        begin = Fraction(container.start_time or 0, av.time_base)
        return [float(clock_time(frame) - begin) for frame in container.decode(video=0)]


def _numbered_picture(number: int) -> NDArray[np.uint8]:
    picture = np.full((96, 160, 3), 128, np.uint8)
    for bit in range(BITS):
        picture[16:80, 10 + 14 * bit : 24 + 14 * bit] = 255 if number >> bit & 1 else 0
    return picture


def read_number(grey: Callable[[int, int], int], width: int, height: int) -> int:
    """The number of a frame, from the grey value at (x, y) of a picture of any size that shows all of it."""
    scale = width / 160
    return sum(1 << bit for bit in range(BITS) if grey(round((17 + 14 * bit) * scale), height // 2) > 128)
