"""Small generated videos whose frames carry their own number.

The number is drawn as a row of dark and light blocks, each several pixels wide: it survives compression, scaling and
rotation, and can be read back from any picture of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from numpy.typing import NDArray

from cret_desktop.domain.clips import VideoFile
from cret_desktop.media.scan import video_file
from tests.videos import add_video_stream

BITS = 10
WIDTH, HEIGHT = 320, 180


def numbered_frame(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Return [height, width, 3]: the number's bits (Gray code) in a band at the top, a still ramp below.

    Gray code and faint blocks, so that two frames differ too little to count as two shots.
    """
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None]
    edges = np.linspace(0, width, BITS + 1).round().astype(int)
    gray = number ^ number >> 1
    for bit in range(BITS):
        frame[: height // 4, edges[bit] : edges[bit + 1]] = 165 if gray >> bit & 1 else 90
    return frame


def read_number(picture: NDArray[np.uint8]) -> int:
    """Return the number in an upright picture of any size."""
    height, width = picture.shape[:2]
    row = picture[height // 16 : height * 3 // 16].mean(axis=(0, 2))
    centers = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    gray = sum(1 << bit for bit, center in enumerate(centers) if row[center] > 127)
    number = 0
    while gray:
        number, gray = number ^ gray, gray >> 1
    return number


@dataclass(frozen=True)
class NumberedVideo:
    """A file and the true times of its frames on the player's clock."""

    file: VideoFile
    times: tuple[float, ...]

    def local_interval(self, number: int) -> float:
        neighbours = [
            abs(self.times[number] - self.times[i]) for i in (number - 1, number + 1) if 0 <= i < len(self.times)
        ]
        return min(neighbours)


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    times: Sequence[float],
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    rotation: int = 0,
    mirrored: bool = False,
    sound_from: float | None = None,
    container_format: str | None = None,
    keyframes: Collection[int] = (),
) -> None:
    """Write RGB frames at the given presentation times; with sound from `sound_from` on, if given.

    `keyframes` are the numbers of frames that the encoder must make keyframes, besides those it makes by itself.
    """
    with av.open(str(path), "w", format=container_format) as container:
        stream = add_video_stream(container, codec, 25, options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        rate_bound = path.suffix == ".ogv" or codec in (
            "mpeg4",
            "mpeg2video",
            "mpeg1video",
            "gif",
            "wmv2",
            "flv",
            "mjpeg",
        )
        time_base = Fraction(1, 25) if rate_bound else Fraction(1, 1000)
        stream.codec_context.time_base = time_base
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if sound_from is not None:
            sound = container.add_stream("aac", rate=48000)
            for index in range(20):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate = 48000
                silence.pts = round(sound_from * 48000) + index * 1024
                silence.time_base = Fraction(1, 48000)
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
        for number, (pixels_rgb, time) in enumerate(zip(frames, times, strict=True)):
            frame = av.VideoFrame.from_ndarray(pixels_rgb, "rgb24").reformat(
                format=pixels, dst_colorspace="ITU601", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = round(time / time_base), time_base
            if number in keyframes:
                frame.pict_type = PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
def numbered(tmp_path: Path) -> Callable[..., NumberedVideo]:
    """Return a function that makes a numbered video: `numbered("a.mp4", times, zero=…, **write_video's options)`.

    `zero` is the start of the player's clock, in the written times.
    """

    def make(name: str, times: Sequence[float], *, zero: float | None = None, **how: object) -> NumberedVideo:
        path = tmp_path / name
        write_video(path, [numbered_frame(i) for i in range(len(times))], times, **how)  # type: ignore[arg-type]
        start = times[0] if zero is None else zero
        return NumberedVideo(video_file(str(path)), tuple(time - start for time in times))

    return make
