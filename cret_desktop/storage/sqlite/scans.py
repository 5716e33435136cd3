"""Applies a scan's `ScanPlan` to the catalog, in one transaction. Decides nothing, and does not access the disk."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import (
    PICTURES,
    Away,
    FileRow,
    Kept,
    Missing,
    Moved,
    New,
    Problem,
    Replaced,
    Root,
    ScanPlan,
    ScanResult,
)
from cret_desktop.storage.sqlite.annotation_rows import IS_ANNOTATED, is_annotated, keep_annotations
from cret_desktop.storage.sqlite.catalog import Catalog, files_of
from cret_desktop.storage.sqlite.copies import clip_ids, copy_from, drop_clips
from cret_desktop.storage.sqlite.migrations import name_sort_key
from cret_desktop.storage.sqlite.rows import FILE_COLUMNS, file_rows, relative_path, unused_sprites
from cret_desktop.storage.sqlite.stages import end_stage


class Scans:
    """The scans of one catalog (`library.ports.ScanStore`). Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def content_sizes(self) -> set[int]:
        rows = self._catalog.reader().execute("SELECT DISTINCT size FROM files WHERE fingerprint IS NOT NULL")
        return {size for (size,) in rows}

    @contextmanager
    def scanning(self, root: Root, within: str | None = None) -> Iterator[OpenScan | None]:
        with self._catalog.write() as db:
            stands = db.execute("SELECT path FROM roots WHERE id = ? AND removed_at IS NULL", (root.id,)).fetchone()
            yield OpenScan(db, root, files_of(db, root.id, within)) if stands == (os.fsencode(root.path),) else None


