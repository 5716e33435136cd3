"""The records of a library, as values: roots, files, clips, words, annotations, and the results of changes.

The storage back ends return and accept them; the library computes with them. Pure data: this module opens nothing and
imports no database. Paths are `str` as `os.fsdecode` returns them, times are seconds, ids are positive.
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
    """A folder (or single file) of the library, and how it is identified if its path fails (`indexing.volumes`)."""

    id: int
    path: str
    offline: bool
    volume: str = ""
    within: str = ""
    device: int = 0
    inode: int = 0
    followed: bool = True  # whether its owner wants it to be scanned


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file's row in the catalog."""

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
    away: bool = False  # not gone but unreachable: its volume within the root is not mounted
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
    """A clip with the data to show it. `times` are seconds, one per frame and sprite tile."""

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
    """The thumbnails of a clip: sprite name, tile size, and the video. `missing`: the video is unreachable."""

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
    sprite_checksum: int | None = None  # CRC-32 of the sprite as it was written


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
    """A known file seen at its path, with unchanged content."""

    row: FileRow
    file: VideoFile

    @property
    def is_change(self) -> bool:
        """Return whether it was missing, or its time or inode has changed."""
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
    """A known file with new content at its path: it keeps its annotations. `content`: the new fingerprint."""

    row: FileRow
    file: VideoFile
    content: bytes | None


@dataclass(frozen=True, slots=True)
class New:
    """An unknown file that was seen. `content`: its fingerprint, if a known file of its size has one."""

    file: VideoFile
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that cannot be a video. `row`: the known file at its path."""

    path: str
    reason: Message
    row: FileRow | None = None

    @property
    def is_change(self) -> bool:
        return self.row is None or self.row.reason != self.reason or self.row.missing


@dataclass(frozen=True, slots=True)
class Missing:
    """A known file that was not seen, though its folder was scanned."""

    row: FileRow


@dataclass(frozen=True, slots=True)
class Away:
    """A known file that became unreachable (`away`), or reachable again."""

    row: FileRow
    away: bool


@dataclass(slots=True)
class ScanPlan:
    """The effect of a scan on the known files (`library.indexing.identity.plan_changes`)."""

    kept: list[Kept] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    new: list[New] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is anything to change."""
        told = any(kept.is_change for kept in self.kept) or any(problem.is_change for problem in self.problems)
        return told or bool(self.moved or self.replaced or self.new or self.missing or self.away)


@dataclass(slots=True)
class ScanResult:
    """The changes that a scan made. All of them are committed."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    missing: int = 0
    unchanged: int = 0
    restored: int = 0
    new_problems: int = 0
    away: int = 0  # became unreachable
    back: int = 0  # reachable again
    dropped_clips: list[int] = field(default_factory=list)  # no longer searchable
    restored_clips: list[int] = field(default_factory=list)  # searchable again, or copied from an identical file
    stale_sprites: set[str] = field(default_factory=set)  # not used by any clip


@dataclass(frozen=True, slots=True)
class ShownSprite:
    """A sprite in use: its name in the thumbnails' folder, the size of a tile in pixels, the number of tiles."""

    name: str
    tile_width: int
    tile_height: int
    tiles: int
    checksum: int | None = None  # CRC-32 of its JPEG, if known


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A subtitle file at the time it was read."""

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
    """A file in which all the words were found, in one or more of name, folders, tags and note."""

    file_id: int
    columns: tuple[str, ...]
    note: str  # the text around the words in the note, '' if they are not in it


@dataclass(frozen=True, slots=True)
class LineHit:
    """A subtitle line that contains all the words."""

    file_id: int
    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class SaidOfFile:
    """The annotations of a file.

    `path` is '' for content whose file is gone, `fingerprint` empty for a file never indexed.
    """

    path: str
    size: int
    fingerprint: bytes
    favourite: bool
    tags: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search that the user saved under a name."""

    name: str
    text: str
    without: str = ""
    sort: Sort = Sort.RELEVANCE
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of importing records, in numbers.

    `files`: recognised. `waiting`: their annotations are kept until their content appears. `unknown`: skipped.
    `notes_joined`: merged with existing notes. `searches`: new saved searches.
    """

    files: int = 0
    waiting: int = 0
    unknown: int = 0
    notes_joined: int = 0
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Gone:
    """The result of forgetting videos, in numbers: videos, removed folders, annotations that were kept.

    `staying`: videos of the path that are still in the library. `clips` and `sprites`: ids and thumbnail names that are
    no longer used.
    """

    videos: int
    folders: int
    kept: int
    staying: int
    clips: tuple[int, ...]
    sprites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The clips that a reader knows: ids [N] ascending, the file of each [N], and the store's cursor then."""

    ids: NDArray[np.int64]
    files: NDArray[np.int64]
    cursor: object = None


@dataclass(frozen=True, slots=True)
class LibrarySize:
    """Sizes in bytes; `free` is the free space on the library's disk."""

    catalog: int
    thumbnails: int
    graphs: int
    free: int

    @property
    def whole(self) -> int:
        return self.catalog + self.thumbnails + self.graphs


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a library, read without opening it."""

    videos: int
    clips: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged stored item. `owner`: the video, or the file of the library."""

    kind: Literal["catalog", "video", "clip", "embedding", "thumbnail", "subtitle", "graph", "calibration"]
    owner: str
    key: int | str = 0  # the id of the clip or line, or the name of the sprite or file


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check: checked items by kind, and damaged ones. `unknown`: items without a checksum."""

    checked: dict[str, int]
    damaged: tuple[Damage, ...]
    unknown: int = 0
