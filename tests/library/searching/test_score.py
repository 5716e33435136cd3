from __future__ import annotations

import numpy as np
import pytest

from cret_desktop.domain.clips import Features, ScoreConfig
from cret_desktop.library.searching.score import score, unit


@pytest.fixture
def features() -> tuple[Features, Features]:
    random = np.random.default_rng(3)
    text = Features(unit(random.normal(size=(3, 8)).astype("f4")), random.normal(size=(3, 2, 8)).astype("f4"))
    clips = Features(random.normal(size=(5, 4, 8)).astype("f4"), random.normal(size=(5, 2, 8)).astype("f4"))
    return text, clips


def test_gaussian_term_equals_the_explicit_covariance(features: tuple[Features, Features]) -> None:
    """<t, mu> + 1/2 <t, S t> with the D x D covariance of the frames, as in the paper."""
    text, clips = features
    config = ScoreConfig(temperature=0.5, variance_weight=0.7, center_weight=0.0)
    got = score(text, clips, config)
    for q, t in enumerate(text.globals.astype("f8") / 0.5):
        for n, frames in enumerate(clips.globals.astype("f8")):
            covariance = np.cov(frames.T, bias=True)
            expected = t @ frames.mean(axis=0) + 0.5 * 0.7 * t @ covariance @ t
            assert got[q, n] == pytest.approx(expected, rel=1e-5)


def test_centers_add_their_mean_cosine(features: tuple[Features, Features]) -> None:
    text, clips = features
    base = ScoreConfig(temperature=0.5, center_weight=0.0)
    added = score(text, clips, ScoreConfig(temperature=0.5, center_weight=2.0)) - score(text, clips, base)
    cosines = np.einsum("qcd,ncd->qnc", unit(text.centers), unit(clips.centers)).mean(axis=-1)
    assert added == pytest.approx(cosines * 2.0 / 0.5, rel=1e-4)


def test_max_pooling_takes_the_best_frame(features: tuple[Features, Features]) -> None:
    text, clips = features
    config = ScoreConfig(temperature=1.0, center_weight=0.0, pooling="max")
    assert score(text, clips, config) == pytest.approx(
        np.einsum("qd,nmd->qnm", text.globals, clips.globals).max(axis=-1), rel=1e-5
    )


def test_no_clips_and_no_centers() -> None:
    text = Features(np.ones((2, 4), "f4"), np.zeros((2, 0, 4), "f4"))
    none = Features(np.zeros((0, 4, 4), "f4"), np.zeros((0, 0, 4), "f4"))
    assert score(text, none, ScoreConfig()).shape == (2, 0)
