"""Detects growth: `python -m tests.hostile.long_run --files 2000 --rounds 5`.

Each round writes that many new short films, indexes them, searches, deletes half of them from the disk, removes the
folder from the library, and waits until all of it is forgotten. One engine runs through all rounds, with the real
decoders, catalog and graph builder, and a light encoder. At rest after every round the program measures memory, threads
and handles of every remaining process, and the files on the disk. After the last round resident memory and the content
of the catalog may be a twentieth above those of the second one, some measures a little more (`SLACK`); the rest must be
equal. Prints a table, and exits with status 1 if something grew.
"""

from __future__ import annotations

import argparse
import gc
import os
import queue
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.library.indexing.progress import IndexTotals
from cret_desktop.paths import LibraryPaths
from tests import fakes
from tests.said import said

if TYPE_CHECKING:
    from cret_desktop.engine.assemble import OpenLibrary

WAIT = 3600.0  # seconds until a round fails
LARGEST_TAIL = 500  # clips, so that every round builds graphs
FORGET_SECONDS = 0.5
_COLOURS = list(fakes.COLOURS)


@dataclass(frozen=True, slots=True)
class Rest:
    """The state between two rounds, in bytes and counts."""

    engine_rss: int
    engine_own: int
    engine_threads: int
    engine_handles: int
    client_rss: int
    client_threads: int
    client_handles: int
    processes: int
    temporary: int  # entries of the temporary folder
    catalog: int
    catalog_used: int  # without free pages
    thumbnails: int
    thumbnail_folders: int
    graphs: int
    other: int


