"""Compares index candidates with the full CRET score to exhaustive scoring, and measures the cost of each step.

    python -m tests.benchmarks.recall                                   a few minutes: 30,000 clips of width 768
    python -m tests.benchmarks.recall --clips 100000 --widths 384 512 768 1024 --folder /some/disk

Only the vectors are not the app's own: the clips are committed to a real catalog, the index is built from it, and the
`Searcher` answers with its own candidates. The vectors are synthetic but shaped like those of image-text models, since
recall on plain Gaussian ones is meaningless: topics contain videos, videos contain clips, and a clip's frames (of
length 1) vary around it, in some clips more than in others. Most of the variance is in few directions, everything is in
a narrow cone, and texts have a cone of their own, off the manifold of the frames. The resulting statistics (cosines,
lengths of the means, rank of the clip that a text describes) are printed, for comparison with real models. `--folder`
keeps libraries for the next run. Times are per query, on one thread, and only their ratios carry over to other
machines; encoding the text is excluded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hnswlib
import numpy as np
import psutil
from numpy.typing import NDArray

from cret_desktop.domain.clip_vectors import query_vector
from cret_desktop.domain.clips import Features, FrameFormat, ModelInfo, ScoreConfig, VideoFile, VideoInfo
from cret_desktop.domain.records import PICTURES, NewClip
from cret_desktop.engine.assemble import fit_picture, make_searcher
from cret_desktop.library.experts.visual import CANDIDATES
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.ports import VideoEncoder
from cret_desktop.library.searching.query import parse
from cret_desktop.library.searching.score import score, unit
from cret_desktop.library.searching.searcher import Searcher
from cret_desktop.messages import Message
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.stages import Stages
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.vectors.graph_builder import EF_SEARCH
from cret_desktop.storage.vectors.graph_file import SPACE
from cret_desktop.storage.vectors.vector_index import VectorIndex
from tests.fakes import KEY

FRAMES, CENTERS, TOP = 4, 8, 10
LIMIT = 50  # moments per search, as the window requests; the first TOP are judged
REFERENCES = 411  # texts of the bank that calibrates relevance
CLIPS_PER_VIDEO, TOPICS, RANK = 12, 400, 96
DEPTHS = (10, 20, 50, 100, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400)
CHUNK = 4096
TIMED = 40  # number of queries

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """N clips as stored in the catalog, float16, and texts, of which the first each describe one clip."""

    frames: NDArray[np.float16]  # [N, M, D]
    centers: NDArray[np.float16]  # [N, C, D]
    texts: Features  # Q queries, followed by the references
    described: NDArray[np.int64]  # [Q] rows of the queries' clips

    @property
    def queries(self) -> Features:
        count = len(self.described)
        return Features(self.texts.globals[:count], self.texts.centers[:count])

    def clips(self, rows: slice) -> Features:
        return Features(self.frames[rows].astype(np.float32), self.centers[rows].astype(np.float32))


def make_world(clips: int, width: int, centers: int, queries: int, spread: float) -> World:
    chance = np.random.default_rng(0)

    def normal(*shape: int) -> Vectors:
        return chance.standard_normal(shape, np.float32)

    basis = np.linalg.qr(normal(width, width))[0]
    spectrum = np.arange(1, RANK + 1, dtype=np.float32) ** -0.5
    latent_axes = spectrum[:, None] / np.linalg.norm(spectrum) * basis[:RANK]  # [RANK, D], latents of about unit length
    cone, text_cone = basis[RANK], 0.3 * basis[RANK] + 0.95 * basis[RANK + 1]
    center_axes = [latent_axes @ np.linalg.qr(normal(width, width))[0] for _ in range(centers)]
    center_cones = unit(normal(centers, width))

    topics = normal(TOPICS, RANK)
    videos = -(-clips // CLIPS_PER_VIDEO)
    popularity = 1.0 / np.arange(1, TOPICS + 1) ** 0.7  # libraries are uneven
    of_topic = chance.choice(TOPICS, videos, p=popularity / popularity.sum())
    video = 0.7 * topics[of_topic] + 0.7 * normal(videos, RANK)
    latents = 0.85 * np.repeat(video, CLIPS_PER_VIDEO, axis=0)[:clips] + 0.5 * normal(clips, RANK)  # [N, RANK]
    restless = spread * np.exp(0.8 * normal(clips, 1, 1))  # some shots are static, some are not

    frames = np.empty((clips, FRAMES, width), np.float16)
    center_features = np.empty((clips, centers, width), np.float16)
    for start in range(0, clips, CHUNK):
        part = latents[start : start + CHUNK]
        n = len(part)
        of_frames = part[:, None] + restless[start : start + n] * normal(n, FRAMES, RANK)
        unsaid = (0.1 + 2.0 * restless[start : start + n]) / width**0.5 * normal(n, FRAMES, width)  # by no text
        picture = of_frames @ latent_axes + 0.9 * cone + unsaid
        frames[start : start + n] = unit(picture)
        for c in range(centers):
            z = (part + 0.7 * normal(n, RANK)) @ center_axes[c] + 0.9 * center_cones[c]
            center_features[start : start + n, c] = unit(z + 0.25 / width**0.5 * normal(n, width))

    described = chance.choice(clips, queries + REFERENCES).astype(np.int64)
    meant = latents[described] + 1.2 * normal(len(described), RANK)  # a sentence describes part of a clip
    texts = unit(meant @ latent_axes + 2.0 * text_cone + 1.5 / width**0.5 * normal(len(described), width))
    text_centers = np.empty((len(described), centers, width), np.float32)
    for c in range(centers):
        z = (meant + 0.7 * normal(len(described), RANK)) @ center_axes[c] + 0.9 * center_cones[c]
        text_centers[:, c] = z + 0.4 / width**0.5 * normal(len(described), width)
    return World(frames, center_features, Features(texts, unit(text_centers)), described[:queries])


class KnownTexts:
    """A text encoder that looks texts up by number: "text 7" is the eighth."""

    def __init__(self, texts: Features) -> None:
        self._texts = texts

    def encode(self, texts: Sequence[str]) -> Features:
        rows = [int(text.removeprefix("text ")) for text in texts]
        return Features(self._texts.globals[rows], self._texts.centers[rows])


@dataclass(frozen=True)
class WorldModel:
    """The world as a model, with one preset's score. It has no video side, because the clips are given."""

    info: ModelInfo
    text: KnownTexts
    device_lost: Message | None = None

    @property
    def video(self) -> VideoEncoder:
        raise AttributeError("this world was never video: a search must not ask for its video side")


