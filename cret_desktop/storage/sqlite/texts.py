"""Searches names, folders, tags, notes and subtitles through SQLite's full-text index (FTS5).

Case and diacritics are ignored; the last word may be a prefix. Triggers maintain the index (see
`storage.sqlite.migrations`); subtitle lines are inserted here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cret_desktop.domain.records import FileHit, Line, LineHit, Sidecar
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite.beliefs import believed
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.checksums import checksum_of_line
from cret_desktop.storage.sqlite.filters import phrase
from cret_desktop.storage.sqlite.reasons import written

# The weights of a word in a file's name, its folders, its tags and its note (bm25's weights).
_WEIGHTS = "8.0, 2.0, 10.0, 4.0"
_COLUMNS = ("name", "folders", "tags", "note")
_NO_REASONS: Mapping[str, Message] = MappingProxyType({})


class Texts:
    """Full-text search over one catalog. Missing files are never found."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def count_files(self, words: Sequence[str]) -> int:
        """Return the number of files that match all the words."""
        return self._count("file_texts", words)

    def count_lines(self, words: Sequence[str]) -> int:
        return self._count("subtitle_texts", words)

    def files(self, words: Sequence[str], limit: int) -> list[FileHit]:
        """Return files that match all the words, best first (bm25)."""
        db = self._catalog.reader()
        match = _all_of(words)
        ids = [
            i
            for (i,) in db.execute(
                "SELECT t.rowid FROM file_texts t JOIN files f ON f.id = t.rowid WHERE file_texts MATCH ?"
                f" AND f.missing_since IS NULL ORDER BY bm25(file_texts, {_WEIGHTS}) LIMIT ?",
                (match, limit),
            )
        ]
        # Highlight only these. Their text stays in SQLite: a name may not be valid UTF-8.
        found = [f"instr(highlight(file_texts, {n}, char(2), char(3)), char(2)) > 0" for n in range(len(_COLUMNS))]
        rows = db.execute(
            f"SELECT rowid, {', '.join(found)}, snippet(file_texts, 3, '', '', '…', 16) FROM file_texts"
            f" WHERE file_texts MATCH ? AND rowid IN ({','.join('?' * len(ids))})",
            (match, *ids),
        )
        hits = {}
        for i, *flags, note in believed(rows, f"id {'integer? ' * len(_COLUMNS)}text"):
            columns = tuple(column for column, flag in zip(_COLUMNS, flags, strict=True) if flag)
            hits[i] = FileHit(i, columns, note if "note" in columns else "")
        return [hits[i] for i in ids if i in hits]

    def lines(self, words: Sequence[str], limit: int) -> list[LineHit]:
        """Return subtitle lines that contain all the words, best first (bm25)."""
        rows = self._catalog.reader().execute(
            "SELECT l.file_id, l.start, l.end, l.text FROM subtitle_texts t JOIN subtitle_lines l ON l.id = t.rowid"
            " JOIN files f ON f.id = l.file_id WHERE subtitle_texts MATCH ? AND f.missing_since IS NULL"
            " ORDER BY bm25(subtitle_texts), l.id LIMIT ?",
            (_all_of(words), limit),
        )
        kinds = "subtitle_lines.file_id subtitle_lines.start subtitle_lines.end subtitle_lines.text"
        return [LineHit(*row) for row in believed(rows, kinds)]

    def sidecars(self, root_id: int, paths: Sequence[str]) -> dict[str, tuple[int, set[Sidecar]]]:
        """Return the id and the known subtitle files of these files of a root, by path."""
        known = self._catalog.files(root_id)
        read: dict[int, set[Sidecar]] = {}
        rows = self._catalog.reader().execute(
            "SELECT s.file_id, s.path, s.size, s.mtime_ns FROM sidecars s JOIN files f ON f.id = s.file_id"
            " WHERE f.root_id = ?",
            (root_id,),
        )
        kinds = "sidecars.file_id sidecars.path sidecars.size sidecars.mtime_ns"
        for file_id, path, size, mtime_ns in believed(rows, kinds):
            read.setdefault(file_id, set()).add(Sidecar(os.fsdecode(path), size, mtime_ns))
        wanted = [known[path] for path in paths if path in known]
        return {row.path: (row.id, read.get(row.id, set())) for row in wanted}

    def set_subtitles(
        self,
        file_id: int,
        sidecars: Sequence[Sidecar],
        lines: Sequence[Line],
        reasons: Mapping[str, Message] = _NO_REASONS,
    ) -> None:
        """Replace a file's subtitle lines by those read from these files.

        `reasons` has an entry for the path of each file that could not be read.
        """
        with self._catalog.write() as db:
            db.execute("DELETE FROM sidecars WHERE file_id = ?", (file_id,))
            db.execute("DELETE FROM subtitle_lines WHERE file_id = ?", (file_id,))
            db.executemany(
                "INSERT INTO sidecars (file_id, path, size, mtime_ns, reason) VALUES (?, ?, ?, ?, ?)",
                [(file_id, os.fsencode(s.path), s.size, s.mtime_ns, written(reasons.get(s.path))) for s in sidecars],
            )
            db.executemany(
                "INSERT INTO subtitle_lines (file_id, start, end, text, checksum) VALUES (?, ?, ?, ?, ?)",
                [(file_id, *line, checksum_of_line(*line)) for line in ((li.start, li.end, li.text) for li in lines)],
            )

    def _count(self, table: str, words: Sequence[str]) -> int:
        rows = self._catalog.reader().execute(f"SELECT count(*) FROM {table} WHERE {table} MATCH ?", (_all_of(words),))
        return int(rows.fetchone()[0])


def _all_of(words: Sequence[str]) -> str:
    """Return an FTS5 expression for all the words, the last one as a prefix."""
    whole = [phrase(word)[:-1] for word in words[:-1]]
    return " AND ".join([*whole, phrase(words[-1])])
