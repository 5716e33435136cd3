"""The interfaces that the library needs from models, media and storage, as Protocols.

`library` is written against these and imports no model, no decoder and no storage; `engine.assemble` supplies the real
implementations, tests supply fakes. The storage ports are small enough for a second back end: no connection and no SQL
passes through them, ids are opaque and unordered across writers, and only a scan's transaction spans two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import (
    USUAL_SAMPLING,
    DecodeEvent,
    Features,
    FileOpened,
    FrameFormat,
    Frames,
    LibraryFile,
    ModelInfo,
    Picture,
    Sampling,
    Sort,
    Vector,
    VideoFile,
    VideoInfo,
)
from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import (
    CheckReport,
    ClipFiles,
    ClipRow,
    Contents,
    FileHit,
    FileRow,
    LibrarySize,
    Line,
    LineHit,
    Merged,
    NewClip,
    Root,
    RootCounts,
    SaidOfFile,
    SavedSearch,
    ScanPlan,
    ScanResult,
    ShownSprite,
    Sidecar,
    StageCounts,
    ThumbnailRow,
)
from cret_desktop.messages import Message

CopyProgress = Callable[[int, int], None]  # bytes done, bytes in all; raising an error ends the copying


class VideoEncoder(Protocol):
    """Encodes clips. May load its weights on first use; `release` frees their memory while idle."""

    def encode(self, frames: Frames) -> Features:
        """Encode clips, uint8 RGB [N, M, H, W, 3]; return globals [N, M, D] and centers [N, C, D].

        Raises: ModelError.
        """
        ...

    def release(self) -> None: ...


class TextEncoder(Protocol):
    """Encodes text queries; needs no video encoder."""

    def encode(self, texts: Sequence[str]) -> Features:
        """Return globals [N, D] and centers [N, C, D]. Raises: ModelError."""
        ...


class FitPicture(Protocol):
    """Fits a picture to the square frames of a model."""

    def __call__(self, picture: Picture, frame_format: FrameFormat) -> NDArray[np.uint8]:
        """Return uint8 RGB [size, size, 3]."""
        ...


class Model(Protocol):
    """A pair of encoders and their description. `info` is cheap: it never loads weights.

    `device_lost` is a message once a GPU has failed and the CPU has replaced it, and None before.
    """

    @property
    def info(self) -> ModelInfo: ...
    @property
    def video(self) -> VideoEncoder: ...
    @property
    def text(self) -> TextEncoder: ...
    @property
    def device_lost(self) -> Message | None: ...


class Decoder(Protocol):
    """Decodes files into clips, several files at a time. Events of one file are in order; those of several interleave.

    A file ends with exactly one FileDecoded or FileFailed. Bad files are events, never exceptions. Files are taken from
    the iterable only as capacity frees, which bounds the work in flight. Closing the iterator stops the work.
    """

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]: ...

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        """Yield the headers of as many files as can be read in about `seconds`. Bad files are left out."""
        ...

    def close(self) -> None: ...


class Catalog(Protocol):
    """The library's folders and files."""

    def add_root(self, path: str) -> Root:
        """Add a path (absolute) to the library; return the root that covers it, which may contain it."""
        ...

    def roots(self) -> list[Root]: ...

    def set_offline(self, root_id: int, offline: bool) -> None: ...

    def place_root(self, root: Root) -> None:
        """Record the current location of a root, and that it is present; all its files move with it."""
        ...

    def remove_root(self, root_id: int) -> list[int]:
        """Remove a root from the library; return the ids of its clips. Its files are missing until `purge`."""
        ...

    def was_removed(self, path: str) -> bool:
        """Return whether a root of this path was removed and can still be restored."""
        ...

    def restore_root(self, path: str) -> list[int] | None:
        """Restore a removed root with all its files; return the ids of its clips, None if no such root was removed."""
        ...

    def files(self, root_id: int, within: str | None = None) -> dict[str, FileRow]:
        """Return all files of a root (or in a folder within it) by absolute path, missing ones included."""
        ...

    def counts(self, model: str) -> list[RootCounts]:
        """Return the counts of each root; `pending` files wait for indexing with `model` (a fingerprint)."""
        ...

    def failures(self) -> list[tuple[str, Message]]:
        """Return (path, reason) of files that failed or are incomplete, subtitle files included, by path."""
        ...


