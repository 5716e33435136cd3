"""The relevance of a moment, on a scale that is comparable across queries: calibrated over this library.

Words: a bank of reference queries (resources/reference_queries.txt) is scored against the same clips. A clip's score
for a query counts by its distance above the clip's scores for the references (hubs, clips that match everything, gain
nothing). The best answers of the references over this library estimate the level of chance. So no query needs a match:
one for something absent gets weak answers only.

Pictures: likeness is measured between two levels, that of two unrelated videos of this library and that of a frame with
its own clip. Pure; the scores come from outside (see `library.searching.calibrator`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import Match, Vector

SAMPLE_CLIPS = 2_000  # a sample large enough to show what is ordinary in a large library
STRONG, POSSIBLE = 0.8, 0.5  # lower bounds of relevance for the matches
POSSIBLE_SPREADS, STRONG_SPREADS = 2.25, 4.5  # see Calibration
POSSIBLE_LIKENESS, STRONG_LIKENESS = 0.4, 0.7  # see Likeness


def z_scores(scores: Vector, references: Vector) -> NDArray[np.float64]:
    """Return the scores [N] of one query in standard deviations from the references' [R, N] of the same clips: [N]."""
    spread = references.std(axis=0, dtype=np.float64)
    return np.asarray((scores - references.mean(axis=0, dtype=np.float64)) / np.maximum(spread, 1e-6))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The z-scores above which an answer of this library is called possible and strong.

    Most reference queries describe something absent, so the lower part of their best z-scores shows the level of chance
    in this library. The upper part may be true finds, and a library that contains everything must not make every answer
    look ordinary. The thresholds are the lower quartile plus multiples of the spread, its distance to the 5 % quantile.
    They were chosen with the first starter on half A of the benchmark's pictures, one kind of picture left out at a
    time (docs/benchmarks.md has the present results).
    """

    possible: float
    strong: float

    @classmethod
    def fit(cls, scores: Vector) -> Calibration:
        """Fit to the references' `scores` [R, N] against the library's clips or a sample; N = 0 counts as one clip."""
        scores = scores if scores.size else np.zeros((len(scores), 1), np.float32)
        spread = np.maximum(scores.std(axis=0, dtype=np.float64), 1e-6)
        best = ((scores - scores.mean(axis=0, dtype=np.float64)) / spread).max(axis=1)
        low, quarter = np.quantile(best, [0.05, 0.25])
        below = max(float(quarter - low), 1e-3)
        return cls(float(quarter) + POSSIBLE_SPREADS * below, float(quarter) + STRONG_SPREADS * below)

    def calibrated(self, z_scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return z-scores [N] on the scale between the thresholds: 0 is possible, 1 is strong."""
        return np.asarray((z_scores - self.possible) / (self.strong - self.possible))


@dataclass(frozen=True, slots=True)
class Likeness:
    """The scores of a picture with unrelated clips (`chance`) and with clips of the same thing (`same`).

    Two thresholds between them were chosen with the starter on 220 described photographs as clips: of the clips called
    strong 82 to 96 % show the same kind of thing (animals, landmarks, food, …), of those called possible 77 to 83 %, of
    all others 17 to 27 %. Distances to reference pictures, as for words, failed: most libraries contain much that is
    alike, and a castle among castles did not stand out.
    """

    chance: float
    same: float

    @classmethod
    def fit(cls, scores: Vector, foreign: NDArray[np.bool_], own: Vector) -> Likeness:
        """Fit to the `scores` [N, N] of clips as queries for each other; `foreign` [N, N]: whether their videos differ.

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
    """Map calibrated scores [N] to relevance in [0, 1]: a logistic through POSSIBLE at 0 and STRONG at 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(calibrated * np.log(STRONG / (1 - STRONG)), -50, 50))))


def classify(relevance: float) -> Match:
    if relevance >= STRONG:
        return Match.STRONG
    return Match.POSSIBLE if relevance >= POSSIBLE else Match.WEAK
