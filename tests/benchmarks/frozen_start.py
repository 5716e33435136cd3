"""Measures the frozen app's start against the source's.

    python -m tests.benchmarks.frozen_start PROGRAM LIBRARY

PROGRAM is the frozen `cret-desktop`, LIBRARY an existing library, such as a demo's. Both run in turn, under the same
load; the output is the median of each and their ratio.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
COMMANDS = {
    "told its version": ["--version"],
    "engine up, library read": ["status", "--json"],
    "first answer to words": ["search", "a cat", "--json"],
    "window with its answer, off the screen": ["window", "--query", "a cat", "--screenshot"],
}


def main(program: Path, library: Path) -> None:
    source = [sys.executable, "-m", "cret_desktop"]
    with tempfile.TemporaryDirectory() as folder:
        for what, command in COMMANDS.items():
            options = [str(Path(folder, "window.png"))] if command[-1] == "--screenshot" else []
            line = ["--library", str(library), *command, *options]
            _seconds([str(program), *line])  # load the files into memory
            _seconds([*source, *line])
            rounds = [(_seconds([str(program), *line]), _seconds([*source, *line])) for _ in range(ROUNDS)]
            frozen, plain = (statistics.median(times) for times in zip(*rounds, strict=True))
            print(f"{what:<40} frozen {frozen:6.2f} s   source {plain:6.2f} s   {frozen / plain:.2f} times", flush=True)


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