def model_of(world: World, config: ScoreConfig) -> WorldModel:
    width, centers = world.frames.shape[2], world.centers.shape[1]
    info = ModelInfo("benchmark", "Benchmark", "benchmark", width, centers, FrameFormat(FRAMES), config)
    return WorldModel(info, KnownTexts(world.texts))


def fill(catalog: Catalog, world: World, info: ModelInfo) -> None:
    """Commit the world's clips, one video at a time, each clip as its own shot; row r becomes clip id r + 1."""
    count = len(world.frames)
    starts = range(0, count, CLIPS_PER_VIDEO)
    root = catalog.add_root("/benchmark")
    apply_scan(Scans(catalog), root, [VideoFile(f"/benchmark/{at:09}.mp4", 1, 1, 1, at + 1) for at in starts], [])
    model_id = Embeddings(catalog).record_model(info)
    probed = VideoInfo(10.0 * CLIPS_PER_VIDEO, 1920, 1080, 25.0, "h264", "mp4")
    for file_id, file in Stages(catalog).due(PICTURES, info.fingerprint, root.id):
        at = file.inode - 1
        clips = [
            NewClip(
                ordinal, ordinal, 10.0 * ordinal, 10.0 * ordinal + 10.0, "", 160, 90, 0, (1.0, 4.0, 6.0, 9.0),
                world.frames[row].astype(np.float32), world.centers[row].astype(np.float32),
            )
            for ordinal, row in enumerate(range(at, min(at + CLIPS_PER_VIDEO, count)))
        ]  # fmt: skip
        FileChanges(catalog).commit_file(file_id, file, probed, None, clips, model_id)


def check_kept(catalog: Catalog, world: World, info: ModelInfo) -> None:
    """Raise SystemExit if the folder's library is of another world."""
    ids, last = Embeddings(catalog).clip_ids(info.fingerprint), len(world.frames)
    kept = Embeddings(catalog).features(info, [last])[1].globals
    expected = world.frames[-1:].astype(np.float32)
    if len(ids) != last or ids[-1] != last or not np.array_equal(kept, expected):
        raise SystemExit(f"{catalog.path.parent} holds other clips than this run makes; remove that folder.")