class OpenScan(Protocol):
    """One scan of a root, within the transaction that updates the catalog."""

    @property
    def known(self) -> Mapping[str, FileRow]:
        """The files of the scanned place by absolute path, missing ones included."""
        ...

    def candidates(self, seen: Sequence[VideoFile], contents: Mapping[str, bytes]) -> list[FileRow]:
        """Return the files of the whole catalog that may have moved to the place of one of these files.

        They have its fingerprint (`contents`, by path) and size, and are missing or in a root that is not offline. Or
        they have no fingerprint, were annotated, and have its size, time and inode. Of one content, annotated files
        come first, then those that are not missing, then those missing longest.
        """
        ...

    def apply(self, plan: ScanPlan) -> ScanResult:
        """Apply the plan to the catalog; committed with the scan's transaction.

        A missing file without data or annotations is deleted. A new or replaced file is indexed at once as a copy, if
        its content is that of an indexed file.
        """
        ...


class ScanStore(Protocol):
    """Updates the catalog's files after a scan."""

    def content_sizes(self) -> set[int]:
        """Return the sizes of all files that have a fingerprint: a file of any other size matches none of them."""
        ...

    def scanning(self, root: Root, within: str | None = None) -> AbstractContextManager[OpenScan | None]:
        """Open the transaction of one scan of a root, or of the folder `within` it.

        The result is None if the root was removed or has moved. Two scans of one root never overlap.
        """
        ...


class StageQueue(Protocol):
    """The state of each file in each stage: waiting, claimed, done or failed. Each change is one transaction.

    A stage has a name and a version that identifies its method, for example a model's fingerprint. A file waits for a
    stage until the stage is done or has failed, and again if another version did it. Stages know nothing of each other,
    and a file stays searchable by the results of other stages.

    Several machines may work at one library: each claims its work before starting it, under a name of its own
    (`owner`), and renews the claim before its lease runs out. A single writer claims nothing, and leaves `owner` None.
    """

    def due(
        self, stage: str, version: str, root_id: int, within: str | None = None, owner: str | None = None
    ) -> list[tuple[int, VideoFile]]:
        """Return the files of a root that wait for a stage, with their ids, by path.

        Files that are missing, away or not regular are left out, and so are those claimed by an owner other than
        `owner`.
        """
        ...

    def claim(self, stage: str, version: str, file_ids: Sequence[int], owner: str, seconds: float) -> list[int]:
        """Claim a stage of these files for `seconds`, or renew the claim; return the ids that `owner` holds.

        Two owners never hold a stage of a file at once. An expired claim is free for others.
        """
        ...

    def release(self, owner: str) -> int:
        """Release all claims of an owner; return their number."""
        ...

    def finish(
        self, stage: str, version: str, file_id: int, reason: Message | None = None, owner: str | None = None
    ) -> bool:
        """Record that a stage is done; `reason` says what is missing from its result.

        The stage's result is stored before this call. Return False, and record nothing, if the file has left the
        library or another owner holds the stage.
        """
        ...

    def fail(self, stage: str, file_id: int, reason: Message, owner: str | None = None) -> bool:
        """List a stage of a file as failed until the file changes or it is retried; return as `finish`."""
        ...

    def retry(self, stage: str) -> int:
        """Make the files that failed in a stage wait for it again; return their number."""
        ...

    def counts(self, stage: str, version: str) -> StageCounts: ...


