"""What the window or the command line and the engine say to each other: frozen dataclasses over one pipe.

Requests get exactly one `Reply` or `Failure`; events come when they come. Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cret_desktop.clips import Moment
from cret_desktop.library.progress import FileIndexed, IndexProgress, IndexTotals

# --- requests ---------------------------------------------------------------------------------------------------


class Change:
    """A request that changes the library. The client keeps it until it is acknowledged, also over a restart."""


@dataclass(frozen=True, slots=True)
class AddFolders(Change):
    """Register folders (or single files) and index them. Reply: None. Raises PathError for a path that is not there."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveFolder(Change):
    """Forget a folder with all it holds in the library; the videos themselves are never touched. Reply: None."""

    path: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """Look at all folders (or the given ones) again and index what is new. Reply: None, at once."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryFailures(Change):
    """Try every failed file once more. Reply: None."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Hold indexing, or go on. Reply: None."""

    paused: bool


@dataclass(frozen=True, slots=True)
class CancelIndexing:
    """Stop indexing; what is committed stays, the rest waits for the next Refresh. Reply: None."""


@dataclass(frozen=True, slots=True)
class Search:
    """Reply: SearchAnswer. Of several `live` searches that wait, only the newest is answered, the others get a
    Failure with `superseded`."""

    text: str
    limit: int = 50
    live: bool = False


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load what a search needs now, so that the first one need not wait. Reply: the milliseconds it took, by part."""


@dataclass(frozen=True, slots=True)
class GetStatus:
    """Reply: LibraryStatus. Answered from the catalog, before any model is loaded."""


@dataclass(frozen=True, slots=True)
class GetFailures:
    """Reply: tuple[FailedFile, ...]."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the engine after the transaction under way. No reply: the pipe closes."""


Request = (
    AddFolders
    | RemoveFolder
    | Refresh
    | RetryFailures
    | Pause
    | CancelIndexing
    | Search
    | Prepare
    | GetStatus
    | GetFailures
    | Shutdown
)


@dataclass(frozen=True, slots=True)
class Envelope:
    id: int
    body: Request


# --- replies ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    id: int
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` names a class of `cret_desktop.errors`; anything else is a defect and carries its traceback."""

    id: int
    error: str
    message: str
    details: str = ""
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """Moments best first. `parts` are milliseconds by step (text, candidates, rescore, relevance, moments).

    `confident` is False where nothing in the library matches well: the moments are then all weak.
    """

    query: str
    model: str
    took_ms: float
    moments: tuple[Moment, ...]
    confident: bool
    parts: dict[str, float] = field(default_factory=dict)
    searched: int = 0  # clips that are indexed with this model


@dataclass(frozen=True, slots=True)
class Folder:
    path: str
    files: int
    clips: int
    failed: int
    pending: int
    offline: bool


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """Counts of the whole library. `seconds` is the length of all indexed video."""

    library: str
    model: str
    folders: tuple[Folder, ...]
    files: int
    clips: int
    seconds: float
    failed: int
    pending: int
    indexing: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class FailedFile:
    path: str
    reason: str


# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexFinished:
    """Indexing came to rest. `error` is a sentence where something larger than one file ended it (a full disk, say)."""

    totals: IndexTotals
    error: str = ""
    exit_status: int = 0


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """The engine answers. `read_only` where another program holds the library. `restarted` after a crash."""

    read_only: bool
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The engine ended unexpectedly; `final` when it will not be started again."""

    message: str
    final: bool


Event = IndexProgress | IndexFinished | FileIndexed | EngineStarted | EngineLost
