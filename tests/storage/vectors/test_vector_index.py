"""The vector index against an exhaustive oracle, and against every known failure of hnswlib."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.errors import EngineError
from cret_desktop.storage.vectors import graph_builder, vector_index
from cret_desktop.storage.vectors.manifest import GraphManifest
from cret_desktop.storage.vectors.vector_index import GraphStore, Limits, VectorIndex
from tests.narrowing import found

ROOT = Path(__file__).parents[3]
WIDTH = 32
SMALL = Limits(tail=100, exact_filter=60)
MODEL = "model-a"
KEY = b"of this library"

Steady = tuple[VectorIndex, np.ndarray, np.ndarray]

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


class Store:
    """The minimal source of truth: vectors and manifests in SQLite."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.columns = [f.name for f in fields(GraphManifest)]
        self.db.execute(f"CREATE TABLE IF NOT EXISTS graphs ({', '.join(self.columns)})")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS clips (id INTEGER, model TEXT, vector BLOB, PRIMARY KEY (model, id))"
        )

    def graphs(self, model: str) -> list[GraphManifest]:
        rows = self.db.execute("SELECT * FROM graphs WHERE model = ? ORDER BY generation DESC", (model,))
        return [GraphManifest(*row) for row in rows]

    def record_graph(self, manifest: GraphManifest) -> None:
        self.db.execute(f"INSERT INTO graphs VALUES ({', '.join('?' * len(self.columns))})", astuple(manifest))

    def forget_graphs(self, model: str, *, but: Collection[int]) -> None:
        gone = [(graph.generation,) for graph in self.graphs(model) if graph.generation not in but]
        self.db.executemany("DELETE FROM graphs WHERE generation = ?", gone)

    def clip_ids(self, model: str) -> np.ndarray:
        rows = self.db.execute("SELECT id FROM clips WHERE model = ? ORDER BY id", (model,)).fetchall()
        return np.array([clip_id for (clip_id,) in rows], np.int64)

    def vectors(self, model: str, width: int, *, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        rows = self.db.execute(
            f"SELECT id, vector FROM clips WHERE model = ? AND id IN ({', '.join('?' * len(ids))}) ORDER BY id",
            (model, *ids),
        ).fetchall()
        matrix = np.frombuffer(b"".join(blob for _, blob in rows), np.float32)
        return np.array([clip_id for clip_id, _ in rows], np.int64), matrix.reshape(len(rows), -1 if rows else width)

    def put(self, ids: np.ndarray, vectors: np.ndarray, model: str = MODEL) -> None:
        rows = [(int(clip_id), model, vector.tobytes()) for clip_id, vector in zip(ids, vectors, strict=True)]
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO clips VALUES (?, ?, ?)", rows)
        self.db.execute("COMMIT")

    def drop(self, ids: np.ndarray, model: str = MODEL) -> None:
        self.db.execute("BEGIN")
        self.db.executemany("DELETE FROM clips WHERE id = ? AND model = ?", [(int(i), model) for i in ids])
        self.db.execute("COMMIT")


def clustered(count: int, seed: int = 0, width: int = WIDTH) -> np.ndarray:
    """Return unit vectors in clusters, like clips of films; graphs perform badly on plain Gaussian ones."""
    chance = np.random.default_rng(seed)
    clusters = np.random.default_rng(99).standard_normal((20, width))
    vectors = clusters[chance.integers(20, size=count)] + 0.6 * chance.standard_normal((count, width))
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def exhaustive(
    ids: np.ndarray, vectors: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    if allowed is not None:
        admitted = np.isin(ids, allowed)
        ids, vectors = ids[admitted], vectors[admitted]
    cosines = vectors @ (query / np.linalg.norm(query))
    best = np.lexsort((ids, -cosines))[:k]
    return ids[best], cosines[best]


def assert_exact(index: VectorIndex, store: Store, queries: int = 10, k: int = 7, model: str = MODEL) -> None:
    """Assert that answers equal those of an exhaustive search over the store."""
    ids = store.clip_ids(model)
    _, vectors = store.vectors(model, WIDTH, ids=ids.tolist())
    assert len(index) == len(ids)
    for query in clustered(queries, seed=4321):
        found, cosines = index.search(query, k)
        expected, truth = exhaustive(ids, vectors, query, k)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(cosines, truth, atol=1e-5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "truth.sqlite")
    yield opened
    opened.db.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "graphs"


def filled(folder: Path, store: Store) -> VectorIndex:
    """Return an index of 500 clips, 400 in a graph and 100 in the tail, with ids 1, 4, 7, …"""
    ids, vectors = np.arange(1, 1501, 3), clustered(500)
    store.put(ids[:400], vectors[:400])
    index = VectorIndex.open(folder, store, MODEL, WIDTH, SMALL, key=KEY)
    index.build()
    store.put(ids[400:], vectors[400:])
    index.add(ids[400:], vectors[400:])
    return index


@pytest.fixture
def index(folder: Path, store: Store) -> Iterator[VectorIndex]:
    opened = filled(folder, store)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Steady]:
    """An index for tests that only search, with its ids and vectors."""
    folder = tmp_path_factory.mktemp("steady")
    store = Store(folder / "truth.sqlite")
    opened = filled(folder / "graphs", store)
    yield opened, *store.vectors(MODEL, WIDTH, ids=store.clip_ids(MODEL).tolist())
    opened.close()
    store.db.close()


def reopened(folder: Path, store: Store, limits: Limits = SMALL) -> VectorIndex:
    return VectorIndex.open(folder, store, MODEL, WIDTH, limits, key=KEY)


def graph_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.hnsw"))


# -- answers ----------------------------------------------------------------------------------------------------------


def test_the_store_of_these_tests_is_one(store: Store) -> None:
    as_port: GraphStore = store
    assert as_port.graphs(MODEL) == []


def test_answers_are_those_of_an_exhaustive_search(index: VectorIndex, folder: Path, store: Store) -> None:
    assert_exact(index, store)
    assert_exact(reopened(folder, store), store)


@pytest.mark.parametrize("admitted", [0, 1, 5, 40, 61, 150, 300, 500])
@pytest.mark.parametrize("k", [1, 10, 80])
def test_filters_of_every_width_answer_in_full(steady: Steady, admitted: int, k: int) -> None:
    index, ids, vectors = steady
    chance = np.random.default_rng(admitted)
    hits = wanted = 0
    for query in clustered(20, seed=5):
        allowed = chance.choice(ids, admitted, replace=False)
        allowed = np.concatenate([allowed, allowed[:2], [2, 999_999, -5]])  # repeated, unknown and unordered
        found, cosines = index.search(query, k, allowed)
        expected, _ = exhaustive(ids, vectors, query, k, allowed)
        assert len(found) == len(expected) == min(k, admitted)
        assert np.isin(found, allowed).all()
        assert np.all(np.diff(cosines) <= 0)
        hits, wanted = hits + len(np.intersect1d(found, expected)), wanted + len(expected)
    assert hits >= 0.99 * wanted


def test_a_filter_for_what_only_the_far_side_holds_is_answered(steady: Steady) -> None:
    """The allowed clips are the least similar to the query, so over-fetching finds none of them."""
    index, ids, vectors = steady
    query = clustered(1, seed=5)[0]
    farthest = ids[np.argsort(vectors @ query)[:200]]
    found, _ = index.search(query, 20, farthest)
    np.testing.assert_array_equal(found, exhaustive(ids, vectors, query, 20, farthest)[0])


@pytest.mark.parametrize("k", [0, 1, 100, 499, 500, 501, 100_000])
def test_any_k_gives_as_many_as_there_are(steady: Steady, k: int) -> None:
    ids, cosines = steady[0].search(clustered(1, seed=8)[0], k)
    assert len(ids) == len(cosines) == len(set(ids.tolist())) == min(k, 500)
    assert (ids.dtype, cosines.dtype) == (np.dtype(np.int64), np.dtype(np.float32))


def test_an_empty_index_answers_and_has_nothing_to_build(folder: Path, store: Store) -> None:
    index = reopened(folder, store)
    ids, cosines = index.search(clustered(1)[0], 10)
    assert len(ids) == len(cosines) == len(index) == 0
    assert not index.needs_build()
    index.build()
    assert graph_files(folder) == []


def test_equal_vectors_are_all_found_in_order_of_id(folder: Path, store: Store) -> None:
    same = np.repeat(clustered(1), 300, axis=0)
    store.put(np.arange(1, 301), same)
    index = reopened(folder, store)
    index.build()
    np.testing.assert_array_equal(np.sort(index.search(same[0], 300)[0]), np.arange(1, 301))
    assert len(index.search(same[0], 25)[0]) == 25


@pytest.mark.parametrize(
    "query",
    [
        np.ones(WIDTH - 1),
        np.ones(WIDTH + 1),
        np.ones((1, WIDTH)),
        np.zeros(WIDTH),
        np.full(WIDTH, np.nan),
        np.full(WIDTH, np.inf),
        np.empty(0),
    ],
    ids=["narrow", "wide", "matrix", "zero", "nan", "infinite", "empty"],
)
def test_queries_that_hnswlib_would_read_beyond_are_refused(steady: Steady, query: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite query"):
        steady[0].search(query.astype(np.float32), 5)


def test_vectors_that_would_spoil_a_graph_are_refused(index: VectorIndex) -> None:
    good = clustered(3, seed=2)
    with_nan = good.copy()
    with_nan[1, 3] = np.nan
    refused = [
        ([2001, 2002, 2003], with_nan),
        ([2001, 2002, 2003], good * 2),
        ([2001, 2002, 2003], good * 0),
        ([2001, 2002, 2003], good[:, :-1]),
        ([2001, 2002], good),
        ([2001, 2001, 2002], good),
        ([2001, 2002, 1], good),  # clip 1 has another vector
        ([2001, 2002, 1498], good),  # so has 1498, in the tail
    ]
    for ids, vectors in refused:
        with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
            index.add(np.array(ids), vectors)
        assert len(index) == 500
    index.add(np.array([2003, 2001, 2002]), good)
    assert index.search(good[1], 1)[0] == [2001]


def test_bad_vectors_in_the_store_are_left_out(folder: Path, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    vectors = clustered(300)
    vectors[17] = np.nan
    vectors[18] = 0
    store.put(np.arange(1, 301), vectors)
    index = reopened(folder, store)
    assert "2 clips cannot be searched" in caplog.text
    index.build()
    store.drop(np.array([18, 19]))
    assert_exact(index, store)


def test_a_store_without_one_good_vector_is_told(folder: Path, store: Store) -> None:
    store.put(np.arange(1, 401), clustered(400))
    index = reopened(folder, store)
    index.build()
    index.remove(np.arange(1, 399))
    store.db.execute("UPDATE clips SET vector = zeroblob(?)", (4 * WIDTH,))
    with pytest.raises(EngineError, match="no vector"):
        index.build()
    assert len(index.search(clustered(1)[0], 5)[0]) == 2
    assert not list(folder.glob("*.build"))


# -- adding and removing -----------------------------------------------------------------------------------------------


def test_removed_clips_are_gone_and_may_come_back(index: VectorIndex, folder: Path, store: Store) -> None:
    ids = store.clip_ids(MODEL)
    _, vectors = store.vectors(MODEL, WIDTH, ids=ids.tolist())
    gone = np.concatenate([ids[:60], ids[450:460]])
    back = np.concatenate([vectors[:60], vectors[450:460]])
    store.drop(gone)
    index.remove(np.concatenate([gone, gone, [77_777]]))
    assert_exact(index, store)
    assert_exact(reopened(folder, store), store)
    store.put(gone, back)
    index.add(gone[::-1], back[::-1])
    assert_exact(index, store)
    index.add(gone, back)
    assert_exact(index, store)


def test_clips_come_back_after_the_graph_has_dropped_them(index: VectorIndex, folder: Path, store: Store) -> None:
    ids = store.clip_ids(MODEL)[:300]
    _, vectors = store.vectors(MODEL, WIDTH, ids=ids.tolist())
    store.drop(ids)
    index.remove(ids)
    assert index.needs_build()
    index.build()
    assert not index.needs_build()
    (_, newest) = graph_files(folder)
    assert store.graphs(MODEL)[0].file == newest.name
    assert store.graphs(MODEL)[0].count == len(index) == 200  # rebuilt without removed clips
    store.put(ids, vectors)
    index.add(ids, vectors)
    assert_exact(index, store)
    assert_exact(reopened(folder, store), store)


def test_everything_may_go(index: VectorIndex, folder: Path, store: Store) -> None:
    ids = store.clip_ids(MODEL)
    store.drop(ids)
    index.remove(ids)
    assert len(index) == len(index.search(clustered(1)[0], 5)[0]) == 0
    assert index.needs_build()
    index.build()
    assert not index.needs_build()
    assert graph_files(folder) == []
    assert store.graphs(MODEL) == []
    again = reopened(folder, store)
    assert len(again) == len(again.search(clustered(1)[0], 5)[0]) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "remove", "restore"]), st.integers(0, 10**6), st.integers(1, 60)), max_size=40
    )
)
def test_any_history_leaves_what_the_oracle_has(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int, int]]
) -> None:
    world = clustered(3000)
    folder = tmp_path_factory.mktemp("history")
    store = Store(folder / "truth.sqlite")
    index = reopened(folder, store)
    ever: list[int] = []
    live: set[int] = set()
    for what, seed, count in history:
        chance = random.Random(seed)
        if what == "add":
            ids = list(range(len(ever) + 1, len(ever) + 1 + count))
            ever += ids
        elif what == "remove":
            ids = chance.sample(sorted(live), min(count, len(live)))
        else:
            ids = chance.sample(ever, min(count, len(ever)))
        if what == "remove":
            live -= set(ids)
            index.remove(np.array(ids, np.int64))
        else:
            live |= set(ids)
            index.add(np.array(ids, np.int64), world[np.array(ids, np.int64)])
        known = np.array(sorted(live), np.int64)
        query = world[2999 - seed % 100]
        np.testing.assert_array_equal(index.search(query, 9)[0], exhaustive(known, world[known], query, 9)[0])
        assert len(index) == len(live)
    store.db.close()


