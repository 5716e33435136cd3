"""Embeddings and graph records in an untrusted catalog, which may hold anything."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.domain.clips import FrameFormat, ModelInfo, ScoreConfig
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.rows import GRAPH_COLUMNS, graph_manifest
from cret_desktop.storage.vectors.manifest import GraphManifest, graph_file_name
from cret_desktop.storage.vectors.vector_index import Limits, VectorIndex
from tests.fakes import KEY

MODEL = ModelInfo("m", "M", "print-1", 8, 2, FrameFormat(4, 32), ScoreConfig())
CLIPS = 8
GLOBALS, CENTERS = 4 * 8 * 2, 2 * 8 * 2

Value = bytes | str | int | float


def filled(path: Path) -> Catalog:
    """Return a catalog of one file with `CLIPS` clips, their embeddings, and two graph records."""
    catalog = Catalog.open(path)
    embeddings = Embeddings(catalog)
    model, root = embeddings.record_model(MODEL), catalog.add_root("/videos")
    chance = np.random.default_rng(0)
    with catalog.write() as db:
        db.execute(
            "INSERT INTO files (id, root_id, path, size, mtime_ns, device, inode) VALUES (1, ?, x'61', 1, 1, 1, 1)",
            (root.id,),
        )
        db.execute("INSERT INTO stages (file_id, stage, state) VALUES (1, 'pictures', 'done')")
        for clip in range(1, CLIPS + 1):
            db.execute("INSERT INTO clips VALUES (?, 1, ?, 0, 0.0, 1.0, '', 1, 1, 0, x'', NULL, NULL)", (clip, clip))
            frames, centers = chance.standard_normal((4, 8)) / 8, chance.standard_normal((2, 8))
            blobs = (frames.astype("<f2").tobytes(), centers.astype("<f2").tobytes())
            db.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, NULL)", (clip, model, *blobs))
    for generation in (5, 6):
        embeddings.record_graph(manifest(generation))
    return catalog


@pytest.fixture(scope="module")
def once_filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of such a catalog, to be copied: creating one takes much longer."""
    path = tmp_path_factory.mktemp("filled") / "catalog.sqlite"
    filled(path).close()
    return path


def manifest(generation: int) -> GraphManifest:
    name = graph_file_name("print-1", generation)
    return GraphManifest(generation, name, 10, "d" * 64, 9, 8, 9, "ip", 16, 200, "print-1", "hnswlib 0.8", "e" * 64)


