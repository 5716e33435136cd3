"""Rebuilds a damaged or foreign catalog from its readable rows; sets the old one aside under a name with the time.

SQLite reads the rows, and unreadable ones are skipped. Annotations are stored twice in the catalog, on separate pages:
rows of a lost page are restored from indices and from the full-text index. A file with incomplete clips or embeddings
is requeued. Graphs are left out, and rebuilt. From a foreign schema only objects with our definition are read, and only
values that are valid for their column are copied. Never changes or deletes the old catalog, and never gives a new one
the catalog's name before it is complete.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cret_desktop.domain.records import PICTURES
from cret_desktop.domain.tags import fold_tag
from cret_desktop.errors import LibraryTooNew
from cret_desktop.library_files import CATALOG, HEAD, MARK, LibraryFiles
from cret_desktop.messages import Message, all_of, clauses, enumerated
from cret_desktop.storage.flush import flush_folder
from cret_desktop.storage.sqlite.beliefs import fits
from cret_desktop.storage.sqlite.connections import connect_to_read, difference, forbid_what_differs
from cret_desktop.storage.sqlite.migrations import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    STAGES_SINCE,
    check_version,
    name_sort_key,
    prepare,
)

_RECOVERING, _RECOVERED, _MENDED = (f"catalog.{stage}.sqlite" for stage in ("recovering", "recovered", "mended"))
_SUFFIXES = ("-journal", "-wal", "-shm", "")  # logs first: SQLite would apply them to a new catalog
_PAGE = 4096  # bytes, SQLite's default
_KEPT = struct.Struct(f">I{_PAGE}s")  # a stored page, with its number from 1
_MOST_KEPT = 1000  # pages
_FARTHEST = 1 << 62  # a key above that of any row
_NEVER_AGAIN = 1_000_000  # ids skipped after the last one read: unreadable rows may have had them

Row = tuple[Any, ...]


@dataclass(slots=True)
class _Tally:
    """The incomplete tables, those that their second copy could not complete, and the files to index."""

    incomplete: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    mended: list[int] = field(default_factory=list)  # files known only from indices
    waiting: int = 0


def is_ours(path: Path) -> bool:
    """Return whether a file that SQLite cannot use is, or was, a catalog of ours."""
    files = LibraryFiles(path.parent)
    if files.has(HEAD):
        return True
    try:
        with files.opened(CATALOG) as stream:
            return stream.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")
    except OSError:
        return False


def keep_head(path: Path) -> None:
    """Store a copy of those pages of an intact catalog that locate its tables. Raises: OSError.

    Only the part of the header that changes with the schema is stored
    (https://sqlite.org/fileformat.html#the_database_header).
    """
    kept, files = b"", LibraryFiles(path.parent)
    with files.opened(CATALOG) as stream:
        numbers = [1]
        for number in numbers:  # grows during the loop
            stream.seek((number - 1) * _PAGE)
            page = bytearray(stream.read(_PAGE).ljust(_PAGE, b"\0"))
            if number == 1:
                page[24:40] = b"\0\0\0\1" + bytes(12)  # page count and free pages, which recovery determines
                page[92:96] = bytes(4)
            kept += _KEPT.pack(number, bytes(page))
            numbers += [child for child in _children(page, 100 if number == 1 else 0) if child not in numbers]
            if len(numbers) > _MOST_KEPT:
                return  # no schema of ours is that long
    if files.peek(HEAD) != kept:
        files.write(HEAD, kept, flush=True)


def drop_head(path: Path) -> None:
    """Remove the copy stored by `keep_head`. Raises: OSError."""
    LibraryFiles(path.parent).remove(HEAD)


def _children(page: bytearray, at: int) -> list[int]:
    """Return the page numbers below an interior page of a table (https://sqlite.org/fileformat.html#b_tree_pages)."""
    kind, _, cells, _, _, last = struct.unpack_from(">BHHHBI", page, at)
    if kind != 5:
        return []
    places = struct.unpack_from(f">{min(cells, (_PAGE - at - 12) // 2)}H", page, at + 12)
    children = [*(struct.unpack_from(">I", page, place)[0] for place in places if place <= _PAGE - 4), last]
    return [child for child in children if child]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows copied to a new catalog ("12 videos, 2 tags and 1 note"), and clauses on the rest."""

    copied: Message
    remarks: tuple[Message, ...] = ()


def recover(path: Path) -> Message:
    """Replace a damaged catalog by one rebuilt from its readable rows; return a message about it.

    Raises: OSError and sqlite3.Error if the new one cannot be written; the damaged one is then unchanged.
    """
    rows, aside = remake(path)
    found = [Message("recovery.back", rows=rows.copied), *rows.remarks]
    return Message("recovery.repaired", found=clauses(found), kept=aside)


def remake(path: Path) -> tuple[Rows, Path]:
    """Rebuild as `recover` does; return the counts of rows, and the new path of the old catalog."""
    files = LibraryFiles(path.parent)
    new = files.create_catalog(_RECOVERING)
    with _readable(path) as source, closing(sqlite3.connect(new, isolation_level=None)) as target:
        target.execute("PRAGMA synchronous = FULL")
        target.execute("PRAGMA foreign_keys = ON")
        prepare(target, _version(source))
        target.execute("BEGIN")
        tally = _Tally()
        _copy_all(source, target, tally)
        target.execute("COMMIT")
        prepare(target)  # migrates an older schema to ours, where files have stages
        target.execute("BEGIN")
        _find_what_is_not_whole(source, target, tally)
        target.execute("COMMIT")
        rows = _counted(target, tally)
    files.rename(_RECOVERING, _RECOVERED)
    flush_folder(path.parent)
    aside = _aside(path)
    finish(path)
    return rows, aside


def finish(path: Path) -> None:
    """Replace the catalog by a finished recovered one, if there is one, and set the old one aside. Raises: OSError."""
    files = LibraryFiles(path.parent)
    if not files.has(_RECOVERED):
        return
    aside = _aside(path)
    if not _is_whole(path.with_name(_RECOVERED)):  # not made by us: we give that name only to complete ones
        files.rename(_RECOVERED, aside.name.replace(".damaged-", ".foreign-"))
        return
    for suffix in _SUFFIXES:
        if files.has(CATALOG + suffix):
            files.rename(CATALOG + suffix, aside.name + suffix)
        else:
            files.remove(CATALOG + suffix)  # for example a link: no file of SQLite's
    files.remove(MARK)  # it referred to the damaged catalog
    flush_folder(path.parent)
    files.rename(_RECOVERED, CATALOG)
    flush_folder(path.parent)


def _is_whole(path: Path) -> bool:
    try:
        with closing(connect_to_read(path, immutable=True)) as db:
            return check_version(db, path) > 0 and not difference(db)
    except (OSError, sqlite3.Error, LibraryTooNew):
        return False


def _aside(path: Path) -> Path:
    """Return the new name of the old catalog. It follows from the new one's time, so a retry gives the same."""
    whole = os.stat(path.with_name(_RECOVERED), follow_symlinks=False)
    moment = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(whole.st_mtime))
    return path.with_name(f"{path.stem}.damaged-{moment}{path.suffix}")


@contextmanager
def _readable(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to what is left of a catalog: to a copy with the stored head pages if its own are lost."""
    files = LibraryFiles(path.parent)
    connection = connect_to_read(path, repairing=True)
    try:
        kept = files.peek(HEAD)
        if not _knows_tables(connection) and kept and len(kept) % _KEPT.size == 0:
            connection.close()
            files.remove_catalog(_MENDED)
            for suffix in ("", "-wal"):
                if files.has(CATALOG + suffix):
                    with files.opened(CATALOG + suffix) as source, files.create(_MENDED + suffix).open("wb") as copy:
                        shutil.copyfileobj(source, copy)
            with path.with_name(_MENDED).open("r+b") as stream:
                pages = stream.seek(0, os.SEEK_END) // _PAGE
                for number, page in _KEPT.iter_unpack(kept):
                    if 0 < number <= pages + 1:
                        stream.seek((number - 1) * _PAGE)
                        stream.write(page)
            connection = connect_to_read(path.with_name(_MENDED), repairing=True)
        with suppress(sqlite3.DatabaseError):  # without table names no row can be read
            forbid_what_differs(connection, _version(connection))
        yield connection
    finally:
        connection.close()
        files.remove_catalog(_MENDED)


def _knows_tables(source: sqlite3.Connection) -> bool:
    """Return whether all objects of its version's schema are readable and have our definition."""
    try:
        return difference(source, _version(source)).is_readable
    except sqlite3.DatabaseError:
        return False


def _version(source: sqlite3.Connection) -> int:
    version = next((int(v) for (v,) in _some(source, "PRAGMA user_version")), 0)
    return version if 0 < version <= SCHEMA_VERSION else SCHEMA_VERSION


# --- reading ----------------------------------------------------------------------------------------------------


def _rows(source: sqlite3.Connection, table: str, columns: Sequence[str], key: str, tally: _Tally) -> Iterator[Row]:
    """Yield all readable rows, by ascending key; skip unreadable stretches as exactly as possible."""
    wanted = f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE {key} > ? ORDER BY {key}"
    after = -1
    while True:
        try:
            for row in source.execute(wanted, (after,)):
                after = row[0] if isinstance(row[0], int) else after
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            tally.incomplete.add(table)
        if key == "rowid":  # Python reads one row ahead: fetch the last row before the unreadable part separately
            with suppress(sqlite3.DatabaseError):
                for row in source.execute(f"{wanted} LIMIT 1", (after,)).fetchall():
                    after = row[0]
                    yield row[1:]
        low, high = 0, 1  # after + low cannot be read from, after + high can
        while not _can_read(source, wanted, after + high):
            low, high = high, 2 * high
            if after + high > _FARTHEST:
                return
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _can_read(source, wanted, after + middle) else (middle, high)
        after += high


def _can_read(source: sqlite3.Connection, wanted: str, after: int) -> bool:
    try:
        source.execute(f"{wanted} LIMIT 1", (after,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return True


def _some(source: sqlite3.Connection, query: str, table: str = "", tally: _Tally | None = None) -> list[Row]:
    """Return the rows of a query up to the first unreadable one, which is recorded for the table."""
    rows: list[Row] = []
    try:
        rows.extend(source.execute(query))
    except sqlite3.DatabaseError:
        if tally is not None:
            tally.lost.add(table)
    return rows


# --- copying ----------------------------------------------------------------------------------------------------

# Ordered so that no row precedes one that it refers to. Triggers fill the full-text indices.
_TABLES = (
    "library", "roots", "models", "tags", "files", "stages", "file_tags", "saved_searches", "kept_annotations", "clips",
    "embeddings", "sidecars", "subtitle_lines",
)  # fmt: skip
_KEYS = {"file_tags": "file_id", "sidecars": "file_id", "stages": "file_id"}  # for tables without a rowid

# Second copies in indices: columns, and source. Those called "again" exist since schemas 4 and 5.
_AGAIN = {
    "library": ("id", "library INDEXED BY library_again"),
    "roots": (
        "id, path, added_at, offline, volume, within, device, inode, removed_at, followed",
        "roots INDEXED BY roots_again",
    ),
    "models": ("id, fingerprint, name, width, centers", "models INDEXED BY models_again"),
    "tags": ("id, folded, name", "(SELECT id, folded, folded AS name FROM tags INDEXED BY sqlite_autoindex_tags_1)"),
    "files": (
        "id, root_id, path, size, mtime_ns, device, inode",
        "(SELECT id, root_id, path, 0 AS size, 0 AS mtime_ns, 0 AS device, 0 AS inode, 'pending' AS state"
        " FROM files INDEXED BY sqlite_autoindex_files_1)",
    ),
    "file_tags": ("file_id, tag_id", "file_tags INDEXED BY file_tags_by_tag"),
    "saved_searches": ("name, text, without, sort, reverse", "saved_searches INDEXED BY saved_searches_again"),
    "kept_annotations": ("fingerprint, favourite, note, tags", "kept_annotations INDEXED BY kept_annotations_again"),
}
_FOLLOWED_TWICE_SINCE = 8
# Replacements for invalid values, by column: with them the row can be kept.
_INSTEAD: dict[str, dict[str, object]] = {
    "roots": {
        "added_at": 0.0, "offline": 0, "volume": "", "within": b"", "device": 0, "inode": 0, "removed_at": None,
        "followed": 0,
    },
    "files": {
        "size": 0, "mtime_ns": 0, "device": 0, "inode": 0, "fingerprint": None, "state": "pending", "reason": "",
        "duration": None, "width": None, "height": None, "frame_rate": None, "codec": None, "container": None,
        "missing_since": None, "favourite": 0, "note": "", "name_key": "", "away": 0, "checksum": None,
    },
    "stages": {"version": None, "reason": ""},
    "clips": {"shot": 0, "sprite": "", "tile_width": 0, "tile_height": 0, "poster": 0, "sprite_checksum": None,
        "checksum": None,
    },
}  # fmt: skip
# Further columns of files from indices: one each, with the file's id.
_OF_A_FILE = {
    "fingerprint": "SELECT id, fingerprint FROM files INDEXED BY files_by_fingerprint WHERE fingerprint IS NOT NULL",
    "inode": "SELECT id, inode FROM files INDEXED BY files_by_inode",
    "missing_since": "SELECT id, missing_since FROM files INDEXED BY files_by_absence WHERE missing_since IS NOT NULL",
    "favourite": "SELECT id, favourite FROM files INDEXED BY files_by_favourite WHERE favourite",
    "note": "SELECT id, c3 FROM file_texts_content WHERE c3 != ''",
}


def _copy_all(source: sqlite3.Connection, target: sqlite3.Connection, tally: _Tally) -> None:
    for table in _TABLES:
        columns = _columns(target, table)
        if not columns:
            continue  # the catalog has an older schema
        for row in _rows(source, table, columns, _KEYS.get(table, "rowid"), tally):
            if not _insert(target, table, columns, _checked(target, table, columns, row)):
                tally.incomplete.add(table)
        if table in tally.incomplete and table in _AGAIN:
            added = _fill(source, target, table, tally)
            if table == "files":
                _complete_files(source, target, added, tally)
            elif table == "tags":
                _spell_tags(source, target)
    _number_on(source, target)


def _checked(target: sqlite3.Connection, table: str, columns: Sequence[str], row: Row) -> Row:
    """Return a row with invalid values replaced."""
    values = dict(zip(columns, row, strict=True))
    for column, instead in _INSTEAD.get(table, {}).items():
        if column in values and not fits([values[column]], [f"{table}.{column}"]):
            values[column] = instead
    if "model_id" in values and table == "files" and not _has(target, "models", values["model_id"]):
        values["model_id"] = None
        values["state"] = "pending" if values["state"] == "indexed" else values["state"]
    if table == "stages":
        values["owner"] = values["lease"] = None  # claims do not carry over to the new catalog
    return tuple(values.values())


def _has(target: sqlite3.Connection, table: str, row_id: object) -> bool:
    return target.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row_id,)).fetchone() is not None


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _insert(target: sqlite3.Connection, table: str, columns: Sequence[str], row: Row) -> bool:
    """Insert a row. Return False if it exists, is invalid for the table, or refers to a lost row."""
    if not fits(row, [f"{table}.{column}" for column in columns]):
        return False
    marks = ", ".join("?" * len(row))
    try:
        target.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", row)
    except sqlite3.IntegrityError:
        return False
    return True


def _fill(source: sqlite3.Connection, target: sqlite3.Connection, table: str, tally: _Tally) -> list[Row]:
    """Insert rows that only the second copy has; return them."""
    columns, place = _AGAIN[table]
    if table == "roots" and _version(source) < _FOLLOWED_TWICE_SINCE:
        columns = columns.removesuffix(", followed")
    if table == "files" and _version(source) < STAGES_SINCE:
        columns += ", state"
    names = columns.split(", ")
    rows = _some(source, f"SELECT {columns} FROM {place}", table, tally)
    return [row for row in rows if _insert(target, table, names, row)]


def _complete_files(
    source: sqlite3.Connection, target: sqlite3.Connection, added: Sequence[Row], tally: _Tally
) -> None:
    """Complete the restored files from indices, so that their tags, notes and clips belong to them again."""
    lost = {int(row[0]): row for row in added}
    tally.mended = list(lost)
    tally.waiting += len(lost)
    known = _columns(target, "files")
    for column, query in _OF_A_FILE.items():
        if column in known:
            found = _some(source, query, "files", tally)
            values = [(value, i) for i, value in found if i in lost and fits([value], [f"files.{column}"])]
            target.executemany(f"UPDATE files SET {column} = ? WHERE id = ?", values)
    if "name_key" in known:
        keys = [
            (name_sort_key(path or target.execute("SELECT path FROM roots WHERE id = ?", (root,)).fetchone()[0]), i)
            for i, root, path, *_ in added
        ]
        target.executemany("UPDATE files SET name_key = ? WHERE id = ?", keys)


def _spell_tags(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Restore the spelling of tags, of which only the folded form is left, from the full-text index."""
    for (names,) in _some(source, "SELECT c2 FROM file_texts_content WHERE c2 != ''"):
        for name in str(names).split("\n"):
            target.execute("UPDATE tags SET name = ? WHERE folded = ? AND name = folded", (name, fold_tag(name)))


def _number_on(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Number new rows from beyond all ids that may ever have existed: ids are never reused."""
    rows = _some(source, "SELECT name, seq FROM sqlite_sequence")
    used = {name: last for name, last in rows if fits([last], ["id"])}
    for (table,) in target.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'").fetchall():
        last = int(target.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])
        number = used[table] if used.get(table, -1) >= last else last + _NEVER_AGAIN
        target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))


