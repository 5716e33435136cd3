from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from cret_desktop.clips import FrameFormat, ModelInfo, ScoreConfig, Sort, VideoFile, VideoInfo
from cret_desktop.errors import LibraryDamaged, LibraryMissing, LibraryTooNew, StorageError, StoreFault, ValueRefused
from cret_desktop.filters import Filters
from cret_desktop.library.identity import apply_scan
from cret_desktop.library.one_file import is_of_a_file
from cret_desktop.records import NewClip, Root
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.texts import Texts
from cret_desktop.storage.vectors.manifest import GraphManifest, graph_file_name

MODEL = ModelInfo("m", "M", "print-1", 8, 2, FrameFormat(4, 32), ScoreConfig())
INFO = VideoInfo(10.0, 640, 360, 25.0, "h264", "mp4")


@pytest.fixture
def catalog(tmp_path: Path):  # type: ignore[no-untyped-def]
    with Catalog.open(tmp_path / "library" / "catalog.sqlite") as opened:
        yield opened


def video(path: str, size: int = 100) -> VideoFile:
    return VideoFile(path, size, 1_000, 1, hash(path) % 1000)


def sprite(number: int) -> str:
    """A name as the indexer gives them."""
    return f"aa/bb/aabb{'0' * 20}-{number}.jpg"


def clip(ordinal: int, seed: int = 0) -> NewClip:
    random = np.random.default_rng(ordinal + 100 * seed)
    return NewClip(
        ordinal, ordinal, ordinal * 5.0, ordinal * 5.0 + 5, sprite(ordinal), 32, 18, 1,
        (1.0, 2.0, 3.0, 4.0), random.normal(size=(4, 8)).astype("f4"), random.normal(size=(2, 8)).astype("f4"),
    )  # fmt: skip


def indexed(catalog: Catalog, name: str, clips: int, content: bytes | None = None) -> tuple[int, list[int]]:
    changes = FileChanges(catalog)
    root = catalog.add_root("/videos")
    apply_scan(Scans(catalog), root, [video(f"/videos/{name}")], [], within=f"/videos/{name}")
    ((file_id, file),) = [p for p in changes.pending(root.id, MODEL.fingerprint) if p[1].path.endswith(name)]
    ids, _, _ = changes.commit_file(
        file_id,
        file,
        INFO,
        content or name.encode(),
        [clip(i) for i in range(clips)],
        Embeddings(catalog).record_model(MODEL),
    )
    return file_id, ids


def test_a_committed_file_reads_back(catalog: Catalog) -> None:
    embeddings = Embeddings(catalog)
    _, ids = indexed(catalog, "a.mp4", 3)
    rows = Clips(catalog).clips(ids)
    assert [rows[i].ordinal for i in ids] == [0, 1, 2]
    assert rows[ids[1]].path == "/videos/a.mp4"
    assert rows[ids[1]].times == (1.0, 2.0, 3.0, 4.0)
    found, features = embeddings.features(MODEL, [ids[2], 999, ids[0]])
    assert list(found) == [ids[2], ids[0]]
    assert features.globals.shape == (2, 4, 8)
    assert features.centers.shape == (2, 2, 8)
    assert features.globals[0] == pytest.approx(clip(2).globals, abs=2e-3)
    labels, vectors = embeddings.vectors(MODEL.fingerprint, MODEL.width + 1, ids=ids)
    assert list(labels) == ids == list(embeddings.clip_ids(MODEL.fingerprint))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_indexing_again_keeps_ids_where_clips_stand_where_they_stood(catalog: Catalog) -> None:
    changes = FileChanges(catalog)
    file_id, ids = indexed(catalog, "a.mp4", 3)
    model = Embeddings(catalog).record_model(MODEL)
    again, gone, _ = changes.commit_file(
        file_id, video("/videos/a.mp4"), INFO, b"a.mp4", [clip(i, seed=1) for i in range(3)], model
    )
    assert (again, gone) == (ids, [])
    other, gone, sprites = changes.commit_file(
        file_id, video("/videos/a.mp4"), INFO, b"other content", [clip(0)], model
    )
    assert gone == ids
    assert min(other) > max(ids), "labels are never used again"
    assert sprites == [sprite(1), sprite(2)]


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog) -> None:
    embeddings = Embeddings(catalog)
    file_id, _ = indexed(catalog, "a.mp4", 2)
    broken = [clip(0), clip(0)]  # the same ordinal twice
    with pytest.raises(ValueRefused):
        FileChanges(catalog).commit_file(
            file_id, video("/videos/a.mp4"), INFO, b"x", broken, embeddings.record_model(MODEL)
        )
    assert len(embeddings.clip_ids(MODEL.fingerprint)) == 2


