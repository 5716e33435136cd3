"""How well a moment matches, on a scale that means the same for every query: calibrated over this library.

A bank of reference queries (resources/reference_queries.txt) is scored against the same clips. A clip's score for a
query counts by how far it stands above what the clip gives to the references (clips that fit everything, hubs, gain
nothing), and the best answers the references themselves get over this library tell which height is chance. So nothing
need win: a query for what is not there gets weak answers only. Pure; the bank's features come from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import Features, Match, ScoreConfig, Vector
from cret_desktop.library.score import score

SAMPLE_CLIPS = 2_000  # of a large library, enough to tell what is ordinary in it
STRONG, POSSIBLE = 0.8, 0.5  # relevance from which a match is called so
POSSIBLE_STEPS, STRONG_STEPS = 2.25, 4.5  # see Calibration


def standing(scores: Vector, references: Vector) -> NDArray[np.float64]:
    """Scores [N] of one query against what the references [R, N] get of the same clips, in deviations: [N]."""
    spread = references.std(axis=0, dtype=np.float64)
    return np.asarray((scores - references.mean(axis=0, dtype=np.float64)) / np.maximum(spread, 1e-6))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The heights from which an answer of this library is called possible and strong.

    Most reference queries ask for what is not there, so the lower part of their best standings shows how high chance
    alone reaches in this library; the upper part may be true finds, and a library that holds everything must not make
    every answer look ordinary. The heights stand above the lower quartile by multiples of its distance to the 5 %
    quantile (chosen with the starter on half A of the benchmark's pictures, one kind of picture left out at a time: of
    the right answers 94 % are at least possible and 61 % strong, of the answers to what is not there 14 % and 1 %).
    """

    possible: float
    strong: float

    @classmethod
    def fit(cls, references: Features, clips: Features, config: ScoreConfig) -> Calibration:
        """`references`: R texts; `clips`: the library's clips, or a sample of them."""
        scores = score(references, clips, config)  # [R, N]
        spread = np.maximum(scores.std(axis=0, dtype=np.float64), 1e-6)
        best = ((scores - scores.mean(axis=0, dtype=np.float64)) / spread).max(axis=1)
        low, quarter = np.quantile(best, [0.05, 0.25])
        step = max(float(quarter - low), 1e-3)
        return cls(float(quarter) + POSSIBLE_STEPS * step, float(quarter) + STRONG_STEPS * step)

    def relevance(self, standings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standings [N] -> relevance in [0, 1]: a logistic through the heights at POSSIBLE and STRONG."""
        steps = (standings - self.possible) / (self.strong - self.possible)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(steps * np.log(STRONG / (1 - STRONG)), -50, 50))))


def classify(relevance: float) -> Match:
    if relevance >= STRONG:
        return Match.STRONG
    return Match.POSSIBLE if relevance >= POSSIBLE else Match.WEAK
