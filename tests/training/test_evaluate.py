"""Evaluation of a tiny model, end to end and in parts; its score equals the app's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cret_desktop.domain.clips import ScoreConfig
from cret_desktop.errors import ModelError
from cret_desktop.library.searching.score import score as app_score
from cret_desktop.model import checkpoint
from cret_desktop.model.cret import CRET
from cret_desktop.model.encoder import open_model
from cret_desktop.model.transforms import Tokenizer
from tests.training.prepared import TEXTS, Noise, save_model, write_data
from training import evaluate, published, runs
from training.datasets.pairs import fit_frames


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> checkpoint.Manifest:
    return save_model(tmp_path_factory.mktemp("model"))


def load(manifest: checkpoint.Manifest) -> tuple[CRET, Tokenizer]:
    return runs.open_checkpoint(manifest.folder).load()


@pytest.mark.parametrize(
    "score",
    [ScoreConfig(), ScoreConfig(variance_weight=0), ScoreConfig(center_weight=0), ScoreConfig(0.1, pooling="max")],
)
def test_similarities_are_the_apps_own_score(saved: checkpoint.Manifest, score: ScoreConfig) -> None:
    model, tokenizer = load(saved)
    data = Noise()
    encoded = evaluate.encode(model, tokenizer, data, batch=2)
    app = open_model(str(saved.folder), "cpu")
    config = saved.config
    clips = np.stack([fit_frames(data.frames(video, config.frames.frames), config.frames) for video in range(3)])
    expected = app_score(app.text.encode(TEXTS), app.video.encode(clips), score)
    app.video.release()
    np.testing.assert_allclose(evaluate.similarities(encoded, score), expected, rtol=2e-4, atol=2e-4)


def test_encoding_gives_what_it_says_and_leaves_the_model_as_it_was(saved: checkpoint.Manifest) -> None:
    model, tokenizer = load(saved)
    model.train()
    encoded = evaluate.encode(model, tokenizer, Noise(), 6, batch=2)
    config = saved.config
    assert model.training
    assert encoded.text_globals.shape == (5, config.width)
    assert encoded.frame_features.shape == (3, 6, config.width)
    assert encoded.video_centers.shape == (3, config.correspondence.centers, config.width)
    assert encoded.owners.tolist() == [0, 1, 2, 1, 0]
    # No dropout, for any batch size and number of workers.
    again = evaluate.encode(model, tokenizer, Noise(), 6, batch=3, workers=1)
    torch.testing.assert_close(again.frame_features, encoded.frame_features)


def perfect(videos: int = 4) -> evaluate.Encoded:
    """Return features in which text i equals the only frame of video i."""
    eye = torch.eye(videos)
    none = torch.empty(videos, 0, videos)
    return evaluate.Encoded(eye, none, eye[:, None], none, torch.arange(videos), 0.0, 0.0)


def test_rows_show_the_score_with_and_without_its_variance() -> None:
    rows = evaluate.score_rows(perfect(), ScoreConfig(), bank=perfect())
    assert [(row.name, row.own) for row in rows] == [
        ("with variance", True),
        ("without variance", False),
        ("DSL", False),
        ("QB-Norm", False),
    ]
    assert all(ranks.r1 == 100 for row in rows for ranks in row.ranks.values())
    rows = evaluate.score_rows(perfect(), ScoreConfig(variance_weight=0, center_weight=0))
    assert [(row.name, row.own) for row in rows][:2] == [("with variance", False), ("without variance", True)]
    rows = evaluate.score_rows(perfect(), ScoreConfig(pooling="max"))
    assert [row.name for row in rows if row.own] == ["maximum over frames"]


def test_the_variance_term_is_in_one_row_only() -> None:
    """By their means both texts find their video; the variance draws each to the other one."""
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    frames = torch.tensor([[[0.6, 0.8], [0.6, -0.8]], [[1.0, 0.0], [0.0, 1.0]]])
    none = torch.empty(2, 0, 2)
    encoded = evaluate.Encoded(texts, none, frames, none, torch.tensor([0, 1]), 0.0, 0.0)
    ranks = {row.name: row.ranks["text_to_video"] for row in evaluate.score_rows(encoded, ScoreConfig(0.05))}
    assert ranks["without variance"].r1 == 100
    assert ranks["with variance"].r1 == 0


def test_the_command_writes_figures_tables_and_examples(
    saved: checkpoint.Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_data(tmp_path / "data"), tmp_path / "out"
    arguments = [str(saved.folder), "msrvtt", "--data", str(data), "--out", str(out), "--frames", "2", "4"]
    arguments += ["--compare", "--device", "cpu", "--workers", "0", "--examples", "3"]
    assert evaluate.main(arguments) == 0
    result = json.loads((out / "results.json").read_text())
    assert (result["videos"], result["texts"], result["missing"], result["published_videos"]) == (4, 4, {}, 1000)
    assert [(row["name"], row["frames"]) for row in result["rows"]] == [
        (name, frames) for frames in (2, 4) for name in ("with variance", "without variance", "DSL")
    ]
    assert result["checkpoint"]["fingerprint"] == saved.fingerprint
    assert "msrvtt expects" in result["query_bank"]["reason"]  # the training split's files are missing
    assert {"git", "environment"} <= result.keys()
    text = (out / "results.md").read_text()
    assert text in capsys.readouterr().out
    assert "| CRET (paper) | 4 | 23.9 | 50.8 | 63.4 | 5.0 | |" in text
    assert "| GEES (paper) | 49.2 | 50.7 | 50.8 | 51.1 |" in text
    ours = next(
        line for line in text.splitlines() if line.startswith("| with variance | ") and line.endswith("|  |  |")
    )
    assert ours.count("|") == 6  # 8 and 16 frames were not measured: empty cells
    page = (out / "examples.html").read_text()
    assert page.count("<h2>") == 3
    assert page.count("class=right") == 3


def test_missing_videos_stop_it_or_are_counted(
    saved: checkpoint.Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_data(tmp_path / "data", prepared=3), tmp_path / "out"
    arguments = [str(saved.folder), "msrvtt", "--data", str(data), "--out", str(out), "--device", "cpu"]
    arguments += ["--workers", "0", "--bank", "0"]
    assert evaluate.main(arguments) == 2
    assert "1 of the 4 videos" in capsys.readouterr().err
    assert not out.exists()
    assert evaluate.main([*arguments, "--allow-missing"]) == 0
    assert set(json.loads((out / "results.json").read_text())["missing"]) == {"video3"}
    assert "missing and left out: 1; the split has 1000." in (out / "results.md").read_text()


def test_examples_escape_what_they_show_and_add_the_right_video() -> None:
    data = Noise()
    data.texts = ("<script>", *TEXTS[1:])
    scores = torch.arange(15.0).reshape(5, 3)
    page = evaluate.examples_page("<title>", data, scores, 5, 2)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;v2&gt;" in page
    assert page.count("class=right") == 5


def test_paper_rows_that_nobody_has_found_stay_empty() -> None:
    for dataset, split in (("msvd", "test"), ("lsmdc", "test")):
        (row,) = published.RESULTS[dataset, split]
        assert (row.r1, row.median) == (None, None)
    assert evaluate._cell(None) == ""


def test_a_run_gives_its_best_model_and_its_account(saved: checkpoint.Manifest, tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_model(run / "x")
    (run / "x" / "tiny").rename(run / "last")
    (run / "run.json").write_text('{"recipe": "msrvtt-7k", "seed": 3}')
    assert runs.open_checkpoint(run).folder.name == "last"
    save_model(run / "y")
    (run / "y" / "tiny").rename(run / "best")
    for given in (run, run / "best"):
        found = runs.open_checkpoint(given)
        assert (found.folder, found.run_folder, found.run["seed"]) == (run / "best", run, 3)
    assert runs.open_checkpoint(saved.folder).run == {}
    with pytest.raises(ModelError, match="neither a model"):
        runs.open_checkpoint(tmp_path)
