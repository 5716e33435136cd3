"""Measures the retrieval of described photographs: R@1/5/10 and median rank, through the real commands.

    python -m tests.benchmarks.retrieval MEDIA_FOLDER WORK_FOLDER [--kind opaque|cutout] [--half A]

Each photograph becomes a 4-second pan-and-zoom clip of one library, and each description a query of
`cret-desktop search`. A half is searched only with its own queries; `--half A` does not touch half B, for making
choices.

The baseline uses the same decoded frames in the same run: the starter's backbone and sentence encoder, joined by the
unweighted sum of class probabilities times class sentences (ConSE) and centred logits times softmax similarities at
0.05, each divided by its spread over all scores. Intervals are bootstrapped over queries; those of the difference are
paired.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from cret_desktop import paths
from cret_desktop.domain.clips import ClipDecoded, Frames
from cret_desktop.media.decoder import decode_file
from cret_desktop.media.scan import video_file
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.encoder import open_model
from cret_desktop.model.transforms import normalise_pixels
from tests.benchmarks import media_folder
from training.starter import SentenceEncoder, class_texts

LIMIT = 1000  # more moments than any such library has
DRAWS = 5000
DEPTHS = (1, 5, 10)


def command_scores(library: Path, clips: Sequence[str], queries: Sequence[str]) -> NDArray[np.float64]:
    """Return [queries, clips]: minus the place of a clip's first moment among the answers; -inf for absent clips."""
    scores = np.full((len(queries), len(clips)), -np.inf)
    column = {str(Path(clip).resolve()): j for j, clip in enumerate(clips)}
    for i, answer in enumerate(media_folder.search(library, queries, LIMIT)):
        for place, moment in enumerate(answer["results"]):
            j = column[str(Path(moment["path"]).resolve())]
            scores[i, j] = max(scores[i, j], -place)
    return scores


def decoded_frames(clip: str) -> Frames:
    """Return the frames [M, H, W, 3] that the app's own decoder passes to the starter."""
    events = decode_file(video_file(clip), presets.starter().frames)
    return np.concatenate([event.clip.frames for event in events if isinstance(event, ClipDecoded)])


@torch.inference_mode()
def plain_scores(clips: Sequence[str], queries: Sequence[str]) -> NDArray[np.float64]:
    """Return [queries, clips] of the unweighted sum of both mappings."""
    config = presets.starter()
    encode = SentenceEncoder(config)
    classes, sentences = encode(class_texts(glossed=True)), encode(queries)
    manifest = checkpoint.read_manifest(paths.resource("models", "starter"))
    video = checkpoint.load(manifest, text=False).video
    assert video is not None
    backbone = video.spatial.backbone
    semantic, logits = [], []
    for clip in clips:
        pixels = normalise_pixels(torch.from_numpy(decoded_frames(clip))[None], config.mean, config.std)[0]
        output = backbone(pixels)  # [M, 1000]
        semantic.append(F.normalize(output.softmax(-1).mean(0) @ classes, dim=-1))
        logits.append((output - output.mean(-1, keepdim=True)).mean(0))
    conse = sentences @ torch.stack(semantic).T
    linear = (sentences @ classes.T / 0.05).softmax(-1) @ torch.stack(logits).T
    return (conse / conse.std() + linear / linear.std()).double().numpy()


def ranks(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rank from 1 of each query's own clip (the diagonal) in its row of scores, ties against it."""
    return np.asarray((scores >= np.diag(scores)[:, None]).sum(1))


def summary(rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """Map ranks [..., queries] to R@1, R@5, R@10 in per cent and the median rank: [..., 4]."""
    recalls = [(rank <= depth).mean(-1) * 100 for depth in DEPTHS]
    return np.stack([*recalls, np.median(rank, -1)], -1)


def report(name: str, ours: NDArray[np.int64], plain: NDArray[np.int64]) -> None:
    draws = np.random.default_rng(0).integers(len(ours), size=(DRAWS, len(ours)))
    print(f"{name}: {len(ours)} queries")
    for label, value, drawn in (
        ("commands", summary(ours), summary(ours[draws])),
        ("plain sum", summary(plain), summary(plain[draws])),
        ("difference", summary(ours) - summary(plain), summary(ours[draws]) - summary(plain[draws])),
    ):
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        cells = [f"{value[i]:6.1f} [{low[i]:5.1f}, {high[i]:5.1f}]" for i in range(4)]
        print(f"  {label:11}" + "".join(map("   {} {}".format, ("R@1", "R@5", "R@10", "median"), cells)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--kind", choices=("opaque", "cutout"), default="opaque")
    parser.add_argument("--half", choices=("A", "B"))
    arguments = parser.parse_args()
    items = [
        item
        for item in media_folder.photographs(arguments.media, opaque=arguments.kind == "opaque")
        if arguments.half in (None, item.half)
    ]
    name = f"{arguments.kind}_{arguments.half or 'whole'}"
    by_clip = media_folder.make_clips(items, arguments.work / f"clips_{name}")
    clips, queries = list(by_clip), [item.description for item in by_clip.values()]
    # The name contains the model's fingerprint: with another model, indexing would add to the old library.
    library = arguments.work / f"library_{name}_{open_model('starter').info.fingerprint[:8]}"
    totals = media_folder.index(library, arguments.work / f"clips_{name}")
    print(f"{arguments.kind}: {len(clips)} clips in {totals['wall_seconds']:.1f} s, model {library.name[-8:]}")

    ours, plain = command_scores(library, clips, queries), plain_scores(clips, queries)
    halves = np.array([item.half for item in by_clip.values()])
    for half in sorted(set(halves)):
        own = np.flatnonzero(halves == half)
        block = np.ix_(own, own)
        report(f"half {half}", ranks(ours[block]), ranks(plain[block]))
    if not arguments.half:
        report("whole", ranks(ours), ranks(plain))


if __name__ == "__main__":
    main()
