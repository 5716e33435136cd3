"""The model-based baseline: its scores, and its use by the unchanged trainer, losses and evaluation."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cret_desktop.domain.clips import ScoreConfig
from cret_desktop.errors import ModelError, UsageError
from cret_desktop.model.config import CRETConfig
from tests.model import tiny
from tests.training import worlds
from training import evaluate, export, logs, pairwise, recipes, runs, synthetic
from training.config import ConfigError
from training.losses import gees_losses
from training.pairwise import PairScorer, PairwiseConfig, TextTokens, VideoTokens

HEADS = PairwiseConfig(layers=2, heads=2)
LENGTH = 5
SETTINGS = ["pairwise.layers=1", "pairwise.heads=2", "pairwise.dropout=0.2"]


def scorer(config: CRETConfig) -> PairScorer:
    torch.manual_seed(0)
    made = PairScorer(HEADS, config).eval()
    torch.nn.init.normal_(made.head.weight)
    return made


def tokens(config: CRETConfig, texts: int = 40, videos: int = 10) -> tuple[TextTokens, VideoTokens]:
    draw = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    lengths = torch.arange(texts) % LENGTH + 1
    mask = (torch.arange(LENGTH) < lengths[:, None]).float()
    return (
        TextTokens(random(texts, config.width), random(texts, LENGTH, config.text.width), mask),
        VideoTokens(random(videos, 3, config.width), random(videos, 4, config.video.local_width)),
    )


def test_every_pair_is_scored_as_if_it_were_alone() -> None:
    config = tiny.paper()
    made, (texts, videos) = scorer(config), tokens(config)
    scores = pairwise.score_all(made, texts, videos, torch.device("cpu"))
    assert scores.shape == (40, 10, 3)
    for text, video in ((0, 0), (33, 9), (39, 2)):
        with torch.no_grad():
            alone = made(
                TextTokens(*(part[text : text + 1] for part in texts)),
                VideoTokens(*(part[video : video + 1] for part in videos)),
            )
        torch.testing.assert_close(scores[text, video], alone[0, 0], atol=1e-5, rtol=1e-4)
    assert len(scores.unique()) == scores.numel()


def test_padded_tokens_change_nothing() -> None:
    config = tiny.paper()
    made, (texts, videos) = scorer(config), tokens(config, 4, 2)
    other = texts._replace(tokens=torch.where(texts.mask[..., None] == 0, 7.0, texts.tokens))
    assert not torch.equal(other.tokens, texts.tokens)
    more, mask = pairwise.pad_tokens(other.tokens, other.mask > 0, LENGTH + 3)
    with torch.no_grad():
        torch.testing.assert_close(made(TextTokens(texts.text, more, mask), videos), made(texts, videos))


def test_each_part_of_a_pair_counts() -> None:
    config = tiny.paper()
    made, (texts, videos) = scorer(config), tokens(config, 4, 2)
    with torch.no_grad():
        plain = made(texts, videos)
        for part in ("text", "tokens"):
            assert not torch.allclose(made(texts._replace(**{part: -getattr(texts, part)}), videos), plain)
        for part in ("frames", "patches"):
            assert not torch.allclose(made(texts, videos._replace(**{part: -getattr(videos, part)})), plain)


def test_a_new_scorer_prefers_nothing() -> None:
    config = tiny.paper()
    scores = PairScorer(HEADS, config).eval()(*tokens(config, 4, 2))
    assert scores.abs().max() == 0
    losses = gees_losses(scores.detach().transpose(0, 1), torch.arange(2), "paper", 1.0)
    torch.testing.assert_close(losses, torch.full((2,), math.log(4)))


def test_it_is_saved_with_its_configuration(tmp_path: Path) -> None:
    config = tiny.paper()
    made = scorer(config)
    pairwise.save(made, tmp_path)
    found = pairwise.load(tmp_path, config)
    assert found is not None
    assert found.config == HEADS
    with torch.no_grad():
        assert torch.equal(found(*tokens(config)), made(*tokens(config)))
    with pytest.raises(ModelError, match="no pairwise scorer of this model"):
        pairwise.load(tmp_path, tiny.aligned())
    (tmp_path / pairwise.WEIGHTS).write_bytes(b"torn")
    with pytest.raises(ModelError, match="no pairwise scorer of this model"):
        pairwise.load(tmp_path, config)
    assert pairwise.load(tmp_path / "elsewhere", config) is None


@pytest.mark.parametrize("setting", ["layers=-1", "heads=0", "dropout=1", "heads=7"])
def test_impossible_sizes_are_named(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"pairwise\."):
        recipes.recipe("synthetic").changed(["pairwise.layers=1", f"pairwise.{setting}"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world whose training split has ten clips."""
    folder = tmp_path_factory.mktemp("world")
    synthetic.generate(folder, "tiny")
    lines = (folder / "train.jsonl").read_text().splitlines(keepends=True)
    (folder / "train.jsonl").write_text("".join(lines[:10]))
    return folder


