"""Lists the library's files: those that match a search, in order, with their details."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import LibraryFile, Sort
from cret_desktop.domain.filters import Filters
from cret_desktop.storage.sqlite.beliefs import believed
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.filters import Condition, condition
from cret_desktop.storage.sqlite.reasons import reason_in
from cret_desktop.storage.sqlite.rows import REASON, STATE, WITH_PICTURES, joined_path

_FROM = "FROM files f JOIN roots r ON r.id = f.root_id"
# The column, and whether its natural order descends. Files of unknown length come last by length.
_ORDERS = {
    Sort.RELEVANCE: ("f.mtime_ns", True),
    Sort.NAME: ("f.name_key", False),
    Sort.DATE: ("f.mtime_ns", True),
    Sort.LENGTH: ("f.duration", True),
    Sort.SIZE: ("f.size", True),
}


class Listing:
    """Queries files by filters. Missing files are never listed, offline ones are."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._counted = threading.local()

    def count(self, filters: Filters, without: Sequence[int] = ()) -> int:
        if filters == Filters() and not without:
            return self._count_all()
        where = self._where(filters, without)
        return int(self._execute(f"SELECT count(*) {_source(filters)} WHERE {where.sql}", where).fetchone()[0])

    def _count_all(self) -> int:
        """Return the number of files, cached until a change: counting takes milliseconds, and every search asks."""
        db = self._catalog.reader()
        version = (db, int(db.execute("PRAGMA data_version").fetchone()[0]))  # each connection has its own counter
        if getattr(self._counted, "version", None) != version:
            row = db.execute("SELECT count(*) FROM files WHERE missing_since IS NULL").fetchone()
            self._counted.version, self._counted.files = version, int(row[0])
        return int(self._counted.files)

    def admitted(self, filters: Filters) -> NDArray[np.int64]:
        """Return the ids of the files that match the operators, unordered."""
        where = self._where(filters)
        return np.array(self._execute(f"SELECT f.id {_FROM} WHERE {where.sql}", where).fetchall(), np.int64).reshape(-1)

    def page(
        self, filters: Filters, sort: Sort, reverse: bool, limit: int, offset: int, without: Sequence[int] = ()
    ) -> list[int]:
        """Return the ids of the `limit` files from the `offset`-th on, in order; ties by id."""
        where = self._where(filters, without)
        column, descending = _ORDERS[sort]
        direction = "DESC" if descending is not reverse else "ASC"
        rows = self._execute(
            f"SELECT f.id {_source(filters)} WHERE {where.sql}"
            f" ORDER BY {column} {direction}, f.id {direction} LIMIT ? OFFSET ?",
            where,
            limit,
            offset,
        )
        return [i for (i,) in rows]

    def ordered(self, file_ids: Collection[int], sort: Sort, reverse: bool) -> list[int]:
        """Return these files in order."""
        column, descending = _ORDERS[sort]
        direction = "DESC" if descending is not reverse else "ASC"
        marks = ",".join("?" * len(file_ids))
        rows = self._catalog.reader().execute(
            f"SELECT f.id FROM files f WHERE f.id IN ({marks}) ORDER BY {column} {direction}, f.id {direction}",
            tuple(file_ids),
        )
        return [i for (i,) in rows]

    def files(self, file_ids: Collection[int]) -> dict[int, LibraryFile]:
        """Return files by id, missing ones included; unknown ids are left out."""
        ids = tuple(dict.fromkeys(file_ids))
        marks = ",".join("?" * len(ids))
        db = self._catalog.reader()
        tags: dict[int, list[str]] = {}
        rows = db.execute(
            "SELECT t.file_id, g.name FROM file_tags t JOIN tags g ON g.id = t.tag_id"
            f" WHERE t.file_id IN ({marks}) ORDER BY g.folded",
            ids,
        )
        for file_id, name in believed(rows, "file_tags.file_id tags.name"):
            tags.setdefault(file_id, []).append(name)
        rows = db.execute(
            f"SELECT f.id, r.path, f.path, f.size, f.mtime_ns, {STATE}, {REASON}, f.duration, f.width, f.height,"
            " f.frame_rate, (SELECT max(c.ordinal) + 1 FROM clips c WHERE c.file_id = f.id), r.offline OR f.away,"
            " f.missing_since IS NOT NULL, f.favourite, f.note,"
            " (SELECT s.reason FROM sidecars s WHERE s.file_id = f.id AND s.reason != '' LIMIT 1)"
            f" {_FROM} {WITH_PICTURES} WHERE f.id IN ({marks})",
            ids,
        )
        kinds = (
            "files.id roots.path files.path files.size files.mtime_ns state stages.reason files.duration"
            " files.width files.height files.frame_rate integer? integer integer files.favourite files.note"
            " text?"
        )
        return {
            row[0]: LibraryFile(
                id=row[0],
                path=joined_path(row[1], row[2]),
                size=max(row[3], 0),
                modified=row[4] / 1e9,
                state=row[5],
                reason=reason_in(row[6] or row[16] or ""),
                duration=row[7],
                width=row[8],
                height=row[9],
                frame_rate=row[10],
                clips=row[11] or 0,
                offline=bool(row[12]),
                missing=bool(row[13]),
                favourite=bool(row[14]),
                tags=tuple(tags.get(row[0], ())),
                note=row[15],
            )
            for row in believed(rows, kinds)
        }

    def _where(self, filters: Filters, without: Sequence[int] = ()) -> Condition:
        roots = [(root.id, root.path) for root in self._catalog.roots()] if filters != Filters() else []
        return condition(filters, roots, without)

    def _execute(self, sql: str, where: Condition, *more: int) -> sqlite3.Cursor:
        return self._catalog.reader().execute(sql, (*where.parameters, *more))


def _source(filters: Filters) -> str:
    """Return the FROM clause. Without operators the roots are not needed, and an index alone answers."""
    return "FROM files f" if filters == Filters() else _FROM
