"""Exports all annotations of a catalog, and merges them into another one.

Files are matched by content, else by path. Merging never replaces existing annotations.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import Merged, SaidOfFile, SavedSearch
from cret_desktop.domain.tags import checked_tag, storable
from cret_desktop.storage.sqlite.annotation_rows import SEARCH_KINDS, add_tags, both_notes, keep
from cret_desktop.storage.sqlite.beliefs import believed
from cret_desktop.storage.sqlite.rows import joined_path

if TYPE_CHECKING:
    from cret_desktop.storage.sqlite.catalog import Catalog


def read_records(catalog: Catalog) -> tuple[list[SaidOfFile], list[SavedSearch]]:
    """Return all annotations, of files by path, then of content without a file; and the saved searches by name."""
    db = catalog.reader()
    tags: dict[int, list[str]] = {}
    rows = db.execute("SELECT t.file_id, g.name FROM file_tags t JOIN tags g ON g.id = t.tag_id ORDER BY g.folded")
    for file_id, name in believed(rows, "file_tags.file_id tags.name"):
        tags.setdefault(file_id, []).append(name)
    rows = db.execute(
        "SELECT f.id, r.path, f.path, f.size, f.fingerprint, f.favourite, f.note FROM files f"
        " JOIN roots r ON r.id = f.root_id"
        " WHERE f.favourite OR f.note != '' OR f.id IN (SELECT file_id FROM file_tags) ORDER BY r.path, f.path"
    )
    said = [
        SaidOfFile(
            joined_path(root, path), size, fingerprint or b"", bool(favourite), tuple(tags.get(file_id, ())), note
        )
        for file_id, root, path, size, fingerprint, favourite, note in believed(
            rows, "files.id roots.path files.path files.size files.fingerprint files.favourite files.note"
        )
    ]
    waiting = db.execute("SELECT fingerprint, favourite, tags, note FROM kept_annotations ORDER BY fingerprint")
    kinds = " ".join(f"kept_annotations.{column}" for column in ("fingerprint", "favourite", "tags", "note"))
    said += [
        SaidOfFile("", 0, print_, bool(f), tuple(json.loads(names)), note)
        for print_, f, names, note in believed(waiting, kinds)
    ]
    searches = db.execute("SELECT name, text, without, sort, reverse FROM saved_searches ORDER BY name")
    return said, [
        SavedSearch(name, t, without, Sort(sort), bool(back))
        for name, t, without, sort, back in believed(searches, SEARCH_KINDS)
    ]


def merge_records(catalog: Catalog, said: Sequence[SaidOfFile], searches: Sequence[SavedSearch]) -> Merged:
    """Merge records into a catalog, all or none. Repeating it changes nothing.

    Tags and favourites are added, a note is appended to an existing one, and a search whose name is taken gets a new
    name. Raises: QueryError for an invalid tag; StorageError.
    """
    files = waiting = unknown = joined = new_searches = 0
    with catalog.write(durable=True) as db:
        by_path = _ids_by_path(db, {record.path for record in said if record.path})
        taken: set[int] = set()
        for record in said:
            tags = [checked_tag(tag) for tag in record.tags]
            file_id = _known_again(db, record, by_path, taken)
            if file_id is not None:
                taken.add(file_id)
                files += 1
                joined += _say(db, file_id, record, tags)
            elif record.fingerprint:
                waiting += 1
                joined += keep(db, record.fingerprint, record.favourite, storable(record.note), tags)
            else:
                unknown += 1
        for search in searches:
            new_searches += _save(db, search)
    return Merged(files, waiting, unknown, joined, new_searches)


def _ids_by_path(db: sqlite3.Connection, wanted: set[str]) -> dict[str, int]:
    rows = db.execute("SELECT f.id, r.path, f.path FROM files f JOIN roots r ON r.id = f.root_id")
    known = believed(rows, "files.id roots.path files.path")
    paths = ((file_id, joined_path(root, path)) for file_id, root, path in known)
    return {path: file_id for file_id, path in paths if path in wanted}


def _known_again(db: sqlite3.Connection, record: SaidOfFile, by_path: dict[str, int], taken: set[int]) -> int | None:
    """Return the file with the same content (preferring the same path), else the file with the same path."""
    here = by_path.get(record.path)
    same: list[int] = [
        i
        for (i,) in db.execute(
            "SELECT id FROM files WHERE fingerprint = ? AND (size = ? OR ?) ORDER BY missing_since IS NOT NULL, id",
            (record.fingerprint, record.size, not record.path),
        )
    ]
    if here in same:
        return here
    if same:  # copies had annotations of their own: each goes to another copy while there are enough
        return next((file_id for file_id in same if file_id not in taken), same[0])
    return here


def _say(db: sqlite3.Connection, file_id: int, record: SaidOfFile, tags: Sequence[str]) -> bool:
    """Add to a file's annotations. Return whether two notes were joined."""
    rows = db.execute("SELECT note FROM files WHERE id = ?", (file_id,)).fetchall()
    (before,) = next(believed(rows, "files.note"), ("",))
    note = both_notes(before, storable(record.note))
    db.execute("UPDATE files SET favourite = favourite OR ?, note = ? WHERE id = ?", (record.favourite, note, file_id))
    add_tags(db, [file_id], tags)
    return before not in ("", note)


def _save(db: sqlite3.Connection, search: SavedSearch) -> bool:
    values = (storable(search.text), storable(search.without), search.sort.value, int(search.reverse))
    name, number = storable(search.name), 1
    while True:
        wanted = name if number == 1 else f"{name} ({number})"
        row = db.execute("SELECT text, without, sort, reverse FROM saved_searches WHERE name = ?", (wanted,)).fetchone()
        if row is None:
            db.execute("INSERT INTO saved_searches VALUES (?, ?, ?, ?, ?)", (wanted, *values))
            return True
        if row == values:
            return False
        number += 1
