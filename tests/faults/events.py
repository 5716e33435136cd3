"""Folders in uproar: thousands of real file-system events while a real engine indexes and answers.

`python -m tests.faults.events [--files 5000] [--seed 0] [--storm 50000]` creates, changes, copies, moves and deletes
that many small videos under a watching engine that is queried continuously. Then it makes the kernel drop events, and
takes the engine's watches away. After each trial the library must equal a fresh index of the same folder. A small
version is `tests/faults/test_events.py`. Needs Linux; the watches are limited by a user namespace where permitted,
otherwise by an error from the system call.
"""

from __future__ import annotations

import argparse
import errno
import os
import queue
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from cret_desktop.domain.clip_vectors import query_vector
from cret_desktop.engine import protocol
from cret_desktop.engine.adoption import key_of
from cret_desktop.engine.assemble import OpenLibrary, wire
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.library.indexing.progress import FileIndexed
from cret_desktop.media.decoder_pool import DecoderPool
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.vectors.vector_index import VectorIndex, Vectors
from tests.fakes import COLOURS, FORMAT, ColourModel
from tests.said import said
from tests.videos import write_colours

WAIT = 600.0  # seconds to wait for the final state
TOP = 10
QUEUED = Path("/proc/sys/fs/inotify/max_queued_events")
_WATCHES = Path("/proc/sys/user/max_inotify_watches")  # of the reader's user namespace
_LOOKS = "looks.log"


# --- in the engine's process ----------------------------------------------------------------------------------------


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: the colours' library, which logs its scans, and polls more often than usual."""
    from cret_desktop.engine import watching
    from cret_desktop.library.indexing.looking import Looking
    from cret_desktop.library.indexing.watcher import Pace, Watcher

    look = Looking._scan

    def noted(self: Looking, root: object, within: str, *run: object) -> bool:
        with (library.parent / _LOOKS).open("a", encoding="utf-8") as log:
            log.write(f"{within}\n")
        return look(self, root, within, *run)  # type: ignore[arg-type]

    Looking._scan = noted  # type: ignore[method-assign, assignment]
    watching.Watcher = partial(Watcher, pace=Pace(poll=0.5, poll_longest=2.0))  # type: ignore[assignment, attr-defined]
    return wire(library, ColourModel(), lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=0.5)


