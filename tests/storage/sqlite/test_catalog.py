from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import Root
from cret_desktop.errors import LibraryDamaged, LibraryMissing, LibraryTooNew, StorageError, StoreFault, ValueRefused
from cret_desktop.library.indexing.file_faults import is_of_a_file
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.sqlite.texts import Texts
from cret_desktop.storage.vectors.manifest import GraphManifest, graph_file_name
from tests.storage import samples
from tests.storage.samples import MODEL, sprite, video


@pytest.fixture
def catalog(tmp_path: Path):  # type: ignore[no-untyped-def]
    with Catalog.open(tmp_path / "library" / "catalog.sqlite") as opened:
        yield opened


def indexed(catalog: Catalog, name: str, clips: int, content: bytes | None = None) -> tuple[int, list[int]]:
    return samples.indexed(SqliteStore(catalog), name, clips, content)


def test_the_space_of_what_is_forgotten_is_given_back(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{i}.mp4" for i in range(8)]
    for name in names:
        indexed(catalog, name, clips=500)
    catalog.compact()
    full = catalog.path.stat().st_size

    def size_with(kept: list[str]) -> int:
        changes = FileChanges(catalog)
        apply_scan(Scans(catalog), catalog.roots()[0], [video(f"/videos/{name}") for name in kept], [])
        changes.purge(time.time() + 1)
        catalog.compact_if_due()
        return catalog.path.stat().st_size

    assert size_with(names[:7]) == full, "an eighth is not worth the copying"
    with monkeypatch.context() as patch:
        patch.setattr("cret_desktop.storage.sqlite.catalog.COMPACTED_UNASKED", 10)
        assert size_with(names[:1]) == full, "what is left would take long to copy"
    assert size_with(names[:1]) < full / 2
    assert len(Embeddings(catalog).clip_ids(MODEL.fingerprint)) == 500


def test_graph_manifests(catalog: Catalog) -> None:
    embeddings = Embeddings(catalog)
    manifests = [
        GraphManifest(g, graph_file_name("print-1", g), 1, "d" * 64, 9, 3, 8, "ip", 16, 200, "print-1", "0.8", "e" * 64)
        for g in (1, 2, 3)
    ]
    for manifest in manifests:
        embeddings.record_graph(manifest)
    assert embeddings.graphs("print-1") == manifests[::-1]
    assert embeddings.graphs("other") == []
    embeddings.forget_graphs("print-1", but=[1, 2])
    embeddings.forget_graphs("other", but=[])
    assert embeddings.graphs("print-1")[0].generation == 2


def test_foreign_newer_missing_and_damaged_catalogs(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with pytest.raises(LibraryMissing, match="cret-desktop index"):
        Catalog.open(path, read_only=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(LibraryDamaged, match="not ours"):
        Catalog.open(path)
    assert path.read_bytes() == before, "a file that is not ours is never written to"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(LibraryDamaged):
        Catalog.open(path)
    path.unlink()
    Catalog.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for read_only in (False, True):
        with pytest.raises(LibraryTooNew, match="newer version"):
            Catalog.open(path, read_only)


def test_reading_only_refuses_changes(catalog: Catalog) -> None:
    indexed(catalog, "a.mp4", 1)
    with Catalog.open(catalog.path, read_only=True) as reader:
        assert len(Embeddings(reader).clip_ids(MODEL.fingerprint)) == 1
        with pytest.raises(StorageError, match="reading only"):
            reader.add_root("/other")


def old_catalog(path: Path) -> None:
    """Create a library with schema 1: two files, one of them a root of its own, with a clip and its embedding."""
    with sqlite3.connect(path) as db:
        db.executescript(migrations.STEPS[0])
        db.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO models VALUES (1, ?, 'm', 8, 2)", (MODEL.fingerprint,))
        roots = [(1, b"/home/me/Holiday films", 0.0, 0), (2, b"/home/me/One take.mp4", 0.0, 0)]
        db.executemany("INSERT INTO roots VALUES (?, ?, ?, ?)", roots)
        for number, (root, name) in enumerate([(1, "Córdoba/Plaza 2.mp4".encode()), (1, b"\xff10.mp4"), (2, b"")], 1):
            db.execute(
                "INSERT INTO files (id, root_id, path, size, mtime_ns, device, inode, fingerprint, state, model_id)"
                " VALUES (?, ?, ?, 100, 1000, 1, ?, ?, 'indexed', 1)",
                (number, root, name, number, name),
            )
        db.execute("INSERT INTO clips VALUES (1, 1, 0, 0, 0.0, 5.0, ?, 32, 18, 1, ?)", (sprite(0), b"\0" * 32))
        db.execute(
            "INSERT INTO embeddings VALUES (1, 1, ?, ?)",
            (np.full((4, 8), 0.1, "<f2").tobytes(), np.full((2, 8), 0.1, "<f2").tobytes()),
        )
    db.close()


def test_an_older_catalog_is_backed_up_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    old_catalog(path)
    with pytest.raises(LibraryDamaged, match="older version"):
        Catalog.open(path, read_only=True)
    with Catalog.open(path) as catalog:
        assert len(Embeddings(catalog).clip_ids(MODEL.fingerprint)) == 1
        texts, listing = Texts(catalog), Listing(catalog)
        assert [hit.file_id for hit in texts.files(["plaza"], 5)] == [1], "names of old files are found"
        assert [hit.file_id for hit in texts.files(["cordoba"], 5)] == [1], "folders as well"
        assert [hit.file_id for hit in texts.files(["one", "take"], 5)] == [3]
        assert listing.page(Filters(), Sort.NAME, False, 10, 0) == [2, 3, 1]
        Annotations(catalog).set_favourite([1], True)
    (backup,) = tmp_path.glob("catalog.v1.backup.sqlite")
    with sqlite3.connect(backup) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM clips").fetchone() == (1,)
    db.close()


def test_a_step_that_fails_leaves_the_older_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalog.sqlite"
    old_catalog(path)
    broken = f"{migrations.STEPS[1]}\nINSERT INTO nowhere VALUES (1);"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (migrations.STEPS[0], broken))
        with pytest.raises(LibraryDamaged):
            Catalog.open(path)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT name FROM sqlite_master WHERE name = 'tags'").fetchone() is None
    db.close()
    with Catalog.open(path) as catalog:
        assert len(Embeddings(catalog).clip_ids(MODEL.fingerprint)) == 1


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.path.insert(0, {here!r})
from tests.storage.sqlite.test_catalog import *
with Catalog.open(Path({path!r})) as catalog:
    indexed(catalog, "first.mp4", 3)
    size = catalog.path.with_name(catalog.path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
    try:
        for number in range(500):
            indexed(catalog, f"{{number}}.mp4", 20)
    except StorageError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(len(Embeddings(catalog).clip_ids(MODEL.fingerprint)) % 20)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX; on Windows the shim of the faults suite")
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    program = FULL_DISK.format(path=str(tmp_path / "catalog.sqlite"), here=str(Path(__file__).parents[3]))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    sentence, whole = done.stdout.strip().splitlines()
    assert "could not be written" in sentence
    assert "Free some space" in sentence
    assert whole == "3", "the first file's clips, and of the others all or none"
    with Catalog.open(tmp_path / "catalog.sqlite") as catalog, sqlite3.connect(catalog.path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert catalog.roots() == [Root(1, "/videos", False)]
    db.close()


@pytest.mark.skipif(sys.platform == "win32", reason="counts what Unix calls file descriptors")
def test_the_connections_of_threads_that_have_ended_are_closed(catalog: Catalog) -> None:
    catalog.roots()

    def read_in_another() -> None:
        thread = threading.Thread(target=catalog.roots)
        thread.start()
        thread.join()

    read_in_another()
    before = psutil.Process().num_fds()
    for _ in range(20):
        read_in_another()
    assert psutil.Process().num_fds() <= before + 3  # SQLite keeps some open while another connection reads
    assert catalog.roots() == []


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (sqlite3.DataError("string or blob too big"), ValueRefused),
        (sqlite3.IntegrityError("NOT NULL constraint failed"), ValueRefused),
        (sqlite3.InterfaceError("bad parameter"), ValueRefused),
        (sqlite3.ProgrammingError("type not supported"), ValueRefused),
        (sqlite3.OperationalError("no such table: filse"), StoreFault),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_no_error_of_sqlite_leaves_the_storage(catalog: Catalog, error: Exception, raised: type[StoreFault]) -> None:
    for place in (catalog.write, catalog.guarded):
        with pytest.raises(StoreFault) as caught, place():
            raise error
        assert type(caught.value) is raised
        assert caught.value.__cause__ is error
        assert is_of_a_file(caught.value) == (raised is ValueRefused)


def test_damage_and_a_full_disk_are_of_the_library_not_of_a_file(catalog: Catalog) -> None:
    for code, raised in ((sqlite3.SQLITE_FULL, StorageError), (sqlite3.SQLITE_CORRUPT, LibraryDamaged)):
        error = sqlite3.OperationalError("it was met")
        error.sqlite_errorcode = code
        with pytest.raises(raised) as caught, catalog.guarded():
            raise error
        assert not is_of_a_file(caught.value)
