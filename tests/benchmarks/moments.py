"""Measures the search for moments inside longer videos, through the real commands.

    python -m tests.benchmarks.moments MEDIA_FOLDER WORK_FOLDER [--part films|clips] [--variant x264] [--seed 7]

Films: the opaque photographs as single 4-second clips, and the same photographs joined into films
(`tests.benchmarks.films`). A query is a photograph's description. A hit is the right clip, or a moment of the right
film whose middle is inside the scene, among the first 5. The result is the ratio of both hit rates.
Clips: the folder's real videos, searched by their descriptions; the rank of each.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import films, media_folder

WITHIN = 5
LIMIT = 1000


def rank(results: list[dict[str, Any]], path: Path, start: float, end: float) -> int | None:
    """Return the rank, from 1, of the first moment of `path` whose middle is in [start, end), or None."""
    for place, moment in enumerate(results, 1):
        if Path(moment["path"]).resolve() == path and start <= (moment["start"] + moment["end"]) / 2 < end:
            return place
    return None


def share_within(ranks: list[int | None], within: int = WITHIN) -> float:
    return float(np.mean([r is not None and r <= within for r in ranks]))


def measure_films(media: Path, work: Path, variant: str, seed: int) -> None:
    items = media_folder.photographs(media)
    clips = media_folder.make_clips(items, work / "clips")
    print("clips indexed:", json.dumps(media_folder.index(work / "clips_library", work / "clips")), flush=True)
    answers = media_folder.search(work / "clips_library", [item.description for item in clips.values()], LIMIT)
    single = {
        str(item.path.relative_to(media)): rank(answer["results"], Path(clip).resolve(), 0, np.inf)
        for (clip, item), answer in zip(clips.items(), answers, strict=True)
    }

    folder = work / f"films_{seed}" / variant
    films.make_films(media, folder.parent, [variant], seed)
    scenes = [
        (film.with_suffix(".mp4").resolve(), scene)
        for film in sorted(folder.glob("*.json"))
        for scene in json.loads(film.read_text(encoding="utf-8"))["scenes"]
    ]
    library = work / f"films_{seed}_{variant}_library"
    print("films indexed:", json.dumps(media_folder.index(library, folder)), flush=True)
    answers = media_folder.search(library, [scene["description"] for _, scene in scenes], LIMIT)
    in_films = {}
    for (film, scene), answer in zip(scenes, answers, strict=True):
        start, frames = scene["first"] / films.FRAME_RATE, scene["frames"] / films.FRAME_RATE
        in_films[scene["photo"]] = rank(answer["results"], film, start, start + frames)

    names = sorted(in_films)
    alone, joined = [single[n] for n in names], [in_films[n] for n in names]
    random = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        chosen = random.integers(0, len(names), len(names))
        reference = share_within([alone[i] for i in chosen])
        draws.append(share_within([joined[i] for i in chosen]) / reference if reference else np.nan)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    print(f"queries {len(names)}, films {variant} of seed {seed}, within the first {WITHIN}:")
    print(f"  single clips {share_within(alone):.3f}   moments in films {share_within(joined):.3f}")
    print(f"  ratio {share_within(joined) / share_within(alone):.3f}  [{low:.3f}, {high:.3f}]  (goal 0.9)")
    whipped = {scene["photo"] for _, scene in scenes if scene["whip"]}
    for title, kept in (
        ("without a whip pan", [n for n in names if n not in whipped]),
        ("with one", sorted(whipped)),
    ):
        both = share_within([single[n] for n in kept]), share_within([in_films[n] for n in kept])
        print(f"  scenes {title} ({len(kept)}): {both[0]:.3f} -> {both[1]:.3f}")


def measure_clips(media: Path, work: Path) -> None:
    with (media / "media.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["kind"] == "video"]
    folders = sorted({str(media / row["path"].split("/")[0]) for row in rows})
    print("videos indexed:", json.dumps(media_folder.index(work / "videos_library", *map(Path, folders))), flush=True)
    answers = media_folder.search(work / "videos_library", [row["description"] for row in rows], LIMIT)
    ranks, shares = [], []
    for row, answer in zip(rows, answers, strict=True):
        start, _, end = row["time_range_s"].partition("-")
        place = rank(answer["results"], (media / row["path"]).resolve(), float(start or 0), float(end or "inf"))
        moments = len(answer["results"])
        ranks.append(place or moments + 1)
        shares.append(ranks[-1] / max(1, moments))
        note = "" if shares[-1] <= 1 / 3 else "   <- worse than the top third"
        print(f"  {place!s:>4} of {moments:3}  {row['path']} {row['time_range_s']}: {row['description'][:70]}{note}")
        if note:
            first = answer["results"][0]
            print(f"          instead: {Path(first['path']).name} {first['start']:.1f}-{first['end']:.1f}")
    print(f"median rank {np.median(ranks):g} over {len(ranks)} descriptions (goal 1)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--part", choices=("films", "clips"), help="default: both")
    parser.add_argument("--variant", choices=sorted(films.VARIANTS), default="x264")
    parser.add_argument("--seed", type=int, default=0, help="of the films")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.part != "films":
        measure_clips(arguments.media, arguments.work)
    if arguments.part != "clips":
        measure_films(arguments.media, arguments.work, arguments.variant, arguments.seed)


if __name__ == "__main__":
    main()
