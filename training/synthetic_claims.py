"""Measures the contribution of each part of CRET on the synthetic world: the proof, and the paper's ablations.

    python -m training.synthetic_claims proof --out DIR                the whole model, and without temporal encoder
    python -m training.synthetic_claims table --out DIR [--seeds 3] [--cells gees-4 nce-4]
    python -m training.synthetic_claims render --out DIR [--docs docs/results]

A cell is a training run of its own, on one thread; two run at a time. Repeating a command resumes it and skips finished
cells: the record of a cell is DIR/results/CELL-SEED.json. `render` writes the available results as Markdown and JSON,
and leaves missing ones empty. Use `--split val` for choices and `test` for published results.

Cells are settings of the recipe `synthetic`: this module defines no model, and no run selects a checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cret_desktop.errors import CretError, UsageError
from cret_desktop.model import checkpoint
from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import Tokenizer
from training import evaluate, logs, metrics, recipes, synthetic, train
from training.distributed import World
from training.trainer import LAST, TrainingError

AT_ONCE = 2
# The same for every cell of the table: few enough for four minutes with 16 frames on one thread.
TABLE_STEPS = 1000
FRAMES = (2, 4, 8, 16)

PROOF: Mapping[str, tuple[str, ...]] = {"whole": (), "no-temporal": ("model.temporal.layers=0",)}
# `gees-4` is the recipe unchanged: CCM with both shared, and the temporal encoder.
TABLE: Mapping[str, tuple[str, ...]] = {
    **{
        f"{name}-{frames}": (f"loss.form={form}", f"model.frames.frames={frames}")
        for name, form in (("nce", "nce"), ("gees", "paper"))
        for frames in FRAMES
    },
    "ccm-off": ("model.correspondence.centers=0",),
    "ccm-unshared": ("model.correspondence.share_queries=false", "model.correspondence.share_weights=false"),
    "ccm-queries": ("model.correspondence.share_weights=false",),
    "ccm-weights": ("model.correspondence.share_queries=false",),
    "temporal-off": ("model.temporal.layers=0",),
}
ROWS: Mapping[str, Mapping[str, str]] = {
    "The proof": {"The whole model": "whole", "Without temporal encoder": "no-temporal"},
    "Losses over frames": {
        f"{title}, {frames} frames": f"{name}-{frames}"
        for title, name in (("NCE", "nce"), ("GEES", "gees"))
        for frames in FRAMES
    },
    "CCM": {
        "off": "ccm-off",
        "nothing shared": "ccm-unshared",
        "shared queries": "ccm-queries",
        "shared weights": "ccm-weights",
        "both shared": "gees-4",
    },
    "Temporal encoder": {"off": "temporal-off", "on": "gees-4"},
}
COLUMNS = (*synthetic.KINDS, "all", "R@1", "R@5", "R@1 untrained")
NOTES = ("seeds", "steps", "processor minutes")


@dataclass(frozen=True, slots=True)
class Job:
    """One cell with one seed. `steps` 0 means the recipe's number of steps."""

    cell: str
    settings: tuple[str, ...]
    seed: int
    steps: int
    split: str

    @property
    def name(self) -> str:
        return f"{self.cell}-{self.seed}"

    @property
    def assignments(self) -> list[str]:
        """Changes to the recipe's fields. They skip validation, which would select nothing."""
        steps = [f"steps={self.steps}"] if self.steps else []
        return ["data.validation=", *steps, *self.settings, f"seed={self.seed}"]


def measure(model: CRET, data: Path, split: str) -> dict[str, float]:
    """Return pair accuracy per kind, and text-to-video R@1 and R@5 among all clips of a split; in per cent."""
    texts = synthetic.open_split(data, split)
    tokenizer = Tokenizer(data / synthetic.TOKENIZER, model.config.text)
    encoded = evaluate.encode(model, tokenizer, texts, device=torch.device("cpu"))
    similarities = evaluate.similarities(encoded, model.config.score)
    ranks = metrics.retrieval(similarities, texts.owners)["text_to_video"]
    figures = synthetic.pair_accuracy(similarities.numpy(), texts.questions) | {"R@1": ranks.r1, "R@5": ranks.r5}
    return {name: round(value, 3) for name, value in figures.items()}


def run_job(job: Job, out: Path, data: Path) -> dict[str, Any]:
    """Train a cell, resuming where a run stopped, measure its last model and write the result. Prints to DIR/logs.

    `minutes` and `processor_minutes` cover this call only, not the earlier part of a resumed run.
    """
    torch.set_num_threads(1)
    config = recipes.recipe("synthetic").changed(job.assignments)
    torch.manual_seed(job.seed)
    untrained = checkpoint.initialise(config.model, files={config.model.text.tokenizer: data / synthetic.TOKENIZER})
    before = measure(untrained, data, job.split)["R@1"]
    run = out / "runs" / job.name
    began, processor = time.monotonic(), time.process_time()
    with (out / "logs" / f"{job.name}.txt").open("a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        trainer = train.train(config, data, run, World(), {})
    minutes, processor_minutes = (time.monotonic() - began) / 60, (time.process_time() - processor) / 60
    trained = checkpoint.load(checkpoint.read_manifest(run / LAST))
    result = {
        **dataclasses.asdict(job),
        "settings": list(job.settings),
        "figures": measure(trained, data, job.split) | {"R@1 untrained": before},
        "steps": trainer.step,
        "asked_steps": job.steps,
        "parameters": sum(parameter.numel() for parameter in trained.parameters()),
        "minutes": round(minutes, 2),
        "processor_minutes": round(processor_minutes, 2),
        "git": logs.git_state(),
        "environment": logs.environment(),
    }
    file = _result_file(out, job)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)
    return result


