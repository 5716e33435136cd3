"""Kills the engine repeatedly, at random and in every named phase, and checks the library each time.

    python -m tests.faults.kills --light 280 --starter 20 [--seed 0] [--work FOLDER]

The checks after each kill: SQLite's integrity check, no committed file lost, none twice, every clip with its embeddings
and its thumbnails, the vector index equal to the catalog, and no repeated work beyond the files in flight. At the end
the library is compared with one that was indexed undisturbed. Raises AssertionError for any difference.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cret_desktop.engine import client as client_module
from cret_desktop.engine import protocol
from cret_desktop.engine.adoption import key_of
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import CretError, EngineError
from cret_desktop.library.indexing.in_flight import FILES_IN_FLIGHT
from cret_desktop.library.indexing.progress import FileIndexed
from cret_desktop.library_files import MARK
from cret_desktop.media.scan import fingerprint
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.vectors.vector_index import Limits, VectorIndex
from tests.fakes import COLOURS, INFO
from tests.faults.killed import POINTS, TAIL, Plan, begun_of
from tests.older_schemas import rewrite_in
from tests.said import said
from tests.videos import write_colours, write_unlike

WAIT = 300
AT_RANDOM = "at random"
_MANY_A_RUN = ("commit", "decoding", "thumbnail", "index", "tags", "repair: copying", "migration: within")
TAGS = ("one", "two", "three")


@dataclass
class Tally:
    """Counts of kills and checks, to be printed."""

    kills: Counter[str] = field(default_factory=Counter)
    not_reached: Counter[str] = field(default_factory=Counter)
    again: list[int] = field(default_factory=list)  # files begun but not committed at each kill

    @property
    def count(self) -> int:
        return sum(self.kills.values())


class Killing:
    """One library, its folder of videos, and the files it has reported as indexed."""

    def __init__(self, work: Path, seed: int, factory: str, real: bool) -> None:
        self.random = random.Random(seed)
        self.library, self.videos = work / "library", work / "videos"
        self.videos.mkdir(parents=True)
        (self.videos / "sub").mkdir()
        self.config = EngineConfig(self.library, factory=f"tests.faults.killed:{factory}")
        self.tally = Tally()
        self._real = real
        self._latest = 4.0 if real else 1.2  # maximum seconds until a random kill
        self._number = 0
        self._damaged = False  # damaged by us, and not checked as sound since
        self._indexed: set[bytes] = set()  # fingerprints of all files that the engine has reported as indexed
        self._tags: dict[int, set[str]] = {}  # acknowledged
        self._template = write_colours(work / "template.mp4", ["red", "blue"], seconds=1) if real else None
        client_module.RESTARTS = 0  # a killed engine is not restarted, so that the library can be checked

    # --- users' changes ---------------------------------------------------------------------------------------

    def add_files(self, count: int, broken: bool = False) -> None:
        for _ in range(count):
            self._number += 1
            folder = self.videos / "sub" if self._number % 3 == 0 else self.videos
            path = folder / f"{self._number:05}.mp4"
            if self._template is not None:
                write_unlike(self._template, path, self._number)
            else:
                path.write_text(" ".join([*self.random.choices(list(COLOURS), k=6), *[""] * self._number]))
        if broken:
            self._number += 1
            (self.videos / f"{self._number:05}.mp4").write_text(f"broken {' ' * self._number}")

    def move_some(self) -> None:
        for path in self.random.sample(self._present(), min(3, len(self._present()))):
            path.rename(self.videos / f"moved {path.name.rsplit(' ', 1)[-1]}")
        (self.videos / "sub").rename(self.videos / f"sub {self._number}")
        (self.videos / "sub").mkdir()

    def delete_some(self) -> None:
        for path in self.random.sample(self._present(), min(2, len(self._present()))):
            self._indexed.discard(fingerprint(str(path)))
            path.unlink()

    def _present(self) -> list[Path]:
        return sorted(self.videos.rglob("*.mp4"))

    # --- one kill ---------------------------------------------------------------------------------------------

    def kill(self, point: str) -> None:
        """Prepare the situation of a point, start the engine, let it end there, check the library."""
        self._prepare(point)
        if point == AT_RANDOM:
            plan = Plan(seconds=self.random.uniform(0.01, self._latest))
        else:
            often = 4 if point.startswith(_MANY_A_RUN) else 1
            plan = Plan(point, self.random.randint(1, often))
        before, begun_before = self._committed(), self._begun()
        killed = self._run(plan, point)
        (self.tally.kills if killed else self.tally.not_reached)[point] += 1
        if point == AT_RANDOM:  # a run's duration depends on the machine: spread the kills over all of it
            self._latest *= 1.25 if killed else 0.5
        begun = self._begun()[len(begun_before) :]
        after = self._look()
        assert not set(begun) & before.keys(), f"{point}: what was committed is not done again"
        again = len(set(begun) - after.keys())
        if killed:
            self.tally.again.append(again)
        assert again <= FILES_IN_FLIGHT, f"{point}: {again} files are to be done again"

    def _prepare(self, point: str) -> None:
        if point.startswith(("purge", "repair", "migration")):
            if point.startswith("purge"):
                self.delete_some()
            self.finish()
        if point.startswith("purge"):
            with closing(sqlite3.connect(LibraryPaths(self.library).catalog)) as db, db:
                db.execute("UPDATE files SET missing_since = 1 WHERE missing_since IS NOT NULL")
        elif point.startswith("repair"):
            catalog = LibraryPaths(self.library).catalog
            with closing(sqlite3.connect(catalog)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'files_by_date'").fetchone()
            with catalog.open("r+b") as stream:
                stream.seek((page - 1) * 4096)
                stream.write(os.urandom(4096))
            catalog.with_name(MARK).touch()
            self._damaged = True
        elif point.startswith("migration"):
            rewrite_in(migrations.SCHEMA_VERSION - 2, LibraryPaths(self.library).catalog)
        else:
            self.add_files(12 if point.startswith("graph") else 5, broken=point.startswith("failure"))
            if point.startswith("scan") or point == AT_RANDOM:
                self.move_some()
            if point == AT_RANDOM and self.random.random() < 0.3:
                self.delete_some()

    def _run(self, plan: Plan, point: str) -> bool:
        """Return whether the engine was killed; otherwise it has finished all work."""
        self.library.parent.mkdir(exist_ok=True)
        plan.write(self.library)
        events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        client = EngineClient(self.config)
        client.subscribe(events.put)
        try:
            client.start()
        except EngineError as error:
            return _was_killed(error)
        try:
            client.request(protocol.AddFolders((str(self.videos),))).result(WAIT)
            if point.startswith("tags"):
                self._tag(client)
            return self._wait(events, client, point)
        except CretError as error:
            if error.message.code == "engine.not-running":  # killed before the request; the event has the reason
                return self._wait(events, client, point)
            return _was_killed(error)
        finally:
            client.close()

    def _wait(self, events: queue.SimpleQueue[protocol.Event], client: EngineClient, point: str) -> bool:
        building, finished, removed = False, False, False
        while True:
            event = events.get(timeout=WAIT)
            if isinstance(event, protocol.EngineLost):
                assert event.final
                assert "exit code -9" in said(event.message), event.message
                return True
            if isinstance(event, FileIndexed) and not event.reason:
                self._indexed.add(fingerprint(event.path))
            elif isinstance(event, protocol.Optimising):
                building = event.running
            elif isinstance(event, protocol.IndexFinished):
                assert event.error is None, event.error
                finished = True
                if point.startswith("removal") and not removed:
                    removed, finished = True, False
                    client.request(protocol.RemoveFolder(str(self.videos))).result(WAIT)
                    client.request(protocol.AddFolders((str(self.videos),))).result(WAIT)
            if finished and not building:
                return False

    def _tag(self, client: EngineClient) -> None:
        for file_id in self.random.sample(range(1, max(2, self._number)), min(6, self._number)):
            tag = self.random.choice(TAGS)
            client.request(protocol.ChangeTags((file_id,), (tag,), ())).result(WAIT)
            self._tags.setdefault(file_id, set()).add(tag)

    def finish(self) -> None:
        """Let the engine finish all work."""
        assert not self._run(Plan(), "")
        self._look()

    # --- checks -----------------------------------------------------------------------------------------------

    def _begun(self) -> list[bytes]:
        log = begun_of(self.library)
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [line.encode() for line in lines]

    def _committed(self) -> dict[bytes, str]:
        """Return the state by path of all files that are not pending, including missing ones."""
        path = LibraryPaths(self.library).catalog
        if not path.exists():
            return {}
        with closing(sqlite3.connect(path)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'stages'").fetchone():
                return {}
            query = (
                "SELECT CAST(r.path || '/' || f.path AS BLOB), s.state FROM files f JOIN roots r ON r.id = f.root_id"
                " JOIN stages s ON s.file_id = f.id WHERE s.state != 'waiting'"
            )
            return dict(db.execute(query))

    def _look(self) -> dict[bytes, str]:
        """Check all invariants while the engine is down; return the same as `_committed`."""
        paths = LibraryPaths(self.library)
        with closing(sqlite3.connect(paths.catalog)) as db:
            if db.execute("PRAGMA user_version").fetchone() != (migrations.SCHEMA_VERSION,):
                return self._committed()  # killed before a schema step; the upgrade is unfinished
            damaged = db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
            assert self._damaged or not damaged
            self._damaged = damaged
            if not damaged:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            done = "SELECT f.fingerprint FROM files f JOIN stages s ON s.file_id = f.id WHERE s.state = 'done'"
            prints = Counter(p for (p,) in db.execute(done))
            assert max(prints.values(), default=1) == 1, "no file is there twice"
            lost = self._indexed - prints.keys()
            assert not lost, f"{len(lost)} committed files are lost"
            partly = db.execute(
                "SELECT count(*) FROM stages s WHERE s.state = 'done' AND ("
                " (SELECT count(*) FROM clips WHERE file_id = s.file_id) !="
                " (SELECT coalesce(max(ordinal) + 1, -1) FROM clips WHERE file_id = s.file_id)"
                " OR EXISTS (SELECT 1 FROM clips c WHERE c.file_id = s.file_id"
                " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.clip_id = c.id)))"
            ).fetchone()
            assert partly == (0,), "a file is wholly in or wholly out"
            sprites = {s for (s,) in db.execute("SELECT sprite FROM clips")}
            assert all((paths.thumbnails / sprite).exists() for sprite in sprites)
            tags: dict[int, set[str]] = {}
            for file_id, name in db.execute("SELECT t.file_id, g.name FROM file_tags t JOIN tags g ON g.id = t.tag_id"):
                tags.setdefault(file_id, set()).add(name)
            here = {i for (i,) in db.execute("SELECT id FROM files")}
            assert all(said <= tags.get(i, set()) for i, said in self._tags.items() if i in here), "a tag is lost"
        if not damaged:
            self._compare_index(paths)
        return self._committed()

    def _compare_index(self, paths: LibraryPaths) -> None:
        with Catalog.open(paths.catalog, read_only=True) as catalog:
            embeddings = Embeddings(catalog)
            for model in embeddings.count_embedded():
                ids, vectors = embeddings.vectors(model, INFO.width + 1, ids=embeddings.clip_ids(model).tolist())
                index = VectorIndex.open(
                    paths.graphs,
                    embeddings,
                    model,
                    vectors.shape[1],
                    Limits(tail=TAIL),
                    read_only=True,
                    key=key_of(catalog),
                )
                assert len(index) == len(ids), "catalog and index agree"
                found, cosines = index.search(vectors[0], len(ids))
                assert set(found.tolist()) == set(ids.tolist())
                truth = dict(zip(ids.tolist(), (vectors @ vectors[0]).tolist(), strict=True))
                assert np.allclose(cosines, [truth[i] for i in found.tolist()], atol=2e-3)
                index.close()

    def compare_undisturbed(self) -> tuple[int, int]:
        """Compare with a library indexed undisturbed from the same files; return the numbers of files and of clips."""
        other = Killing.__new__(Killing)
        other.__dict__ = {**self.__dict__, "library": self.library.parent / "undisturbed" / "library", "_tags": {}}
        other.config = EngineConfig(other.library, factory=self.config.factory)
        other.finish()
        ours, theirs = _content(self.library), _content(other.library)
        assert ours.keys() == theirs.keys(), "the same clips"
        for key, (frames, sprite) in ours.items():
            there, other_sprite = theirs[key]
            step = np.spacing(np.maximum(np.abs(frames), np.abs(there)))  # of float16
            assert np.all(np.abs(frames.astype(np.float32) - there.astype(np.float32)) <= step), key
            assert sprite == other_sprite
        for key in list(ours)[:: max(1, len(ours) // 20)]:
            assert _nearest(ours, key) == _nearest(theirs, key), "the same exact top 10"
        folder = LibraryPaths(self.library).thumbnails
        lying = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        with closing(sqlite3.connect(LibraryPaths(self.library).catalog)) as db:  # including those of missing files
            shown = {sprite for (sprite,) in db.execute("SELECT sprite FROM clips")}
        assert lying == shown, f"thumbnails: {len(lying - shown)} too many, {len(shown - lying)} too few"
        return len({path for path, _ in ours}), len(ours)


_Content = dict[tuple[str, int], tuple[np.ndarray, str]]


def _content(library: Path) -> _Content:
    """Return (frame features float16, thumbnails) of each live clip, by path and ordinal."""
    with closing(sqlite3.connect(LibraryPaths(library).catalog)) as db:
        rows = db.execute(
            "SELECT f.path, c.ordinal, e.globals, c.sprite FROM clips c JOIN files f ON f.id = c.file_id"
            " JOIN embeddings e ON e.clip_id = c.id JOIN stages s ON s.file_id = f.id"
            " WHERE f.missing_since IS NULL AND s.state = 'done'"
        ).fetchall()
    return {(os.fsdecode(p), o): (np.frombuffer(g, "<f2"), s) for p, o, g, s in rows}


def _nearest(content: _Content, key: tuple[str, int]) -> list[tuple[str, int]]:
    keys = sorted(content)
    frames = np.stack([content[k][0] for k in keys]).astype(np.float32)
    return [keys[i] for i in np.lexsort((np.arange(len(keys)), -(frames @ content[key][0].astype(np.float32))))[:10]]


def _was_killed(error: CretError) -> bool:
    """Return True if the error reports the kill; otherwise raise it."""
    if "exit code -9" not in str(error):
        raise error
    return True


def kill_again_and_again(work: Path, count: int, seed: int, real: bool, points: tuple[str, ...] = POINTS) -> Tally:
    """Kill `count` times: every point in turn, and the rest at random."""
    killing = Killing(work, seed, "open_starter" if real else "open_light", real)
    killing.add_files(4 if real else 12)
    killing.finish()
    turns = [point for point in points if not (real and point.startswith(("failure", "graph")))]
    killing.random.shuffle(turns)  # so that any kill can follow any other
    number = 0
    while killing.tally.count < count:
        assert number < 3 * count + 20, f"too few kills: {killing.tally}"
        # Every other kill is at random until each point had its turn; then all, and points not reached.
        point = turns[number // 2 % len(turns)] if number % 2 == 0 else AT_RANDOM
        number += 1
        killing.kill(point)
        if number % 50 == 0:
            sys.stderr.write(f"{killing.tally.count} of {count} kills\n")
    killing.finish()
    files, clips = killing.compare_undisturbed()
    tally = killing.tally
    sys.stdout.write(
        f"{'starter' if real else 'light'}: {tally.count} kills, {tally.kills[AT_RANDOM]} at random, "
        f"{sum(tally.kills.values()) - tally.kills[AT_RANDOM]} at {len(set(tally.kills) - {AT_RANDOM})} points; "
        f"{sum(tally.not_reached.values())} runs ended before their kill; done again after one: at most "
        f"{max(tally.again)} files, {sum(tally.again) / len(tally.again):.1f} on average; at the end {files} files, "
        f"{clips} clips, as undisturbed\n"
    )
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--light", type=int, default=280)
    parser.add_argument("--starter", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="cret-kills-"))
    began = time.monotonic()
    for name, count in (("light", arguments.light), ("starter", arguments.starter)):
        if count:
            shutil.rmtree(work / name, ignore_errors=True)
            tally = kill_again_and_again(work / name, count, arguments.seed, name == "starter")
            for point, number in sorted(tally.kills.items()):
                sys.stdout.write(f"  {number:4} {point}\n")
            if unreached := set(tally.not_reached) - set(tally.kills):
                sys.exit(f"Never reached: {', '.join(sorted(unreached))}.")
    sys.stdout.write(f"All as it must be, after {time.monotonic() - began:.0f} s.\n")


if __name__ == "__main__":
    main()
