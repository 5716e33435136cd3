"""The ablation commands: each cell is trained once, and unmeasured cells stay empty."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from tests.training import worlds
from training import claims, published, recipes, synthetic

BRIEF = [*worlds.SMALL, "steps=2", "save_every=2", "validate_every=2"]


def test_frames_are_trained_measured_and_skipped_the_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic.generate(tmp_path / "world", "tiny")
    arguments = ["frames", "synthetic", "--data", str(tmp_path / "world"), "--out", str(tmp_path / "out")]
    arguments += ["--frames", "2", "--device", "cpu", *BRIEF]
    assert claims.main(arguments) == 0
    written = (tmp_path / "out" / "frames.md").read_text()
    rows = {line.split(" | ")[0]: line.split(" | ") for line in written.splitlines()}
    for name in ("| NCE, 2 frames", "| GEES, 2 frames"):
        assert float(rows[name][5]) >= float(rows[name][4]) >= 0
        assert rows[name][-2:] == ["2", "0 |"]
    assert rows["| GEES, 2 frames"][1:4] == ["", "49.2", ""]  # the paper's plot shows only R@5
    with mock.patch.object(claims, "train", side_effect=AssertionError("trained again")):
        assert claims.main(arguments) == 0
    assert (tmp_path / "out" / "frames.md").read_text() == written
    assert "step 2/2" in capsys.readouterr().out


def test_cells_that_are_not_there_stay_empty(tmp_path: Path) -> None:
    arguments = ["ccm", "msrvtt-7k", "--data", str(tmp_path), "--out", str(tmp_path), "--render"]
    assert claims.main(arguments) == 0
    lines = (tmp_path / "ccm.md").read_text().splitlines()
    assert lines[-1].startswith("| both shared | 23.9 | 50.8 | 63.4 |  |")
    assert lines[-5].replace("|", "").strip() == "no CCM"


@pytest.mark.parametrize("name", ["msrvtt-7k", "synthetic"])
def test_every_cell_is_a_run_that_can_be_configured(name: str) -> None:
    cells = [*claims.frames_cells([2, 4, 8, 16]), *claims.ccm_cells()]
    configs = [recipes.recipe(name).changed(cell.settings) for cell in cells]
    assert len({str(config) for config in configs}) == len({claims.folder(cell) for cell in cells}) - 1
    both = next(config for cell, config in zip(cells, configs, strict=True) if cell.name == "both shared")
    assert both == recipes.recipe(name).changed([])
    assert {cell.paper for cell in claims.ccm_cells()[1:]} == set(published.CCM.values())


def test_what_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["ccm", "synthetic", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert claims.main(arguments) != 0
    assert "contains no train split of the synthetic world" in capsys.readouterr().err
