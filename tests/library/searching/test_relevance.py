from __future__ import annotations

import numpy as np
import pytest

from cret_desktop.domain.clips import Features, Match, ScoreConfig
from cret_desktop.library.searching.relevance import POSSIBLE, STRONG, Calibration, classify, relevance, z_scores
from cret_desktop.library.searching.score import score, unit

CONFIG = ScoreConfig(temperature=1.0, variance_weight=0.0)
D = 64


def texts(random: np.random.Generator, count: int) -> Features:
    return Features(unit(random.normal(size=(count, D)).astype("f4")), np.zeros((count, 0, D), "f4"))


def clips_of(directions: np.ndarray, random: np.random.Generator) -> Features:
    """Return clips whose four frames are near the given directions [N, D]."""
    frames = directions[:, None, :] + 0.3 * random.normal(size=(len(directions), 4, D)).astype("f4") / np.sqrt(D)
    return Features(unit(frames.astype("f4")), np.zeros((len(directions), 0, D), "f4"))


def best(query: Features, references: Features, clips: Features) -> float:
    heights = z_scores(score(query, clips, CONFIG)[0], score(references, clips, CONFIG))
    return float(relevance(Calibration.fit(score(references, clips, CONFIG)).calibrated(heights)).max())


@pytest.mark.parametrize("count", [1, 10, 500])
def test_what_is_there_stands_out_and_what_is_not_does_not(count: int) -> None:
    random = np.random.default_rng(count)
    references, wanted, absent = texts(random, 300), texts(random, 1), texts(random, 20)
    directions = unit(random.normal(size=(count, D)).astype("f4"))
    directions[0] = wanted.globals[0]
    clips = clips_of(directions, random)
    assert classify(best(wanted, references, clips)) is Match.STRONG
    found = [best(Features(row[None], absent.centers[:1]), references, clips) for row in absent.globals]
    assert np.mean([r < STRONG for r in found]) == 1
    assert np.mean([r < POSSIBLE for r in found]) > 0.7


def test_a_library_that_holds_most_of_the_references_still_has_strong_answers() -> None:
    random = np.random.default_rng(7)
    references, wanted = texts(random, 300), texts(random, 1)
    clips = clips_of(np.concatenate([references.globals[:180], wanted.globals]), random)
    assert best(wanted, references, clips) >= STRONG


def test_a_clip_that_fits_everything_gains_nothing() -> None:
    random = np.random.default_rng(1)
    references, query = texts(random, 300), texts(random, 1)
    directions = unit(random.normal(size=(2, D)).astype("f4"))
    clips = clips_of(directions, random)
    raised = score(references, clips, CONFIG)
    raised[:, 1] += 5.0  # a hub: scores high for every query
    plain = score(query, clips, CONFIG)[0]
    hub = plain + np.array([0.0, 5.0], np.float32)
    assert z_scores(hub, raised) == pytest.approx(z_scores(plain, score(references, clips, CONFIG)), abs=1e-3)


def test_classes() -> None:
    assert [classify(r) for r in (STRONG, POSSIBLE, POSSIBLE - 1e-9)] == [Match.STRONG, Match.POSSIBLE, Match.WEAK]
