"""Henze–Zirkler against published values, and the four limits of its conclusions."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.prepared import save_model, write_data
from training import gaussianity
from training.gaussianity import LEVEL, henze_zirkler

IRIS = np.loadtxt(Path(__file__).with_name("iris.csv"), delimiter=",")  # Fisher 1936, as in R: 3 species of 50


@pytest.mark.parametrize(
    ("species", "statistic", "p"),
    [(0, 0.9488453, 0.0499536), (1, 0.8388009, 0.2261991), (2, 0.7570095, 0.4970237)],
    ids=["setosa", "versicolor", "virginica"],
)
def test_the_values_of_other_implementations_on_iris(species: int, statistic: float, p: float) -> None:
    found = henze_zirkler(IRIS[50 * species : 50 * species + 50])
    assert found.statistic == pytest.approx(statistic, abs=5e-8)
    assert found.p == pytest.approx(p, abs=5e-8)


def test_no_affine_map_changes_it() -> None:
    random = np.random.default_rng(0)
    samples = random.normal(size=(20, 3))
    moved = samples @ random.normal(size=(3, 3)) + 7
    assert henze_zirkler(moved).statistic == pytest.approx(henze_zirkler(samples).statistic, rel=1e-9)


@pytest.mark.parametrize("samples", [np.zeros((10, 2)), np.ones((3, 1)) @ np.ones((1, 2)), np.eye(2)])
def test_samples_that_span_too_little_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="do not span"):
        henze_zirkler(samples)


def test_principal_components_keep_the_distances_they_can() -> None:
    random = np.random.default_rng(0)
    plane = random.normal(size=(12, 2)) @ np.linalg.qr(random.normal(size=(50, 2)))[0].T
    found = gaussianity.principal_components(plane + 3)
    assert np.ptp(found[:, 0]) > np.ptp(found[:, 1]) / 2
    before, after = (np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (plane, found))
    np.testing.assert_allclose(before, after, atol=1e-12)


# The four limits


def test_four_frames_can_never_be_rejected() -> None:
    """Not even Cauchy samples: the smallest p is far above the level."""
    smallest = min(gaussianity.power(world, 4, 400).min() for world in gaussianity.WORLDS.values())
    assert 0.15 < smallest < 0.2


def test_eight_frames_miss_most_and_sixteen_much() -> None:
    def rejected(name: str, n: int) -> float:
        return float((gaussianity.power(gaussianity.WORLDS[name], n, 400) < LEVEL).mean())

    assert 0.45 < rejected("Cauchy", 8) < 0.65
    assert rejected("two shots", 8) < 0.12
    assert rejected("Cauchy", 16) > 0.85
    assert 0.4 < rejected("two shots", 16) < 0.62


def test_frames_that_resemble_their_neighbours_are_rejected_for_that_alone() -> None:
    assert (gaussianity.power(gaussianity.random_walk, 16, 200) < LEVEL).mean() > 0.95


def test_true_gaussians_do_not_all_pass() -> None:
    """At its level the test rejects about one in twenty of 300: the probability that all pass is 2e-7."""
    rejections = (gaussianity.power(gaussianity.gaussian, 16, 300) < LEVEL).sum()
    assert 3 <= rejections <= 30
    probability = (1 - LEVEL) ** 300
    assert probability == pytest.approx(2e-7, rel=0.05)


def test_rule_of_three() -> None:
    bound = gaussianity.rule_of_three(300)
    assert bound == 0.01
    assert (1 - bound) ** 300 == pytest.approx(0.05, abs=0.002)


def test_verdict_and_summary_say_what_was_and_was_not_tested(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(6, 16, 8)).astype(np.float32)
    features[2] = features[2, 0]  # a still picture
    verdict = gaussianity.examine(features, list("abcdef"))
    assert verdict.still == ("c",)
    assert verdict.p.shape == (5,)
    known = gaussianity.limits([4, 16], trials=20)
    text = gaussianity.summary(verdict, 16, known)
    assert "5 videos" in text
    assert "1 videos could not be tested" in text
    assert "random walk" in text
    assert ("rule of three" in text) == (verdict.rejections == 0)
    if importlib.util.find_spec("matplotlib"):
        gaussianity.draw(verdict, tmp_path)
        assert {file.name for file in tmp_path.iterdir()} == {"histogram.png", "density.png"}


def test_the_command_tells_what_it_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = save_model(tmp_path / "model"), write_data(tmp_path / "data", videos=4, prepared=3)
    arguments = [str(model.folder), "msrvtt", "--data", str(data), "--out", str(tmp_path / "out"), "--frames", "8"]
    arguments += ["--device", "cpu", "--workers", "0", "--trials", "20", "--videos", "2", "--allow-missing"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert gaussianity.main(arguments) == 2
    assert "cret-desktop[training]" in capsys.readouterr().err
    assert gaussianity.main([*arguments, "--no-figures"]) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (result["videos"], result["frames"], set(result["missing"])) == (2, 8, {"video3"})
    assert len(result["p"]) == sum(result["histogram"]) == 2
    assert result["known_distributions"]["Cauchy"]["4"] == 0
