"""What people say of their files: tags, favourites, notes, and searches they keep. Nothing here is ever derived.

Every change is on the disk before it is acknowledged. Annotations belong to a file's row, which lives through renames,
moves, re-indexing and absence; when a folder is taken out of the library they wait for the same content to come back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cret_desktop.clips import Sort
from cret_desktop.errors import PathError, QueryError
from cret_desktop.index.beliefs import believed
from cret_desktop.tags import checked_tag, fold_tag, storable

if TYPE_CHECKING:
    from cret_desktop.index.catalog import Catalog

LONGEST_NOTE = 100_000
LONGEST_NAME = 200

SEARCH_KINDS = " ".join(f"saved_searches.{column}" for column in ("name", "text", "without", "sort", "reverse"))

KEPT_KINDS = " ".join(f"kept_annotations.{column}" for column in ("favourite", "note", "tags"))


class Annotations:
    """Reads and changes the annotations of one catalog. Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def tags(self) -> tuple[tuple[str, int], ...]:
        """Every tag in use with its number of files, by name."""
        rows = self._catalog.reader().execute(
            "SELECT g.name, count(*) FROM file_tags t JOIN tags g ON g.id = t.tag_id"
            " JOIN files f ON f.id = t.file_id WHERE f.missing_since IS NULL GROUP BY g.id ORDER BY g.folded"
        )
        return tuple((name, count) for name, count in believed(rows, "tags.name integer"))

    def change_tags(self, file_ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> None:
        """Files that have left the library meanwhile are passed over. Raises: QueryError for a bad tag."""
        names = [checked_tag(tag) for tag in add]
        with self._catalog.write(durable=True) as db:
            present = _present(db, file_ids)
            add_tags(db, present, names)
            for tag in remove:
                db.executemany(
                    "DELETE FROM file_tags WHERE file_id = ? AND tag_id = (SELECT id FROM tags WHERE folded = ?)",
                    [(file_id, fold_tag(storable(tag))) for file_id in present],
                )
            drop_unused_tags(db)

    def set_favourite(self, file_ids: Sequence[int], favourite: bool) -> None:
        with self._catalog.write(durable=True) as db:
            db.executemany("UPDATE files SET favourite = ? WHERE id = ?", [(favourite, i) for i in file_ids])

    def set_note(self, file_id: int, note: str) -> None:
        """Raises: PathError where the file has left the library, QueryError for a note that is too long."""
        note = note.strip()
        if len(note) > LONGEST_NOTE:
            raise QueryError(f"The note has {len(note):,} characters; at most {LONGEST_NOTE:,} can be kept.")
        with self._catalog.write(durable=True) as db:
            if not db.execute("UPDATE files SET note = ? WHERE id = ?", (storable(note), file_id)).rowcount:
                raise PathError("The note was not kept: the file has left the library.")

    def saved_searches(self) -> list[tuple[str, str, str, Sort, bool]]:
        """(name, text, without, sort, reverse) of each, by name."""
        rows = self._catalog.reader().execute("SELECT name, text, without, sort, reverse FROM saved_searches")
        found = [
            (name, text, without, Sort(sort), bool(reverse))
            for name, text, without, sort, reverse in believed(rows, SEARCH_KINDS)
        ]
        return sorted(found, key=lambda search: search[0].casefold())

    def save_search(self, name: str, text: str, without: str, sort: Sort, reverse: bool) -> None:
        """Keep a search; one of the same name is replaced. Raises: QueryError for a bad name."""
        name = storable(" ".join(name.split()))
        if not name or len(name) > LONGEST_NAME:
            raise QueryError(f"A saved search needs a name of 1 to {LONGEST_NAME} characters.")
        with self._catalog.write(durable=True) as db:
            db.execute(
                "INSERT OR REPLACE INTO saved_searches (name, text, without, sort, reverse) VALUES (?, ?, ?, ?, ?)",
                (name, storable(text), storable(without), sort.value, reverse),
            )

    def forget_search(self, name: str) -> None:
        with self._catalog.write(durable=True) as db:
            db.execute("DELETE FROM saved_searches WHERE name = ?", (storable(" ".join(name.split())),))


# Whether people have said anything of a file f.
IS_ANNOTATED = "(f.favourite OR f.note != '' OR EXISTS (SELECT 1 FROM file_tags t WHERE t.file_id = f.id))"


def is_annotated(db: sqlite3.Connection, file_id: int) -> bool:
    """Whether people have said anything of a file."""
    found = db.execute(f"SELECT 1 FROM files f WHERE f.id = ? AND {IS_ANNOTATED}", (file_id,)).fetchone()
    return found is not None


def keep_annotations(db: sqlite3.Connection, condition: str, value: float) -> None:
    """Before files f are forgotten: set aside what people said of those that an SQL condition of one value names."""
    rows = db.execute(
        f"SELECT f.id, f.fingerprint, f.favourite, f.note FROM files f WHERE {condition}"
        " AND f.fingerprint IS NOT NULL AND (f.favourite OR f.note != '' OR f.id IN (SELECT file_id FROM file_tags))",
        (value,),
    ).fetchall()
    for file_id, fingerprint, favourite, note in believed(
        rows, "files.id files.fingerprint files.favourite files.note"
    ):
        named = db.execute(
            "SELECT g.name FROM file_tags t JOIN tags g ON g.id = t.tag_id WHERE t.file_id = ?", (file_id,)
        )
        tags = [name for (name,) in believed(named, "tags.name")]
        db.execute(
            "INSERT OR REPLACE INTO kept_annotations (fingerprint, favourite, note, tags) VALUES (?, ?, ?, ?)",
            (fingerprint, favourite, note, json.dumps(tags)),
        )


def give_back_annotations(db: sqlite3.Connection, file_id: int, fingerprint: bytes) -> None:
    """When content is indexed: what was set aside for it is its file's again, beside what was said meanwhile."""
    rows = db.execute("SELECT favourite, note, tags FROM kept_annotations WHERE fingerprint = ?", (fingerprint,))
    for favourite, note, tags in believed(rows.fetchall(), KEPT_KINDS):
        db.execute(
            "UPDATE files SET favourite = favourite OR ?, note = CASE WHEN note = '' THEN ? ELSE note END WHERE id = ?",
            (favourite, note, file_id),
        )
        add_tags(db, [file_id], json.loads(tags))
    db.execute("DELETE FROM kept_annotations WHERE fingerprint = ?", (fingerprint,))


def add_tags(db: sqlite3.Connection, file_ids: Iterable[int], names: Sequence[str]) -> None:
    for name in names:
        db.execute("INSERT OR IGNORE INTO tags (name, folded) VALUES (?, ?)", (name, fold_tag(name)))
        (tag_id,) = db.execute("SELECT id FROM tags WHERE folded = ?", (fold_tag(name),)).fetchone()
        db.executemany(
            "INSERT OR IGNORE INTO file_tags (file_id, tag_id) VALUES (?, ?)", [(i, tag_id) for i in file_ids]
        )


def drop_unused_tags(db: sqlite3.Connection) -> None:
    """Forget the tags that no file has, so that they can be spelt anew."""
    db.execute("DELETE FROM tags WHERE id NOT IN (SELECT tag_id FROM file_tags)")


def _present(db: sqlite3.Connection, file_ids: Sequence[int]) -> list[int]:
    return [i for i in dict.fromkeys(file_ids) if db.execute("SELECT 1 FROM files WHERE id = ?", (i,)).fetchone()]
