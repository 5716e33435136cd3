"""The records that a library keeps, as values: roots, files, clips, words, annotations, and the results of changes.

The storage back ends return and accept them; the library computes with them. Pure data: this module opens nothing and
knows no database. Paths are `str` as `os.fsdecode` gives them, times are seconds, ids are positive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cret_desktop.domain.clips import Sort, VideoFile
from cret_desktop.messages import Message

if TYPE_CHECKING:  # the window names these types and opens without loading numpy
    import numpy as np
    from numpy.typing import NDArray


PICTURES = "pictures"  # the stage of indexing whose state is that of the file


@dataclass(frozen=True, slots=True)
class Root:
    """A folder (or a single file) of the library, and what it is known by where its path fails (`indexing.volumes`)."""

    id: int
    path: str
    offline: bool
    volume: str = ""
    within: str = ""
    device: int = 0
    inode: int = 0
    followed: bool = True  # whether its owner wants it looked at


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file as the catalog knows it."""

    id: int
    root_id: int
    path: str  # absolute
    size: int
    mtime_ns: int
    state: str
    reason: Message | None
    duration: float | None
    missing: bool
    device: int = 0
    inode: int = 0
    away: bool = False  # not gone, and cannot be reached: what it lies on within its root is not there
    fingerprint: bytes | None = None  # of its content when it was indexed

    def is_unchanged(self, file: VideoFile) -> bool:
        return (self.size, self.mtime_ns) == (file.size, file.mtime_ns)


@dataclass(frozen=True, slots=True)
class StageCounts:
    """How far a stage is with the files within reach. `seconds`: of what waits, as far as its length is known."""

    waiting: int
    done: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip with what is needed to show it. `times` are seconds, one a frame and a sprite tile."""

    id: int
    file_id: int
    path: str  # of the video, absolute
    ordinal: int
    shot: int
    start: float
    end: float
    sprite: str
    tile_width: int
    tile_height: int
    poster: int
    times: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ThumbnailRow:
    """The thumbnails of a clip: their file's name, their size, and the video. `missing`: it cannot be reached."""

    sprite: str
    tile_width: int
    tile_height: int
    file_id: int
    file: VideoFile
    missing: bool


@dataclass(frozen=True, slots=True)
class NewClip:
    """A clip about to be committed: geometry, name of its sprite, and features (globals [M, D], centers [C, D])."""

    ordinal: int
    shot: int
    start: float
    end: float
    sprite: str
    tile_width: int
    tile_height: int
    poster: int
    times: tuple[float, ...]
    globals: NDArray[np.float32]
    centers: NDArray[np.float32]
    sprite_checksum: int | None = None  # CRC-32 of the strip as it was written


@dataclass(frozen=True, slots=True)
class RootCounts:
    root: Root
    files: int
    clips: int
    failed: int
    pending: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A known file that was seen where it was, with the content that it had."""

    row: FileRow
    file: VideoFile

    @property
    def is_change(self) -> bool:
        """Whether it was missing, or has another time or number in the file system now."""
        now = (self.file.mtime_ns, self.file.device, self.file.inode)
        return self.row.missing or now != (self.row.mtime_ns, self.row.device, self.row.inode)


@dataclass(frozen=True, slots=True)
class Moved:
    """A known file that was seen at another path. `over`: the known file that was at that path before."""

    row: FileRow
    file: VideoFile
    over: FileRow | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """A known file whose path holds another content now: it keeps what was said of it. `content`: the fingerprint."""

    row: FileRow
    file: VideoFile
    content: bytes | None


@dataclass(frozen=True, slots=True)
class New:
    """A file seen that is not known. `content`: its fingerprint, where a file of its size has one."""

    file: VideoFile
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that cannot be a video. `row`: what is known of its path."""

    path: str
    reason: Message
    row: FileRow | None = None

    @property
    def is_change(self) -> bool:
        return self.row is None or self.row.reason != self.reason or self.row.missing


