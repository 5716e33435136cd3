"""Reads and writes annotations row by row, within the transactions of other changes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from cret_desktop.domain.tags import fold_tag
from cret_desktop.storage.sqlite.beliefs import believed

SEARCH_KINDS = " ".join(f"saved_searches.{column}" for column in ("name", "text", "without", "sort", "reverse"))

KEPT_KINDS = " ".join(f"kept_annotations.{column}" for column in ("favourite", "note", "tags"))

# SQL: whether a file f has annotations.
IS_ANNOTATED = "(f.favourite OR f.note != '' OR EXISTS (SELECT 1 FROM file_tags t WHERE t.file_id = f.id))"


def is_annotated(db: sqlite3.Connection, file_id: int) -> bool:
    """Return whether a file has annotations."""
    found = db.execute(f"SELECT 1 FROM files f WHERE f.id = ? AND {IS_ANNOTATED}", (file_id,)).fetchone()
    return found is not None


def keep_annotations(db: sqlite3.Connection, condition: str, value: float) -> None:
    """Set aside the annotations of files f before they are deleted. `condition` is SQL with one parameter, `value`."""
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
        keep(db, fingerprint, favourite, note, [name for (name,) in believed(named, "tags.name")])


def keep(db: sqlite3.Connection, fingerprint: bytes, favourite: bool, note: str, tags: Sequence[str]) -> bool:
    """Add to the annotations kept for content without a file; return whether two notes were joined."""
    rows = db.execute("SELECT favourite, note, tags FROM kept_annotations WHERE fingerprint = ?", (fingerprint,))
    was_favourite, before, names = next(believed(rows.fetchall(), KEPT_KINDS), (False, "", "[]"))
    joined = both_notes(before, note)
    every = list(dict.fromkeys([*json.loads(names), *tags]))
    db.execute(
        "INSERT OR REPLACE INTO kept_annotations (fingerprint, favourite, note, tags) VALUES (?, ?, ?, ?)",
        (fingerprint, was_favourite or favourite, joined, json.dumps(every)),
    )
    return before not in ("", joined)


def both_notes(note: str, other: str) -> str:
    """Return two notes as one: the second below the first, unless it is contained in it."""
    if not note or other in note:
        return note or other
    return f"{note}\n\n{other}"


def give_back_annotations(db: sqlite3.Connection, file_id: int, fingerprint: bytes) -> None:
    """Give a newly indexed file the annotations kept for its content, and merge them with its own."""
    rows = db.execute("SELECT favourite, note, tags FROM kept_annotations WHERE fingerprint = ?", (fingerprint,))
    for favourite, note, tags in believed(rows.fetchall(), KEPT_KINDS):
        found = db.execute("SELECT note FROM files WHERE id = ?", (file_id,)).fetchall()
        (said,) = next(believed(found, "files.note"), ("",))
        db.execute(
            "UPDATE files SET favourite = favourite OR ?, note = ? WHERE id = ?",
            (favourite, both_notes(said, note), file_id),
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
    """Delete tags that no file has, so that they can be respelled."""
    db.execute("DELETE FROM tags WHERE id NOT IN (SELECT tag_id FROM file_tags)")