# Permitted growth after the second round, as a share. Touched pages of memory stay; SQLite keeps its pages and its
# log; measured rates vary in their number of digits.
SLACK = {
    "engine_rss": 0.05,
    "engine_own": 0.1,
    "client_rss": 0.05,
    "catalog": 0.05,
    "catalog_used": 0.05,
    "other": 0.05,
}


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `tests.fakes.open_library`, with graphs of few clips and immediate forgetting."""
    from cret_desktop.engine.services import upkeep
    from cret_desktop.storage.vectors.vector_index import Limits

    vars(upkeep).update(KEEP_SECONDS=0.0, PURGE_SECONDS=FORGET_SECONDS)
    opened = fakes.open_library(library, model, device, read_only)
    opened.index._limits = Limits(tail=LARGEST_TAIL)
    return opened


def write_films(folder: Path, count: int, seed: str) -> None:
    """Write short films, no two with the same content."""
    from tests.hostile.videos import make_video

    folder.mkdir(parents=True)
    for number in range(count):
        source = random.Random(f"{seed}/{number}")
        (folder / f"{number}.mp4").write_bytes(make_video("mp4", source.choice(_COLOURS), source, frames=8))


class Run:
    """One engine, one library, rounds of films."""

    def __init__(self, work: Path, files: int) -> None:
        self._files = files
        self._videos = work / "videos"
        self._library = work / "library"
        self._temporary = Path(tempfile.gettempdir())
        self.client = EngineClient(EngineConfig(self._library, factory=f"{__name__}:open_library"))
        self._finished: queue.SimpleQueue[protocol.IndexFinished] = queue.SimpleQueue()

    def rounds(self, count: int) -> list[Rest]:
        rests = []
        with self.client:
            self.client.subscribe(lambda e: self._finished.put(e) if isinstance(e, protocol.IndexFinished) else None)
            for number in range(1, count + 1):
                began = time.monotonic()
                self._round(number)
                rests.append(self._rest())
                _say(f"round {number}: {time.monotonic() - began:.0f} s, {asdict(rests[-1])}")
        return rests

    def _round(self, number: int) -> None:
        folder = self._videos / f"round {number}"
        # Another process writes the films: this one only sends requests.
        make = [sys.executable, "-m", "tests.hostile.long_run", "--make", str(folder), "--files", str(self._files)]
        subprocess.run(make, check=True)
        self._ask(protocol.AddFolders((str(folder),)))
        totals = self._wait()
        if (totals.files, totals.failed) != (self._files, 0):
            raise SystemExit(f"{totals.files} of {self._files} films were indexed, {totals.failed} failed")
        for colour in _COLOURS:
            answer = self._ask(protocol.Search(colour, limit=20))
            assert isinstance(answer, protocol.SearchAnswer)
            if not answer.moments:
                raise SystemExit(f"nothing is found as {colour}")
        for file in sorted(folder.iterdir())[::2]:
            file.unlink()
        self._ask(protocol.Refresh())
        self._wait()
        self._ask(protocol.RemoveFolder(str(folder)))
        shutil.rmtree(folder)

    def _ask(self, request: protocol.Request[Any]) -> object:
        return self.client.request(request).result(WAIT)

    def _wait(self) -> IndexTotals:
        event = self._finished.get(timeout=WAIT)
        if event.error:
            raise SystemExit(said(event.error))
        return event.totals

    def _rest(self) -> Rest:
        paths = LibraryPaths(self._library)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # until everything is forgotten
            if not any(files for kept in (paths.thumbnails, paths.graphs) for *_, files in os.walk(kept)):
                break
            time.sleep(FORGET_SECONDS)
        gc.collect()
        engine, client = psutil.Process(self.client.pid), psutil.Process()
        psutil.wait_procs(engine.children(recursive=True), timeout=60)  # decoders and builders that end
        catalog = sum(file.stat().st_size for file in self._library.glob(f"{paths.catalog.name}*"))
        thumbnails = _content(paths.thumbnails)
        graphs = _content(paths.graphs)
        whole = _content(self._library)
        return Rest(
            engine_rss=engine.memory_info().rss,
            engine_own=_own_memory(engine),
            engine_threads=engine.num_threads(),
            engine_handles=_handles(engine),
            client_rss=client.memory_info().rss,
            client_threads=client.num_threads(),
            client_handles=_handles(client),
            processes=len(client.children(recursive=True)),
            temporary=len([*self._temporary.iterdir()]),
            catalog=catalog,
            catalog_used=_used(paths.catalog),
            thumbnails=thumbnails[0],
            thumbnail_folders=thumbnails[1],
            graphs=graphs[0],
            other=whole[0] - catalog - thumbnails[0] - graphs[0],
        )


def _content(folder: Path) -> tuple[int, int]:
    """Return the bytes of all files below a folder, and the number of folders."""
    size = folders = 0
    for place, below, files in os.walk(folder):
        folders += len(below)
        size += sum(os.path.getsize(os.path.join(place, file)) for file in files)
    return size, folders


def _used(catalog: Path) -> int:
    with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as db:
        used = (
            "(page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int(db.execute(f"SELECT {used}").fetchone()[0])


def _own_memory(process: psutil.Process) -> int:
    """Return the bytes that no file backs.

    Memory unique to a process grows when another process with the same mapped libraries ends, so it is used only where
    the system reports nothing better.
    """
    memory = process.memory_info()
    return int(memory.rss - memory.shared) if sys.platform == "linux" else int(process.memory_full_info().uss)


def _handles(process: psutil.Process) -> int:
    if sys.platform == "win32":
        return int(process.num_handles())
    return int(process.num_fds())


def grown(rests: list[Rest]) -> list[str]:
    """Return the measures that are larger after the last round than after the second."""
    second, last = asdict(rests[1]), asdict(rests[-1])
    allowed = {name: most * (1 + SLACK.get(name, 0.0)) for name, most in second.items()}
    return [f"{name}: {second[name]} -> {last[name]}" for name in second if last[name] > allowed[name]]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make is not None:
        write_films(options.make, options.files, options.make.name)
        return 0
    with tempfile.TemporaryDirectory(prefix="cret-long-run-") as work:
        temporary = Path(work, "temporary")
        temporary.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)  # private, so that all remaining files are ours
        rests = Run(Path(work), options.files).rounds(options.rounds)
    for name in asdict(rests[0]):
        _say(f"{name:18}" + "".join(f"{getattr(rest, name):>14,}" for rest in rests))
    faults = grown(rests)
    for fault in faults:
        _say(f"GREW {fault}")
    _say("FAILED" if faults else "ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