def run_jobs(jobs: Sequence[Job], out: Path, data: Path) -> Iterator[dict[str, Any]]:
    """Run the jobs without a result, `AT_ONCE` at a time, and yield results as they finish.

    Raises: UsageError for results of other settings, TrainingError for a cell whose process ended.
    """
    waiting = [job for job in jobs if not _is_done(out, job)]
    for folder in ("results", "logs", "runs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # forked children would inherit torch's threads
    with ProcessPoolExecutor(AT_ONCE, mp_context=context) as pool:
        try:
            for done in as_completed([pool.submit(run_job, job, out, data) for job in waiting]):
                yield done.result()
        except BrokenProcessPool as error:
            raise TrainingError("training.cell-ended") from error


def _result_file(out: Path, job: Job) -> Path:
    return out / "results" / f"{job.name}.json"


def _is_done(out: Path, job: Job) -> bool:
    file = _result_file(out, job)
    if not file.exists():
        return False
    found = json.loads(file.read_text(encoding="utf-8"))
    if (found["asked_steps"], found["split"], tuple(found["settings"])) != (job.steps, job.split, job.settings):
        raise UsageError("training.measured-otherwise", file=file)
    return True


def read_results(out: Path) -> list[dict[str, Any]]:
    """Return the results of all finished cells. Raises: UsageError if there are none."""
    files = sorted((out / "results").glob("*.json"))
    if not files:
        raise UsageError("training.no-results", out=out)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def tables(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the results as Markdown: one row per cell, mean and standard deviation over its seeds."""
    cells: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        cells.setdefault(result["cell"], []).append(result)
    text = []
    for title, rows in ROWS.items():
        if not any(cell in cells for cell in rows.values()):
            continue
        text += [f"## {title}", "", f"| | {' | '.join((*COLUMNS, *NOTES))} |"]
        text += ["|---" * (1 + len(COLUMNS) + len(NOTES)) + "|"]
        text += [_row(name, cells.get(cell, [])) for name, cell in rows.items()]
        text += [""]
    return "\n".join(text)


def _row(name: str, results: Sequence[Mapping[str, Any]]) -> str:
    if not results:
        return f"| {name} |{' |' * (len(COLUMNS) + len(NOTES))}"
    cells = []
    for column in COLUMNS:
        values = [result["figures"][column] for result in results]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}")
    steps = sorted({result["steps"] for result in results})
    minutes = statistics.mean(result["processor_minutes"] for result in results)
    return f"| {name} | {' | '.join(cells)} | {len(results)} | {', '.join(map(str, steps))} | {minutes:.1f} |"


def render(out: Path, docs: Path) -> Path:
    """Write DOCS/synthetic.json and DOCS/synthetic.md; return the latter."""
    results = read_results(out)
    docs.mkdir(parents=True, exist_ok=True)
    # Leave out what identifies the folders and the machine of the run.
    machine = {key: value for key, value in results[0]["environment"].items() if key not in ("command", "platform")}
    plain = [{key: value for key, value in result.items() if key != "environment"} for result in results]
    content = json.dumps({"environment": machine, "cells": plain}, indent=1, ensure_ascii=False)
    (docs / "synthetic.json").write_text(content + "\n", encoding="utf-8")
    head = (
        "# Results on the synthetic world\n\n"
        "Written by `python -m training.synthetic_claims render`; what they mean is said in ../synthetic.md. Pair\n"
        "accuracies (chance: 50) and R@k of text to video, in per cent; mean ± standard deviation over seeds.\n\n"
    )
    page = docs / "synthetic.md"
    page.write_text(head + tables(results), encoding="utf-8")
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; an error prints one sentence to stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m training.synthetic_claims", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("command", choices=("proof", "table", "render"))
    parser.add_argument("--out", type=Path, required=True, help="the folder of runs and results")
    parser.add_argument("--seeds", type=int, help="how many; 1 for the proof, 3 for the table")
    parser.add_argument("--cells", nargs="+", choices=TABLE, default=list(TABLE), help="of the table")
    parser.add_argument(
        "--steps", type=int, help=f"of every cell; {TABLE_STEPS} in the table, the recipe's in the proof"
    )
    parser.add_argument("--split", choices=("val", "test"), default="test", help="val while choosing anything")
    parser.add_argument("--size", choices=synthetic.SIZES, default="10k", help="of the world")
    parser.add_argument("--docs", type=Path, default=Path("docs", "results"), help="where render writes")
    options = parser.parse_args(arguments)
    try:
        if options.command == "render":
            print(render(options.out, options.docs))
            return 0
        proof = options.command == "proof"
        cells = PROOF if proof else {cell: TABLE[cell] for cell in options.cells}
        steps = options.steps if options.steps is not None else 0 if proof else TABLE_STEPS
        seeds = range(options.seeds if options.seeds is not None else 1 if proof else 3)
        data = options.out / f"world-{options.size}"
        if not (data / synthetic.WORLD).exists():
            synthetic.generate(data, options.size)
        # Seed by seed, so that an unfinished table has a result for every cell.
        jobs = [Job(cell, settings, seed, steps, options.split) for seed in seeds for cell, settings in cells.items()]
        for result in run_jobs(jobs, options.out, data):
            print(f"{result['cell']}, seed {result['seed']}: {result['minutes']} min", flush=True)
        print(tables([result for result in read_results(options.out) if result["cell"] in cells]))
    except CretError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
