"""Candidates from the vector index + the whole CRET score, against exhaustive scoring; and what each step costs.

    python -m tests.benchmarks.recall                                   a few minutes: 30,000 clips of width 768
    python -m tests.benchmarks.recall --clips 100000 --widths 384 512 768 1024 --folder /some/disk

The vectors are synthetic but shaped like those of image-text models, since recall on plain Gaussian ones means nothing:
topics hold videos, videos hold clips, a clip's frames vary around it; most of the variance lies in few directions;
everything sits in a narrow cone; and texts lie in a cone of their own, off the manifold of the frames. What this makes
(cosines, rank of the clip that a text describes) is printed, to be held against real models. With `--folder` graphs are
kept, and a second run does not build them again. Times are per query, on one thread; only the ratios travel.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import hnswlib
import numpy as np
import psutil
from numpy.typing import NDArray

from cret_desktop.clips import Features, ScoreConfig
from cret_desktop.index.catalog import GraphManifest
from cret_desktop.index.graph_builder import EF_SEARCH, SPACE
from cret_desktop.index.vector_index import VectorIndex
from cret_desktop.library.score import score, unit

FRAMES, CENTERS, TOP = 4, 8, 10
CLIPS_PER_VIDEO, TOPICS, RANK = 12, 400, 96
DEPTHS = (10, 20, 50, 100, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400)
CHUNK = 4096
TIMED = 40  # queries

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """N clips as the catalog keeps them, float16, and Q texts, each written for the clip `described` [Q]."""

    frames: NDArray[np.float16]  # [N, M, D]
    centers: NDArray[np.float16]  # [N, C, D]
    means: Vectors  # [N, D] unit
    texts: Features
    described: NDArray[np.int64]

    def clips(self, rows: slice | NDArray[np.int64]) -> Features:
        return Features(self.frames[rows].astype(np.float32), self.centers[rows].astype(np.float32))


def make_world(clips: int, width: int, centers: int, queries: int, spread: float, lengths: float) -> World:
    chance = np.random.default_rng(0)

    def normal(*shape: int) -> Vectors:
        return chance.standard_normal(shape, np.float32)

    basis = np.linalg.qr(normal(width, width))[0]
    spectrum = np.arange(1, RANK + 1, dtype=np.float32) ** -0.5
    latent_axes = spectrum[:, None] / np.linalg.norm(spectrum) * basis[:RANK]  # [RANK, D], latents of length about 1
    cone, text_cone = basis[RANK], 0.3 * basis[RANK] + 0.95 * basis[RANK + 1]
    center_axes = [latent_axes @ np.linalg.qr(normal(width, width))[0] for _ in range(centers)]
    center_cones = unit(normal(centers, width))

    topics = normal(TOPICS, RANK)
    videos = -(-clips // CLIPS_PER_VIDEO)
    popularity = 1.0 / np.arange(1, TOPICS + 1) ** 0.7  # libraries are lopsided
    of_topic = chance.choice(TOPICS, videos, p=popularity / popularity.sum())
    video = 0.7 * topics[of_topic] + 0.7 * normal(videos, RANK)
    latents = 0.85 * np.repeat(video, CLIPS_PER_VIDEO, axis=0)[:clips] + 0.5 * normal(clips, RANK)  # [N, RANK]

    of_clips = np.exp(lengths * np.random.default_rng(1).standard_normal(clips, np.float32))

    frames = np.empty((clips, FRAMES, width), np.float16)
    center_features = np.empty((clips, centers, width), np.float16)
    means = np.empty((clips, width), np.float32)
    for start in range(0, clips, CHUNK):
        part = latents[start : start + CHUNK]
        n = len(part)
        of_frames = part[:, None] + spread * normal(n, FRAMES, RANK)
        picture = of_frames @ latent_axes + 0.9 * cone + 0.25 / width**0.5 * normal(n, FRAMES, width)
        length = of_clips[start : start + n, None, None] * (1.0 + 0.03 * normal(n, FRAMES, 1))
        frames[start : start + n] = unit(picture) * length
        means[start : start + n] = unit(frames[start : start + n].mean(axis=1, dtype=np.float32))
        for c in range(centers):
            z = (part + 0.7 * normal(n, RANK)) @ center_axes[c] + 0.9 * center_cones[c]
            center_features[start : start + n, c] = unit(z + 0.25 / width**0.5 * normal(n, width))

    described = chance.choice(clips, queries, replace=False).astype(np.int64)
    meant = latents[described] + 1.2 * normal(queries, RANK)  # a sentence says some of what the clip shows
    texts = unit(meant @ latent_axes + 2.0 * text_cone + 1.5 / width**0.5 * normal(queries, width))
    text_centers = np.empty((queries, centers, width), np.float32)
    for c in range(centers):
        z = (meant + 0.7 * normal(queries, RANK)) @ center_axes[c] + 0.9 * center_cones[c]
        text_centers[:, c] = z + 0.4 / width**0.5 * normal(queries, width)
    return World(frames, center_features, means, Features(texts, unit(text_centers)), described)


class ArrayStore:
    """The catalog's part: vectors from memory, manifests in a file of the folder."""

    def __init__(self, folder: Path, means: Vectors) -> None:
        self._file = folder / "manifests.json"
        self._means = means  # clip id = row + 1

    def graphs(self, model: str) -> list[GraphManifest]:
        rows = json.loads(self._file.read_text()) if self._file.exists() else []
        known = [GraphManifest(**row) for row in rows]
        return sorted((m for m in known if m.model == model), key=lambda m: -m.generation)

    def record_graph(self, manifest: GraphManifest) -> None:
        self._write([*self.graphs(manifest.model), manifest])

    def forget_graph(self, generation: int) -> None:
        rows = json.loads(self._file.read_text())
        self._write([GraphManifest(**row) for row in rows if row["generation"] != generation])

    def _write(self, manifests: list[GraphManifest]) -> None:
        self._file.write_text(json.dumps([asdict(manifest) for manifest in manifests]))

    def clip_ids(self, _model: str) -> NDArray[np.int64]:
        return np.arange(1, len(self._means) + 1)

    def vectors(self, _model: str, *, ids: Sequence[int]) -> tuple[NDArray[np.int64], Vectors]:
        rows = np.array(ids, np.int64)
        return rows, self._means[rows - 1]