def open_library_without_watches(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, with only a few watches available to the engine."""
    import ctypes

    from watchdog.observers import inotify_c

    add, left = inotify_c.inotify_add_watch, [FEW_WATCHES]

    def runs_out(*arguments: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return int(add(*arguments))

    inotify_c.inotify_add_watch = runs_out  # type: ignore[assignment]
    return open_library(library, model, device, read_only)


FEW_WATCHES = 60


# --- changes by people and programs ---------------------------------------------------------------------------------


@dataclass
class Disk:
    """A folder of small videos, and operations on it."""

    folder: Path
    random: random.Random
    videos: list[bytes]
    written: int = 0  # number of contents, all different
    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def create(self) -> None:
        path = self._new_place()
        whole = self._new_content()
        if self.random.random() < 0.1:  # it is written in two parts, with other operations in between
            with path.open("wb") as target:
                target.write(whole[: len(whole) // 2])
                target.flush()
                self.change()
                target.write(whole[len(whole) // 2 :])
            if not path.exists():  # moved away with its folder since
                return
        else:
            path.write_bytes(whole)
        self.files.append(path)

    def change(self) -> None:
        """Change an existing file or folder as people do."""
        actions = [self._rename] * 8 + [self._delete] * 7 + [self._copy] * 3 + [self._replace] * 2
        actions += [self._add_what_is_no_video] * 3 + [self._move_folder] + [self._new_folder] * 2
        if self.files:
            self.random.choice(actions)()

    def there(self) -> dict[str, int]:
        """Return the size of every video by path."""
        return {str(path): path.stat().st_size for path in self.folder.rglob("[!.]*.mp4")}

    def _new_content(self) -> bytes:
        self.written += 1
        word = b"%016d" % self.written  # in a box that players skip
        return self.random.choice(self.videos) + (8 + len(word)).to_bytes(4, "big") + b"free" + word

    def _new_folder(self) -> None:
        above = self.random.choice([self.folder, *self.folders])
        if len(above.relative_to(self.folder).parts) < 3:
            made = above / f"day {self.written} {len(self.folders)}"
            made.mkdir(exist_ok=True)
            self.folders.append(made)

    def _new_place(self) -> Path:
        if not self.folders or self.random.random() < 0.02:
            self._new_folder()
        self.written += 1
        return self.random.choice([self.folder, *self.folders[-20:]]) / f"{self.written}.mp4"

    def _take(self) -> Path:
        """Remove a file from the list, most often a recent one, which is being decoded."""
        last = len(self.files) - 1
        return self.files.pop(last - min(last, int(self.random.expovariate(1 / 60))))

    def _rename(self) -> None:
        path, target = self._take(), self._new_place()
        path.rename(target)
        self.files.append(target)

    def _delete(self) -> None:
        self._take().unlink()

    def _copy(self) -> None:
        target = self._new_place()
        shutil.copy(self.random.choice(self.files), target)
        self.files.append(target)

    def _replace(self) -> None:
        self.random.choice(self.files).write_bytes(self._new_content())

    def _add_what_is_no_video(self) -> None:
        for name in (f"{self.written}.txt", f".{self.written}.mp4", f"{self.written}.mp4.part"):
            self._new_place().with_name(name).write_bytes(b"nothing")

    def _move_folder(self) -> None:
        moved = self.random.choice(self.folders)
        above = self.random.choice([self.folder, *self.folders])
        target = above / f"{moved.name.split(',')[0]}, {self.written}"
        if above.is_relative_to(moved) or len(target.relative_to(self.folder).parts) > 4:
            return
        moved.rename(target)
        self.files = [_moved(path, moved, target) for path in self.files]
        self.folders = [_moved(path, moved, target) for path in self.folders]


def _moved(path: Path, before: Path, after: Path) -> Path:
    return after / path.relative_to(before) if path.is_relative_to(before) else path


def make_videos(folder: Path) -> list[bytes]:
    """Return videos of two colours of the palette, one after the other."""
    pairs = [pair for pair in product(COLOURS, COLOURS) if pair[0] != pair[1]]
    return [
        write_colours(folder / "video.mp4", pair, seconds=0.4, frame_rate=10).read_bytes()
        for pair in random.Random(0).sample(pairs, 40)
    ]


# --- the library under test -----------------------------------------------------------------------------------------


class Library:
    """A watching engine that is queried continuously, with its response times."""

    def __init__(self, client: EngineClient) -> None:
        self.client = client
        self.waits: list[float] = []
        self.indexed = 0
        self.errors: list[str] = []
        self._events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        self._ends = threading.Event()
        self._asking = threading.Thread(target=self._ask_on, name="asking")
        client.subscribe(self._events.put)
        self._asking.start()

    def close(self) -> None:
        self._ends.set()
        self._asking.join()

    def _ask_on(self) -> None:
        words = random.Random(1)
        while not self._ends.wait(0.05):
            began = time.monotonic()
            query = " ".join(words.sample(list(COLOURS), 2))
            answer = self.ask(protocol.Search(query))
            assert isinstance(answer, protocol.SearchAnswer)
            self.waits.append(time.monotonic() - began)

    def ask(self, body: protocol.Request[Any]) -> object:
        return self.client.request(body).result(WAIT)

    def status(self) -> protocol.LibraryStatus:
        answer = self.ask(protocol.GetStatus())
        assert isinstance(answer, protocol.LibraryStatus)
        return answer

    def files(self) -> dict[str, int]:
        answer = self.ask(protocol.Search("", limit=1_000_000))
        assert isinstance(answer, protocol.SearchAnswer)
        return {file.path: file.size for file in answer.files}

    def until(self, holds: Callable[[], bool], limit: float = WAIT) -> bool:
        """Wait for events until `holds` is true; return whether that happened in time."""
        deadline = time.monotonic() + limit
        while not holds():
            if time.monotonic() > deadline:
                return False
            look_again = time.monotonic() + 0.5  # listing everything is not free
            while (left := look_again - time.monotonic()) > 0:
                with suppress(queue.Empty):
                    self._note(self._events.get(timeout=left))
        return True

    def _note(self, event: protocol.Event) -> None:
        self.indexed += isinstance(event, FileIndexed)
        if isinstance(event, protocol.IndexFinished) and event.error:
            self.errors.append(said(event.error))

    def follows(self, disk: Disk) -> bool:
        """Return whether the library comes to match the disk, with everything indexed."""
        there = disk.there()
        # In this order: a file listed now may have been found after the queue was empty.
        return self.until(lambda: self.files() == there and self.status().pending == 0)


@contextmanager
def library(config: EngineConfig, folder: Path) -> Iterator[Library]:
    with EngineClient(config) as client:
        opened = Library(client)
        try:
            opened.ask(protocol.AddFolders((str(folder),)))
            yield opened
        finally:
            opened.close()


# --- the required final state ---------------------------------------------------------------------------------------

Clips = dict[tuple[str, float, float], bytes]  # path, start, end -> embeddings


def clips_of(library: Path) -> Clips:
    with sqlite3.connect(f"file:{library / 'catalog.sqlite'}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT r.path, f.path, c.start, c.end, e.globals, e.centers FROM clips c JOIN files f ON f.id = c.file_id"
            " JOIN roots r ON r.id = f.root_id JOIN embeddings e ON e.clip_id = c.id WHERE f.missing_since IS NULL"
        ).fetchall()
    db.close()
    found = {(os.path.join(os.fsdecode(r), os.fsdecode(f)), start, end): g + c for r, f, start, end, g, c in rows}
    assert len(found) == len(rows), "a clip is there twice"
    return found


def nearest(library: Path, queries: Sequence[str]) -> list[Vectors]:
    """Return the cosines of the ten clips nearest to each query, from the library's own index."""
    info, found = ColourModel().info, []
    with Catalog.open(library / "catalog.sqlite", read_only=True) as catalog:
        store = Embeddings(catalog)
        index = VectorIndex.open(
            library / "graphs", store, info.fingerprint, info.width + 1, None, True, key_of(catalog)
        )
        for text in ColourModel().text.encode(queries).globals:
            found.append(index.search(query_vector(text), TOP)[1])
        index.close()
    return found


def exactly_nearest(clips: Clips, queries: Sequence[str]) -> list[Vectors]:
    """Return the same from the embeddings alone, without an index."""
    frames = np.frombuffer(b"".join(clips.values()), "<f2").reshape(len(clips), FORMAT.frames, -1)
    mean = frames.mean(axis=1, dtype=np.float32)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1.0)  # float16 makes some a little too long
    cosines = ColourModel().text.encode(queries).globals @ mean.T
    return [np.sort(each)[::-1][:TOP] for each in cosines]


