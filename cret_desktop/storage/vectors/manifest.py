"""The record of a search graph, and the name of its file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GraphManifest:
    """One generation of the vector index: a graph file, and all that must match before it is trusted.

    `proof` authenticates the other fields with the library's key (`storage.vectors.vector_index`); '' means none.
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
    """Return the prefix of the names of a model's graph files."""
    return hashlib.sha256(model.encode()).hexdigest()[:12]


def graph_file_name(model: str, generation: int) -> str:
    """Return the only valid name for the graph of a model (a fingerprint) and generation."""
    return f"{graph_prefix(model)}-{generation}.hnsw"
