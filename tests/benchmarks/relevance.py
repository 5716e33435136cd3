"""Measures how well the best relevance separates present from absent queries: AUROC over the real engine.

    python -m tests.benchmarks.relevance MEDIA_FOLDER WORK_FOLDER [--half A] [--protocol kinds|photographs]

`kinds`: the library lacks one group of pictures (animals, food, vehicles, …) at a time; its descriptions are the absent
queries, all others the present ones. The group "mixed" stays out: it contains animals and food, too.
`photographs`: a hash splits the opaque photographs into two libraries, each queried with both halves. Harder, and not
quite fair: an absent castle still finds the other castles. A query's number is the relevance of its best answer.
`--half A` uses only half A, for making choices.
"""

from __future__ import annotations

import argparse
import hashlib
import queue
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import Match, Moment
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from tests.benchmarks import media_folder
from tests.benchmarks.media_folder import Item

FEWEST = 4  # descriptions of an excluded group


def auroc(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return the probability that a present query's number exceeds an absent one's, ties as half (Mann-Whitney)."""
    above = (present[:, None] > absent[None, :]).mean()
    return float(above + 0.5 * (present[:, None] == absent[None, :]).mean())


def parts_of(items: list[Item], protocol_name: str) -> dict[str, list[Item]]:
    """Return the parts of the collection that are excluded one at a time."""
    parts: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        deal = hashlib.sha256(item.path.name.encode()).digest()[1] % 2
        parts[item.group if protocol_name == "kinds" else f"photographs{deal}"].append(item)
    return parts


def index_and_wait(engine: EngineClient, folders: list[Path]) -> None:
    finished: queue.SimpleQueue[protocol.IndexFinished] = queue.SimpleQueue()

    def listen(event: protocol.Event) -> None:
        if isinstance(event, protocol.IndexFinished):
            finished.put(event)

    unsubscribe = engine.subscribe(listen)
    engine.request(protocol.AddFolders(tuple(map(str, folders)))).result()
    while finished.get().totals.cancelled:  # a folder was just removed: that run ends first
        pass
    unsubscribe()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--half", choices=("A", "B"))
    parser.add_argument("--protocol", choices=("kinds", "photographs"), default="kinds")
    arguments = parser.parse_args()

    items = media_folder.photographs(arguments.media)
    if arguments.protocol == "kinds":
        items += media_folder.photographs(arguments.media, opaque=False)
        items = [item for item in items if item.group != "mixed"]
    items = [item for item in items if arguments.half in (None, item.half)]
    parts = parts_of(items, arguments.protocol)
    folders = {name: arguments.work / f"{arguments.half or 'AB'}_{name}" for name in parts}
    for name, part in parts.items():
        media_folder.make_clips(part, folders[name])

    answers: dict[bool, list[Moment]] = {True: [], False: []}
    with EngineClient(EngineConfig(arguments.work / "library")) as engine:
        for root in engine.request(protocol.GetStatus()).result().folders:
            engine.request(protocol.RemoveFolder(root.path)).result()
        index_and_wait(engine, list(folders.values()))
        for name, part in parts.items():
            if len(part) < FEWEST:
                continue
            engine.request(protocol.RemoveFolder(str(folders[name]))).result()
            for item in items:
                answer = engine.request(protocol.Search(item.description, limit=1)).result()
                answers[item not in part].append(answer.moments[0])
            index_and_wait(engine, [folders[name]])

    present, absent = (np.array([moment.relevance for moment in answers[kind]]) for kind in (True, False))
    random = np.random.default_rng(0)
    draws = [auroc(random.choice(present, len(present)), random.choice(absent, len(absent))) for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    print(f"{arguments.protocol}: present queries {len(present)}, absent {len(absent)}")
    print(f"AUROC of the best relevance  {auroc(present, absent):.3f}  [{low:.3f}, {high:.3f}]")
    for kind, name in ((True, "present"), (False, "absent")):
        shares = [f"{match} {np.mean([m.match is match for m in answers[kind]]):.0%}" for match in Match]
        print(f"{name:8}", "  ".join(shares))


if __name__ == "__main__":
    main()
