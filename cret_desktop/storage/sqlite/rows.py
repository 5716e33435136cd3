"""Converts the catalog's rows to values, and defines their SQL columns. Pure: nothing here opens a catalog."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields

import numpy as np

from cret_desktop.domain.records import PICTURES, ClipRow, FileRow
from cret_desktop.library_files import is_sprite_name
from cret_desktop.storage.sqlite.beliefs import LONGEST_PRINT, Row, believed
from cret_desktop.storage.sqlite.reasons import reason_in
from cret_desktop.storage.vectors.manifest import GraphManifest, graph_file_name

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LAST_GENERATION = 2**62  # of a manifest that is read: there is always a next one

# The columns of a manifest. Text is read as bytes, so that invalid UTF-8 does not end the reading.
GRAPH_COLUMNS = ", ".join(
    f"CASE WHEN typeof({f.name}) = 'text' AND length({f.name}) < 1000 THEN CAST({f.name} AS BLOB) END"
    if f.type == "str"
    else f.name
    for f in fields(GraphManifest)
)

# Joins a file `f` with its row `s` of the picture stage, which a waiting file may lack.
WITH_PICTURES = f"LEFT JOIN stages s ON s.file_id = f.id AND s.stage = '{PICTURES}'"
# The state and the reason of a file as shown to people: those of its picture stage.
STATE = "CASE s.state WHEN 'done' THEN 'indexed' WHEN 'failed' THEN 'failed' ELSE 'pending' END"
REASON = "coalesce(s.reason, '')"
# Whether the picture stage of a file `f` waits, is done, or has failed.
_HAS_PICTURES = f"EXISTS (SELECT 1 FROM stages p WHERE p.file_id = f.id AND p.stage = '{PICTURES}' AND p.state"
PENDING = f"NOT {_HAS_PICTURES} != 'waiting')"
INDEXED = f"{_HAS_PICTURES} = 'done')"
FAILED = f"{_HAS_PICTURES} = 'failed')"

FILE_COLUMNS = (
    f"SELECT f.id, f.root_id, r.path, f.path, f.size, f.mtime_ns, {STATE}, {REASON}, f.duration,"
    " f.missing_since IS NOT NULL, f.device, f.inode, f.away,"
    # An invalid fingerprint does not hide the file.
    f" CASE WHEN typeof(f.fingerprint) = 'blob' AND length(f.fingerprint) BETWEEN 1 AND {LONGEST_PRINT}"
    f" THEN f.fingerprint END FROM files f JOIN roots r ON r.id = f.root_id {WITH_PICTURES}"
)

CLIP_COLUMNS = (
    "SELECT c.id, c.file_id, r.path, f.path, c.ordinal, c.shot, c.start, c.end, c.sprite, c.tile_width,"
    " c.tile_height, c.poster, c.times FROM clips c JOIN files f ON f.id = c.file_id JOIN roots r ON r.id = f.root_id"
)

# A row `s` of the picture stage, done by another model than `:version` (a fingerprint), whose file has clips that
# `:version` has not embedded.
BEHIND = (
    "(s.state = 'done' AND s.version IS NOT :version AND EXISTS (SELECT 1 FROM clips c WHERE c.file_id = s.file_id"
    " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.clip_id = c.id"
    " AND e.model_id = (SELECT id FROM models WHERE fingerprint = :version))))"
)


def graph_manifest(row: Sequence[object]) -> GraphManifest | None:
    """Return the manifest in a row of `GRAPH_COLUMNS`; None if a value is invalid, the file's name above all."""
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
    "files.id files.root_id roots.path files.path files.size files.mtime_ns state stages.reason files.duration"
    " integer files.device files.inode files.away files.fingerprint"
)


def clip_rows(rows: Iterable[Row]) -> Iterator[ClipRow]:
    """Yield the clips of rows of CLIP_COLUMNS; invalid rows are skipped."""
    for row in believed(rows, _CLIP_KINDS):
        i, file_id, root, relative, ordinal, shot, start, end, sprite, width, height, poster, times = row
        seconds = tuple(np.frombuffer(times, "<f8").tolist())
        poster = min(max(poster, 0), len(seconds) - 1)
        yield ClipRow(
            i, file_id, joined_path(root, relative), ordinal, shot, start, end, sprite, width, height, poster, seconds
        )


def file_rows(rows: Iterable[Row]) -> Iterator[FileRow]:
    """Yield the files of rows of FILE_COLUMNS; invalid rows are skipped."""
    for row in believed(rows, _FILE_KINDS):
        i, root_id, root, relative, size, mtime_ns, state, reason, duration, missing, device, inode, away, print_ = row
        path = joined_path(root, relative)
        yield FileRow(
            i,
            root_id,
            path,
            size,
            mtime_ns,
            state,
            reason_in(reason),
            duration,
            bool(missing),
            device,
            inode,
            bool(away),
            print_,
        )


def joined_path(root: bytes, relative: bytes) -> str:
    """Return a file's absolute path from its root's path and its own, decoded with `os.fsdecode`."""
    return os.fsdecode(os.path.join(root, relative) if relative else root)


def relative_path(path: str, root: str) -> bytes:
    return b"" if path == root else os.fsencode(os.path.relpath(path, root))


def unused_sprites(db: sqlite3.Connection, names: Collection[str]) -> list[str]:
    """Return those of these thumbnails that no clip shows any more: files of the same content share theirs."""
    return sorted(
        name
        for name in names
        if is_sprite_name(name) and not db.execute("SELECT 1 FROM clips WHERE sprite = ?", (name,)).fetchone()
    )


def parts(ids: Sequence[int], size: int = 500) -> Iterator[list[int]]:
    """Yield ids in chunks, because SQLite limits the number of parameters of a statement."""
    for at in range(0, len(ids), size):
        yield [int(i) for i in ids[at : at + size]]
