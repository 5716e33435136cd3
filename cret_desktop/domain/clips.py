"""The values shared by every layer: video files, clips, features, moments.

Plain frozen data with shapes and units. This module never does I/O and imports nothing but numpy.

Shape letters, used everywhere: N clips, M frames of a clip, D feature width, C centers, H x W pixels.
Times are seconds on the player's clock: presentation time minus the container's start time.
Paths are `str` as `os.fsdecode` returns them, so that names that are not UTF-8 survive a round trip.
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

DEVICES = ("auto", "cuda", "mps", "cpu")  # devices that a model can run on; auto selects the fastest available


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
    """The result of probing a file. Width and height are as displayed, rotation applied."""

    duration: float
    width: int
    height: int
    frame_rate: float
    codec: str
    container: str


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """The frames that a video encoder takes: their number per clip, and how a picture becomes a square.

    `squash` resizes without keeping the aspect ratio; `crop` resizes the short side and crops to the center.
    """

    frames: int = 4
    size: int = 224
    fit: Literal["squash", "crop"] = "squash"


@dataclass(frozen=True, slots=True)
class Sampling:
    """The user's sampling settings: clips of at most `clip_seconds`, tiles of at most `tile_width` pixels."""

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
    poster: int  # the tile that represents the clip: not black, not flat


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """One clip of a video, ready to encode. `shot` numbers the shot that contains it; long shots have several clips."""

    ordinal: int
    shot: int
    start: float
    end: float
    times: tuple[float, ...]  # M presentation times, one per frame
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
    """All clips of the file have been emitted. `partial`: a message if the file ended early."""

    file: VideoFile
    partial: Message | None
    frames_decoded: int


@dataclass(frozen=True, slots=True)
class FileFailed:
    """No (more) clips of this file: discard those already emitted. `reason` goes to the failures list."""

    file: VideoFile
    reason: Message


DecodeEvent = FileOpened | ClipDecoded | FileDecoded | FileFailed


@dataclass(frozen=True, slots=True)
class ScoreConfig:
    """Parameters of the score of a model's features, in terms of the CRET paper (see `library.searching.score`)."""

    temperature: float = 0.05
    variance_weight: float = 1.0
    center_weight: float = 1.0
    pooling: Literal["gaussian", "max"] = "gaussian"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The properties of a model that the library needs. `fingerprint` covers weights and preprocessing."""

    name: str
    title: str
    fingerprint: str
    width: int  # D
    centers: int  # C, 0 if the model has none
    frame_format: FrameFormat
    score: ScoreConfig


@dataclass(frozen=True, slots=True)
class Features:
    """The output of an encoder for N clips or N texts, float32.

    Clips: `globals` [N, M, D], `centers` [N, C, D]. Texts: `globals` [N, D], `centers` [N, C, D].
    A frame's vector has a norm of at most 1 (exactly 1 if the model normalises), so that clips can be indexed (see
    `storage.sqlite.embeddings`).
    """

    globals: Vector
    centers: Vector


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The location of a picture of a moment: a sprite file, a rectangle (x, y, width, height) in it, and its time."""

    path: str
    rect: tuple[int, int, int, int]
    time: float


class Sort(StrEnum):
    """The order of an answer. The default directions are: names from A, newest, longest and largest first.

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
    BROWSED = "browsed"  # a whole file, listed without a query: no match to judge


# Worded by `gui.appearance.formatting.reason`; the command line prints the kind itself.
ReasonKind: TypeAlias = Literal["name", "tag", "note", "subtitle"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Evidence for a moment besides the picture: where words of the query were found, with the text around them."""

    kind: ReasonKind
    text: str


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A video in the library. Probed values are None until it has been indexed."""

    id: int
    path: str
    size: int  # bytes
    modified: float  # seconds since the epoch
    state: Literal["pending", "indexed", "failed"]
    reason: Message | None  # why it failed, or which part of an indexed one is missing
    duration: float | None
    width: int | None
    height: int | None
    frame_rate: float | None
    clips: int
    offline: bool  # its folder is not reachable at present
    missing: bool  # its folder is reachable, the file is not in it
    favourite: bool
    tags: tuple[str, ...]
    note: str


LONGEST_PICTURE = 512  # pixels per side of a query picture; the input of every model is smaller


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to search by: `rgb` holds height x width x 3 bytes, row by row."""

    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """One clip of a filmstrip. `relevance` in [0, 1] is for the query of the request, None without one."""

    clip_id: int
    start: float
    end: float
    shot: int
    thumbnails: tuple[Thumbnail, ...]
    relevance: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One answer: a segment of a video, with its thumbnails in time order.

    `score` orders the answers to one query. `relevance` in [0, 1] is comparable across queries.
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
        """Return the public form that `cret-desktop search --json` prints."""
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
    """Moments in the requested order. `parts`: milliseconds by step (text, candidates, rescore, relevance, moments).

    `confident` is False if nothing in the library matches well: the moments are then all weak. `files` describes every
    file of the moments, in order of first appearance. `browsed`: there was no query, the moments are files.
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
