"""The catalog's rows as values, and what SQL's columns of them are. Pure: nothing here opens a catalog."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import VideoFile
from cret_desktop.index.beliefs import Row, believed
from cret_desktop.library_files import is_sprite_name


@dataclass(frozen=True, slots=True)
class GraphManifest:
    """One generation of the vector index: a graph file, and all that must hold before it is believed.

    `proof` authenticates the other fields with the library's key (`index.vector_index`); '' has none.
    """

    generation: int
    file: str
    size: int
    digest: str
    last_clip_id: int
    count: int
    width: int
    space: str
    m: int
    ef_construction: int
    model: str  # fingerprint
    library_version: str
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Root:
    """A folder (or a single file) of the library, and what it is known by where its path fails (`library.volumes`)."""

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
    reason: str
    duration: float | None
    missing: bool
    device: int = 0
    inode: int = 0
    away: bool = False  # not gone, and cannot be reached: what it lies on within its root is not there

    def is_unchanged(self, file: VideoFile) -> bool:
        return (self.size, self.mtime_ns) == (file.size, file.mtime_ns)


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


@dataclass(frozen=True, slots=True)
class RootCounts:
    root: Root
    files: int
    clips: int
    failed: int
    pending: int
    seconds: float


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


_DIGEST = re.compile(r"[0-9a-f]{64}")
_LAST_GENERATION = 2**62  # of a manifest that is read: there is always a next one

# What a manifest is read from. Text comes as bytes, so that none which is not UTF-8 ends the reading.
GRAPH_COLUMNS = ", ".join(
    f"CASE WHEN typeof({f.name}) = 'text' AND length({f.name}) < 1000 THEN CAST({f.name} AS BLOB) END"
    if f.type == "str"
    else f.name
    for f in fields(GraphManifest)
)

FILE_COLUMNS = (
    "SELECT f.id, f.root_id, r.path, f.path, f.size, f.mtime_ns, f.state, f.reason, f.duration,"
    " f.missing_since IS NOT NULL, f.device, f.inode, f.away FROM files f JOIN roots r ON r.id = f.root_id"
)

CLIP_COLUMNS = (
    "SELECT c.id, c.file_id, r.path, f.path, c.ordinal, c.shot, c.start, c.end, c.sprite, c.tile_width,"
    " c.tile_height, c.poster, c.times FROM clips c JOIN files f ON f.id = c.file_id JOIN roots r ON r.id = f.root_id"
)

# A file `f`, last indexed with the model `m`, that has clips without embeddings of another model, given twice.
BEHIND = (
    "(f.state = 'indexed' AND m.fingerprint IS NOT ? AND EXISTS (SELECT 1 FROM clips c WHERE c.file_id = f.id"
    " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.clip_id = c.id"
    " AND e.model_id = (SELECT id FROM models WHERE fingerprint = ?))))"
)


def graph_prefix(model: str) -> str:
    """What the files of a model's graphs begin with."""
    return hashlib.sha256(model.encode()).hexdigest()[:12]


def graph_file_name(model: str, generation: int) -> str:
    """The only name that the graph of a model (a fingerprint) and generation may have."""
    return f"{graph_prefix(model)}-{generation}.hnsw"


def graph_manifest(row: Sequence[object]) -> GraphManifest | None:
    """A manifest of `GRAPH_COLUMNS`; None where a value is none that was ever written, the file's name above all."""
    values: list[int | str] = []
    for column, value in zip(fields(GraphManifest), row, strict=True):
        if column.type == "int" and isinstance(value, int) and value >= 0:
            values.append(value)
        elif column.type == "str" and isinstance(value, bytes):
            try:
                values.append(value.decode())
            except UnicodeDecodeError:
                return None
        else:
            return None
    manifest = GraphManifest(*values)  # type: ignore[arg-type] # each of its column's type, as was just seen
    named = manifest.file == graph_file_name(manifest.model, manifest.generation)
    digests = [manifest.digest, manifest.proof] if manifest.proof else [manifest.digest]
    proven = all(_DIGEST.fullmatch(digest) for digest in digests)
    return manifest if named and proven and manifest.generation < _LAST_GENERATION else None


_CLIP_KINDS = (
    "clips.id clips.file_id roots.path files.path clips.ordinal clips.shot clips.start clips.end clips.sprite"
    " clips.tile_width clips.tile_height clips.poster clips.times"
)
_FILE_KINDS = (
    "files.id files.root_id roots.path files.path files.size files.mtime_ns files.state files.reason files.duration"
    " integer files.device files.inode files.away"
)


def clip_rows(rows: Iterable[Row]) -> Iterator[ClipRow]:
    """The clips of rows of CLIP_COLUMNS; what can be none is left out."""
    for row in believed(rows, _CLIP_KINDS):
        i, file_id, root, relative, ordinal, shot, start, end, sprite, width, height, poster, times = row
        seconds = tuple(np.frombuffer(times, "<f8").tolist())
        poster = min(max(poster, 0), len(seconds) - 1)
        yield ClipRow(
            i, file_id, joined_path(root, relative), ordinal, shot, start, end, sprite, width, height, poster, seconds
        )


def file_rows(rows: Iterable[Row]) -> Iterator[FileRow]:
    """The files of rows of FILE_COLUMNS; what can be none is left out."""
    for row in believed(rows, _FILE_KINDS):
        i, root_id, root, relative, size, mtime_ns, state, reason, duration, missing, device, inode, away = row
        path = joined_path(root, relative)
        yield FileRow(
            i, root_id, path, size, mtime_ns, state, reason, duration, bool(missing), device, inode, bool(away)
        )


def joined_path(root: bytes, relative: bytes) -> str:
    """A file's absolute path of its root's and its own, as `os.fsdecode` gives it."""
    return os.fsdecode(os.path.join(root, relative) if relative else root)


def relative_path(path: str, root: str) -> bytes:
    return b"" if path == root else os.fsencode(os.path.relpath(path, root))


def unused_sprites(db: sqlite3.Connection, names: Collection[str]) -> list[str]:
    """Of these thumbnails, those that no clip shows any more: files of the same content share theirs."""
    return sorted(
        name
        for name in names
        if is_sprite_name(name) and not db.execute("SELECT 1 FROM clips WHERE sprite = ?", (name,)).fetchone()
    )


def parts(ids: Sequence[int], size: int = 500) -> Iterator[list[int]]:
    """SQLite bounds the number of parameters of a statement."""
    for at in range(0, len(ids), size):
        yield [int(i) for i in ids[at : at + size]]