def differences(config: EngineConfig, folder: Path) -> list[str]:
    """Describe, in sentences, the differences between a closed library and a fresh index of the same folder."""
    fresh = replace(config, library=config.library.with_name("fresh"), watch=False, factory=_factory("open_library"))
    done: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
    with EngineClient(fresh) as client:
        client.subscribe(done.put)
        client.request(protocol.AddFolders((str(folder),))).result(WAIT)
        while not isinstance(done.get(timeout=WAIT), protocol.IndexFinished):
            pass
    ours, theirs = clips_of(config.library), clips_of(fresh.library)
    found = []
    if ours.keys() != theirs.keys():
        found.append(f"{len(ours.keys() - theirs.keys())} clips too many, {len(theirs.keys() - ours.keys())} too few.")
        with Catalog.open(config.library / "catalog.sqlite", read_only=True) as catalog:
            found += [f"{path} has failed: {said(reason)}" for path, reason in catalog.failures()]
    other = sum(ours[clip] != theirs[clip] for clip in ours.keys() & theirs.keys())
    if other:
        found.append(f"{other} clips have other embeddings.")
    queries = [" ".join(pair) for pair in product(list(COLOURS)[:4], list(COLOURS)[4:7])]
    answers = zip(queries, nearest(config.library, queries), exactly_nearest(theirs, queries), strict=True)
    for query, mine, exact in answers:
        if mine.shape != exact.shape or not np.allclose(mine, exact, atol=1e-5):
            found.append(f"“{query}” has other best answers: {mine} instead of {exact}.")
    return found


# --- the three trials -----------------------------------------------------------------------------------------------


def _factory(name: str) -> str:
    return f"tests.faults.events:{name}"