def exhaustive(world: World, config: ScoreConfig) -> Vectors:
    """The whole CRET score of every text with every clip: [Q, N]."""
    parts = [score(world.texts, world.clips(slice(s, s + CHUNK)), config) for s in range(0, len(world.means), CHUNK)]
    return np.concatenate(parts, axis=1)


def recalls(best: NDArray[np.int64], candidates: list[NDArray[np.int64]]) -> float:
    """Share of the best [Q, TOP] among the candidates: rescoring puts exactly these on top of the final list."""
    return float(np.mean([np.isin(b, c).mean() for b, c in zip(best, candidates, strict=True)]))


def timed(runs: dict[str, Callable[[int], object]], queries: int) -> dict[str, tuple[float, float]]:
    """p50 and p95 in ms of each, taken in turn on every query, after a first pass that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for counted in (False, True):
        for query in range(queries):
            for name, run in runs.items():
                start = time.perf_counter()
                run(query)
                if counted:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return {name: (float(np.median(t)), float(np.quantile(t, 0.95))) for name, t in times.items()}


def models(centers: bool) -> Iterator[tuple[str, ScoreConfig]]:
    """The scores of the presets. A score without the centers' term stands for the presets that have none."""
    yield "mean of frames (PE-Core, SigLIP 2)", ScoreConfig(variance_weight=0.0, center_weight=0.0)
    yield "largest frame (starter)", ScoreConfig(temperature=1.0, center_weight=0.0, pooling="max")
    yield "mean + half the variance of frames (CRET without centers)", ScoreConfig(center_weight=0.0)
    if centers:
        yield f"mean + half the variance + {CENTERS} centers (CRET)", ScoreConfig()


