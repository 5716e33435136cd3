"""The changes of files by indexing: files are indexed, fail, are requeued, or deleted. Scans are in `scans`.

One transaction per file, so that a file is indexed completely or not at all. Never accesses the disk, decodes or
encodes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import VideoFile, VideoInfo
from cret_desktop.domain.records import PICTURES, NewClip, ScanResult
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite.annotation_rows import drop_unused_tags, give_back_annotations, keep_annotations
from cret_desktop.storage.sqlite.beliefs import believed
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.checksums import checksum_of, seal_clips, seal_file
from cret_desktop.storage.sqlite.copies import copy_from
from cret_desktop.storage.sqlite.rows import PENDING, parts, unused_sprites
from cret_desktop.storage.sqlite.stages import end_stage, wait_again


class FileChanges:
    """Changes the files of one catalog (`library.ports.WorkQueue`). Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def lengths(self, file_ids: Sequence[int]) -> dict[int, float]:
        """Return the length in seconds of those files whose length is known."""
        found: dict[int, float] = {}
        for part in parts(file_ids):
            marks = ",".join("?" * len(part))
            rows = self._catalog.reader().execute(
                f"SELECT id, duration FROM files WHERE duration > 0 AND id IN ({marks})", part
            )
            found.update(believed(rows, "files.id files.duration"))
        return found

    def record_infos(self, infos: Mapping[int, VideoInfo]) -> None:
        """Store the headers of waiting files, by file id, until the files are indexed."""
        with self._catalog.write() as db:
            for file_id, i in infos.items():
                changed = db.execute(
                    "UPDATE files AS f SET duration = ?, width = ?, height = ?, frame_rate = ?, codec = ?,"
                    f" container = ? WHERE id = ? AND {PENDING}",
                    (i.duration or None, i.width, i.height, i.frame_rate, i.codec, i.container, file_id),
                )
                if changed.rowcount:
                    seal_file(db, file_id)

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
        """Make a file searchable in one transaction; return (new clip ids, removed clip ids, removed sprite names).

        Clips at an unchanged place keep their id, and with it the embeddings of other models. A file that has left the
        catalog stays out of it: no ids.
        """
        with self._catalog.write() as db:
            if db.execute("SELECT 1 FROM files WHERE id = ?", (file_id,)).fetchone() is None:
                return [], [], unused_sprites(db, {clip.sprite for clip in clips})
            rows = db.execute(
                "SELECT id, ordinal, start, end, sprite FROM clips WHERE file_id = ?", (file_id,)
            ).fetchall()
            before = {
                (o, round(s, 3), round(e, 3)): (i, sprite)
                for i, o, s, e, sprite in believed(rows, "clips.id clips.ordinal clips.start clips.end clips.sprite")
            }
            now = {(c.ordinal, round(c.start, 3), round(c.end, 3)) for c in clips}
            whole = len(before) == len(rows) and now == before.keys()
            kept = before if whole and _same_content(db, file_id, fingerprint) else {}
            gone = [] if kept else [row[0] for row in rows]
            old_sprites = {row[-1] for row in rows if row[-1]}
            if gone:
                db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
            ids = []
            for clip in clips:
                place = (clip.ordinal, round(clip.start, 3), round(clip.end, 3))
                times = np.asarray(clip.times, "<f8").tobytes()
                values = (clip.sprite, clip.tile_width, clip.tile_height, clip.poster, times, clip.sprite_checksum)
                if place in kept:
                    clip_id = kept[place][0]
                    db.execute(
                        "UPDATE clips SET sprite = ?, tile_width = ?, tile_height = ?, poster = ?, times = ?,"
                        " sprite_checksum = ? WHERE id = ?",
                        (*values, clip_id),
                    )
                else:
                    (clip_id,) = db.execute(
                        "INSERT INTO clips (file_id, ordinal, shot, start, end, sprite, tile_width, tile_height,"
                        " poster, times, sprite_checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                        (file_id, clip.ordinal, clip.shot, clip.start, clip.end, *values),
                    ).fetchone()
                blobs = (_to_blob(clip.globals), _to_blob(clip.centers))
                db.execute(
                    "INSERT OR REPLACE INTO embeddings (clip_id, model_id, globals, centers, checksum)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (clip_id, model_id, *blobs, checksum_of(*blobs)),
                )
                ids.append(clip_id)
            db.execute(
                "UPDATE files SET fingerprint = ?, size = ?, mtime_ns = ?,"
                " duration = ?, width = ?, height = ?, frame_rate = ?, codec = ?, container = ? WHERE id = ?",
                (fingerprint, file.size, file.mtime_ns, info.duration, info.width,
                 info.height, info.frame_rate, info.codec, info.container, file_id),
            )  # fmt: skip
            seal_file(db, file_id)
            seal_clips(db, "file_id = ?", file_id)
            end_stage(db, file_id, PICTURES, "done", partial, _print_of(db, model_id))
            if fingerprint is not None:
                give_back_annotations(db, file_id, fingerprint)
            return ids, gone, unused_sprites(db, old_sprites)

    def index_as_copy(self, file_id: int, file: VideoFile, fingerprint: bytes, model_id: int) -> ScanResult:
        """Index a waiting file from another file with the same content that the model has indexed, if there is one.

        The result lists its clips in `restored_clips`, and its former clips and sprites.
        """
        result = ScanResult()
        with self._catalog.write() as db:
            waits = db.execute(f"SELECT 1 FROM files f WHERE f.id = ? AND {PENDING}", (file_id,)).fetchone()
            if waits is not None:
                copy_from(db, file_id, fingerprint, file.size, result, _print_of(db, model_id))
                result.stale_sprites = set(unused_sprites(db, result.stale_sprites))
        return result

    def fail_file(self, file_id: int, file: VideoFile, reason: Message) -> tuple[list[int], list[str]]:
        """List a file as failed until it changes; return ids and sprite names of its removed clips."""
        with self._catalog.write() as db:
            gone = db.execute("SELECT id, sprite FROM clips WHERE file_id = ?", (file_id,)).fetchall()
            db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
            found = db.execute(
                "UPDATE files SET size = ?, mtime_ns = ? WHERE id = ?", (file.size, file.mtime_ns, file_id)
            )
            if found.rowcount:
                end_stage(db, file_id, PICTURES, "failed", reason)
            return [i for i, _ in gone], unused_sprites(db, {s for _, s in gone})

    def retry_failures(self) -> int:
        """Requeue failed files, and subtitle files for the next scan; return their number."""
        with self._catalog.write() as db:
            files = wait_again(db, "s.state = 'failed'")
            return files + db.execute("DELETE FROM sidecars WHERE reason != ''").rowcount

    def index_again(self, file_ids: Sequence[int]) -> None:
        """Requeue indexed files; they stay searchable meanwhile, and unchanged clips keep their ids."""
        with self._catalog.write() as db:
            db.executemany(
                f"UPDATE stages SET state = 'waiting' WHERE stage = '{PICTURES}' AND state = 'done' AND file_id = ?",
                [(i,) for i in file_ids],
            )

    def index_root_again(self, root_id: int) -> int:
        """Requeue the indexed and failed files of a root; return their number.

        Their clips stay searchable until others replace them.
        """
        with self._catalog.write() as db:
            return wait_again(db, "s.state != 'waiting' AND f.root_id = ? AND f.missing_since IS NULL", (root_id,))

    def purge(self, before: float) -> tuple[list[int], list[str]]:
        """Delete files missing since before a time (`time.time`), and the roots removed before it.

        Their annotations are kept in case the content returns. Return ids and sprite names of the deleted clips.
        """
        with self._catalog.write(durable=True) as db:
            keep_annotations(db, "f.missing_since < ?", before)
            gone = db.execute(
                "SELECT c.id, c.sprite FROM clips c JOIN files f ON f.id = c.file_id WHERE f.missing_since < ?",
                (before,),
            ).fetchall()
            db.execute("DELETE FROM files WHERE missing_since < ?", (before,))
            db.execute("DELETE FROM roots WHERE removed_at < ?", (before,))
            drop_unused_tags(db)
            return [i for i, _ in gone], unused_sprites(db, {s for _, s in gone})


def _same_content(db: sqlite3.Connection, file_id: int, fingerprint: bytes | None) -> bool:
    row = db.execute("SELECT fingerprint FROM files WHERE id = ?", (file_id,)).fetchone()
    return fingerprint is not None and row is not None and row[0] == fingerprint


def _print_of(db: sqlite3.Connection, model_id: int) -> str:
    """Return the fingerprint of a model; '', which no model has, if it is unknown."""
    row = db.execute("SELECT fingerprint FROM models WHERE id = ?", (model_id,)).fetchone()
    return "" if row is None else str(row[0])


def _to_blob(features: NDArray[np.float32]) -> bytes:
    return features.astype("<f2").tobytes()