class WorkQueue(Protocol):
    """Records the results of indexing, mainly those of the picture stage. Each change is one transaction."""

    def lengths(self, file_ids: Sequence[int]) -> dict[int, float]:
        """Return the length in seconds of those files whose length is known."""
        ...

    def record_infos(self, infos: Mapping[int, VideoInfo]) -> None:
        """Store the headers of waiting files, by file id, until the files are indexed."""
        ...

    def commit_file(
        self,
        file_id: int,
        file: VideoFile,
        info: VideoInfo,
        fingerprint: bytes | None,
        clips: Sequence[NewClip],
        model_id: int,
        partial: Message | None = None,
    ) -> tuple[list[int], list[int], list[str]]:
        """Make a file searchable, its picture stage done; return (clip ids, removed clip ids, removed thumbnails).

        A thumbnail is removed, by its name, if no clip shows it any more. The ids are in the order of `clips`, and
        unordered among those of other files. Clips at an unchanged place keep their id. A file that has left the
        catalog stays out of it: no ids.
        """
        ...

    def index_as_copy(self, file_id: int, file: VideoFile, fingerprint: bytes, model_id: int) -> ScanResult:
        """Index a waiting file from another file with the same content that the model has indexed, if there is one."""
        ...

    def fail_file(self, file_id: int, file: VideoFile, reason: Message) -> tuple[list[int], list[str]]:
        """List the picture stage of a file as failed until it changes; return ids and thumbnails of removed clips."""
        ...

    def retry_failures(self) -> int:
        """Requeue files for the stages that failed, and subtitle files for the next scan; return their number."""
        ...

    def index_root_again(self, root_id: int) -> int:
        """Requeue the files of a root for all stages that ended; return their number. Their clips stay."""
        ...

    def purge(self, before: float) -> tuple[list[int], list[str]]:
        """Delete files missing since before a time (`time.time`), and roots removed before it.

        Return ids and thumbnails of the deleted clips. Annotations are kept in case the content returns.
        """
        ...

    def index_again(self, file_ids: Sequence[int]) -> None:
        """Requeue indexed files for the picture stage; they stay searchable until then."""
        ...


class ClipStore(Protocol):
    """The clips of indexed files, for display."""

    def clips(self, ids: Sequence[int]) -> dict[int, ClipRow]:
        """Return clips by id; unknown ids are left out."""
        ...

    def clips_of(self, file_id: int) -> list[ClipRow]:
        """Return all clips of a file, in order."""
        ...

    def clip_at(self, file_id: int, seconds: float) -> ClipRow | None:
        """Return the last clip of a file that begins at or before a time, else its first; None if it has none."""
        ...

    def spread_clips(self, file_id: int, count: int) -> list[ClipRow]:
        """Return at most `count` clips of a file, evenly spread over it, in order."""
        ...

    def sample_clips(self, count: int) -> list[tuple[int, int]]:
        """Return (clip id, file id) of at most `count` live clips, evenly spread over the library."""
        ...

    def clip_files(self, known: ClipFiles) -> ClipFiles:
        """Return all clips that ever existed and their files: those `known`, and those added since then."""
        ...

    def thumbnails(self) -> Iterator[ThumbnailRow]:
        """Yield one row per clip that has thumbnails, those of waiting or missing files included."""
        ...

    def shown_sprites(self) -> list[ShownSprite]:
        """Return each strip that is shown by a clip once, with its size."""
        ...

    def record_sprite(self, name: str, checksum: int) -> None:
        """Store the checksum (CRC-32) of a strip that was redrawn."""
        ...

    def swap_sprites(self, pairs: Iterable[tuple[str, ShownSprite]]) -> None:
        """Replace the strips of these names by others, in one transaction."""
        ...