# -- generations ------------------------------------------------------------------------------------------------------


def test_a_graph_is_built_when_the_tail_is_long_and_only_then(folder: Path, store: Store) -> None:
    ids, vectors = np.arange(1, 122), clustered(121)
    index = reopened(folder, store)
    index.add(ids[:100], vectors[:100])
    assert not index.needs_build()
    index.add(ids[100:101], vectors[100:101])
    assert index.needs_build()
    index.start_build()
    assert not index.needs_build()
    index.add(ids[101:], vectors[101:])
    store.put(ids, vectors)
    assert index.poll_build(timeout=None)
    assert not index.needs_build()
    assert not index.poll_build()
    assert store.graphs(MODEL)[0].count == 101
    assert_exact(index, store)


def test_two_generations_are_kept_and_nothing_else(index: VectorIndex, folder: Path, store: Store) -> None:
    for start in (5000, 6000, 7000):
        ids, vectors = np.arange(start, start + 20), clustered(20, seed=start)
        store.put(ids, vectors)
        index.add(ids, vectors)
        index.build()
    manifests = store.graphs(MODEL)
    assert [m.count for m in manifests] == [560, 540]
    assert {path.name for path in folder.iterdir()} == {m.file for m in manifests}
    (folder / f"{manifests[0].file.split('-')[0]}-12.hnsw").write_bytes(b"of a build that was killed")
    (folder / f"{manifests[0].file.split('-')[0]}-13.build").mkdir()
    assert_exact(reopened(folder, store), store)
    assert {path.name for path in folder.iterdir()} == {m.file for m in manifests}


