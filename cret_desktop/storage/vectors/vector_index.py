"""Nearest-neighbour search over clips: an immutable hnswlib graph plus an exact tail, and exact search where better.

The catalog is the source of truth and this index a cache of it: any doubtful part is set aside, searched exactly and
rebuilt by `graph_builder`'s child. Without a proof under the library's key a graph is not read at all: its author may
have forged its record too. Memory holds the graph's vectors and links once, in hnswlib; the tail's vectors once, in a
matrix; and 9 to 17 bytes a clip of ids and marks. Exact search over graphed clips reads their vectors from the graph
file, mapped read-only: they are in the system's file cache, which shrinks when memory is short.

This module never adds to, resizes or saves a graph, never gives hnswlib a filter callback, and never lets a search wait
for a build. One owner per directory and model: the engine that holds the library's lock.
"""

from __future__ import annotations

import hmac
import importlib.metadata
import json
import logging
import math
import re
import shutil
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import hnswlib
import numpy as np
from numpy.typing import NDArray

from cret_desktop.child_process import ChildProcess
from cret_desktop.errors import EngineError, StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.library_files import GRAPHS, LibraryFiles
from cret_desktop.messages import Message, render
from cret_desktop.storage.vectors import graph_builder, graph_file
from cret_desktop.storage.vectors.graph_builder import BuildReport, BuildRequest
from cret_desktop.storage.vectors.graph_file import BadGraph, GraphFile
from cret_desktop.storage.vectors.manifest import GraphManifest, graph_file_name, graph_prefix

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

LIBRARY_VERSION = f"hnswlib {importlib.metadata.version('hnswlib')}"

_UNIT_TOLERANCE = 1e-3  # of a length; float16 storage and float32 sums stay well below
_CANARIES = 16
_SAME_VECTOR = 2e-3  # 1 - cosine; the catalog stores float16, whose rounding stays far below
_GENERATIONS = 2
_CHUNK = 8192  # rows moved at a time if a copy of all would not fit
_SCAN_WORTH = 10  # following one edge list costs about as much as scanning ten vectors in order
_OVERFETCH = 2

logger = logging.getLogger(__name__)


