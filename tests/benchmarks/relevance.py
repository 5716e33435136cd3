"""Does the best relevance tell what is there from what is not? AUROC over the real commands.

    python -m tests.benchmarks.relevance MEDIA_FOLDER WORK_FOLDER [--half A]

The photographs are dealt to two libraries by a hash. Each library is asked for its own pictures (present) and for the
other's (absent); a query's number is the relevance of its best answer. `--half A` stays within half A, for choosing.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks import media_folder


def auroc(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Probability that a present query's number is above an absent one's, ties half (Mann-Whitney)."""
    above = (present[:, None] > absent[None, :]).mean()
    return float(above + 0.5 * (present[:, None] == absent[None, :]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--half", choices=("A", "B"))
    arguments = parser.parse_args()
    items = [i for i in media_folder.photographs(arguments.media) if arguments.half in (None, i.half)]
    sides: list[list[media_folder.Item]] = [[], []]
    for item in items:
        sides[hashlib.sha256(item.path.name.encode()).digest()[1] % 2].append(item)

    numbers: dict[bool, list[float]] = {True: [], False: []}
    classes: dict[bool, list[str]] = {True: [], False: []}
    for side, own in enumerate(sides):
        name = f"{arguments.half or 'all'}{side}"
        media_folder.make_clips(own, arguments.work / f"clips_{name}")
        library = arguments.work / f"library_{name}"
        media_folder.index(library, arguments.work / f"clips_{name}")
        answers = media_folder.search(library, [item.description for item in items], limit=1)
        for item, answer in zip(items, answers, strict=True):
            best = answer["results"][0]
            numbers[item in own].append(best["relevance"])
            classes[item in own].append(best["match"])

    present, absent = np.array(numbers[True]), np.array(numbers[False])
    random = np.random.default_rng(0)
    draws = [auroc(random.choice(present, len(present)), random.choice(absent, len(absent))) for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    print(
        f"present queries {len(present)}, absent {len(absent)}, libraries of {len(sides[0])} and {len(sides[1])} clips"
    )
    print(f"AUROC of the best relevance  {auroc(present, absent):.3f}  [{low:.3f}, {high:.3f}]")
    for kind in (True, False):
        shares = {c: classes[kind].count(c) / len(classes[kind]) for c in ("strong", "possible", "weak")}
        print(f"{'present' if kind else 'absent ':8}", "  ".join(f"{c} {share:.0%}" for c, share in shares.items()))


if __name__ == "__main__":
    main()
