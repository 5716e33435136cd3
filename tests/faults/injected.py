"""Injects failures into every write, flush and rename below SQLite and hnswlib, and simulates power cuts.

    python -m tests.faults.injected [--every 1] [--cuts 400] [--seed 0]

A small library goes through its whole life (created, indexed, tagged, moved, purged, its graph built) in a forked
child, over the shim of `shim.c`. The child reports acknowledged operations to the parent, which then checks the result:
one clear sentence for each failure, all committed data present, and, after one more undisturbed life, the same library
as without the failure.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cret_desktop.storage.sqlite.store import SqliteStore
from tests.faults import replay

if TYPE_CHECKING:
    from cret_desktop.domain.records import SavedSearch

SHIM = Path(__file__).with_name("shim.c")
MODES = {"count": 0, "input/output error": 1, "disk full from then on": 2, "short write": 3}
MODEL = "colours-1"


# --- the shim -----------------------------------------------------------------------------------------------------


def compile_shim(folder: Path) -> Path:
    """Compile the shim. Raises: RuntimeError without a C compiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise RuntimeError("The fault tests need a C compiler (cc): install gcc or clang, which hnswlib needs as well.")
    shim = folder / "shim.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-ldl"], check=True)
    return shim


def run_over_shim(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this module again, as a process over the shim."""
    environment = os.environ | {"LD_PRELOAD": str(compile_shim(folder)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.injected", "--over-shim", *arguments]
    return subprocess.run(command, env=environment, cwd=SHIM.parents[2], text=True, stdout=subprocess.PIPE, check=False)


class _Shim:
    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.shim_arm.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int]
        self._library.shim_count.restype = ctypes.c_long

    def arm(self, below: Path, mode: str, at: int, log: int = -1) -> None:
        self._library.shim_arm(os.fsencode(below), MODES[mode], at, log)

    def disarm(self) -> None:
        self._library.shim_arm(b"", 0, 0, -1)

    def count(self) -> int:
        return int(self._library.shim_count())


# --- a library's life ---------------------------------------------------------------------------------------------


def live(folder: Path, acknowledge: Callable[[str, Any], None]) -> list[str]:
    """Run every operation that changes a library in sequence; each may fail. Return the sentences of the errors."""
    from cret_desktop.errors import CretError
    from cret_desktop.library.indexing.control import Control
    from cret_desktop.library.indexing.indexer import Indexer
    from cret_desktop.library.indexing.progress import FileIndexed
    from cret_desktop.library_files import LibraryFiles
    from cret_desktop.storage.sqlite.annotations import Annotations
    from cret_desktop.storage.sqlite.catalog import Catalog
    from cret_desktop.storage.sqlite.embeddings import Embeddings
    from cret_desktop.storage.sqlite.file_changes import FileChanges
    from cret_desktop.storage.vectors.vector_index import Limits, VectorIndex
    from tests.fakes import INFO, KEY, ColourModel, FakeDecoder

    sentences: list[str] = []
    library, videos = folder / "library", folder / "videos"

    def attempt(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except CretError as error:
            sentences.append(str(error))
            return None

    catalog = attempt(lambda: Catalog.open(library / "catalog.sqlite"))
    if catalog is None:
        return sentences
    with catalog:
        said, changes, embeddings = Annotations(catalog), FileChanges(catalog), Embeddings(catalog)
        index = attempt(
            lambda: VectorIndex.open(
                library / "graphs", embeddings, MODEL, INFO.width + 1, Limits(tail=4, dead=0.3), key=KEY
            )
        )
        if index is None:
            return sentences

        def indexed(event: object) -> None:
            if isinstance(event, FileIndexed) and not event.reason:
                acknowledge("indexed", Path(event.path).read_text(encoding="utf-8"))

        def look() -> None:
            root = catalog.add_root(str(videos))
            indexer = Indexer(
                SqliteStore(catalog), index, ColourModel(), FakeDecoder, LibraryFiles(library), indexed,
                still_seconds=0.0,
            )  # fmt: skip
            indexer.run([(root, str(videos))], Control())

        def tag(word: str) -> None:
            for file_id in sorted(i for (i,) in catalog.reader().execute("SELECT id FROM files")):
                said.change_tags([file_id], [word], [])
                said.set_note(file_id, f"{word} {file_id}")
                acknowledge("said", [file_id, word, f"{word} {file_id}"])

        def purge() -> None:
            changes.purge(time.time() + 1)

        for name, words in (("a", "red blue"), ("b", "green green yellow"), ("sub/c", "white grey")):
            _write(videos / f"{name}.mp4", words)
        attempt(look)
        attempt(lambda: tag("first"))
        attempt(index.build)
        _write(videos / "d.mp4", "purple orange cyan")
        _move(videos / "a.mp4", videos / "moved.mp4")
        attempt(look)
        attempt(lambda: tag("second"))
        (videos / "b.mp4").unlink(missing_ok=True)
        attempt(look)
        attempt(purge)
        attempt(catalog.compact)
        attempt(index.build)
        attempt(lambda: said.save_search(_saved_search()))
        index.close()
    return sentences


def _saved_search() -> SavedSearch:
    from cret_desktop.domain.clips import Sort
    from cret_desktop.domain.records import SavedSearch

    return SavedSearch("mine", "red", "", Sort.NAME, False)


def _write(path: Path, words: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words, encoding="utf-8")


def _move(path: Path, target: Path) -> None:
    if path.exists():
        path.rename(target)


# --- checks -------------------------------------------------------------------------------------------------------


def look_at(folder: Path, acknowledged: list[tuple[str, Any]], power_cut: bool) -> None:
    """Check the library before and after one more life. Raises: AssertionError."""
    from cret_desktop.storage.sqlite.catalog import Catalog
    from cret_desktop.storage.sqlite.embeddings import Embeddings
    from cret_desktop.storage.vectors.vector_index import Limits, VectorIndex
    from tests.fakes import KEY

    library, videos = folder / "library", folder / "videos"
    contents = {path.read_text(encoding="utf-8") for path in videos.rglob("*.mp4")}
    with Catalog.open(library / "catalog.sqlite") as catalog:
        assert not catalog.notices, f"nothing is damaged by this: {catalog.notices}"
        db = catalog.reader()
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        here = dict(db.execute("SELECT id, note FROM files"))
        tags = set(db.execute("SELECT t.file_id, g.name FROM file_tags t JOIN tags g ON g.id = t.tag_id"))
        words = {what: [value for kind, value in acknowledged if kind == what] for what in ("indexed", "said")}
        if not power_cut:  # repeatable work is not flushed for each file: a power cut may lose the last ones
            known = db.execute("SELECT count(*) FROM stages WHERE state = 'done'").fetchone()[0]
            assert known >= len(set(words["indexed"]) & contents), "a committed file is lost"
        for file_id, tag, _ in words["said"]:
            if file_id in here:  # the words of purged files wait for their return
                assert (file_id, tag) in tags, "a tag is lost"
        for file_id, _, note in words["said"]:
            if file_id in here:
                assert here[file_id] in (note, note.replace("first", "second")), "a note is lost"
        partly = db.execute(
            "SELECT count(*) FROM stages s WHERE s.state = 'done' AND (SELECT count(*) FROM clips c JOIN embeddings e"
            " ON e.clip_id = c.id WHERE c.file_id = s.file_id)"
            " != (SELECT max(ordinal) + 1 FROM clips WHERE file_id = s.file_id)"
        ).fetchone()
        assert partly == (0,), "a file is wholly in or wholly out"
        embeddings = Embeddings(catalog)
        live_ids = embeddings.clip_ids(MODEL)
        index = VectorIndex.open(library / "graphs", embeddings, MODEL, 17, Limits(tail=4), read_only=True, key=KEY)
        assert len(index) == len(live_ids)
        index.close()
    assert live(folder, lambda *_: None) == [], "afterwards all is well"
    contents = {path.read_text(encoding="utf-8") for path in videos.rglob("*.mp4")}
    with closing(sqlite3.connect(library / "catalog.sqlite")) as after:
        assert after.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = after.execute(
            "SELECT count(*) FROM files f JOIN stages s ON s.file_id = f.id"
            " WHERE s.state = 'done' AND f.missing_since IS NULL"
        ).fetchone()
        assert rows == (len(contents),)
        sprites = {s for (s,) in after.execute("SELECT sprite FROM clips")}
    assert power_cut or all((library / "thumbnails" / sprite).stat().st_size for sprite in sprites)


# --- one failure, one power cut -----------------------------------------------------------------------------------


def _in_a_child(work: Callable[[], Any]) -> tuple[Any, int]:
    """Run `work` in a forked process; return its result and the exit status."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            answer = json.dumps(work())
            with os.fdopen(writing, "w", encoding="utf-8") as stream:
                stream.write(answer)
            status = 0
        except BaseException:  # noqa: BLE001 - the parent gets the status, the user the traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    return (json.loads(answer) if answer else None), os.waitstatus_to_exitcode(status)


def fail_each(work: Path, every: int, offset: int) -> Counter[str]:
    """Fail each operation, or one in `every`, from `offset` on. Return counts to print."""
    shim, tally = _Shim(), Counter[str]()
    _warm_up(work)
    total, _ = _in_a_child(lambda: _life_over(shim, work / "counted", "count", 0)["operations"])
    tally["operations"] = total
    for mode in list(MODES)[1:]:
        for number in range(1 + offset % every, total + 1, every):
            folder = work / f"{MODES[mode]}-{number}"
            told, status = _in_a_child(lambda f=folder, m=mode, n=number: _life_over(shim, f, m, n))  # type: ignore[misc]
            what = f"{mode} at operation {number}"
            assert status == 0, f"{what}: something else than one clear sentence"
            _, status = _in_a_child(lambda f=folder, t=told: look_at(f, t["acknowledged"], power_cut=False))  # type: ignore[misc]
            assert status == 0, f"{what}: see {folder}"
            tally[mode] += 1
            tally["told of"] += bool(told["sentences"])
            shutil.rmtree(folder)
    return tally


def cut_power(work: Path, cuts: int, seed: int) -> Counter[str]:
    """Cut the power at `cuts` of the operations: unflushed writes are lost, all of them, or all but a random few."""
    shim, tally, chance = _Shim(), Counter[str](), random.Random(seed)
    _warm_up(work)
    folder = work / "logged"
    log = work / "log"
    _, status = _in_a_child(lambda: _life_over(shim, folder, "count", 0, log))
    assert status == 0
    records = replay.read(log)
    videos = shutil.copytree(folder / "videos", work / "videos")
    for number in sorted(chance.sample(range(1, len(records)), min(cuts, len(records) - 1))):
        keep = 0.0 if number % 2 else chance.random()
        shutil.rmtree(folder)
        shutil.copytree(videos, folder / "videos")
        replay.restore(records[:number], folder / "library", keep, chance)
        said = [record.acknowledged for record in records[:number] if record.kind == "M"]
        _, status = _in_a_child(lambda s=said: look_at(folder, s, power_cut=True))  # type: ignore[misc]
        assert status == 0, f"power cut after operation {number}, {keep:.2f} of the writes kept: see {folder}"
        tally["power cuts"] += 1
    return tally


def _life_over(shim: _Shim, folder: Path, mode: str, at: int, log: Path | None = None) -> dict[str, Any]:
    acknowledged: list[tuple[str, Any]] = []
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log is not None else -1

    def acknowledge(kind: str, value: Any) -> None:
        acknowledged.append((kind, value))
        if descriptor >= 0:
            os.write(descriptor, replay.marker(json.dumps([kind, value])))

    (folder / "videos").mkdir(parents=True)
    (folder / "library").mkdir()
    shim.arm(folder / "library", mode, at, descriptor)
    sentences = live(folder, acknowledge)
    operations = shim.count()
    shim.disarm()
    assert all(len(s) > 20 and "\n" not in s for s in sentences), sentences
    return {"sentences": sentences, "acknowledged": acknowledged, "operations": operations}


def _warm_up(work: Path) -> None:
    """Import all modules of a life once, and build graphs in this process, because a fork cannot start another."""
    from cret_desktop.storage.vectors import graph_builder, vector_index

    class InProcess:
        """Replaces `vector_index._Build`: the graph is built on start."""

        def __init__(self, request: Any, generation: int) -> None:
            self.request, self.generation = request, generation
            self._report = graph_builder.build_graph(request)
            self.child = self

        start = classmethod(lambda cls, request, generation: cls(request, generation))

        def poll(self, timeout: float | None) -> bool:
            return True

        def finish(self) -> Any:
            self.abandon()
            return self._report

        def abandon(self) -> None:
            shutil.rmtree(self.request.scratch, ignore_errors=True)

    vector_index._Build = InProcess  # type: ignore[assignment,misc]
    _in_a_child(lambda: live(_made(work / "warm"), lambda *_: None))
    live(_made(work / "warmer"), lambda *_: None)


def _made(folder: Path) -> Path:
    (folder / "videos").mkdir(parents=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="make one in so many operations fail")
    parser.add_argument("--cuts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="a folder to work in, which is kept")
    parser.add_argument("--over-shim", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cret-faults-") as place:
        work = arguments.work or Path(place)
        work.mkdir(exist_ok=True)
        if not arguments.over_shim:
            done = run_over_shim(work, *sys.argv[1:])
            sys.stdout.write(done.stdout)
            sys.exit(done.returncode)
        began = time.monotonic()
        tally = fail_each(work / "each", arguments.every, arguments.seed) + cut_power(
            work / "cuts", arguments.cuts, arguments.seed
        )
        for what, count in tally.items():
            sys.stdout.write(f"{count:6} {what}\n")
        sys.stdout.write(f"All as it must be, after {time.monotonic() - began:.0f} s.\n")


if __name__ == "__main__":
    main()