def test_two_models_share_a_folder(index: VectorIndex, folder: Path, store: Store) -> None:
    ids, vectors = np.arange(1, 301), clustered(300, seed=50)
    store.put(ids, vectors, model="model-b")
    other = VectorIndex.open(folder, store, "model-b", WIDTH, SMALL, key=KEY)
    index.start_build()
    other.build()
    assert index.poll_build(timeout=None)
    for model, opened in ((MODEL, index), ("model-b", other)):
        assert_exact(opened, store, model=model)
        again = VectorIndex.open(folder, store, model, WIDTH, SMALL, key=KEY)
        assert_exact(again, store, model=model)
        assert len(store.graphs(model)) >= 1
        assert all((folder / m.file).exists() for m in store.graphs(model))


def test_searches_run_beside_adding_removing_and_swapping(index: VectorIndex, store: Store) -> None:
    """hnswlib alone fails some of these searches (423 of 17,048 measured), or crashes."""
    world = clustered(2500, seed=77)
    stop = threading.Event()
    failures: list[str] = []
    searches = [0] * 6

    def search(worker: int) -> None:
        chance = np.random.default_rng(worker)
        while not stop.is_set():
            k = int(chance.integers(1, 120))
            try:
                ids, cosines = index.search(world[chance.integers(2500)], k)
                if len(ids) != k or len(set(ids.tolist())) != k or np.any(np.diff(cosines) > 0):
                    failures.append(f"{len(ids)} of {k}")
            except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
                failures.append(repr(error))
            searches[worker] += 1

    workers = [threading.Thread(target=search, args=(worker,)) for worker in range(len(searches))]
    for worker in workers:
        worker.start()
    for start in range(0, 2500, 50):
        ids, vectors = np.arange(10_000 + start, 10_050 + start), world[start : start + 50]
        store.put(ids, vectors)
        index.add(ids, vectors)
        store.drop(ids[:10])
        index.remove(ids[:10])
        if start % 500 == 0:
            index.start_build()
        index.poll_build()
    index.poll_build(timeout=None)
    stop.set()
    for worker in workers:
        worker.join()
    assert failures == []
    assert min(searches) > 10
    assert_exact(index, store)


