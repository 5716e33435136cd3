"""GEES and CCM against their definitions: explicit covariances, samples of the Gaussian, and the app's score."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cret_desktop.domain import clips
from cret_desktop.library.searching import score
from cret_desktop.messages import render
from training.losses import (
    Features,
    Form,
    LossConfig,
    center_logits,
    cret_losses,
    frame_scores,
    gees_logits,
    gees_losses,
)

FORMS: tuple[Form, ...] = get_args(Form)
TEMPERATURE = 0.3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def features(rows: int = 5, frames: int = 4, centers: int = 3, width: int = 7, seed: int = 0) -> Features:
    return Features(
        F.normalize(normal(rows, width, seed=seed), dim=-1),
        F.normalize(normal(rows, centers, width, seed=seed + 1), dim=-1),
        F.normalize(normal(rows, frames, width, seed=seed + 2), dim=-1),
        F.normalize(normal(rows, centers, width, seed=seed + 3), dim=-1),
    )


@pytest.mark.parametrize("unbiased", [False, True])
def test_the_variance_of_scores_is_the_covariance_of_frames_between_two_texts(unbiased: bool) -> None:
    text, frames = normal(6, 16), normal(5, 4, 16, seed=1)
    expected = torch.empty(6, 5, dtype=torch.float64)
    for video in range(5):
        covariance = torch.cov(frames[video].T, correction=int(unbiased)) / TEMPERATURE**2  # [D, D]
        mean = frames[video].mean(0) / TEMPERATURE
        expected[:, video] = text @ mean + 0.5 * 0.7 * ((text @ covariance) * text).sum(1)
    torch.testing.assert_close(gees_logits(text, frames, TEMPERATURE, 0.7, unbiased), expected, rtol=1e-9, atol=1e-9)


def monte_carlo(own: int, mean: Tensor, scores: Tensor, draws: int = 200_000) -> float:
    """Estimate E[NCE] of one video against texts whose scores are Gaussian with mean [A].

    scores [A, M]: the covariance between the texts' scores is that between these rows.
    """
    factor = (scores - scores.mean(1, keepdim=True)) / scores.shape[1] ** 0.5  # [A, M]; factor @ factor.T: biased
    noise = normal(draws, scores.shape[1], seed=9)
    logits = mean + noise @ factor.T  # [draws, A]
    return float((torch.logsumexp(logits, 1) - logits[:, own]).mean())


def test_one_dimension_shows_which_forms_are_bounds() -> None:
    """A video of mean 0 and deviation 3 against the texts 1 and 0: the paper's form is no bound of E[NCE]."""
    frames = torch.tensor([[[3.0], [-3.0]]], dtype=torch.float64)  # mean 0, biased deviation 3
    text = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    scores = frame_scores(text, frames, 1.0).transpose(0, 1)  # [1, 2, 2]
    own = torch.tensor([0])
    loss = {form: gees_losses(scores, own, form, 1.0).item() for form in FORMS}
    truth = monte_carlo(0, torch.zeros(2, dtype=torch.float64), scores[0])
    assert truth == pytest.approx(1.392, abs=0.02)
    assert loss["nce"] == pytest.approx(0.6931, abs=1e-4)
    assert loss["paper"] == pytest.approx(0.011, abs=1e-3)
    assert loss["jensen"] == loss["isda"] == pytest.approx(4.511, abs=1e-3)
    assert loss["paper"] < truth < loss["jensen"]


@pytest.mark.parametrize("seed", range(5))
def test_jensen_and_isda_bound_the_expected_loss_of_many_texts(seed: int) -> None:
    scores = frame_scores(normal(6, 8, seed=seed), normal(1, 5, 8, seed=seed + 50), 2.0).transpose(0, 1)  # [1, 6, 5]
    own = torch.tensor([seed % 6])
    truth = monte_carlo(int(own), scores[0].mean(1), scores[0], draws=20_000)
    for form in ("jensen", "isda"):
        assert gees_losses(scores, own, form, 1.0).item() > truth


@pytest.mark.parametrize("seed", range(3))
def test_isda_bounds_a_text_against_videos_that_are_drawn_each_for_itself(seed: int) -> None:
    scores = frame_scores(normal(1, 8, seed=seed), normal(6, 5, 8, seed=seed + 50), 2.0)  # [1, 6, 5]
    own = torch.tensor([seed])
    noise = normal(20_000, 6, seed=9) * scores[0].std(1, correction=0)
    logits = scores[0].mean(1) + noise
    truth = (torch.logsumexp(logits, 1) - logits[:, seed]).mean().item()
    assert gees_losses(scores, own, "isda", 1.0, one_draw=False).item() > truth


