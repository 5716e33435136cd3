"""Retrieval metrics over a matrix of similarities, and the two re-rankings that papers report separately.

Ranks are 1-based and ties count against the model: candidates that score as high as the right answer rank before it. A
model with constant scores is thus last, not first. Pure functions over tensors, independent of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Ranks:
    """The metrics of one direction. r1, r5, r10: per cent of the queries; median, mean: of the ranks."""

    r1: float
    r5: float
    r10: float
    median: float
    mean: float
    queries: int

    @classmethod
    def of(cls, ranks: Tensor) -> Ranks:
        """Compute the metrics of 1-based ranks int64 [Q]. The median of an even number is the middle two's mean."""
        ordered = ranks.double().sort().values
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        r1, r5, r10 = (100 * (ranks <= k).double().mean().item() for k in (1, 5, 10))
        return cls(r1, r5, r10, middle.item(), ordered.mean().item(), len(ranks))

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def retrieval(similarities: Tensor, owners: Sequence[int] | Tensor) -> dict[str, Ranks]:
    """Compute the metrics of both directions, by the names `text_to_video` and `video_to_text`.

    similarities: [T, V]; owners[i]: the video that text i describes.
    """
    return {
        "text_to_video": Ranks.of(text_to_video_ranks(similarities, owners)),
        "video_to_text": Ranks.of(video_to_text_ranks(similarities, owners)),
    }


def text_to_video_ranks(similarities: Tensor, owners: Sequence[int] | Tensor) -> Tensor:
    """Return the rank of each text's video, int64 [T]. Each text of a video is a query. Raises: ValueError."""
    owners = _checked(similarities, owners)
    own = similarities.gather(1, owners[:, None])  # [T, 1]
    ranks = [
        (rows >= right).sum(1)
        for rows, right in zip(similarities.split(_ROWS_AT_ONCE), own.split(_ROWS_AT_ONCE), strict=True)
    ]
    return torch.cat(ranks)  # 1-based, because the right video is as high as itself


def video_to_text_ranks(similarities: Tensor, owners: Sequence[int] | Tensor) -> Tensor:
    """Return ranks int64 [V]: a video's best own text among the texts of others. Raises: ValueError."""
    owners = _checked(similarities, owners)
    own = torch.zeros_like(similarities, dtype=torch.bool).scatter_(1, owners[:, None], True)  # [T, V]
    best = similarities.masked_fill(~own, -torch.inf).amax(0)  # [V]
    return 1 + ((similarities >= best) & ~own).sum(0)


def dual_softmax(similarities: Tensor) -> Tensor:
    """Apply DSL: log of the product of the softmax over videos and the softmax over texts (CAMoE, arXiv 2109.04290).

    similarities: logits [T, V], divided by the temperature. The paper multiplies the similarity itself by the second
    softmax; the product of both gives the same order for confident rows and also handles negative similarities.
    DSL needs all other queries, which a search engine does not have, so results list it in its own row.
    """
    similarities = similarities.float()
    return similarities.log_softmax(1) + similarities.log_softmax(0)


def querybank_norm(similarities: Tensor, bank: Tensor) -> Tensor:
    """Apply QB-Norm with its dynamic inverted softmax (Bogolin et al., CVPR 2022): [Q, G], to be ranked along each row.

    similarities: logits [Q, G] of queries against a gallery, divided by the temperature (the paper's 1 / beta; 0.05
    is its 20). bank: logits [B, G] of other queries, from the training set, against the same gallery.
    Only rows whose first choice is also the first choice of some query in the bank are divided by each item's score
    in the bank. For video to text, transpose both.
    """
    similarities, bank = similarities.float(), bank.float()
    hubs = torch.zeros(similarities.shape[1], dtype=torch.bool, device=similarities.device)
    hubs[bank.argmax(1)] = True
    normed = similarities - bank.logsumexp(0)
    return torch.where(hubs[similarities.argmax(1)][:, None], normed, similarities)


def _checked(similarities: Tensor, owners: Sequence[int] | Tensor) -> Tensor:
    """Return owners as a tensor. Raises: ValueError for wrong shapes, infinite similarities, videos without text."""
    owners = torch.as_tensor(owners, dtype=torch.int64, device=similarities.device)
    if similarities.ndim != 2 or owners.shape != similarities.shape[:1]:
        raise ValueError(f"{list(similarities.shape)} similarities do not fit {list(owners.shape)} owners")
    if not torch.isfinite(similarities).all():
        raise ValueError("similarities are not finite")
    if len(owners.unique()) != similarities.shape[1]:
        raise ValueError("a video has no text")
    return owners