@pytest.mark.parametrize(("form", "centers"), [("paper", 2), ("nce", 0)])
def test_the_trainer_trains_it_with_gees_and_ccm_or_without(
    form: str, centers: int, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SETTINGS, f"loss.form={form}", f"model.correspondence.centers={centers}", "data.group=1"]
    settings += ["steps=60", "save_every=60", "validate_every=60", "optimiser.learning_rate=0.01"]
    settings += ["model.text.dropout=0", "model.temporal.dropout=0", "pairwise.dropout=0"]
    assert worlds.train_synthetic(data, tmp_path / "run", settings=settings) == 0
    with (tmp_path / "run" / logs.STEPS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["gaussian_loss"]) for row in rows]
    assert losses[0] == pytest.approx(math.log(10), abs=1e-4)
    assert np.mean(losses[-3:]) < 0.85 * math.log(10)
    assert any(float(row["center_loss"]) for row in rows) == bool(centers)
    found = runs.open_checkpoint(tmp_path / "run")
    assert found.is_pairwise
    arguments = [str(tmp_path / "run"), "synthetic", "--data", str(data), "--out", str(tmp_path / "out")]
    assert evaluate.main([*arguments, "--device", "cpu", "--workers", "0", "--split", "val"]) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert result["checkpoint"]["pairwise"]["layers"] == 1
    assert [row["name"] for row in result["rows"]] == ["with variance", "without variance", "DSL"]
    assert "score every pair of the bank" in (tmp_path / "out" / "results.md").read_text()
    with pytest.raises(UsageError, match="cannot be indexed"):
        export.export(found, tmp_path / "exported")


def test_its_score_is_that_of_its_network_and_its_centers(data: Path, tmp_path: Path) -> None:
    assert worlds.train_synthetic(data, tmp_path / "run", settings=[*SETTINGS, "steps=4"]) == 0
    found = runs.open_checkpoint(tmp_path / "run")
    (model, tokenizer), made = found.load(), found.load_scorer()
    assert made is not None
    split = synthetic.open_split(data, "val")
    encoded = evaluate.encode(model, tokenizer, split, tokens=True)
    pairs = evaluate.pair_scores(encoded, made, torch.device("cpu"))
    plain = evaluate.similarities(encoded, ScoreConfig(variance_weight=0, center_weight=0), pairs=pairs)
    torch.testing.assert_close(plain, pairs.mean(-1))
    varied = evaluate.similarities(encoded, ScoreConfig(variance_weight=2, center_weight=0), pairs=pairs)
    torch.testing.assert_close(varied, pairs.mean(-1) + pairs.var(-1, correction=0))
    centers = evaluate.similarities(encoded, ScoreConfig(variance_weight=0, center_weight=1), pairs=pairs)
    assert not torch.allclose(centers, plain)