@pytest.mark.parametrize("form", FORMS)
def test_without_spread_every_form_is_nce(form: Form) -> None:
    still = normal(5, 1, 8).expand(-1, 4, -1)
    scores = frame_scores(normal(5, 8, seed=1), still, TEMPERATURE)
    own = torch.arange(5)
    expected = F.cross_entropy(scores.mean(-1), own, reduction="none")
    for one_draw in (True, False):
        torch.testing.assert_close(gees_losses(scores, own, form, 1.0, one_draw=one_draw), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("directions", ["both", "video_to_text", "text_to_video"])
def test_gradients(form: Form, directions: Literal["both", "video_to_text", "text_to_video"]) -> None:
    config = LossConfig(form=form, temperature=TEMPERATURE, center_temperature=TEMPERATURE)
    config = dataclasses.replace(config, directions=directions)

    def loss(*parts: Tensor) -> Tensor:
        return cret_losses(Features(*parts), Features(*parts), 0, config, 0.6).total

    assert torch.autograd.gradcheck(loss, [part.requires_grad_() for part in features(rows=3)])


def test_rows_of_two_processes_are_the_rows_of_one() -> None:
    everyone = features(rows=6)
    config = LossConfig()
    whole = cret_losses(everyone, everyone, 0, config, 1.0)
    halves = [
        cret_losses(Features(*(part[offset : offset + 3] for part in everyone)), everyone, offset, config, 1.0)
        for offset in (0, 3)
    ]
    for expected, first, second in zip(whole, *halves, strict=True):
        torch.testing.assert_close((first + second) / 2, expected)


def test_directions_are_averaged_and_centers_weighted() -> None:
    batch = features()
    config = LossConfig(center_weight=0.25)
    both = cret_losses(batch, batch, 0, config, 1.0)
    single = [
        cret_losses(batch, batch, 0, dataclasses.replace(config, directions=direction), 1.0)
        for direction in ("video_to_text", "text_to_video")
    ]
    torch.testing.assert_close(both.gaussian, (single[0].gaussian + single[1].gaussian) / 2)
    torch.testing.assert_close(both.total, both.gaussian + 0.25 * both.centers)
    cosines = torch.einsum("tcd,vcd->tvc", batch.text_centers, batch.video_centers).mean(-1) / config.center_temperature
    rows = torch.arange(5)
    expected = (F.cross_entropy(cosines, rows) + F.cross_entropy(cosines.T, rows)) / 2
    torch.testing.assert_close(both.centers, expected)


def test_a_model_without_centers_has_no_center_loss() -> None:
    batch = features(centers=0)
    losses = cret_losses(batch, batch, 0, LossConfig(), 1.0)
    assert losses.centers == 0
    assert losses.total == losses.gaussian > 0


def test_one_frame_has_no_variance() -> None:
    text, frames = normal(3, 8), normal(2, 1, 8)
    for unbiased in (False, True):
        torch.testing.assert_close(gees_logits(text, frames, 0.5, 1.0, unbiased), text @ frames[:, 0].T / 0.5)


def test_losses_are_float32_where_features_are_not() -> None:
    batch = features()
    half = Features(*(part.bfloat16() for part in batch))
    with torch.autocast("cpu", torch.bfloat16):
        losses = cret_losses(half, half, 0, LossConfig(), 1.0)
    expected = cret_losses(
        Features(*(part.float() for part in half)), Features(*(part.float() for part in half)), 0, LossConfig(), 1.0
    )
    assert losses.total.dtype == torch.float32
    torch.testing.assert_close(losses.total, expected.total)


@pytest.mark.parametrize("weight", [0.0, 0.7, 1.0])
def test_training_and_the_app_score_alike(weight: float) -> None:
    batch = Features(*(part.float() for part in features()))
    config = clips.ScoreConfig(temperature=0.05, variance_weight=weight, center_weight=0.5)
    ours = gees_logits(batch.text, batch.frames, config.temperature, weight)
    ours = ours + config.center_weight * center_logits(batch.text_centers, batch.video_centers, config.temperature)
    theirs = score.score(
        clips.Features(batch.text.numpy(), batch.text_centers.numpy()),
        clips.Features(batch.frames.numpy(), batch.video_centers.numpy()),
        config,
    )
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", [{"temperature": 0.0}, {"variance_weight": -1.0}, {"variance_warmup": 2.0}])
def test_problems_name_their_field(change: dict[str, float]) -> None:
    (problem,) = dataclasses.replace(LossConfig(), **change).problems()  # type: ignore[arg-type]
    assert next(iter(change)) in render(problem)
