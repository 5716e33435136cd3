"""Measures one query from a cold start, then one with the engine warm: seconds, processor seconds, and their parts.

    python -m tests.benchmarks.cold_start LIBRARY [--runs 7] [--tree OTHER_CHECKOUT]

Each run is a new `search` command with two queries: the first includes all start-up costs, the second none. With
`--tree` runs of another checkout alternate with those of this one, and the ratio is printed. The files are in the
system's cache, so disk reads are not measured. On a busy machine only the processor seconds are reliable.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

QUERIES = ("a dog on a beach", "a bicycle leaning against a wall")
BARE = {  # lower bounds: an interpreter, with and without the libraries that a search needs
    "bare: python": "pass",
    "bare: import numpy": "import numpy",
    "bare: import torch": "import torch",
}


def measured(command: list[str], tree: Path) -> tuple[float, float, str, str]:
    """Run a command in a checkout; return seconds, processor seconds including children, stdout and stderr."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, sum(after[:2]) - sum(before[:2]), done.stdout, done.stderr


def search(tree: Path, library: Path, queries: Path) -> dict[str, float]:
    """Run one search command; return {part: seconds}."""
    command = [sys.executable, "-m", "cret_desktop", "search", "--library", str(library), "--from", str(queries)]
    seconds, processor, printed, said = measured(command, tree)
    parts = {"whole command": seconds, "whole command, processor": processor}
    for name, value in re.findall(r"(?:: |, )([a-z ]+) ([\d.]+) s", said.rpartition("Before the first answer")[2]):
        parts[f"  {name}"] = float(value)
    answers = re.findall(r"^  (\d+) ms \(", printed, re.MULTILINE)
    for number, value in zip(("first answer", "second answer"), answers, strict=True):
        parts[f"  {number}"] = int(value) / 1000
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tree", type=Path, help="another checkout, to compare with")
    arguments = parser.parse_args()
    trees = {"this": Path(__file__).resolve().parents[2]}
    if arguments.tree:
        trees["other"] = arguments.tree.resolve()
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        queries = Path(folder, "queries.txt")
        queries.write_text("\n".join(QUERIES))
        for run in range(arguments.runs + 1):
            for name, tree in trees.items():
                parts = search(tree, arguments.library.resolve(), queries)
                if name == "this":
                    for what, code in BARE.items():
                        parts[f"{what}, processor"] = measured([sys.executable, "-c", code], tree)[1]
                for part, seconds in parts.items():
                    if run:  # the first run fills the system's cache
                        taken[name, part].append(seconds)
    for part in dict.fromkeys(part for _, part in taken):
        own = taken["this", part]
        line = f"{part:36} {statistics.median(own):6.2f} s ({min(own):.2f} to {max(own):.2f})"
        if other := taken.get(("other", part)):
            middle = statistics.median(other)
            line += f"   other {middle:6.2f}, this / other {statistics.median(own) / middle:.2f}"
        print(line)


if __name__ == "__main__":
    main()
