"""Trains a model by a recipe, in one process or, under torchrun, in several.

    python -m training.train RECIPE --data DIR [--out RUN] [field=value …]
    torchrun --nproc-per-node 8 -m training.train msrvtt-7k --data DIR --out RUN

Repeating the command resumes an interrupted run. Recipes are in `training.recipes`, fields in `training.config`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from cret_desktop.errors import CretError
from cret_desktop.model import checkpoint
from cret_desktop.model.transforms import Tokenizer
from training import distributed, recipes
from training.config import ConfigError, TrainConfig
from training.datasets import registry
from training.datasets.pairs import TrainingPairs
from training.trainer import Trainer, check_folder, locate_sources
from training.validation import validate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; an error prints one sentence to stderr."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recipe", help=f"one of {', '.join(recipes.RECIPES)}")
    parser.add_argument(
        "settings", nargs="*", metavar="field=value", help="as in loss.form=nce model.temporal.layers=0"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that training.prepare or .synthetic wrote")
    parser.add_argument("--out", type=Path, help="the run's folder; runs/RECIPE where none is given")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument(
        "--weights", action="append", default=[], metavar="SOURCE=FILE", help="a local file in place of a source"
    )
    options = parser.parse_intermixed_args(arguments)
    try:
        config = recipes.recipe(options.recipe).changed(options.settings)
        with distributed.join(options.device) as world:
            train(config, options.data, options.out or Path("runs", options.recipe), world, _files(options.weights))
    except CretError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


def _files(assignments: Sequence[str]) -> dict[str, Path]:
    pairs = [assignment.rpartition("=") for assignment in assignments]
    if any(not source for source, _, _ in pairs):
        raise ConfigError("training.weights-option")
    return {source: Path(file) for source, _, file in pairs}


def train(config: TrainConfig, data: Path, run: Path, world: distributed.World, files: dict[str, Path]) -> Trainer:
    """Run one training to its end, resuming it if its folder has a state. Raises: CretError."""
    check_folder(run)
    splits = {
        split: registry.open_split(config.data.dataset, split, data, allow_missing=config.data.allow_missing)
        for split in (config.data.train, config.data.validation)
        if split
    }
    pairs = TrainingPairs(
        splits[config.data.train],
        config.model.frames,
        config.seed,
        captions=config.data.captions,
        crop_scale=config.data.crop_scale if config.data.crop else None,
        flip=config.data.flip,
    )
    files = locate_sources(config, data, files)
    torch.manual_seed(config.seed)
    model = checkpoint.initialise(config.model, files=files)
    tokenizer = files[config.model.text.tokenizer]
    held_out = splits.get(config.data.validation)
    validation = (
        partial(validate, held_out, Tokenizer(tokenizer, config.model.text), world.device) if held_out else None
    )
    missing = {name: len(split.missing) for name, split in splits.items()}
    trainer = Trainer(config, pairs, run, world, model, tokenizer, validation, missing)
    trainer.fit()
    return trainer


if __name__ == "__main__":
    sys.exit(main())
