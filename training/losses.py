"""CRET's losses: contrastive losses over a batch of texts and videos, each video a Gaussian of its frames.

GEES (Gaussian Estimation of the Embedding Space) takes a video's M frame features as samples of a Gaussian. For a text
t and a frame v_m let s_m = <t, v_m> / temperature. With S the covariance of the frames, <t, S t> is the variance of
<t, v_m> over m, so no D x D matrix is ever built: every form below needs only the scores s [B, B, M].

CCM (Cross-modal Correspondence Modelling) compares the C centers of a text and a video by the mean of their cosines.

This module does not depend on a device, a process group or a model: the caller gathers the features (`distributed`).
Logits, variances and losses are float32 (float64 for float64 features), also under autocast.
Letters: B rows of this process, A of the whole batch, M frames, C centers, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from cret_desktop.messages import Message

Form = Literal["nce", "paper", "jensen", "isda"]


@dataclass(frozen=True, slots=True)
class LossConfig:
    """The losses' form and weights."""

    # How a video's Gaussian enters the loss, see `gees_losses`. Stated: GEES, which is `paper`.
    form: Form = "paper"
    # Open: 0.05. The variance grows with its inverse square: keep it at 0.05 or above.
    temperature: float = 0.05
    # Lambda, the weight of the variance. Stated: 1.
    variance_weight: float = 1.0
    # Share of all steps over which lambda rises from 0. Open: 0.1.
    variance_warmup: float = 0.1
    # Compute the variance with M - 1 in the denominator. Open: no, as at inference (`library.searching.score`).
    unbiased: bool = False
    # Stated: each video against the texts. Open: both.
    directions: Literal["both", "video_to_text", "text_to_video"] = "both"
    # Weight of CCM's loss, which is plain NCE (stated). Open: equal weights. No effect without centers.
    center_weight: float = 1.0
    # Open: as `temperature`.
    center_temperature: float = 0.05

    def problems(self) -> list[Message]:
        """Return the faults of these values, each as a part of a sentence."""
        found = []
        if min(self.temperature, self.center_temperature) <= 0:
            found.append(Message("config.not-positive", names="loss.temperature, loss.center_temperature"))
        if min(self.variance_weight, self.center_weight) < 0:
            found.append(Message("training.not-negative", names="loss.variance_weight, loss.center_weight"))
        if not 0 <= self.variance_warmup <= 1:
            found.append(Message("training.step-share", name="loss.variance_warmup"))
        return found


class Features(NamedTuple):
    """The model's output for a batch of pairs; row i of the texts belongs to row i of the videos."""

    text: Tensor  # [B, D]
    text_centers: Tensor  # [B, C, D], unit vectors; C is 0 without CCM
    frames: Tensor  # [B, M, D]
    video_centers: Tensor  # [B, C, D]


class TokenFeatures(NamedTuple):
    """The input of a pairwise model (`training.pairwise`): `Features` plus tokens."""

    text: Tensor
    text_centers: Tensor
    frames: Tensor
    video_centers: Tensor
    text_tokens: Tensor  # [B, L, W]
    text_mask: Tensor  # [B, L], 1 for real tokens, else 0
    patches: Tensor  # [B, P, W_local]


Batch = TypeVar("Batch", Features, TokenFeatures)


class Losses(NamedTuple):
    """Means over this process's rows and over the directions."""

    total: Tensor
    gaussian: Tensor  # GEES or NCE
    centers: Tensor  # CCM, unweighted


def frame_scores(text: Tensor, frames: Tensor, temperature: float) -> Tensor:
    """Return s: text [B_text, D], frames [B_video, M, D] -> [B_text, B_video, M]."""
    with torch.autocast(text.device.type, enabled=False):
        return torch.einsum("td,vmd->tvm", _full(text), _full(frames)) / temperature


def gees_logits(
    text_BD: Tensor, frames_BMD: Tensor, temperature: float, scale: float = 1.0, unbiased: bool = False
) -> Tensor:
    """Return the exponent of GEES, mean_m(s_m) + 1/2 scale var_m(s_m), [B_text, B_video].

    Equal to <t, mu> + 1/2 scale <t, S t> with the mean and covariance of the frames over the temperature (CRET, SIGIR
    2022). `scale` 0 gives the logits of plain NCE over the mean of the frames.
    """
    return gaussian_logits(frame_scores(text_BD, frames_BMD, temperature), scale, unbiased)


def gaussian_logits(scores: Tensor, scale: float = 1.0, unbiased: bool = False) -> Tensor:
    """Return `gees_logits` from per-frame scores of any origin: [..., M] -> [...]."""
    return scores.mean(-1) + 0.5 * scale * _variance(scores, unbiased)


def center_logits(text_BCD: Tensor, video_BCD: Tensor, temperature: float) -> Tensor:
    """Return CCM's mean cosine of the centers / temperature: unit vectors [B_text, C, D], [B_video, C, D]."""
    with torch.autocast(text_BCD.device.type, enabled=False):
        text, video = _full(text_BCD).flatten(1), _full(video_BCD).flatten(1)
        return text @ video.T / (text_BCD.shape[1] * temperature)


