"""What the library asks of models, media and storage, as Protocols.

`library` programs against these and imports no model, no decoder and no storage; `engine.assemble` puts the real ones
behind them, tests put fakes. The storage ports are few enough for a second back end: no connection and no SQL passes
through them, ids are opaque and in no order across writers, and the only transaction that spans two calls is a scan's.
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

CopyProgress = Callable[[int, int], None]  # bytes done, bytes in all; what it raises ends the copying


class VideoEncoder(Protocol):
    """Encodes clips. May load its weights on first use; `release` gives memory back while idle."""

    def encode(self, frames: Frames) -> Features:
        """uint8 RGB [N, M, H, W, 3] -> globals [N, M, D], centers [N, C, D].

        Raises: ModelError.
        """
        ...

    def release(self) -> None: ...


class TextEncoder(Protocol):
    """Encodes queries, alone and without the video side."""

    def encode(self, texts: Sequence[str]) -> Features:
        """-> globals [N, D], centers [N, C, D]. Raises: ModelError."""
        ...


class FitPicture(Protocol):
    """Makes of a picture the square that a model's frames are."""

    def __call__(self, picture: Picture, frame_format: FrameFormat) -> NDArray[np.uint8]:
        """-> uint8 RGB [size, size, 3]."""
        ...


class Model(Protocol):
    """A pair of encoders and what must be known of them. `info` is cheap: it never loads weights.

    `device_lost` is a message once a GPU has failed and the CPU has taken its place, until then None.
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
    """Turns files into clips, several files at a time; events of different files interleave, those of one are in order.

    A file ends with exactly one FileDecoded or FileFailed. Bad files are events, never exceptions. Files are taken
    from the iterable only as capacity frees, so that what is under way is bounded. Closing the iterator stops the work.
    """

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]: ...

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        """What the headers of files tell, of as many as can be read in about `seconds`. Bad files are left out."""
        ...

    def close(self) -> None: ...


class Catalog(Protocol):
    """The library's folders, and what it knows of their files."""

    def add_root(self, path: str) -> Root:
        """Make a path (absolute) part of the library; return the root that covers it, which may be around it."""
        ...

    def roots(self) -> list[Root]: ...

    def set_offline(self, root_id: int, offline: bool) -> None: ...

    def place_root(self, root: Root) -> None:
        """Note where a root lies now, and that it is there; all its files come with it."""
        ...

    def remove_root(self, root_id: int) -> list[int]:
        """Take a root out of the library; return the ids of its clips. All it held is missing until `purge`."""
        ...

    def was_removed(self, path: str) -> bool:
        """Return whether a root of this path was removed, and can still be restored."""
        ...

    def restore_root(self, path: str) -> list[int] | None:
        """Bring a removed root back with all it held; return the ids of its clips. None where none was removed."""
        ...

    def files(self, root_id: int, within: str | None = None) -> dict[str, FileRow]:
        """Return all files of a root (or in a folder within it) by absolute path, missing ones included."""
        ...

    def counts(self, model: str) -> list[RootCounts]:
        """Return what each root holds; `pending` waits for indexing with `model` (a fingerprint)."""
        ...

    def failures(self) -> list[tuple[str, Message]]:
        """Return (path, reason) of what failed or is incomplete, subtitle files included, by path."""
        ...


class OpenScan(Protocol):
    """One scan of a root, within the transaction that brings the catalog to it."""

    @property
    def known(self) -> Mapping[str, FileRow]:
        """The files of the place that was scanned by absolute path, missing ones included."""
        ...

    def candidates(self, seen: Sequence[VideoFile], contents: Mapping[str, bytes]) -> list[FileRow]:
        """Return the files of the whole catalog that one of these files seen may be the new place of.

        They have its fingerprint (`contents`, by path) and size, and are missing or in a root that is not offline. Or
        they have no fingerprint, were annotated, and have its size, time and number in the file system. Of one content,
        annotated files come first, then those that are not missing, then those missing longest.
        """
        ...

    def apply(self, plan: ScanPlan) -> ScanResult:
        """Make the catalog say what the plan does; committed when the scan's transaction is.

        A missing file of which nothing is known or was said is deleted. A file that is new or replaced is indexed at
        once as a copy, where its content is that of an indexed file.
        """
        ...


