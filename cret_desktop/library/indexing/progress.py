"""What indexing says of itself while it runs and when it rests. Plain data, no behaviour."""

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
    """Where indexing stands, at most a few times a second. `remaining` is seconds, `space` bytes of the disk that
    what waits will take up; None while it cannot be told.

    While SCANNING, `files_total` is how many have been found so far.
    """

    phase: Phase
    files_done: int
    files_total: int
    clips_done: int
    video_seconds: float
    failed: int
    rate: float  # seconds of video a second
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
    """A folder was looked through. `changed` counts files that are new, changed, moved, gone or back."""

    path: str
    changed: int


@dataclass(frozen=True, slots=True)
class FilesMeasured:
    """What the headers of waiting files tell is known now, of so many."""

    count: int


@dataclass(frozen=True, slots=True)
class IndexTotals:
    """What one run of indexing did. `files` were indexed in it; `skipped` were unchanged since an earlier run."""

    files: int
    clips: int
    video_seconds: float
    failed: int
    skipped: int
    wall_seconds: float
    frames_decoded: int
    cancelled: bool
    offline: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()  # files that changed, or went, while they were to be taken: to be looked at again


Listener = Callable[[IndexProgress | FileIndexed | FolderScanned | FilesMeasured], None]