@dataclass(frozen=True, slots=True)
class Missing:
    """A known file that was not seen, though its place was looked at."""

    row: FileRow


@dataclass(frozen=True, slots=True)
class Away:
    """A known file that cannot be reached now and could before (`away`), or the reverse."""

    row: FileRow
    away: bool


@dataclass(slots=True)
class ScanPlan:
    """What a scan means for the files that are known (`library.indexing.identity.plan_changes`)."""

    kept: list[Kept] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    new: list[New] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything is to be changed."""
        told = any(kept.is_change for kept in self.kept) or any(problem.is_change for problem in self.problems)
        return told or bool(self.moved or self.replaced or self.new or self.missing or self.away)


@dataclass(slots=True)
class ScanResult:
    """What a scan changed. Everything in it is committed."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    missing: int = 0
    unchanged: int = 0
    restored: int = 0
    new_problems: int = 0
    away: int = 0  # that cannot be reached now, and could before
    back: int = 0  # the other way round
    dropped_clips: list[int] = field(default_factory=list)  # no longer searchable
    restored_clips: list[int] = field(default_factory=list)  # searchable again, or by what is known of a copy
    stale_sprites: set[str] = field(default_factory=set)  # that no clip shows any more


@dataclass(frozen=True, slots=True)
class ShownSprite:
    """A strip that clips show: its name under the thumbnails' folder, the size of a tile in pixels, how many."""

    name: str
    tile_width: int
    tile_height: int
    tiles: int
    checksum: int | None = None  # CRC-32 of its JPEG, where it is known


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A subtitle file as it was when it was read."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Line:
    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class FileHit:
    """A file that all the words were found at, in one or more of name, folders, tags and note."""

    file_id: int
    columns: tuple[str, ...]
    note: str  # what stands around the words in the note, '' where none is there


@dataclass(frozen=True, slots=True)
class LineHit:
    """A subtitle line that holds all the words."""

    file_id: int
    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class SaidOfFile:
    """`path` is '' for content that waits for its file to come back, `fingerprint` empty for a file never indexed."""

    path: str
    size: int
    fingerprint: bytes
    favourite: bool
    tags: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search that a person keeps under a name of its own."""

    name: str
    text: str
    without: str = ""
    sort: Sort = Sort.RELEVANCE
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of taking records in: files that were known again, files whose content is kept for when it comes,
    files that are not known at all; notes joined with another that was there; saved searches that were new."""

    files: int = 0
    waiting: int = 0
    unknown: int = 0
    notes_joined: int = 0
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Gone:
    """What was forgotten, in numbers: videos, removed folders, annotations that were kept. `staying`: videos of the
    path that are still in the library. `clips` and `sprites` are ids and names of thumbnails that nothing has now."""

    videos: int
    folders: int
    kept: int
    staying: int
    clips: tuple[int, ...]
    sprites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The clips that a reader knows: ids [N] ascending, the file of each [N], and the store's mark of that reading."""

    ids: NDArray[np.int64]
    files: NDArray[np.int64]
    cursor: object = None


@dataclass(frozen=True, slots=True)
class LibrarySize:
    """In bytes; `free` is left on the library's disk."""

    catalog: int
    thumbnails: int
    graphs: int
    free: int

    @property
    def whole(self) -> int:
        return self.catalog + self.thumbnails + self.graphs


@dataclass(frozen=True, slots=True)
class Contents:
    """What a library holds, read without opening it."""

    videos: int
    clips: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Something stored that is not as it was written. `owner`: the video, or the file of the library."""

    kind: Literal["catalog", "video", "clip", "embedding", "thumbnail", "subtitle", "graph", "calibration"]
    owner: str
    key: int | str = 0  # the clip's or the line's id, the strip's or the file's name


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check looked at, in numbers by kind, and what it found damaged. `unknown`: had no checksum yet."""

    checked: dict[str, int]
    damaged: tuple[Damage, ...]
    unknown: int = 0