def exhaustive(world: World, config: ScoreConfig) -> Vectors:
    """Return the full CRET score of every query with every clip: [Q, N]."""
    parts = [score(world.queries, world.clips(slice(s, s + CHUNK)), config) for s in range(0, len(world.frames), CHUNK)]
    return np.concatenate(parts, axis=1)


def recalls(best: NDArray[np.int64], found: list[NDArray[np.int64]]) -> float:
    """Return the share of the best [Q, TOP] among those found: rescoring ranks exactly these first."""
    return float(np.mean([np.isin(b, f).mean() for b, f in zip(best, found, strict=True)]))


def timed(runs: dict[str, Callable[[int], object]], queries: int) -> dict[str, list[float]]:
    """Return the milliseconds of each, alternating on every query, after an uncounted first pass."""
    times: dict[str, list[float]] = defaultdict(list)
    for counted in (False, True):
        for query in range(queries):
            for name, run in runs.items():
                start = time.perf_counter()
                run(query)
                if counted:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return times


def presets(centers: bool) -> Iterator[tuple[str, ScoreConfig]]:
    """Yield the scores of the presets, and CRET's without the centers' term."""
    yield "mean of frames (PE-Core, SigLIP 2, starter)", ScoreConfig(variance_weight=0.0, center_weight=0.0)
    yield "largest frame (pooling: max)", ScoreConfig(temperature=1.0, center_weight=0.0, pooling="max")
    yield "mean + half the variance of frames (CRET without centers)", ScoreConfig(center_weight=0.0)
    if centers:
        yield f"mean + half the variance + {CENTERS} centers (CRET, the paper's)", ScoreConfig()


def measure(clips: int, width: int, with_centers: bool, queries: int, spread: float, folder: Path) -> None:
    world = make_world(clips, width, CENTERS if with_centers else 0, queries, spread)
    info = model_of(world, ScoreConfig()).info
    print(
        f"\n== width {width}, {clips:,} clips of {FRAMES} frames, {world.centers.shape[1]} centers, {queries} queries"
    )
    paths = LibraryPaths(folder / f"{clips}-{width}-{world.centers.shape[1]}-{spread}")
    paths.root.mkdir(parents=True, exist_ok=True)
    is_new = not paths.catalog.exists()
    with Catalog.open(paths.catalog) as catalog:
        if is_new:
            start = time.perf_counter()
            fill(catalog, world, info)
            print(f"   committed in {time.perf_counter() - start:.0f} s")
        check_kept(catalog, world, info)
        start = time.perf_counter()
        index = VectorIndex.open(paths.graphs, Embeddings(catalog), info.fingerprint, width + 1, key=KEY)
        print(f"   opened in {time.perf_counter() - start:.2f} s")
        if index.needs_build():
            start = time.perf_counter()
            index.build()
            print(f"   built in {time.perf_counter() - start:.0f} s (wall, one builder child)")
        measure_recall(world, catalog, index, paths)
        index.close()
    print(f"   memory at the end {psutil.Process().memory_info().rss / 2**30:.1f} GiB, of it the world's own arrays")


