"""The benchmark of training steps saves each row when it is measured, and resumes with the remaining rows."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest

from tests.benchmarks import training_steps
from tests.benchmarks.training_steps import Cost
from training.trainer import TrainingError

FEW = ["--recipe", "synthetic", "--batch", "4", "--steps", "1", "--workers", "0", "--device", "cpu"]


def arguments(out: Path, *more: str) -> list[str]:
    return ["--out", str(out), *FEW, "--frames", "2", "4", "--variants", "plain", "compile", *more]


def test_rows_are_kept_and_the_rest_is_measured_by_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "steps.json"
    nce, gees = Cost(0.2, 9.0, 0.01, 3.0), Cost(0.3, 8.0, 0.02, 4.0)
    with (
        mock.patch.object(training_steps, "cost", side_effect=[nce, gees, nce, KeyboardInterrupt]),
        pytest.raises(KeyboardInterrupt),
    ):
        training_steps.main(arguments(out))
    assert list(json.loads(out.read_text())["rows"]) == ["plain, M = 2"]
    too_much = TrainingError("training.batch")
    with mock.patch.object(training_steps, "cost", side_effect=[nce, gees, too_much, gees, nce]) as cost:
        assert training_steps.main(arguments(out)) == 0
    configs = [call.args[0] for call in cost.call_args_list]
    assert [(config.model.frames.frames, config.compile, config.loss.form) for config in configs] == [
        (4, False, "nce"), (4, False, "paper"), (2, True, "nce"), (4, True, "nce"), (4, True, "paper"),
    ]  # fmt: skip
    capsys.readouterr()
    assert training_steps.main(arguments(out, "--render")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "| plain, M = 4 | 0.200 | 0.300 | 1.500 | 13.3 | 1.0% | 2.0% | 8.0 | 3.0 | 4.0 |" in lines
    assert "| compile, M = 4 | 0.300 | 0.200 | 0.667 | 20.0 | 2.0% | 1.0% | 9.0 | 4.0 | 3.0 |" in lines
    assert any(line.replace("|", "").strip() == "compile, M = 2" for line in lines)
    assert lines[-1] == f"compile, M = 2: {too_much}"


def test_rows_of_another_machine_or_batch_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "steps.json"
    out.write_text(json.dumps({"settings": {"machine": "another"}, "rows": {}}))
    with pytest.raises(SystemExit):
        training_steps.main(arguments(out))
    assert "was measured otherwise" in capsys.readouterr().err


def test_a_real_row(tmp_path: Path) -> None:
    out = tmp_path / "steps.json"
    assert training_steps.main(["--out", str(out), *FEW, "--frames", "2", "--variants", "plain"]) == 0
    (row,) = json.loads(out.read_text())["rows"].values()
    for form in row.values():
        assert form["seconds"] > 0
        assert 0 < form["data_share"] < 1
