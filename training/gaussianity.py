"""Tests whether a video's frame features are Gaussian, as GEES assumes, and measures the power of the test.

    python -m training.gaussianity CHECKPOINT msrvtt --data DIR --videos 300 --frames 16

In the paper 300 MSRVTT videos pass the Henze–Zirkler test at 95 %, so by the rule of three at most 1 % fail. Three
limits apply. With 4 frames the test cannot reject anything, and with 8 it misses most. 300 true Gaussians would not all
pass a test at its own 5 % level. The test assumes independent samples, which the frames of a video are not. `limits`
measures all this on samples of known distributions, and the summary prints it beside the result.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cret_desktop.errors import CretError, UsageError
from cret_desktop.model.encoder import choose_device
from training import logs, runs
from training.datasets import registry
from training.datasets.base import FewerVideos, VideoTexts
from training.evaluate import DEFAULT_SPLITS, encode

LEVEL = 0.05
DIMENSIONS = 2
MIN_FRAMES = 16
BINS = 20
Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HenzeZirkler:
    statistic: float
    p: float


def henze_zirkler(samples: Samples) -> HenzeZirkler:
    """Run the Henze–Zirkler test of multivariate normality on samples [n, d].

    With S the biased covariance, D_jk the squared Mahalanobis distances between samples, D_j those to the mean, and
    b = (1/√2) ((2d + 1)/4)^(1/(d+4)) n^(1/(d+4)):
    HZ = n [n⁻² Σ exp(−b² D_jk/2) − 2 (1 + b²)^(−d/2) n⁻¹ Σ exp(−b² D_j/(2 (1 + b²))) + (1 + 2b²)^(−d/2)],
    and p from a log-normal with the mean and variance of HZ under the hypothesis (Henze and Zirkler, 1990).

    Raises: ValueError if S is singular: samples in a lower-dimensional subspace, or fewer than d + 1 of them.
    """
    n, d = samples.shape
    centred = samples - samples.mean(0)
    covariance = centred.T @ centred / n
    if n <= d or np.linalg.matrix_rank(covariance) < d:
        raise ValueError(f"{n} samples do not span {d} dimensions")
    inner = centred @ np.linalg.solve(covariance, centred.T)  # [n, n]
    own = np.diag(inner)  # D_j
    between = own[:, None] + own[None, :] - 2 * inner  # D_jk
    b2 = 0.5 * (n * (2 * d + 1) / 4) ** (2 / (d + 4))
    statistic = n * (
        np.exp(-b2 / 2 * between).mean()
        - 2 * (1 + b2) ** (-d / 2) * np.exp(-b2 * own / (2 * (1 + b2))).mean()
        + (1 + 2 * b2) ** (-d / 2)
    )
    return HenzeZirkler(float(statistic), _p_value(float(statistic), b2, d))


def _p_value(statistic: float, b2: float, d: int) -> float:
    """Return 1 − the distribution function of the log-normal with HZ's mean and variance under the hypothesis."""
    a, w = 1 + 2 * b2, (1 + b2) * (1 + 3 * b2)
    b4, b8 = b2**2, b2**4
    mean = 1 - a ** (-d / 2) * (1 + d * b2 / a + d * (d + 2) * b4 / (2 * a**2))
    variance = (
        2 * (1 + 4 * b2) ** (-d / 2)
        + 2 * a**-d * (1 + 2 * d * b4 / a**2 + 3 * d * (d + 2) * b8 / (4 * a**4))
        - 4 * w ** (-d / 2) * (1 + 3 * d * b4 / (2 * w) + d * (d + 2) * b8 / (2 * w**2))
    )
    spread = math.sqrt(math.log1p(variance / mean**2))
    centre = math.log(mean) - spread**2 / 2
    return 0.5 * math.erfc((math.log(statistic) - centre) / (spread * math.sqrt(2))) if statistic > 0 else 1.0


def principal_components(samples: Samples, dimensions: int = DIMENSIONS) -> Samples:
    """Project samples [n, D] onto the directions of largest variance: [n, dimensions]."""
    centred = samples - samples.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ directions[:dimensions].T)


def rule_of_three(trials: int) -> float:
    """Return the 95 % upper bound 3 / n of a failure's probability after n independent trials without one."""
    return 3 / trials


# Samples [n, 2] of known distributions, to measure the power of the test


