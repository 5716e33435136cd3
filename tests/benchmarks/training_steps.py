"""What a training step costs: NCE and GEES over frames, compiled or not, blocks kept or computed again.

    python -m tests.benchmarks.training_steps [--recipe msrvtt-7k] [--batch 20] [--frames 2 4 8 16] [--steps 5]

Weights are new and frames are noise: neither changes what a step costs. Every line is measured in the same process, the
forms one after the other, so that their ratio stands side by side; memory is the peak of what torch has allocated.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import torch

from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from training import distributed, recipes, synthetic
from training.config import TrainConfig
from training.trainer import Trainer

WARMUP = 2  # steps before the clock starts; compiling happens in the first


def seconds_a_step(config: TrainConfig, device: str, steps: int, tokenizer: Path) -> tuple[float, float]:
    """Median seconds of a step, forward to optimiser, and the peak of memory in GiB (0 on a CPU)."""
    with distributed.join(device) as world, tempfile.TemporaryDirectory() as folder:
        pairs: list[None] = [None] * config.batch  # only its length is looked at
        model = CRET(config.model)
        trainer = Trainer(config, pairs, Path(folder), world, model, tokenizer)  # type: ignore[arg-type]
        size = config.model.frames.size
        shape = (config.batch, config.model.frames.frames, size, size, 3)
        frames = torch.randint(0, 256, shape, dtype=torch.uint8)
        texts = ["a red square moves left then two blue circles move up"] * config.batch
        cuda = world.device.type == "cuda"
        times = []
        for step in range(WARMUP + steps):
            if cuda and step == WARMUP:
                torch.cuda.reset_peak_memory_stats()
            began = time.perf_counter()
            trainer._train_step(frames, texts)
            if cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        return statistics.median(times[WARMUP:]), torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0


def without_sources(model: CRETConfig) -> CRETConfig:
    """The same sizes with new weights and the synthetic world's words: nothing has to be fetched."""
    return dataclasses.replace(
        model,
        video=dataclasses.replace(model.video, weights=""),
        text=dataclasses.replace(model.text, weights="", tokenizer=synthetic.TOKENIZER),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", default="msrvtt-7k", choices=recipes.RECIPES)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--frames", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--variants", nargs="+", default=["plain"], choices=("plain", "compile", "checkpointing"))
    options = parser.parse_args()
    base = recipes.recipe(options.recipe)
    base = dataclasses.replace(base, model=without_sources(base.model), data=dataclasses.replace(base.data, group=1))
    changes: dict[str, list[str]] = {
        "plain": [],
        "compile": ["compile=true"],
        "checkpointing": ["gradient_checkpointing=true"],
    }
    print("| variant | M | NCE, s | GEES, s | GEES / NCE | clips/s | NCE, GiB | GEES, GiB |")
    print("|---" * 8 + "|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder, synthetic.TOKENIZER)
        synthetic.write_tokenizer(tokenizer)
        for variant in options.variants:
            for frames in options.frames:
                (nce, nce_memory), (gees, gees_memory) = (
                    seconds_a_step(
                        base.changed(
                            [
                                *changes[variant],
                                f"batch={options.batch}",
                                f"model.frames.frames={frames}",
                                f"loss.form={form}",
                                "steps=1000",
                            ]
                        ),
                        options.device,
                        options.steps,
                        tokenizer,
                    )
                    for form in ("nce", "paper")
                )
                print(
                    f"| {variant} | {frames} | {nce:.3f} | {gees:.3f} | {gees / nce:.3f} | {options.batch / gees:.1f} "
                    f"| {nce_memory:.1f} | {gees_memory:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