class GraphStore(Protocol):
    """The index's interface to the catalog. Used only when the index is opened and built, never by a search."""

    def graphs(self, model: str) -> list[GraphManifest]:
        """Return the generations recorded for a model, newest first."""
        ...

    def record_graph(self, manifest: GraphManifest) -> None: ...

    def forget_graphs(self, model: str, *, but: Collection[int]) -> None:
        """Delete the records of a model's graphs, invalid ones included, except these generations."""
        ...

    def clip_ids(self, model: str) -> Ids:
        """Return the ids of the live clips that have vectors of this model, ascending."""
        ...

    def vectors(self, model: str, width: int, *, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Return the live clips among the ids, ascending, and their unit vectors [N, width]."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes at which the index changes its strategy (measured by `tests.benchmarks.recall`).

    tail: vectors searched exactly before a graph is worth building; an index of no more never has one.
    exact_filter: up to so many allowed clips are searched exactly rather than through the graph.
    dead: share of removed clips in a graph at which the next build starts empty.
    """

    tail: int = 20_000
    exact_filter: int = 20_000
    dead: float = 0.25


class VectorIndex:
    """Cosine search over the unit vectors of one model's clips.

    `search` runs in any number of threads, in parallel with everything else; `add` and `remove` in any thread, once the
    catalog has committed. Only one of `start_build`, `poll_build` and `build` runs at a time; `close` ends it.
    `build_failure` is the reason why the last build failed, or ''.
    """

    def __init__(
        self, directory: Path, store: GraphStore, model: str, width: int, limits: Limits, read_only: bool, key: bytes
    ) -> None:
        """Initialise an empty index. Use `open` instead."""
        self.build_failure = ""
        self._directory = directory
        self._files = LibraryFiles(directory.parent)
        self._store = store
        self._model = model
        self._width = width
        self._limits = limits
        self._read_only = read_only or not key
        self._key = key
        self._prefix = graph_prefix(model)
        self._lock = threading.RLock()  # held by changes only: a search reads `_state` once
        self._build_lock = threading.RLock()  # taken before `_lock`
        self._state = _State(None, _Rows.empty(width))
        self._closed = False
        self._in_doubt = False
        self._retry_from = 0  # tail length at which a build is retried after a failure
        self._build: _Build | None = None

    @classmethod
    def open(
        cls,
        directory: Path,
        store: GraphStore,
        model: str,
        width: int,
        limits: Limits | None = None,
        read_only: bool = False,
        key: bytes = b"",
    ) -> VectorIndex:
        """Validate and load the newest trusted graph; the store's other vectors become the tail.

        `read_only` is for processes without the library's lock: the index only searches, and touches no file. `key` is
        the library's secret, which authenticates graphs built here; without one no graph is trusted or built, and no
        file touched. Raises: StorageError if the directory cannot be used.
        """
        index = cls(directory, store, model, width, limits or Limits(), read_only, key)
        try:
            index._files.path(GRAPHS)
        except OSError as error:
            logger.warning("No search index is kept, and search stays exact: %s", error.strerror or error)
            index._read_only, index._key = True, b""
        if not index._read_only:
            try:
                index._files.make_folder(GRAPHS)
            except OSError as error:
                raise StorageError("graph.folder-unusable", folder=directory, reason=reason_of(error)) from error
            for leftover in index._own_files("build"):
                index._files.remove_tree(leftover)
        index._load()
        return index

    def __len__(self) -> int:
        """Return the number of searchable clips."""
        return len(self._state)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add clips [N] with unit vectors [N, D] to the exact tail, all or none.

        A removed clip may be added again; a clip's vector never changes. Raises: ValueError if ids repeat, or a vector
        has another width, is not finite, not unit, or differs from the clip's former one.
        """
        ids = np.asarray(ids, np.int64)
        vectors = np.asarray(vectors, np.float32)
        if not len(ids):
            return
        if ids.ndim != 1 or vectors.shape != (len(ids), self._width):
            raise ValueError(f"expected ids [N] and vectors [N, {self._width}], got {ids.shape} and {vectors.shape}")
        if len(np.unique(ids)) != len(ids):
            raise ValueError("a clip id occurs twice")
        if not _usable(vectors).all():
            raise ValueError("vectors must be finite and of unit length")
        with self._lock:
            self._state = self._state.extended(ids, vectors)

    def remove(self, ids: Ids) -> None:
        """Remove clips; unknown ids are ignored."""
        with self._lock:
            self._state = self._state.without(np.asarray(ids, np.int64), self._limits)

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """Return the clips nearest to a query [D] (of any length but 0): ids [k'] and cosines [k'], best first.

        `allowed` limits the search to these ids (ascending is fastest). k' is always the smaller of k and the number of
        live, allowed clips. Raises: ValueError for a query of another width, not finite or zero, and for k < 0.
        """
        query = np.asarray(query, np.float32)
        length = float(np.linalg.norm(query)) if query.shape == (self._width,) else 0.0
        if not (0.0 < length < math.inf) or k < 0:
            raise ValueError(f"expected a finite query [{self._width}] that is not zero, and k >= 0")
        if allowed is not None:
            allowed = np.asarray(allowed, np.int64)
            if not np.all(np.diff(allowed) > 0):
                allowed = np.unique(allowed)
        return self._state.nearest(query / np.float32(length), k, allowed, self._limits)

    def needs_build(self) -> bool:
        """Return whether a build would improve search, and none is under way or has just failed for the same clips."""
        state, limits = self._state, self._limits
        if self._read_only or self._build is not None or len(state.tail) < self._retry_from:
            return False
        if len(state.tail) > limits.tail or (self._in_doubt and len(state) > limits.tail):
            return True
        return state.graph is not None and state.graph.outlived(limits)

    def build(self) -> None:
        """Build the next generation and wait for it. Raises: as `poll_build`."""
        with self._build_lock:
            self.start_build()
            self.poll_build(timeout=None)

    def start_build(self) -> None:
        """Start the builder child on all live clips; if there are none, drop the graph.

        Does nothing if a build runs, or if read-only. Raises: StorageError if its input cannot be written, EngineError
        if there is no input; searching continues as before.
        """
        with self._build_lock:
            if not self._read_only and not self._closed and self._build is None:
                self._start_build()

    def poll_build(self, timeout: float | None = 0.0) -> bool:
        """Switch to a finished build; return whether a new generation is in use. `timeout` None waits for the build.

        Loading the new graph stops the process's other threads for a moment (0.3 s at 100,000 clips, 2 s at a million):
        call it while nobody waits. Raises: StorageError or EngineError if the build failed; searching continues as
        before, and `needs_build` stays false until more clips are added.
        """
        with self._build_lock:
            build = self._build
            if build is None or not build.child.poll(timeout):
                return False
            report = build.finish()
            self._build = None
            return not self._closed and self._take_over(build, report, timeout)

    def close(self) -> None:
        """End a current build, even if another thread waits for it; no data is lost."""
        self._closed = True
        build = self._build
        if build is not None:
            build.child.kill()
        with self._build_lock:
            if self._build is not None:
                self._build.abandon()
                self._build = None
        with self._lock:
            self._state = _State(None, _Rows.empty(self._width))

    # -- start-up -----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Reload everything: the newest trusted graph, and all other vectors from the store."""
        with self._lock:
            live = self._store.clip_ids(self._model)
            graph = self._newest_graph()
            self._sweep()
            if graph is None:
                self._state = _State(None, self._from_store(live))
            else:
                missing = np.setdiff1d(live, graph.rows.ids, assume_unique=True)
                self._state = _State(replace(graph, rows=graph.rows.only(live)), self._from_store(missing))

    def _newest_graph(self) -> _Graph | None:
        if not self._key:
            return None
        for manifest in self._store.graphs(self._model):
            if not self._is_proven(manifest):  # the sweep removes it: its name proves as little as the rest
                logger.warning("The search index %s was not built here; it is not used and replaced", manifest.file)
                self._in_doubt = True
                continue
            try:
                return self._opened(manifest)
            except BadGraph as doubt:
                self._distrust(manifest, str(doubt))
        return None

    def _is_proven(self, manifest: GraphManifest) -> bool:
        """Return whether a record was made by a holder of the library's key."""
        return hmac.compare_digest(manifest.proof.encode(), _proof(manifest, self._key).encode())

    def _proven(self) -> list[GraphManifest]:
        return [manifest for manifest in self._store.graphs(self._model) if self._is_proven(manifest)]

    def _distrust(self, manifest: GraphManifest, reason: str) -> None:
        """Set a proven graph aside under a name that is never loaded, for diagnosis; delete its record."""
        logger.warning("The search index %s is not used and will be built again: %s", manifest.file, reason)
        self._in_doubt = True
        if self._read_only:
            return
        for old in self._own_files("damaged"):
            self._discard(old)
        name = f"{GRAPHS}/{manifest.file}"
        try:
            self._files.rename(name, f"{name.removesuffix('.hnsw')}.damaged")
        except OSError as error:
            logger.warning("%s could not be set aside: %s", name, error)
        others = [other.generation for other in self._proven() if other != manifest]
        self._store.forget_graphs(self._model, but=others)

    def _opened(self, manifest: GraphManifest) -> _Graph:
        """Return a graph on which its file, its record and the catalog agree. Raises: BadGraph."""
        if manifest != self._manifest(manifest.generation, self._file(manifest), manifest.last_clip_id):
            raise BadGraph(f"{manifest.file} was made for another index or by another version")
        try:
            self._files.entry(f"{GRAPHS}/{manifest.file}")  # a regular file: opening a pipe would block
        except OSError as error:
            raise BadGraph(error.strerror or str(error)) from error
        graph = _Graph.load(self._file(manifest))
        rows = graph.rows
        sample = rows.ids[np.unique(np.linspace(0, len(rows.ids) - 1, _CANARIES).astype(np.int64))]
        ids, truth = self._store.vectors(self._model, self._width, ids=[int(clip_id) for clip_id in sample])
        found = 0
        for clip_id, vector in zip(ids, truth, strict=True):
            held = rows.vectors[rows.find(np.array([clip_id]))[0]]
            if len(held) != 1 or 1.0 - float(held[0] @ vector) > _SAME_VECTOR:
                raise BadGraph(f"{manifest.file} has another vector for clip {clip_id} than the catalog")
            nearest = graph.nearest(vector, min(10, len(rows.ids)))
            found += nearest is not None and 1.0 - float(nearest[1].max()) <= _SAME_VECTOR
        if found < 0.75 * len(ids):
            raise BadGraph(f"{manifest.file} finds {found} of {len(ids)} clips by their own vectors")
        return graph

    def _manifest(self, generation: int, file: GraphFile, last_clip_id: int) -> GraphManifest:
        """Return the record of a graph of this index, built by this version."""
        manifest = GraphManifest(
            generation=generation,
            file=graph_file_name(self._model, generation),
            size=file.size,
            digest=file.digest,
            last_clip_id=last_clip_id,
            count=file.count,
            width=self._width,
            space=graph_file.SPACE,
            m=graph_file.M,
            ef_construction=graph_file.EF_CONSTRUCTION,
            model=self._model,
            library_version=LIBRARY_VERSION,
        )
        return replace(manifest, proof=_proof(manifest, self._key))

    def _file(self, manifest: GraphManifest) -> GraphFile:
        """Return the file of a proven manifest."""
        path = str(self._directory / manifest.file)
        return GraphFile(path, manifest.size, manifest.digest, manifest.count, manifest.width)

    def _from_store(self, ids: Ids) -> _Rows:
        """Return rows of these clips, read in chunks, so that their vectors are in memory only once."""
        rows = _Rows.empty(self._width, room=len(ids))
        for chunk_ids, chunk in self._stored(ids):
            rows = rows.extended(chunk_ids, chunk)
        return rows

    def _stored(self, ids: Ids) -> Iterator[tuple[Ids, Vectors]]:
        """Yield the store's vectors of these ids in chunks. Unusable vectors are left out and logged."""
        for start in range(0, len(ids), _CHUNK):
            wanted = [int(clip_id) for clip_id in ids[start : start + _CHUNK]]
            found, vectors = self._store.vectors(self._model, self._width, ids=wanted)
            usable = _usable(vectors) if vectors.shape == (len(found), self._width) else np.zeros(len(found), np.bool_)
            if not usable.all():
                logger.warning("%d clips cannot be searched: their stored vectors are damaged", np.sum(~usable))
            if usable.any():
                yield found[usable], vectors[usable]

    # -- builds -------------------------------------------------------------------------------------------------------

    def _start_build(self) -> None:
        state = self._state
        if not len(state):
            self._keep_generations(0)
            self._load()
            return
        generation = max([time.time_ns() // 1000, *(g.generation + 1 for g in self._store.graphs(self._model))])
        target = self._directory / graph_file_name(self._model, generation)
        scratch = target.with_suffix(".build")
        base = state.graph.file if state.graph is not None and not state.graph.outlived(self._limits) else None
        ids, vectors = scratch / "ids", scratch / "vectors"
        try:
            self._files.make_folder(f"{GRAPHS}/{scratch.name}")
            count = 0
            with open(ids, "wb") as ids_file, open(vectors, "wb") as vectors_file:
                for chunk_ids, chunk in state.tail.chunks() if base else self._all_vectors(state):
                    ids_file.write(np.ascontiguousarray(chunk_ids).data)
                    vectors_file.write(np.ascontiguousarray(chunk).data)
                    count += len(chunk_ids)
        except OSError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            raise self._failed(BuildReport(reason=reason_of(error), storage=True)) from error
        if base is None and not count:
            shutil.rmtree(scratch, ignore_errors=True)
            raise self._failed(BuildReport(reason=Message("graph.empty")))
        request = BuildRequest(base, str(scratch), str(ids), str(vectors), count, self._width, str(target))
        self._build = _Build.start(request, generation)

    def _take_over(self, build: _Build, report: BuildReport, timeout: float | None) -> bool:
        if report.base_damaged and build.request.base is not None:
            for manifest in self._proven():
                if self._file(manifest) == build.request.base:
                    self._distrust(manifest, render(report.reason) if report.reason else "")
            self._load()
            self.start_build()
            return self.poll_build(timeout)
        if report.graph is None:
            raise self._failed(report)
        manifest = self._manifest(build.generation, report.graph, report.last_clip_id)
        try:
            graph = self._opened(manifest)
            self._store.record_graph(manifest)
        except BadGraph as error:
            logger.warning("A new search index is not used: %s", error)
            raise self._failed(BuildReport(reason=Message("graph.unproven"), storage=True)) from error
        except StorageError as error:
            raise self._failed(BuildReport(reason=error.message, storage=True)) from error
        with self._lock:
            self._state = self._state.with_graph(graph)
        self._keep_generations(_GENERATIONS)
        self.build_failure, self._in_doubt, self._retry_from = "", False, 0
        return True

    def _all_vectors(self, state: _State) -> Iterator[tuple[Ids, Vectors]]:
        """Yield all live vectors in chunks; graphed ones come from the store, never from the file to be replaced."""
        if state.graph is not None:
            yield from self._stored(np.sort(state.graph.rows.ids[state.graph.rows.live]))
        yield from state.tail.chunks()

    def _failed(self, report: BuildReport) -> StorageError | EngineError:
        reason = report.reason or Message("graph.unproven")
        self.build_failure = render(reason)
        self._retry_from = len(self._state.tail) + max(1, self._limits.tail // 4)
        logger.warning("The search index could not be built: %s", self.build_failure)
        if report.storage:
            return StorageError("graph.not-written", folder=self._directory, reason=reason)
        return EngineError("graph.not-built", reason=reason)

    def _keep_generations(self, count: int) -> None:
        newest = self._proven()[:count]
        self._store.forget_graphs(self._model, but=[manifest.generation for manifest in newest])
        self._sweep()

    def _sweep(self) -> None:
        """Delete this model's graphs without a proven record: of older generations, killed builds, other libraries."""
        if self._read_only:
            return
        proven = self._proven()
        self._store.forget_graphs(self._model, but=[manifest.generation for manifest in proven])
        recorded = {manifest.file for manifest in proven}
        for name in self._own_files("hnsw"):
            if name.removeprefix(f"{GRAPHS}/") not in recorded:
                self._discard(name)

    def _own_files(self, kind: str) -> list[str]:
        """Return the names, within the library, of the files that this index has named in the directory."""
        ours = re.compile(rf"{GRAPHS}/{self._prefix}-[0-9]{{1,20}}\.{kind}")
        return [name for name, _ in self._files.listed(GRAPHS) if ours.fullmatch(name)]

    def _discard(self, name: str) -> None:
        try:
            self._files.remove(name)
        except OSError as error:  # Windows keeps a mapped file until it is unmapped: the next sweep removes it
            logger.info("%s is left for later: %s", name, error)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Vectors with their ids, searched exactly. Row r is clip `ids[r]`; removed rows stay, without being `live`.

    `order` gives the rows by ascending id, None if they are sorted. `matrix` may have more rows than `vectors`, a view
    of its beginning. Immutable except for those spare rows: every change returns a new object.
    """

    ids: Ids  # [n]
    vectors: Vectors  # [n, D]
    live: NDArray[np.bool_]  # [n]
    order: NDArray[np.int64] | None
    dead: int
    matrix: Vectors | None = None

    @classmethod
    def empty(cls, width: int, room: int = 0) -> _Rows:
        matrix = np.empty((room, width), np.float32)
        return cls(np.empty(0, np.int64), matrix[:0], np.empty(0, np.bool_), None, 0, matrix)

    def __len__(self) -> int:
        return len(self.ids) - self.dead

    def find(self, ids: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the rows of those ids [k] that exist, live or not, in the order given; and a mask of them [k]."""
        if not len(self.ids):
            return np.empty(0, np.int64), np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self.ids, ids, sorter=self.order), len(self.ids) - 1)
        rows = places if self.order is None else self.order[places]
        here = self.ids[rows] == ids
        return rows[here], here

    def extended(self, ids: Ids, vectors: Vectors) -> _Rows:
        """Return these rows with others appended, in place if there is room: older snapshots show only their own rows.

        Only the latest version may be extended, otherwise two would write the same spare rows.
        """
        if not len(ids):
            return self
        count, total = len(self.ids), len(self.ids) + len(ids)
        matrix = self.matrix
        if matrix is None or len(matrix) < total:
            matrix = np.empty((max(1024, total + count // 2), self.vectors.shape[1]), np.float32)
            matrix[:count] = self.vectors
        matrix[count:total] = vectors
        ids = np.concatenate([self.ids, ids])
        live = np.concatenate([self.live, np.ones(total - count, np.bool_)])
        return _Rows(ids, matrix[:total], live, _order(ids), self.dead, matrix)

    def marked(self, rows: NDArray[np.int64], live: bool) -> _Rows:
        if np.all(self.live[rows] == live):
            return self
        marks = self.live.copy()
        marks[rows] = live
        return replace(self, live=marks, dead=int(len(marks) - marks.sum()))

    def only(self, ids: Ids) -> _Rows:
        """Return these rows with exactly these ids (ascending) live."""
        live = np.isin(self.ids, ids)
        return replace(self, live=live, dead=int(len(live) - live.sum()))

    def compacted(self) -> _Rows:
        ids = self.ids[self.live]
        return _Rows(ids, self.vectors[self.live], np.ones(len(ids), np.bool_), _order(ids), 0)

    def chunks(self) -> Iterator[tuple[Ids, Vectors]]:
        for start in range(0, len(self.ids), _CHUNK):
            part = slice(start, start + _CHUNK)
            yield self.ids[part][self.live[part]], self.vectors[part][self.live[part]]

    def nearest(self, query: Vectors, k: int, allowed: Ids | None) -> tuple[Ids, Vectors]:
        """Return ids and cosines of the best min(k, live and allowed), exactly and unordered."""
        if allowed is None:
            rows = np.flatnonzero(self.live) if self.dead else None
        else:
            rows, _ = self.find(allowed)
            rows = rows[self.live[rows]]
        if rows is None:
            ids, cosines = self.ids, self.vectors @ query
        elif 4 * len(rows) > len(self.ids):  # gathering rows costs more than scanning them all
            ids, cosines = self.ids[rows], (self.vectors @ query)[rows]
        else:
            parts = [self.vectors[rows[at : at + _CHUNK]] @ query for at in range(0, len(rows), _CHUNK)]
            ids, cosines = self.ids[rows], np.concatenate([np.empty(0, np.float32), *parts])
        if k < len(ids):
            best = np.argpartition(cosines, len(ids) - k)[len(ids) - k :] if k else np.empty(0, np.int64)
            return ids[best], cosines[best]
        return ids, cosines


@dataclass(frozen=True, slots=True)
class _Graph:
    """A loaded, read-only generation, and its vectors as rows of the mapped file."""

    file: GraphFile
    index: hnswlib.Index
    rows: _Rows

    @classmethod
    def load(cls, file: GraphFile) -> _Graph:
        """Validate and load a graph file. Raises: BadGraph."""
        index = graph_builder.load_graph(file)
        layout = graph_file.element_layout(file.width)
        offset = graph_file.header_size()
        elements = np.memmap(file.path, layout, mode="r", offset=offset, shape=(file.count,))
        ids = np.asarray(elements["label"]).astype(np.int64)
        rows = _Rows(ids, np.asarray(elements["vector"]), np.ones(len(ids), np.bool_), _order(ids), 0)
        return cls(file, index, rows)

    def outlived(self, limits: Limits) -> bool:
        """Return whether so many of its clips were removed that the next generation starts empty."""
        return self.rows.dead > limits.dead * len(self.rows.ids)

    def nearest(self, query: Vectors, k: int) -> tuple[Ids, Vectors] | None:
        """Return about the k nearest, removed ones included; None if hnswlib cannot reach that many and raises."""
        try:
            labels, distances = self.index.knn_query(query, k=k, num_threads=1)
        except RuntimeError as error:
            logger.info("The graph could not answer (%s); searching exactly", error)
            return None
        return labels[0].astype(np.int64), np.float32(1.0) - distances[0]

    def search(self, query: Vectors, k: int, allowed: Ids | None, limits: Limits) -> tuple[Ids, Vectors]:
        """Return as `_Rows.nearest`, through the graph if that is faster and gives the full answer."""
        rows, total = self.rows, len(self.rows.ids)
        admitted = len(rows) if allowed is None else min(len(rows), len(allowed))
        k = min(k, admitted)
        if not k or (allowed is not None and len(allowed) <= limits.exact_filter):
            return rows.nearest(query, k, allowed)
        # Enough if matches are spread evenly; never more than k plus all clips that are not admitted.
        fetch = min(k + total - admitted, math.ceil(_OVERFETCH * k * total / admitted))
        found = self.nearest(query, fetch) if fetch * _SCAN_WORTH <= max(total, graph_builder.EF_SEARCH) else None
        if found is None:
            return rows.nearest(query, k, allowed)
        ids, cosines = found
        kept = rows.live[rows.find(ids)[0]]
        if allowed is not None:
            places = np.minimum(np.searchsorted(allowed, ids), len(allowed) - 1)
            kept &= allowed[places] == ids
        if int(kept.sum()) < k:
            return rows.nearest(query, k, allowed)
        return ids[kept], cosines[kept]


@dataclass(frozen=True, slots=True)
class _State:
    """A snapshot of the index. A search uses one and is not affected by later changes."""

    graph: _Graph | None
    tail: _Rows

    def __len__(self) -> int:
        return len(self.tail) + (len(self.graph.rows) if self.graph is not None else 0)

    def extended(self, ids: Ids, vectors: Vectors) -> _State:
        """Return the state with clips added; known ones become live again. Raises: ValueError for a changed vector."""
        graph, tail = self.graph, self.tail
        new = np.ones(len(ids), np.bool_)
        for rows in (tail,) if graph is None else (tail, graph.rows):
            places, here = rows.find(ids)
            if np.any(np.einsum("nd,nd->n", rows.vectors[places], vectors[here]) < 1.0 - _SAME_VECTOR):
                raise ValueError("a clip's vector cannot change: index the changed clip under a new id")
            new &= ~here
        if graph is not None:
            graph = replace(graph, rows=graph.rows.marked(graph.rows.find(ids)[0], live=True))
        return _State(graph, tail.marked(tail.find(ids)[0], live=True).extended(ids[new], vectors[new]))

    def without(self, ids: Ids, limits: Limits) -> _State:
        graph, tail = self.graph, self.tail
        tail = tail.marked(tail.find(ids)[0], live=False)
        if tail.dead > limits.dead * len(tail.ids):
            tail = tail.compacted()
        if graph is not None:
            graph = replace(graph, rows=graph.rows.marked(graph.rows.find(ids)[0], live=False))
        return _State(graph, tail)

    def with_graph(self, graph: _Graph) -> _State:
        """Return the state with another graph, and with all changes made while it was built."""
        live = self.tail.ids[self.tail.live]
        if self.graph is not None:
            live = np.concatenate([live, self.graph.rows.ids[self.graph.rows.live]])
        tail = self.tail.marked(self.tail.find(graph.rows.ids)[0], live=False).compacted()
        return _State(replace(graph, rows=graph.rows.only(live)), tail)

    def nearest(self, query: Vectors, k: int, allowed: Ids | None, limits: Limits) -> tuple[Ids, Vectors]:
        """Return the best k of graph and tail, best first; ties by id."""
        ids, cosines = self.tail.nearest(query, k, allowed)
        if self.graph is not None:
            more_ids, more_cosines = self.graph.search(query, k, allowed, limits)
            ids, cosines = np.concatenate([more_ids, ids]), np.concatenate([more_cosines, cosines])
        best = np.lexsort((ids, -cosines))[:k]
        return ids[best], cosines[best]


@dataclass(frozen=True, slots=True)
class _Build:
    """A running builder child."""

    request: BuildRequest
    generation: int
    child: ChildProcess

    @classmethod
    def start(cls, request: BuildRequest, generation: int) -> _Build:
        child = ChildProcess("graph-builder", graph_builder.run, request, only_answers=True)
        return cls(request, generation, child)

    def finish(self) -> BuildReport:
        try:
            report = BuildReport.from_bytes(self.child.receive())
        except EOFError:
            self.child.wait()
            report = BuildReport(reason=Message("graph.builder-ended", status=self.child.exit_status or 0))
        self.abandon()
        return report

    def abandon(self) -> None:
        self.child.close()
        shutil.rmtree(self.request.scratch, ignore_errors=True)


def _proof(manifest: GraphManifest, key: bytes) -> str:
    """Return the HMAC-SHA256 of all fields of a manifest but its proof, in canonical form."""
    said = {name: value for name, value in asdict(manifest).items() if name != "proof"}
    return hmac.new(key, b"graph " + json.dumps(said, sort_keys=True).encode(), "sha256").hexdigest()


def _usable(vectors: Vectors) -> NDArray[np.bool_]:
    """Return which of [N, D] are finite and of unit length; one NaN in a graph hides other vectors."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return np.asarray(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE)  # false for NaN and infinity


def _order(ids: Ids) -> NDArray[np.int64] | None:
    return None if np.all(np.diff(ids) > 0) else np.argsort(ids)
