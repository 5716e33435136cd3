"""The engine's events, sent to every client."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cret_desktop.library.indexing.progress import FileIndexed, IndexProgress, IndexTotals
from cret_desktop.messages import Message


@dataclass(frozen=True, slots=True)
class IndexFinished:
    """A run of indexing ended: indexed files are searchable; the graph may still be building (Optimising).

    `error` says why the run failed, if not for a single file (for example a full disk). `places` are the absolute paths
    of the run's folders and files: a client may have to wait for a later run.
    """

    totals: IndexTotals
    error: Message | None = None
    exit_status: int = 0
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseChanged:
    """Indexing was paused or resumed. The engine alone holds this state."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Optimising:
    """The search graph started or stopped building. Answers are complete meanwhile, also after IndexFinished."""

    running: bool


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """`done` in [0, 1] over all passages; `path` is the video of the current passage."""

    done: float
    path: str


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """`done` of `total` bytes of a model; `stage` is asking, fetching, checking or building."""

    name: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """`done` of `total` bytes of a library."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ModelsChanged:
    """A model was added or removed, or searches use another one."""


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A GPU has failed, and the CPU replaces it until the engine restarts; `message` says so."""

    message: Message


class LibraryPart(Enum):
    """A part of the library that a client may have cached, and has to reread once it has changed."""

    FILES = "files"  # their number, states, lengths and clips
    FOLDERS = "folders"
    THUMBNAILS = "thumbnails"
    TAGS = "tags"
    NOTES = "notes"
    FAVOURITES = "favourites"
    SAVED_SEARCHES = "saved searches"
    MODEL = "model"  # the model that answers searches


@dataclass(frozen=True, slots=True)
class LibraryChanged:
    """These parts of the library have changed."""

    parts: frozenset[LibraryPart]

    @classmethod
    def of(cls, *parts: LibraryPart) -> LibraryChanged:
        return cls(frozenset(parts))

    def touches(self, *parts: LibraryPart) -> bool:
        """Return whether any of these parts has changed."""
        return not self.parts.isdisjoint(parts)


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """The engine is ready.

    `read_only` if another program holds the library, or it is not this person's own (`strange`). `restarted` after a
    crash, or with another configuration. `notice` reports changes to the library while it was opened, or why it is
    read-only. `paused` is the initial state; PauseChanged reports later changes.
    """

    read_only: bool
    restarted: bool = False
    notice: tuple[Message, ...] = ()
    strange: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The engine ended unexpectedly; `final` if it will not be restarted."""

    message: Message
    final: bool


Event = (
    IndexProgress
    | IndexFinished
    | PauseChanged
    | Optimising
    | FileIndexed
    | ExportProgress
    | DownloadProgress
    | CopyProgress
    | ModelsChanged
    | DeviceLost
    | LibraryChanged
    | EngineStarted
    | EngineLost
)
