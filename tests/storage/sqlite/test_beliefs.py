"""Any SQLite value in any column: a reader of the catalog gets only valid rows, or one error message."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.filters import Bounds, Filters
from cret_desktop.domain.records import PICTURES, ClipFiles, Line, RootCounts, SaidOfFile, SavedSearch, Sidecar
from cret_desktop.errors import CretError, LibraryDamaged, ValueRefused
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.media.sprites import tile_size
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite import beliefs, recovery
from cret_desktop.storage.sqlite.annotation_records import merge_records, read_records
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.beliefs import COLUMNS, believed, fits
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.connections import connect_to_read, difference
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.migrations import name_sort_key
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.stages import Stages
from cret_desktop.storage.sqlite.texts import Texts
from tests.said import said
from tests.storage.samples import INFO, MODEL, clip, video
from tests.storage.sqlite.test_catalog import indexed

TABLES = {table: [column.split()[0] for column in columns.split(", ")] for table, columns in COLUMNS.items()}
PLACES = [(table, column) for table, columns in TABLES.items() for column in columns]
LARGE = 70 * 2**20  # bytes: larger than any value that is read


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with two videos and rows in every table."""
    path = tmp_path_factory.mktemp("sound") / "catalog.sqlite"
    with Catalog.open(path) as catalog:
        catalog.set_identity("0" * 32)
        (first, _), (second, _) = indexed(catalog, "a walk.mp4", 3), indexed(catalog, "b.mp4", 2)
        annotations = Annotations(catalog)
        annotations.change_tags([first, second], ["beach", "summer"], [])
        annotations.set_note(first, "said of the first")
        annotations.set_favourite([second], True)
        annotations.save_search(SavedSearch("mine", "beach", "", Sort.NAME, False))
        Texts(catalog).set_subtitles(first, [Sidecar("/videos/a.srt", 5, 6)], [Line(0.0, 1.0, "hello there")])
        merge_records(catalog, [SaidOfFile("", 0, b"elsewhere", True, ("kept",), "kept")], [])
        filled = {table for table in TABLES if catalog.reader().execute(f"SELECT count(*) FROM {table}").fetchone()[0]}
        assert filled == set(TABLES)
    return path


integers = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([-1, 0, 1, 2, 2**31, 2**60, 2**62, 2**63 - 1, -(2**63)])
)
texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "pending",
            "done",
            "pictures",
            "name",
            "[" * 5000,
            "[1, null]",
            '["a"]',
            "{}",
            "9" * 5000,
            "../../x",
            "/etc",
            "a" * 5000,
        ]
    ),
)
blobs = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"/", b"/etc/passwd", b"../../x", b"\0", b"a\0b", b"\xff\xfe", bytes(7), bytes(8), bytes(64), b"x" * 70_000]
    ),
    st.floats().map(lambda value: __import__("struct").pack("<d", value)),
)
values = st.one_of(
    st.none(), integers, st.floats(), texts, blobs, st.binary(min_size=1, max_size=8).map(lambda value: ("text", value))
)


