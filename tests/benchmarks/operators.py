"""Measures the cost of operators, words in names, browsing and sorting: milliseconds per part, on a generated library.

    python -m tests.benchmarks.operators WORK_FOLDER [--clips 100000] [--rounds 30]

20 clips per file, features of the starter's width, names of common and rare words, tags and subtitle lines on some. The
text encoder is a table, so that only the library's own time is measured. Kinds alternate, A B C A B C; medians.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from cret_desktop.domain.clips import Features, FrameFormat, ModelInfo, ScoreConfig, Sort, VideoFile, VideoInfo
from cret_desktop.domain.records import PICTURES, Line, NewClip, Sidecar
from cret_desktop.engine.assemble import fit_picture, make_searcher
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.searching.query import parse
from cret_desktop.library_files import LibraryFiles
from cret_desktop.paths import resource
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.stages import Stages
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.sqlite.texts import Texts
from cret_desktop.storage.vectors.vector_index import VectorIndex
from tests.fakes import KEY

WIDTH, FRAMES, OF_A_FILE = 256, 4, 20
INFO = ModelInfo("table", "A table", "operators-1", WIDTH, 0, FrameFormat(FRAMES, 32), ScoreConfig())
WORDS = "beach dog night market snow train talk kitchen street window forest concert".split()

KINDS: dict[str, dict[str, object]] = {
    "words": {"typed": "someone far away under trees"},
    "words, a name found": {"typed": "rare4999"},
    "words, a name found everywhere": {"typed": "clip"},
    "1 % by tag": {"typed": "someone far away tag:holiday"},
    "8 % by folder": {"typed": "someone far away in:beach"},
    "50 % by length": {"typed": "someone far away dur:<60s"},
    "by name's order": {"typed": "someone far away", "sort": Sort.NAME},
    "without": {"typed": "someone far away", "without": "snow"},
    "like a clip": {"typed": "", "like": 1},
    "browse": {"typed": ""},
    "browse, page 40, by name": {"typed": "", "sort": Sort.NAME, "offset": 3900},
    "browse 50 % by length": {"typed": "dur:<60s", "sort": Sort.SIZE},
}


class Table:
    """A text encoder that maps equal texts to equal directions."""

    info = INFO

    @property
    def text(self) -> Table:
        return self

    video = text

    def encode(self, texts: list[str]) -> Features:
        rows = [np.random.default_rng(list(text.encode())).normal(size=WIDTH) for text in texts]
        return Features(_unit(np.array(rows)), np.zeros((len(texts), 0, WIDTH), np.float32))

    def release(self) -> None:
        pass


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return unit


def generate(catalog: Catalog, clips: int) -> None:
    random = np.random.default_rng(5)
    root = catalog.add_root("/videos")
    files = clips // OF_A_FILE
    names = [f"/videos/{WORDS[n % len(WORDS)]} {n % 40}/clip {n} rare{n}.mp4" for n in range(files)]
    seen = [VideoFile(name, 10_000 + n, 10**18 + 10**12 * n, 1, n) for n, name in enumerate(names)]
    changes = FileChanges(catalog)
    apply_scan(Scans(catalog), root, seen, [])
    model = Embeddings(catalog).record_model(INFO)
    centres = _unit(random.normal(size=(500, WIDTH)))
    for n, (file_id, file) in enumerate(Stages(catalog).due(PICTURES, INFO.fingerprint, root.id)):
        about = centres[random.integers(len(centres), size=OF_A_FILE)]
        frames = _unit(about[:, None] + 0.05 * random.normal(size=(OF_A_FILE, FRAMES, WIDTH)))
        new = [
            NewClip(i, i, 5.0 * i, 5.0 * i + 5, f"aa/bb/aabb{n:020x}-{i}.jpg", 160, 90, 0,
                    tuple(5.0 * i + t for t in range(FRAMES)), frames[i], np.zeros((0, WIDTH), np.float32))
            for i in range(OF_A_FILE)
        ]  # fmt: skip
        length = float(random.uniform(10, 110))
        changes.commit_file(file_id, file, VideoInfo(length, 1920, 1080, 25.0, "h264", "mp4"), None, new, model)
        if n % 50 == 0:
            said = [Line(5.0 * i, 5.0 * i + 4, f"we were at the {WORDS[i % len(WORDS)]} again") for i in range(500)]
            Texts(catalog).set_subtitles(file_id, [Sidecar(file.path, 1, 1)], said)
    Annotations(catalog).change_tags([1 + 100 * n for n in range(files // 100)], ["Holiday"], [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    texts = resource("reference_queries.txt").read_text(encoding="utf-8").splitlines()
    references = [text for text in texts if text and not text.startswith("#")]
    with Catalog.open(arguments.work / "catalog.sqlite") as catalog:
        if not catalog.roots():
            generate(catalog, arguments.clips)
        model = Table()
        index = VectorIndex.open(arguments.work / "graphs", Embeddings(catalog), INFO.fingerprint, WIDTH + 1, key=KEY)
        if index.needs_build():
            index.build()
        files = LibraryFiles(arguments.work)
        searcher = make_searcher(SqliteStore(catalog), index, model, files, references, fit_picture)  # type: ignore[arg-type]
        searcher.prepare()
        took: dict[str, list[float]] = defaultdict(list)
        parts: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for turn in range(arguments.rounds + 2):
            for kind, asked in KINDS.items():
                options = {name: value for name, value in asked.items() if name != "typed"}
                answer = searcher.search(parse(str(asked["typed"])), 100, **options)  # type: ignore[arg-type]
                if turn >= 2:  # the first ones are warm-up
                    took[kind].append(answer.took_ms)
                    for part, milliseconds in answer.parts.items():
                        parts[kind][part].append(milliseconds)
        plain = float(np.median(took["words"]))
        print(f"{len(index)} clips, {arguments.rounds} rounds, medians in ms (times the plain query's)")
        for kind, values in took.items():
            shares = ", ".join(f"{part} {np.median(times):.1f}" for part, times in parts[kind].items())
            median, late = np.median(values), np.quantile(values, 0.95)
            print(f"{kind:<32} {median:6.1f} ({median / plain:4.2f} x)  p95 {late:6.1f}   {shares}")
        index.close()


if __name__ == "__main__":
    main()
