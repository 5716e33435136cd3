"""The synthetic world, trained and questioned: what each part of CRET earns on two CPU cores.

    python -m tests.benchmarks.synthetic_world --out DIR                   the model, and without temporal encoder
    python -m tests.benchmarks.synthetic_world --out DIR --table --seeds 3  every cell of the table, one by one

Each cell is a training run of its own below DIR; the same command goes on where it was stopped, and skips what is done.
Prints, and writes to DIR/results.md, pair accuracy (chance 50) on new compositions, per kind, and R@1 before and after
training. A cell that was interrupted counts the minutes of its last part only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from cret_desktop.model import checkpoint
from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import Tokenizer
from training import evaluate, metrics, recipes, synthetic, train
from training.distributed import World
from training.trainer import LAST

MAIN: dict[str, list[str]] = {"whole": [], "no temporal encoder": ["model.temporal.layers=0"]}
LOSSES: dict[str, list[str]] = {
    f"{name}, {frames} frames": [f"loss.form={form}", f"model.frames.frames={frames}"]
    for name, form in (("NCE", "nce"), ("GEES", "paper"))
    for frames in (2, 4, 8, 16)
}
CENTERS: dict[str, list[str]] = {
    "CCM off": ["model.correspondence.centers=0"],
    "CCM unshared": ["model.correspondence.share_queries=false", "model.correspondence.share_weights=false"],
    "CCM shared queries": ["model.correspondence.share_weights=false"],
    "CCM shared weights": ["model.correspondence.share_queries=false"],
    "CCM both shared": [],
}


FIGURES = ("all", "R@1", "R@1 untrained", "minutes")


def measure(model: CRET, data: Path, split: str) -> dict[str, float]:
    """Pair accuracy per kind and R@1 of a split."""
    texts = synthetic.open_split(data, split)
    tokenizer = Tokenizer(data / synthetic.TOKENIZER, model.config.text)
    encoded = evaluate.encode(model.eval(), tokenizer, texts, device=torch.device("cpu"))
    similarities = evaluate.similarities(encoded, model.config.score)
    found = synthetic.pair_accuracy(similarities.numpy(), texts.questions)
    return found | {"R@1": metrics.retrieval(similarities, texts.owners)["text_to_video"].r1}


def run_cell(settings: list[str], seed: int, data: Path, run: Path, split: str) -> dict[str, float]:
    """Trains the cell, or what is left of it, and measures its last model; remembers the result beside it."""
    result = run / "result.json"
    if result.exists():
        return dict(json.loads(result.read_text(encoding="utf-8")))
    config = recipes.recipe("synthetic").changed([*settings, f"seed={seed}"])
    torch.manual_seed(seed)
    before = measure(CRET(config.model), data, split)["R@1"]
    began = time.monotonic()
    train.train(config, data, run, World(), {})
    minutes = (time.monotonic() - began) / 60
    found = measure(checkpoint.load(checkpoint.read_manifest(run / LAST)), data, split) | {
        "R@1 untrained": before,
        "minutes": minutes,
    }
    result.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return found


def line(name: str, results: Sequence[Mapping[str, float]]) -> str:
    """Mean and deviation over seeds of every figure."""
    cells = []
    for column in (*synthetic.KINDS, *FIGURES):
        values = [result[column] for result in results]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--table", action="store_true", help="NCE and GEES over frames, CCM's variants, temporal layers"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--size", choices=synthetic.SIZES, default="10k")
    parser.add_argument("--split", choices=("val", "test"), default="test", help="val while choosing anything")
    parser.add_argument("settings", nargs="*", metavar="field=value", help="for every cell, as for training.train")
    options = parser.parse_intermixed_args()
    data = options.out / f"world-{options.size}"
    if not (data / "world.json").exists():
        synthetic.generate(data, options.size)
    table = [
        f"| | {' | '.join((*synthetic.KINDS, *FIGURES))} |",
        "|---" * (1 + len(synthetic.KINDS) + len(FIGURES)) + "|",
    ]
    for name, settings in (MAIN | LOSSES | CENTERS if options.table else MAIN).items():
        folder = name.replace(", ", "-").replace(" ", "-")
        results = [
            run_cell([*settings, *options.settings], seed, data, options.out / f"{folder}-{seed}", options.split)
            for seed in range(options.seeds)
        ]
        table.append(line(name, results))
        # Complete after every cell: a table that takes hours is read before its end.
        (options.out / "results.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
