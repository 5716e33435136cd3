"""Compares stored bytes with their checksums, and has damaged items rebuilt.

Embeddings, thumbnails, subtitle lines, clips and the decoded facts of a file have a checksum each, graphs a digest,
calibrations those of their archive. SQLite compares its tables with their indices, and notes with the text that is
searched.
"""

from __future__ import annotations

import hashlib
import io
import logging
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from cret_desktop.domain.records import PICTURES, CheckReport, Damage
from cret_desktop.library_files import CALIBRATION, GRAPHS, THUMBNAILS, LibraryFiles, is_sprite_name
from cret_desktop.storage.sqlite.beliefs import fits
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.checksums import (
    OF_CLIP,
    OF_FILE,
    checksum_of,
    checksum_of_line,
    checksum_of_row,
    seal_file,
)
from cret_desktop.storage.sqlite.copies import clip_ids
from cret_desktop.storage.sqlite.rows import joined_path

log = logging.getLogger(__name__)

_BLOCK = 2**20  # bytes
_AT_ONCE = 500  # rows a transaction, when checksums are first computed

_OF_CLIPS = "JOIN files f ON f.id = c.file_id JOIN roots r ON r.id = f.root_id"


class CatalogChecks:
    """The checks of one library (`library.ports.Checks`). Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog, files: LibraryFiles) -> None:
        self._catalog = catalog
        self._files = files

    def check(self, share: float, stop: Callable[[], bool] = lambda: False, turn: int = 0) -> CheckReport:
        parts = max(1, round(1 / share))
        checked: dict[str, int] = {}
        damaged: list[Damage] = []
        unknown = 0
        with self._catalog.guarded():
            for kind, look in (
                ("catalog", self._catalog_itself),
                ("video", self._files_facts),
                ("clip", self._clips),
                ("embedding", self._embeddings),
                ("thumbnail", self._thumbnails),
                ("subtitle", self._lines),
                ("graph", self._graphs),
                ("calibration", self._calibrations),
            ):
                checked[kind] = 0
                for found in look(parts, turn % parts):
                    checked[kind] += 1
                    if isinstance(found, Damage):
                        damaged.append(found)
                    unknown += found is None
                    if stop():
                        return CheckReport(checked, tuple(damaged), unknown)
        return CheckReport(checked, tuple(damaged), unknown)

    def mend(self, report: CheckReport) -> list[int]:
        gone: list[int] = []
        for damage in report.damaged:
            log.warning("Damaged: %s of %s (%s)", damage.kind, damage.owner, damage.key)
            if damage.kind in ("thumbnail", "graph", "calibration"):
                folder = {"thumbnail": THUMBNAILS, "graph": GRAPHS, "calibration": CALIBRATION}[damage.kind]
                try:
                    self._files.remove(f"{folder}/{damage.key}")
                except OSError as error:
                    log.warning("%s could not be removed: %s", damage.key, error)
            elif damage.kind == "catalog":
                self._catalog.note_damage()
        with self._catalog.write() as db:
            for damage in report.damaged:
                if damage.kind in ("embedding", "clip"):
                    gone += self._index_again(db, damage.key)
                elif damage.kind == "video":
                    _wait_for_pictures(db, damage.key)
                    seal_file(db, int(damage.key))  # reported once: decoding may fail, or wait for a drive
                elif damage.kind == "subtitle":
                    row = db.execute("SELECT file_id FROM subtitle_lines WHERE id = ?", (damage.key,)).fetchone()
                    if row is not None:
                        db.execute("DELETE FROM sidecars WHERE file_id = ?", row)  # the next scan rereads them
        if report.unknown:
            self._take_checksums()
        return gone

    @staticmethod
    def _index_again(db: sqlite3.Connection, clip_id: object) -> list[int]:
        """Requeue the file of a clip under new clip ids, because a vector never changes; return its clips."""
        row = db.execute("SELECT file_id FROM clips WHERE id = ?", (clip_id,)).fetchone()
        if row is None:
            return []  # another clip of the file was damaged as well
        gone = clip_ids(db, row[0])
        db.execute("DELETE FROM clips WHERE file_id = ?", row)
        _wait_for_pictures(db, row[0])
        return gone

    # --- checks: yield True if intact, None without a checksum, else Damage -----------------------------------

    def _catalog_itself(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        if part:
            return  # the whole catalog is checked in the first turn
        db, name = self._catalog.reader(), self._catalog.path.name
        statement = "PRAGMA integrity_check(1)" if parts == 1 else "PRAGMA quick_check(1)"
        verdict = str(db.execute(statement).fetchone()[0])
        yield True if verdict == "ok" else Damage("catalog", name, verdict)
        other = db.execute(
            "SELECT count(*) FROM files f JOIN file_texts_content t ON t.id = f.id WHERE f.note IS NOT t.c3"
        ).fetchone()[0]
        yield Damage("catalog", name, "notes differ from the words that searches go by") if other else True

    def _files_facts(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        rows = self._catalog.reader().execute(
            f"SELECT f.id, r.path, f.path, f.checksum, {OF_FILE} FROM files f"
            " JOIN roots r ON r.id = f.root_id"
            " WHERE (f.checksum IS NOT NULL OR f.duration IS NOT NULL) AND f.id % ? = ?",
            (parts, part),
        )
        return _compared("video", rows)

    def _clips(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        rows = self._catalog.reader().execute(
            f"SELECT c.id, r.path, f.path, c.checksum, {OF_CLIP} FROM clips c {_OF_CLIPS} WHERE c.id % ? = ?",
            (parts, part),
        )
        return _compared("clip", rows)

    def _embeddings(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        rows = self._catalog.reader().execute(
            f"SELECT e.clip_id, r.path, f.path, e.globals, e.centers, e.checksum FROM embeddings e"
            f" JOIN clips c ON c.id = e.clip_id {_OF_CLIPS} WHERE e.rowid % ? = ?",
            (parts, part),
        )
        for clip_id, root, path, frames, centers, checksum in rows:
            sound = isinstance(frames, bytes) and isinstance(centers, bytes)
            sound = sound and checksum in (None, checksum_of(frames, centers))
            yield (None if checksum is None else True) if sound else Damage("embedding", _path(root, path), clip_id)

    def _thumbnails(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        rows = self._catalog.reader().execute(
            f"SELECT r.path, f.path, c.sprite, c.sprite_checksum FROM clips c {_OF_CLIPS}"
            " WHERE c.sprite != '' AND c.id % ? = ?",
            (parts, part),
        )
        for root, path, sprite, checksum in rows:
            if not is_sprite_name(sprite):
                continue
            try:
                content = self._files.read(f"{THUMBNAILS}/{sprite}")
            except OSError:
                continue  # missing: it is redrawn anyway
            sound = checksum in (None, checksum_of(content))
            yield (None if checksum is None else True) if sound else Damage("thumbnail", _path(root, path), sprite)

    def _lines(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        rows = self._catalog.reader().execute(
            "SELECT l.id, r.path, f.path, l.start, l.end, l.text, l.checksum FROM subtitle_lines l"
            " JOIN files f ON f.id = l.file_id JOIN roots r ON r.id = f.root_id WHERE l.id % ? = ?",
            (parts, part),
        )
        kinds = [f"subtitle_lines.{column}" for column in ("start", "end", "text")]
        for line_id, root, path, start, end, text, checksum in rows:
            sound = fits((start, end, text), kinds) and checksum in (None, checksum_of_line(start, end, text))
            yield (None if checksum is None else True) if sound else Damage("subtitle", _path(root, path), line_id)

    def _graphs(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        for number, (file, digest) in enumerate(self._catalog.reader().execute("SELECT file, digest FROM graphs")):
            if number % parts == part:
                try:
                    sound = self._digest(f"{GRAPHS}/{file}") == digest
                except OSError:
                    continue  # missing, or not our name: it is never loaded
                yield True if sound else Damage("graph", f"{GRAPHS}/{file}", file)

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._files.opened(name) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def _calibrations(self, parts: int, part: int) -> Iterator[Damage | bool | None]:
        for name in self._files.walk(CALIBRATION):
            try:
                with zipfile.ZipFile(io.BytesIO(self._files.read(name))) as archive:
                    sound = archive.testzip() is None
            except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
                sound = False
            yield True if sound else Damage("calibration", name, Path(name).name)

    # --- checksums missing from libraries of older versions ---------------------------------------------------

    def _take_checksums(self) -> None:
        """Compute missing checksums from the present data, which cannot be verified any more."""
        for select, update, checksum in (
            (
                "SELECT rowid, globals, centers FROM embeddings WHERE checksum IS NULL AND rowid > ?",
                "UPDATE embeddings SET checksum = ? WHERE rowid = ?",
                checksum_of,
            ),
            (
                "SELECT id, start, end, text FROM subtitle_lines WHERE checksum IS NULL AND id > ?",
                "UPDATE subtitle_lines SET checksum = ? WHERE id = ?",
                checksum_of_line,
            ),
            (
                f"SELECT id, {OF_FILE} FROM files WHERE checksum IS NULL AND duration IS NOT NULL AND id > ?",
                "UPDATE files SET checksum = ? WHERE id = ?",
                lambda *values: checksum_of_row(values),
            ),
            (
                f"SELECT id, {OF_CLIP} FROM clips WHERE checksum IS NULL AND id > ?",
                "UPDATE clips SET checksum = ? WHERE id = ?",
                lambda *values: checksum_of_row(values),
            ),
            (
                "SELECT id, sprite FROM clips WHERE sprite_checksum IS NULL AND sprite != '' AND id > ?",
                "UPDATE clips SET sprite_checksum = ? WHERE id = ?",
                self._checksum_of_sprite,
            ),
        ):
            last = 0
            while rows := self._catalog.reader().execute(f"{select} ORDER BY 1 LIMIT {_AT_ONCE}", (last,)).fetchall():
                last = rows[-1][0]
                with self._catalog.write() as db:
                    for key, *values in rows:
                        try:
                            db.execute(update, (checksum(*values), key))
                        except (OSError, TypeError, AttributeError):  # missing, or not a value of ours: no checksum
                            continue

    def _checksum_of_sprite(self, sprite: str) -> int:
        return checksum_of(self._files.read(f"{THUMBNAILS}/{sprite}"))


def _compared(kind: Literal["video", "clip"], rows: Iterable[tuple[Any, ...]]) -> Iterator[Damage | bool | None]:
    """Compare rows of (id, root, path, checksum, value …) with their checksums."""
    for key, root, path, checksum, *values in rows:
        sound = checksum in (None, checksum_of_row(values))
        yield (None if checksum is None else True) if sound else Damage(kind, _path(root, path), key)


def _wait_for_pictures(db: sqlite3.Connection, file_id: object) -> None:
    db.execute(f"UPDATE stages SET state = 'waiting' WHERE stage = '{PICTURES}' AND file_id = ?", (file_id,))


def _path(root: object, path: object) -> str:
    return joined_path(root, path) if isinstance(root, bytes) and isinstance(path, bytes) else "?"