def _find_what_is_not_whole(source: sqlite3.Connection, target: sqlite3.Connection, tally: _Tally) -> None:
    """Requeue files with missing or damaged clips or embeddings."""
    for (model,) in target.execute("SELECT id FROM models").fetchall():
        usual = target.execute(
            "SELECT length(globals), length(centers) FROM embeddings WHERE model_id = ? GROUP BY 1, 2"
            " ORDER BY count(*) DESC LIMIT 1",
            (model,),
        ).fetchone()
        if usual is not None:
            target.execute(
                "DELETE FROM embeddings WHERE model_id = ? AND (length(globals), length(centers)) != (?, ?)",
                (model, *usual),
            )
    target.execute("CREATE TEMP TABLE had (file_id INTEGER PRIMARY KEY, clips INTEGER NOT NULL)")
    if "clips" in tally.incomplete:
        query = (
            "SELECT file_id, count(*) FROM clips INDEXED BY sqlite_autoindex_clips_1"
            " WHERE typeof(file_id) = 'integer' GROUP BY file_id"
        )
        target.executemany("INSERT INTO had VALUES (?, ?)", _some(source, query))
    # Data of files known only from indices is incomplete, whatever their stages say.
    target.executemany("DELETE FROM stages WHERE file_id = ?", [(i,) for i in tally.mended])
    has = "(SELECT count(*) FROM clips c WHERE c.file_id = s.file_id)"
    tally.waiting += target.execute(
        f"UPDATE stages AS s SET state = 'waiting' WHERE stage = '{PICTURES}' AND state = 'done' AND ("
        f" {has} < coalesce((SELECT clips FROM had h WHERE h.file_id = s.file_id), 0)"
        f" OR {has} != (SELECT coalesce(max(ordinal) + 1, :none) FROM clips c WHERE c.file_id = s.file_id)"
        " OR EXISTS (SELECT 1 FROM clips c WHERE c.file_id = s.file_id AND s.version IS NOT NULL"
        "  AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.clip_id = c.id"
        "  AND e.model_id = (SELECT id FROM models WHERE fingerprint = s.version))))",
        {"none": -1 if "clips" in tally.incomplete else 0},
    ).rowcount
    if "stages" in tally.incomplete:
        unstaged = target.execute(
            "SELECT DISTINCT c.file_id FROM clips c WHERE NOT EXISTS (SELECT 1 FROM stages s"
            f" WHERE s.file_id = c.file_id AND s.stage = '{PICTURES}')"
        )
        tally.waiting += len({file_id for (file_id,) in unstaged}.difference(tally.mended))
    target.execute("DROP TABLE had")


