"""Figures of the CRET paper (SIGIR 2022) and of the methods it compares with, for comparison with our own.

Figures that the paper does not state, or that we have not seen, are None: an empty cell, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

CRET = "CRET (paper)"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Text to video: recalls in per cent, median rank; frames of a clip."""

    name: str
    r1: float | None
    r5: float | None
    r10: float | None
    median: float | None
    frames: int | None = None


RESULTS: dict[tuple[str, str], tuple[PublishedRow, ...]] = {
    ("msrvtt", "test-1k"): (
        PublishedRow("JSFusion", 10.2, 31.2, 43.2, 13),
        PublishedRow("HT", 12.4, 36.0, 52.0, 10),
        PublishedRow("HT + HowTo100M", 14.9, 40.2, 52.8, 9),
        PublishedRow("ActBERT", 16.3, 42.8, 56.9, 10),
        PublishedRow("HiT", 18.2, 41.9, 55.5, 5),
        PublishedRow("TACo", 18.9, 46.2, 58.8, 7),
        PublishedRow("UniVL", 21.2, 49.6, 63.1, 6),
        PublishedRow("ClipBERT", 22.0, 46.8, 59.9, 6),
        PublishedRow(CRET, 23.9, 50.8, 63.4, 5, frames=4),
    ),
    ("didemo", "test"): (PublishedRow(CRET, 21.2, 50.3, 63.5, 6, frames=4),),
    # The paper covers these two, but we could not find its figures.
    ("lsmdc", "test"): (PublishedRow(CRET, None, None, None, None),),
    ("msvd", "test"): (PublishedRow(CRET, None, None, None, None),),
}

# MSRVTT 1k-A, R@5 by number of frames at inference; read off a plot.
FRAMES_R5: dict[str, dict[int, float]] = {
    "NCE (paper)": {2: 46.1, 4: 48.0, 8: 49.3, 16: 50.0},
    "GEES (paper)": {2: 49.2, 4: 50.7, 8: 50.8, 16: 51.1},
}

# MSRVTT 1k-A, R@1, R@5, R@10, with CCM's center queries and decoder weights shared or separate.
CCM: dict[str, tuple[float, float, float]] = {
    "nothing shared": (21.6, 47.1, 57.5),
    "shared weights": (22.5, 49.5, 60.3),
    "shared queries": (22.8, 47.8, 58.9),
    "both shared": (23.9, 50.8, 63.4),
}
