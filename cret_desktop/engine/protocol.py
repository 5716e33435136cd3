"""What the window or the command line and the engine say to each other: frozen dataclasses over one pipe.

Requests get exactly one `Reply` or `Failure`; events come when they come. Nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from cret_desktop.clips import LibraryFile, Moment, Picture
from cret_desktop.clips import Sort as Sort
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
    """Take a folder with all it holds out of the library; the videos themselves are never touched. Reply: None.

    For 30 days it can be brought back as it was, by AddFolders; then it is forgotten.
    """

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
    """Hold indexing, or go on. Reply: None; a PauseChanged comes before it."""

    paused: bool


@dataclass(frozen=True, slots=True)
class CancelIndexing:
    """Stop indexing; what is committed stays, the rest waits for the next Refresh. Ends a pause, too. Reply: None."""


@dataclass(frozen=True, slots=True)
class Search:
    """Reply: SearchAnswer. `text` is what was typed, operators included (see `library.query`).

    `like` is a picture, or the id of a clip, to find similar moments by; `without` describes what they must not show.
    With neither words nor `like` it lists the files that the operators admit, one moment a file. `limit` counts
    videos, from the `offset`-th on; `reverse` turns the order of `sort` round. Of several `live` searches that wait or
    are under way, only the newest is answered, the others get a Failure with `superseded`.
    Raises: QueryError, ModelError.
    """

    text: str
    limit: int = 50
    live: bool = False
    without: str = ""
    like: Picture | int | None = None
    sort: Sort = Sort.RELEVANCE
    reverse: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """Read a picture to search by, of a file or of `data`, its bytes. Reply: Picture, small and upright.

    Of several that wait or are being read, only the newest is answered, the others get a Failure with `superseded`.
    Raises: PathError, within ten seconds, where there is no picture, or none of a kind and size that is read.
    """

    path: str = ""
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class GetFilmstrip:
    """All clips of a file in order of time, with their relevance to a query. Reply: tuple[clips.Stretch, ...]."""

    file_id: int
    text: str = ""
    like: Picture | int | None = None


@dataclass(frozen=True, slots=True)
class GetFile:
    """Reply: LibraryFile. Raises: PathError where the file has left the library."""

    file_id: int


@dataclass(frozen=True, slots=True)
class GetTags:
    """Reply: tuple[tuple[str, int], ...], every tag with its number of files, by name."""


@dataclass(frozen=True, slots=True)
class ChangeTags(Change):
    """Give files tags and take some from them. Reply: None. Safe to repeat. Raises: QueryError for a bad tag."""

    file_ids: tuple[int, ...]
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetFavourite(Change):
    """Reply: None."""

    file_ids: tuple[int, ...]
    favourite: bool


@dataclass(frozen=True, slots=True)
class SetNote(Change):
    """Replace a file's note; '' takes it away. Reply: None."""

    file_id: int
    note: str


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search under a name of its own."""

    name: str
    text: str
    without: str = ""
    sort: Sort = Sort.RELEVANCE
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class SaveSearch(Change):
    """Keep a search; one of the same name is replaced. Reply: None."""

    search: SavedSearch


@dataclass(frozen=True, slots=True)
class ForgetSearch(Change):
    """Reply: None."""

    name: str


@dataclass(frozen=True, slots=True)
class GetSavedSearches:
    """Reply: tuple[SavedSearch, ...], by name."""


@dataclass(frozen=True, slots=True)
class IndexAgain(Change):
    """Let every video of a folder wait for indexing once more, as it is told to be done now. Reply: None.

    Until its turn comes, each is found as before.
    """

    path: str


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Take away pictures that nothing shows, and make larger ones as small as thumbnails are wanted now.

    Reply: records.LibrarySize, once it is done. Indexing goes on afterwards. Raises: StorageError.
    """