def measure_recall(world: World, catalog: Catalog, index: VectorIndex, paths: LibraryPaths) -> None:
    queries, clips = world.queries, len(world.frames)
    embeddings = Embeddings(catalog)
    ids, vectors = embeddings.vectors(
        "benchmark", world.frames.shape[2] + 1, ids=embeddings.clip_ids("benchmark").tolist()
    )
    typed = [f"text {number}" for number in range(len(world.described))]
    searched = [query_vector(text) for text in queries.globals]
    cosines = np.stack([vectors @ query for query in searched])
    own = cosines[np.arange(len(searched)), world.described]
    rank = np.median((cosines > own[:, None]).sum(axis=1) + 1)
    lengths = np.quantile(np.linalg.norm(world.frames[:5000].mean(axis=1, dtype=np.float32), axis=1), (0.05, 0.5, 0.95))
    print(f"   cosine of text and its clip {own.mean():.2f}, and any clip {cosines.mean():.2f} ± {cosines.std():.2f};")
    print(f"   median rank of the described clip {rank:.0f}; lengths of the means {np.round(lengths, 2)} (5, 50, 95 %)")

    order = ids[np.argsort(-cosines, axis=1)[:, : max(DEPTHS)]]
    depths = sorted({CANDIDATES, *(depth for depth in DEPTHS if depth <= clips)})
    found = {depth: [index.search(query, depth)[0] for query in searched] for depth in depths}
    print(f"   the graph against exact search, recall@{TOP}: {recalls(order[:, :TOP], found[TOP]):.3f}")
    references = [f"text {number}" for number in range(len(typed), len(world.texts.globals))]
    for name, config in presets(world.centers.shape[1] > 0):
        best = ids[np.argsort(-exhaustive(world, config), axis=1)[:, :TOP]]
        searcher = make_searcher(
            SqliteStore(catalog), index, model_of(world, config), paths.files, references, fit_picture
        )
        parts: dict[str, list[float]] = defaultdict(list)

        def ask(number: int, searcher: Searcher = searcher, parts: dict[str, list[float]] = parts) -> NDArray[np.int64]:
            answer = searcher.search(parse(typed[number]), LIMIT)
            for part, milliseconds in answer.parts.items():
                parts[part].append(milliseconds)
            return np.array([moment.clip_id for moment in answer.moments[:TOP]])

        print(f"   {name}: recall@{TOP} against exhaustive scoring")
        print("      candidates    index    exact")
        needed = None
        for depth in depths:
            through_index = recalls(best, found[depth])
            if needed is None or depth == CANDIDATES:
                print(f"      {depth:10,}   {through_index:.4f}   {recalls(best, list(order[:, :depth])):.4f}")
            if needed is None and through_index >= 0.99:
                needed = depth
        answered = [ask(number) for number in range(len(typed))]
        takes = f"{needed:,} candidates" if needed else "more candidates than were tried"
        print(f"      0.99 takes {takes}; Searcher, with {CANDIDATES}: {recalls(best, answered):.4f}")
        parts.clear()
        times = timed(
            runs(index, vectors, searched, str(paths.graphs / Embeddings(catalog).graphs("benchmark")[0].file))
            | {"Searcher.search": ask},
            min(len(typed), TIMED),
        )
        floor = float(np.median(times["raw knn_query"]))
        print("      ms a query, p50 and p95, and p50 as a multiple of raw knn_query")
        for step, taken in (times | {f"  of it: {part}": every for part, every in parts.items()}).items():
            middle, high = np.quantile(taken, (0.5, 0.95))
            print(f"      {step:32} {middle:8.3f} {high:8.3f}  x{middle / floor:.2f}")


def runs(
    index: VectorIndex, vectors: Vectors, searched: list[Vectors], graph: str
) -> dict[str, Callable[[int], object]]:
    """Return the methods that get CANDIDATES for a query, by description."""
    raw = hnswlib.Index(space=SPACE, dim=vectors.shape[1])
    raw.load_index(graph)
    raw.set_ef(EF_SEARCH)
    chance = np.random.default_rng(1)
    ways: dict[str, Callable[[int], object]] = {
        "raw knn_query": lambda q: raw.knn_query(searched[q], k=CANDIDATES, num_threads=1),
        "VectorIndex.search": lambda q: index.search(searched[q], CANDIDATES),
        "exact scan": lambda q: np.argpartition(-(vectors @ searched[q]), CANDIDATES)[:CANDIDATES],
    }
    for share in (0.01, 0.1, 0.5):
        allowed = np.sort(chance.choice(np.arange(1, len(vectors) + 1), int(len(vectors) * share), replace=False))

        def within(q: int, allowed: NDArray[np.int64] = allowed) -> object:
            return index.search(searched[q], CANDIDATES, allowed)

        ways[f"VectorIndex.search, {share:.0%} allowed"] = within
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=30_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[768])
    parser.add_argument("--centers-at", type=int, default=768, help="the width that is also measured with centers")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument(
        "--spread",
        type=float,
        default=0.2,
        help="how far the frames of the middle clip lie from it, in what texts speak of; the larger, the more clips "
        "does the variance term bring up whose mean is far from the text",
    )
    parser.add_argument("--folder", type=Path, help="keep the libraries here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for width in arguments.widths:
            folder = arguments.folder or Path(temporary)
            measure(arguments.clips, width, width == arguments.centers_at, arguments.queries, arguments.spread, folder)


if __name__ == "__main__":
    main()
