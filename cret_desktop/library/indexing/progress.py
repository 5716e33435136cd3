"""Progress reports of indexing, and the totals of a run. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cret_desktop.messages import Message


class Phase(StrEnum):
    SCANNING = "scanning"
    MEASURING = "reading lengths"
    LOADING_MODEL = "loading model"
    INDEXING = "indexing"
    ON_BATTERY = "waiting for mains power"


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """The progress of indexing, reported at most a few times a second.

    `remaining` is in seconds, `space` in bytes that the waiting files will take up; both are None if unknown. While
    SCANNING, `files_total` is the number of files found so far.
    """

    phase: Phase
    files_done: int
    files_total: int
    clips_done: int
    video_seconds: float
    failed: int
    rate: float  # seconds of video per second
    remaining: float | None
    current: str
    space: float | None = None


@dataclass(frozen=True, slots=True)
class FileIndexed:
    """A file became searchable, or failed (then `reason` says why)."""

    path: str
    clips: int
    reason: Message | None = None


@dataclass(frozen=True, slots=True)
class FolderScanned:
    """A folder was scanned. `changed` counts files that are new, changed, moved, gone or back."""

    path: str
    changed: int


@dataclass(frozen=True, slots=True)
class FilesMeasured:
    """The headers of `count` waiting files have been read."""

    count: int


@dataclass(frozen=True, slots=True)
class IndexTotals:
    """The totals of one run of indexing. `files` were indexed in it; `skipped` were unchanged since an earlier run."""

    files: int
    clips: int
    video_seconds: float
    failed: int
    skipped: int
    wall_seconds: float
    frames_decoded: int
    cancelled: bool
    offline: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()  # files that changed or went before they were indexed, to be rescanned


Listener = Callable[[IndexProgress | FileIndexed | FolderScanned | FilesMeasured], None]