# --- counting -------------------------------------------------------------------------------------------------------


def _counted(target: sqlite3.Connection, tally: _Tally) -> Rows:
    counted = []
    for words, where in _KINDS:
        for (count,) in _some(target, f"SELECT count(*) FROM {where}"):
            if count or where == "files":
                counted.append(words(count))
    remarks = []
    if tally.waiting == 1:
        remarks.append(Message("recovery.waits", count=tally.waiting))
    elif tally.waiting:
        remarks.append(Message("recovery.wait", count=tally.waiting))
    if tally.lost:
        lost = [words for table, words in _WORDS.items() if table in tally.lost]
        remarks.append(Message("recovery.lost", names=enumerated(lost)))
    return Rows(all_of(counted), tuple(remarks))


def _videos(count: int) -> Message:
    return Message("count.video", count=count) if count == 1 else Message("count.videos", count=count)


def _tags(count: int) -> Message:
    return Message("count.tag", count=count) if count == 1 else Message("count.tags", count=count)


def _notes(count: int) -> Message:
    return Message("count.note", count=count) if count == 1 else Message("count.notes", count=count)


def _favourites(count: int) -> Message:
    return Message("count.favourite", count=count) if count == 1 else Message("count.favourites", count=count)


def _searches(count: int) -> Message:
    return Message("count.search", count=count) if count == 1 else Message("count.searches", count=count)


_KINDS: tuple[tuple[Callable[[int], Message], str], ...] = (
    (_videos, "files"),
    (_tags, "tags"),
    (_notes, "files WHERE note != ''"),
    (_favourites, "files WHERE favourite"),
    (_searches, "saved_searches"),
)
_WORDS = {
    "roots": Message("rows.folders"),
    "models": Message("rows.models"),
    "saved_searches": Message("rows.saved-searches"),
    "tags": Message("rows.tags"),
    "kept_annotations": Message("rows.kept-annotations"),
    "file_tags": Message("rows.video-tags"),
    "files": Message("rows.videos"),
    "library": Message("rows.library"),
}
