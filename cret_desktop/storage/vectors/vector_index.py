"""Nearest clips of a query: an immutable hnswlib graph plus an exact tail, and exact search wherever that is better.

The catalog is the truth and this index a cache of it: whatever is in doubt is set aside, searched exactly and built
again by `graph_builder`'s child. Without a proof under the library's key a graph is not even looked at: who made it may
have made the record that praises it too. What is held: the graph's vectors and links once, in hnswlib; the tail's
vectors once, in a matrix; 9 to 17 bytes a clip of ids and marks. Exact search over graphed clips reads their vectors
from the graph file, mapped read-only: the system's file cache, which it takes back when memory is short.

This module never adds to, resizes or saves a graph, never gives hnswlib a filter callback, and never lets a search wait
for a build. One owner a directory and model: the engine that holds the library's lock.
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
_SAME_VECTOR = 2e-3  # 1 - cosine; the catalog keeps float16, whose rounding stays far below
_GENERATIONS = 2
_CHUNK = 8192  # rows moved at a time where a copy of all would not fit
_SCAN_WORTH = 10  # following one edge list costs about as much as scanning ten vectors in order
_OVERFETCH = 2

logger = logging.getLogger(__name__)


class GraphStore(Protocol):
    """What the index needs of the catalog. Called only where the index is opened and built, never by a search."""

    def graphs(self, model: str) -> list[GraphManifest]:
        """The generations recorded for a model, newest first."""
        ...

    def record_graph(self, manifest: GraphManifest) -> None: ...

    def forget_graphs(self, model: str, *, but: Collection[int]) -> None:
        """Forget the records of a model's graphs, those that `graphs` passes over too, but for these generations."""
        ...

    def clip_ids(self, model: str) -> Ids:
        """Ids of the live clips that have vectors of this model, ascending."""
        ...

    def vectors(self, model: str, width: int, *, ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Those of the ids that are live clips, ascending, and their unit vectors [N, width]."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes at which the index changes its ways (`tests.benchmarks.recall` measures them).

    tail: vectors searched exactly before a graph is worth building; an index of no more never has one.
    exact_filter: up to so many allowed clips are searched exactly rather than through the graph.
    dead: share of removed clips in a graph from which it is built anew.
    """

    tail: int = 20_000
    exact_filter: int = 20_000
    dead: float = 0.25


class VectorIndex:
    """Cosine search over the unit vectors of one model's clips.

    `search` runs in any number of threads beside everything else; `add` and `remove` in any thread, once the catalog
    has committed. Of `start_build`, `poll_build` and `build` one runs at a time; `close` ends it. `build_failure` is
    the reason why the last build failed, or ''.
    """

    def __init__(
        self, directory: Path, store: GraphStore, model: str, width: int, limits: Limits, read_only: bool, key: bytes
    ) -> None:
        """Use `open`."""
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
        self._retry_from = 0  # clips in the tail from which a build is tried again after a failure
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
        """Proves and loads the newest graph that can be trusted; the store's other vectors become the tail.

        `read_only` is for whoever does not hold the library's lock: it only searches, and touches no file. `key` is the
        library's secret, which proves that a graph was built here; without one no graph is believed or built, and no
        file touched. Raises: StorageError where the directory cannot be used.
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
        """Clips that a search can find."""
        return len(self._state)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Adds clips [N] with unit vectors [N, D] to the exact tail, all or none.

        A clip that was removed may come back; a clip's vector never changes. Raises: ValueError where ids repeat, or a
        vector is of another width, not finite, not unit, or not the one that the clip had before.
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
        """Forgets clips; ids that are not there are ignored."""
        with self._lock:
            self._state = self._state.without(np.asarray(ids, np.int64), self._limits)

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """The clips nearest to a query [D] (of any length but 0): ids [k'] and cosines [k'], best first.

        `allowed` limits the search to these ids (ascending is quickest). k' is always the smaller of k and the number
        of live, allowed clips. Raises: ValueError for a query of another width, not finite or zero, and for k < 0.
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
        """Whether a build would make searching better, and none is under way or has just failed for the same clips."""
        state, limits = self._state, self._limits
        if self._read_only or self._build is not None or len(state.tail) < self._retry_from:
            return False
        if len(state.tail) > limits.tail or (self._in_doubt and len(state) > limits.tail):
            return True
        return state.graph is not None and state.graph.outlived(limits)

    def build(self) -> None:
        """Builds the next generation and waits for it. Raises: as `poll_build`."""
        with self._build_lock:
            self.start_build()
            self.poll_build(timeout=None)

    def start_build(self) -> None:
        """Starts the builder child on all that is live now; where nothing is live, drops the graph.

        Does nothing where one runs, or read-only. Raises: StorageError where its input cannot be written, EngineError
        where there is none; searching goes on as before.
        """
        with self._build_lock:
            if not self._read_only and not self._closed and self._build is None:
                self._start_build()

    def poll_build(self, timeout: float | None = 0.0) -> bool:
        """Takes over a finished build; True when a new generation serves. None waits for as long as it takes.

        Loading the new graph stops the process's other threads for a moment (0.3 s at 100,000 clips, 2 s at a million):
        call it while nobody waits. Raises: StorageError or EngineError where the build failed; searching goes on as
        before, and `needs_build` stays false until more clips have come.
        """
        with self._build_lock:
            build = self._build
            if build is None or not build.child.poll(timeout):
                return False
            report = build.finish()
            self._build = None
            return not self._closed and self._take_over(build, report, timeout)

    def close(self) -> None:
        """Ends a build that is under way, also one that another thread waits for; nothing is lost by it."""
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
        """Reads everything anew: the newest graph that can be trusted, and from the store what it does not hold."""
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
            if not self._is_proven(manifest):  # the sweep takes it: its name proves as little as the rest
                logger.warning("The search index %s was not built here; it is not used and replaced", manifest.file)
                self._in_doubt = True
                continue
            try:
                return self._opened(manifest)
            except BadGraph as doubt:
                self._distrust(manifest, str(doubt))
        return None

    def _is_proven(self, manifest: GraphManifest) -> bool:
        """Whether a record was made by a holder of the library's key."""
        return hmac.compare_digest(manifest.proof.encode(), _proof(manifest, self._key).encode())

    def _proven(self) -> list[GraphManifest]:
        return [manifest for manifest in self._store.graphs(self._model) if self._is_proven(manifest)]

    def _distrust(self, manifest: GraphManifest, reason: str) -> None:
        """Sets a proven graph aside under a name that nothing loads, for whoever looks into it; forgets its record."""
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
        """A graph that its file, its record and the catalog agree on. Raises: BadGraph."""
        if manifest != self._manifest(manifest.generation, self._file(manifest), manifest.last_clip_id):
            raise BadGraph(f"{manifest.file} was made for another index or by another version")
        try:
            self._files.entry(f"{GRAPHS}/{manifest.file}")  # a regular file: a pipe would hold who opens it
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
        """What the record of a graph must say to be one of this index, built by this version."""
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
        """The file of a proven manifest."""
        path = str(self._directory / manifest.file)
        return GraphFile(path, manifest.size, manifest.digest, manifest.count, manifest.width)

    def _from_store(self, ids: Ids) -> _Rows:
        """Rows of these clips, read in chunks: their vectors are in memory once."""
        rows = _Rows.empty(self._width, room=len(ids))
        for chunk_ids, chunk in self._stored(ids):
            rows = rows.extended(chunk_ids, chunk)
        return rows

    def _stored(self, ids: Ids) -> Iterator[tuple[Ids, Vectors]]:
        """The store's vectors of these ids in chunks. What no search could use is left out, and said."""
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
        """Everything live in chunks; graphed vectors come from the store, never from the file that is replaced."""
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
        """Deletes this model's graphs without a proven record: of older generations, killed builds, other libraries."""
        if self._read_only:
            return
        proven = self._proven()
        self._store.forget_graphs(self._model, but=[manifest.generation for manifest in proven])
        recorded = {manifest.file for manifest in proven}
        for name in self._own_files("hnsw"):
            if name.removeprefix(f"{GRAPHS}/") not in recorded:
                self._discard(name)

    def _own_files(self, kind: str) -> list[str]:
        """What lies in the directory under a name that this index gives, by its name in the library."""
        ours = re.compile(rf"{GRAPHS}/{self._prefix}-[0-9]{{1,20}}\.{kind}")
        return [name for name, _ in self._files.listed(GRAPHS) if ours.fullmatch(name)]

    def _discard(self, name: str) -> None:
        try:
            self._files.remove(name)
        except OSError as error:  # Windows keeps a mapped file until it is let go: the next sweep takes it
            logger.info("%s is left for later: %s", name, error)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Vectors with their ids, searched exactly. Row r is clip `ids[r]`; removed rows are not `live`, and stay.

    `order` gives the rows by ascending id, None where they are. `matrix` has room for more rows than `vectors`, its
    beginning, shows. Immutable but for that room: every change gives another one.
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
        """Rows of those of the ids [k] that are here, live or not, in the order given; and which they are [k]."""
        if not len(self.ids):
            return np.empty(0, np.int64), np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self.ids, ids, sorter=self.order), len(self.ids) - 1)
        rows = places if self.order is None else self.order[places]
        here = self.ids[rows] == ids
        return rows[here], here

    def extended(self, ids: Ids, vectors: Vectors) -> _Rows:
        """With rows appended. Where there is room, in place: older snapshots show none but their own rows.

        Only the latest of a line may be extended, else two would write the same room.
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
        """With exactly these ids (ascending) live."""
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
        """Exact: ids and cosines of the best min(k, live and allowed), in no order."""
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
    """A loaded generation, only ever queried, and its vectors as rows of the mapped file."""

    file: GraphFile
    index: hnswlib.Index
    rows: _Rows

    @classmethod
    def load(cls, file: GraphFile) -> _Graph:
        """Raises: BadGraph."""
        index = graph_builder.load_graph(file)
        layout = graph_file.element_layout(file.width)
        offset = graph_file.header_size()
        elements = np.memmap(file.path, layout, mode="r", offset=offset, shape=(file.count,))
        ids = np.asarray(elements["label"]).astype(np.int64)
        rows = _Rows(ids, np.asarray(elements["vector"]), np.ones(len(ids), np.bool_), _order(ids), 0)
        return cls(file, index, rows)

    def outlived(self, limits: Limits) -> bool:
        """Whether so many of its clips were removed that the next generation starts anew."""
        return self.rows.dead > limits.dead * len(self.rows.ids)

    def nearest(self, query: Vectors, k: int) -> tuple[Ids, Vectors] | None:
        """About the k nearest, removed ones too; None where the graph cannot reach so many (hnswlib then raises)."""
        try:
            labels, distances = self.index.knn_query(query, k=k, num_threads=1)
        except RuntimeError as error:
            logger.info("The graph could not answer (%s); searching exactly", error)
            return None
        return labels[0].astype(np.int64), np.float32(1.0) - distances[0]

    def search(self, query: Vectors, k: int, allowed: Ids | None, limits: Limits) -> tuple[Ids, Vectors]:
        """As `_Rows.nearest`, through the graph where it is quicker and can answer in full."""
        rows, total = self.rows, len(self.rows.ids)
        admitted = len(rows) if allowed is None else min(len(rows), len(allowed))
        k = min(k, admitted)
        if not k or (allowed is not None and len(allowed) <= limits.exact_filter):
            return rows.nearest(query, k, allowed)
        # So many suffice when the answer is spread as the whole is; never more than all that could be in its way.
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
    """One moment of the index. A search holds one and sees nothing of what happens meanwhile."""

    graph: _Graph | None
    tail: _Rows

    def __len__(self) -> int:
        return len(self.tail) + (len(self.graph.rows) if self.graph is not None else 0)

    def extended(self, ids: Ids, vectors: Vectors) -> _State:
        """With clips added; those that are here already live again. Raises: ValueError for another vector of one."""
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
        """With another graph, and all that came and went while it was built."""
        live = self.tail.ids[self.tail.live]
        if self.graph is not None:
            live = np.concatenate([live, self.graph.rows.ids[self.graph.rows.live]])
        tail = self.tail.marked(self.tail.find(graph.rows.ids)[0], live=False).compacted()
        return _State(replace(graph, rows=graph.rows.only(live)), tail)

    def nearest(self, query: Vectors, k: int, allowed: Ids | None, limits: Limits) -> tuple[Ids, Vectors]:
        """The best k of graph and tail, best first; equal ones by id."""
        ids, cosines = self.tail.nearest(query, k, allowed)
        if self.graph is not None:
            more_ids, more_cosines = self.graph.search(query, k, allowed, limits)
            ids, cosines = np.concatenate([more_ids, ids]), np.concatenate([more_cosines, cosines])
        best = np.lexsort((ids, -cosines))[:k]
        return ids[best], cosines[best]


@dataclass(frozen=True, slots=True)
class _Build:
    """The builder child at work."""

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
    """HMAC-SHA256 of all that a manifest says but its proof, in one spelling."""
    said = {name: value for name, value in asdict(manifest).items() if name != "proof"}
    return hmac.new(key, b"graph " + json.dumps(said, sort_keys=True).encode(), "sha256").hexdigest()


def _usable(vectors: Vectors) -> NDArray[np.bool_]:
    """Which of [N, D] are finite and of unit length; one NaN in a graph hides others."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return np.asarray(np.abs(lengths - 1.0) <= _UNIT_TOLERANCE)  # false for NaN and infinity


def _order(ids: Ids) -> NDArray[np.int64] | None:
    return None if np.all(np.diff(ids) > 0) else np.argsort(ids)
