"""The one vector of a clip by which candidates are found, and what a query is compared with it as. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def index_vectors(frames: NDArray[np.float16]) -> NDArray[np.float32]:
    """Frame features [N, M, D] of length at most 1 -> unit vectors [N, D + 1]: the mean, and what it lacks to length 1.

    Their cosine with a query's `query_vector` orders clips exactly as <t, mean> does; by the mean's direction alone,
    clips whose frames differ (short means) would come out too high. Of a clip with a number that is none, or infinite,
    no value is finite.
    """
    with np.errstate(invalid="ignore"):
        mean = frames.mean(axis=1, dtype=np.float32)
        mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1.0)
        lacking = np.sqrt(np.maximum(1.0 - np.square(mean).sum(axis=1, keepdims=True), 0.0))
        vectors = np.concatenate([mean, lacking], axis=1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def query_vector(text: NDArray[np.float32]) -> NDArray[np.float32]:
    """A text's features [D] -> [D + 1], to search an index of such vectors with."""
    return np.append(text, np.float32(0.0))
