"""Takes out of the catalog for good what has left the library, words that no row has any more included.

SQLite keeps a deleted word in four places: the page that its row was on, pages that wait to be used again, the parts of
a full-text index until they are merged, and the log. The writer overwrites what it deletes (`PRAGMA secure_delete`);
traces that moving rows leaves within pages go when the catalog is written anew (`Catalog.compact`).
"""

from __future__ import annotations

import os

from cret_desktop.domain.records import Gone
from cret_desktop.paths import is_inside
from cret_desktop.storage.sqlite.annotation_rows import drop_unused_tags
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.rows import joined_path, parts, unused_sprites

_TEXT_TABLES = ("file_texts", "subtitle_texts")
_MERGED_PAGES = 500  # of a full-text index in one transaction: 0.05 s, for which a tag that is typed waits


def forget_gone(catalog: Catalog, path: str) -> Gone:
    """Forget at once what has left the library from a path (absolute; '' for all of it), with all that was said of it.

    That is: missing videos, removed folders, and what was kept of their content for its return. A video that is there,
    or whose drive is away, stays as it is.
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
    """Merge each full-text index into one part, when no word is left in it that no row has; whether there was any need.

    One small transaction after the other (https://sqlite.org/fts5.html#the_merge_command). FTS5's own `secure-delete`
    would do it with every change, but makes indices that SQLite before 3.42 cannot read.
    """
    merged = False
    for table in _TEXT_TABLES:
        pages = -_MERGED_PAGES  # the sign begins with all parts, however few; what follows goes on with it
        while _merge(catalog, table, pages):
            merged, pages = True, _MERGED_PAGES
    return merged


def _merge(catalog: Catalog, table: str, pages: int) -> bool:
    with catalog.write() as db:
        before = db.total_changes
        db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (pages,))
        return db.total_changes - before >= 2  # as SQLite's manual tells when there is nothing left to do