def test_of_two_models_each_knows_what_it_lacks(catalog: Catalog) -> None:
    """What a model has embedded is not done again, whichever indexed last; taken away, it all waits again."""
    changes, embeddings = FileChanges(catalog), Embeddings(catalog)
    other = replace(MODEL, fingerprint="another")
    indexed(catalog, "a.mp4", 2)
    indexed(catalog, "b.mp4", 1)
    (root,) = catalog.roots()
    assert (embeddings.count_behind(MODEL.fingerprint), embeddings.count_behind("another")) == (0, 2)
    ((file_id, file), *_) = changes.pending(root.id, "another")
    changes.commit_file(file_id, file, INFO, b"a.mp4", [clip(0), clip(1)], embeddings.record_model(other))
    assert embeddings.count_embedded() == {MODEL.fingerprint: 3, "another": 2}
    assert (embeddings.count_behind(MODEL.fingerprint), embeddings.count_behind("another")) == (0, 1)
    assert changes.pending(root.id, MODEL.fingerprint) == []
    assert embeddings.embedding_bytes("another") * 3 == embeddings.embedding_bytes(MODEL.fingerprint) * 2 > 0
    embeddings.remove_model("another")
    assert embeddings.count_embedded() == {MODEL.fingerprint: 3}
    assert (embeddings.count_behind(MODEL.fingerprint), embeddings.count_behind("another")) == (0, 2)
    assert embeddings.embedding_bytes("another") == 0


def test_another_model_waits_beside_the_old_one(catalog: Catalog) -> None:
    changes = FileChanges(catalog)
    indexed(catalog, "a.mp4", 2)
    root = catalog.roots()[0]
    assert changes.pending(root.id, MODEL.fingerprint) == []
    assert [f.path for _, f in changes.pending(root.id, "another")] == ["/videos/a.mp4"]
    assert [c.pending for c in catalog.counts("another")] == [1]
    assert [c.pending for c in catalog.counts(MODEL.fingerprint)] == [0]
    assert len(Embeddings(catalog).clip_ids(MODEL.fingerprint)) == 2


def test_a_removed_root_comes_back_as_it_was_until_it_is_purged(catalog: Catalog) -> None:
    embeddings, changes = Embeddings(catalog), FileChanges(catalog)
    _, ids = indexed(catalog, "a.mp4", 2)
    (root,) = catalog.roots()
    for _ in range(2):
        assert catalog.remove_root(root.id) == ids
        assert (catalog.roots(), catalog.counts(MODEL.fingerprint)) == ([], [])
        assert len(embeddings.clip_ids(MODEL.fingerprint)) == 0
        assert apply_scan(Scans(catalog), root, [], []).missing == 0, "a look that was under way changes nothing"
        assert catalog.restore_root(root.path) == ids
        assert embeddings.clip_ids(MODEL.fingerprint).tolist() == ids
    assert catalog.restore_root(root.path) is None, "it is there already"
    catalog.remove_root(root.id)
    assert changes.purge(time.time() + 1) == (ids, [sprite(0), sprite(1)])
    assert catalog.restore_root(root.path) is None
    with sqlite3.connect(catalog.path) as db:
        assert db.execute("SELECT (SELECT count(*) FROM embeddings), (SELECT count(*) FROM roots)").fetchone() == (0, 0)
    db.close()


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


