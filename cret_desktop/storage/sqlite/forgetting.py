"""Deletes data that has left the library permanently, including words in the full-text index.

SQLite keeps deleted text in four places: the page of the row, free pages, the parts of a full-text index until they are
merged, and the log. The writer overwrites deleted data (`PRAGMA secure_delete`); traces that moved rows leave within
pages disappear when the catalog is rewritten (`Catalog.compact`).
"""

from __future__ import annotations

import os

from cret_desktop.domain.records import Gone
from cret_desktop.paths import is_inside
from cret_desktop.storage.sqlite.annotation_rows import drop_unused_tags
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.rows import joined_path, parts, unused_sprites

_TEXT_TABLES = ("file_texts", "subtitle_texts")
_MERGED_PAGES = 500  # of a full-text index per transaction: 0.05 s, which delays a tag being typed


def forget_gone(catalog: Catalog, path: str) -> Gone:
    """Delete all data of what has left the library below a path (absolute; '' for everything), annotations included.

    That is: missing videos, removed folders, and annotations kept for the return of their content. A video that is
    present, or on an absent drive, is not changed.
    """

    def meant(place: str) -> bool:
        return not path or is_inside(place, path)

    with catalog.write(durable=True) as db:
        rows = [
            (file_id, fingerprint, missing)
            for file_id, root, relative, fingerprint, missing in db.execute(
                "SELECT f.id, r.path, f.path, f.fingerprint, f.missing_since IS NOT NULL FROM files f"
                " JOIN roots r ON r.id = f.root_id"
            )
            if meant(joined_path(root, relative))
        ]
        removed = db.execute("SELECT id, path FROM roots WHERE removed_at IS NOT NULL").fetchall()
        folders = [root_id for root_id, root in removed if meant(os.fsdecode(root))]
        ids = [file_id for file_id, _, missing in rows if missing]
        contents = {fingerprint for _, fingerprint, missing in rows if missing and fingerprint is not None}
        clips: list[tuple[int, str]] = []
        for part in parts(ids):
            marks = ",".join("?" * len(part))
            clips += db.execute(f"SELECT id, sprite FROM clips WHERE file_id IN ({marks})", part).fetchall()
            db.execute(f"DELETE FROM files WHERE id IN ({marks})", part)
        db.executemany("DELETE FROM roots WHERE id = ?", [(root_id,) for root_id in folders])
        if path:
            kept = db.executemany("DELETE FROM kept_annotations WHERE fingerprint = ?", [(c,) for c in contents])
        else:
            kept = db.execute("DELETE FROM kept_annotations")
        drop_unused_tags(db)
        sprites = unused_sprites(db, {sprite for _, sprite in clips})
        return Gone(
            len(ids), len(folders), kept.rowcount, len(rows) - len(ids), tuple(i for i, _ in clips), tuple(sprites)
        )


def drop_forgotten_words(catalog: Catalog) -> bool:
    """Merge each full-text index into one part, which drops the words of deleted rows; return whether it was necessary.

    Runs as a series of small transactions (https://sqlite.org/fts5.html#the_merge_command). FTS5's own `secure-delete`
    would do it with every change, but its indices cannot be read by SQLite before 3.42.
    """
    merged = False
    for table in _TEXT_TABLES:
        pages = -_MERGED_PAGES  # a negative number starts a merge of all parts, however few; positive ones continue it
        while _merge(catalog, table, pages):
            merged, pages = True, _MERGED_PAGES
    return merged


def _merge(catalog: Catalog, table: str, pages: int) -> bool:
    with catalog.write() as db:
        before = db.total_changes
        db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (pages,))
        return db.total_changes - before >= 2  # SQLite's manual: a smaller difference means that nothing is left to do