@needs_posix
def test_searches_do_not_wait_for_a_build(index: VectorIndex, store: Store) -> None:
    index.start_build()
    (child,) = multiprocessing.active_children()
    psutil.Process(child.pid).suspend()
    assert_exact(index, store)
    assert not index.poll_build()
    psutil.Process(child.pid).resume()
    assert index.poll_build(timeout=None)
    assert_exact(index, store)


# -- damage -----------------------------------------------------------------------------------------------------------


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    match how:
        case "missing":
            path.unlink()
            return
        case "empty":
            content = bytearray()
        case "truncated":
            content = content[: len(content) // 2]
        case "header":
            content[16] ^= 1  # in the number of elements
        case "zeroed":
            content[8192:12288] = bytes(4096)
        case "random":
            content[8192:12288] = random.Random(1).randbytes(4096)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "header", "zeroed", "random"])
def test_a_damaged_graph_is_set_aside_and_built_again(folder: Path, store: Store, how: str) -> None:
    store.put(np.arange(1, 401), clustered(400))
    reopened(folder, store).build()
    (graph,) = graph_files(folder)
    spoil(graph, how)
    index = reopened(folder, store)
    assert graph_files(folder) == []
    assert store.graphs(MODEL) == []
    assert_exact(index, store)
    assert index.needs_build()
    index.build()
    assert not index.needs_build()
    assert_exact(index, store)
    assert_exact(reopened(folder, store), store)