def gees_losses(
    scores: Tensor, own: Tensor, form: Form, scale: float, unbiased: bool = False, one_draw: bool = True
) -> Tensor:
    """Return the losses of one direction, one per anchor: scores [R, A, M] of R anchors with A candidates -> [R].

    The candidates are the texts of a video, or the videos of a text; own int64 [R] is the index of the right one.
    With a the mean of an anchor's scores with a candidate and q their variance times scale:

    nce     logsumexp_j(a_j) - a_own: ignores the spread of the frames.
    paper   logsumexp_j(a_j + q_j / 2) - (a_own + q_own / 2): as published. The paper calls it an upper bound of the
            expected NCE; it is not, because q_own lowers it without limit.
    jensen  logsumexp_j(a_j + q_j / 2) - a_own: E[log] <= log E for the sum, and the numerator's mean is exact. A bound.
    isda    logsumexp_j(a_j - a_own + q'_j / 2), q' the variance of the difference to the own score (implicit semantic
            data augmentation, Wang et al. 2019). Also a bound.

    one_draw: whether all scores of an anchor share one draw (a video against texts), or each candidate has its
    own (a text against videos), so that variances add up in q'. The bounds hold for Gaussians and a scale of 1.
    """
    mean, variance = scores.mean(-1), scale * _variance(scores, unbiased)  # [R, A] both
    right = mean.gather(1, own[:, None])  # [R, 1]
    if form == "nce":
        return F.cross_entropy(mean, own, reduction="none")
    if form == "paper":
        return F.cross_entropy(mean + 0.5 * variance, own, reduction="none")
    if form == "jensen":
        return torch.logsumexp(mean + 0.5 * variance, 1) - right.squeeze(1)
    if one_draw:
        own_scores = scores.gather(1, own[:, None, None].expand(-1, 1, scores.shape[2]))  # [R, 1, M]
        spread = scale * _variance(scores - own_scores, unbiased)
    else:
        spread = variance + variance.gather(1, own[:, None])
        spread = spread.scatter(1, own[:, None], 0.0)  # zero variance: the right candidate does not differ from itself
    return torch.logsumexp(mean - right + 0.5 * spread, 1)


def cret_losses(
    here: Batch,
    everyone: Batch,
    offset: int,
    config: LossConfig,
    scale: float,
    pair_scores: Callable[[Batch, Batch], Tensor] | None = None,
) -> Losses:
    """Compute the losses of this process's rows against the whole batch.

    here: B rows; everyone: A rows, in which `here` begins at row `offset`. scale: lambda at this step.
    pair_scores: scores the texts of its first argument with the videos of its second, [B_text, B_video, M]; None for
        `frame_scores`.
    The mean of these means over all processes is the loss of the whole batch.
    """

    def scores_of(texts: Batch, videos: Batch) -> Tensor:
        if pair_scores is not None:
            return pair_scores(texts, videos)
        return frame_scores(texts.text, videos.frames, config.temperature)

    own = offset + torch.arange(len(here.text), device=here.text.device)
    alone = scores_of(here, everyone) if len(here.text) == len(everyone.text) else None  # shared by both directions
    gaussian, centers = [], []
    has_centers = here.text_centers.shape[1] > 0
    if config.directions != "text_to_video":
        scores = (scores_of(everyone, here) if alone is None else alone).transpose(0, 1)  # [B, A, M]
        gaussian.append(gees_losses(scores, own, config.form, scale, config.unbiased))
        if has_centers:
            logits = center_logits(everyone.text_centers, here.video_centers, config.center_temperature).T
            centers.append(F.cross_entropy(logits, own, reduction="none"))
    if config.directions != "video_to_text":
        scores = scores_of(here, everyone) if alone is None else alone  # [B, A, M]
        gaussian.append(gees_losses(scores, own, config.form, scale, config.unbiased, one_draw=False))
        if has_centers:
            logits = center_logits(here.text_centers, everyone.video_centers, config.center_temperature)
            centers.append(F.cross_entropy(logits, own, reduction="none"))
    gaussian_loss = torch.stack(gaussian).mean()
    center_loss = torch.stack(centers).mean() if centers else torch.zeros_like(gaussian_loss)
    return Losses(gaussian_loss + config.center_weight * center_loss, gaussian_loss, center_loss)


def _full(tensor: Tensor) -> Tensor:
    """Return at least float32: half precision loses the small differences that the softmax depends on."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _variance(scores: Tensor, unbiased: bool) -> Tensor:
    """Return the variance over the last axis; 0 for one frame, whatever the denominator."""
    if scores.shape[-1] == 1:
        return torch.zeros_like(scores[..., 0])
    return scores.var(-1, correction=int(unbiased))
