"""Reproduces the paper's ablations on a data set: trains and measures each cell of one table.

    python -m training.claims frames msrvtt-7k [field=value …] --data DIR --out DIR [--frames 2 4 8 16]
    python -m training.claims ccm msrvtt-7k [field=value …] --data DIR --out DIR

`frames` compares GEES with NCE over the number of frames. `ccm` compares shared and separate center queries and
weights, and no CCM. A cell is a run of `training.train` and its `training.evaluate`, in a folder below DIR. Repeating
the command resumes an interrupted table and skips finished cells. The table is rewritten after every cell. Unmeasured
and unpublished figures stay empty. `--render` trains nothing. This command trains in one process; a cell trained under
torchrun, with the same settings and folder, is only measured. docs/reproducing.md lists the commands for other claims.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cret_desktop.errors import CretError
from training import distributed, evaluate, published, recipes
from training.train import train

_PARTS = "share_queries", "share_weights"


@dataclass(frozen=True, slots=True)
class Cell:
    """One training run: its settings, and the paper's R@1, R@5 and R@10 for it (None where the paper gives none)."""

    name: str
    settings: tuple[str, ...]
    paper: tuple[float | None, float | None, float | None] = (None, None, None)


def frames_cells(frame_counts: Sequence[int]) -> list[Cell]:
    """Return one cell per loss and number of frames; the paper's R@5 values are read off a plot."""
    return [
        Cell(
            f"{title}, {frames} frames",
            (f"loss.form={form}", f"model.frames.frames={frames}"),
            (None, published.FRAMES_R5[f"{title} (paper)"].get(frames), None),
        )
        for title, form in (("NCE", "nce"), ("GEES", "paper"))
        for frames in frame_counts
    ]


def ccm_cells() -> list[Cell]:
    shared = {
        (queries, weights): tuple(
            f"model.correspondence.{part}={str(on).lower()}"
            for part, on in zip(_PARTS, (queries, weights), strict=True)
        )
        for queries in (False, True)
        for weights in (False, True)
    }
    return [Cell("no CCM", ("model.correspondence.centers=0",))] + [
        Cell(name, shared[key], published.CCM[name])
        for name, key in (
            ("nothing shared", (False, False)),
            ("shared weights", (False, True)),
            ("shared queries", (True, False)),
            ("both shared", (True, True)),
        )
    ]


def run_cell(cell: Cell, options: argparse.Namespace, run: Path) -> None:
    """Train and evaluate the cell, resuming where an earlier call stopped. Raises: CretError."""
    if result_file(run).exists():
        return
    config = recipes.recipe(options.recipe).changed([*cell.settings, *options.settings])
    with distributed.join(options.device) as world:
        train(config, options.data, run, world, {})
    arguments = [str(run), config.data.dataset, "--data", str(options.data), "--device", options.device, "--bank", "0"]
    split = ["--split", options.split] if options.split else []
    missing = ["--allow-missing"] if config.data.allow_missing else []
    status = evaluate.main([*arguments, *split, *missing, "--out", str(result_file(run).parent)])
    if status:
        raise CretError("training.not-evaluated", run=run)


def result_file(run: Path) -> Path:
    return run / "evaluation" / "results.json"


def table(cells: Sequence[Cell], runs: Path, split: str) -> str:
    """Return the text-to-video table: the model's own score, beside the paper's R@1, R@5 and R@10."""
    lines = [
        f"Text to video, {split}, recalls in per cent.",
        "",
        "| | paper R@1 | R@5 | R@10 | ours R@1 | R@5 | R@10 | MdR | steps | missing videos |",
        "|---" * 10 + "|",
    ]
    for cell in cells:
        paper = " | ".join(_cell(value) for value in cell.paper)
        file = result_file(runs / folder(cell))
        ours = _measured(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else " | " * 5
        lines.append(f"| {cell.name} | {paper} | {ours} |")
    return "\n".join(lines) + "\n"


def _measured(result: Mapping[str, Any]) -> str:
    own = next(row for row in result["rows"] if row["own"])["text_to_video"]
    figures = [_cell(own[key]) for key in ("r1", "r5", "r10", "median")]
    return " | ".join([*figures, str(result["checkpoint"]["run"]["step"]), str(len(result["missing"]))])


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def folder(cell: Cell) -> str:
    return cell.name.replace(", ", "-").replace(" ", "-")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; an error prints one sentence to stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claim", choices=("frames", "ccm"))
    parser.add_argument("recipe", help=f"one of {', '.join(recipes.RECIPES)}")
    parser.add_argument("settings", nargs="*", metavar="field=value", help="for every cell, as for training.train")
    parser.add_argument("--data", type=Path, required=True, help="what `training.prepare` or `.synthetic` has made")
    parser.add_argument("--out", type=Path, required=True, help="folder of the cells' runs and of the table")
    parser.add_argument("--frames", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--split", help="default: test, for msrvtt test-1k")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--render", action="store_true", help="write the table of what is there, train nothing")
    options = parser.parse_intermixed_args(arguments)
    cells = frames_cells(options.frames) if options.claim == "frames" else ccm_cells()
    try:
        dataset = recipes.recipe(options.recipe).data.dataset
        split = options.split or evaluate.DEFAULT_SPLITS.get(dataset, "test")
        options.out.mkdir(parents=True, exist_ok=True)
        for cell in cells:
            if not options.render:
                run_cell(cell, options, options.out / folder(cell))
            text = table(cells, options.out, f"{dataset} {split}")
            (options.out / f"{options.claim}.md").write_text(text, encoding="utf-8")
    except CretError as error:
        print(f"claims: {error}", file=sys.stderr)
        return error.exit_status
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
