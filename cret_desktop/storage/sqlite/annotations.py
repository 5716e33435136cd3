"""The annotations that people make: tags, favourites, notes, and saved searches. Nothing here is derived.

Every change is on the disk before it is acknowledged. Annotations belong to a file's row, which survives renames,
moves, reindexing and absence. When a folder is removed from the library they are kept until the same content returns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import Merged, SaidOfFile, SavedSearch
from cret_desktop.domain.tags import checked_tag, fold_tag, storable
from cret_desktop.errors import PathError, QueryError
from cret_desktop.storage.sqlite.annotation_records import merge_records, read_records
from cret_desktop.storage.sqlite.annotation_rows import SEARCH_KINDS, add_tags, drop_unused_tags
from cret_desktop.storage.sqlite.beliefs import believed

if TYPE_CHECKING:
    from cret_desktop.storage.sqlite.catalog import Catalog

LONGEST_NOTE = 100_000
LONGEST_NAME = 200


class Annotations:
    """Reads and changes the annotations of one catalog (`library.ports.AnnotationStore`).

    Raises: as every method of the catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def tags(self) -> tuple[tuple[str, int], ...]:
        """Return every tag in use with its number of files, by name."""
        rows = self._catalog.reader().execute(
            "SELECT g.name, count(*) FROM file_tags t JOIN tags g ON g.id = t.tag_id"
            " JOIN files f ON f.id = t.file_id WHERE f.missing_since IS NULL GROUP BY g.id ORDER BY g.folded"
        )
        return tuple((name, count) for name, count in believed(rows, "tags.name integer"))

    def change_tags(self, file_ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove tags; files that have left the library are ignored. Raises: QueryError for a bad tag."""
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
        """Set a note. Raises: PathError if the file has left the library, QueryError if the note is too long."""
        note = note.strip()
        if len(note) > LONGEST_NOTE:
            raise QueryError("annotation.long-note", count=len(note), most=LONGEST_NOTE)
        with self._catalog.write(durable=True) as db:
            if not db.execute("UPDATE files SET note = ? WHERE id = ?", (storable(note), file_id)).rowcount:
                raise PathError("annotation.note-gone")

    def saved_searches(self) -> tuple[SavedSearch, ...]:
        """Return all saved searches, by name."""
        rows = self._catalog.reader().execute("SELECT name, text, without, sort, reverse FROM saved_searches")
        found = [
            SavedSearch(name, text, without, Sort(sort), bool(reverse))
            for name, text, without, sort, reverse in believed(rows, SEARCH_KINDS)
        ]
        return tuple(sorted(found, key=lambda search: search.name.casefold()))

    def save_search(self, search: SavedSearch) -> None:
        """Save a search, replacing one of the same name. Raises: QueryError for a bad name."""
        name = storable(" ".join(search.name.split()))
        if not name or len(name) > LONGEST_NAME:
            raise QueryError("annotation.search-name", most=LONGEST_NAME)
        with self._catalog.write(durable=True) as db:
            db.execute(
                "INSERT OR REPLACE INTO saved_searches (name, text, without, sort, reverse) VALUES (?, ?, ?, ?, ?)",
                (name, storable(search.text), storable(search.without), search.sort.value, search.reverse),
            )

    def forget_search(self, name: str) -> None:
        with self._catalog.write(durable=True) as db:
            db.execute("DELETE FROM saved_searches WHERE name = ?", (storable(" ".join(name.split())),))

    def records(self) -> tuple[list[SaidOfFile], list[SavedSearch]]:
        """See `annotation_records.read_records`."""
        return read_records(self._catalog)

    def merge(self, said: Sequence[SaidOfFile], searches: Sequence[SavedSearch]) -> Merged:
        """See `annotation_records.merge_records`."""
        return merge_records(self._catalog, said, searches)


def _present(db: sqlite3.Connection, file_ids: Sequence[int]) -> list[int]:
    return [i for i in dict.fromkeys(file_ids) if db.execute("SELECT 1 FROM files WHERE id = ?", (i,)).fetchone()]