class ScanStore(Protocol):
    """Brings what the catalog says of files to what a scan saw."""

    def content_sizes(self) -> set[int]:
        """Return the sizes of all files that have a fingerprint: a file of another size can be none of them."""
        ...

    def scanning(self, root: Root, within: str | None = None) -> AbstractContextManager[OpenScan | None]:
        """Open the transaction of one scan of a root, or of the folder `within` it.

        None where the root was removed, or lies elsewhere now. Two scans of one root never overlap.
        """
        ...


class StageQueue(Protocol):
    """What each stage of indexing is still to do, who is at it, and what came of it. Each change is one transaction.

    A stage has a name and a version, which is what does it: a model's fingerprint, say. A file waits for a stage until
    the stage is done or has failed, and again where another version did it. Stages know nothing of each other, and a
    file stays searchable by what others have made of it.

    Several machines may work at one library: each claims what it is about to do, under a name of its own (`owner`), and
    claims it again before its lease runs out. A single writer claims nothing, and leaves `owner` None.
    """

    def due(
        self, stage: str, version: str, root_id: int, within: str | None = None, owner: str | None = None
    ) -> list[tuple[int, VideoFile]]:
        """Return the files of a root that wait for a stage, with their ids, by path.

        Left out are files that are missing, away or no regular file, and those that an owner other than `owner` holds.
        """
        ...

    def claim(self, stage: str, version: str, file_ids: Sequence[int], owner: str, seconds: float) -> list[int]:
        """Claim a stage of these files for so many seconds, or renew that; return the ids of those that `owner` holds.

        Two owners never hold a stage of a file at once. A claim that has run out is free for others.
        """
        ...

    def release(self, owner: str) -> int:
        """Give back all that an owner holds; return how many stages."""
        ...

    def finish(
        self, stage: str, version: str, file_id: int, reason: Message | None = None, owner: str | None = None
    ) -> bool:
        """Record that a stage is done; `reason`: what is missing all the same.

        What the stage has made is kept before. Return False, and record nothing, where the file has left the library or
        somebody else holds the stage.
        """
        ...

    def fail(self, stage: str, file_id: int, reason: Message, owner: str | None = None) -> bool:
        """List a stage of a file as failed until the file changes or it is retried; return as `finish`."""
        ...

    def retry(self, stage: str) -> int:
        """Make the files that a stage failed on wait for it again; return how many."""
        ...

    def counts(self, stage: str, version: str) -> StageCounts: ...


class WorkQueue(Protocol):
    """What becomes of files in indexing, and of their pictures. Each change is one transaction."""

    def lengths(self, file_ids: Sequence[int]) -> dict[int, float]:
        """Return the seconds of those files whose length is known."""
        ...

    def record_infos(self, infos: Mapping[int, VideoInfo]) -> None:
        """Keep what the headers of waiting files say, by file id, until they are indexed."""
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
        """Make a file searchable, its picture stage done; return (clip ids, clip ids gone, thumbnails gone).

        A thumbnail is gone, by its name, where no clip shows it now. The ids are in the order of `clips`, and in no
        order among those of other files. Clips that stand where they stood keep their id. A file that has left the
        catalog stays out of it: no ids.
        """
        ...

    def index_as_copy(self, file_id: int, file: VideoFile, fingerprint: bytes, model_id: int) -> ScanResult:
        """Index a waiting file by what a model has made of another file of its content, if there is one."""
        ...

    def fail_file(self, file_id: int, file: VideoFile, reason: Message) -> tuple[list[int], list[str]]:
        """List the picture stage of a file as failed until it changes; return ids and thumbnails of clips it had."""
        ...

    def retry_failures(self) -> int:
        """Make files wait for the stages that failed, and subtitle files for the next scan; return how many."""
        ...

    def index_root_again(self, root_id: int) -> int:
        """Make the files of a root wait for all stages that ended; return how many. Their clips stay."""
        ...

    def purge(self, before: float) -> tuple[list[int], list[str]]:
        """Forget what has been missing since before a time (`time.time`), and roots removed before it.

        Return ids and thumbnails of the clips that are gone. Annotations are kept for the return of the content.
        """
        ...

    def index_again(self, file_ids: Sequence[int]) -> None:
        """Make indexed files wait for the picture stage; they can be searched until then."""
        ...


