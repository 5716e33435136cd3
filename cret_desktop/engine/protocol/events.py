"""What the engine reports unasked, to every client."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cret_desktop.library.indexing.progress import FileIndexed, IndexProgress, IndexTotals
from cret_desktop.messages import Message


@dataclass(frozen=True, slots=True)
class IndexFinished:
    """A run of indexing came to rest: what could be indexed is found; the graph may still be under way (Optimising).

    `error` says what ended it where that is larger than one file (a full disk, say). `places` are the folders and files
    that the run was over, as absolute paths: a client may have to wait for a run after it.
    """

    totals: IndexTotals
    error: Message | None = None
    exit_status: int = 0
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseChanged:
    """A person has paused indexing, or it is no longer paused. Nobody but the engine decides which of the two holds."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Optimising:
    """The search graph is being built, or no longer. Answers are whole meanwhile, also after IndexFinished."""

    running: bool


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """`done` in [0, 1] over all passages; `path` is the video that a passage is being taken from."""

    done: float
    path: str


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """`done` of `total` bytes of a model; `stage` is asking, fetching, checking or building (it, of what came)."""

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
    """There is another model, one less, or searches use another one."""


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A GPU has failed, and the CPU has taken its place until the engine is started again; `message` says so."""

    message: Message


class LibraryPart(Enum):
    """What a client may have read of a library, and has to read again once it has changed."""

    FILES = "files"  # which there are, their states, lengths and clips
    FOLDERS = "folders"
    THUMBNAILS = "thumbnails"
    TAGS = "tags"
    NOTES = "notes"
    FAVOURITES = "favourites"
    SAVED_SEARCHES = "saved searches"
    MODEL = "model"  # that answers searches


@dataclass(frozen=True, slots=True)
class LibraryChanged:
    """These parts of the library are no longer what was read before."""

    parts: frozenset[LibraryPart]

    @classmethod
    def of(cls, *parts: LibraryPart) -> LibraryChanged:
        return cls(frozenset(parts))

    def touches(self, *parts: LibraryPart) -> bool:
        """Whether any of these parts has changed."""
        return not self.parts.isdisjoint(parts)


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """The engine answers. `read_only` where another program holds the library, or it is not this person's own
    (`strange`). `restarted` after a crash, or with another configuration. `notice` says what was done to
    the library while it was opened, or why it is only read. `paused` as in PauseChanged, which says what has
    changed since."""

    read_only: bool
    restarted: bool = False
    notice: tuple[Message, ...] = ()
    strange: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The engine ended unexpectedly; `final` when it will not be started again."""

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
