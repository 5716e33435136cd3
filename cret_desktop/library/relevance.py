"""How well a moment matches, on a scale that means the same for every query: calibrated over this library.

A bank of reference queries (resources/reference_queries.txt) is scored against the same clips. A clip's score for a
query counts by how far it stands above what the clip gives to the references (clips that fit everything, hubs, gain
nothing), and the best answers the references themselves get over this library tell which height is ordinary. So
nothing need win: a query for what is not there gets weak answers only. Pure; the bank's features come from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import Features, Match, ScoreConfig, Vector
from cret_desktop.library.score import score

SAMPLE_CLIPS = 2_000  # of a large library, enough to tell what is ordinary in it
STRONG, POSSIBLE = 0.8, 0.5  # relevance from which a match is called so


def standing(scores: Vector, references: Vector) -> NDArray[np.float64]:
    """Scores [N] of one query against what the references [R, N] get of the same clips, in deviations: [N]."""
    spread = references.std(axis=0, dtype=np.float64)
    return np.asarray((scores - references.mean(axis=0, dtype=np.float64)) / np.maximum(spread, 1e-6))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is ordinary in this library: the best standing of each reference query, ascending [R]."""

    ordinary: NDArray[np.float64]

    @classmethod
    def fit(cls, references: Features, clips: Features, config: ScoreConfig) -> Calibration:
        """`references`: R texts; `clips`: the library's clips, or a sample of them."""
        scores = score(references, clips, config)  # [R, N]
        spread = np.maximum(scores.std(axis=0, dtype=np.float64), 1e-6)
        best = ((scores - scores.mean(axis=0, dtype=np.float64)) / spread).max(axis=1)
        return cls(np.sort(best))

    def relevance(self, standings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standings [N] -> relevance in [0, 1]: a logistic that is 0.5 at the references' median best answer."""
        middle = float(np.median(self.ordinary))
        width = max(float(np.quantile(self.ordinary, 0.9)) - middle, 1e-3)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip((standings - middle) / width * np.log(4.0), -50, 50))))


def classify(relevance: float) -> Match:
    if relevance >= STRONG:
        return Match.STRONG
    return Match.POSSIBLE if relevance >= POSSIBLE else Match.WEAK