class FeatureStore(Protocol):
    """The features of clips, by model."""

    def record_model(self, info: ModelInfo) -> int:
        """Return the row id of a model, as used by `WorkQueue`; add the model if it is new."""
        ...

    def clip_ids(self, model: str) -> NDArray[np.int64]:
        """Return the ids of live clips that a model (a fingerprint) has embedded, ascending; all above 0."""
        ...

    def count_behind(self, model: str) -> int:
        """Return the number of reachable files that are searchable with some model but not with this one."""
        ...

    def count_embedded(self) -> dict[str, int]:
        """Return the number of searchable clips by model fingerprint."""
        ...

    def embedding_bytes(self, model: str) -> int:
        """Return the size of a model's embeddings in bytes, those of missing files included."""
        ...

    def remove_model(self, model: str) -> list[str]:
        """Delete a model's features; return the names of its graph files, which the caller then removes."""
        ...

    def features(self, model: ModelInfo, ids: Sequence[int]) -> tuple[NDArray[np.int64], Features]:
        """Return (ids found [K], globals [K, M, D] and centers [K, C, D] float32), in the order of `ids`.

        Damaged ones are left out.
        """
        ...

    def vectors(self, model: str, width: int, *, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return those of `ids` that are live clips, ascending, and their unit vectors [N, `width`] (`clip_vectors`).

        Damaged ones are left out.
        """
        ...


class Listing(Protocol):
    """The files as shown to people. Missing files are never listed, offline ones are."""

    def count(self, filters: Filters, without: Sequence[int] = ()) -> int: ...

    def admitted(self, filters: Filters) -> NDArray[np.int64]:
        """Return the ids of the files that match the operators, unordered."""
        ...

    def page(
        self, filters: Filters, sort: Sort, reverse: bool, limit: int, offset: int, without: Sequence[int] = ()
    ) -> list[int]:
        """Return the ids of `limit` files from the `offset`-th on, in order; ties always in the same order."""
        ...

    def ordered(self, file_ids: Collection[int], sort: Sort, reverse: bool) -> list[int]:
        """Return these files in order."""
        ...

    def files(self, file_ids: Collection[int]) -> dict[int, LibraryFile]:
        """Return files by id, missing ones included; unknown ids are left out."""
        ...


class AnnotationStore(Protocol):
    """Tags, favourites, notes and saved searches. Each change is on the disk before its call returns."""

    def tags(self) -> tuple[tuple[str, int], ...]:
        """Return every tag in use with its number of files, by name."""
        ...

    def change_tags(self, file_ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove tags; files that have left the library are ignored. Raises: QueryError for a bad tag."""
        ...

    def set_favourite(self, file_ids: Sequence[int], favourite: bool) -> None: ...

    def set_note(self, file_id: int, note: str) -> None:
        """Set a note. Raises: PathError if the file has left the library, QueryError if the note is too long."""
        ...

    def saved_searches(self) -> tuple[SavedSearch, ...]:
        """Return all saved searches, by name."""
        ...

    def save_search(self, search: SavedSearch) -> None:
        """Save a search, replacing one of the same name. Raises: QueryError for a bad name."""
        ...

    def forget_search(self, name: str) -> None: ...

    def records(self) -> tuple[list[SaidOfFile], list[SavedSearch]]:
        """Return all annotations, of files by path, then of content without a file; and the saved searches by name."""
        ...

    def merge(self, said: Sequence[SaidOfFile], searches: Sequence[SavedSearch]) -> Merged:
        """Add records to the existing ones, all or none; repeating it changes nothing.

        Raises: QueryError for a bad tag.
        """
        ...


class TextSearch(Protocol):
    """Full-text search of names, folders, tags, notes and subtitles. The last word may be a prefix."""

    def count_files(self, words: Sequence[str]) -> int: ...

    def count_lines(self, words: Sequence[str]) -> int: ...

    def files(self, words: Sequence[str], limit: int) -> list[FileHit]:
        """Return files that match all the words, best first. Missing files are never found."""
        ...

    def lines(self, words: Sequence[str], limit: int) -> list[LineHit]:
        """Return subtitle lines that contain all the words, best first."""
        ...

    def sidecars(self, root_id: int, paths: Sequence[str]) -> dict[str, tuple[int, set[Sidecar]]]:
        """Return the id and the known subtitle files of these files of a root, by path."""
        ...

    def set_subtitles(
        self, file_id: int, sidecars: Sequence[Sidecar], lines: Sequence[Line], reasons: Mapping[str, Message]
    ) -> None:
        """Replace a file's subtitle lines. `reasons` has an entry for the path of each unreadable sidecar."""
        ...


class VectorSearch(Protocol):
    """Nearest-neighbour search over the clips of one model. Any number of searches may run in parallel."""

    def __len__(self) -> int: ...

    def search(
        self, query: Vector, k: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], Vector]:
        """Return the ids [k'] and cosines [k'] of the clips nearest to a query [D], best first; ties by id."""
        ...


