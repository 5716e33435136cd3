"""A changed bit in any kind of stored byte is detected, and the damaged item is rebuilt."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cret_desktop.domain.records import PICTURES, Damage
from cret_desktop.library.searching.query import parse
from cret_desktop.library_files import CALIBRATION, GRAPHS, THUMBNAILS
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.checksums import OF_CLIP, OF_FILE
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.vectors.vector_index import Limits, VectorIndex
from tests.library.conftest import Bench, open_bench
from tests.storage.samples import MODEL, indexed, sprite, video
from tests.storage.test_checks import JPEG, fill


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore.open(tmp_path / "library") as opened:
        fill(opened)
        yield opened


def flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def flip_cell(store: SqliteStore, table: str, column: str, bit: int) -> None:
    """Change one bit of a stored value, as a bad sector does, without triggers."""
    with closing(sqlite3.connect(store.catalog.path, isolation_level=None)) as db:
        (key, content) = db.execute(f"SELECT rowid, CAST({column} AS BLOB) FROM {table} LIMIT 1").fetchone()
        (kind,) = db.execute(f"SELECT typeof({column}) FROM {table} LIMIT 1").fetchone()
        value = f"CAST(? AS {kind.upper()})"
        db.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = ?", (flip(content, bit), key))


def kinds(store: SqliteStore) -> set[str]:
    return {damage.kind for damage in store.checks.check(1.0).damaged}


@pytest.mark.parametrize("bit", [0, 7, 100, 511])
@pytest.mark.parametrize("column", ["globals", "centers"])
def test_a_changed_bit_of_an_embedding_is_noticed(store: SqliteStore, column: str, bit: int) -> None:
    flip_cell(store, "embeddings", column, bit % 256)
    (damage,) = store.checks.check(1.0).damaged
    assert (damage.kind, damage.owner) == ("embedding", "/videos/a.mp4")


def test_a_changed_bit_of_a_thumbnail_is_noticed(store: SqliteStore) -> None:
    for bit in range(0, 8 * len(JPEG), 5):
        store.blobs.write(sprite(1), flip(JPEG, bit))
        assert store.checks.check(1.0).damaged == (Damage("thumbnail", "/videos/a.mp4", sprite(1)),), bit
        store.blobs.write(sprite(1), JPEG)


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [("files", column, "video") for column in OF_FILE.split(", ")]
    + [("clips", c, "clip") for c in OF_CLIP.split(", ")],
)
def test_a_changed_bit_of_what_decoding_found_out_is_noticed(
    store: SqliteStore, table: str, column: str, kind: str
) -> None:
    with closing(sqlite3.connect(store.catalog.path, isolation_level=None)) as db:
        ((key, value),) = db.execute(f"SELECT id, {column} FROM {table} ORDER BY id LIMIT 1")
        if isinstance(value, float):
            (value,) = struct.unpack("<d", flip(struct.pack("<d", value), 9))
        elif isinstance(value, int):
            value ^= 8
        else:
            changed = flip(value.encode() if isinstance(value, str) else value, 1)
            value = changed.decode() if isinstance(value, str) else changed
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, key))
    (damage,) = (found for found in store.checks.check(1.0).damaged if found.kind != "thumbnail")
    assert damage == Damage(kind, "/videos/a.mp4", key)  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["start", "end", "text"])
def test_a_changed_bit_of_a_subtitle_line_is_noticed(store: SqliteStore, column: str) -> None:
    with closing(sqlite3.connect(store.catalog.path, isolation_level=None)) as db:
        changed = {"start": 0.5, "end": 1.25, "text": "lime 0"}[column]  # one bit changed in each
        db.execute(f"UPDATE subtitle_lines SET {column} = ? WHERE id = 1", (changed,))
    assert "subtitle" in kinds(store)


def test_a_note_that_differs_from_its_words_is_noticed(store: SqliteStore) -> None:
    store.annotations.set_note(1, "grandma waves")
    assert kinds(store) == set()
    with store.catalog.write() as db:
        db.execute("UPDATE file_texts_content SET c3 = 'grandma wavet' WHERE id = 1")
    assert kinds(store) == {"catalog"}


def test_a_changed_byte_of_a_graph_or_a_calibration_is_noticed(store: SqliteStore) -> None:
    index = VectorIndex.open(
        store.catalog.path.parent / GRAPHS, store.features, MODEL.fingerprint, MODEL.width + 1, Limits(tail=1), key=b"k"
    )
    index.build()
    index.close()
    (graph,) = (store.catalog.path.parent / GRAPHS).glob("*.hnsw")
    calibration = store.catalog.path.parent / CALIBRATION / "print-1.npz"
    calibration.parent.mkdir()
    np.savez(calibration, globals=np.arange(100.0))
    assert kinds(store) == set()
    for place, kind in ((graph, "graph"), (calibration, "calibration")):
        sound = place.read_bytes()
        place.write_bytes(flip(sound, 8 * (len(sound) // 2)))
        assert kinds(store) == {kind}
        assert store.checks.mend(store.checks.check(1.0)) == []
        assert not place.exists(), "it is built again when it is next needed"
    assert kinds(store) == set()


def test_what_was_stored_by_an_older_version_gets_its_checksums(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with SqliteStore.open(folder) as store:
        fill(store)
        indexed(store, "b.mp4", 3)
        with store.catalog.write() as db:
            for table, column in (
                ("embeddings", "checksum"), ("clips", "sprite_checksum"), ("subtitle_lines", "checksum"),
                ("files", "checksum"), ("clips", "checksum"),
            ):  # fmt: skip
                db.execute(f"UPDATE {table} SET {column} = NULL")
        report = store.checks.check(1.0)
        assert (report.damaged, report.unknown) == ((), 5 + 4 + 3 + 2 + 5), "one strip is not there"
        store.checks.mend(report)
        assert store.checks.check(1.0).unknown == 0
        flip_cell(store, "embeddings", "globals", 3)
        assert kinds(store) == {"embedding"}


def test_a_catalog_of_schema_7_is_brought_up_to_date_with_a_copy_kept(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.prepare(db, 7)
        db.execute("INSERT INTO models VALUES (1, ?, 'm', 8, 2)", (MODEL.fingerprint,))
        db.execute("INSERT INTO roots (id, path, added_at) VALUES (1, ?, 0)", (b"/videos",))
        db.execute(
            "INSERT INTO files (id, root_id, path, size, mtime_ns, device, inode, fingerprint, state, model_id)"
            " VALUES (1, 1, ?, 100, 1000, 1, 1, x'00', 'indexed', 1)",
            (b"a.mp4",),
        )
        db.execute("INSERT INTO clips VALUES (1, 1, 0, 0, 0.0, 5.0, ?, 32, 18, 1, ?)", (sprite(0), bytes(32)))
        blobs = (np.full((4, 8), 0.1, "<f2").tobytes(), np.full((2, 8), 0.1, "<f2").tobytes())
        db.execute("INSERT INTO embeddings VALUES (1, 1, ?, ?)", blobs)
        db.execute("INSERT INTO subtitle_lines (file_id, start, end, text) VALUES (1, 0.0, 1.0, 'hello')")
    with SqliteStore.open(tmp_path) as store:
        assert store.features.clip_ids(MODEL.fingerprint).tolist() == [1]
        report = store.checks.check(1.0)
        assert (report.damaged, report.unknown) == ((), 3)
        assert [hit.text for hit in store.texts.lines(["hello"], 9)] == ["hello"]
    assert path.with_name("catalog.v7.backup.sqlite").exists()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        for name, words in (("a.mp4", "red blue"), ("b.mp4", "green")):
            opened.write(name, words)
        opened.run()
        yield opened


def test_a_damaged_embedding_is_made_again_and_searched_as_before(bench: Bench) -> None:
    before = [(m.path, m.start, m.score) for m in bench.searcher.search(parse("red"), 5).moments]
    flip_cell(bench.store, "embeddings", "globals", 14)
    gone = bench.store.checks.mend(bench.store.checks.check(1.0))
    assert len(gone) == 2, "all clips of the video"
    bench.index.remove(np.asarray(gone, np.int64))
    assert "a.mp4" not in bench.found("red")
    assert bench.run().files == 1
    assert [(m.path, m.start, m.score) for m in bench.searcher.search(parse("red"), 5).moments] == before
    assert kinds(bench.store) == set()


@pytest.mark.parametrize(("table", "column"), [("files", "duration"), ("clips", "start")])
def test_a_video_with_damaged_facts_is_indexed_again(bench: Bench, table: str, column: str) -> None:
    before = [(m.path, m.start, m.score) for m in bench.searcher.search(parse("red"), 5).moments]
    flip_cell(bench.store, table, column, 0)
    assert kinds(bench.store) == {"video" if table == "files" else "clip"}
    gone = bench.store.checks.mend(bench.store.checks.check(1.0))
    bench.index.remove(np.asarray(gone, np.int64))
    assert bench.run().files == 1
    assert [(m.path, m.start, m.score) for m in bench.searcher.search(parse("red"), 5).moments] == before
    assert kinds(bench.store) == set()


def test_damaged_facts_of_a_video_that_cannot_be_decoded_are_told_once(store: SqliteStore) -> None:
    reason = Message("file.not-a-video")
    store.queue.fail_file(1, video("/videos/a.mp4"), reason)
    flip_cell(store, "files", "duration", 0)
    assert kinds(store) == {"video"}
    store.checks.mend(store.checks.check(1.0))
    assert store.stages.counts(PICTURES, MODEL.fingerprint).waiting == 1, "it is tried again"
    store.queue.fail_file(1, video("/videos/a.mp4"), reason)
    assert kinds(store) == set(), "once, and not each day"


def test_smaller_thumbnails_and_a_copy_have_checksums_of_their_own(bench: Bench) -> None:
    (strip, other) = bench.store.clips.shown_sprites()[:2]
    bench.store.clips.swap_sprites([(strip.name, replace(strip, name=other.name, tile_width=16))])
    assert "clip" not in kinds(bench.store)
    bench.write("copy.mp4", "red blue")
    bench.run()
    report = bench.store.checks.check(1.0)
    assert (report.checked["clip"], report.checked["video"]) == (5, 3)
    assert {damage.kind for damage in report.damaged} <= {"thumbnail"}


def test_a_damaged_thumbnail_is_deleted_so_that_it_is_drawn_again(bench: Bench) -> None:
    strip = sorted((bench.folder / THUMBNAILS).rglob("*.jpg"))[0]
    strip.write_bytes(flip(strip.read_bytes(), 80))
    report = bench.store.checks.check(1.0)
    assert [damage.kind for damage in report.damaged] == ["thumbnail"]
    assert bench.store.checks.mend(report) == []
    assert not strip.exists()