@dataclass(frozen=True, slots=True)
class Forget:
    """Forget at once and for good what has left the library: missing videos and removed folders at or below `path`.

    '' means all that has left, and what is kept of content that left long ago. With them go tags, notes and all words
    that searches go by. `copies`: delete what was set aside in the library's folder, and empty the log, too. Reply:
    Forgotten. Safe to repeat. Indexing goes on afterwards. Raises: StorageError.
    """

    path: str
    copies: bool = False


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
class PrioritiseFolder:
    """Index what waits in this folder before anything else. Reply: None."""

    path: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a video to take out of the app, in seconds on the player's clock."""

    path: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ExportClips:
    """Write each passage as a video file of its own into `folder`. Reply: Exported.

    `copy` keeps the source's packets and begins at the keyframe at or before; `exact` encodes anew, right to a frame.
    `handles` are seconds added on either side where the source has them. ExportProgress events come meanwhile.
    Raises: ExportError where nothing could be written, ExportCancelled; what was whole by then stays.
    """

    passages: tuple[Passage, ...]
    folder: str
    mode: Literal["copy", "exact"] = "copy"
    handles: float = 0.0


@dataclass(frozen=True, slots=True)
class ExportList:
    """Write the passages as a list for other programs. Reply: Exported. Raises: ExportError, ExportCancelled."""

    passages: tuple[Passage, ...]
    path: str
    form: Literal["csv", "edl", "fcpxml"]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of an export: the files written, what to know of them, and what is missing and why, a sentence each.

    Nothing is ever overwritten: a file may have another name than was asked for, with " (2)" in it.
    """

    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelExport:
    """Stop the export under way; its half-written file is taken away. Reply: None."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load what a search needs now, so that the first one need not wait. Reply: the milliseconds it took, by part."""


@dataclass(frozen=True, slots=True)
class GetDevices:
    """Reply: tuple[Device, ...], what a model can run on here, the fastest first. Takes seconds: torch is loaded."""


@dataclass(frozen=True, slots=True)
class GetModels:
    """Reply: tuple[ModelCard, ...], those that ship with the app first. Loads no weights, asks no network."""


@dataclass(frozen=True, slots=True)
class DownloadModel:
    """Fetch a model that can be downloaded, or go on with it. Reply: None, once it can be used.

    DownloadProgress events come meanwhile. Raises: DownloadCancelled, ModelError, StorageError; what came is kept.
    """

    name: str


@dataclass(frozen=True, slots=True)
class CancelDownload:
    """Stop a download, under way or waiting; what came is kept. Reply: None, at once."""

    name: str


@dataclass(frozen=True, slots=True)
class ImportModel:
    """Take in a model's folder, or a zip of one. Reply: its name. Raises: ModelError, StorageError."""

    path: str


@dataclass(frozen=True, slots=True)
class RemoveModel:
    """Delete a model that a person has brought here, what is there of its download, and its index in this library.

    Reply: None. Raises: ModelError for a model in use, StorageError.
    """

    name: str


@dataclass(frozen=True, slots=True)
class GetLibrarySize:
    """Reply: records.LibrarySize. Looks at every thumbnail: seconds, in a large library."""


@dataclass(frozen=True, slots=True)
class BackUpLibrary:
    """Copy the library to `folder`, which must not be there yet. Reply: records.Contents of the copy.

    CopyProgress events come meanwhile, here and in the next two. Raises: PathError, StorageError, LibraryDamaged,
    CopyCancelled; then nothing of the copy is left.
    """

    folder: str
    thumbnails: bool = True


@dataclass(frozen=True, slots=True)
class RestoreLibrary:
    """Copy a backup to where the next start of the engine puts it in the library's place, which is set aside.

    Reply: records.Contents, when the engine is to be started anew. Raises: LibraryMissing, LibraryTooNew,
    LibraryDamaged, PathError, StorageError, CopyCancelled.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class MoveLibrary:
    """Copy the library to `folder`, which must not be there yet, and take no more changes here: they would be lost.

    Reply: records.Contents, when the engine is to be started anew on the copy. The library here stays. Raises:
    as BackUpLibrary, and changes are taken again.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class CancelCopy:
    """Stop the copying under way; nothing of the copy is left. Reply: None, at once."""


