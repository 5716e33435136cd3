"""Small real videos for tests, written with the encoders that PyAV brings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from tests.fakes import COLOURS


def write_colours(path: Path, colours: Sequence[str], seconds: float = 2.0, frame_rate: int = 25) -> Path:
    """One scene of plain colour after the other, with a little texture, as H.264 in whatever container `path` names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        texture = np.random.default_rng(0).integers(-8, 8, (96, 160, 3))
        for colour in colours:
            picture = np.clip(np.array(COLOURS[colour]) + texture, 0, 255).astype(np.uint8)
            for _ in range(round(seconds * frame_rate)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_noise_audio(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        random = np.random.default_rng(0)
        for _ in range(round(seconds * 48_000 / 1024)):
            frame = av.AudioFrame.from_ndarray(random.normal(0, 0.1, (1, 1024)).astype("f4"), "fltp", "mono")
            frame.rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