def gaussian(n: int, random: np.random.Generator) -> Samples:
    return random.normal(size=(n, 2))


def cauchy(n: int, random: np.random.Generator) -> Samples:
    """Draw two independent Cauchy variables: no mean, no variance."""
    return random.standard_cauchy(size=(n, 2))


def two_shots(n: int, random: np.random.Generator) -> Samples:
    """Draw a video with a cut in the middle: two clusters, nine of their standard deviations apart."""
    samples = random.normal(size=(n, 2))
    samples[n // 2 :, 0] += 9
    return samples


def random_walk(n: int, random: np.random.Generator) -> Samples:
    """Draw gradually changing frames: a random walk in 128 dimensions, reduced to two.

    The first two components form a curve rather than a cloud, whatever the steps.
    """
    return principal_components(random.normal(size=(n, 128)).cumsum(0))


WORLDS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "Gaussian": gaussian,
    "Cauchy": cauchy,
    "two shots": two_shots,
    "random walk": random_walk,
}


def power(world: Callable[[int, np.random.Generator], Samples], n: int, trials: int, seed: int = 0) -> Samples:
    """Return p [trials] of the test on samples of size n. The share below `LEVEL` is the power against `world`."""
    random = np.random.default_rng(seed)
    return np.array([henze_zirkler(world(n, random)).p for _ in range(trials)])


# The frame features of a checkpoint


@dataclass(frozen=True, slots=True)
class Verdict:
    """p: [videos], of the testable ones. still: ids whose frames do not span a plane (a still picture)."""

    p: Samples
    still: tuple[str, ...]
    components: Samples  # [videos, n, 2]

    @property
    def rejections(self) -> int:
        return int((self.p < LEVEL).sum())


def examine(features: NDArray[np.float32], ids: Sequence[str]) -> Verdict:
    """Test each video of features [V, n, D] on its own first two components."""
    tested, still, components = [], [], []
    for id_, frames in zip(ids, features, strict=True):
        coordinates = principal_components(frames.astype(np.float64))
        try:
            tested.append(henze_zirkler(coordinates).p)
        except ValueError:
            still.append(id_)
        else:
            components.append(coordinates)
    return Verdict(np.array(tested), tuple(still), np.array(components))


def frame_features(
    checkpoint: runs.Checkpoint, data: VideoTexts, frames: int, batch: int, workers: int, device: torch.device
) -> NDArray[np.float32]:
    """Return [V, frames, D] as used in the score: after the temporal encoder, normalised if the model normalises."""
    model, tokenizer = checkpoint.load()
    encoded = encode(model, tokenizer, data, frames, batch=batch, workers=workers, device=device)
    return encoded.frame_features.numpy()


def limits(frame_counts: Sequence[int], trials: int) -> dict[str, dict[str, float]]:
    """Return the share of samples of known distributions that the test rejects, by distribution and n."""
    return {
        name: {str(n): float((power(world, n, trials) < LEVEL).mean()) for n in frame_counts}
        for name, world in WORLDS.items()
    }


def summary(verdict: Verdict, frames: int, known: Mapping[str, Mapping[str, float]]) -> str:
    """Return the result in Markdown, with its limits."""
    count = len(verdict.p)
    lines = [
        "# Are frame features Gaussian?",
        "",
        f"Henze–Zirkler on the first {DIMENSIONS} principal components of {frames} frames, {count} videos: "
        f"**{verdict.rejections} rejected at {LEVEL:.0%}** ({verdict.rejections / max(1, count):.1%}).",
        f"{len(verdict.still)} videos could not be tested: their frames do not differ in {DIMENSIONS} directions.",
    ]
    if count and verdict.rejections == 0:
        lines.append(
            f"By the rule of three a video fails with a probability of at most {rule_of_three(count):.3f} (95 %)."
        )
        lines.append(f"So many true Gaussians would all pass with a probability of {(1 - LEVEL) ** count:.0e} only.")
    columns = list(next(iter(known.values())))
    lines += [
        "",
        "## What this test can tell",
        "",
        "Share rejected among samples of a known distribution, by their number:",
        "",
        f"| | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
        *(f"| {name} | {' | '.join(f'{share:.1%}' for share in shares.values())} |" for name, shares in known.items()),
        "",
        "With 4 frames nothing can be rejected, so passing says nothing. Neighbouring frames resemble each other, but",
        "the test takes samples to be independent: a rejection may come from that alone (the random walk).",
    ]
    return "\n".join(lines) + "\n"