def halves(size: int, value: float) -> bytes:
    return np.full(size // 2, value, "<f2").tobytes()


def a_number_that_is_none(size: int) -> st.SearchStrategy[bytes]:
    """Return blobs of the right size in which at least one number is NaN or infinite."""

    def spoiled(at: int, value: float, other: float) -> bytes:
        numbers = np.zeros(size // 2, "<f2")
        numbers[at], numbers[-1 - at] = other, value
        return numbers.tobytes()

    values = st.sampled_from([float("nan"), float("inf"), float("-inf")])
    return st.builds(spoiled, st.integers(0, size // 4), values, values | st.just(0.0))


def strange(size: int) -> st.SearchStrategy[Value]:
    """Return values that no model of these sizes writes."""
    return st.one_of(
        st.binary(max_size=3 * size).filter(lambda blob: len(blob) != size),
        st.sampled_from([b"", bytes(size - 1), bytes(size + 1), bytes(2**21), halves(size * 2, 1.0)]),
        st.text(max_size=size),
        st.just("a" * size),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        a_number_that_is_none(size),
    )


@settings(max_examples=30, deadline=None)
@given(
    damage=st.dictionaries(st.integers(1, CLIPS), st.tuples(st.sampled_from(["globals", "centers"]), st.data())),
    lie=st.sampled_from(["", "width = -1", "width = 2147483647", "width = 'wide'", "centers = x'00'", "name = x'ff'"]),
)
def test_damaged_embeddings_are_passed_over_and_the_others_found(
    tmp_path_factory: pytest.TempPathFactory,
    once_filled: Path,
    damage: dict[int, tuple[str, st.DataObject]],
    lie: str,
) -> None:
    folder = tmp_path_factory.mktemp("foreign")
    sizes = {"globals": GLOBALS, "centers": CENTERS}
    shutil.copyfile(once_filled, folder / "catalog.sqlite")
    with Catalog.open(folder / "catalog.sqlite") as catalog:
        ids, rows = Embeddings(catalog).vectors("print-1", 9, ids=range(1, CLIPS + 1))
        sound = dict(zip(ids.tolist(), rows, strict=True))
        with catalog.write() as db:
            for clip, (column, data) in damage.items():
                value = data.draw(strange(sizes[column]))
                db.execute(f"UPDATE embeddings SET {column} = ? WHERE clip_id = ?", (value, clip))
            if lie:
                db.execute(f"UPDATE models SET {lie}")
        embeddings = Embeddings(catalog)
        ids, features = embeddings.features(MODEL, [*range(CLIPS, 0, -1), 99, -1])
        assert ids.tolist() == [clip for clip in range(CLIPS, 0, -1) if clip not in damage]
        assert features.globals.shape == (len(ids), 4, 8)
        assert features.centers.shape == (len(ids), 2, 8)
        assert np.isfinite(features.globals).all()
        assert np.isfinite(features.centers).all()
        found, vectors = embeddings.vectors("print-1", 9, ids=range(-3, CLIPS + 3))
        spoiled = {clip for clip, (column, _) in damage.items() if column == "globals"}
        assert set(found.tolist()) >= set(sound) - spoiled
        for clip, vector in zip(found.tolist(), vectors, strict=True):
            assert clip in spoiled or np.array_equal(vector, sound[clip])
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max(initial=0) < 1e-5
        index = VectorIndex.open(folder / "graphs", embeddings, "print-1", 9, Limits(tail=2), key=KEY)
        assert len(index) == len(index.search(np.ones(9, np.float32), CLIPS)[0]) == len(found)
        index.close()
        assert embeddings.clip_ids("print-1").tolist() == list(range(1, CLIPS + 1))
        assert embeddings.count_embedded() == {"print-1": CLIPS}
        assert embeddings.count_behind("print-1") == 0
        assert embeddings.embedding_bytes("print-1") >= 0
        assert embeddings.record_model(MODEL) == 1


def test_damage_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with filled(tmp_path / "catalog.sqlite") as catalog, catalog.write() as db:
        db.execute("UPDATE embeddings SET globals = 'text' WHERE clip_id IN (3, 4)")
        embeddings = Embeddings(catalog)
    with Catalog.open(tmp_path / "catalog.sqlite") as catalog:
        embeddings = Embeddings(catalog)
        for _ in range(3):
            embeddings.vectors("print-1", 9, ids=range(1, CLIPS + 1))
            embeddings.features(MODEL, range(1, CLIPS + 1))
    assert [record.message for record in caplog.records if "damaged" in record.message] == [
        "Clips are left out of searches: their embeddings are damaged (clip 3 first)"
    ]


@pytest.mark.parametrize("fingerprint", ["x'ff00'", "CAST(x'ff00' AS TEXT)", "printf('%.2000c', 'a')", "7"])
def test_models_that_bear_no_name_of_ours_are_no_models(tmp_path: Path, fingerprint: str) -> None:
    with filled(tmp_path / "catalog.sqlite") as catalog:
        with catalog.write() as db:
            db.execute(f"INSERT INTO models (fingerprint, name, width, centers) VALUES ({fingerprint}, '', -5, 'many')")
            db.execute("INSERT INTO embeddings SELECT clip_id, 2, globals, centers, checksum FROM embeddings")
        counted = Embeddings(catalog).count_embedded()
        assert counted.pop("print-1") == CLIPS
        assert all(len(name) < 1000 for name in counted)


def test_clips_of_no_possible_id_are_not_searched(tmp_path: Path) -> None:
    """An id below 1 would be a label that no graph of ours has."""
    with filled(tmp_path / "catalog.sqlite") as catalog:
        with catalog.write() as db:
            db.execute("PRAGMA defer_foreign_keys = ON")
            db.execute("UPDATE clips SET id = -id WHERE id < 3")
            db.execute("UPDATE embeddings SET clip_id = -clip_id WHERE clip_id < 3")
        embeddings = Embeddings(catalog)
        rest = list(range(3, CLIPS + 1))
        assert embeddings.clip_ids("print-1").tolist() == rest
        assert embeddings.vectors("print-1", 9, ids=[-2, -1, *rest])[0].tolist() == rest
        assert embeddings.features(MODEL, [-2, -1, *rest])[0].tolist() == rest


# --- graph records ------------------------------------------------------------------------------------------------

NAMES = (
    "../catalog.sqlite", "/etc/passwd", "..\\x.hnsw", "C:\\x.hnsw", "\\\\server\\share\\x.hnsw", ".", "", "a\0b",
    "0123456789ab-5.hnsw", graph_file_name("print-1", 7), graph_file_name("another", 5),
    graph_file_name("print-1", 5).upper(), graph_file_name("print-1", 5) + "\n", "x/" + graph_file_name("print-1", 5),
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_of_another_name_than_its_own_is_passed_over(tmp_path: Path, name: str) -> None:
    with filled(tmp_path / "catalog.sqlite") as catalog:
        with catalog.write() as db:
            db.execute("UPDATE graphs SET file = ? WHERE generation = 5", (name,))
        embeddings = Embeddings(catalog)
        assert embeddings.graphs("print-1") == [manifest(6)]
        embeddings.forget_graphs("print-1", but=[6])
        assert catalog.reader().execute("SELECT generation FROM graphs").fetchall() == [(6,)]
        assert embeddings.remove_model("print-1") == [graph_file_name("print-1", 6)]


@settings(max_examples=60, deadline=None)
@given(
    column=st.sampled_from([name for name in GraphManifest.__slots__ if name not in ("generation", "model")]),
    value=st.one_of(
        st.none(), st.integers(-(2**63), -1), st.binary(max_size=80), st.text(max_size=80), st.floats(allow_nan=False),
        st.just("a" * 2_000_000),
    ),
)  # fmt: skip
def test_values_that_were_never_written_make_no_record(
    tmp_path_factory: pytest.TempPathFactory, column: str, value: Value | None
) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        names = GraphManifest.__slots__
        db.execute(f"CREATE TABLE graphs ({', '.join(names)})")
        values = {name: getattr(manifest(5), name) for name in names} | {column: value}
        db.execute(f"INSERT INTO graphs VALUES ({', '.join('?' * len(names))})", list(values.values()))
        read = graph_manifest(db.execute(f"SELECT {GRAPH_COLUMNS} FROM graphs").fetchone())
    if read is not None:  # another space or version is also text, and is refused by the index
        assert column in ("space", "library_version", "proof")
        assert isinstance(value, str)
        assert len(value) < 1000


@pytest.mark.parametrize("generation", [-1, 2**62, 2**63 - 1])
def test_a_generation_that_none_could_follow_is_passed_over(tmp_path: Path, generation: int) -> None:
    with filled(tmp_path / "catalog.sqlite") as catalog:
        name = graph_file_name("print-1", generation)
        with catalog.write() as db:
            db.execute("UPDATE graphs SET file = ?, generation = ? WHERE generation = 5", (name, generation))
        assert Embeddings(catalog).graphs("print-1") == [manifest(6)]


def test_what_the_catalog_names_elsewhere_stays(tmp_path: Path) -> None:
    """The index never reads, renames or deletes a file outside its folder, whatever a record contains."""
    outside = tmp_path / "outside"
    outside.mkdir()
    precious = outside / graph_file_name("print-1", 5)
    precious.write_bytes(b"somebody's own")
    with filled(tmp_path / "library" / "catalog.sqlite") as catalog:
        with catalog.write() as db:
            db.execute("UPDATE graphs SET file = ? WHERE generation = 5", (f"../../outside/{precious.name}",))
            db.execute("UPDATE graphs SET file = ? WHERE generation = 6", (str(precious),))
        embeddings = Embeddings(catalog)
        for _ in range(2):
            index = VectorIndex.open(tmp_path / "library" / "graphs", embeddings, "print-1", 9, Limits(tail=2), key=KEY)
            index.build()
            assert len(index.search(np.ones(9, np.float32), CLIPS)[0]) == CLIPS
            index.close()
        assert [graph.generation in (5, 6) for graph in embeddings.graphs("print-1")] == [False, False]
    assert [path.name for path in outside.iterdir()] == [precious.name]
    assert precious.read_bytes() == b"somebody's own"