@contextlib.contextmanager
def changed(sound: Path, changes: list[tuple[tuple[str, str], object, bool]]) -> Iterator[Path]:
    """Yield a copy of the catalog with other values, whatever its schema requires."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(sound, folder))
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.create_function("name_sort_key", 1, name_sort_key, deterministic=True)
            db.execute("PRAGMA ignore_check_constraints = ON")
            schema = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            rewrite(db, {name: schema[name].replace(" NOT NULL", "") for name in TABLES})
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.create_function("name_sort_key", 1, name_sort_key, deterministic=True)
            db.execute("PRAGMA ignore_check_constraints = ON")
            for (table, column), value, every in changes:
                given, text = (value[1], True) if isinstance(value, tuple) else (value, False)
                marked = "CAST(? AS TEXT)" if text else "?"
                key = "rowid" if table not in ("file_tags", "sidecars", "stages") else "file_id"
                where = "" if every else f" WHERE {key} = (SELECT min({key}) FROM {table})"
                with suppress(sqlite3.IntegrityError, sqlite3.DatabaseError):  # a duplicate id, or no id
                    db.execute(f"UPDATE {table} SET {column} = {marked}{where}", (given,))
            rewrite(db, {name: schema[name] for name in TABLES})
        yield path


def rewrite(db: sqlite3.Connection, tables: dict[str, str]) -> None:
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute("PRAGMA writable_schema = ON")
    db.executemany(
        "UPDATE sqlite_master SET sql = ? WHERE name = ? AND type = 'table'", [(s, n) for n, s in tables.items()]
    )
    db.execute(f"PRAGMA schema_version = {version + 1}")
    db.execute("PRAGMA writable_schema = OFF")


def readers(catalog: Catalog) -> list[Callable[[], object]]:
    """Return all calls that read rows."""
    listing, found, words = Listing(catalog), Embeddings(catalog), Texts(catalog)
    annotations, changes = Annotations(catalog), FileChanges(catalog)
    narrow = Filters(
        folders=("/videos", "walk"), suffixes=("mp4",), tags=("beach",), states=("offline",), duration=Bounds(0, 9),
        lines=Bounds(1, 9999), modified=Bounds(0, 9), names=("walk",),
    )  # fmt: skip
    ids = [1, 2, 3, 4, 5]

    def of_roots() -> object:
        return [
            (catalog.files(root.id), catalog.files(root.id, "/videos/x"), Stages(catalog).counts(PICTURES, "other"),
             Stages(catalog).due(PICTURES, MODEL.fingerprint, root.id), Stages(catalog).due("speech", "1", root.id),
             words.sidecars(root.id, ["/videos/a walk.mp4", "/videos/b.mp4"]))
            for root in catalog.roots()
        ]  # fmt: skip

    return [
        catalog.identity, catalog.roots, of_roots, catalog.failures,
        lambda: Clips(catalog).clip_files(ClipFiles(np.empty(0, np.int64), np.empty(0, np.int64))),
        lambda: finite(catalog.counts(MODEL.fingerprint)), lambda: Clips(catalog).clips(ids),
        lambda: list(Clips(catalog).thumbnails()),
        lambda: [Clips(catalog).clips_of(i) for i in ids], lambda: [Clips(catalog).clip_at(i, 1.0) for i in ids],
        lambda: [Clips(catalog).spread_clips(i, 12) for i in ids], lambda: Clips(catalog).sample_clips(3),
        *(lambda s=sort, r=back: listing.page(Filters(), s, r, 9, 0) for sort in Sort for back in (False, True)),
        lambda: listing.files(ids), lambda: listing.count(narrow), lambda: listing.admitted(narrow),
        lambda: listing.ordered(ids, Sort.LENGTH, True), lambda: words.files(["beach"], 9),
        lambda: words.lines(["hello"], 9),
        lambda: words.count_files(["walk"]), lambda: words.count_lines(["hello"]), annotations.tags,
        annotations.saved_searches, lambda: read_records(catalog), lambda: found.features(MODEL, ids),
        lambda: found.clip_ids(MODEL.fingerprint), lambda: found.vectors(MODEL.fingerprint, MODEL.width + 1, ids=ids),
        lambda: found.count_behind("other"), found.count_embedded, lambda: found.embedding_bytes(MODEL.fingerprint),
        lambda: found.graphs(MODEL.fingerprint),
        lambda: [tile_size(s.tile_width, s.tile_height) for s in Clips(catalog).shown_sprites()],
        lambda: changes.lengths(ids),
        Scans(catalog).content_sizes,
    ]  # fmt: skip


def finite(counts: list[RootCounts]) -> None:
    assert all(math.isfinite(count.seconds) for count in counts)


def writers(catalog: Catalog) -> list[Callable[[], object]]:
    """Return all calls that read rows to change them."""
    changes, annotations = FileChanges(catalog), Annotations(catalog)
    said = [
        SaidOfFile("/videos/b.mp4", 100, b"b.mp4", True, ("new",), "new"),
        SaidOfFile("", 0, b"elsewhere", True, ("x",), "y"),
    ]

    def scan() -> object:
        seen = [video("/videos/a walk.mp4"), video("/videos/moved.mp4"), video("/videos/b.mp4", size=7)]
        return [
            apply_scan(
                Scans(catalog),
                root,
                seen,
                [("/videos/bad", Message("file.is-folder"))],
                None,
                {"/videos/moved.mp4": b"b.mp4"},
            )
            for root in catalog.roots()
        ]

    return [
        lambda: annotations.change_tags([1, 2], ["more"], ["beach"]), lambda: annotations.set_note(1, "again"),
        lambda: merge_records(catalog, said, []), lambda: merge_records(catalog, said, []), scan,
        lambda: changes.commit_file(1, video("/videos/a walk.mp4"), INFO, b"elsewhere", [clip(0), clip(1)], 1),
        lambda: changes.index_as_copy(2, video("/videos/b.mp4"), b"elsewhere", 1), changes.retry_failures,
        lambda: changes.fail_file(2, video("/videos/b.mp4"), Message("file.empty")), lambda: catalog.add_root("/"),
        lambda: list(map(catalog.place_root, catalog.roots())), lambda: catalog.remove_root(1),
        lambda: catalog.restore_root("/videos"), lambda: changes.purge(1e18), catalog.follow_nothing, catalog.compact,
    ]  # fmt: skip


edits = st.lists(st.tuples(st.sampled_from(PLACES), values, st.booleans()), min_size=1, max_size=3)


@settings(max_examples=50, deadline=None)
@given(changes=edits)
def test_whatever_a_column_holds_readers_answer_or_raise_one_sentence(
    sound: Path, changes: list[tuple[tuple[str, str], object, bool]]
) -> None:
    with changed(sound, changes) as path:
        try:
            catalog = Catalog.open(path, read_only=True)
        except CretError:
            return
        with catalog:
            for read in readers(catalog):
                with suppress(CretError), catalog.guarded():
                    read()


@settings(max_examples=50, deadline=None)
@given(changes=edits)
def test_whatever_a_column_holds_changes_are_made_or_refused_in_one_sentence(
    sound: Path, changes: list[tuple[tuple[str, str], object, bool]]
) -> None:
    with changed(sound, changes) as path:
        try:
            catalog = Catalog.open(path)
        except CretError:
            return
        with catalog:
            for write in writers(catalog):
                with suppress(CretError, ValueRefused):
                    write()


@settings(max_examples=50, deadline=None)
@given(changes=edits)
def test_what_is_made_anew_holds_only_rows_that_can_be_ones(
    sound: Path, changes: list[tuple[tuple[str, str], object, bool]]
) -> None:
    with changed(sound, changes) as path:
        recovery.remake(path)
        with closing(connect_to_read(path)) as db:
            assert not difference(db)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            for table, columns in TABLES.items():
                kinds = [f"{table}.{column}" for column in columns]
                for row in db.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                    assert fits(row, kinds), (table, row)


def test_every_column_has_a_kind(sound: Path) -> None:
    with closing(sqlite3.connect(sound)) as db:
        schema = {table: [row[1] for row in db.execute(f"PRAGMA table_info({table})")] for table in TABLES}
    assert schema == TABLES
    assert set(recovery._TABLES) == set(TABLES)


def test_a_sound_catalog_is_read_whole(sound: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Catalog.open(sound, read_only=True) as catalog:
        for read in readers(catalog):
            read()
        assert len(Listing(catalog).files([1, 2])) == 2
        assert [len(Clips(catalog).clips_of(i)) for i in (1, 2)] == [3, 2]
        said, searches = read_records(catalog)
        assert [len(said), len(searches)] == [3, 1]
    assert "left out" not in caplog.text


def test_what_is_left_out_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(1, b"a"), ("x", b"b"), (2, "text"), (3, b"c")]
    assert list(believed(rows, "files.id files.path")) == [(1, b"a"), (3, b"c")]
    assert caplog.text.count("2 rows that cannot be read") == 1


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("files.path", [b"", b"a.mp4", b"a/b", b"a..b/c.mp4", b"\xff"],
         [b"/etc", b"..", b"../a", b"a/../b", b"a\0", "a.mp4", 5, None, b"x" * 70_000]),
        ("roots.path", [b"/videos", b"/"], [b"videos", b"", b"/a\0", "/videos", 5, None]),
        ("clips.times", [bytes(8), bytes(32)], [b"", bytes(7), bytes(8 * 5000), b"\0\0\0\0\0\0\xf8\x7f", "text", None]),
        ("clips.tile_width", [0, 160, 4096], [-1, 30_000, 16.0, "160", None]),
        ("clips.ordinal", [0, 10**9], [-1, 2**62, "0", None, 0.0]),
        ("clips.start", [0, 0.5, -0.02], [math.inf, math.nan, 1e13, "0", None]),
        ("clips.id", [1, 2**59], [0, -1, 2**60, 1.0, True, None]),
        ("files.state", ["pending", "indexed", "failed"], ["evil", "", b"failed", None]),
        ("stages.state", ["waiting", "done", "failed"], ["evil", "", b"failed", None]),
        ("files.duration", [None, 3.5], [math.inf, "long", b"", 1e300]),
        ("tags.name", ["beach", ""], ["x" * 1001, b"beach", None]),
        ("kept_annotations.tags", ["[]", '["a"]'],
         ["", "[", "{}", "[1]", "[" * 90_000, '["' + "x" * 100_000 + '"]', None]),
        ("saved_searches.sort", ["name", "relevance"], ["evil", "", None, 5]),
        ("embeddings.globals", [b"", bytes(16)], [bytes(3), b"\0\x7c", "x", None]),
        ("models.width", [1, 768], [-1, 0, 10**6, "768", None]),
    ],
)  # fmt: skip
def test_kinds(kind: str, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not fits([value], [kind])] == []
    assert [value for value in bad if fits([value], [kind])] == []


@pytest.mark.skipif(os.name == "nt", reason="a value of this size takes long to write there")
def test_a_value_that_is_larger_than_any_of_ours_is_damage_and_repaired(sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sound, tmp_path))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE clips SET times = zeroblob(?) WHERE id = 1", (LARGE,))
    with (
        Catalog.open(path, read_only=True) as catalog,
        pytest.raises(LibraryDamaged, match="too big"),
        catalog.guarded(),
    ):
        Clips(catalog).clips([1, 2])
    with Catalog.open(path) as catalog, pytest.raises(LibraryDamaged), catalog.guarded():
        Clips(catalog).clips([1])
    with Catalog.open(path) as catalog:
        assert "was repaired" in said(catalog.notices)
        assert set(Clips(catalog).clips([1, 2])) == {2}
    assert path.stat().st_size < LARGE


def test_kinds_are_named_by_columns_that_are_there() -> None:
    assert all(kind.rstrip("?") in beliefs._KINDS for kind in beliefs._OF_COLUMN.values())


@pytest.mark.parametrize("change", ["offline = 'yes'", "device = 'x'", "volume = x'00'", "within = 5"])
def test_a_folder_whose_row_cannot_be_believed_is_mended_by_adding_it_again(tmp_path: Path, change: str) -> None:
    with Catalog.open(tmp_path / "catalog.sqlite") as catalog:
        root = catalog.add_root("/videos")
        with catalog.write() as db:
            db.execute(f"UPDATE roots SET {change}")
        assert catalog.roots() == []
        assert catalog.add_root("/videos").id == root.id
        assert [found.path for found in catalog.roots()] == ["/videos"]
