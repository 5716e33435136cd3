"""What the library asks of the world: encoders and a decoder, as Protocols.

`library` programs against these and never imports `model` or the decoders; `engine.assemble` alone puts the real
ones behind them, tests put fakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import (
    USUAL_SAMPLING,
    DecodeEvent,
    Features,
    FileOpened,
    FrameFormat,
    Frames,
    ModelInfo,
    Picture,
    Sampling,
    VideoFile,
)


class VideoEncoder(Protocol):
    """Encodes clips. May load its weights on first use; `release` gives memory back while idle."""

    def encode(self, frames: Frames) -> Features:
        """uint8 RGB [N, M, H, W, 3] -> globals [N, M, D], centers [N, C, D].

        Raises: ModelError.
        """
        ...

    def release(self) -> None: ...


class TextEncoder(Protocol):
    """Encodes queries, alone and without the video side."""

    def encode(self, texts: Sequence[str]) -> Features:
        """-> globals [N, D], centers [N, C, D]. Raises: ModelError."""
        ...


class FitPicture(Protocol):
    """Makes of a picture the square that a model's frames are."""

    def __call__(self, picture: Picture, frame_format: FrameFormat) -> NDArray[np.uint8]:
        """-> uint8 RGB [size, size, 3]."""
        ...


class Model(Protocol):
    """A pair of encoders and what must be known of them. `info` is cheap: it never loads weights.

    `device_lost` is a sentence once a GPU has failed and the CPU has taken its place, until then ''.
    """

    @property
    def info(self) -> ModelInfo: ...
    @property
    def video(self) -> VideoEncoder: ...
    @property
    def text(self) -> TextEncoder: ...
    @property
    def device_lost(self) -> str: ...


class Decoder(Protocol):
    """Turns files into clips, several files at a time; events of different files interleave, those of one are in order.

    A file ends with exactly one FileDecoded or FileFailed. Bad files are events, never exceptions. Files are taken
    from the iterable only as capacity frees, so that what is under way is bounded. Closing the iterator stops the work.
    """

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]: ...

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        """What the headers of files tell, of as many as can be read in about `seconds`. Bad files are left out."""
        ...

    def close(self) -> None: ...