@dataclass(frozen=True, slots=True)
class ExportTags:
    """Write tags, notes, favourites and saved searches to a file; its ending, .json or .csv, tells the form.

    A file that is there is replaced. Reply: (files, saved searches) written. Raises: UsageError, StorageError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class ImportTags(Change):
    """Add what such a file holds to what is here; nothing is replaced. Reply: storage.sqlite.annotation_records.Merged.

    Safe to repeat. Raises: UsageError, QueryError, StorageError; then nothing has changed.
    """

    path: str


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
    | ReadPicture
    | GetFilmstrip
    | GetFile
    | GetTags
    | ChangeTags
    | SetFavourite
    | SetNote
    | SaveSearch
    | ForgetSearch
    | GetSavedSearches
    | PrioritiseFolder
    | IndexAgain
    | FreeSpace
    | Forget
    | ExportClips
    | ExportList
    | CancelExport
    | Prepare
    | GetDevices
    | GetModels
    | DownloadModel
    | CancelDownload
    | ImportModel
    | RemoveModel
    | GetLibrarySize
    | BackUpLibrary
    | RestoreLibrary
    | MoveLibrary
    | CancelCopy
    | ExportTags
    | ImportTags
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
    """Moments in the order asked for. `parts` are milliseconds by step (text, candidates, rescore, relevance, moments).

    `confident` is False where nothing in the library matches well: the moments are then all weak. `files` describes
    every file of the moments, in order of first appearance. `browsed`: there was no query, the moments are files.
    """

    query: str
    model: str
    took_ms: float
    moments: tuple[Moment, ...]
    confident: bool
    parts: dict[str, float] = field(default_factory=dict)
    searched: int = 0  # clips that are indexed with this model
    files: tuple[LibraryFile, ...] = ()
    browsed: bool = False
    total: int = 0  # videos that the operators admit


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
    answering: str = ""  # the model that searches use, by its title, while the index of `model` is being made


class ModelState(StrEnum):
    READY = "ready"
    DOWNLOADING = "downloading"
    PARTIAL = "partial"  # some of it has been downloaded
    DOWNLOADABLE = "downloadable"
    IMPORTABLE = "importable"  # nobody has published its weights: train it, or import one that was trained


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model, and what this library has of it.

    `size` in bytes, about right until it is here; `fetched` of them by a download that has not come to its end.
    `languages` is en, many, or '' where nobody has said. `clips` are indexed with it, in `index_bytes`. `wanted`:
    chosen by the person; `answers`: searches use it, which the one before does until the wanted one's index is made.
    `removable`: a person has brought it here.
    """

    name: str
    title: str
    state: ModelState
    size: int = 0
    fetched: int = 0
    licence: str = ""
    languages: str = ""
    clips: int = 0
    index_bytes: int = 0
    wanted: bool = False
    answers: bool = False
    removable: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """`name` as EngineConfig has it, `title` in words: "cuda" and "cuda: NVIDIA H200, 139 GiB"."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class FailedFile:
    path: str
    reason: str


# --- events -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexFinished:
    """Indexing came to rest: what could be indexed is found; the graph may still be under way (Optimising).

    `error` is a sentence where something larger than one file ended it (a full disk, say).
    """

    totals: IndexTotals
    error: str = ""
    exit_status: int = 0


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

    message: str


@dataclass(frozen=True, slots=True)
class LibraryChanged:
    """Tags, favourites, notes, saved searches or the files themselves are no longer what was read before."""


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """The engine answers. `read_only` where another program holds the library, or it is not this person's own
    (`strange`). `restarted` after a crash, or with another configuration. `notice` is a sentence on what was done to
    the library while it was opened, or on why it is only read; or ''. `paused` as in PauseChanged, which says what has
    changed since."""

    read_only: bool
    restarted: bool = False
    notice: str = ""
    strange: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The engine ended unexpectedly; `final` when it will not be started again."""

    message: str
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
