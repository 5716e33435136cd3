"""Builds one hnswlib graph file in a short-lived child process: load the last good graph, add vectors, save, check.

hnswlib saves without checking for errors, crashes on damaged files, and holds the GIL meanwhile. So graphs are written
only here, and read only through `load_graph`, which validates the file first with `graph_file`. This module never
imports torch or Qt, never opens the catalog, never changes a file that others may be reading, and never gives a graph
its final name before it is complete, flushed and digested.
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

# Texts are off the manifold of clips: at 100,000 x 768, ef 64 finds 94 % of their ten nearest neighbours, 300 more than
# 99 %, in an eighth of the time of an exact scan (tests.benchmarks.recall). hnswlib forgets its ef on every load.
EF_SEARCH = 400

_BATCH = 4096
_PATIENCE = 10  # os.nice: searches and encoding have priority

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build. `ids` and `vectors` are raw files, int64 [count] and float32 [count, width], in `scratch`.

    `base` is the graph to extend, None to start empty. The result gets the name `target`, which must be new and on the
    file system of `scratch`; until then everything is written inside `scratch`.
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
    """The result of a build: a graph, or the reason of its failure. `base_damaged`: its base must not be used again."""

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
    """Raised for a truncated file, with the reason as a message."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


def load_graph(file: GraphFile, capacity: int = 0) -> hnswlib.Index:
    """Validate the file, then load it into a new index; hnswlib never sees an invalid file.

    `capacity` is the number of elements to reserve room for, if some will be added. Loading holds the GIL (about 2 s a
    million); validation does not. Raises: BadGraph.
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
    """Build, save and check one graph. Never raises: the report holds any error."""
    try:
        graph = _grown(request)
        return BuildReport(_saved(graph, request), last_clip_id=max(graph.get_ids_list()))
    except BadGraph as error:
        return BuildReport(reason=Message("reason.said", text=short(str(error))), base_damaged=True)
    except OSError as error:
        return BuildReport(reason=reason_of(error), storage=True)
    except (MemoryError, RuntimeError) as error:  # hnswlib raises RuntimeError if memory runs out
        return BuildReport(reason=reason_of(error))


def run(pipe: Connection, request: BuildRequest) -> None:
    """Run the child: build, report, exit. It ends at once when its parent does."""
    end_with_parent()
    if hasattr(os, "nice"):
        os.nice(_PATIENCE)
    pipe.send_bytes(build_graph(request).to_bytes())
    pipe.close()


def _grown(request: BuildRequest) -> hnswlib.Index:
    """Return the base, or an empty graph, with the request's vectors added."""
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
    # save_index ignores a full disk: only the size shows it. Opening raises if the file is missing.
    with open(unfinished, "r+b") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size != graph.index_file_size():
            raise _CutShort(Message("graph.cut-short", size=size, whole=graph.index_file_size()))
        os.fsync(stream.fileno())
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    unfinished.rename(request.target)
    flush_folder(Path(request.target).parent)
    return GraphFile(request.target, size, digest, graph.element_count, request.width)
