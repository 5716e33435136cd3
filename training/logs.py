"""The logs of a run: a CSV line per step, TensorBoard, progress and time left, pictures of retrievals, environment.

This module decides nothing about a run and never touches a model.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cret_desktop.domain.clips import Frames

STEPS, TIMES, VALIDATIONS, SAMPLES = "log.csv", "times.csv", "validation.csv", "samples"
_PACKAGES = ("torch", "timm", "tokenizers", "safetensors", "numpy", "opencv-python", "av")
_TILE = 96  # pixels of a frame in a retrieval picture
_LINE = 22


def environment() -> dict[str, Any]:
    """Return versions, machine and command line as plain JSON values, to store with a result."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda,
        "command": sys.argv,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state() -> dict[str, Any] | None:
    """Return the commit of this code and whether files have changed since; None outside a clone."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    try:
        return {"commit": git("rev-parse", "HEAD").strip(), "changed": bool(git("status", "--porcelain", ".."))}
    except (OSError, subprocess.CalledProcessError):  # git is not installed, or this is not a clone
        return None


class Log:
    """The log files of a run, continued after `done` steps; lines of later steps are removed."""

    def __init__(self, folder: Path, done: int, total: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._total = total
        self._began, self._done_before = time.monotonic(), done
        self._files: dict[str, TextIO] = {}
        self._writers: dict[str, csv.DictWriter[str]] = {}
        for name in (STEPS, TIMES, VALIDATIONS):
            _forget_after(folder / name, done)
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is None:
            print("TensorBoard is not installed (pip install 'cret-desktop[training]'): logging to CSV files only.")
        else:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()
        if self._board is not None:
            self._board.close()

    def step(self, step: int, values: Mapping[str, float], times: Mapping[str, float]) -> None:
        """Log a step, counted from 1, and print the progress.

        `times` go to a separate file: all other logs are equal in every run of a config.
        """
        self._write(STEPS, step, values)
        if times:
            self._write(TIMES, step, times)
        rate = (time.monotonic() - self._began) / (step - self._done_before)
        left = _duration(rate * (self._total - step))
        waiting = f"  data {times['data_share']:.1%}" if times else ""
        print(
            f"step {step}/{self._total}  loss {values['loss']:.4f}  {rate:.2f} s a step{waiting}  {left} left",
            flush=True,
        )

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        self._write(VALIDATIONS, step, values)
        print(f"step {step}/{self._total}  " + "  ".join(f"{name} {value:.1f}" for name, value in values.items()))

    def picture(self, step: int, picture: NDArray[np.uint8]) -> None:
        """Save `picture`, RGB [H, W, 3]."""
        (self._folder / SAMPLES).mkdir(exist_ok=True)
        file = self._folder / SAMPLES / f"step-{step:06}.png"
        cv2.imwrite(str(file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        if self._board is not None:
            self._board.add_image("retrievals", picture, step, dataformats="HWC")

    def _write(self, name: str, step: int, values: Mapping[str, float]) -> None:
        if name not in self._writers:
            file = self._folder / name
            new = not file.exists() or file.stat().st_size == 0
            self._files[name] = file.open("a", newline="", encoding="utf-8")
            self._writers[name] = csv.DictWriter(self._files[name], ["step", *values])
            if new:
                self._writers[name].writeheader()
        self._writers[name].writerow({"step": step, **values})
        self._files[name].flush()
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{Path(name).stem}/{key}", value, step)


def _forget_after(file: Path, step: int) -> None:
    if not file.exists():
        return
    header, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    # A killed run may leave a partial line.
    kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= step]
    file.write_text("".join([header, *kept]), encoding="utf-8")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def retrieval_picture(
    texts: Sequence[str], found: Sequence[Sequence[Frames]], right: Sequence[Sequence[bool]]
) -> NDArray[np.uint8]:
    """Draw each text above its retrieved videos, best first, as rows of frames; a green bar marks the right one.

    found[q][k] uint8 [M, H, W, 3] -> [height, width, 3]
    """
    rows = []
    for text, videos, is_right in zip(texts, found, right, strict=True):
        strips = [_strip(frames, bar) for frames, bar in zip(videos, is_right, strict=True)]
        row = np.concatenate(strips, axis=1)
        title = np.full((_LINE, row.shape[1], 3), 255, np.uint8)
        # OpenCV's built-in font has only ASCII.
        words = text.encode("ascii", "replace").decode()
        cv2.putText(title, words, (4, _LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        rows.append(np.concatenate([title, row]))
    return np.concatenate(rows)


def _strip(frames: Frames, right: bool) -> NDArray[np.uint8]:
    tiles = [cv2.resize(frame, (_TILE, _TILE), interpolation=cv2.INTER_AREA) for frame in frames]
    bar = np.full((4, _TILE * len(tiles), 3), (0, 160, 0) if right else (200, 200, 200), np.uint8)
    strip = np.concatenate([bar, np.concatenate(tiles, axis=1)])
    return np.pad(strip, ((0, 0), (0, 6), (0, 0)), constant_values=255)