@pytest.mark.parametrize("added", ["/videos", "/", "/videos/inner"])
def test_what_was_removed_is_taken_up_by_the_root_that_is_added_over_it(catalog: Catalog, added: str) -> None:
    _, ids = indexed(catalog, "inner/a.mp4", 1)
    (root,) = catalog.roots()
    file = next(iter(catalog.files(root.id).values()))
    annotations = Annotations(catalog)
    annotations.set_note(file.id, "mine")
    missing = [("/videos/gone.mp4", "It is a folder.")]
    apply_scan(Scans(catalog), root, [video(file.path)], missing)
    catalog.remove_root(root.id)
    now = catalog.add_root(added)
    seen = apply_scan(Scans(catalog), now, [video(file.path)], [])
    assert (seen.restored, seen.restored_clips, seen.added) == (1, ids, 0)
    assert [(r.path, f.path) for r in catalog.roots() for f in catalog.files(r.id).values() if not f.missing] == [
        (added, "/videos/inner/a.mp4")
    ]
    assert Listing(catalog).files([file.id])[file.id].note == "mine"


def test_moved_files_are_those_whose_old_place_is_empty(catalog: Catalog, tmp_path: Path) -> None:
    changes = FileChanges(catalog)
    root = catalog.add_root(str(tmp_path))
    old, new = str(tmp_path / "old.mp4"), str(tmp_path / "new.mp4")
    apply_scan(Scans(catalog), root, [video(old)], [])
    ((file_id, file),) = changes.pending(root.id, MODEL.fingerprint)
    changes.commit_file(file_id, file, INFO, b"content", [clip(0)], Embeddings(catalog).record_model(MODEL))
    assert Scans(catalog).content_sizes() == {video(new).size}
    result = apply_scan(Scans(catalog), root, [video(new)], [], contents={new: b"content"})
    assert (result.moved, result.missing, result.added) == (1, 0, 0)
    assert changes.pending(root.id, MODEL.fingerprint) == []
    assert list(catalog.files(root.id)) == [new]


def test_problems_are_listed_once_and_leave_with_their_cause(catalog: Catalog) -> None:
    root = catalog.add_root("/videos")
    assert apply_scan(Scans(catalog), root, [], [("/videos/dir.mp4", "It is a folder.")]).new_problems == 1
    assert apply_scan(Scans(catalog), root, [], [("/videos/dir.mp4", "It is a folder.")]).new_problems == 0
    assert catalog.failures() == [("/videos/dir.mp4", "It is a folder.")]
    apply_scan(Scans(catalog), root, [], [])
    assert catalog.failures() == []


def test_a_root_taken_up_meanwhile_is_left_alone(catalog: Catalog) -> None:
    inner = catalog.add_root("/videos/inner")
    outer = catalog.add_root("/videos")
    result = apply_scan(Scans(catalog), inner, [video("/videos/inner/a.mp4")], [])
    assert result.added == 0
    assert [r.path for r in catalog.roots()] == [outer.path]


def test_absorbed_roots_keep_their_files(catalog: Catalog) -> None:
    for place in ("/videos/one", "/videos/two/b.mp4"):
        root = catalog.add_root(place)
        path = place if place.endswith(".mp4") else f"{place}/a.mp4"
        apply_scan(Scans(catalog), root, [video(path)], [])
    outer = catalog.add_root("/videos")
    assert sorted(catalog.files(outer.id)) == ["/videos/one/a.mp4", "/videos/two/b.mp4"]
    assert [r.path for r in catalog.roots()] == ["/videos"]
    assert catalog.add_root("/videos/one").path == "/videos"
    assert catalog.add_root("/videos-other").path == "/videos-other"


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


def test_readers_never_see_half_a_file(catalog: Catalog) -> None:
    """A reader beside the writer sees a file with all its clips or with none."""
    counts: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            counts.add(len(Embeddings(catalog).clip_ids(MODEL.fingerprint)))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        indexed(catalog, f"{number:02}.mp4", 5)
    stop.set()
    reader.join()
    assert {count % 5 for count in counts} == {0}


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
    """A library as schema 1 had it: two files, one of them a root of its own, with a clip and its embedding."""
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