class VectorStore(Protocol):
    """Follows which committed clips are searchable. A no-op if the vectors are part of the store."""

    def add(self, ids: NDArray[np.int64], vectors: Vector) -> None: ...
    def remove(self, ids: NDArray[np.int64]) -> None: ...


class BlobStore(Protocol):
    """The thumbnails: JPEG strips by name. A cache: a missing strip is redrawn."""

    def sprite_path(self, name: str) -> str:
        """Return the path from which a window on this computer reads a strip; '' if the name is invalid."""
        ...

    def read(self, name: str) -> bytes:
        """Return a strip. Raises: OSError if it does not exist."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def remove(self, names: Iterable[str]) -> int:
        """Remove strips; return their number. Failures are logged. Never call it during a write."""
        ...

    def sweep(self, shown: Iterable[str]) -> int:
        """Remove all strips but these; return their number."""
        ...

    def is_whole(self, name: str, closely: bool) -> bool:
        """Return whether a strip exists and is not empty; `closely` also checks that it is not truncated."""
        ...


class Checks(Protocol):
    """Verifies stored data against its checksums."""

    def check(self, share: float, stop: Callable[[], bool] = lambda: False, turn: int = 0) -> CheckReport:
        """Check a share in (0, 1] of each kind of stored bytes; return the report so far once `stop` returns True.

        `turn` selects the share: successive turns cover everything.
        """
        ...

    def mend(self, report: CheckReport) -> list[int]:
        """Have damaged items rebuilt and compute missing checksums; return the ids of removed clips.

        A video with a damaged embedding is reindexed, a thumbnail is redrawn, subtitles are reread; a graph or a
        calibration is deleted, and rebuilt when next needed. A damaged catalog is repaired when it is opened.
        """
        ...


class Backup(Protocol):
    """Copies of the whole library. A copy gets its name once it is complete, checked and on the disk."""

    def measure(self) -> LibrarySize: ...

    def copy(
        self,
        target: Path,
        progress: CopyProgress,
        thumbnails: bool = True,
        hold: AbstractContextManager[object] | None = None,
    ) -> Contents:
        """Copy the library, which may be in use, to a new folder; return the contents of the copy.

        Nothing is written to the library within `hold`, which ends when the copy has its name. Raises: PathError if
        `target` exists or is within the library; any error of `progress`.
        """
        ...

    def take_in(self, backup: Path, progress: CopyProgress) -> Contents:
        """Stage a copy of a backup, which replaces the library when it is next opened.

        Raises: PathError if both are the same; LibraryMissing, LibraryTooNew.
        """
        ...


class Store(Protocol):
    """The storage of one library. Every method of its parts raises StorageError, LibraryDamaged, or ValueRefused."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def scans(self) -> ScanStore: ...
    @property
    def stages(self) -> StageQueue: ...
    @property
    def queue(self) -> WorkQueue: ...
    @property
    def clips(self) -> ClipStore: ...
    @property
    def features(self) -> FeatureStore: ...
    @property
    def listing(self) -> Listing: ...
    @property
    def annotations(self) -> AnnotationStore: ...
    @property
    def texts(self) -> TextSearch: ...
    @property
    def blobs(self) -> BlobStore: ...
    @property
    def backup(self) -> Backup: ...
    @property
    def checks(self) -> Checks: ...