def measure(
    clips: int, width: int, with_centers: bool, queries: int, spread: float, lengths: float, folder: Path
) -> None:
    world = make_world(clips, width, CENTERS if with_centers else 0, queries, spread, lengths)
    print(f"\n== width {width}, {clips:,} clips of {FRAMES} frames, {queries} texts")
    cosines = world.texts.globals @ world.means.T
    own = cosines[np.arange(queries), world.described]
    rank = np.median((cosines > own[:, None]).sum(axis=1) + 1)
    calm = np.mean([unit(f.astype(np.float32)) @ m for f, m in zip(world.frames[:500], world.means, strict=False)])
    print(f"   cosine of text and its clip {own.mean():.2f}, and any clip {cosines.mean():.2f} ± {cosines.std():.2f};")
    print(f"   median rank of the described clip {rank:.0f}; cosine of a frame and its clip's mean {calm:.2f}")

    here = folder / f"{clips}-{width}-{spread}"
    here.mkdir(parents=True, exist_ok=True)
    store = ArrayStore(here, world.means)
    start = time.perf_counter()
    index = VectorIndex.open(here, store, "benchmark", width)
    opened = time.perf_counter() - start
    if not store.graphs("benchmark"):
        start = time.perf_counter()
        index.build()
        print(f"   built in {time.perf_counter() - start:.0f} s (wall, one builder child)")
    else:
        print(f"   opened a kept graph in {opened:.2f} s")

    texts = world.texts.globals
    order = np.argsort(-cosines, axis=1)[:, : max(DEPTHS)]
    depths = [depth for depth in DEPTHS if depth <= clips]
    found = {depth: [index.search(text, depth)[0] - 1 for text in texts] for depth in depths}
    print(f"   the graph against exact search, recall@10: {recalls(order[:, :TOP], found[TOP]):.3f}")
    needed = {}
    for name, config in models(with_centers):
        best = np.argsort(-exhaustive(world, config), axis=1)[:, :TOP]
        print(f"   {name}: recall@{TOP} of candidates + rescoring against exhaustive scoring")
        print("      candidates   index   exact means")
        for depth in depths:
            through_index, exactly = recalls(best, found[depth]), recalls(best, list(order[:, :depth]))
            print(f"      {depth:10,}   {through_index:.4f}  {exactly:.4f}")
            if through_index >= 0.99:
                needed[name] = (depth, config)
                break
        reached = f"{needed[name][0]:,} candidates" if name in needed else "NOT REACHED"
        print(f"      recall@{TOP} >= 0.99: {reached}")

    raw = hnswlib.Index(space=SPACE, dim=width)
    raw.load_index(str(here / store.graphs("benchmark")[0].file))
    raw.set_ef(EF_SEARCH)
    chance = np.random.default_rng(1)
    for name, (depth, config) in needed.items():
        candidates = [index.search(text, depth)[0] - 1 for text in texts]
        runs: dict[str, Callable[[int], object]] = {
            f"raw knn_query, {depth}": lambda q, k=depth: raw.knn_query(texts[q], k=k, num_threads=1),
            f"VectorIndex.search, {depth}": lambda q, k=depth: index.search(texts[q], k),
            "exact scan": lambda q, k=depth: np.argpartition(-(world.means @ texts[q]), k)[:k],
            f"rescoring {depth} (float16 rows in memory)": lambda q, c=candidates, s=config: score(
                Features(texts[q : q + 1], world.texts.centers[q : q + 1]), world.clips(c[q]), s
            ),
        }
        for share in (0.01, 0.1, 0.5):
            allowed = np.sort(chance.choice(np.arange(1, clips + 1), int(clips * share), replace=False))
            runs[f"VectorIndex.search, {depth}, {share:.0%} allowed"] = lambda q, k=depth, a=allowed: index.search(
                texts[q], k, a
            )
        taken = timed(runs, min(queries, TIMED))
        floor = taken[f"raw knn_query, {depth}"][0]
        print(f"   {name}: ms a query, p50 and p95, and p50 as a multiple of raw knn_query")
        for step, (middle, high) in taken.items():
            print(f"      {step:48} {middle:8.3f} {high:8.3f}  x{middle / floor:.2f}")
    index.close()
    print(f"   memory at the end {psutil.Process().memory_info().rss / 2**30:.1f} GiB, of it the world's own arrays")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=30_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[768])
    parser.add_argument("--centers-at", type=int, default=768, help="the width that is also measured with centers")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--spread",
        type=float,
        default=0.4,
        help="how far frames lie from their clip: 0.4 is one calm shot (cosine 0.96 with the mean), 0.6 a restless one "
        "(0.92), in which the variance term brings up clips whose mean is far from the text",
    )
    parser.add_argument(
        "--lengths",
        type=float,
        default=0.0,
        help="how much the lengths of features differ between clips (deviation of their logarithm): a score of raw "
        "inner products then depends on what the index, which holds directions, does not know",
    )
    parser.add_argument("--folder", type=Path, help="keep the graphs here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for width in arguments.widths:
            folder = arguments.folder or Path(temporary)
            with_centers = width == arguments.centers_at
            measure(
                arguments.clips,
                width,
                with_centers,
                arguments.queries,
                arguments.spread,
                arguments.lengths,
                folder,
            )


if __name__ == "__main__":
    main()