class ClipStore(Protocol):
    """The clips of indexed files, as they are shown."""

    def clips(self, ids: Sequence[int]) -> dict[int, ClipRow]:
        """Return clips by id; ids that are not there are left out."""
        ...

    def clips_of(self, file_id: int) -> list[ClipRow]:
        """Return all clips of a file, in order."""
        ...

    def clip_at(self, file_id: int, seconds: float) -> ClipRow | None:
        """Return the clip of a file that holds a time, or the last that begins before it; None where it has none."""
        ...

    def spread_clips(self, file_id: int, count: int) -> list[ClipRow]:
        """Return at most `count` clips of a file, evenly spread over it, in order."""
        ...

    def sample_clips(self, count: int) -> list[tuple[int, int]]:
        """Return (clip id, file id) of at most `count` live clips, evenly spread over the library."""
        ...

    def clip_files(self, known: ClipFiles) -> ClipFiles:
        """Return all clips there have been and the files they are of: those `known`, and those added since then.

        Neither a clip's id nor its file ever changes.
        """
        ...

    def thumbnails(self) -> Iterator[ThumbnailRow]:
        """Yield one row per clip that has thumbnails, those of files that wait or are missing included."""
        ...

    def shown_sprites(self) -> list[ShownSprite]:
        """Return each strip that clips show once, with its size."""
        ...

    def record_sprite(self, name: str, checksum: int) -> None:
        """Keep the checksum (CRC-32) of a strip that was drawn again."""
        ...

    def swap_sprites(self, pairs: Iterable[tuple[str, ShownSprite]]) -> None:
        """Show other strips in place of those of these names, in one transaction."""
        ...


class FeatureStore(Protocol):
    """What models have made of clips."""

    def record_model(self, info: ModelInfo) -> int:
        """Return the number that a model is kept under, which `WorkQueue` takes."""
        ...

    def clip_ids(self, model: str) -> NDArray[np.int64]:
        """Return the ids of live clips that a model (a fingerprint) has embedded, ascending; all above 0."""
        ...

    def count_behind(self, model: str) -> int:
        """Return how many files within reach are searchable with some model and not with this one."""
        ...

    def count_embedded(self) -> dict[str, int]:
        """Return how many clips can be searched, by the fingerprint of the model."""
        ...

    def embedding_bytes(self, model: str) -> int:
        """Return what a model's embeddings take up, those of missing files included."""
        ...

    def remove_model(self, model: str) -> list[str]:
        """Forget what a model has made; return the names of its graph files, which are then to be removed."""
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
    """The files as people see them. Missing files are never listed, offline ones are."""

    def count(self, filters: Filters, without: Sequence[int] = ()) -> int: ...

    def admitted(self, filters: Filters) -> NDArray[np.int64]:
        """Return the ids of the files that the operators admit, in no order."""
        ...

    def page(
        self, filters: Filters, sort: Sort, reverse: bool, limit: int, offset: int, without: Sequence[int] = ()
    ) -> list[int]:
        """Return the ids of `limit` files from the `offset`-th on, in order; equal ones always in the same order."""
        ...

    def ordered(self, file_ids: Collection[int], sort: Sort, reverse: bool) -> list[int]:
        """Return these files in order."""
        ...

    def files(self, file_ids: Collection[int]) -> dict[int, LibraryFile]:
        """Return files by id, missing ones included; ids that are not there are left out."""
        ...


