"""The library: its folders, their indexing and its state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cret_desktop.domain.records import LibrarySize
from cret_desktop.engine.protocol.base import Lane, Request
from cret_desktop.messages import Message


class FolderState(StrEnum):
    """The state of a folder; the first that applies."""

    OFFLINE = "offline"  # not present, for example on an unplugged drive
    INDEXING = "indexing"
    WAITING = "waiting"  # some of its files wait for indexing, and another folder is being indexed
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
    looked_at_every: float = 0.0  # seconds between scans if the system does not report changes; 0.0 if it does


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """Counts of the whole library. `seconds` is the length of all indexed video.

    `indexing`: a run of indexing waits or is under way, even if paused.
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
    answering: str = ""  # title of the model that searches use while the index of `model` is incomplete


@dataclass(frozen=True, slots=True)
class FailedFile:
    path: str
    reason: Message


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The numbers of deleted videos, removed folders and kept annotations.

    `staying`: videos of the path that are still in the library. `copies` are files and folders of the library that may
    still contain text of deleted videos; `log_held`: so may the catalog's log, because a program was reading it.
    """

    videos: int
    folders: int
    kept: int
    staying: int
    copies: tuple[str, ...]
    log_held: bool


@dataclass(frozen=True, slots=True)
class Device:
    """`name` as in EngineConfig, `title` for display: "cuda" and "cuda: NVIDIA H200, 139 GiB"."""

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
    """List the devices that a model can run on here, fastest first. Takes seconds, because it loads torch."""


@dataclass(frozen=True, slots=True)
class AddFolders(Request[None], lane=Lane.CONTROL, change=True):
    """Register folders (or single files) and index them.

    Raises: PathError for a path that does not exist.
    """

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveFolder(Request[None], lane=Lane.EXCLUSIVE, change=True):
    """Remove a folder with all its files from the library. The videos themselves are never touched.

    AddFolders restores it within 30 days; then its data is deleted. Raises: PathError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Refresh(Request[None], lane=Lane.CONTROL):
    """Rescan all folders, or the given ones, and index what is new. The reply comes at once."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetryFailures(Request[None], lane=Lane.CONTROL, change=True):
    """Retry every failed file once."""


@dataclass(frozen=True, slots=True)
class IndexAgain(Request[None], lane=Lane.CONTROL, change=True):
    """Reindex every video of a folder with the current settings.

    Until its turn comes, each stays searchable as before. Raises: PathError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class PrioritiseFolder(Request[None], lane=Lane.CONTROL):
    """Index the waiting files of this folder first. Raises: PathError."""

    path: str


@dataclass(frozen=True, slots=True)
class Pause(Request[None], lane=Lane.CONTROL):
    """Pause or resume indexing. A PauseChanged comes before the reply."""

    paused: bool


@dataclass(frozen=True, slots=True)
class CancelIndexing(Request[None], lane=Lane.CONTROL):
    """Stop indexing and end a pause. Committed work stays; the rest waits for the next Refresh."""


@dataclass(frozen=True, slots=True)
class FreeSpace(Request[LibrarySize], lane=Lane.EXCLUSIVE):
    """Delete unused thumbnails, shrink oversized ones, and compact the catalog.

    Indexing resumes afterwards. Raises: StorageError.
    """


@dataclass(frozen=True, slots=True)
class Forget(Request[Forgotten], lane=Lane.EXCLUSIVE):
    """Delete permanently all data of missing videos and removed folders at or below `path`.

    '' means all missing videos and removed folders, and annotations of content that left long ago. Their tags, notes
    and search terms are deleted with them. `copies` also deletes copies kept in the library's folder, and empties the
    log. Safe to repeat. Indexing resumes afterwards. Raises: StorageError.
    """

    path: str
    copies: bool = False
