"""What the library asks of the world: encoders and a decoder, as Protocols.

`library` programs against these and never imports `model` or the decoders; `engine.assemble` alone puts the real
ones behind them, tests put fakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
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
from cret_desktop.records import FileRow, Root, ScanPlan, ScanResult


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


class OpenScan(Protocol):
    """One scan of a root, within the transaction that brings the catalog to it."""

    @property
    def known(self) -> Mapping[str, FileRow]:
        """The files of the place that was scanned by absolute path, missing ones included."""
        ...

    def candidates(self, seen: Sequence[VideoFile], contents: Mapping[str, bytes]) -> list[FileRow]:
        """Return the files of the whole catalog that one of these files seen may be the new place of.

        They have its fingerprint (`contents`, by path) and size, and are missing or in a root that is not offline. Or
        they have no fingerprint, were annotated, and have its size, time and number in the file system. Of one content,
        annotated files come first, then those that are not missing, then those missing longest.
        """
        ...

    def apply(self, plan: ScanPlan) -> ScanResult:
        """Make the catalog say what the plan does; committed when the scan's transaction is.

        A missing file of which nothing is known or was said is deleted. A file that is new or replaced is indexed at
        once as a copy, where its content is that of an indexed file.
        """
        ...


class ScanStore(Protocol):
    """Brings what the catalog says of files to what a scan saw. Raises: StorageError, LibraryDamaged."""

    def content_sizes(self) -> set[int]:
        """Return the sizes of all files that have a fingerprint: a file of another size can be none of them."""
        ...

    def scanning(self, root: Root, within: str | None = None) -> AbstractContextManager[OpenScan | None]:
        """Open the transaction of one scan of a root, or of the folder `within` it.

        None where the root was removed, or lies elsewhere now. Two scans of one root never overlap.
        """
        ...


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
