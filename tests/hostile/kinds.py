"""The kinds of hostile libraries: each changes a copy of a good one. `tests.hostile.libraries` tries them.

The good library contains red.mp4, green.mp4 and blue.mp4. Where possible the hostile part concerns only blue.mp4, so
that the honest part is known: red and green. This module opens no library.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.beliefs import COLUMNS
from tests.fakes import INFO
from tests.older_schemas import rewrite_in

CATALOG = "catalog.sqlite"
_RECORD = (  # of a graph
    "generation, model, file, size, digest, last_clip_id, count, width, space, m, ef_construction, library_version"
)
BLUE = "(SELECT id FROM files WHERE CAST(path AS TEXT) = 'blue.mp4')"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of a trial.

    outside: files that must not change. hard: those of them that may have further names (hard links).
    knows: the identity of another library that this computer knows.
    fingerprint: of the model that the library is indexed with.
    """

    library: Path
    outside: Path
    home: Path
    knows: str = ""
    fingerprint: str = INFO.fingerprint

    @property
    def decoy(self) -> Path:
        """A user's folder whose files are named as in a library."""
        return self.outside / "named as ours"

    @property
    def hard(self) -> Path:
        return self.outside / "hard"


Make = Callable[[Place], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """The expectations for one kind; None means not judged.

    reads: red and green are found before the library is adopted.
    adopts: they are found afterwards, and more is indexed.
    keeps: the user's own library with this change is searched and indexed further.
    asks: it is not changed before it is adopted; otherwise it is known, or nothing is left of it.
    """

    name: str
    make: Make
    reads: bool | None = True
    adopts: bool | None = True
    keeps: bool | None = True
    asks: bool = True


def kinds() -> dict[str, Kind]:
    """Return all kinds by name."""
    schemas = (kind if ":" in kind.name else replace(kind, name=f"schema: {kind.name}") for kind in _schemas())
    found = [*_places(), *_names(), *schemas, *_rows(), *_graphs(), *_caches(), *_waiting()]
    by_name = {kind.name: kind for kind in found}
    assert len(by_name) == len(found)
    return by_name


# --- other things in place of our files and folders -----------------------------------------------------------------

STRIP, GRAPH, NPZ = "a strip", "a graph", f"calibration/{INFO.fingerprint[:32]}.npz"
FILES = (
    STRIP, GRAPH, NPZ, CATALOG, f"{CATALOG}-wal", f"{CATALOG}-shm", f"{CATALOG}-journal", f"{CATALOG}.open",
    f"{CATALOG}.part", "catalog.head", "catalog.head.part", "catalog.recovering.sqlite",
    "catalog.recovering.sqlite-journal", "catalog.recovered.sqlite", "catalog.mended.sqlite",
    "catalog.v6.backup.sqlite", "writer.lock", "writer.pid", "writer.pid.part", "engine.log", "engine.log.1",
    "pace.json", "pace.json.part", f"{NPZ}.part", "thumbnails/aa/bb/stray.jpg",
)  # fmt: skip
FOLDERS = (
    "thumbnails", "the strip's first folder", "the strip's folder", "graphs", "calibration", "restored",
    ".restored.unfinished", "arriving", "set-aside-2026-01-01-000000", "restored/thumbnails", "arriving/graphs",
)  # fmt: skip
# Without these no library can be read.
_NEEDED = {CATALOG}


def _places() -> Iterator[Kind]:
    for name in FILES:
        catalog = name == CATALOG
        beside = name in (f"{CATALOG}-wal", f"{CATALOG}-shm", f"{CATALOG}-journal")
        refused = None if catalog or beside else True  # one sentence, or the honest part
        for how, put in (("link", _link), ("dangling link", _dangle), ("fifo", _fifo), ("folder", _folder)):
            lock = None if name == "writer.lock" else refused
            yield Kind(f"{how}: {name}", _putting(put, name), reads=refused, adopts=lock, keeps=lock)
        yield Kind(f"hard link: {name}", _putting(_hard, name), reads=refused, adopts=refused, keeps=refused)
    for name in FOLDERS:
        for how, put in (("link", _link_folder), ("dangling link", _dangle), ("fifo", _fifo), ("file", _file)):
            # Users may link it to a larger disk: this is reported in a sentence and never undone without asking.
            theirs = name == "thumbnails" and "link" in how
            yield Kind(f"{how}: {name}", _putting(put, name), keeps=None if theirs else True)


def _putting(put: Callable[[Place, Path], None], name: str) -> Make:
    def make(place: Place) -> None:
        path = _named(place, name)
        with suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        put(place, path)

    return make


def _named(place: Place, name: str) -> Path:
    strip = _strip(place)
    return {
        STRIP: strip,
        GRAPH: next(iter(place.library.glob("graphs/*.hnsw")), place.library / "graphs" / "0123456789ab-1.hnsw"),
        "the strip's folder": strip.parent,
        "the strip's first folder": strip.parent.parent,
    }.get(name, place.library / name.replace(INFO.fingerprint, place.fingerprint[:32]))


def _strip(place: Place) -> Path:
    with sql(place) as db:
        row = db.execute(f"SELECT sprite FROM clips WHERE file_id = {BLUE}").fetchone()
    return place.library / "thumbnails" / str(row[0])


def _link(place: Place, path: Path) -> None:
    target = place.decoy / path.name
    path.symlink_to(target if target.exists() else place.decoy / "holiday.jpg")


def _link_folder(place: Place, path: Path) -> None:
    path.symlink_to(place.decoy)


def _dangle(place: Place, path: Path) -> None:
    path.symlink_to(place.outside / "nobody has made this")


def _hard(place: Place, path: Path) -> None:
    source = place.hard / path.name
    os.link(source if source.exists() else place.hard / "holiday.jpg", path)


def _fifo(place: Place, path: Path) -> None:
    os.mkfifo(path)


def _folder(place: Place, path: Path) -> None:
    path.mkdir()
    (path / "somebody's.txt").write_text("in a folder that has a file's name")


def _file(place: Place, path: Path) -> None:
    path.write_text("a file that has a folder's name")


# --- SQL --------------------------------------------------------------------------------------------------------------


@contextmanager
def sql(place: Place) -> Iterator[sqlite3.Connection]:
    """Yield the catalog open for arbitrary changes."""
    with closing(sqlite3.connect(place.library / CATALOG, isolation_level=None)) as db:
        db.create_function("name_sort_key", 1, migrations.name_sort_key, deterministic=True)
        db.execute("PRAGMA ignore_check_constraints = ON")
        yield db


def _doing(*statements: str, **values: object) -> Make:
    def make(place: Place) -> None:
        words = {
            "outside": str(place.outside), "home": str(place.home), "library": str(place.library),
            "knows": place.knows, "photo": str(place.outside / "photos" / "holiday.jpg"), **values,
        }  # fmt: skip
        with sql(place) as db:
            for statement in statements:
                given = {name: value for name, value in words.items() if f":{name}" in statement}
                db.execute(statement.replace(INFO.fingerprint, place.fingerprint), given)

    return make


def _without_checks(table: str, *statements: str) -> Make:
    """Run statements while a table permits NULL, so that a column gets a forbidden value."""

    def make(place: Place) -> None:
        with sql(place) as db:
            (before,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            _rewrite(db, table, before.replace(" NOT NULL", ""))
        with sql(place) as db:
            for statement in statements:
                db.execute(statement)
            _rewrite(db, table, before)

    return make


def _rewrite(db: sqlite3.Connection, table: str, text: str) -> None:
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (text, table))
    db.execute(f"PRAGMA schema_version = {version + 1}")
    db.execute("PRAGMA writable_schema = OFF")


# --- names ------------------------------------------------------------------------------------------------------------


def _names() -> Iterator[Kind]:
    ours = "ab/cd/abcd00000000000000000000-123.jpg"
    names: dict[str, object] = {
        "absolute": None,  # of the photo
        "above": "../../outside/photos/holiday.jpg",
        "above, from a name of ours": f"ab/cd/../../../../outside/named as ours/thumbnails/{ours}",
        "backslashes": "..\\..\\outside\\photos\\holiday.jpg",
        "a drive": "C:\\Users\\somebody\\holiday.jpg",
        "a share": "\\\\server\\share\\holiday.jpg",
        "a share with slashes": "//server/share/holiday.jpg",
        "a device": "CON",
        "a NUL": "ab/cd/abcd00000000000000000000-123.jpg\0.txt",
        "a newline": f"{ours}\n",
        "long": "a" * 100_000,
        "integer": 5,
        "real": 1.5,
        "blob": b"\x00\xff../../x",
        "ours, of nobody": ours,
        "a photo in the library": "holiday.jpg",
        "the catalog": "../catalog.sqlite",
        "arabic digits": "ab/cd/abcd00000000000000000000-\u0661\u0662.jpg",
        "a stream": f"{ours}:hidden",
        "not utf-8": None,
    }
    for what, name in names.items():
        for table, set_ in (("sprite", f"UPDATE clips SET sprite = :name WHERE file_id = {BLUE}"),):
            if what == "absolute":
                yield Kind(f"{table}: {what}", _with_photo(set_.replace(":name", ":photo")))
            elif what == "not utf-8":
                yield Kind(f"{table}: {what}", _with_photo(set_.replace(":name", "CAST(x'ff2f8001' AS TEXT)")))
            else:
                yield Kind(f"{table}: {what}", _with_photo(set_, name=name))
        set_ = (
            f"INSERT OR REPLACE INTO graphs ({_RECORD}) VALUES"
            " (99, '{model}', {name}, 22, '', 1, 1, {width}, 'ip', 16, 200, '')"
        ).replace("{model}", INFO.fingerprint).replace("{width}", str(INFO.width + 1))  # fmt: skip
        value = {"absolute": ":photo", "not utf-8": "CAST(x'ff2f8001' AS TEXT)"}.get(what, ":name")
        given = {} if value != ":name" else {"name": name}
        yield Kind(f"graph: {what}", _with_photo(set_.replace("{name}", value), **given))


def _with_photo(*statements: str, **values: object) -> Make:
    """Also put a user's photograph into the library's own folders."""
    done = _doing(*statements, **values)

    def make(place: Place) -> None:
        shutil.copy2(place.outside / "photos" / "holiday.jpg", place.library / "thumbnails" / "holiday.jpg")
        done(place)

    return make


# --- schemas ----------------------------------------------------------------------------------------------------------

_HEAVY = "hex(zeroblob(9000000)) LIKE '%0%0%0%0%0%0%0%0%1'"
_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


def _schemas() -> Iterator[Kind]:
    for when in ("BEFORE", "AFTER"):
        for event in ("INSERT", "UPDATE", "DELETE"):
            for table in ("roots", "files", "clips", "tags"):
                body = (
                    "DELETE FROM files; DELETE FROM roots;"
                    if when == "AFTER"
                    else f"SELECT count(*) FROM ({_ENDLESS});"
                )
                yield Kind(
                    f"trigger: {when} {event} ON {table}",
                    _doing(f"CREATE TRIGGER evil {when} {event} ON {table} BEGIN {body} END"),
                    keeps=None,
                )
    harm = {
        "loads code": "SELECT load_extension('/tmp/evil.so');",
        "fills memory": "SELECT randomblob(1000000000);",
        "adds folders": "INSERT INTO roots (path, added_at) VALUES (CAST('/' AS BLOB), 0);",
        "writes files": "SELECT fts3_tokenizer('simple', x'41414141');",
        "in a name of ours": "DELETE FROM files;",
    }
    for what, body in harm.items():
        name = "file_texts_insert" if what == "in a name of ours" else "evil"
        drop = ["DROP TRIGGER file_texts_insert"] if name != "evil" else []
        yield Kind(
            f"trigger: {what}",
            _doing(*drop, f"CREATE TRIGGER {name} AFTER INSERT ON files BEGIN {body} END"),
            reads=None if drop else True,
            keeps=None,
        )
    for table in ("roots", "files", "clips", "models", "library", "saved_searches", "tags"):
        yield Kind(
            f"view: {table}",
            _doing("PRAGMA foreign_keys = OFF", "PRAGMA legacy_alter_table = ON",
                   f"ALTER TABLE {table} RENAME TO {table}_",
                   f"CREATE VIEW {table} AS SELECT * FROM {table}_, ({_ENDLESS})"),
            reads=None, adopts=None, keeps=None,
        )  # fmt: skip
    yield Kind(
        "view: file_words, crossed",
        _doing("DROP VIEW file_words", f"CREATE VIEW file_words AS SELECT i AS id, '' AS name FROM ({_ENDLESS})"),
        reads=None,
    )
    yield Kind("view: besides", _doing(f"CREATE VIEW evil AS {_ENDLESS}"), keeps=None)
    virtual = {
        "saved_searches": "fts5(name, text, without, sort, reverse)",
        "tags": "fts5(id, name, folded)",
        "file_texts": "fts4(name, folders, tags, note)",
    }
    for table, module in virtual.items():
        yield Kind(
            f"virtual: {table}",
            _doing("PRAGMA foreign_keys = OFF", f"DROP TABLE {table}", f"CREATE VIRTUAL TABLE {table} USING {module}"),
            reads=None,
            keeps=None,
        )
    yield Kind("virtual: besides", _doing("CREATE VIRTUAL TABLE evil USING fts5(a)"), keeps=None)
    yield Kind(
        "virtual: dbstat and pragmas",
        _doing("CREATE VIEW evil AS SELECT * FROM pragma_journal_mode"),
        keeps=None,
    )
    yield Kind(
        "generated column",
        _doing(f"ALTER TABLE files ADD COLUMN evil GENERATED ALWAYS AS (length({_HEAVY})) VIRTUAL"),
        reads=None,
    )
    yield Kind(
        "heavy check",
        _rewriting("clips", "poster      INTEGER NOT NULL", f"poster INTEGER NOT NULL CHECK ({_HEAVY} IS NOT 5)"),
        reads=None,
    )
    yield Kind(
        "heavy default",
        _rewriting("files", "note TEXT NOT NULL DEFAULT ''", "note TEXT NOT NULL DEFAULT (randomblob(1000000000))"),
        reads=None,
    )
    yield Kind("heavy check besides", _doing(f"CREATE TABLE evil (a CHECK ({_HEAVY} IS NOT 5))", *_MANY), keeps=None)
    yield Kind("tables besides", _doing(*(f"CREATE TABLE evil{n} (a)" for n in range(300))), keeps=None)
    yield Kind("a table of a shadow's name", _doing("CREATE TABLE file_texts_evil (a)"), keeps=None)
    yield Kind("a table named like SQL", _doing('CREATE TABLE "x; DROP TABLE files; --" (a)'), keeps=None)
    yield Kind("index besides", _doing("CREATE INDEX evil ON files(note)"), keeps=None)
    yield Kind(
        "index of an expression", _doing("CREATE INDEX evil ON files(hex(note) || hex(zeroblob(1000)))"), keeps=None
    )
    yield Kind("index without rows", _doing("CREATE INDEX evil ON files(path) WHERE path IS NULL"), keeps=None)
    yield Kind(
        "statistics that lie",
        _doing(
            "ANALYZE",
            "UPDATE sqlite_stat1 SET stat = '1000000000 1000000000 1'",
            "INSERT INTO sqlite_stat1 VALUES ('files', 'x', x'00ff')",
        ),
    )
    yield Kind("application id 0", _doing("PRAGMA application_id = 0"), reads=None, keeps=None)
    for version in (0, -1):  # taken for an older version, and known by its files' numbers
        yield Kind(f"version {version}", _doing(f"PRAGMA user_version = {version}"), reads=None, asks=False)
    yield Kind("version 999", _doing("PRAGMA user_version = 999"), reads=False, adopts=False, keeps=False)
    for size in (512, 65_536):
        yield Kind(f"pages of {size}", _doing("PRAGMA journal_mode = DELETE", f"PRAGMA page_size = {size}", "VACUUM"))
    yield Kind("utf-16", _utf16)
    yield Kind("auto vacuum", _doing("PRAGMA journal_mode = DELETE", "PRAGMA auto_vacuum = 1", "VACUUM"))
    yield Kind("no identity", _doing("DELETE FROM library"), keeps=None)
    yield Kind(
        "identity of another library",
        _doing("DELETE FROM library", "INSERT INTO library VALUES (:knows)"),
        asks=False,
    )
    yield Kind("identity is a number", _doing("DELETE FROM library", "INSERT INTO library VALUES (x'00')"), keeps=None)
    yield Kind(
        "a thousand identities",
        _doing(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
            " INSERT INTO library SELECT 'a' || i FROM n"
        ),
        keeps=None,
    )
    yield Kind("a long identity", _doing("UPDATE library SET id = hex(zeroblob(5000000))"), keeps=None)
    for version in range(1, migrations.SCHEMA_VERSION):
        yield Kind(f"schema {version}", _older(version), reads=None, adopts=None, keeps=None)
        yield Kind(
            f"schema {version} with a trigger",
            _older(version, "CREATE TRIGGER evil AFTER UPDATE ON roots BEGIN DELETE FROM files; END"),
            reads=None, adopts=None, keeps=None,
        )  # fmt: skip
    yield Kind(
        "a schema that is no SQL", _rewriting("tags", "CREATE TABLE", "CREATE TABLE TABLE"), reads=None, keeps=None
    )
    yield Kind("no catalog at all", _content(CATALOG, b""), None, None, None, asks=False)
    yield Kind("text for a catalog", _content(CATALOG, b"hello" * 1000), reads=None, adopts=None, keeps=None)
    yield Kind("half a catalog", _halved, reads=None, adopts=None, keeps=None)
    yield Kind("a log of nonsense", _content(f"{CATALOG}-wal", os.urandom(100_000)))
    yield Kind(  # only a writer can roll it back
        "a journal of nonsense",
        _content(f"{CATALOG}-journal", b"\xd9\xd5\x05\xf9 \xa1c\xd7" + bytes(5000)),
        reads=None,
    )
    yield Kind("a journal that names another", _super_journal)
    yield Kind("a kept page of nonsense", _content("catalog.head", os.urandom(4100 * 3)))
    yield Kind("a kept page that is huge", _sparse("catalog.head"))
    yield Kind("a mark that says damaged", _content(f"{CATALOG}.open", b"damaged"))
    yield Kind("a mark that is huge", _sparse(f"{CATALOG}.open"))
    yield Kind("a recovered catalog of somebody", _foreign_recovered, None, None, None, asks=False)


_MANY = ("PRAGMA ignore_check_constraints = ON", *("INSERT INTO evil VALUES (1)" for _ in range(200)))


def _rewriting(table: str, old: str, new: str) -> Make:
    def make(place: Place) -> None:
        with sql(place) as db:
            (before,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            assert old in before, (old, before)
            _rewrite(db, table, before.replace(old, new))

    return make


def _utf16(place: Place) -> None:
    path = place.library / CATALOG
    other = path.with_name("other")
    with sql(place) as source, closing(sqlite3.connect(other, isolation_level=None)) as db:
        db.execute("PRAGMA encoding = 'UTF-16le'")
        migrations.prepare(db)
        for table in COLUMNS:
            for row in source.execute(f"SELECT * FROM {table}"):
                db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    other.rename(path)


def _older(version: int, *statements: str) -> Make:
    """Put the good rows into the schema of an older version, with a hostile strip."""

    def make(place: Place) -> None:
        rewrite_in(
            version, place.library / CATALOG, ("roots", "models", "files", "stages", "clips", "embeddings"),
            "UPDATE files SET inode = 0",
            f"UPDATE clips SET sprite = '../../outside/photos/holiday.jpg' WHERE file_id = {BLUE}", *statements,
        )  # fmt: skip

    return make


def _content(name: str, content: bytes | Callable[[], bytes]) -> Make:
    def make(place: Place) -> None:
        if name == CATALOG:
            for suffix in ("-wal", "-shm"):
                (place.library / f"{CATALOG}{suffix}").unlink(missing_ok=True)
        path = _named(place, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content())

    return make


def _sparse(name: str, size: int = 1 << 40) -> Make:
    def make(place: Place) -> None:
        with _named(place, name).open("wb") as stream:
            stream.truncate(size)

    return make


def _halved(place: Place) -> None:
    path = place.library / CATALOG
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def _super_journal(place: Place) -> None:
    """Write a journal that names a file SQLite would look for, and one whose absence rolls it back."""
    page = 4096
    name = str(place.outside / "photos" / "holiday.jpg").encode()
    header = struct.pack(">8sIIIII", b"\xd9\xd5\x05\xf9 \xa1c\xd7", 1, 0, 1, 512, page).ljust(512, b"\0")
    record = struct.pack(">I", 1) + bytes(page) + struct.pack(">I", 0)
    tail = struct.pack(">I", 0x40000000 // page + 1) + name + struct.pack(">II", len(name), sum(name))
    (place.library / f"{CATALOG}-journal").write_bytes(header + record + tail + b"\xd9\xd5\x05\xf9 \xa1c\xd7")


def _foreign_recovered(place: Place) -> None:
    shutil.copy(place.outside / "innocent" / CATALOG, place.library / "catalog.recovered.sqlite")


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows() -> Iterator[Kind]:
    clip, file = f"WHERE id = (SELECT max(id) FROM clips WHERE file_id = {BLUE})", f"WHERE id = {BLUE}"
    stage = f"WHERE file_id = {BLUE}"
    embedding = f"WHERE clip_id IN (SELECT id FROM clips WHERE file_id = {BLUE})"
    statements: dict[str, str | tuple[str, ...]] = {
        "times of 7 bytes": f"UPDATE clips SET times = x'00000000000000' {clip}",
        "times are text": f"UPDATE clips SET times = 'then' {clip}",
        "times are empty": f"UPDATE clips SET times = x'' {clip}",
        "times are NaN": f"UPDATE clips SET times = x'000000000000f87f000000000000f87f' {clip}",
        "times of 10 MB": f"UPDATE clips SET times = zeroblob(10000000) {clip}",
        "tile of 30,000 pixels": f"UPDATE clips SET tile_width = 30000, tile_height = 30000 {clip}",
        "tile of no pixels": f"UPDATE clips SET tile_width = 0, tile_height = -5 {clip}",
        "tile is text": f"UPDATE clips SET tile_width = 'wide' {clip}",
        "poster beyond": f"UPDATE clips SET poster = 99999 {clip}",
        "poster below": f"UPDATE clips SET poster = -9223372036854775808 {clip}",
        "ordinal of 2^62": f"UPDATE clips SET ordinal = 4611686018427387904 {clip}",
        "ordinal below": f"UPDATE clips SET ordinal = -5 {clip}",
        "ordinal is text": f"UPDATE clips SET ordinal = 'first' {clip}",
        "shot is text": f"UPDATE clips SET shot = 'x' {clip}",
        "clip from infinity": f"UPDATE clips SET start = 9e999, end = -9e999 {clip}",
        "clip of 1e308 seconds": f"UPDATE clips SET start = -1e308, end = 1e308 {clip}",
        "clip is text": f"UPDATE clips SET start = 'a', end = 'b' {clip}",
        "clip id near 2^63": f"UPDATE clips SET id = 9223372036854775807 {clip}",
        "clip id below": f"UPDATE clips SET id = -7 {clip}",
        "sequence at its end": "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        "sequence is text": "UPDATE sqlite_sequence SET seq = 'x'",
        "file id near 2^63": ("PRAGMA foreign_keys = OFF", f"UPDATE clips SET file_id = 9223372036854775806 {clip}",
                              f"UPDATE files SET id = 9223372036854775806 {file}"),
        "clip of no file": f"UPDATE clips SET file_id = 777 {clip}",
        "file of clips is text": f"UPDATE clips SET file_id = 'x' {clip}",
        "path is text": f"UPDATE files SET path = 'text.mp4' {file}",
        "path is a number": f"UPDATE files SET path = 5 {file}",
        "path with NUL": f"UPDATE files SET path = x'61006200' {file}",
        "path is absolute": f"UPDATE files SET path = CAST(:photo AS BLOB) {file}",
        "path goes up": f"UPDATE files SET path = CAST('../../outside/photos/holiday.jpg' AS BLOB) {file}",
        "path is long": f"UPDATE files SET path = CAST(hex(zeroblob(500000)) AS BLOB) {file}",
        "path is a share": f"UPDATE files SET path = CAST('\\\\server\\share\\x.mp4' AS BLOB) {file}",
        "path of surrogates": f"UPDATE files SET path = x'eda080ff' {file}",
        "size below": f"UPDATE files SET size = -9223372036854775808 {file}",
        "size is text": f"UPDATE files SET size = 'large' {file}",
        "time at its end": f"UPDATE files SET mtime_ns = 9223372036854775807 {file}",
        "time below": f"UPDATE files SET mtime_ns = -9223372036854775808 {file}",
        "time is text": f"UPDATE files SET mtime_ns = 'now' {file}",
        "duration is infinite": f"UPDATE files SET duration = 9e999 {file}",
        "duration of 1e308": f"UPDATE files SET duration = 1e308 {file}",
        "duration below": f"UPDATE files SET duration = -1e300 {file}",
        "duration is text": f"UPDATE files SET duration = 'long' {file}",
        "duration is a blob": f"UPDATE files SET duration = zeroblob(100000) {file}",
        "frame rate is nothing": f"UPDATE files SET frame_rate = 0 {file}",
        "frame rate of 1e308": f"UPDATE files SET frame_rate = 1e308 {file}",
        "width at its end": f"UPDATE files SET width = 9223372036854775807, height = -1 {file}",
        "state is unknown": f"UPDATE stages SET state = 'evil' {stage}",
        "state is a blob": f"UPDATE stages SET state = x'00' {stage}",
        "reason is a blob": f"UPDATE stages SET reason = x'00ff' {stage}",
        "reason is long": f"UPDATE stages SET reason = hex(zeroblob(5000000)) {stage}",
        "reason commands the terminal": "UPDATE stages SET reason = char(27) || ']0;evil' || char(7) || char(10)"
                                        f" {stage}",
        "stage is a blob": f"UPDATE stages SET stage = x'ff00' {stage}",
        "stage of 10 MB": f"UPDATE stages SET stage = hex(zeroblob(5000000)) {stage}",
        "stage is held for ever": f"UPDATE stages SET state = 'waiting', owner = 'evil', lease = 1e300 {stage}",
        "stage is held till never": f"UPDATE stages SET owner = x'ff', lease = 'never' {stage}",
        "stage of no file": ("PRAGMA foreign_keys = OFF",
                             "INSERT INTO stages (file_id, stage, state) VALUES (777, 'pictures', 'done')"),
        "stage of a file that is text": ("PRAGMA foreign_keys = OFF",
                                         "INSERT INTO stages (file_id, stage, state)"
                                         " VALUES ('x', 'pictures', 'done')"),
        "stages that nobody knows": "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO"
                                    f" stages (file_id, stage, state, reason) SELECT {BLUE}, i, 'failed', 'evil'"
                                    " FROM n",
        "no stages": "DELETE FROM stages",
        "fingerprint is text": f"UPDATE files SET fingerprint = 'print' {file}",
        "fingerprint is long": f"UPDATE files SET fingerprint = zeroblob(1000000) {file}",
        "note is a blob": f"UPDATE files SET note = x'ff00' {file}",
        "note of 10 MB": f"UPDATE files SET note = hex(zeroblob(5000000)) {file}",
        "note is not utf-8": f"UPDATE files SET note = CAST(x'ff80c0' AS TEXT) {file}",
        "favourite is text": f"UPDATE files SET favourite = 'yes' {file}",
        "away is a blob": f"UPDATE files SET away = x'01' {file}",
        "missing since text": f"UPDATE files SET missing_since = 'long ago' {file}",
        "codec is a blob": f"UPDATE files SET codec = x'ff', container = 5 {file}",
        "model of files is a blob": f"UPDATE stages SET version = x'ff' {stage}",
        "root is text": "INSERT INTO roots (path, added_at) VALUES ('/text', 0)",
        "root is a number": "INSERT INTO roots (path, added_at) VALUES (5, 0)",
        "root is relative": "INSERT INTO roots (path, added_at) VALUES (CAST('videos' AS BLOB), 0)",
        "root is empty": "INSERT INTO roots (path, added_at) VALUES (x'', 0)",
        "root with NUL": "INSERT INTO roots (path, added_at) VALUES (x'2f6100', 0)",
        "root is long": "INSERT INTO roots (path, added_at) VALUES (CAST('/' || hex(zeroblob(1000000)) AS BLOB), 0)",
        "root is a share": "INSERT INTO roots (path, added_at) VALUES (CAST('\\\\server\\share' AS BLOB), 0)",
        "root is home": "INSERT INTO roots (path, added_at) VALUES (CAST(:home AS BLOB), 0)",
        "root is outside": "INSERT INTO roots (path, added_at) VALUES (CAST(:outside AS BLOB), 0)",
        "root is everything": "INSERT INTO roots (path, added_at) VALUES (CAST('/' AS BLOB), 0)",
        "root is home, by its number": ("INSERT INTO roots (path, added_at, inode, device, volume, within) VALUES"
                                        " (CAST(:home || '/nowhere' AS BLOB), 0, 5, 5, 'x', x'00')",),
        "root of other numbers": "UPDATE roots SET device = 'a', inode = -1, volume = x'00', within = 'up'",
        "offline is text": "UPDATE roots SET offline = 'x', followed = x'00'",
        "added at infinity": "UPDATE roots SET added_at = 9e999",
        "three hundred roots": "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
                              " INSERT INTO roots (path, added_at) SELECT CAST(:outside || '/' || i AS BLOB), 0 FROM n",
        "search of unknown sort": "INSERT INTO saved_searches VALUES ('evil', 'a', '', 'evil', 0)",
        "search is a blob": "INSERT INTO saved_searches VALUES (x'ff', x'ff', 5, 'name', 'x')",
        "search of 10 MB": "INSERT INTO saved_searches VALUES ('evil', hex(zeroblob(5000000)), '', 'name', 0)",
        "kept tags are deep": "INSERT INTO kept_annotations VALUES (x'01', 1, '', :deep)",
        "kept tags are no list": "INSERT INTO kept_annotations VALUES (x'01', 1, '', '{\"a\": 1}')",
        "kept tags are numbers": "INSERT INTO kept_annotations VALUES (x'01', 1, '', '[1, null, 1e999]')",
        "kept tags are no JSON": "INSERT INTO kept_annotations VALUES (x'01', 1, '', '[')",
        "kept tags of 10 MB": "INSERT INTO kept_annotations VALUES"
                              " (x'01', 1, '', '[\"' || hex(zeroblob(5000000)) || '\"]')",
        "kept print is text": "INSERT INTO kept_annotations VALUES ('print', 'x', x'00', '[]')",
        "tag of 10 MB": ("INSERT INTO tags (name, folded) VALUES (hex(zeroblob(5000000)), 'evil')",
                         f"INSERT INTO file_tags SELECT {BLUE}, id FROM tags WHERE folded = 'evil'"),
        "tag is a blob": ("INSERT INTO tags (name, folded) VALUES (x'ff00', x'ff')",
                          f"INSERT INTO file_tags SELECT {BLUE}, id FROM tags WHERE folded = x'ff'"),
        "tag is empty": ("INSERT INTO tags (name, folded) VALUES ('', '')",
                         f"INSERT INTO file_tags SELECT {BLUE}, id FROM tags WHERE folded = ''"),
        "tag of no file": ("PRAGMA foreign_keys = OFF", "INSERT INTO file_tags VALUES (777, 888)"),
        "globals are short": f"UPDATE embeddings SET globals = x'0011' {embedding}",
        "globals are odd": f"UPDATE embeddings SET globals = x'001122' {embedding}",
        "globals are empty": f"UPDATE embeddings SET globals = x'' {embedding}",
        "globals are text": f"UPDATE embeddings SET globals = 'x' {embedding}",
        "globals are NaN": "UPDATE embeddings SET globals ="
                           f" CAST(replace(hex(zeroblob(length(globals))), '00', '~') AS BLOB) {embedding}",
        "globals of 10 MB": f"UPDATE embeddings SET globals = zeroblob(10000000) {embedding}",
        "centers where there are none": f"UPDATE embeddings SET centers = zeroblob(64) {embedding}",
        "embedding of no clip": ("PRAGMA foreign_keys = OFF",
                                 "INSERT INTO embeddings SELECT 777, model_id, globals, centers, checksum"
                                 " FROM embeddings LIMIT 1"),
        "model of width -1": "INSERT INTO models (fingerprint, name, width, centers) VALUES ('evil', 'evil', -1, -1)",
        "model of our print, wider": "UPDATE models SET width = 9999999, centers = -4",
        "model's width is text": "UPDATE models SET width = 'x', centers = x'00'",
        "model's name is a blob": "INSERT INTO models (fingerprint, name, width, centers) VALUES (x'ff', x'ff', 5, 5)",
        "sidecar is text": f"INSERT INTO sidecars VALUES ({BLUE}, 'a.srt', 'x', 'y', '')",
        "sidecar is a number": f"INSERT INTO sidecars VALUES ({BLUE}, 5, x'00', 9e999, '')",
        "line is a blob": f"INSERT INTO subtitle_lines (file_id, start, end, text) VALUES ({BLUE}, 'a', 'b', 'red')",
        "line at infinity": "INSERT INTO subtitle_lines (file_id, start, end, text)"
                            f" VALUES ({BLUE}, 9e999, -9e999, 'red')",
        "line of 10 MB": "INSERT INTO subtitle_lines (file_id, start, end, text)"
                         f" VALUES ({BLUE}, 0, 1, 'red ' || hex(zeroblob(5000000)))",
        "line of no file": ("PRAGMA foreign_keys = OFF", "INSERT INTO subtitle_lines (file_id, start, end, text)"
                            " VALUES (777, 0, 1, 'red')"),
        "words that are not there": "INSERT INTO file_texts (rowid, name, folders, tags, note)"
                                    " VALUES (777, 'red', 'red', 'red', 'red')",
        "words' settings": "INSERT OR REPLACE INTO file_texts_config VALUES ('version', 99)",
        "words' data is nonsense": "UPDATE file_texts_data SET block = randomblob(length(block)) WHERE id > 10",
        "words' data is nothing": "DELETE FROM file_texts_data",
        "words' structure is nonsense": "UPDATE file_texts_data SET block = randomblob(length(block)) WHERE id = 10",
        "words' sizes are nonsense": "UPDATE file_texts_docsize SET sz = randomblob(7)",
        "words' index is nonsense": "UPDATE file_texts_idx SET term = randomblob(9), pgno = 123456789",
        "words' content is numbers": "UPDATE file_texts_content SET c0 = 5, c1 = x'ff', c3 = 9e999",
        "lines' data is nonsense": "UPDATE subtitle_texts_data SET block = randomblob(length(block)) WHERE id >= 1",
        "a million lines": "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) INSERT INTO"
                           f" subtitle_lines (file_id, start, end, text) SELECT {BLUE}, i, i + 1, 'red' FROM n",
    }  # fmt: skip
    # SQLite itself cannot read these before they are adopted; they end in one sentence.
    unread = {
        "words' settings", "words' data is nothing", "words' data is nonsense", "words' structure is nonsense",
        "words' sizes are nonsense", "words' index is nonsense", "lines' data is nonsense",
    }  # fmt: skip
    lost = {"model of our print, wider", "model's width is text"}  # no row of the model's own can be one
    for name, given in statements.items():
        done = _doing(*((given,) if isinstance(given, str) else given), deep="[" * 50_000 + "]" * 50_000)
        reads = None if name in unread | lost else True
        wide = name in {"root is everything", "root is home", "root is outside"}  # the user's own root is scanned
        keeps = None if name in unread | lost or wide else True
        yield Kind(f"row: {name}", done, reads, None if name in lost else True, keeps)
    large = {
        "times of 100 MB": f"UPDATE clips SET times = zeroblob(100000000) {clip}",
        "note of 100 MB": f"UPDATE files SET note = CAST(zeroblob(100000000) AS TEXT) {file}",
        "root of 100 MB": "INSERT INTO roots (path, added_at) VALUES (zeroblob(100000000), 0)",
        "globals of 100 MB": f"UPDATE embeddings SET globals = zeroblob(100000000) {embedding}",
    }
    for name, statement in large.items():
        # An engine repairs the catalog; a command that only reads reports it.
        yield Kind(f"row: {name}", _doing(statement), reads=None, keeps=None)
    for table, columns in {
        "clips": "file_id ordinal shot start end sprite tile_width tile_height poster times",
        "files": "root_id path size mtime_ns device inode favourite note name_key away",
        "stages": "state reason",
        "roots": "path added_at offline volume within device inode followed",
        "models": "fingerprint name width centers",
        "embeddings": "globals centers",
        "subtitle_lines": "file_id start end text",
    }.items():
        where = {"clips": clip, "files": file, "embeddings": embedding, "stages": stage}.get(table, "")
        for column in columns.split():
            whole = table in ("roots", "models")  # the only one: without it nothing is found
            done = _without_checks(table, f"UPDATE {table} SET {column} = NULL {where}")
            judged = None if whole or table == "files" else True
            yield Kind(f"null: {table}.{column}", done, judged, judged, judged)
    yield Kind("row: NaN in the file", _nan)


def _nan(place: Place) -> None:
    """Replace a duration by the bytes of a NaN: SQLite itself never writes one, and reads it as NULL."""
    mark = 1.2345678e100
    with sql(place) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute(f"UPDATE clips SET start = ? WHERE file_id = {BLUE}", (mark,))
    path = place.library / CATALOG
    content = path.read_bytes()
    assert struct.pack(">d", mark) in content
    path.write_bytes(content.replace(struct.pack(">d", mark), b"\x7f\xf8\0\0\0\0\0\0"))


# --- graphs and caches ------------------------------------------------------------------------------------------------


def _graphs() -> Iterator[Kind]:
    def changed(change: Callable[[bytearray], None]) -> Make:
        def make(place: Place) -> None:
            path = _named(place, GRAPH)
            content = bytearray(path.read_bytes())
            change(content)
            path.write_bytes(content)
            _record(place, path)

        return make

    def far(content: bytearray) -> None:
        """Set neighbours that do not exist."""
        for at in range(100, len(content) - 4, 4):
            if int.from_bytes(content[at : at + 4], "little") < 5:
                content[at : at + 4] = b"\xff\xff\xff\x7f"

    yield Kind("graph: neighbours out of range", changed(far))
    yield Kind("graph: truncated", changed(lambda content: content.__delitem__(slice(len(content) // 2, None))))
    yield Kind("graph: empty", changed(lambda content: content.clear()))
    yield Kind("graph: nonsense", changed(lambda content: content.__setitem__(slice(None), os.urandom(5000))))
    yield Kind(
        "graph: header of 10^12 clips", changed(lambda c: c.__setitem__(slice(8, 16), struct.pack("<Q", 10**12)))
    )
    yield Kind("graph: record of 10^12 clips", _doing("UPDATE graphs SET count = 1000000000000"))
    yield Kind("graph: record of width -1", _doing("UPDATE graphs SET width = -1, m = -1"))
    yield Kind("graph: record is text", _doing("UPDATE graphs SET count = 'x', size = x'00', digest = 5"))
    yield Kind("graph: generation near 2^63", _doing("UPDATE graphs SET generation = 9223372036854775807"))
    yield Kind(
        "graph: ten thousand records",
        _doing(
            "WITH n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
            f" INSERT INTO graphs ({_RECORD}) SELECT i, {_RECORD.partition(', ')[2]} FROM n, graphs"
        ),
    )
    yield Kind("graph: huge", _sparse_graph)


def _record(place: Place, path: Path) -> None:
    import hashlib

    content = path.read_bytes()
    with sql(place) as db:
        db.execute("UPDATE graphs SET size = ?, digest = ?", (len(content), hashlib.sha256(content).hexdigest()))


def _sparse_graph(place: Place) -> None:
    path = _named(place, GRAPH)
    os.truncate(path, 1 << 40)
    with sql(place) as db:
        db.execute("UPDATE graphs SET size = ?", (1 << 40,))


def _caches() -> Iterator[Kind]:
    good = {"texts": np.array(["a"]), "globals": np.zeros((1, INFO.width)), "centers": np.zeros((1, 0, INFO.width))}

    def stored(**arrays: np.ndarray) -> bytes:
        content = io.BytesIO()
        np.savez(content, allow_pickle=True, **arrays)
        return content.getvalue()

    def bomb() -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("texts.npy", "globals.npy", "centers.npy"):
                with archive.open(name, "w") as stream:
                    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (30000000,), }"
                    stream.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.ljust(117) + b"\n")
                    for _ in range(30):
                        stream.write(bytes(8_000_000))
        return content.getvalue()

    def said(shape: str, descr: str = "<f8") -> bytes:
        """Return an archive whose arrays' headers claim more than their content."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name in ("texts.npy", "globals.npy", "centers.npy"):
                header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
                archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.ljust(117) + b"\n")
        return content.getvalue()

    texts = [
        line
        for line in (Path(__file__).parents[2] / "resources" / "reference_queries.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    whole = stored(**good)
    contents: dict[str, bytes | Callable[[], bytes]] = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "nonsense": b"PK\x03\x04" + os.urandom(3000),
        "a bomb": bomb,
        "objects": stored(**{**good, "texts": np.array([{"a": 1}], object)}),
        "other shapes": stored(texts=np.array(texts), globals=np.zeros((1, 2, 3)), centers=np.zeros(5)),
        "no arrays": stored(x=np.zeros(1)),
        "text for numbers": stored(texts=np.array(texts), globals=np.array(["x"]), centers=np.array(["y"])),
        "NaN": stored(
            texts=np.array(texts),
            globals=np.full((len(texts), INFO.width), np.nan),
            centers=np.zeros((len(texts), 0, INFO.width)),
        ),
        "a header of 10^12": said("(1000000000000,)"),
        "a header below": said("(-1,)"),
        "a header of objects": said("(3,)", "|O"),
        "an array, not an archive": b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + b"{".ljust(118),
    }
    for name, content in contents.items():
        yield Kind(f"calibration: {name}", _content(NPZ, content))
    yield Kind("calibration: huge", _sparse(NPZ))
    yield Kind("pace: deep", _content("pace.json", b"[" * 100_000))
    yield Kind(
        "pace: huge numbers",
        _content("pace.json", json.dumps({INFO.fingerprint: {"speed": 1e308, "space": 1e308}}).encode()),
    )
    yield Kind(
        "pace: digits",
        _content("pace.json", b'{"' + INFO.fingerprint.encode() + b'": {"speed": ' + b"9" * 5000 + b', "space": 1}}'),
    )
    yield Kind("pace: huge", _sparse("pace.json"))
    yield Kind("writer.pid: huge", _sparse("writer.pid"))
    yield Kind("writer.pid: digits", _content("writer.pid", b"9" * 100_000))
    yield Kind("engine.log: huge", _sparse("engine.log", 1 << 33))
    for what, content in (
        ("empty", b""),
        ("nonsense", os.urandom(5000)),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ):
        yield Kind(f"strip: {what}", _strip_of(content))
    yield Kind("strip: huge", lambda place: os.truncate(_strip(place), 1 << 40))


def _strip_of(content: bytes) -> Make:
    return lambda place: _strip(place).write_bytes(content)


# --- libraries waiting to be put in place -----------------------------------------------------------------------------


def _waiting() -> Iterator[Kind]:
    def copied(name: str, *, drop: tuple[str, ...] = ()) -> Make:
        def make(place: Place) -> None:
            folder = place.library / name
            shutil.copytree(place.outside / "innocent", folder)
            for inner in drop:
                (folder / inner).unlink(missing_ok=True)

        return make

    def nested(place: Place) -> None:
        copied("restored")(place)
        copied("restored/restored")(place)
        copied("restored/thumbnails/restored")(place)
        (place.library / "restored" / "holiday.jpg").write_bytes(b"somebody's")

    def inner_link(name: str) -> Make:
        def make(place: Place) -> None:
            copied(name)(place)
            shutil.rmtree(place.library / name / "thumbnails", ignore_errors=True)
            (place.library / name / "thumbnails").symlink_to(place.decoy)
            (place.library / name / "holiday.jpg").symlink_to(place.outside / "photos" / "holiday.jpg")

        return make

    for name in ("restored", "arriving", ".restored.unfinished", "set-aside-2026-01-01-000000"):
        yield Kind(f"waiting: {name}", copied(name), reads=None, adopts=None, keeps=None, asks=False)
        yield Kind(
            f"waiting: {name} without a catalog",
            copied(name, drop=(CATALOG,)),
            reads=None,
            adopts=None,
            keeps=None,
            asks=False,
        )
        yield Kind(f"waiting: {name} with a link", inner_link(name), reads=None, adopts=None, keeps=None, asks=False)
    yield Kind("waiting: nested", nested, reads=None, adopts=None, keeps=None, asks=False)
    yield Kind("waiting: arriving, empty", lambda place: (place.library / "arriving").mkdir())
    yield Kind("waiting: restored and arriving", _both, reads=None, adopts=None, keeps=None, asks=False)


def _both(place: Place) -> None:
    for name in ("restored", "arriving"):
        shutil.copytree(place.outside / "innocent", place.library / name)
