"""Indexes a file from another file with the same content, within the transaction of a change."""

from __future__ import annotations

import sqlite3

from cret_desktop.domain.records import PICTURES, ScanResult
from cret_desktop.storage.sqlite.annotation_rows import give_back_annotations
from cret_desktop.storage.sqlite.checksums import OF_CLIP, OF_FILE

# The columns of a file that follow from its content alone, and so apply to a copy.
_CONTENT_COLUMNS = f"{OF_FILE}, checksum"


def copy_from(
    db: sqlite3.Connection,
    file_id: int,
    fingerprint: bytes | None,
    size: int,
    result: ScanResult,
    model: str | None = None,
) -> None:
    """Index a new or replaced file from another file with the same content, if there is one.

    `model`: only from files indexed by the model of this fingerprint. Only the picture stage is copied; the file waits
    for the others.
    """
    row = db.execute(
        "SELECT f.id FROM files f JOIN stages s ON s.file_id = f.id LEFT JOIN models m ON m.fingerprint = s.version"
        f" WHERE f.fingerprint = ? AND f.size = ? AND s.stage = '{PICTURES}' AND s.state = 'done'"
        " AND (? IS NULL OR s.version = ?) ORDER BY f.missing_since IS NOT NULL, m.id DESC LIMIT 1",
        (fingerprint, size, model, model),
    ).fetchone()
    if fingerprint is None or row is None:
        return
    drop_clips(db, file_id, result)
    db.execute(
        f"UPDATE files SET ({_CONTENT_COLUMNS}) = (SELECT {_CONTENT_COLUMNS} FROM files WHERE id = ?) WHERE id = ?",
        (row[0], file_id),
    )
    db.execute(
        "INSERT OR REPLACE INTO stages (file_id, stage, version, state, reason)"
        f" SELECT ?, stage, version, state, reason FROM stages WHERE file_id = ? AND stage = '{PICTURES}'",
        (file_id, row[0]),
    )
    columns = f"{OF_CLIP}, sprite_checksum, checksum"
    db.execute(
        f"INSERT INTO clips (file_id, {columns}) SELECT ?, {columns} FROM clips WHERE file_id = ? ORDER BY ordinal",
        (file_id, row[0]),
    )
    db.execute(
        "INSERT INTO embeddings (clip_id, model_id, globals, centers, checksum)"
        " SELECT n.id, e.model_id, e.globals, e.centers, e.checksum FROM clips o JOIN embeddings e ON e.clip_id = o.id"
        " JOIN clips n ON n.file_id = ? AND n.ordinal = o.ordinal WHERE o.file_id = ?",
        (file_id, row[0]),
    )
    give_back_annotations(db, file_id, fingerprint)
    result.restored_clips += clip_ids(db, file_id)


def drop_clips(db: sqlite3.Connection, file_id: int, result: ScanResult) -> None:
    gone = db.execute("SELECT id, sprite FROM clips WHERE file_id = ?", (file_id,)).fetchall()
    db.execute("DELETE FROM clips WHERE file_id = ?", (file_id,))
    result.dropped_clips += [i for i, _ in gone]
    result.stale_sprites |= {sprite for _, sprite in gone}


def clip_ids(db: sqlite3.Connection, file_id: int) -> list[int]:
    return [i for (i,) in db.execute("SELECT id FROM clips WHERE file_id = ?", (file_id,))]
