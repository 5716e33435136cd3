"""Compares embedding-based with model-based retrieval: seconds to compare every text with every video, same towers.

    python -m tests.benchmarks.retrieval_time [--model paper] [--sizes 25x250 50x500 100x1000]

Both models read the same features of the same towers. The embedding-based one computes CRET's full score (inner
products with the variance of the frames, and the centers). The model-based one runs `training.pairwise` over every
pair, computing the patches' keys and values once for many texts. Weights are new and pixels are noise: neither affects
the cost.

Every size, texts by videos, is measured, to show that time grows with the number of pairs; the last is scaled to
1000 x 1000. Encoding is the same for both: it is measured on a few videos and texts and scaled, and reported both
separately and included.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cret_desktop.domain.clips import ScoreConfig
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import Tokenizer, normalise_pixels
from tests.benchmarks.training_steps import machine, without_sources
from training import pairwise, recipes, synthetic
from training.losses import center_logits, gees_logits
from training.pairwise import PairScorer, PairwiseConfig, TextTokens, VideoTokens

PAPER = (20.0, 750.0)  # stated: seconds for 1000 x 1000 by CRET and by ClipBERT
TEXT = "a red square moves left then two blue circles move up"


def noise(model: CRETConfig, texts: int, videos: int) -> tuple[TextTokens, VideoTokens, Tensor, Tensor]:
    """Return random features shaped like the towers', and centers of texts and videos; unit vectors where those are."""
    draw = torch.Generator().manual_seed(0)
    patches = _patches(model)
    length, centers = model.text.context - 1, model.correspondence.centers

    def unit(*shape: int) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(shape, generator=draw), dim=-1)

    return (
        TextTokens(
            unit(texts, model.width),
            torch.randn(texts, length, model.text.width, generator=draw),
            torch.ones(texts, length),
        ),
        VideoTokens(
            unit(videos, model.frames.frames, model.width),
            torch.randn(videos, patches, model.video.local_width, generator=draw),
        ),
        unit(texts, centers, model.width),
        unit(videos, centers, model.width),
    )


def _patches(model: CRETConfig) -> int:
    from cret_desktop.model.video_tower import SpatialEncoder

    encoder = SpatialEncoder(model.video).eval()
    with torch.inference_mode():
        return int(encoder(torch.zeros(1, 3, model.frames.size, model.frames.size))[1].shape[1])


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a call; on a CPU the processor seconds, unaffected by other processes."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began


def embedding_scores(
    texts: TextTokens, videos: VideoTokens, text_centers: Tensor, video_centers: Tensor, score: ScoreConfig
) -> Tensor:
    """Compute scores [T, V] as `training.evaluate.similarities` does."""
    scores = gees_logits(texts.text, videos.frames, score.temperature, score.variance_weight)
    if text_centers.shape[1]:
        scores = scores + score.center_weight * center_logits(text_centers, video_centers, score.temperature)
    return scores


def encoding(config: CRETConfig, device: torch.device, videos: int) -> tuple[float, float]:
    """Return the seconds to encode a text and a video, from `videos` of each, without the first."""
    model = CRET(config).eval().to(device)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file = Path(folder, synthetic.TOKENIZER)
        synthetic.write_tokenizer(file)
        ids, mask = Tokenizer(file, config.text)([TEXT] * 32)
        ids, mask = (torch.nn.functional.pad(part, (0, config.text.context - ids.shape[1])) for part in (ids, mask))
        mask[:] = True  # the maximum length of a text
        size = config.frames.size
        frames = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (1, config.frames.frames, size, size, 3), dtype=np.uint8)
        )
        pixels = normalise_pixels(frames.to(device), config.mean, config.std)
        texts = [seconds(lambda: model.encode_text(ids.to(device), mask.to(device)), device) / 32 for _ in range(3)]
        clips = [seconds(lambda: model.encode_video(pixels), device) for _ in range(videos + 1)]
    return statistics.median(texts[1:]), statistics.median(clips[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="paper", choices=("paper", "synthetic"), help="whose sizes")
    parser.add_argument("--layers", type=int, default=2, help="of the cross-encoder; its time grows with them")
    parser.add_argument("--sizes", nargs="+", default=["25x250", "50x500", "100x1000"], metavar="TEXTSxVIDEOS")
    parser.add_argument("--encoded", type=int, default=5, help="videos that are encoded for the seconds of one")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cuda", "cpu"))
    options = parser.parse_args()
    device = torch.device(options.device)
    config = without_sources(recipes.recipe("msrvtt-7k" if options.model == "paper" else "synthetic").model)
    heads = dataclasses.replace(PairwiseConfig(), layers=options.layers, heads=config.correspondence.heads)
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(0)
    scorer = PairScorer(heads, config)
    sizes = [tuple(map(int, size.split("x"))) for size in options.sizes]
    print(f"{machine(device)}; sizes of `{options.model}`, {options.layers} cross-encoder layers, float32\n")
    print("| texts × videos | embedding-based, s | model-based, s | model-based, ms a pair | ratio |")
    print("|---" * 5 + "|", flush=True)
    found = []
    for texts, videos in sizes:
        text, video, text_centers, video_centers = noise(config, texts, videos)
        texts_there = TextTokens(*(part.to(device) for part in text))
        videos_there = VideoTokens(*(part.to(device) for part in video))
        centers = text_centers.to(device), video_centers.to(device)
        pairwise.score_all(scorer, TextTokens(*(part[:2] for part in text)), video, device)  # warm-up
        model_based = seconds(lambda: pairwise.score_all(scorer, text, video, device), device)  # noqa: B023
        times = [
            seconds(lambda: embedding_scores(texts_there, videos_there, *centers, config.score), device)  # noqa: B023
            for _ in range(5)
        ]
        embedding = statistics.median(times[1:])
        found.append((texts * videos, embedding, model_based))
        print(
            f"| {texts} × {videos} | {embedding:.4f} | {model_based:.1f} | {1000 * model_based / (texts * videos):.2f} "
            f"| {model_based / embedding:.0f} |",
            flush=True,
        )
    a_text, a_video = encoding(config, device, options.encoded)
    pairs, embedding, model_based = found[-1]
    scale = 1_000_000 / pairs
    encode = 1000 * (a_text + a_video)
    print(f"\nEncoding: {1000 * a_text:.1f} ms a text, {a_video:.3f} s a video; 1000 of each {encode:.0f} s.\n")
    print("| 1000 × 1000, scaled | embedding-based, s | model-based, s | ratio |")
    print("|---" * 4 + "|")
    print(f"| comparing alone | {scale * embedding:.2f} | {scale * model_based:.0f} | {model_based / embedding:.0f} |")
    both = encode + scale * embedding, encode + scale * model_based
    print(f"| with encoding | {both[0]:.0f} | {both[1]:.0f} | {both[1] / both[0]:.1f} |")
    print(f"| the paper: CRET, ClipBERT | {PAPER[0]:.0f} | {PAPER[1]:.0f} | {PAPER[1] / PAPER[0]:.1f} |")


if __name__ == "__main__":
    main()
