"""The values every layer speaks in: video files, clips, features, moments.

Plain frozen data with shapes and units. This module never does I/O and imports nothing but numpy.

Shape letters, used everywhere: N clips, M frames of a clip, D feature width, C centers, H x W pixels.
Times are seconds on the player's clock: presentation time minus the container's start time.
Paths are `str` as `os.fsdecode` gives them, so that names that are not UTF-8 survive a round trip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cret_desktop.messages import Message

if TYPE_CHECKING:  # the window never touches an array: it opens without loading numpy
    import numpy as np
    from numpy.typing import NDArray

Frames: TypeAlias = "NDArray[np.uint8]"  # [M, H, W, 3] RGB, or [N, M, H, W, 3]
Vector: TypeAlias = "NDArray[np.float32]"

DEVICES = ("auto", "cuda", "mps", "cpu")  # what a model can be told to run on; auto takes the fastest there is


@dataclass(frozen=True, slots=True)
class VideoFile:
    """One regular file as a scan saw it (`os.stat`, links followed)."""

    path: str
    size: int
    mtime_ns: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What probing a file tells. Width and height are as displayed, rotation applied."""

    duration: float
    width: int
    height: int
    frame_rate: float
    codec: str
    container: str


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """The frames a video encoder wants: how many a clip, and how the picture becomes a square.

    `squash` resizes without keeping the aspect ratio; `crop` resizes the short side and cuts the middle.
    """

    frames: int = 4
    size: int = 224
    fit: Literal["squash", "crop"] = "squash"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How finely videos are looked at, as a person has chosen: clips of at most `clip_seconds`, tiles of at most
    `tile_width` pixels."""

    clip_seconds: float = 10.0
    tile_width: int = 320


USUAL_SAMPLING = Sampling()


@dataclass(frozen=True, slots=True)
class Sprite:
    """A strip of thumbnails, `len(times)` tiles side by side from left to right, encoded as one JPEG."""

    jpeg: bytes
    tile_width: int
    tile_height: int
    times: tuple[float, ...]
    poster: int  # the tile that stands for the clip: not black, not flat


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """One clip of a video, ready to encode. `shot` numbers the shot it is part of; long shots give several clips."""

    ordinal: int
    shot: int
    start: float
    end: float
    times: tuple[float, ...]  # M presentation times, one a frame
    frames: Frames  # [M, H, W, 3]
    sprite: Sprite


@dataclass(frozen=True, slots=True)
class FileOpened:
    """The file could be probed; its clips follow."""

    file: VideoFile
    info: VideoInfo


@dataclass(frozen=True, slots=True)
class ClipDecoded:
    file: VideoFile
    clip: DecodedClip


@dataclass(frozen=True, slots=True)
class FileDecoded:
    """All clips of the file have been given. `partial` says that the file ended before its time."""

    file: VideoFile
    partial: Message | None
    frames_decoded: int


@dataclass(frozen=True, slots=True)
class FileFailed:
    """No (more) clips of this file: forget those already given. `reason` goes to the failures list."""

    file: VideoFile
    reason: Message


DecodeEvent = FileOpened | ClipDecoded | FileDecoded | FileFailed


@dataclass(frozen=True, slots=True)
class ScoreConfig:
    """How a model's features become one score; the terms of the CRET paper (see `library.searching.score`)."""

    temperature: float = 0.05
    variance_weight: float = 1.0
    center_weight: float = 1.0
    pooling: Literal["gaussian", "max"] = "gaussian"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the library needs to know of a model. `fingerprint` covers weights and preprocessing."""

    name: str
    title: str
    fingerprint: str
    width: int  # D
    centers: int  # C, 0 where the model has none
    frame_format: FrameFormat
    score: ScoreConfig


@dataclass(frozen=True, slots=True)
class Features:
    """What an encoder gives for N clips or N texts, float32.

    Clips: `globals` [N, M, D], `centers` [N, C, D]. Texts: `globals` [N, D], `centers` [N, C, D].
    A frame's vector is at most 1 long (exactly 1 where the model normalises), so that clips can be indexed (see
    `storage.sqlite.embeddings`).
    """

    globals: Vector
    centers: Vector


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Where a picture of a moment lies: a sprite file, a rectangle (x, y, width, height) in it, and its time."""

    path: str
    rect: tuple[int, int, int, int]
    time: float


class Sort(StrEnum):
    """The order of an answer, as people first want it: names from A, newest, longest and largest first.

    Relevance without a query means the date.
    """

    RELEVANCE = "relevance"
    NAME = "name"
    DATE = "date"
    LENGTH = "length"
    SIZE = "size"


class Match(StrEnum):
    """How well a moment matches, calibrated over this library (see `library.searching.relevance`)."""

    STRONG = "strong"
    POSSIBLE = "possible"
    WEAK = "weak"
    BROWSED = "browsed"  # a whole file, listed without a query: there is nothing to match


# Worded by `gui.appearance.formatting.reason`; the command line prints the kind itself.
ReasonKind: TypeAlias = Literal["name", "tag", "note", "subtitle"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What besides the picture speaks for a moment: where words of the query were found, and the text around them."""

    kind: ReasonKind
    text: str


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A video as the library knows it. Probed values are None while it waits for its first look."""

    id: int
    path: str
    size: int  # bytes
    modified: float  # seconds since the epoch
    state: Literal["pending", "indexed", "failed"]
    reason: Message | None  # why it failed, or what is missing of an indexed one
    duration: float | None
    width: int | None
    height: int | None
    frame_rate: float | None
    clips: int
    offline: bool  # its folder is not there at present
    missing: bool  # its folder is there, it is not
    favourite: bool
    tags: tuple[str, ...]
    note: str


LONGEST_PICTURE = 512  # pixels a side of a picture to search by; every model looks at less


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to search by: `rgb` holds height x width x 3 bytes, row by row."""

    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """One clip of a filmstrip. `relevance` in [0, 1] to the query that was asked with, None without one."""

    clip_id: int
    start: float
    end: float
    shot: int
    thumbnails: tuple[Thumbnail, ...]
    relevance: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One answer: a stretch of a video, best frame first in `thumbnails`.

    `score` orders the answers to one query. `relevance` in [0, 1] compares across queries.
    """

    file_id: int
    clip_id: int
    path: str
    start: float
    end: float
    score: float
    relevance: float
    match: Match
    thumbnails: tuple[Thumbnail, ...]
    best: int  # index into thumbnails of the frame that matched
    reasons: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The public form that `cret-desktop search --json` prints."""
        return {
            "path": self.path,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "score": round(self.score, 6),
            "relevance": round(self.relevance, 4),
            "match": self.match.value,
            "thumbnail": self.thumbnails[self.best].path if self.thumbnails else None,
            "reasons": [{"kind": reason.kind, "text": reason.text} for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Moments in the order asked for. `parts` are milliseconds by step (text, candidates, rescore, relevance, moments).

    `confident` is False where nothing in the library matches well: the moments are then all weak. `files` describes
    every file of the moments, in order of first appearance. `browsed`: there was no query, the moments are files.
    """

    query: str
    model: str  # its title
    took_ms: float
    moments: tuple[Moment, ...]
    confident: bool
    parts: dict[str, float] = field(default_factory=dict)
    searched: int = 0  # clips that are indexed with this model
    files: tuple[LibraryFile, ...] = ()
    browsed: bool = False
    total: int = 0  # videos that the operators admit