def draw(verdict: Verdict, folder: Path) -> None:
    """Write histogram.png, the distribution of p, and density.png, one video's frames and fitted Gaussian."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(verdict.p, BINS, range=(0, 1), color="#4878a8")
    axes.axhline(len(verdict.p) / BINS, color="black", linestyle="--", label="if all were Gaussian")
    axes.axvline(LEVEL, color="#b04040", label=f"level {LEVEL}")
    axes.set(xlabel="p", ylabel="videos")
    axes.legend()
    figure.savefig(folder / "histogram.png", dpi=120)

    points = verdict.components[int(np.argsort(verdict.p)[len(verdict.p) // 2])]  # the video with the median p
    reach = 1.2 * np.abs(points).max()
    grid = np.linspace(-reach, reach, 60)
    x, y = np.meshgrid(grid, grid)
    inverse = np.linalg.inv(np.cov(points.T))
    distances = np.einsum("...i,ij,...j->...", np.stack([x, y], -1), inverse, np.stack([x, y], -1))
    density = np.exp(-distances / 2) * math.sqrt(np.linalg.det(inverse)) / (2 * math.pi)
    figure = Figure(figsize=(6, 4.5))
    surface: Any = figure.add_subplot(projection="3d")
    surface.plot_surface(x, y, density, cmap="viridis", alpha=0.8, linewidth=0)
    surface.scatter(points[:, 0], points[:, 1], 0, color="black", s=12)
    surface.set(xlabel="component 1", ylabel="component 2")
    surface.set_zlabel("density", labelpad=12)
    figure.savefig(folder / "density.png", dpi=120, bbox_inches="tight", pad_inches=0.3)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="a run's folder, or a model's")
    parser.add_argument("dataset", choices=sorted([*registry.DATASETS, registry.SYNTHETIC]))
    parser.add_argument("--data", type=Path, required=True, help="what `training.prepare` has made")
    parser.add_argument("--split", help="default: test, for msrvtt test-1k")
    parser.add_argument("--videos", type=int, default=300, help="evenly spread over the split")
    parser.add_argument("--frames", type=int, default=MIN_FRAMES, help=f"a video; the test is blind below {MIN_FRAMES}")
    parser.add_argument("--trials", type=int, default=1000, help="samples of each known distribution")
    parser.add_argument("--no-figures", action="store_true", help="figures need matplotlib")
    parser.add_argument("--allow-missing", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("gaussianity"))
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--batch", type=int, default=8, help="videos at once")
    parser.add_argument("--workers", type=int, default=2, help="processes that read frames")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except CretError as error:
        print(f"gaussianity: {error}", file=sys.stderr)
        return error.exit_status


def _run(options: argparse.Namespace) -> int:
    if not options.no_figures and importlib.util.find_spec("matplotlib") is None:
        raise UsageError("training.no-matplotlib")
    checkpoint = runs.open_checkpoint(options.checkpoint)
    device = choose_device(options.device)
    split = options.split or DEFAULT_SPLITS.get(options.dataset, "test")
    whole = registry.open_split(options.dataset, split, options.data, allow_missing=options.allow_missing)
    data = FewerVideos(whole, options.videos)
    features = frame_features(checkpoint, data, options.frames, options.batch, options.workers, device)
    verdict = examine(features, data.video_ids)
    known = limits(sorted({4, 8, 16, options.frames}), options.trials)
    options.out.mkdir(parents=True, exist_ok=True)
    result = {
        "dataset": data.name,
        "split": data.split,
        "missing": dict(data.missing),
        "checkpoint": {"folder": str(checkpoint.folder), "fingerprint": checkpoint.manifest.fingerprint},
        "frames": options.frames,
        "videos": len(verdict.p),
        "still": list(verdict.still),
        "rejections": verdict.rejections,
        "level": LEVEL,
        "p": [round(value, 6) for value in verdict.p.tolist()],
        "histogram": np.histogram(verdict.p, BINS, (0, 1))[0].tolist(),
        "known_distributions": known,
        "environment": logs.environment(),
        "git": logs.git_state(),
    }
    (options.out / "results.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = summary(verdict, options.frames, known)
    (options.out / "results.md").write_text(text, encoding="utf-8")
    if not options.no_figures and len(verdict.p):
        draw(verdict, options.out)
    print(f"{text}\nWritten to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