def test_an_older_generation_serves_when_the_newest_is_damaged(index: VectorIndex, folder: Path, store: Store) -> None:
    index.build()
    older, newest = graph_files(folder)
    spoil(newest, "zeroed")
    again = reopened(folder, store)
    assert graph_files(folder) == [older]
    assert [path.name for path in folder.glob("*.damaged")] == [newest.with_suffix(".damaged").name]
    assert_exact(again, store)
    assert again.needs_build()
    again.build()
    assert len(graph_files(folder)) == 2
    assert not again.needs_build()


def test_an_old_generation_under_a_new_name_is_refused(index: VectorIndex, folder: Path, store: Store) -> None:
    index.build()
    older, newest = graph_files(folder)
    newest.write_bytes(older.read_bytes())
    assert_exact(reopened(folder, store), store)
    assert graph_files(folder) == [older]


@pytest.mark.parametrize(
    "claim",
    [
        {"width": WIDTH * 2},
        {"space": "l2"},
        {"m": 8},
        {"ef_construction": 100},
        {"library_version": "hnswlib 9"},
        {"count": 399},
        {"size": 5},
        {"digest": "0" * 64},
    ],
    ids=lambda claim: next(iter(claim)),
)
def test_a_graph_of_another_kind_is_refused(
    folder: Path, store: Store, claim: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(np.arange(1, 401), clustered(400))
    reopened(folder, store).build()
    (manifest,) = store.graphs(MODEL)
    store.forget_graphs(MODEL, but=[])
    manifest = replace(manifest, **claim)
    store.record_graph(replace(manifest, proof=vector_index._proof(manifest, KEY)))
    with monkeypatch.context() as patch:
        patch.setattr(hnswlib, "Index", lambda *_, **__: pytest.fail("hnswlib was given a foreign file"))
        index = reopened(folder, store)
    assert index.needs_build()
    assert_exact(index, store)


def test_another_width_of_the_same_model_starts_anew(folder: Path, store: Store) -> None:
    store.put(np.arange(1, 401), clustered(400))
    reopened(folder, store).build()
    store.drop(np.arange(1, 401))
    wider = clustered(200, width=WIDTH * 2)
    store.put(np.arange(1, 201), wider)
    index = VectorIndex.open(folder, store, MODEL, WIDTH * 2, SMALL, key=KEY)
    assert index.search(wider[11], 1)[0] == [12]
    assert len(index) == 200


@pytest.mark.parametrize("how", ["whole", "zeroed"])
def test_a_reader_without_the_lock_touches_nothing(index: VectorIndex, folder: Path, store: Store, how: str) -> None:
    index.start_build()  # so that a build's folder exists too
    (graph,) = graph_files(folder)
    spoil(graph, how)
    before = {path: path.stat().st_mtime_ns for path in graph_files(folder)}
    manifests = store.graphs(MODEL)
    reader = VectorIndex.open(folder, store, MODEL, WIDTH, Limits(tail=10), read_only=True, key=KEY)
    assert not reader.needs_build()
    reader.build()
    assert_exact(reader, store)
    assert {path: path.stat().st_mtime_ns for path in graph_files(folder)} == before
    assert store.graphs(MODEL) == manifests
    assert list(folder.glob("*.build"))


def test_reading_where_there_is_no_index_makes_none(folder: Path, store: Store) -> None:
    store.put(np.arange(1, 21), clustered(20))
    assert_exact(VectorIndex.open(folder, store, MODEL, WIDTH, SMALL, read_only=True, key=KEY), store)
    assert not folder.exists()


def test_a_graph_that_the_catalog_contradicts_is_refused(folder: Path, store: Store) -> None:
    """A catalog restored from a backup may give an old id to a new clip."""
    ids, vectors = np.arange(1, 401), clustered(400)
    store.put(ids, vectors)
    reopened(folder, store).build()
    store.drop(ids)
    store.put(ids, vectors[::-1])
    index = reopened(folder, store)
    assert index.needs_build()
    assert_exact(index, store)


def test_a_base_that_rots_under_a_running_index_is_replaced(index: VectorIndex, folder: Path, store: Store) -> None:
    (base,) = graph_files(folder)
    content = bytearray(base.read_bytes())
    content[9000] ^= 255
    with open(base, "r+b") as stream:  # in place: the index has mapped this file
        stream.write(content)
    index.build()
    assert base.with_suffix(".damaged").exists()
    assert [m.count for m in store.graphs(MODEL)] == [500]
    assert_exact(index, store)
    assert_exact(reopened(folder, store), store)


def test_graphed_vectors_are_held_once(index: VectorIndex) -> None:
    """The index itself holds only the tail; graphed vectors are in hnswlib and in the mapped file."""
    index.build()
    state = index._state
    assert state.graph is not None
    assert len(state.tail.ids) == 0
    assert not state.graph.rows.vectors.flags.owndata
    assert not state.graph.rows.vectors.flags.writeable


# -- forged records ----------------------------------------------------------------------------------------------------


def retold(store: Store, folder: Path, how: str) -> None:
    """Give the only graph a forged record, made without the library's key."""
    (manifest,) = store.graphs(MODEL)
    match how:
        case "no proof":
            told = replace(manifest, proof="")
        case "another key":
            told = replace(manifest, proof=vector_index._proof(manifest, b"a stranger's"))
        case "words for a proof":
            told = replace(manifest, proof="bewiesen – ☃")
        case "links out of range":
            content = bytearray((folder / manifest.file).read_bytes())
            struct.pack_into("<I", content, 100, 0x7FFFFF00)
            (folder / manifest.file).write_bytes(content)
            told = replace(manifest, digest=hashlib.sha256(content).hexdigest())
        case _:
            told = replace(manifest, **{how: getattr(manifest, how) + 1})
    store.forget_graphs(MODEL, but=[])
    store.record_graph(told)


TALES = ["no proof", "another key", "words for a proof", "links out of range", "last_clip_id"]


@pytest.mark.parametrize("how", TALES)
def test_a_graph_that_was_not_proven_here_is_not_even_read(
    folder: Path, store: Store, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(np.arange(1, 401), clustered(400))
    reopened(folder, store).build()
    retold(store, folder, how)
    (file,) = graph_files(folder)
    with monkeypatch.context() as patch:
        patch.setattr(graph_builder, "load_graph", lambda *_: pytest.fail("a stranger's graph was read"))
        reader = VectorIndex.open(folder, store, MODEL, WIDTH, SMALL, read_only=True, key=KEY)
        assert_exact(reader, store)
        assert graph_files(folder) == [file]  # read-only: the file stays
        index = reopened(folder, store)
    assert graph_files(folder) == []
    assert store.graphs(MODEL) == []
    assert index.needs_build()
    assert_exact(index, store)
    index.build()
    assert not index.needs_build()
    assert_exact(index, store)
    assert reopened(folder, store)._state.graph is not None


def test_a_proven_graph_with_links_out_of_range_is_set_aside(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof shows who wrote the file, not that it is valid: its bounds are still checked."""
    store.put(np.arange(1, 401), clustered(400))
    reopened(folder, store).build()
    retold(store, folder, "links out of range")
    (manifest,) = store.graphs(MODEL)
    store.forget_graphs(MODEL, but=[])
    store.record_graph(replace(manifest, proof=vector_index._proof(manifest, KEY)))
    with monkeypatch.context() as patch:
        patch.setattr(hnswlib, "Index", lambda *_, **__: pytest.fail("hnswlib was given a link to nowhere"))
        index = reopened(folder, store)
    assert [path.suffix for path in folder.iterdir()] == [".damaged"]
    assert_exact(index, store)
    index.build()
    assert_exact(index, store)


def test_without_a_key_nothing_is_believed_built_or_touched(index: VectorIndex, folder: Path, store: Store) -> None:
    (folder / f"{store.graphs(MODEL)[0].file.split('-')[0]}-13.build").mkdir()
    before, manifests = {path.name for path in folder.iterdir()}, store.graphs(MODEL)
    foreign = VectorIndex.open(folder, store, MODEL, WIDTH, Limits(tail=10))
    assert foreign._state.graph is None
    assert not foreign.needs_build()
    foreign.build()
    assert_exact(foreign, store)
    foreign.remove(store.clip_ids(MODEL))
    foreign.build()
    assert {path.name for path in folder.iterdir()} == before
    assert store.graphs(MODEL) == manifests
    assert_exact(reopened(folder, store), store)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([f.name for f in fields(GraphManifest) if f.name != "proof"]),
    st.integers(0, 2**63 - 1) | st.text(max_size=12),
    st.binary(min_size=1, max_size=40),
)
def test_a_proof_holds_for_one_record_and_one_key(column: str, value: Any, key: bytes) -> None:
    manifest = GraphManifest(5, "a-5.hnsw", 10, "d" * 64, 9, 8, 9, "ip", 16, 200, MODEL, "hnswlib 0.8")
    other = replace(manifest, **{column: value})
    proof = vector_index._proof(manifest, KEY)
    assert (vector_index._proof(other, KEY) == proof) == (other == manifest)
    assert (vector_index._proof(manifest, key) == proof) == (key == KEY)
    assert vector_index._proof(replace(manifest, proof=proof), KEY) == proof


def test_only_files_of_its_own_names_are_swept(index: VectorIndex, folder: Path, store: Store) -> None:
    prefix = store.graphs(MODEL)[0].file.split("-")[0]
    kept = [f"{prefix}-mine.hnsw", f"{prefix}-5.hnsw.bak", f"my {prefix}-5.hnsw", f"{prefix}-5.damaged.build", "5.hnsw"]
    for name in kept:
        (folder / name).write_bytes(b"somebody's own")
    for name in (f"{prefix}-5.hnsw", f"{prefix}-7.hnsw"):
        (folder / name).write_bytes(b"of a build that was killed")
    assert_exact(reopened(folder, store), store)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*kept, *(m.file for m in store.graphs(MODEL))])


# -- failing builds ---------------------------------------------------------------------------------------------------


@needs_posix
def test_a_builder_that_is_killed_costs_nothing(index: VectorIndex, folder: Path, store: Store) -> None:
    more, vectors = np.arange(8000, 8020), clustered(20, seed=3)
    store.put(more, vectors)
    index.add(more, vectors)
    assert index.needs_build()
    index.start_build()
    (child,) = multiprocessing.active_children()
    child.kill()
    with pytest.raises(EngineError, match="exit status -9"):
        index.poll_build(timeout=None)
    assert "-9" in index.build_failure
    assert not list(folder.glob("*.build"))
    assert not index.needs_build()  # no immediate retry for the same clips
    assert_exact(index, store)
    more, vectors = np.arange(9000, 9030), clustered(30, seed=4)
    store.put(more, vectors)
    index.add(more, vectors)
    assert index.needs_build()
    index.build()
    assert index.build_failure == ""
    assert_exact(index, store)


def test_closing_ends_a_build(index: VectorIndex, folder: Path, store: Store) -> None:
    index.start_build()
    pid = found(multiprocessing.active_children()[0].pid)
    index.close()
    assert not psutil.pid_exists(pid)
    assert multiprocessing.active_children() == []
    assert not list(folder.glob("*.build"))
    assert_exact(reopened(folder, store), store)


@needs_posix
def test_closing_ends_a_build_that_another_thread_waits_for(index: VectorIndex, folder: Path, store: Store) -> None:
    index.start_build()
    pid = found(multiprocessing.active_children()[0].pid)
    psutil.Process(pid).suspend()
    builder = threading.Thread(target=index.build)  # an exception in it fails the test
    builder.start()
    index.close()
    builder.join()
    assert not psutil.pid_exists(pid)
    assert not list(folder.glob("*.build"))
    assert_exact(reopened(folder, store), store)


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}]
if __name__ == "__main__":  # the builder imports this file again, and needs nothing of it
    from tests.storage.vectors.test_vector_index import *
    folder, store = Path({folder!r}), Store(Path({truth!r}))
    index = reopened(folder, store)
"""


def script(tmp_path: Path, folder: Path, body: str) -> Path:
    """Return a program around an index of the same folder and store; a file, because children import it again."""
    path = tmp_path / "program.py"
    start = SCRIPT.format(root=str(ROOT), folder=str(folder), truth=str(tmp_path / "truth.sqlite"))
    path.write_text(start + "".join(f"    {line}\n" for line in body.splitlines()))
    return path


@needs_posix
@pytest.mark.parametrize("limit", [1_000, 40_000, 90_000])
def test_a_full_disk_ends_the_build_and_not_the_search(tmp_path: Path, folder: Path, store: Store, limit: int) -> None:
    """The disk fills up while the builder's input is written, and while hnswlib saves."""
    store.put(np.arange(1, 601), clustered(600))
    body = f"""
import resource
from cret_desktop.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))  # inherited by the builder; Python ignores SIGXFSZ
try:
    index.build()
except StorageError as error:
    assert str(folder) in str(error)
    assert "free some space" in str(error)
    assert index.build_failure
    assert not index.needs_build()
    assert_exact(index, store)
    assert list(folder.iterdir()) == []
    print("told")
"""
    program = script(tmp_path, folder, body)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.stdout == "told\n", done.stderr
    index = reopened(folder, store)
    index.build()
    assert_exact(index, store)


@needs_posix
def test_killed_at_any_point_nothing_is_lost(tmp_path: Path, folder: Path, store: Store) -> None:
    store.put(np.arange(1, 301), clustered(300))
    body = """
import itertools
from tests.narrowing import found
print("open", flush=True)
start = int(store.clip_ids(MODEL)[-1]) + 1
for start in itertools.count(start, 40):
    ids, vectors = np.arange(start, start + 40), clustered(40, seed=start)
    store.put(ids, vectors)
    index.add(ids, vectors)
    index.build()
    print(len(index), flush=True)
"""
    program = script(tmp_path, folder, body)
    chance = random.Random(6)
    for _ in range(5):
        with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            victim.stdout.readline()
            family = [victim.pid, *(child.pid for child in psutil.Process(victim.pid).children())]
            try:
                victim.wait(timeout=chance.uniform(0.0, 2.0))
            except subprocess.TimeoutExpired:
                family = [*(child.pid for child in psutil.Process(victim.pid).children()), victim.pid]
            for pid in family if chance.random() < 0.5 else [victim.pid]:
                if psutil.pid_exists(pid):
                    os.kill(pid, signal.SIGKILL)
        assert_exact(reopened(folder, store), store)
    index = reopened(folder, store)
    index.build()
    assert_exact(index, store)
