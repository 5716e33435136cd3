"""The catalog: roots, files, clips, embeddings and graph manifests in SQLite. The library's only truth.

One writing connection behind a lock, one reading connection a thread. A file is wholly in or wholly out: its clips,
embeddings and state change in one transaction. Never decodes, encodes or touches a video file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import Features, ModelInfo, VideoFile, VideoInfo
from cret_desktop.errors import CretError, LibraryDamaged, LibraryMissing, StorageError
from cret_desktop.index.annotations import give_back_annotations, is_annotated, keep_annotations
from cret_desktop.index.filters import is_inside
from cret_desktop.index.migrations import SCHEMA_VERSION, check_version, migrate, name_sort_key

BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class GraphManifest:
    """One generation of the vector index: a graph file, and all that must hold before it is believed."""

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
    dropped_clips: list[int] = field(default_factory=list)  # no longer searchable
    restored_clips: list[int] = field(default_factory=list)  # searchable again, or by what is known of a copy
    stale_sprites: set[str] = field(default_factory=set)  # that no clip shows any more


class Catalog:
    """The catalog of one library. Use as a context manager or call `close`.

    Raises from `open`: LibraryTooNew, LibraryDamaged, LibraryMissing (read-only and not there), StorageError.
    Every method raises StorageError when the disk is full or read-only, LibraryDamaged when SQLite finds damage.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection | None) -> None:
        self.path = path
        self._writer = writer
        self._lock = threading.RLock()
        self._readers = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._dirty = path.with_name(path.name + ".open")

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Catalog:
        with _translated(path):
            if read_only:
                if not path.exists():
                    raise LibraryMissing(
                        f"There is no library at {path.parent}. Make one with `cret-desktop index FOLDER`."
                    )
                catalog = cls(path, None)
                version = check_version(catalog.reader(), path)
                if version < SCHEMA_VERSION:
                    raise LibraryDamaged(
                        f"The library {path.parent} is of an older version (schema {version}). Open the window once "
                        "or run `cret-desktop index` to bring it up to date; a backup is kept."
                    )
                return catalog
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                check_version(writer, path)  # before anything is written to a file that may not be ours
                writer.execute("PRAGMA journal_mode = WAL")
                writer.execute("PRAGMA synchronous = NORMAL")
                writer.execute("PRAGMA foreign_keys = ON")
                catalog = cls(path, writer)
                catalog._check_after_unclean_end()
                migrate(writer, path)
            except BaseException:
                writer.close()
                raise
            return catalog

    def close(self) -> None:
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
                self._dirty.unlink(missing_ok=True)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- roots ------------------------------------------------------------------------------------------------

    def add_root(self, path: str) -> Root:
        """Make `path` (absolute) part of the library; returns the root that covers it.

        Inside an existing root nothing is added; existing roots inside `path` are taken up into it.
        """
        path = os.path.abspath(path)
        with self.write() as db:
            roots = self._roots(db)
            for root in roots:
                if is_inside(path, root.path):
                    return root
            cursor = db.execute("INSERT INTO roots (path, added_at) VALUES (?, ?)", (os.fsencode(path), time.time()))
            new = int(cursor.lastrowid or 0)
            for root in roots:
                if is_inside(root.path, path):
                    prefix = os.fsencode(os.path.relpath(root.path, path))
                    for file_id, relative in db.execute(
                        "SELECT id, path FROM files WHERE root_id = ?", (root.id,)
                    ).fetchall():
                        joined = os.path.join(prefix, relative) if relative else prefix
                        db.execute("UPDATE files SET root_id = ?, path = ? WHERE id = ?", (new, joined, file_id))
                    db.execute("DELETE FROM roots WHERE id = ?", (root.id,))
            return Root(new, path, False)

    def roots(self) -> list[Root]:
        return self._roots(self.reader())

    @staticmethod
    def _roots(db: sqlite3.Connection) -> list[Root]:
        rows = db.execute("SELECT id, path, offline, volume, within, device, inode FROM roots ORDER BY path").fetchall()
        return [Root(i, os.fsdecode(p), bool(o), v, os.fsdecode(w), d, n) for i, p, o, v, w, d, n in rows]

    def remove_root(self, root_id: int) -> tuple[list[int], list[str]]:
        """Forget a root and all it holds; returns ids and sprite names of the clips that are gone.

        What people said of its files is kept for when the same content comes back.
        """
        with self.write(durable=True) as db:
            keep_annotations(db, "f.root_id = ?", root_id)
            gone = db.execute(
                "SELECT c.id, c.sprite FROM clips c JOIN files f ON f.id = c.file_id WHERE f.root_id = ?", (root_id,)
            ).fetchall()
            db.execute("DELETE FROM roots WHERE id = ?", (root_id,))
            return [i for i, _ in gone], self._unused_sprites(db, {s for _, s in gone})

    def purge(self, before: float) -> tuple[list[int], list[str]]:
        """Forget files that have been missing since before a time (`time.time`); returns as `remove_root`."""
        with self.write(durable=True) as db:
            keep_annotations(db, "f.missing_since < ?", before)
            gone = db.execute(
                "SELECT c.id, c.sprite FROM clips c JOIN files f ON f.id = c.file_id WHERE f.missing_since < ?",
                (before,),
            ).fetchall()
            db.execute("DELETE FROM files WHERE missing_since < ?", (before,))
            return [i for i, _ in gone], self._unused_sprites(db, {s for _, s in gone})

    @staticmethod
    def _unused_sprites(db: sqlite3.Connection, names: Collection[str]) -> list[str]:
        """Those that no clip shows any more: files of the same content share theirs."""
        return sorted(
            name
            for name in names
            if name and not db.execute("SELECT 1 FROM clips WHERE sprite = ?", (name,)).fetchone()
        )

    def set_offline(self, root_id: int, offline: bool) -> None:
        with self.write() as db:
            db.execute("UPDATE roots SET offline = ? WHERE id = ?", (int(offline), root_id))

    def place_root(self, root: Root) -> None:
        """Note where a root lies now, and that it is there. All its files come with it where its path has changed."""
        with self.write() as db:
            before = db.execute("SELECT path FROM roots WHERE id = ?", (root.id,)).fetchone()
            path = os.fsencode(root.path)
            db.execute(
                "UPDATE roots SET path = ?, offline = 0, volume = ?, within = ?, device = ?, inode = ? WHERE id = ?",
                (path, root.volume, os.fsencode(root.within), root.device, root.inode, root.id),
            )
            if before != (path,):  # words of its name are its files' to be found by
                db.execute("UPDATE files SET path = path WHERE root_id = ?", (root.id,))
                db.execute(
                    "UPDATE files SET name_key = ? WHERE root_id = ? AND path = x''", (name_sort_key(path), root.id)
                )

    # --- scanning ---------------------------------------------------------------------------------------------

    def files(self, root_id: int, within: str | None = None) -> dict[str, FileRow]:
        """All files of a root (or in a folder within it) by absolute path, missing ones included."""
        db = self.reader()
        row = db.execute("SELECT path FROM roots WHERE id = ?", (root_id,)).fetchone()
        place = b"" if row is None or within is None else _relative(within, os.fsdecode(row[0]))
        if place:
            # A range of the index on paths: a look at one folder does not read the whole root's rows.
            separator = os.sep.encode()
            rows = db.execute(
                f"{_FILE_COLUMNS} WHERE f.root_id = ? AND (f.path = ? OR (f.path > ? AND f.path < ?))",
                (root_id, place, place + separator, place + bytes([separator[0] + 1])),
            )
        else:
            rows = db.execute(f"{_FILE_COLUMNS} WHERE f.root_id = ?", (root_id,))
        return {row.path: row for row in map(_file_row, rows)}

    def apply_scan(
        self,
        root: Root,
        seen: Sequence[VideoFile],
        problems: Sequence[tuple[str, str]],
        within: str | None = None,
        fingerprints: dict[str, bytes] | None = None,
        unseen: Collection[str] = (),
    ) -> ScanResult:
        """Bring a root's files to what a complete scan of it (or of the folder `within` it) saw, in one transaction.

        `problems` are (path, reason) of entries that cannot be videos. `fingerprints` holds those of files that may
        be known under another path, or by another time. `unseen` are files and folders that could not be looked at:
        nothing in them is gone. A file that is gone keeps its row, clips and embeddings, marked missing. A copy of an
        indexed file is indexed at once. Where the root was taken up into another one meanwhile, nothing is done: that
        one is scanned for itself.
        """
        known = self.files(root.id, within)
        result = ScanResult()
        now = time.time()
        with self.write() as db:
            if db.execute("SELECT path FROM roots WHERE id = ?", (root.id,)).fetchone() != (os.fsencode(root.path),):
                return result
            present = {file.path for file in seen} | {path for path, _ in problems}
            gone = {p: r for p, r in known.items() if p not in present}
            for place in unseen:
                gone = {p: r for p, r in gone.items() if not is_inside(p, place)}
            contents = fingerprints or {}
            same = {
                file.path
                for file in seen
                if (row := known.get(file.path)) is not None and self._is_same(db, row, file, contents.get(file.path))
            }
            replaced = {file.path for file in seen if file.path in known} - same
            sources: dict[str, tuple[int, bool]] = {}
            moved: set[int] = set()
            # New names first: what lay under a known name that another file has taken went there, most likely.
            for file in sorted((f for f in seen if f.path not in same), key=lambda file: file.path in known):
                source = self._moved_from(db, file, contents.get(file.path), present, replaced, moved)
                if source is not None:
                    sources[file.path] = source
                    moved.add(source[0])
            for path in replaced:
                if known[path].id in moved:  # out of the way of what comes under its name: two may have swapped theirs
                    aside = b"\0%d" % known[path].id
                    db.execute("UPDATE files SET path = ? WHERE id = ?", (aside, known[path].id))
            for file in seen:
                row = known.get(file.path)
                if row is not None and row.id in moved:
                    row = None
                if row is not None and file.path in same:
                    self._keep(db, row, file, result)
                    continue
                content = contents.get(file.path)
                source = sources.get(file.path)
                if row is not None and source is None:
                    # Written anew under its name, it is still what was spoken of: renders replace their like.
                    result.changed += 1
                    if row.missing:
                        self._drop_clips(db, row.id, result)
                    db.execute(
                        "UPDATE files SET size = ?, mtime_ns = ?, device = ?, inode = ?, fingerprint = NULL,"
                        " state = 'pending', reason = '', missing_since = NULL WHERE id = ?",
                        (file.size, file.mtime_ns, file.device, file.inode, row.id),
                    )
                    self._copy_from(db, row.id, content, file.size, result)
                    continue
                if row is not None:  # a known file took its name: what was said of it waits for its content
                    self._drop_clips(db, row.id, result)
                    keep_annotations(db, "f.id = ?", row.id)
                    db.execute("DELETE FROM files WHERE id = ?", (row.id,))
                if source is not None:
                    result.moved += 1
                    file_id, was_missing = source
                    db.execute(
                        "UPDATE files SET root_id = ?, path = ?, name_key = ?, mtime_ns = ?, device = ?, inode = ?,"
                        " missing_since = NULL WHERE id = ?",
                        (root.id, _relative(file.path, root.path), name_sort_key(os.fsencode(file.path)), file.mtime_ns,
                         file.device, file.inode, file_id),
                    )  # fmt: skip
                    if was_missing:
                        result.restored_clips += self._clip_ids(db, file_id)
                    continue
                result.added += 1
                added = db.execute(
                    "INSERT INTO files (root_id, path, name_key, size, mtime_ns, device, inode, state)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')",
                    (root.id, _relative(file.path, root.path), name_sort_key(os.fsencode(file.path)), file.size,
                     file.mtime_ns, file.device, file.inode),
                )  # fmt: skip
                self._copy_from(db, int(added.lastrowid or 0), content, file.size, result)
            for path, reason in problems:
                before = known.get(path)
                result.new_problems += before is None or before.reason != reason or before.missing
                db.execute(
                    "INSERT INTO files (root_id, path, name_key, size, mtime_ns, device, inode, state, reason)"
                    " VALUES (?, ?, ?, -1, 0, 0, 0, 'failed', ?) ON CONFLICT (root_id, path) DO UPDATE SET"
                    " size = -1, state = 'failed', reason = excluded.reason, missing_since = NULL",
                    (root.id, _relative(path, root.path), name_sort_key(os.fsencode(path)), reason),
                )
            for row in gone.values():
                if row.missing or row.id in moved:
                    continue
                result.missing += 1
                if row.state == "indexed" or row.duration is not None or is_annotated(db, row.id):
                    db.execute("UPDATE files SET missing_since = ? WHERE id = ?", (now, row.id))
                    result.dropped_clips += self._clip_ids(db, row.id)
                else:
                    db.execute("DELETE FROM files WHERE id = ?", (row.id,))  # never held anything of worth
            db.execute("UPDATE roots SET offline = 0 WHERE id = ?", (root.id,))
            result.stale_sprites = set(self._unused_sprites(db, result.stale_sprites))
        return result

    def _is_same(self, db: sqlite3.Connection, row: FileRow, file: VideoFile, content: bytes | None) -> bool:
        """Whether a known path holds what it held. Another time over the same content is no change.

        (Drives on FAT shift by an hour twice a year.)
        """
        if row.is_unchanged(file):
            return True
        return row.size == file.size and row.state == "indexed" and self._same_content(db, row.id, content)

    def _keep(self, db: sqlite3.Connection, row: FileRow, file: VideoFile, result: ScanResult) -> None:
        result.unchanged += 1
        now = (file.mtime_ns, file.device, file.inode)
        if row.missing or now != (row.mtime_ns, row.device, row.inode):
            db.execute(
                "UPDATE files SET mtime_ns = ?, device = ?, inode = ?, missing_since = NULL WHERE id = ?",
                (*now, row.id),
            )
        if row.missing:
            result.restored += 1
            result.restored_clips += self._clip_ids(db, row.id)

    def may_be_known(self, seen: Sequence[VideoFile], known: Mapping[str, FileRow]) -> list[VideoFile]:
        """Of files seen, those not `known` as they are whose size is that of an indexed file: worth a fingerprint."""
        new = [file for file in seen if (row := known.get(file.path)) is None or not row.is_unchanged(file)]
        if not new:
            return []
        rows = self.reader().execute("SELECT DISTINCT size FROM files WHERE fingerprint IS NOT NULL")
        sizes = {size for (size,) in rows}
        return [file for file in new if file.size in sizes]

    @staticmethod
    def _copy_from(
        db: sqlite3.Connection, file_id: int, fingerprint: bytes | None, size: int, result: ScanResult
    ) -> None:
        """Index a file that is new, or another one now, by what is known of a file of the same content, if any is."""
        row = db.execute(
            "SELECT id FROM files WHERE fingerprint = ? AND size = ? AND state = 'indexed'"
            " ORDER BY missing_since IS NOT NULL, model_id DESC LIMIT 1",
            (fingerprint, size),
        ).fetchone()
        if fingerprint is None or row is None:
            return
        Catalog._drop_clips(db, file_id, result)
        db.execute(
            f"UPDATE files SET ({_CONTENT_COLUMNS}) = (SELECT {_CONTENT_COLUMNS} FROM files WHERE id = ?) WHERE id = ?",
            (row[0], file_id),
        )
        columns = "ordinal, shot, start, end, sprite, tile_width, tile_height, poster, times"
        db.execute(
            f"INSERT INTO clips (file_id, {columns}) SELECT ?, {columns} FROM clips WHERE file_id = ? ORDER BY ordinal",
            (file_id, row[0]),
        )
        db.execute(
            "INSERT INTO embeddings (clip_id, model_id, globals, centers)"
            " SELECT n.id, e.model_id, e.globals, e.centers FROM clips o JOIN embeddings e ON e.clip_id = o.id"
            " JOIN clips n ON n.file_id = ? AND n.ordinal = o.ordinal WHERE o.file_id = ?",
            (file_id, row[0]),
        )
        give_back_annotations(db, file_id, fingerprint)
        result.restored_clips += Catalog._clip_ids(db, file_id)

    def _moved_from(
        self,
        db: sqlite3.Connection,
        file: VideoFile,
        fingerprint: bytes | None,
        present: Collection[str],
        replaced: Collection[str],
        moved: Collection[int],
    ) -> tuple[int, bool] | None:
        """The row of the file that this path is the new place of, and whether it was missing; none of those `moved`.

        It has the same content, and its old path is gone, or holds another file now. A file without a fingerprint was
        never indexed; what people said of it follows its inode.
        """
        same = db.execute(
            f"{_FILE_COLUMNS} WHERE f.fingerprint = ? AND f.size = ?"
            # What lies on a drive that is not there at present is not gone: this is a copy of it. Of several that are
            # gone, the one that something was said of is meant.
            f" AND (f.missing_since IS NOT NULL OR NOT r.offline) ORDER BY {_ANNOTATED} DESC, f.missing_since",
            (fingerprint, file.size),
        ).fetchall()
        same += db.execute(
            f"{_FILE_COLUMNS} WHERE f.fingerprint IS NULL AND f.size = ? AND f.mtime_ns = ? AND f.device = ?"
            f" AND f.inode = ? AND f.inode != 0 AND {_ANNOTATED}",
            (file.size, file.mtime_ns, file.device, file.inode),
        ).fetchall()
        for row in map(_file_row, same):
            if row.path == file.path or row.id in moved:
                continue
            if row.missing or row.path in replaced or (row.path not in present and not os.path.lexists(row.path)):
                return row.id, row.missing
        return None

    @staticmethod
    def _drop_clips(db: sqlite3.Connection, file_id: int, result: ScanResult) -> None:
        gone = db.execute("SELECT id, sprite FROM clips WHERE file_id = ?", (file_id,)).fetchall()
        db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
        result.dropped_clips += [i for i, _ in gone]
        result.stale_sprites |= {sprite for _, sprite in gone}

    @staticmethod
    def _clip_ids(db: sqlite3.Connection, file_id: int) -> list[int]:
        return [i for (i,) in db.execute("SELECT id FROM clips WHERE file_id = ?", (file_id,))]

    # --- indexing ---------------------------------------------------------------------------------------------

    def pending(self, root_id: int, model: str, within: str | None = None) -> list[tuple[int, VideoFile]]:
        """Files of a root that wait for indexing with `model` (a fingerprint), as (file id, file), in path order."""
        rows = self.reader().execute(
            "SELECT f.id, r.path, f.path, f.size, f.mtime_ns, f.device, f.inode FROM files f"
            " JOIN roots r ON r.id = f.root_id LEFT JOIN models m ON m.id = f.model_id"
            " WHERE f.root_id = ? AND f.missing_since IS NULL"
            f" AND (f.state = 'pending' OR {_BEHIND}) ORDER BY f.path",
            (root_id, model, model),
        )
        found = [
            (file_id, VideoFile(joined_path(root, relative), size, mtime_ns, device, inode))
            for file_id, root, relative, size, mtime_ns, device, inode in rows
        ]
        return [(i, f) for i, f in found if within is None or is_inside(f.path, within)]

    def record_model(self, info: ModelInfo) -> int:
        with self.write() as db:
            db.execute(
                "INSERT INTO models (fingerprint, name, width, centers) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (fingerprint) DO NOTHING",
                (info.fingerprint, info.name, info.width, info.centers),
            )
            return int(db.execute("SELECT id FROM models WHERE fingerprint = ?", (info.fingerprint,)).fetchone()[0])

    def commit_file(
        self,
        file_id: int,
        file: VideoFile,
        info: VideoInfo,
        fingerprint: bytes | None,
        clips: Sequence[NewClip],
        model_id: int,
        partial: str = "",
    ) -> tuple[list[int], list[int], list[str]]:
        """Make a file searchable in one transaction; returns (new clip ids, clip ids gone, sprite names gone).

        Clips that stand where they stood keep their id, and with it the embeddings of other models. A file that has
        left the catalog stays out of it: no ids.
        """
        with self.write() as db:
            if db.execute("SELECT 1 FROM files WHERE id = ?", (file_id,)).fetchone() is None:
                return [], [], self._unused_sprites(db, {clip.sprite for clip in clips})
            before = {
                (o, round(s, 3), round(e, 3)): (i, sprite)
                for i, o, s, e, sprite in db.execute(
                    "SELECT id, ordinal, start, end, sprite FROM clips WHERE file_id = ?", (file_id,)
                )
            }
            now = {(c.ordinal, round(c.start, 3), round(c.end, 3)) for c in clips}
            kept = before if now == before.keys() and self._same_content(db, file_id, fingerprint) else {}
            gone = [] if kept else [i for i, _ in before.values()]
            old_sprites = {sprite for _, sprite in before.values() if sprite}
            if gone:
                db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
            ids = []
            for clip in clips:
                place = (clip.ordinal, round(clip.start, 3), round(clip.end, 3))
                times = np.asarray(clip.times, "<f8").tobytes()
                values = (clip.sprite, clip.tile_width, clip.tile_height, clip.poster, times)
                if place in kept:
                    clip_id = kept[place][0]
                    db.execute(
                        "UPDATE clips SET sprite = ?, tile_width = ?, tile_height = ?, poster = ?, times = ?"
                        " WHERE id = ?",
                        (*values, clip_id),
                    )
                else:
                    clip_id = int(
                        db.execute(
                            "INSERT INTO clips (file_id, ordinal, shot, start, end, sprite, tile_width, tile_height,"
                            " poster, times) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            (file_id, clip.ordinal, clip.shot, clip.start, clip.end, *values),
                        ).lastrowid
                        or 0
                    )
                db.execute(
                    "INSERT OR REPLACE INTO embeddings (clip_id, model_id, globals, centers) VALUES (?, ?, ?, ?)",
                    (clip_id, model_id, _to_blob(clip.globals), _to_blob(clip.centers)),
                )
                ids.append(clip_id)
            db.execute(
                "UPDATE files SET state = 'indexed', reason = ?, model_id = ?, fingerprint = ?, size = ?, mtime_ns = ?,"
                " duration = ?, width = ?, height = ?, frame_rate = ?, codec = ?, container = ? WHERE id = ?",
                (partial, model_id, fingerprint, file.size, file.mtime_ns, info.duration, info.width, info.height,
                 info.frame_rate, info.codec, info.container, file_id),
            )  # fmt: skip
            if fingerprint is not None:
                give_back_annotations(db, file_id, fingerprint)
            return ids, gone, self._unused_sprites(db, old_sprites)

    @staticmethod
    def _same_content(db: sqlite3.Connection, file_id: int, fingerprint: bytes | None) -> bool:
        row = db.execute("SELECT fingerprint FROM files WHERE id = ?", (file_id,)).fetchone()
        return fingerprint is not None and row is not None and row[0] == fingerprint

    def fail_file(self, file_id: int, file: VideoFile, reason: str) -> tuple[list[int], list[str]]:
        """List a file as failed until it changes; returns ids and sprite names of clips it had before."""
        with self.write() as db:
            gone = db.execute("SELECT id, sprite FROM clips WHERE file_id = ?", (file_id,)).fetchall()
            db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
            db.execute(
                "UPDATE files SET state = 'failed', reason = ?, size = ?, mtime_ns = ? WHERE id = ?",
                (reason, file.size, file.mtime_ns, file_id),
            )
            return [i for i, _ in gone], self._unused_sprites(db, {s for _, s in gone})

    def retry_failures(self) -> int:
        """Make failed files wait for indexing again; returns how many."""
        with self.write() as db:
            return db.execute(
                "UPDATE files SET state = 'pending', reason = '' WHERE state = 'failed' AND size >= 0"
            ).rowcount

    # --- reading ----------------------------------------------------------------------------------------------

    def counts(self, model: str) -> list[RootCounts]:
        """What each root holds. `pending` waits for indexing with `model` (a fingerprint); `clips` may be another's."""
        db = self.reader()
        counts = {
            row[0]: row[1:]
            for row in db.execute(
                "SELECT f.root_id, count(*), sum(f.state = 'failed'),"
                f" sum(f.state = 'pending' OR {_BEHIND}),"
                " sum(CASE WHEN f.state = 'indexed' THEN f.duration ELSE 0 END)"
                " FROM files f LEFT JOIN models m ON m.id = f.model_id"
                " WHERE f.missing_since IS NULL GROUP BY f.root_id",
                (model, model),
            )
        }
        clips = dict(
            db.execute(
                "SELECT f.root_id, count(*) FROM clips c JOIN files f ON f.id = c.file_id"
                " WHERE f.missing_since IS NULL GROUP BY f.root_id"
            ).fetchall()
        )
        result = []
        for root in self.roots():
            files, failed, pending, seconds = counts.get(root.id, (0, 0, 0, 0.0))
            result.append(RootCounts(root, files, clips.get(root.id, 0), failed, pending, seconds or 0.0))
        return result

    def count_behind(self, model: str) -> int:
        """Files that can be reached and are searchable with some model, though not with this one (a fingerprint)."""
        row = self.reader().execute(
            "SELECT count(*) FROM files f JOIN roots r ON r.id = f.root_id LEFT JOIN models m ON m.id = f.model_id"
            f" WHERE f.missing_since IS NULL AND NOT r.offline AND {_BEHIND}",
            (model, model),
        )
        return int(row.fetchone()[0])

    def count_embedded(self) -> dict[str, int]:
        """Clips that can be searched, by the fingerprint of the model."""
        return dict(
            self.reader().execute(
                "SELECT m.fingerprint, count(*) FROM embeddings e JOIN models m ON m.id = e.model_id"
                " JOIN clips c ON c.id = e.clip_id JOIN files f ON f.id = c.file_id"
                " WHERE f.missing_since IS NULL GROUP BY m.id"
            )
        )

    def embedding_bytes(self, model: str) -> int:
        """What a model's embeddings take up, of missing files as well."""
        # All of a model's are of one length: to read each one's would be to read half the catalog.
        row = self.reader().execute(
            "SELECT (SELECT count(*) FROM embeddings WHERE model_id = m.id) * (SELECT length(globals) + length(centers)"
            " FROM embeddings WHERE model_id = m.id LIMIT 1) FROM models m WHERE m.fingerprint = ?",
            (model,),
        )
        found = row.fetchone()
        return int(found[0] or 0) if found else 0

    def remove_model(self, model: str) -> list[str]:
        """Forget what a model (a fingerprint) has made, and give its space back; returns its graphs' file names."""
        graphs = [graph.file for graph in self.graphs(model)]
        with self.write() as db:
            db.execute("DELETE FROM graphs WHERE model = ?", (model,))
            for statement in (
                "UPDATE files SET model_id = NULL WHERE model_id = (SELECT id FROM models WHERE fingerprint = ?)",
                "DELETE FROM embeddings WHERE model_id = (SELECT id FROM models WHERE fingerprint = ?)",
            ):
                db.execute(statement, (model,))
        with self._lock, _translated(self.path):
            if self._writer is not None:
                self._writer.execute("VACUUM")
        return graphs

    def failures(self) -> list[tuple[str, str]]:
        """(path, reason) of every file that failed, and of indexed ones that are incomplete."""
        rows = self.reader().execute(
            "SELECT r.path, f.path, f.reason FROM files f JOIN roots r ON r.id = f.root_id"
            " WHERE f.reason != '' AND f.missing_since IS NULL ORDER BY r.path, f.path"
        )
        return [(joined_path(root, relative), reason) for root, relative, reason in rows]

    def clips(self, ids: Sequence[int]) -> dict[int, ClipRow]:
        """Clips by id; ids that are not there (any more) are left out."""
        found: dict[int, ClipRow] = {}
        for part in _parts(ids):
            rows = self.reader().execute(f"{_CLIP_COLUMNS} WHERE c.id IN ({','.join('?' * len(part))})", part)
            found.update((row.id, row) for row in map(_clip_row, rows))
        return found

    def clips_of(self, file_id: int) -> list[ClipRow]:
        """All clips of a file, in order."""
        return self._clips_where("c.file_id = ? ORDER BY c.ordinal", (file_id,))

    def clip_at(self, file_id: int, seconds: float) -> ClipRow | None:
        """The clip of a file that holds a time, or the last one that begins before it; None where it has none."""
        found = self._clips_where(
            "c.file_id = ? AND c.start <= ? ORDER BY c.ordinal DESC LIMIT 1", (file_id, max(0.0, seconds))
        ) or self._clips_where("c.file_id = ? ORDER BY c.ordinal LIMIT 1", (file_id,))
        return found[0] if found else None

    def spread_clips(self, file_id: int, count: int) -> list[ClipRow]:
        """At most `count` clips of a file, evenly spread over it, in order."""
        last = self.reader().execute("SELECT max(ordinal) FROM clips WHERE file_id = ?", (file_id,)).fetchone()[0]
        if last is None:
            return []
        ordinals = sorted({round(o) for o in np.linspace(0, last, min(count, last + 1))})
        return self._clips_where(
            f"c.file_id = ? AND c.ordinal IN ({','.join('?' * len(ordinals))}) ORDER BY c.ordinal",
            (file_id, *ordinals),
        )

    def _clips_where(self, condition: str, parameters: tuple[object, ...]) -> list[ClipRow]:
        return list(map(_clip_row, self.reader().execute(f"{_CLIP_COLUMNS} WHERE {condition}", parameters)))

    def clip_files(self, after: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(clip ids ascending, the files they are of) of all clips with an id above `after`; neither ever changes."""
        rows = self.reader().execute("SELECT id, file_id FROM clips WHERE id > ? ORDER BY id", (after,)).fetchall()
        pairs = np.array(rows, np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def sample_clips(self, count: int) -> list[tuple[int, int]]:
        """(clip id, file id) of at most `count` live clips, evenly spread over the library."""
        rows = (
            self.reader()
            .execute(
                "SELECT c.id, c.file_id FROM clips c JOIN files f ON f.id = c.file_id"
                " WHERE f.missing_since IS NULL ORDER BY c.id"
            )
            .fetchall()
        )
        return rows[:: max(1, -(-len(rows) // count))]

    def embeddings(self, model: ModelInfo, ids: Sequence[int]) -> tuple[NDArray[np.int64], Features]:
        """-> (ids found [K], Features globals [K, M, D], centers [K, C, D] float32), in the order of `ids`."""
        found: dict[int, tuple[bytes, bytes]] = {}
        for part in _parts(ids):
            rows = self.reader().execute(
                "SELECT e.clip_id, e.globals, e.centers FROM embeddings e JOIN models m ON m.id = e.model_id"
                f" WHERE m.fingerprint = ? AND e.clip_id IN ({','.join('?' * len(part))})",
                (model.fingerprint, *part),
            )
            found.update((i, (g, c)) for i, g, c in rows)
        order = [int(i) for i in ids if int(i) in found]
        frames = model.frame_format.frames
        globals_ = np.frombuffer(b"".join(found[i][0] for i in order), "<f2").reshape(-1, frames, model.width)
        centers = np.frombuffer(b"".join(found[i][1] for i in order), "<f2").reshape(
            len(order), model.centers, model.width
        )
        return np.asarray(order, np.int64), Features(globals_.astype(np.float32), centers.astype(np.float32))

    def clip_ids(self, model: str) -> NDArray[np.int64]:
        """Ids of the live clips that have embeddings of this model (a fingerprint), ascending."""
        rows = self.reader().execute(
            "SELECT e.clip_id FROM embeddings e JOIN models m ON m.id = e.model_id JOIN clips c ON c.id = e.clip_id"
            " JOIN files f ON f.id = c.file_id WHERE m.fingerprint = ? AND f.missing_since IS NULL ORDER BY e.clip_id",
            (model,),
        )
        return np.fromiter((i for (i,) in rows), np.int64)

    def vectors(self, model: str, *, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Those of `ids` that are live, ascending, and their index vectors [N, D + 1]."""
        db = self.reader()
        row = db.execute("SELECT id, width FROM models WHERE fingerprint = ?", (model,)).fetchone()
        if row is None:
            return np.empty(0, np.int64), np.empty((0, 0), np.float32)
        model_id, width = row
        labels: list[int] = []
        vectors: list[NDArray[np.float32]] = [np.empty((0, width + 1), np.float32)]
        for part in _parts(sorted(ids)):
            rows = db.execute(
                "SELECT e.clip_id, e.globals FROM embeddings e JOIN clips c ON c.id = e.clip_id"
                " JOIN files f ON f.id = c.file_id WHERE e.model_id = ? AND f.missing_since IS NULL"
                f" AND e.clip_id IN ({','.join('?' * len(part))}) ORDER BY e.clip_id",
                (model_id, *part),
            ).fetchall()
            if rows:
                labels += [i for i, _ in rows]
                frames = np.frombuffer(b"".join(g for _, g in rows), "<f2").reshape(len(rows), -1, width)
                vectors.append(_index_vectors(frames))
        return np.asarray(labels, np.int64), np.concatenate(vectors)

    # --- graph manifests (index.vector_index.GraphStore) ------------------------------------------------------

    def graphs(self, model: str) -> list[GraphManifest]:
        columns = ", ".join(f.name for f in fields(GraphManifest))
        rows = self.reader().execute(f"SELECT {columns} FROM graphs WHERE model = ? ORDER BY generation DESC", (model,))
        return [GraphManifest(*row) for row in rows]

    def record_graph(self, manifest: GraphManifest) -> None:
        names = [f.name for f in fields(GraphManifest)]
        with self.write() as db:
            db.execute(
                f"INSERT INTO graphs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                tuple(getattr(manifest, name) for name in names),
            )

    def forget_graph(self, generation: int) -> None:
        with self.write() as db:
            db.execute("DELETE FROM graphs WHERE generation = ?", (generation,))

    # --- connections ------------------------------------------------------------------------------------------

    def reader(self) -> sqlite3.Connection:
        """This thread's reading connection (the writer would see what is not committed)."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            with _translated(self.path):
                connection = sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode=ro",
                    uri=True,
                    timeout=BUSY_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,  # `close` may come from another thread
                )
            self._readers.connection = connection
            with self._lock:
                self._opened.append(connection)
        return connection

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction on the writing connection; rolled back when anything is raised inside.

        `durable`: on the disk before this returns, for what a person typed; indexing can be done again.
        """
        with self._lock, _translated(self.path):
            if self._writer is None:
                raise StorageError(f"The library {self.path.parent} is open for reading only.")
            if durable:
                self._writer.execute("PRAGMA synchronous = FULL")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self._writer.execute("PRAGMA synchronous = NORMAL")

    def _check_after_unclean_end(self) -> None:
        assert self._writer is not None
        if self._dirty.exists():
            verdict = self._writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(str(verdict))
        self._dirty.touch()


# A file `f`, last indexed with the model `m`, that has clips without embeddings of another model, given twice.
_BEHIND = (
    "(f.state = 'indexed' AND m.fingerprint IS NOT ? AND EXISTS (SELECT 1 FROM clips c WHERE c.file_id = f.id"
    " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.clip_id = c.id"
    " AND e.model_id = (SELECT id FROM models WHERE fingerprint = ?))))"
)


_FILE_COLUMNS = (
    "SELECT f.id, f.root_id, r.path, f.path, f.size, f.mtime_ns, f.state, f.reason, f.duration,"
    " f.missing_since IS NOT NULL, f.device, f.inode FROM files f JOIN roots r ON r.id = f.root_id"
)

_ANNOTATED = "(f.favourite OR f.note != '' OR EXISTS (SELECT 1 FROM file_tags t WHERE t.file_id = f.id))"

# Of a file's row, what follows from its content alone: a copy has it too.
_CONTENT_COLUMNS = "state, reason, fingerprint, model_id, duration, width, height, frame_rate, codec, container"

_CLIP_COLUMNS = (
    "SELECT c.id, c.file_id, r.path, f.path, c.ordinal, c.shot, c.start, c.end, c.sprite, c.tile_width,"
    " c.tile_height, c.poster, c.times FROM clips c JOIN files f ON f.id = c.file_id JOIN roots r ON r.id = f.root_id"
)


def _clip_row(row: tuple[int, int, bytes, bytes, int, int, float, float, str, int, int, int, bytes]) -> ClipRow:
    i, file_id, root, relative, ordinal, shot, start, end, sprite, width, height, poster, times = row
    seconds = tuple(np.frombuffer(times, "<f8").tolist())
    return ClipRow(
        i, file_id, joined_path(root, relative), ordinal, shot, start, end, sprite, width, height, poster, seconds
    )


def _file_row(row: tuple[int, int, bytes, bytes, int, int, str, str, float | None, int, int, int]) -> FileRow:
    i, root_id, root, relative, size, mtime_ns, state, reason, duration, missing, device, inode = row
    path = joined_path(root, relative)
    return FileRow(i, root_id, path, size, mtime_ns, state, reason, duration, bool(missing), device, inode)


def joined_path(root: bytes, relative: bytes) -> str:
    """A file's absolute path of its root's and its own, as `os.fsdecode` gives it."""
    return os.fsdecode(os.path.join(root, relative) if relative else root)


def _relative(path: str, root: str) -> bytes:
    return b"" if path == root else os.fsencode(os.path.relpath(path, root))


def _parts(ids: Sequence[int], size: int = 500) -> Iterator[list[int]]:
    """SQLite bounds the number of parameters of a statement."""
    for at in range(0, len(ids), size):
        yield [int(i) for i in ids[at : at + size]]


def _index_vectors(frames: NDArray[np.float16]) -> NDArray[np.float32]:
    """Frame features [N, M, D] of length at most 1 -> unit vectors [N, D + 1]: the mean, and what it lacks to length 1.

    Their cosine with a query's `query_vector` orders clips exactly as <t, mean> does; by the mean's direction alone,
    clips whose frames differ (short means) would come out too high.
    """
    mean = frames.mean(axis=1, dtype=np.float32)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1.0)
    lacking = np.sqrt(np.maximum(1.0 - np.square(mean).sum(axis=1, keepdims=True), 0.0))
    vectors = np.concatenate([mean, lacking], axis=1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def query_vector(text: NDArray[np.float32]) -> NDArray[np.float32]:
    """A text's features [D] -> [D + 1], to search an index of `Catalog.vectors` with."""
    return np.append(text, np.float32(0.0))


def _to_blob(features: NDArray[np.float32]) -> bytes:
    return features.astype("<f2").tobytes()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's and the system's errors as sentences that name the library."""
    try:
        yield
    except (CretError, sqlite3.IntegrityError):  # the latter is a defect of ours, not of the file
        raise
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise StorageError(
                f"The library {path.parent} could not be written: {text}. Free some space; nothing that was "
                "indexed before is lost."
            ) from error
        if "readonly" in text or "unable to open" in text:
            raise StorageError(
                f"The library {path.parent} cannot be opened for writing: {text}. Check its permissions."
            ) from error
        raise LibraryDamaged(f"The catalog {path} cannot be used: {text}.") from error
    except sqlite3.DatabaseError as error:
        raise LibraryDamaged(
            f"The catalog {path} is damaged or not ours ({error}). It was left as it is; move it away to start anew, "
            "or put a backup in its place."
        ) from error
    except OSError as error:
        raise StorageError(f"The library folder {path.parent} cannot be used: {error.strerror or error}.") from error