class OpenScan:
    """One scan of a root within the transaction that updates the catalog (`library.ports.OpenScan`)."""

    def __init__(self, db: sqlite3.Connection, root: Root, known: Mapping[str, FileRow]) -> None:
        self.known = known
        self._db = db
        self._root = root

    def candidates(self, seen: Sequence[VideoFile], contents: Mapping[str, bytes]) -> list[FileRow]:
        found: dict[int, FileRow] = {}
        for file in seen:
            rows = self._db.execute(
                f"{FILE_COLUMNS} WHERE f.fingerprint = ? AND f.size = ?"
                " AND (f.missing_since IS NOT NULL OR NOT r.offline)"
                f" ORDER BY {IS_ANNOTATED} DESC, f.missing_since",
                (contents.get(file.path), file.size),
            ).fetchall()
            rows += self._db.execute(
                f"{FILE_COLUMNS} WHERE f.fingerprint IS NULL AND f.size = ? AND f.mtime_ns = ? AND f.device = ?"
                f" AND f.inode = ? AND f.inode != 0 AND {IS_ANNOTATED}",
                (file.size, file.mtime_ns, file.device, file.inode),
            ).fetchall()
            for row in file_rows(rows):
                found.setdefault(row.id, row)
        return list(found.values())

    def apply(self, plan: ScanPlan) -> ScanResult:
        result = ScanResult()
        for away in plan.away:
            self._tell_away(away, result)
        for kept in plan.kept:
            self._keep(kept, result)
        taken = {moved.file.path for moved in plan.moved}
        for moved in (moved for moved in plan.moved if moved.row.path in taken):  # two files may have swapped names
            self._db.execute("UPDATE files SET path = ? WHERE id = ?", (b"\0%d" % moved.row.id, moved.row.id))
        for moved in plan.moved:
            self._move(moved, result)
        for replaced in plan.replaced:
            self._replace(replaced, result)
        for new in plan.new:
            self._add(new, result)
        for problem in plan.problems:
            self._list_problem(problem, result)
        for missing in plan.missing:
            self._miss(missing, result)
        self._db.execute("UPDATE roots SET offline = 0 WHERE id = ?", (self._root.id,))
        result.stale_sprites = set(unused_sprites(self._db, result.stale_sprites))
        return result

    def _tell_away(self, change: Away, result: ScanResult) -> None:
        self._db.execute("UPDATE files SET away = ? WHERE id = ?", (int(change.away), change.row.id))
        result.away += change.away
        result.back += not change.away

    def _keep(self, kept: Kept, result: ScanResult) -> None:
        row, file = kept.row, kept.file
        result.unchanged += 1
        if kept.is_change:
            self._db.execute(
                "UPDATE files SET mtime_ns = ?, device = ?, inode = ?, missing_since = NULL WHERE id = ?",
                (file.mtime_ns, file.device, file.inode, row.id),
            )
        if row.missing:
            result.restored += 1
            result.restored_clips += clip_ids(self._db, row.id)

    def _move(self, moved: Moved, result: ScanResult) -> None:
        row, file = moved.row, moved.file
        if moved.over is not None:  # its annotations are kept for its content
            drop_clips(self._db, moved.over.id, result)
            keep_annotations(self._db, "f.id = ?", moved.over.id)
            self._db.execute("DELETE FROM files WHERE id = ?", (moved.over.id,))
        result.moved += 1
        self._db.execute(
            "UPDATE files SET root_id = ?, path = ?, name_key = ?, mtime_ns = ?, device = ?, inode = ?,"
            " missing_since = NULL, away = 0 WHERE id = ?",
            (*self._place(file.path), file.mtime_ns, file.device, file.inode, row.id),
        )
        if row.missing:
            result.restored_clips += clip_ids(self._db, row.id)

    def _replace(self, replaced: Replaced, result: ScanResult) -> None:
        """Reset a file replaced under its name. It keeps its annotations: a render replaces an earlier one."""
        row, file = replaced.row, replaced.file
        result.changed += 1
        if row.missing:
            drop_clips(self._db, row.id, result)
        self._db.execute(
            "UPDATE files SET size = ?, mtime_ns = ?, device = ?, inode = ?, fingerprint = NULL, duration = NULL,"
            " checksum = NULL, missing_since = NULL WHERE id = ?",
            (file.size, file.mtime_ns, file.device, file.inode, row.id),
        )
        self._db.execute("DELETE FROM stages WHERE file_id = ?", (row.id,))  # all must be redone for the new content
        copy_from(self._db, row.id, replaced.content, file.size, result)

    def _add(self, new: New, result: ScanResult) -> None:
        file = new.file
        result.added += 1
        (file_id,) = self._db.execute(
            "INSERT INTO files (root_id, path, name_key, size, mtime_ns, device, inode)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (*self._place(file.path), file.size, file.mtime_ns, file.device, file.inode),
        ).fetchone()
        copy_from(self._db, file_id, new.content, file.size, result)

    def _list_problem(self, problem: Problem, result: ScanResult) -> None:
        result.new_problems += problem.is_change
        (file_id,) = self._db.execute(
            "INSERT INTO files (root_id, path, name_key, size, mtime_ns, device, inode) VALUES (?, ?, ?, -1, 0, 0, 0)"
            " ON CONFLICT (root_id, path) DO UPDATE SET size = -1, missing_since = NULL RETURNING id",
            self._place(problem.path),
        ).fetchone()
        end_stage(self._db, file_id, PICTURES, "failed", problem.reason)

    def _miss(self, missing: Missing, result: ScanResult) -> None:
        row = missing.row
        result.missing += 1
        if row.state == "indexed" or clip_ids(self._db, row.id) or is_annotated(self._db, row.id):
            self._db.execute("UPDATE files SET missing_since = ? WHERE id = ?", (time.time(), row.id))
            result.dropped_clips += clip_ids(self._db, row.id)
        else:
            self._db.execute("DELETE FROM files WHERE id = ?", (row.id,))  # it has no data and no annotations

    def _place(self, path: str) -> tuple[int, bytes, str]:
        """Return the root, the path within it, and the sort key of the name."""
        return self._root.id, relative_path(path, self._root.path), name_sort_key(os.fsencode(path))
