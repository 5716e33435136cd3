"""A checkpoint becomes a model for the app, completely or not at all, with a card that claims nothing unknown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cret_desktop.errors import UsageError
from cret_desktop.model import checkpoint
from cret_desktop.model.cret import CRET
from cret_desktop.model.encoder import open_model
from cret_desktop.model.importing import import_model
from tests.model import tiny
from training import export, runs


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    tokenizer = tiny.write_tokenizer(tmp_path / "tokenizer.source")
    model = tiny.fill(CRET(tiny.paper()))
    assert isinstance(model, CRET)
    checkpoint.save(model, folder / "best", tokenizer, "# In training\n")
    (folder / "best" / "state.json").write_text("{}")
    account = {"recipe": "msvd", "dataset": "msvd", "train_split": "train", "validation_split": "val", "seed": 5}
    (folder / "run.json").write_text(json.dumps(account | {"step": 70, "git": {"commit": "abc123", "changed": False}}))
    return folder


def test_exported_then_imported_it_encodes_the_same(run: Path, tmp_path: Path) -> None:
    assert export.main([str(run), "--out", str(tmp_path / "out"), "--name", "mine", "--title", "My model"]) == 0
    exported = tmp_path / "out"
    assert {file.name for file in exported.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "README.md",
    }
    imported = import_model(exported, tmp_path / "models")
    assert imported.folder == tmp_path / "models" / "mine"
    assert imported.config.title == "My model"
    frames = tiny.frames(imported.config)
    found = []
    for folder in (run / "best", imported.folder):
        model = open_model(str(folder), "cpu")
        found.append((model.video.encode(frames).globals, model.text.encode(["a dog runs"]).centers))
        model.video.release()
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(before, after)


def test_names_change_no_feature(run: Path, tmp_path: Path) -> None:
    source = runs.open_checkpoint(run)
    assert export.export(source, tmp_path / "out", name="other").fingerprint == source.manifest.fingerprint


def test_the_card_tells_what_is_known(run: Path, tmp_path: Path) -> None:
    ranks = {"r1": 12.34, "r5": 40.0, "r10": 50.0, "median": 9.0, "mean": 20.0}
    evaluation = {
        "dataset": "msvd",
        "split": "test",
        "missing": {"x": "gone"},
        "checkpoint": {"fingerprint": runs.open_checkpoint(run).manifest.fingerprint},
        "rows": [
            {"name": "with variance", "frames": 4, "own": True, "text_to_video": ranks},
            {"name": "DSL", "frames": 4, "own": False, "text_to_video": ranks | {"r1": 99.0}},
        ],
    }
    (tmp_path / "results.json").write_text(json.dumps(evaluation))
    arguments = [str(run), "--out", str(tmp_path / "out"), "--evaluation", str(tmp_path / "results.json")]
    assert export.main(arguments) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    for expected in ("msvd, split train", "seed 5, 70 steps", "the best on val", "abc123", "research", "scratch"):
        assert expected in card
    assert "| msvd test, text to video | 1 | 4 | 12.3 | 40.0 | 50.0 | 9.0 |" in card
    assert "99" not in card  # only the score in the app


def test_the_card_of_a_model_without_a_run_claims_nothing(run: Path) -> None:
    (run / "run.json").unlink()
    card = export.card(runs.open_checkpoint(run / "best"), "T", [])
    assert "the checkpoint is part of no run" in card
    assert "Nothing has been measured." in card
    assert "ask whoever trained" in card


def test_what_is_there_is_never_replaced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    assert export.main([str(run), "--out", str(tmp_path / "out")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_results_of_another_model_are_refused_and_nothing_is_left(run: Path, tmp_path: Path) -> None:
    other = {"dataset": "d", "split": "s", "missing": {}, "rows": [], "checkpoint": {"fingerprint": "other"}}
    with pytest.raises(UsageError, match="another model"):
        export.export(runs.open_checkpoint(run), tmp_path / "deep" / "out", evaluations=[other])
    assert not (tmp_path / "deep").exists()
