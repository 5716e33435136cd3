"""Builds one hnswlib graph file in a short-lived child process: load the last good graph, add what is new, save, check.

hnswlib saves without looking at errors, loads damaged files until it crashes, and holds the GIL while it does either;
so graphs are written here only, and whoever reads one goes through `load_graph`, which has `graph_file` prove it first.
This module never imports torch or Qt, never opens the catalog, never changes a file that others may be reading, and
never lets a graph have its final name before it is whole, flushed and digested.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import hnswlib
import numpy as np

from cret_desktop.child_process import end_with_parent
from cret_desktop.foreign import reason_of, short
from cret_desktop.messages import Message
from cret_desktop.storage.flush import flush_folder
from cret_desktop.storage.vectors.graph_file import EF_CONSTRUCTION, SPACE, BadGraph, GraphFile, M, prove

# Texts lie off the manifold of clips: at 100,000 x 768 ef 64 finds 94 % of their ten nearest, 300 more than 99 %, at an
# eighth of the time of an exact scan (tests.benchmarks.recall). hnswlib forgets its ef on every load.
EF_SEARCH = 400

_BATCH = 4096
_PATIENCE = 10  # os.nice: searches and encoding go first

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build. `ids` and `vectors` are raw files, int64 [count] and float32 [count, width], in `scratch`.

    `base` is the graph to go on from, or None to start anew. The result gets the name `target`, which must be new and
    on the file system of `scratch`; until then everything is written inside `scratch`.
    """

    base: GraphFile | None
    scratch: str
    ids: str
    vectors: str
    count: int
    width: int
    target: str


@dataclass(frozen=True, slots=True)
class BuildReport:
    """How a build ended: with a graph, or with the reason why not. `base_damaged`: its base must not be used again."""

    graph: GraphFile | None = None
    last_clip_id: int = 0
    reason: Message | None = None
    storage: bool = False
    base_damaged: bool = False

    def to_bytes(self) -> bytes:
        reason = self.reason.to_json() if self.reason is not None else None
        return json.dumps({**asdict(self), "reason": reason}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> BuildReport:
        fields = json.loads(data)
        graph, reason = fields.pop("graph"), fields.pop("reason")
        return cls(
            graph=GraphFile(**graph) if graph else None,
            reason=Message.from_json(reason) if reason else None,
            **fields,
        )


class _CutShort(OSError):
    """A file that ends too early, with the reason as a message."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


def load_graph(file: GraphFile, capacity: int = 0) -> hnswlib.Index:
    """Proves the file, then loads it into an index of its own; hnswlib never sees a file that failed.

    `capacity` is the number of elements to make room for, where some will be added. Holds the GIL while hnswlib reads
    (about 2 s a million); proving the file does not. Raises: BadGraph.
    """
    prove(file)
    graph = hnswlib.Index(space=SPACE, dim=file.width)
    try:
        graph.load_index(file.path, max_elements=max(capacity, file.count))
    except RuntimeError as error:
        raise BadGraph(f"hnswlib cannot load {file.path}: {error}") from error
    if (graph.element_count, graph.dim, graph.M, graph.ef_construction) != (file.count, file.width, M, EF_CONSTRUCTION):
        raise BadGraph(f"{file.path} holds another index than was recorded")
    graph.set_ef(EF_SEARCH)
    return graph


def build_graph(request: BuildRequest) -> BuildReport:
    """Builds, saves and checks one graph; raises nothing: the report says how it went."""
    try:
        graph = _grown(request)
        return BuildReport(_saved(graph, request), last_clip_id=max(graph.get_ids_list()))
    except BadGraph as error:
        return BuildReport(reason=Message("reason.said", text=short(str(error))), base_damaged=True)
    except OSError as error:
        return BuildReport(reason=reason_of(error), storage=True)
    except (MemoryError, RuntimeError) as error:  # hnswlib's own word for too little memory is a RuntimeError
        return BuildReport(reason=reason_of(error))


def run(pipe: Connection, request: BuildRequest) -> None:
    """The child's whole life: build, report, end. Ends at once when its parent does."""
    end_with_parent()
    if hasattr(os, "nice"):
        os.nice(_PATIENCE)
    pipe.send_bytes(build_graph(request).to_bytes())
    pipe.close()


def _grown(request: BuildRequest) -> hnswlib.Index:
    """The base, or an empty graph, with the request's vectors added."""
    if request.base is None:
        graph = hnswlib.Index(space=SPACE, dim=request.width)
        graph.init_index(request.count, M=M, ef_construction=EF_CONSTRUCTION)
    else:
        graph = load_graph(request.base, capacity=request.base.count + request.count)
    threads = max(1, (os.cpu_count() or 1) // 2)
    with open(request.ids, "rb") as ids_file, open(request.vectors, "rb") as vectors_file:
        added = 0
        while added < request.count:
            ids = np.fromfile(ids_file, np.int64, _BATCH)
            vectors = np.fromfile(vectors_file, np.float32, len(ids) * request.width)
            if not len(ids) or len(vectors) != len(ids) * request.width:
                raise _CutShort(Message("graph.vectors-missing", file=request.vectors, count=request.count))
            graph.add_items(vectors.reshape(len(ids), request.width), ids, num_threads=threads)
            added += len(ids)
    return graph


def _saved(graph: hnswlib.Index, request: BuildRequest) -> GraphFile:
    unfinished = Path(request.scratch, "graph")
    graph.save_index(str(unfinished))
    # save_index returns as if all were well on a full disk: only the size tells. Opening raises where there is no file.
    with open(unfinished, "r+b") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size != graph.index_file_size():
            raise _CutShort(Message("graph.cut-short", size=size, whole=graph.index_file_size()))
        os.fsync(stream.fileno())
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    unfinished.rename(request.target)
    flush_folder(Path(request.target).parent)
    return GraphFile(request.target, size, digest, graph.element_count, request.width)
