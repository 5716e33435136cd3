"""Measures a training step: NCE and GEES over frames, compiled or not, with or without checkpointing, data included.

    python -m tests.benchmarks.training_steps --out FILE.json [--recipe msrvtt-7k] [--batch 20] [--frames 2 4 8 16]
        [--variants plain compile checkpointing compile+checkpointing] [--steps 30] [--workers 4] [--device cpu]
    python -m tests.benchmarks.training_steps --out FILE.json --render

A row is a variant with a number of frames: NCE and GEES one after the other in one process, and their ratio. FILE is
written after every row, so repeating the command resumes with the remaining rows, for anyone who has a GPU for minutes
only. It ends with the table in Markdown; `--render` prints the table of FILE and measures nothing.

The run's own loader and worker processes read a real frame store of generated noise, as large as prepared videos and
slower to decode. Weights are new, which does not affect the cost. "data" is the share of time that steps waited for the
loader after using up the batches read before the end of the first step; memory is torch's peak allocation.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

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
from training.trainer import Trainer, TrainingError

FORMS = {"NCE": "nce", "GEES": "paper"}
WARMUP = 3  # steps before the measurement: workers start and compilation happens in the first
PREFETCHED = 2  # batches that each worker prefetches, torch's default: all of them while the first step compiles
TEXT = "a red square moves left then two blue circles move up"
VARIANTS: dict[str, list[str]] = {
    "plain": [],
    "compile": ["compile=true"],
    "checkpointing": ["gradient_checkpointing=true"],
    "compile+checkpointing": ["compile=true", "gradient_checkpointing=true"],
}


@dataclass(frozen=True, slots=True)
class Cost:
    """seconds: the median of a step's work; first: the first step's, including compilation.

    data_share: share of all steps' time spent waiting for data. memory: its peak in GiB (0 on a CPU).
    """

    seconds: float
    first: float
    data_share: float
    memory: float


def write_store(folder: Path, videos: int) -> None:
    """Write pictures of blurred noise, 456 x 256, whose JPEGs take 30 to 40 KB, as those of real clips."""
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
    """Measure one form. Raises: TrainingError if a step does not fit into memory."""
    crop = config.data.crop_scale if config.data.crop else None
    pairs = TrainingPairs(data, config.model.frames, config.seed, crop_scale=crop, flip=config.data.flip)
    cuda = world.device.type == "cuda"
    # Code compiled for other sizes would be reused for these, until torch stops compiling.
    torch.compiler.reset()
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, pairs, Path(folder), world, CRET(config.model), tokenizer)
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with closing(trainer.steps()) as taken:
            first, *_ = islice(taken, WARMUP + PREFETCHED * config.data.workers)
            measured = list(islice(taken, steps))
    waited, worked = (sum(getattr(step, name) for step in measured) for name in ("waited", "worked"))
    memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0
    return Cost(statistics.median(step.worked for step in measured), first.worked, waited / (waited + worked), memory)


def machine(device: torch.device) -> str:
    """Describe the machine."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    cpu = next((line.partition(":")[2] for line in _cpu_lines() if line.startswith("model name")), platform.processor())
    return f"{cpu.strip()}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}"


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")  # elsewhere platform.processor() must suffice
    return file.read_text().splitlines() if file.exists() else []


def without_sources(model: CRETConfig) -> CRETConfig:
    """Return the same sizes with new weights and the synthetic world's vocabulary, so that nothing is downloaded."""
    return dataclasses.replace(
        model,
        video=dataclasses.replace(model.video, weights=""),
        text=dataclasses.replace(model.text, weights="", tokenizer=synthetic.TOKENIZER),
    )


def step_config(
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
            "steps=1000",  # steps of the schedule
        ]
    )


Rows = dict[str, dict[str, Any]]  # results of `measure` by name


def name_of(variant: str, frames: int) -> str:
    return f"{variant}, M = {frames}"


def measure(configs: Mapping[str, TrainConfig], world: World, steps: int, data: StoredSplit, tokenizer: Path) -> Any:
    """Return the cost of each form as plain JSON values, or the sentence that says why there is none."""
    try:
        return {form: asdict(cost(config, world, steps, data, tokenizer)) for form, config in configs.items()}
    except TrainingError as error:
        return {"error": str(error)}


def table(content: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return Markdown; unmeasured rows stay empty, and reasons for failed ones follow the table."""
    conditions = ", ".join(f"{name} {value}" for name, value in content["settings"].items() if name != "machine")
    columns = ["NCE, s", "GEES, s", "GEES / NCE", "clips/s", "data, NCE", "data, GEES", "first step, s"]
    columns += ["NCE, GiB", "GEES, GiB"]
    lines = [f"{content['settings']['machine']}; {conditions}", "", f"| | {' | '.join(columns)} |"]
    lines += ["|---" * (1 + len(columns)) + "|"]
    notes = []
    for name in names:
        row = content["rows"].get(name, {})
        if "NCE" not in row:
            lines.append(f"| {name} |{' |' * len(columns)}")
            notes += [f"{name}: {row['error']}"] if row else []
            continue
        nce, gees = row["NCE"], row["GEES"]
        cells = [f"{nce['seconds']:.3f}", f"{gees['seconds']:.3f}", f"{gees['seconds'] / nce['seconds']:.3f}"]
        cells += [f"{content['settings']['batch'] / gees['seconds']:.1f}"]
        cells += [f"{form['data_share']:.1%}" for form in (nce, gees)] + [f"{gees['first']:.1f}"]
        cells += [f"{form['memory']:.1f}" for form in (nce, gees)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="what has been measured, as JSON")
    parser.add_argument("--recipe", default="msrvtt-7k", choices=recipes.RECIPES)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--frames", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--steps", type=int, default=30, help="that are measured, for each form of the loss")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--render", action="store_true", help="print the table of what is there, measure nothing")
    options = parser.parse_args(arguments)
    names = [name_of(variant, frames) for variant in options.variants for frames in options.frames]
    if options.render:
        print(table(json.loads(options.out.read_text(encoding="utf-8")), names))
        return 0
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with distributed.join(options.device) as world:
        settings = {name: getattr(options, name) for name in ("recipe", "batch", "workers", "steps")}
        content = {"settings": {"machine": machine(world.device), **settings}, "rows": {}}
        if options.out.exists():
            before = json.loads(options.out.read_text(encoding="utf-8"))
            if before["settings"] != content["settings"]:
                parser.error(f"{options.out} was measured otherwise ({before['settings']}): name another --out.")
            content = before
        fill(content["rows"], options, world, lambda: write(options.out, content))
    print(table(content, names))
    return 0


def write(out: Path, content: Mapping[str, Any]) -> None:
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(out)


def fill(rows: Rows, options: argparse.Namespace, world: World, keep: Callable[[], None]) -> None:
    """Measure the missing rows; `keep` is called after each."""
    base = recipes.recipe(options.recipe)
    base = dataclasses.replace(base, model=without_sources(base.model), data=dataclasses.replace(base.data, group=1))
    videos = 4 * options.batch
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = folder / synthetic.TOKENIZER
        synthetic.write_tokenizer(tokenizer)
        write_store(folder / "frames", videos)
        data = open_store(folder / "frames", videos)
        for variant in options.variants:
            for frames in options.frames:
                row = name_of(variant, frames)
                if row in rows:
                    continue
                configs = {
                    form: step_config(base, VARIANTS[variant], options.batch, options.workers, frames, loss)
                    for form, loss in FORMS.items()
                }
                rows[row] = measure(configs, world, options.steps, data, tokenizer)
                keep()
                print(f"{row}: {rows[row]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
