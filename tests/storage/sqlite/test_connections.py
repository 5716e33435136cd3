"""Opening untrusted catalogs: SQLite's effects on other files, and schemas that are not ours."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import threading
from contextlib import closing
from pathlib import Path

import pytest

from cret_desktop.domain.records import Contents
from cret_desktop.errors import LibraryDamaged, StorageError
from cret_desktop.storage.sqlite.backup import check
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.connections import connect_to_read, connect_to_write, difference
from tests.said import said
from tests.storage.sqlite.test_catalog import indexed

MAGIC = bytes.fromhex("d9d505f920a163d7")
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
HEAVY = "hex(zeroblob(9000000)) LIKE '%0%0%0%0%0%0%0%0%1'"  # takes hours to evaluate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "library" / "catalog.sqlite"
    with Catalog.open(path) as catalog:
        indexed(catalog, "a.mp4", 2)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    photo = tmp_path / "holiday.jpg"
    photo.write_bytes(b"somebody's" * 10_000)
    return photo


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def plant_journal(path: Path, names: Path) -> None:
    """Plant a journal of a transaction over several catalogs: it names their super-journal."""
    name = str(names).encode()
    header = struct.pack(">8sIIIII", MAGIC, 1, 0, 1, 512, 4096).ljust(512, b"\0")
    page = struct.pack(">I", 1) + bytes(4096) + struct.pack(">I", 0)
    # The sum is over signed bytes, as C's `char` mostly is.
    tail = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + MAGIC
    path.with_name(f"{path.name}-journal").write_bytes(header + page + tail)


def test_a_journal_deletes_no_file_that_it_names(path: Path, photo: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost.jpg"
    shutil.copy(photo, lost)
    shutil.copytree(path.parent, tmp_path / "untamed")
    plant_journal(tmp_path / "untamed" / path.name, lost)
    with closing(sqlite3.connect(tmp_path / "untamed" / path.name)) as db, pytest.raises(sqlite3.DatabaseError):
        db.execute("SELECT * FROM files")
    assert not lost.exists(), "SQLite itself deletes it: the test shows nothing any more"
    plant_journal(path, photo)
    with Catalog.open(path, read_only=True) as catalog:
        assert len(Clips(catalog).clips_of(1)) == 2
    plant_journal(path, photo)
    with Catalog.open(path) as catalog:
        assert (len(Clips(catalog).clips_of(1)), catalog.notices) == (2, [])
    assert photo.read_bytes() == b"somebody's" * 10_000


@pytest.mark.parametrize("beside", ["-shm", "-wal", "-journal"])
def test_nothing_is_written_into_a_file_by_another_name(path: Path, photo: Path, beside: str) -> None:
    """SQLite writes to the index of its log even when it only reads."""
    before = photo.read_bytes()
    for read_only in (True, False):
        other = path.with_name(f"{path.name}{beside}")
        other.unlink(missing_ok=True)
        os.link(photo, other)
        try:
            with Catalog.open(path, read_only) as catalog:
                Clips(catalog).clips_of(1)
        except (LibraryDamaged, StorageError):
            assert beside != "-shm"
        assert photo.read_bytes() == before
        other.unlink(missing_ok=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_pipe_holds_nobody(path: Path, suffix: str) -> None:
    pipe = path.with_name(f"{path.name}{suffix}")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    done = []

    def opened() -> None:
        for connect in (connect_to_read, connect_to_write):
            with pytest.raises(OSError, match="no regular file"):
                connect(path)
        done.append(suffix)

    thread = threading.Thread(target=opened, daemon=True)
    thread.start()
    thread.join(20)
    assert done == [suffix]


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE VIEW evil AS {ENDLESS}",
        "CREATE TRIGGER evil AFTER UPDATE ON roots BEGIN DELETE FROM files; END",
        f"CREATE TABLE evil (a CHECK ({HEAVY} IS NOT 5))",
        f"CREATE INDEX evil ON files({HEAVY}) WHERE note > ''",
        "CREATE VIRTUAL TABLE evil USING fts5(a)",
    ],
)
def test_what_a_catalog_has_besides_is_never_run(path: Path, statement: str) -> None:
    change(
        path,
        statement,
        *(["PRAGMA ignore_check_constraints = ON", "INSERT INTO evil VALUES (1)"] * ("CHECK" in statement)),
    )
    with closing(connect_to_read(path)) as db:
        differs = difference(db)
        assert differs.is_readable
        assert "evil" in differs.added
        if "VIEW" in statement:
            with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"):
                db.execute("SELECT * FROM evil").fetchone()
    with Catalog.open(path, read_only=True) as catalog:
        assert len(Clips(catalog).clips_of(1)) == 2
    assert check(path.parent) == Contents(1, 2)
    with Catalog.open(path) as catalog:
        assert "was repaired: 1 video came back" in said(catalog.notices)
        assert len(Clips(catalog).clips_of(1)) == 2
    with closing(connect_to_read(path)) as db:
        assert not difference(db)


@pytest.mark.parametrize("version", [0, -1, -(2**31)])
def test_a_version_that_there_never_was_loses_nothing(path: Path, version: int) -> None:
    change(path, f"PRAGMA user_version = {version}")
    with Catalog.open(path) as catalog:
        assert "was repaired: 1 video came back" in said(catalog.notices)
        assert len(Clips(catalog).clips_of(1)) == 2


@pytest.mark.parametrize("table", ["clips", "files", "roots"])
def test_numbers_that_are_used_up_are_given_anew(path: Path, table: str) -> None:
    change(path, f"UPDATE sqlite_sequence SET seq = {2**63 - 1} WHERE name = '{table}'")
    with Catalog.open(path) as catalog:
        assert "no numbers left" not in said(catalog.notices)
        assert "1 video came back" in said(catalog.notices)
        indexed(catalog, "b.mp4", 1)
        catalog.add_root("/elsewhere")


def test_an_added_folder_is_not_all_that_is_around_it(path: Path) -> None:
    """A foreign library lists the whole disk as a root; its new owner adds one folder."""
    change(path, "INSERT INTO roots (path, added_at, followed) VALUES (x'2f', 0, 0)")
    with Catalog.open(path) as catalog:
        added = catalog.add_root("/home/somebody/Videos")
        assert (added.path, added.followed) == ("/home/somebody/Videos", True)
        assert {root.path: root.followed for root in catalog.roots()} == {
            "/": False, "/home/somebody/Videos": True, "/videos": True,
        }  # fmt: skip
        assert catalog.add_root("/home/somebody/Videos/2024").path == "/home/somebody/Videos"
        everything = catalog.add_root("/")
        assert [(root.path, root.followed) for root in catalog.roots()] == [("/", True)]
        assert set(catalog.files(everything.id)) == {"/videos/a.mp4"}


def test_a_folder_whose_row_can_be_none_is_added_again_with_all_it_held(path: Path) -> None:
    change(path, "UPDATE roots SET offline = 'x', volume = 5")
    with Catalog.open(path) as catalog:
        assert catalog.roots() == []
        root = catalog.add_root("/videos")
        assert [known.path for known in catalog.roots()] == ["/videos"]
        assert set(catalog.files(root.id)) == {"/videos/a.mp4"}
