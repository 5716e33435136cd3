"""How well a moment matches, on a scale that means the same for every query: calibrated over this library.

Words: a bank of reference queries (resources/reference_queries.txt) is scored against the same clips. A clip's score
for a query counts by how far it stands above what the clip gives to the references (clips that fit everything, hubs,
gain nothing), and the best answers the references themselves get over this library tell which height is chance. So
nothing need win: a query for what is not there gets weak answers only.

Pictures: likeness lies between what two videos of this library have in common by chance and what a frame has in common
with the clip it is of. Pure; the scores come from outside (see `library.searching.calibrator`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import Match, Vector

SAMPLE_CLIPS = 2_000  # of a large library, enough to tell what is ordinary in it
STRONG, POSSIBLE = 0.8, 0.5  # relevance from which a match is called so
POSSIBLE_SPREADS, STRONG_SPREADS = 2.25, 4.5  # see Calibration
POSSIBLE_LIKENESS, STRONG_LIKENESS = 0.4, 0.7  # see Likeness


def z_scores(scores: Vector, references: Vector) -> NDArray[np.float64]:
    """Return the scores [N] of one query in standard deviations from the references' [R, N] of the same clips: [N]."""
    spread = references.std(axis=0, dtype=np.float64)
    return np.asarray((scores - references.mean(axis=0, dtype=np.float64)) / np.maximum(spread, 1e-6))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The heights from which an answer of this library is called possible and strong.

    Most reference queries ask for what is not there, so the lower part of their best z-scores shows how high chance
    alone reaches in this library; the upper part may be true finds, and a library that holds everything must not make
    every answer look ordinary. The heights are above the lower quartile by multiples of its distance to the 5 %
    quantile, the spread; chosen with the first starter on half A of the benchmark's pictures, one kind of picture left
    out at a time (docs/benchmarks.md has what they give today).
    """

    possible: float
    strong: float

    @classmethod
    def fit(cls, scores: Vector) -> Calibration:
        """`scores` [R, N] of the references against the library's clips, or a sample of them; of none as of one."""
        scores = scores if scores.size else np.zeros((len(scores), 1), np.float32)
        spread = np.maximum(scores.std(axis=0, dtype=np.float64), 1e-6)
        best = ((scores - scores.mean(axis=0, dtype=np.float64)) / spread).max(axis=1)
        low, quarter = np.quantile(best, [0.05, 0.25])
        below = max(float(quarter - low), 1e-3)
        return cls(float(quarter) + POSSIBLE_SPREADS * below, float(quarter) + STRONG_SPREADS * below)

    def calibrated(self, z_scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return z-scores [N] on the scale between the heights: 0 is possible, 1 is strong."""
        return np.asarray((z_scores - self.possible) / (self.strong - self.possible))


@dataclass(frozen=True, slots=True)
class Likeness:
    """The scores of a picture with clips that mean nothing in common, and the same thing.

    Between them two thresholds, chosen with the starter on 220 described photographs as clips: of the clips called
    strong 82 to 96 % show the same kind of thing (animals, landmarks, food, …), of those called possible 77 to 83 %, of
    all others 17 to 27 %. Distances to reference pictures, as for words, failed: most libraries hold much that is
    alike, and a castle among castles stood out no more.
    """

    chance: float
    same: float

    @classmethod
    def fit(cls, scores: Vector, foreign: NDArray[np.bool_], own: Vector) -> Likeness:
        """`scores` [N, N] of clips as queries among each other, `foreign` [N, N] where they are of different videos.

        `own` [N]: scores of one frame of each with the clip itself.
        """
        others = foreign if foreign.any() else ~np.eye(len(scores), dtype=bool)
        chance = float(np.median(scores[others])) if others.any() else 0.0
        same = float(np.median(own)) if len(own) else chance
        return cls(chance, max(same, chance + 1e-3))

    def calibrated(self, scores: Vector) -> NDArray[np.float64]:
        """Return scores [N] on the scale between the thresholds: 0 is possible, 1 is strong."""
        likeness = (np.asarray(scores, np.float64) - self.chance) / (self.same - self.chance)
        return np.asarray((likeness - POSSIBLE_LIKENESS) / (STRONG_LIKENESS - POSSIBLE_LIKENESS))


def relevance(calibrated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calibrated scores [N] -> relevance in [0, 1]: a logistic through POSSIBLE at 0 and STRONG at 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(calibrated * np.log(STRONG / (1 - STRONG)), -50, 50))))


def classify(relevance: float) -> Match:
    if relevance >= STRONG:
        return Match.STRONG
    return Match.POSSIBLE if relevance >= POSSIBLE else Match.WEAK