@dataclass
class Trial:
    """One library in one folder, and its faults."""

    folder: Path
    disk: Disk
    config: EngineConfig
    say: Callable[[str], None] = print
    compares: bool = True  # with a fresh index at the end
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, videos: list[bytes], seed: int, say: Callable[[str], None] = print) -> Trial:
        (folder / "videos").mkdir(parents=True)
        disk = Disk(folder / "videos", random.Random(seed), videos)
        config = EngineConfig(folder / "library", watch=True, factory=_factory("open_library"))
        return cls(folder, disk, config, say)

    def check(self, holds: bool, sentence: str) -> None:
        if not holds:
            self.wrong.append(sentence)
            self.say(f"  WRONG: {sentence}")

    def looks(self) -> int:
        log = self.folder / _LOOKS
        return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0

    def compare(self) -> None:
        if not self.compares:
            return
        for sentence in differences(self.config, self.disk.folder):
            self.check(False, f"Against a fresh index: {sentence}")
        self.say(f"  compared with a fresh index of {len(self.disk.there())} files")

    def answers(self, opened: Library) -> None:
        p50, p95 = np.percentile(opened.waits, (50, 95)) * 1000
        worst = max(opened.waits) * 1000
        self.say(f"  {len(opened.waits)} queries answered: p50 {p50:.0f} ms, p95 {p95:.0f} ms, longest {worst:.0f} ms")

    def uproar(self, files: int) -> None:
        """Create, change, move and delete files during indexing; then stop, and check the library."""
        began = time.monotonic()
        with library(self.config, self.disk.folder) as opened:
            made = 0
            while made < files:
                for _ in range(min(50, files - made)):
                    self.disk.create()
                    self.disk.change()
                    made += 1
                # Ahead of the indexing, but not so far that all is done before it begins.
                goal = opened.indexed + 20
                opened.until(lambda goal=goal: opened.indexed >= goal, 5.0)  # type: ignore[misc]
            changed = time.monotonic() - began
            self.check(opened.follows(self.disk), "The library does not come to hold what is on the disk.")
            self.say(
                f"  {files} files made and {len(self.disk.there())} left after {changed:.0f} s, followed after"
                f" {time.monotonic() - began:.0f} s; {opened.indexed} decoded, {self.looks()} looks"
            )
            self.answers(opened)
            searched = opened.ask(protocol.Search("red"))
            assert isinstance(searched, protocol.SearchAnswer)
            self.check(searched.searched == opened.status().clips, "Not all clips of the catalog are searched.")
            self.check(len(opened.waits) > files / 10, f"Only {len(opened.waits)} queries were answered.")
            self.check(not opened.errors, f"Errors: {opened.errors}")
            self.check(opened.status().failed == 0, f"{opened.status().failed} files are listed as failed.")
        self.compare()

    def overflow(self, names: str, files: int = 40) -> None:
        """Stop the engine while more events happen than the kernel queues; `names`: the flooding files' suffix."""
        queued = int(QUEUED.read_text(encoding="ascii"))
        (self.disk.folder / "flooded").mkdir()
        with library(self.config, self.disk.folder) as opened:
            self.check(opened.follows(self.disk), "The library does not come to hold what is on the disk.")
            engine = opened.client.pid
            assert engine is not None
            before = self.looks()
            os.kill(engine, signal.SIGSTOP)
            try:
                for number in range(queued // 3 + 1000):  # created, closed and deleted: three events
                    path = self.disk.folder / "flooded" / f"{number}{names}"
                    path.touch()
                    path.unlink()
                for _ in range(files):  # and none of these is reported
                    self.disk.create()
                    self.disk.change()
                lost = self.disk.folder / "lost"
                lost.mkdir()
                (lost / "a.mp4").write_bytes(self.disk._new_content())
            finally:
                os.kill(engine, signal.SIGCONT)
            self.check(opened.follows(self.disk), f"What was done during a flood of {names} files is not noticed.")
            (lost / "b.mp4").write_bytes(self.disk._new_content())
            self.check(opened.follows(self.disk), "A folder made during the flood is not watched after it.")
            self.say(f"  {queued} events kept and the rest dropped ({names}); {self.looks() - before} looks")
            self.check(not any(folder.looked_at_every for folder in opened.status().folders), "It is polled.")
        self.compare()

    def storm(self, events: int) -> None:
        """Cause so many events that one scan for each would never end."""
        with library(self.config, self.disk.folder) as opened:
            self.check(opened.follows(self.disk), "The library does not come to hold what is on the disk.")
            engine = psutil.Process(opened.client.pid)
            before, memory, cpu = self.looks(), engine.memory_info().rss, sum(engine.cpu_times()[:2])
            most = memory
            for number in range(events // 3):
                path = self.disk.folder / f"day {number % 300}" / f"{number}.mp4"
                path.parent.mkdir(exist_ok=True)
                path.touch()
                path.unlink()
                if number % 500 == 0:
                    most = max(most, engine.memory_info().rss)
            self.disk.create()
            self.check(opened.follows(self.disk), "The library does not come to hold what is on the disk.")
            most = max(most, engine.memory_info().rss)
            looks = self.looks() - before
            self.say(
                f"  {events} events in {events // 3} names: {looks} looks, at most {(most - memory) / 2**20:.0f} MiB"
                f" more, {sum(engine.cpu_times()[:2]) - cpu:.1f} s of the engine's time"
            )
            self.check(looks < events / 50, f"{looks} looks are one for every few events.")
        self.compare()

    def exhausted(self, files: int) -> None:
        """Exhaust the watches while the folder is watched; the engine must fall back to polling, and say so."""
        for number in range(FEW_WATCHES // 2):
            (self.disk.folder / f"before {number}").mkdir()
        with library(self.config, self.disk.folder) as opened:
            self.disk.create()
            self.check(opened.follows(self.disk), "The library does not come to hold what is on the disk.")
            self.check(opened.status().folders[0].looked_at_every == 0, "It is polled from the beginning.")
            for number in range(FEW_WATCHES):
                made = self.disk.folder / f"after {number}" / "deep"
                made.mkdir(parents=True)
                self.disk.folders.append(made)
            polled = opened.until(lambda: opened.status().folders[0].looked_at_every > 0, 60.0)
            self.check(polled, "It does not say that it looks now and then.")
            for _ in range(files):
                self.disk.create()
                self.disk.change()
            self.check(opened.follows(self.disk), "What is done without watches is not noticed.")
            self.say(f"  looked at every {opened.status().folders[0].looked_at_every:.0f} s, and followed")
            self.answers(opened)
        log = (self.config.library / "engine.log").read_text(encoding="utf-8")
        self.check("all watches are used up" in log, "The log does not say why.")
        self.compare()


def without_watches() -> bool:
    """Return whether this process has only a few watches, in its own namespace."""
    return int(_WATCHES.read_text(encoding="ascii")) == FEW_WATCHES


def _exhausted_elsewhere(seed: int) -> int | None:
    """Run `exhausted` in a user namespace with few watches; return its exit status, or None without namespaces."""
    script = f'echo {FEW_WATCHES} > {_WATCHES} && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    try:
        if subprocess.run([*inside, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
            return None
    except FileNotFoundError:
        return None
    again = [sys.executable, "-m", "tests.faults.events", "--only", "exhausted", "--seed", str(seed)]
    return subprocess.run([*inside, *again], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--storm", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("uproar", "overflow", "storm", "exhausted"))
    arguments = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="cret-events-") as made:
        top = Path(made)
        videos = make_videos(top)

        def trial(name: str, title: str) -> Trial | None:
            if arguments.only not in (None, name):
                return None
            print(title, flush=True)
            begun = Trial.at(top / title, videos, arguments.seed, partial(print, flush=True))
            begun.wrong = wrong
            return begun

        if begun := trial("uproar", f"{arguments.files} files made, moved and deleted"):
            begun.uproar(arguments.files)
        for names in (".mp4", ".jpg"):
            if begun := trial("overflow", f"The kernel drops events of {names} files"):
                begun.overflow(names)
        if begun := trial("storm", f"A storm of {arguments.storm} events"):
            begun.storm(arguments.storm)
        elsewhere = None
        if arguments.only is None and (elsewhere := _exhausted_elsewhere(arguments.seed)):
            wrong.append("See above.")
        if elsewhere is None:
            how = "a namespace that has few" if without_watches() else "an error at the system call"
            if begun := trial("exhausted", f"Watches are used up (by {how})"):
                if not without_watches():
                    begun.config = replace(begun.config, factory=_factory("open_library_without_watches"))
                begun.exhausted(60)
    print("\n".join(wrong) or "All as a fresh index has it.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
