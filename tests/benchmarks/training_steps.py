"""What a training step costs: NCE and GEES over frames, compiled or not, blocks kept or computed again, data included.

    python -m tests.benchmarks.training_steps [--recipe msrvtt-7k] [--batch 20] [--frames 2 4 8 16] [--steps 10]
        [--variants plain compile checkpointing] [--workers 4] [--device cpu]

The run's own loader, its worker processes among it, reads a real frame store of noise that is made first: as large as
prepared videos are, and slower to decode. Weights are new, which changes nothing of the cost. "data" is the share of a
step for which the run waited for its loader; memory is the peak of what torch has allocated. The forms are measured one
after the other in one process, so that their ratio stands side by side.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from training import distributed, recipes, synthetic
from training.config import TrainConfig
from training.datasets.base import Split, Video
from training.datasets.pairs import TrainingPairs
from training.datasets.store import FrameStore, StoredSplit, StoredVideo, StoreSettings, StoreWriter
from training.distributed import World
from training.trainer import Trainer

WARMUP = 3  # steps before the clock starts: workers begin in the first, compiling happens there
TEXT = "a red square moves left then two blue circles move up"
VARIANTS: dict[str, list[str]] = {
    "plain": [],
    "compile": ["compile=true"],
    "checkpointing": ["gradient_checkpointing=true"],
    "compile+checkpointing": ["compile=true", "gradient_checkpointing=true"],
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of a step: seconds it worked, share of it that it waited for data; peak of memory in GiB (0 on a CPU)."""

    seconds: float
    data_share: float
    memory: float


def write_store(folder: Path, videos: int) -> None:
    """Pictures of blurred noise, 456 x 256, which JPEGs take 30 to 40 KB for, as those of real clips."""
    with StoreWriter(folder, StoreSettings()) as writer:
        for video in range(videos):
            random = np.random.default_rng(video)
            jpegs = []
            for _ in range(StoreSettings().candidates):
                coarse = random.integers(0, 256, (64, 114, 3), dtype=np.uint8)
                picture = cv2.resize(coarse, (456, 256), interpolation=cv2.INTER_CUBIC)
                jpegs.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
            writer.add(f"v{video}", StoredVideo(tuple(jpegs), 10.0))


def open_store(folder: Path, videos: int) -> StoredSplit:
    names = tuple(Video(f"v{number}", "") for number in range(videos))
    return StoredSplit(Split("noise", "train", names, (TEXT,) * videos, tuple(range(videos))), FrameStore(folder))


def cost(config: TrainConfig, world: World, steps: int, data: StoredSplit, tokenizer: Path) -> Cost:
    crop = config.data.crop_scale if config.data.crop else None
    pairs = TrainingPairs(data, config.model.frames, config.seed, crop_scale=crop, flip=config.data.flip)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, pairs, Path(folder), world, CRET(config.model), tokenizer)
        cuda = world.device.type == "cuda"
        with closing(trainer.steps()) as taken:
            list(islice(taken, WARMUP))
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            measured = list(islice(taken, steps))
        shares = [step.waited / (step.waited + step.worked) for step in measured]
        memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0
        return Cost(statistics.median(step.worked for step in measured), statistics.median(shares), memory)


def machine(device: torch.device) -> str:
    """What was measured on, in words."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    cpu = next((line.partition(":")[2] for line in _cpu_lines() if line.startswith("model name")), platform.processor())
    return f"{cpu.strip()}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}"


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")  # elsewhere platform.processor() has to do
    return file.read_text().splitlines() if file.exists() else []


def without_sources(model: CRETConfig) -> CRETConfig:
    """The same sizes with new weights and the synthetic world's words: nothing has to be fetched."""
    return dataclasses.replace(
        model,
        video=dataclasses.replace(model.video, weights=""),
        text=dataclasses.replace(model.text, weights="", tokenizer=synthetic.TOKENIZER),
    )


def settings(
    base: TrainConfig, changes: Sequence[str], batch: int, workers: int, frames: int, form: str
) -> TrainConfig:
    return base.changed(
        [
            *changes,
            f"batch={batch}",
            f"data.workers={workers}",
            "data.validation=",
            f"model.frames.frames={frames}",
            f"loss.form={form}",
            "steps=1000",  # of the schedule
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="msrvtt-7k", choices=recipes.RECIPES)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--frames", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--variants", nargs="+", default=["plain"], choices=VARIANTS)
    options = parser.parse_args(arguments)
    base = recipes.recipe(options.recipe)
    base = dataclasses.replace(base, model=without_sources(base.model), data=dataclasses.replace(base.data, group=1))
    videos = 4 * options.batch
    with tempfile.TemporaryDirectory() as name, distributed.join(options.device) as world:
        folder = Path(name)
        synthetic.write_tokenizer(folder / synthetic.TOKENIZER)
        write_store(folder / "frames", videos)
        data = open_store(folder / "frames", videos)
        print(f"{machine(world.device)}; `{options.recipe}`, batch {options.batch}, {options.workers} workers\n")
        print("| variant | M | NCE, s | GEES, s | GEES / NCE | clips/s | data, NCE | GEES | NCE, GiB | GEES, GiB |")
        print("|---" * 10 + "|", flush=True)
        for variant in options.variants:
            for frames in options.frames:
                nce, gees = (
                    cost(
                        settings(base, VARIANTS[variant], options.batch, options.workers, frames, form),
                        world,
                        options.steps,
                        data,
                        folder / synthetic.TOKENIZER,
                    )
                    for form in ("nce", "paper")
                )
                print(
                    f"| {variant} | {frames} | {nce.seconds:.3f} | {gees.seconds:.3f} "
                    f"| {gees.seconds / nce.seconds:.3f} | {options.batch / gees.seconds:.1f} "
                    f"| {nce.data_share:.1%} | {gees.data_share:.1%} | {nce.memory:.1f} | {gees.memory:.1f} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    main()
