"""What is recorded of a search graph, and the name of its file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GraphManifest:
    """One generation of the vector index: a graph file, and all that must hold before it is believed.

    `proof` authenticates the other fields with the library's key (`storage.vectors.vector_index`); '' has none.
    """

    generation: int
    file: str
    size: int
    digest: str
    last_clip_id: int
    count: int
    width: int
    space: str
    m: int
    ef_construction: int
    model: str  # fingerprint
    library_version: str
    proof: str = ""


def graph_prefix(model: str) -> str:
    """What the files of a model's graphs begin with."""
    return hashlib.sha256(model.encode()).hexdigest()[:12]


def graph_file_name(model: str, generation: int) -> str:
    """The only name that the graph of a model (a fingerprint) and generation may have."""
    return f"{graph_prefix(model)}-{generation}.hnsw"
