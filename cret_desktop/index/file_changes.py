"""What looks at folders and indexing change in the catalog: files come, move, go, are indexed, fail, are forgotten.

One transaction a look and one a file, so that a file is wholly in or wholly out. Never looks at the disk but to see
whether an old path is still there, never decodes and never encodes.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import VideoFile, VideoInfo
from cret_desktop.index.annotations import drop_unused_tags, give_back_annotations, is_annotated, keep_annotations
from cret_desktop.index.beliefs import believed
from cret_desktop.index.catalog import Catalog
from cret_desktop.index.migrations import name_sort_key
from cret_desktop.index.rows import BEHIND, FILE_COLUMNS, file_rows, joined_path, parts, relative_path, unused_sprites
from cret_desktop.paths import is_inside
from cret_desktop.records import FileRow, NewClip, Root, ScanResult

_ANNOTATED = "(f.favourite OR f.note != '' OR EXISTS (SELECT 1 FROM file_tags t WHERE t.file_id = f.id))"

# Of a file's row, what follows from its content alone: a copy has it too.
_CONTENT_COLUMNS = "state, reason, fingerprint, model_id, duration, width, height, frame_rate, codec, container"


class FileChanges:
    """Changes the files of one catalog. Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def apply_scan(
        self,
        root: Root,
        seen: Sequence[VideoFile],
        problems: Sequence[tuple[str, str]],
        within: str | None = None,
        fingerprints: dict[str, bytes] | None = None,
        unseen: Collection[str] = frozenset(),
    ) -> ScanResult:
        """Bring a root's files to what a complete scan of it (or of the folder `within` it) saw, in one transaction.

        `problems` are (path, reason) of entries that cannot be videos. `fingerprints` holds those of files that may be
        known under another path, or by another time. `unseen` are files and folders that could not be looked at:
        nothing in them is gone, all of it is away. A file that is gone keeps its row, clips and embeddings, marked
        missing. A copy of an indexed file is indexed at once. Where the root was removed or taken up into another one
        meanwhile, nothing is done: that one is scanned for itself.
        """
        known = self._catalog.files(root.id, within)
        result = ScanResult()
        now = time.time()
        with self._catalog.write() as db:
            stands = db.execute("SELECT path FROM roots WHERE id = ? AND removed_at IS NULL", (root.id,)).fetchone()
            if stands != (os.fsencode(root.path),):
                return result
            present = {file.path for file in seen} | {path for path, _ in problems}
            gone = {p: r for p, r in known.items() if p not in present}
            away = {p: r for p, r in gone.items() if _lies_in(p, unseen)}
            for path in away:
                del gone[path]
            _tell_away(db, known, away.keys(), result)
            contents = fingerprints or {}
            same = {
                file.path
                for file in seen
                if (row := known.get(file.path)) is not None and _is_same(db, row, file, contents.get(file.path))
            }
            replaced = {file.path for file in seen if file.path in known} - same
            sources: dict[str, tuple[int, bool]] = {}
            moved: set[int] = set()
            # New names first: what lay under a known name that another file has taken went there, most likely.
            for file in sorted((f for f in seen if f.path not in same), key=lambda file: file.path in known):
                source = _moved_from(db, file, contents.get(file.path), present, replaced, moved)
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
                    _keep(db, row, file, result)
                    continue
                content = contents.get(file.path)
                source = sources.get(file.path)
                if row is not None and source is None:
                    # Written anew under its name, it is still what was spoken of: renders replace their like.
                    result.changed += 1
                    if row.missing:
                        _drop_clips(db, row.id, result)
                    db.execute(
                        "UPDATE files SET size = ?, mtime_ns = ?, device = ?, inode = ?, fingerprint = NULL,"
                        " duration = NULL, state = 'pending', reason = '', missing_since = NULL WHERE id = ?",
                        (file.size, file.mtime_ns, file.device, file.inode, row.id),
                    )
                    _copy_from(db, row.id, content, file.size, result)
                    continue
                if row is not None:  # a known file took its name: what was said of it waits for its content
                    _drop_clips(db, row.id, result)
                    keep_annotations(db, "f.id = ?", row.id)
                    db.execute("DELETE FROM files WHERE id = ?", (row.id,))
                if source is not None:
                    result.moved += 1
                    file_id, was_missing = source
                    db.execute(
                        "UPDATE files SET root_id = ?, path = ?, name_key = ?, mtime_ns = ?, device = ?, inode = ?,"
                        " missing_since = NULL, away = 0 WHERE id = ?",
                        (root.id, relative_path(file.path, root.path), name_sort_key(os.fsencode(file.path)),
                         file.mtime_ns, file.device, file.inode, file_id),
                    )  # fmt: skip
                    if was_missing:
                        result.restored_clips += _clip_ids(db, file_id)
                    continue
                result.added += 1
                added = db.execute(
                    "INSERT INTO files (root_id, path, name_key, size, mtime_ns, device, inode, state)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 'pending')",
                    (root.id, relative_path(file.path, root.path), name_sort_key(os.fsencode(file.path)),
                     file.size, file.mtime_ns, file.device, file.inode),
                )  # fmt: skip
                _copy_from(db, int(added.lastrowid or 0), content, file.size, result)
            for path, reason in problems:
                before = known.get(path)
                result.new_problems += before is None or before.reason != reason or before.missing
                db.execute(
                    "INSERT INTO files (root_id, path, name_key, size, mtime_ns, device, inode, state, reason)"
                    " VALUES (?, ?, ?, -1, 0, 0, 0, 'failed', ?) ON CONFLICT (root_id, path) DO UPDATE SET"
                    " size = -1, state = 'failed', reason = excluded.reason, missing_since = NULL",
                    (root.id, relative_path(path, root.path), name_sort_key(os.fsencode(path)), reason),
                )
            for row in gone.values():
                if row.missing or row.id in moved:
                    continue
                result.missing += 1
                if row.state == "indexed" or _clip_ids(db, row.id) or is_annotated(db, row.id):
                    db.execute("UPDATE files SET missing_since = ? WHERE id = ?", (now, row.id))
                    result.dropped_clips += _clip_ids(db, row.id)
                else:
                    db.execute("DELETE FROM files WHERE id = ?", (row.id,))  # never held anything of worth
            db.execute("UPDATE roots SET offline = 0 WHERE id = ?", (root.id,))
            result.stale_sprites = set(unused_sprites(db, result.stale_sprites))
        return result

    def may_be_known(self, seen: Sequence[VideoFile], known: Mapping[str, FileRow]) -> list[VideoFile]:
        """Of files seen, those that are worth a fingerprint.

        They are not `known` as they are, and of the size of an indexed file; or another file lay in their place.
        """
        new = [file for file in seen if (row := known.get(file.path)) is None or not row.is_unchanged(file)]
        new += _replaced_unseen(seen, known)
        if not new:
            return []
        rows = self._catalog.reader().execute("SELECT DISTINCT size FROM files WHERE fingerprint IS NOT NULL")
        sizes = {size for (size,) in rows}
        return [file for file in new if file.size in sizes]

    def pending(self, root_id: int, model: str, within: str | None = None) -> list[tuple[int, VideoFile]]:
        """Files of a root that wait for indexing with `model` (a fingerprint), as (file id, file), in path order."""
        rows = self._catalog.reader().execute(
            "SELECT f.id, r.path, f.path, f.size, f.mtime_ns, f.device, f.inode FROM files f"
            " JOIN roots r ON r.id = f.root_id LEFT JOIN models m ON m.id = f.model_id"
            " WHERE f.root_id = ? AND f.missing_since IS NULL"
            f" AND NOT f.away AND (f.state = 'pending' OR {BEHIND}) ORDER BY f.path",
            (root_id, model, model),
        )
        kinds = "files.id roots.path files.path files.size files.mtime_ns files.device files.inode"
        found = [
            (file_id, VideoFile(joined_path(root, relative), size, mtime_ns, device, inode))
            for file_id, root, relative, size, mtime_ns, device, inode in believed(rows, kinds)
        ]
        return [(i, f) for i, f in found if within is None or is_inside(f.path, within)]

    def lengths(self, file_ids: Sequence[int]) -> dict[int, float]:
        """Seconds, of those files whose length is known."""
        found: dict[int, float] = {}
        for part in parts(file_ids):
            marks = ",".join("?" * len(part))
            rows = self._catalog.reader().execute(
                f"SELECT id, duration FROM files WHERE duration > 0 AND id IN ({marks})", part
            )
            found.update(believed(rows, "files.id files.duration"))
        return found

    def record_infos(self, infos: Mapping[int, VideoInfo]) -> None:
        """Keep what the headers of waiting files tell, by file id, until they are indexed."""
        with self._catalog.write() as db:
            db.executemany(
                "UPDATE files SET duration = ?, width = ?, height = ?, frame_rate = ?, codec = ?, container = ?"
                " WHERE id = ? AND state = 'pending'",
                [(i.duration or None, i.width, i.height, i.frame_rate, i.codec, i.container, file_id)
                 for file_id, i in infos.items()],
            )  # fmt: skip

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
            return ids, gone, unused_sprites(db, old_sprites)

    def index_as_copy(self, file_id: int, file: VideoFile, fingerprint: bytes, model_id: int) -> ScanResult:
        """Index a waiting file by what a model has made of another one of its content, if there is one.

        The result tells its clips, in `restored_clips`, and what it had before.
        """
        result = ScanResult()
        with self._catalog.write() as db:
            waits = db.execute("SELECT 1 FROM files WHERE id = ? AND state = 'pending'", (file_id,)).fetchone()
            if waits is not None:
                _copy_from(db, file_id, fingerprint, file.size, result, model_id)
                result.stale_sprites = set(unused_sprites(db, result.stale_sprites))
        return result

    def fail_file(self, file_id: int, file: VideoFile, reason: str) -> tuple[list[int], list[str]]:
        """List a file as failed until it changes; returns ids and sprite names of clips it had before."""
        with self._catalog.write() as db:
            gone = db.execute("SELECT id, sprite FROM clips WHERE file_id = ?", (file_id,)).fetchall()
            db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
            db.execute(
                "UPDATE files SET state = 'failed', reason = ?, size = ?, mtime_ns = ? WHERE id = ?",
                (reason, file.size, file.mtime_ns, file_id),
            )
            return [i for i, _ in gone], unused_sprites(db, {s for _, s in gone})

    def retry_failures(self) -> int:
        """Make failed files wait for indexing again, subtitle files for the next look; returns how many."""
        with self._catalog.write() as db:
            files = db.execute("UPDATE files SET state = 'pending', reason = '' WHERE state = 'failed' AND size >= 0")
            return files.rowcount + db.execute("DELETE FROM sidecars WHERE reason != ''").rowcount

    def index_again(self, file_ids: Sequence[int]) -> None:
        """Make indexed files wait for indexing; they can be searched meanwhile, and clips that stay keep their ids."""
        with self._catalog.write() as db:
            db.executemany(
                "UPDATE files SET state = 'pending' WHERE id = ? AND state = 'indexed'", [(i,) for i in file_ids]
            )

    def index_root_again(self, root_id: int) -> int:
        """Make the indexed and failed files of a root wait for indexing again; returns how many.

        Their clips stay, and are found, until others take their place.
        """
        with self._catalog.write() as db:
            return db.execute(
                "UPDATE files SET state = 'pending', reason = '' WHERE root_id = ? AND state != 'pending' AND size >= 0"
                " AND missing_since IS NULL",
                (root_id,),
            ).rowcount

    def purge(self, before: float) -> tuple[list[int], list[str]]:
        """Forget what has been missing since before a time (`time.time`), and the roots that were removed before it.

        What people said of its files is kept for when the same content comes back. Returns ids and sprite names of the
        clips that are gone.
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


def _lies_in(path: str, places: Collection[str]) -> bool:
    """Whether a path is one of these places (a set), or in one of them."""
    while path not in places:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _tell_away(db: sqlite3.Connection, known: Mapping[str, FileRow], away: Collection[str], result: ScanResult) -> None:
    """Note which of the files known can be reached now."""
    for path, row in known.items():
        if row.away != (path in away):
            db.execute("UPDATE files SET away = ? WHERE id = ?", (not row.away, row.id))
            result.away += not row.away
            result.back += row.away


def _is_same(db: sqlite3.Connection, row: FileRow, file: VideoFile, content: bytes | None) -> bool:
    """Whether a known path holds what it held. Another time over the same content is no change.

    (Drives on FAT shift by an hour twice a year.)
    """
    if row.is_unchanged(file) and (content is None or row.state != "indexed"):
        return True
    return row.size == file.size and row.state == "indexed" and _same_content(db, row.id, content)


def _replaced_unseen(seen: Sequence[VideoFile], known: Mapping[str, FileRow]) -> list[VideoFile]:
    """Files by whose number in the file system another one lay in their place, though of the same size and time.

    Some file systems number their files anew each time they are mounted: then no file has the number that it had.
    """
    unchanged = [(file, row) for file in seen if (row := known.get(file.path)) is not None and row.is_unchanged(file)]
    lasting = {file.device for file, row in unchanged if (file.device, file.inode) == (row.device, row.inode)}
    return [file for file, row in unchanged if file.inode != row.inode and row.device == file.device in lasting]


def _keep(db: sqlite3.Connection, row: FileRow, file: VideoFile, result: ScanResult) -> None:
    result.unchanged += 1
    now = (file.mtime_ns, file.device, file.inode)
    if row.missing or now != (row.mtime_ns, row.device, row.inode):
        db.execute(
            "UPDATE files SET mtime_ns = ?, device = ?, inode = ?, missing_since = NULL WHERE id = ?",
            (*now, row.id),
        )
    if row.missing:
        result.restored += 1
        result.restored_clips += _clip_ids(db, row.id)


def _moved_from(
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
        f"{FILE_COLUMNS} WHERE f.fingerprint = ? AND f.size = ?"
        # What lies on a drive that is not there at present is not gone: this is a copy of it. Of several that are
        # gone, the one that something was said of is meant.
        f" AND (f.missing_since IS NOT NULL OR NOT (r.offline OR f.away)) ORDER BY {_ANNOTATED} DESC, f.missing_since",
        (fingerprint, file.size),
    ).fetchall()
    same += db.execute(
        f"{FILE_COLUMNS} WHERE f.fingerprint IS NULL AND f.size = ? AND f.mtime_ns = ? AND f.device = ?"
        f" AND f.inode = ? AND f.inode != 0 AND {_ANNOTATED}",
        (file.size, file.mtime_ns, file.device, file.inode),
    ).fetchall()
    for row in file_rows(same):
        if row.path == file.path or row.id in moved:
            continue
        if row.missing or row.path in replaced or (row.path not in present and not os.path.lexists(row.path)):
            return row.id, row.missing
    return None


def _copy_from(
    db: sqlite3.Connection,
    file_id: int,
    fingerprint: bytes | None,
    size: int,
    result: ScanResult,
    model_id: int | None = None,
) -> None:
    """Index a file that is new, or another one now, by what is known of a file of the same content, if any is.

    `model_id`: only by what this model has made of it.
    """
    row = db.execute(
        "SELECT id FROM files WHERE fingerprint = ? AND size = ? AND state = 'indexed' AND (? IS NULL OR model_id = ?)"
        " ORDER BY missing_since IS NOT NULL, model_id DESC LIMIT 1",
        (fingerprint, size, model_id, model_id),
    ).fetchone()
    if fingerprint is None or row is None:
        return
    _drop_clips(db, file_id, result)
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
    result.restored_clips += _clip_ids(db, file_id)


def _drop_clips(db: sqlite3.Connection, file_id: int, result: ScanResult) -> None:
    gone = db.execute("SELECT id, sprite FROM clips WHERE file_id = ?", (file_id,)).fetchall()
    db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
    result.dropped_clips += [i for i, _ in gone]
    result.stale_sprites |= {sprite for _, sprite in gone}


def _clip_ids(db: sqlite3.Connection, file_id: int) -> list[int]:
    return [i for (i,) in db.execute("SELECT id FROM clips WHERE file_id = ?", (file_id,))]


def _same_content(db: sqlite3.Connection, file_id: int, fingerprint: bytes | None) -> bool:
    row = db.execute("SELECT fingerprint FROM files WHERE id = ?", (file_id,)).fetchone()
    return fingerprint is not None and row is not None and row[0] == fingerprint


def _to_blob(features: NDArray[np.float32]) -> bytes:
    return features.astype("<f2").tobytes()