class AnnotationStore(Protocol):
    """What people say of their files. Each change is on the disk before its call returns."""

    def tags(self) -> tuple[tuple[str, int], ...]:
        """Return every tag in use with its number of files, by name."""
        ...

    def change_tags(self, file_ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> None:
        """Files that have left the library are passed over. Raises: QueryError for a bad tag."""
        ...

    def set_favourite(self, file_ids: Sequence[int], favourite: bool) -> None: ...

    def set_note(self, file_id: int, note: str) -> None:
        """Raises: PathError where the file has left the library, QueryError for a note that is too long."""
        ...

    def saved_searches(self) -> tuple[SavedSearch, ...]:
        """Return all of them, by name."""
        ...

    def save_search(self, search: SavedSearch) -> None:
        """Keep a search; one of the same name is replaced. Raises: QueryError for a bad name."""
        ...

    def forget_search(self, name: str) -> None: ...

    def records(self) -> tuple[list[SaidOfFile], list[SavedSearch]]:
        """Return all that people said: of files by path, then of content that is not there; their searches by name."""
        ...

    def merge(self, said: Sequence[SaidOfFile], searches: Sequence[SavedSearch]) -> Merged:
        """Add records to what is there, all or none; done twice, the second time changes nothing.

        Raises: QueryError for a bad tag.
        """
        ...


class TextSearch(Protocol):
    """Words in names, folders, tags, notes and subtitles. The last word may be the beginning of a longer one."""

    def count_files(self, words: Sequence[str]) -> int: ...

    def count_lines(self, words: Sequence[str]) -> int: ...

    def files(self, words: Sequence[str], limit: int) -> list[FileHit]:
        """Return files at which all the words are found, best first. Missing files are never found."""
        ...

    def lines(self, words: Sequence[str], limit: int) -> list[LineHit]:
        """Return subtitle lines that hold all the words, best first."""
        ...

    def sidecars(self, root_id: int, paths: Sequence[str]) -> dict[str, tuple[int, set[Sidecar]]]:
        """Return, of these files of a root by path, their id and the subtitle files that were read."""
        ...

    def set_subtitles(
        self, file_id: int, sidecars: Sequence[Sidecar], lines: Sequence[Line], reasons: Mapping[str, Message]
    ) -> None:
        """Replace a file's subtitle lines. `reasons`: one for each sidecar's path that could not be read."""
        ...


class VectorSearch(Protocol):
    """The clips of one model by their unit vectors. Any number of searches may run beside each other."""

    def __len__(self) -> int: ...

    def search(
        self, query: Vector, k: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], Vector]:
        """Return the ids [k'] and cosines [k'] of the clips nearest to a query [D], best first; equal ones by id."""
        ...


class VectorStore(Protocol):
    """Is told which clips can be found, once they are committed. Where vectors are part of the store, does nothing."""

    def add(self, ids: NDArray[np.int64], vectors: Vector) -> None: ...
    def remove(self, ids: NDArray[np.int64]) -> None: ...


class BlobStore(Protocol):
    """The thumbnails: a strip of JPEG by name. A cache: one that is not there is drawn again."""

    def sprite_path(self, name: str) -> str:
        """Return the path by which a window on this computer reads a strip; '' for what is no strip's name."""
        ...

    def read(self, name: str) -> bytes:
        """Raises: OSError where it is not there."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def remove(self, names: Iterable[str]) -> int:
        """Remove strips; return how many. One that cannot be removed stays and is logged. Nothing is being written."""
        ...

    def sweep(self, shown: Iterable[str]) -> int:
        """Remove all but these; return how many."""
        ...

    def is_whole(self, name: str, closely: bool) -> bool:
        """Return whether a strip is there; `closely`, also whether it was cut short."""
        ...


class Checks(Protocol):
    """Looks whether what is stored is as it was written."""

    def check(self, share: float, stop: Callable[[], bool] = lambda: False, turn: int = 0) -> CheckReport:
        """Look at a share in (0, 1] of each kind of stored bytes; ends early, with what it has, once `stop`.

        `turn` picks the share: so many turns in a row as there are shares look at everything.
        """
        ...

    def mend(self, report: CheckReport) -> list[int]:
        """Have damaged items rebuilt and compute missing checksums; return the ids of removed clips.

        A video with a damaged embedding is indexed again, a thumbnail is drawn again, subtitles are read again; a graph
        or a calibration is deleted, and rebuilt when it is next needed. A damaged catalog is repaired at its opening.
        """
        ...


class Backup(Protocol):
    """Copies of the whole library. A copy has its name once it is whole, checked and on the disk."""

    def measure(self) -> LibrarySize: ...

    def copy(
        self,
        target: Path,
        progress: CopyProgress,
        thumbnails: bool = True,
        hold: AbstractContextManager[object] | None = None,
    ) -> Contents:
        """Copy the library, which may be in use, to a folder that is not there yet; return what the copy holds.

        Nothing is written to the library within `hold`, which ends when the copy has its name. Raises: PathError where
        `target` is taken or within the library; what `progress` raises.
        """
        ...

    def take_in(self, backup: Path, progress: CopyProgress) -> Contents:
        """Copy a backup to where the next opening of the library puts it in its place.

        Raises: PathError where both are the same; LibraryMissing, LibraryTooNew.
        """
        ...


class Store(Protocol):
    """All that one library keeps. Every method of its parts raises StorageError, LibraryDamaged, or ValueRefused."""

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
