"""The library: its folders, their indexing and its state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cret_desktop.domain.records import LibrarySize
from cret_desktop.engine.protocol.base import Lane, Request
from cret_desktop.messages import Message


class FolderState(StrEnum):
    """What a folder is doing, the first that holds."""

    OFFLINE = "offline"  # not there at present: its drive is unplugged, say
    INDEXING = "indexing"
    WAITING = "waiting"  # some of its files are to be indexed, and it is not its turn
    FAILED = "failed"  # none of its files could be indexed
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Folder:
    path: str
    files: int
    clips: int
    failed: int
    pending: int
    offline: bool
    state: FolderState = FolderState.READY
    looked_at_every: float = 0.0  # seconds, where the system does not tell of changes; 0.0 where it does


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """Counts of the whole library. `seconds` is the length of all indexed video.

    `indexing`: a run of indexing waits or is under way, also where it is paused.
    """

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
    answering: str = ""  # the model that searches use, by its title, while the index of `model` is being made


@dataclass(frozen=True, slots=True)
class FailedFile:
    path: str
    reason: Message


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many videos, removed folders and kept annotations were forgotten.

    `staying`: videos of the path that are still in the library. `copies` are the files and folders of the library's
    that may still hold words of what is forgotten; `log_held`: so does the catalog, since a program was reading it.
    """

    videos: int
    folders: int
    kept: int
    staying: int
    copies: tuple[str, ...]
    log_held: bool


@dataclass(frozen=True, slots=True)
class Device:
    """`name` as EngineConfig has it, `title` in words: "cuda" and "cuda: NVIDIA H200, 139 GiB"."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class GetStatus(Request[LibraryStatus], lane=Lane.CONTROL):
    """Count the library's folders, files and clips. Answered before any model is loaded."""


@dataclass(frozen=True, slots=True)
class GetFailures(Request[tuple[FailedFile, ...]], lane=Lane.CONTROL):
    """List the files that could not be indexed, with their reasons."""


@dataclass(frozen=True, slots=True)
class GetDevices(Request[tuple[Device, ...]], lane=Lane.SEARCH):
    """List what a model can run on here, the fastest first. Takes seconds: torch is loaded."""


@dataclass(frozen=True, slots=True)
class AddFolders(Request[None], lane=Lane.CONTROL, change=True):
    """Register folders (or single files) and index them.

    Raises: PathError for a path that does not exist.
    """

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveFolder(Request[None], lane=Lane.EXCLUSIVE, change=True):
    """Remove a folder with all it holds from the library. The videos themselves are never touched.

    AddFolders restores it within 30 days; then it is forgotten. Raises: PathError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Refresh(Request[None], lane=Lane.CONTROL):
    """Rescan all folders, or the given ones, and index what is new. The reply comes at once."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryFailures(Request[None], lane=Lane.CONTROL, change=True):
    """Try every failed file once more."""


@dataclass(frozen=True, slots=True)
class IndexAgain(Request[None], lane=Lane.CONTROL, change=True):
    """Index every video of a folder once more, with the present settings.

    Until its turn comes, each is found as before. Raises: PathError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class PrioritiseFolder(Request[None], lane=Lane.CONTROL):
    """Index what waits in this folder before anything else. Raises: PathError."""

    path: str


@dataclass(frozen=True, slots=True)
class Pause(Request[None], lane=Lane.CONTROL):
    """Pause or resume indexing. A PauseChanged comes before the reply."""

    paused: bool


@dataclass(frozen=True, slots=True)
class CancelIndexing(Request[None], lane=Lane.CONTROL):
    """Stop indexing and end a pause. What is committed stays; the rest waits for the next Refresh."""


@dataclass(frozen=True, slots=True)
class FreeSpace(Request[LibrarySize], lane=Lane.EXCLUSIVE):
    """Delete unused thumbnails, shrink those that are larger than wanted, and compact the catalog.

    Indexing goes on afterwards. Raises: StorageError.
    """


@dataclass(frozen=True, slots=True)
class Forget(Request[Forgotten], lane=Lane.EXCLUSIVE):
    """Forget at once and for good what has left the library: missing videos and removed folders at or below `path`.

    '' means all that has left, and what is kept of content that left long ago. With them go tags, notes and all words
    that searches go by. `copies`: delete what was set aside in the library's folder, and empty the log, too. Safe to
    repeat. Indexing goes on afterwards. Raises: StorageError.
    """

    path: str
    copies: bool = False
