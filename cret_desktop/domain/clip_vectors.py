"""The index vector of a clip, by which candidates are found, and the matching query vector. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def index_vectors(frames: NDArray[np.float16]) -> NDArray[np.float32]:
    """Map frame features [N, M, D] to unit vectors [N, D + 1]: the mean, and its complement to length 1.

    Each feature has a length of at most 1. The cosine with `query_vector(t)` orders clips exactly as <t, mean> does;
    the mean's direction alone would rank clips whose frames differ (short means) too high. A clip with a NaN or
    infinite feature gets no finite value.
    """
    with np.errstate(invalid="ignore"):
        mean = frames.mean(axis=1, dtype=np.float32)
        mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1.0)
        lacking = np.sqrt(np.maximum(1.0 - np.square(mean).sum(axis=1, keepdims=True), 0.0))
        vectors = np.concatenate([mean, lacking], axis=1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def query_vector(text: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map a text's features [D] to [D + 1], the query for an index of `index_vectors`."""
    return np.append(text, np.float32(0.0))
