"""Whatever people do to their folders, in any order, the library's data about them is correct.

A few runs in the suite; many longer ones by `python -m tests.library.indexing.test_any_order [EXAMPLES [STEPS]]`. With
`--kill`, the system kills the indexing process at any SQL statement or decoder event.

Two disks and a stick that is mounted in a folder of the first. The library holds two folders of the second disk at
first and later all of it. Paths are relative to the disks, "one/a/x.mp4", wherever the disk is currently mounted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cret_desktop.domain.clip_vectors import query_vector
from cret_desktop.domain.clips import USUAL_SAMPLING, DecodeEvent, LibraryFile, Sampling, VideoFile
from cret_desktop.domain.records import Root
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.indexer import Indexer
from cret_desktop.library.indexing.volumes import Mount, Volumes, add_root
from cret_desktop.library_files import LibraryFiles
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.vectors.vector_index import VectorIndex
from tests.fakes import COLOURS, KEY, ColourModel, FakeDecoder

DISKS = ("one", "two", "one/stick")
FOLDERS = ("", "a", "a/b", "c")
FIRST_ROOTS = ("one", "two/a", "two/c")  # before all of the second disk is added
ALIKE = {word: sorted(c for c in COLOURS if len(c) == len(word) and c != word) for word in COLOURS}
NAMES = ("x.mp4", "y.mp4", "z.mp4")
places = st.builds(
    lambda folder, name: f"{folder}/{name}".lstrip("/"), st.sampled_from(FOLDERS), st.sampled_from(NAMES)
)
disks = st.sampled_from(DISKS)
colours = st.lists(st.sampled_from(sorted(COLOURS)), min_size=1, max_size=3)


class KilledError(Exception):
    pass


@dataclass
class DyingDecoder(FakeDecoder):
    """Ends the run in the middle of its work, after so many events."""

    events: int = 0

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for number, event in enumerate(super().decode(files, sampling)):
            if number == self.events:
                raise KilledError
            yield event


@dataclass
class Said:
    """A tag, and the file that must have it while that is decidable: its content, and its last known path."""

    tag: str
    path: Path
    content: str


@dataclass
class Truth:
    """The files on the disks, and those that the library has seen."""

    files: dict[Path, str] = field(default_factory=dict)  # content by path
    seen: dict[Path, str] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)  # unplugged disks
    whole: bool = False  # whether all of the second disk is in the library
    said: list[Said] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)  # contents of several tagged files that disappeared

    def scanned(self) -> None:
        """Update the files seen, and move tags with their file if its new path is unambiguous."""
        now = {path: content for path, content in self.files.items() if self.is_there(path) and self.is_ours(path)}
        kept = {path: content for path, content in self.seen.items() if not self.is_there(path)}
        certain = []
        gone = [said for said in self.said if now.get(said.path) != said.content]
        self.doubtful |= {
            one.content for one in gone for two in gone if one.content == two.content and one.path != two.path
        }
        for said in self.said:
            if not self.is_there(said.path) or now.get(said.path) == said.content:
                certain.append(said)
                continue
            new = [path for path, content in now.items() if content == said.content and self.seen.get(path) != content]
            old = [path for path, content in (now | kept).items() if content == said.content and path not in new]
            if said.content in self.doubtful:
                continue
            if len(new) == 1 and not old and said.path not in now:
                certain.append(Said(said.tag, new[0], said.content))
            elif not new and not old and said.path not in now:
                certain.append(said)  # gone, and may come back
            else:
                self.doubtful.add(said.content)
        self.said = certain
        self.seen = now | kept

    def is_there(self, path: Path) -> bool:
        return not any(path.is_relative_to(disk) for disk in self.away)

    def is_ours(self, path: Path) -> bool:
        return self.whole or any(path.is_relative_to(root) for root in FIRST_ROOTS)


class Library(RuleBasedStateMachine):
    real_kills = False

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="any-order-")
        self._stick = tempfile.TemporaryDirectory(prefix="any-order-", dir=_another_file_system())
        top = Path(self._folder.name)
        self.base, self.unplugged, self.library = top / "disk", top / "unplugged", top / "library"
        self.unplugged.mkdir()
        self.mounted = {"one": self.base / "one", "two": self.base / "two"}
        for root in FIRST_ROOTS:
            (self.base / root).mkdir(parents=True)
        self._mount_stick()
        self.truth = Truth()
        self.written = 0
        self.is_current = True
        self.model = ColourModel()
        self._open()
        self.root_ids = {self._add_root(self.base / root).id: Path(root) for root in FIRST_ROOTS}

    def _open(self) -> None:
        self.catalog = Catalog.open(self.library / "catalog.sqlite")
        info = self.model.info
        self.index = VectorIndex.open(
            self.library / "graphs", Embeddings(self.catalog), info.fingerprint, info.width + 1, key=KEY
        )

    def _add_root(self, place: Path) -> Root:
        return add_root(self.catalog, str(place), self._volumes())

    def _close(self) -> None:
        self.index.close()
        self.catalog.close()

    def teardown(self) -> None:
        self._close()
        self._folder.cleanup()
        self._stick.cleanup()

    # --- people's actions ---------------------------------------------------------------------------------------

    def _real(self, path: Path) -> Path:
        disk, *names = path.parts
        return self.mounted[disk].joinpath(*names)

    def _mount_stick(self) -> None:
        """A link to another file system is a drive mounted there, as far as paths and `stat` show."""
        (self.mounted["one"] / "stick").symlink_to(self._stick.name)

    def _write(self, path: Path, words: list[str]) -> None:
        self.written += 1  # all contents differ
        content = " ".join(words) + " " * self.written
        real = self._real(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(content, encoding="utf-8")
        self.truth.files[path] = content
        self.is_current = False

    def _choose(self, data: st.DataObject, ours: bool = False) -> Path | None:
        paths = [p for p in self.truth.files if self.truth.is_there(p) and (not ours or self.truth.is_ours(p))]
        return data.draw(st.sampled_from(sorted(paths))) if paths else None

    @rule(disk=disks, place=places, words=colours)
    def write(self, disk: str, place: str, words: list[str]) -> None:
        """Add a file, or replace one."""
        if self.truth.is_there(Path(disk)):
            self._write(Path(disk, place), words)

    @rule(data=st.data(), disk=disks, place=places)
    def move(self, data: st.DataObject, disk: str, place: str) -> None:
        path, target = self._choose(data), Path(disk, place)
        if path is None or not self.truth.is_there(target) or target == path:
            return
        self._real(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._real(path), self._real(target))
        self.truth.files[target] = self.truth.files.pop(path)
        self.is_current = False

    @rule(data=st.data(), disk=disks, place=places)
    def copy(self, data: st.DataObject, disk: str, place: str) -> None:
        path, target = self._choose(data), Path(disk, place)
        if path is None or not self.truth.is_there(target) or target == path:
            return
        self._real(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._real(path), self._real(target))
        self.truth.files[target] = self.truth.files[path]
        self.is_current = False

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = self._choose(data)
        if path is not None:
            self._real(path).unlink()
            del self.truth.files[path]
            self.is_current = False

    @rule(data=st.data())
    def replace_by_one_that_looks_the_same(self, data: st.DataObject) -> None:
        """Replace a file by another of the same size and time; its neighbours show that inodes are stable."""
        path = self._choose(data, ours=True)
        if path is None or not self.is_current:
            return
        root = next(root for root in self.root_ids.values() if path.is_relative_to(root))
        neighbours = [p for p in self.truth.files if p != path and p.is_relative_to(root)]
        stick = path.is_relative_to("one/stick")
        words = self.truth.files[path].split()
        alike = " ".join(ALIKE[word][self.written % len(ALIKE[word])] if ALIKE[word] else word for word in words)
        content = alike + self.truth.files[path][len(alike) :]
        if content in self.contents or not any(p.is_relative_to("one/stick") == stick for p in neighbours):
            return
        real = self._real(path)
        status, other = real.stat(), real.with_name("other")
        other.write_text(content, encoding="utf-8")
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(real)
        self.truth.files[path] = content
        self.is_current = False
        self.rescan()

    @property
    def contents(self) -> set[str]:
        """Return all contents that are present or remembered."""
        return {*self.truth.files.values(), *self.truth.seen.values(), *(said.content for said in self.truth.said)}

    @rule(disk=disks, folder=st.sampled_from(FOLDERS[1:]), to_disk=disks, to=st.sampled_from(["d", "e/f"]))
    def move_folder(self, disk: str, folder: str, to_disk: str, to: str) -> None:
        before, after = Path(disk, folder), Path(to_disk, to)
        if not (self.truth.is_there(before) and self.truth.is_there(after)) or str(before) in FIRST_ROOTS:
            return
        if not self._real(before).is_dir() or self._real(after).exists():
            return
        self._real(after).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._real(before), self._real(after))
        self.truth.files = {
            after / path.relative_to(before) if path.is_relative_to(before) else path: content
            for path, content in self.truth.files.items()
        }
        self.is_current = False

    @rule(disk=disks, leave_empty=st.booleans())
    def unplug(self, disk: str, leave_empty: bool) -> None:
        # A folder that never held a file is indistinguishable from its own empty mount point, and has nothing to lose.
        if not self.truth.is_there(Path(disk)) or not any(path.is_relative_to(disk) for path in self.truth.seen):
            return
        real = self._real(Path(disk))
        if disk == "one/stick":
            if real.stat().st_dev == real.parent.stat().st_dev:
                return  # only one file system exists, and the link is like others
            real.unlink()
        else:
            real.rename(self.unplugged / disk)
        if leave_empty:
            real.mkdir()
        self.truth.away.add(disk)
        self.is_current = False

    @rule(disk=disks, elsewhere=st.booleans())
    def plug_in(self, disk: str, elsewhere: bool) -> None:
        if disk not in self.truth.away or not self.truth.is_there(Path(disk).parent):
            return
        real = self._real(Path(disk))
        if real.exists():
            real.rmdir()
        self.truth.away.discard(disk)
        if disk == "one/stick":
            self._mount_stick()
        else:
            if elsewhere:
                self.written += 1
                self.mounted[disk] = self.base / f"mount {self.written}" / disk
                self.mounted[disk].parent.mkdir()
            (self.unplugged / disk).rename(self.mounted[disk])
        self.is_current = False

    @rule()
    def take_up_all_of_the_second_disk(self) -> None:
        if self.truth.whole or not self.truth.is_there(Path("two")):
            return
        two = self._add_root(self.mounted["two"])
        self.root_ids = {i: root for i, root in self.root_ids.items() if root == Path("one")} | {two.id: Path("two")}
        self.truth.whole = True
        self.is_current = False

    # --- the library's actions ----------------------------------------------------------------------------------

    def _volumes(self) -> Volumes:
        there = [(disk, point) for disk, point in self.mounted.items() if disk not in self.truth.away]
        return Volumes(lambda: [Mount(str(point), f"the disk {disk}", False) for disk, point in there])

    def _run(self, decoder: FakeDecoder) -> None:
        indexer = Indexer(
            SqliteStore(self.catalog), self.index, self.model, lambda: decoder, LibraryFiles(self.library),
            still_seconds=0.0, volumes=self._volumes,
        )  # fmt: skip
        indexer.run([(root, root.path) for root in self.catalog.roots()], Control())

    @rule()
    def rescan(self) -> None:
        # Overwritten content is forgotten, unless it is seen elsewhere in the same scan of the same root.
        before = {c for path, c in self.truth.seen.items() if self.truth.files.get(path, c) == c}
        decoder = FakeDecoder()
        self._run(decoder)
        self.truth.scanned()
        if self.is_current:
            assert not decoder.taken, "nothing is done twice"
        real = {str(self._real(path)): content for path, content in self.truth.files.items()}
        contents = [real[path] for path in decoder.taken]
        assert not before.intersection(contents), "what is known by its content is not decoded again"
        assert len(set(contents)) == len(contents), "copies that come together are decoded once"
        self.is_current = True

    @rule(events=st.integers(0, 6), statements=st.integers(1, 60))
    def kill(self, events: int, statements: int) -> None:
        if self.real_kills:
            self._close()
            child = os.fork()
            if not child:
                self._die(events, statements)
            os.waitpid(child, 0)
            self._open()
        else:
            try:
                self._run(DyingDecoder(events=events))
            except KilledError:
                self.is_current = False
            self._close()
            self._open()
        self.truth.scanned()
        # Seen files that are not indexed yet may be decoded again.
        self._run(FakeDecoder())
        self.is_current = True

    def _die(self, events: int, statements: int) -> None:
        """Index in a child until so many events or statements have happened, and be killed at the next."""
        left = [statements]

        def count(statement: str) -> None:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            self._open()
            assert self.catalog._writer is not None
            self.catalog._writer.set_trace_callback(count)
            self._run(DyingDecoder(events=events))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    @precondition(lambda self: self.is_current)
    @rule(data=st.data())
    def tag(self, data: st.DataObject) -> None:
        path = self._choose(data, ours=True)
        if path is not None:
            file_id = next(i for i, p, _ in self._listed() if p == path)
            name = f"tag {len(self.truth.said)} {self.written}"
            Annotations(self.catalog).change_tags([file_id], [name], [])
            self.truth.said.append(Said(name, path, self.truth.files[path]))

    # --- invariants ---------------------------------------------------------------------------------------------

    def _listed(self) -> list[tuple[int, Path, LibraryFile]]:
        rows = self.catalog.reader().execute("SELECT id, root_id, path FROM files WHERE missing_since IS NULL")
        paths = {i: self.root_ids[root] / os.fsdecode(path) for i, root, path in rows}
        return [(i, paths[i], file) for i, file in Listing(self.catalog).files(paths).items()]

    @precondition(lambda self: self.is_current)
    @invariant()
    def the_library_holds_what_is_there_or_unplugged(self) -> None:
        listed = self._listed()
        assert sorted(path for _, path, _ in listed) == sorted(self.truth.seen)
        for file_id, path, file in listed:
            assert file.offline is not self.truth.is_there(path)
            assert file.offline or file.path == str(self._real(path))
            clips = Clips(self.catalog).clips_of(file_id)
            assert len(clips) == len(self.truth.seen[path].split())
            assert all((self.library / "thumbnails" / clip.sprite).is_file() for clip in clips)

    @precondition(lambda self: self.is_current)
    @invariant()
    def catalog_and_index_agree(self) -> None:
        ids = Embeddings(self.catalog).clip_ids(self.model.info.fingerprint)
        assert len(self.index) == len(ids)
        if len(ids):
            found, _ = self.index.search(query_vector(self.model.text.encode(["red"]).globals[0]), len(ids) + 1)
            assert sorted(found) == sorted(ids)

    @precondition(lambda self: self.is_current)
    @invariant()
    def tags_are_where_their_files_are(self) -> None:
        tags = {path: set(file.tags) for _, path, file in self._listed()}
        for said in self.truth.said:
            if said.path in self.truth.seen and self.truth.seen[said.path] == said.content:
                assert said.tag in tags[said.path]


def _another_file_system() -> str | None:
    """Return a folder to create the stick in; None if there is none: then it is a link like others."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None


def test_a_disk_that_came_back_elsewhere_is_taken_up_whole() -> None:
    """Found by a long run: the disk's folder was located only at the next scan, when the new root had its place."""
    state = Library()
    try:
        state.write("two", "a/x.mp4", ["blue"])
        state.rescan()
        state.unplug("two", False)
        state.plug_in("two", True)
        state.take_up_all_of_the_second_disk()
        state.rescan()
        state.the_library_holds_what_is_there_or_unplugged()
        state.tags_are_where_their_files_are()
        assert {root.path for root in state.catalog.roots()} == {str(state.mounted["two"]), str(state.mounted["one"])}
    finally:
        state.teardown()


Library.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = Library.TestCase

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples", type=int, nargs="?", default=1000)
    parser.add_argument("steps", type=int, nargs="?", default=50)
    parser.add_argument("--kill", action="store_true")
    arguments = parser.parse_args()
    Library.real_kills = arguments.kill
    run_state_machine_as_test(
        Library,
        settings=settings(
            Library.TestCase.settings, max_examples=arguments.examples, stateful_step_count=arguments.steps
        ),
    )
