"""Validation during training: figures, a value for selecting checkpoints, and a picture.

Never runs on test splits. `training.evaluate` is the complete evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import Tokenizer
from training import evaluate, logs, metrics
from training.datasets.base import VideoTexts
from training.pairwise import PairScorer

TEXTS, BEST = 8, 3  # in a picture: queries, and videos per query


@dataclass(frozen=True, slots=True)
class Validation:
    """`figures` by name; `selection` is higher for a better checkpoint; `picture` is RGB [H, W, 3]."""

    figures: Mapping[str, float]
    selection: float
    picture: NDArray[np.uint8]


def validate(
    data: VideoTexts, tokenizer: Tokenizer, device: torch.device, model: CRET, scorer: PairScorer | None = None
) -> Validation:
    """Measure text to video with the model's own inference score. Open: selection by the mean of R@1, R@5 and R@10."""
    encoded = evaluate.encode(model, tokenizer, data, device=device, tokens=scorer is not None)
    pairs = evaluate.pair_scores(encoded, scorer, device) if scorer is not None else None
    similarities = evaluate.similarities(encoded, model.config.score, pairs=pairs)
    ranks = metrics.retrieval(similarities, data.owners)["text_to_video"]
    figures = {"R@1": ranks.r1, "R@5": ranks.r5, "R@10": ranks.r10, "MdR": ranks.median}
    picture = retrieval_picture(data, similarities, model.config.frames.frames)
    return Validation(figures, (ranks.r1 + ranks.r5 + ranks.r10) / 3, picture)


def retrieval_picture(data: VideoTexts, similarities: Tensor, frames: int) -> NDArray[np.uint8]:
    """Draw the retrievals of evenly chosen texts: similarities [T, V] -> [H, W, 3]."""
    chosen = np.unique(np.linspace(0, len(data.texts) - 1, TEXTS).astype(int)).tolist()
    found = similarities[chosen].topk(min(BEST, similarities.shape[1])).indices.tolist()
    return logs.retrieval_picture(
        [data.texts[text] for text in chosen],
        [[data.frames(video, frames) for video in videos] for videos in found],
        [[video == data.owners[text] for video in videos] for text, videos in zip(chosen, found, strict=True)],
    )
