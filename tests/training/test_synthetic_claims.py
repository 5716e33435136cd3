"""The commands for the proof and the table: finished cells are kept, missing ones stay empty. No run learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cret_desktop.errors import UsageError
from training import recipes, synthetic_claims
from training.synthetic_claims import PROOF, ROWS, TABLE

QUICK = ["--size", "tiny", "--split", "val", "--steps", "2"]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a proof of two steps."""
    out = tmp_path_factory.mktemp("proof")
    assert synthetic_claims.main(["proof", "--out", str(out), *QUICK]) == 0
    return out


def result(cell: str, seed: int, r1: float) -> dict[str, object]:
    figures = dict.fromkeys(synthetic_claims.COLUMNS, 50.0) | {"R@1": r1}
    return {"cell": cell, "seed": seed, "figures": figures, "steps": 7, "processor_minutes": 1.5}


def test_both_cells_of_the_proof_leave_a_result(proof: Path) -> None:
    found = {content["cell"]: content for content in synthetic_claims.read_results(proof)}
    assert found.keys() == PROOF.keys()
    for content in found.values():
        assert content["figures"].keys() >= {*synthetic_claims.COLUMNS}
        assert (content["steps"], content["split"], content["environment"]["threads"]) == (2, "val", 1)
    assert found["whole"]["parameters"] > found["no-temporal"]["parameters"]
    # It cannot see the order of frames, whatever it has learned.
    assert found["no-temporal"]["figures"]["order"] == found["no-temporal"]["figures"]["direction"] == 50


def test_what_is_done_is_not_done_again(proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.stat().st_mtime_ns for file in (proof / "results").iterdir()}
    assert synthetic_claims.main(["proof", "--out", str(proof), *QUICK]) == 0
    assert {file: file.stat().st_mtime_ns for file in (proof / "results").iterdir()} == before
    assert "seed 0:" not in capsys.readouterr().out


def test_results_of_other_settings_are_not_taken_for_these(proof: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synthetic_claims.main(["proof", "--out", str(proof), *QUICK[:-1], "3"]) == UsageError.exit_status
    assert "measured with other settings" in capsys.readouterr().err


def test_a_cell_is_a_run_with_its_settings_that_selects_nothing(proof: Path) -> None:
    run = json.loads((proof / "runs" / "no-temporal-0" / "run.json").read_text())
    assert (run["seed"], run["steps"], run["config"]["model"]["temporal"]["layers"]) == (0, 2, 0)
    assert run["validation_split"] == ""  # so nothing can be selected on a test split
    assert "step 2/2" in (proof / "logs" / "no-temporal-0.txt").read_text()


def test_every_row_is_a_cell_that_the_recipe_knows() -> None:
    cells = {cell for rows in ROWS.values() for cell in rows.values()}
    assert cells == {*PROOF, *TABLE}
    for settings in (*PROOF.values(), *TABLE.values()):
        recipes.recipe("synthetic").changed(settings)
    # The unchanged recipe is a cell of three tables.
    assert recipes.recipe("synthetic").changed(TABLE["gees-4"]) == recipes.recipe("synthetic")


def test_rows_are_means_and_deviations_and_missing_cells_stay_empty() -> None:
    text = synthetic_claims.tables([result("nce-2", 0, 10.0), result("nce-2", 1, 14.0), result("gees-2", 0, 20.0)])
    lines = text.splitlines()
    (two,) = (line for line in lines if line.startswith("| NCE, 2 frames"))
    assert "| 12.0 ± 2.8 |" in two
    assert two.endswith("| 2 | 7 | 1.5 |")
    (one,) = (line for line in lines if line.startswith("| GEES, 2 frames"))
    assert "| 20.0 |" in one
    (missing,) = (line for line in lines if line.startswith("| GEES, 16 frames"))
    assert not any(character.isdigit() for character in missing.removeprefix("| GEES, 16 frames"))
    assert "## CCM" not in text
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_rendered_results_name_no_folder_of_this_machine(proof: Path, tmp_path: Path) -> None:
    assert synthetic_claims.main(["render", "--out", str(proof), "--docs", str(tmp_path / "docs")]) == 0
    page, content = (tmp_path / "docs" / f"synthetic{suffix}" for suffix in (".md", ".json"))
    assert "Without temporal encoder" in page.read_text()
    assert len(json.loads(content.read_text())["cells"]) == 2
    assert str(proof) not in content.read_text() + page.read_text()


def test_nothing_to_render_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synthetic_claims.main(["render", "--out", str(tmp_path)]) == UsageError.exit_status
    assert "Run proof or table" in capsys.readouterr().err
