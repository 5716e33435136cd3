"""Whatever people do to their folders, in any order, the library tells the truth about them.

A few runs in the suite; many longer ones by `python -m tests.library.test_any_order [EXAMPLES [STEPS]]`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cret_desktop.clips import DecodeEvent, VideoFile
from cret_desktop.index.annotations import Annotations
from cret_desktop.index.catalog import Catalog, query_vector
from cret_desktop.index.listing import Listing
from cret_desktop.index.vector_index import VectorIndex
from cret_desktop.library.indexer import Control, Indexer
from tests.fakes import COLOURS, ColourModel, FakeDecoder

ROOTS = ("one", "two")
FOLDERS = ("", "a", "a/b", "c")
NAMES = ("x.mp4", "y.mp4", "z.mp4")
places = st.builds(
    lambda folder, name: f"{folder}/{name}".lstrip("/"), st.sampled_from(FOLDERS), st.sampled_from(NAMES)
)
roots = st.sampled_from(ROOTS)
colours = st.lists(st.sampled_from(sorted(COLOURS)), min_size=1, max_size=3)


class KilledError(Exception):
    pass


@dataclass
class DyingDecoder(FakeDecoder):
    """Ends the run in the middle of its work, after so many events."""

    events: int = 0

    def decode(self, files: Iterable[VideoFile]) -> Iterator[DecodeEvent]:
        for number, event in enumerate(super().decode(files)):
            if number == self.events:
                raise KilledError
            yield event


@dataclass
class Said:
    """A tag, and the file that it must be on as long as that can be told: its content, where it was last seen."""

    tag: str
    path: Path
    content: str


@dataclass
class Truth:
    """What is on the disks, and of that, what the library has seen."""

    files: dict[Path, str] = field(default_factory=dict)  # content by path
    seen: dict[Path, str] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)  # roots that are unplugged
    said: list[Said] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)  # contents of which several files were tagged, and went

    def scanned(self, base: Path) -> None:
        """Bring what was seen up to date, and let tags follow where nobody can doubt where their file went."""
        now = {path: content for path, content in self.files.items() if self.root_of(base, path) not in self.away}
        kept = {path: content for path, content in self.seen.items() if self.root_of(base, path) in self.away}
        certain = []
        gone = [said for said in self.said if now.get(said.path) != said.content]
        self.doubtful |= {
            one.content for one in gone for two in gone if one.content == two.content and one.path != two.path
        }
        for said in self.said:
            if self.root_of(base, said.path) in self.away or now.get(said.path) == said.content:
                certain.append(said)
                continue
            new = [path for path, content in now.items() if content == said.content and self.seen.get(path) != content]
            old = [path for path, content in (now | kept).items() if content == said.content and path not in new]
            if said.content in self.doubtful:
                continue
            if len(new) == 1 and not old and said.path not in now:
                certain.append(Said(said.tag, new[0], said.content))
            elif not new and not old and said.path not in now:
                certain.append(said)  # gone, and perhaps to come back
            else:
                self.doubtful.add(said.content)
        self.said = certain
        self.seen = now | kept

    @staticmethod
    def root_of(base: Path, path: Path) -> str:
        return path.relative_to(base).parts[0]


class Library(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="any-order-")
        top = Path(self._folder.name)
        self.base, self.unplugged, self.library = top / "disk", top / "unplugged", top / "library"
        self.unplugged.mkdir()
        for root in ROOTS:
            (self.base / root).mkdir(parents=True)
        self.truth = Truth()
        self.written = 0
        self.is_current = True
        self.model = ColourModel()
        self._open()
        for root in ROOTS:
            self.catalog.add_root(str(self.base / root))

    def _open(self) -> None:
        self.catalog = Catalog.open(self.library / "catalog.sqlite")
        info = self.model.info
        self.index = VectorIndex.open(self.library / "graphs", self.catalog, info.fingerprint, info.width + 1)

    def _close(self) -> None:
        self.index.close()
        self.catalog.close()

    def teardown(self) -> None:
        self._close()
        self._folder.cleanup()

    # --- what people do -----------------------------------------------------------------------------------------

    def _there(self, root: str) -> bool:
        return root not in self.truth.away

    def _write(self, path: Path, words: list[str]) -> None:
        self.written += 1  # no two contents are the same
        content = " ".join(words) + " " * self.written
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        self.truth.files[path] = content
        self.is_current = False

    def _choose(self, data: st.DataObject) -> Path | None:
        paths = [path for path in self.truth.files if self._there(Truth.root_of(self.base, path))]
        return data.draw(st.sampled_from(sorted(paths))) if paths else None

    @rule(root=roots, place=places, words=colours)
    def write(self, root: str, place: str, words: list[str]) -> None:
        """Add a file, or replace one."""
        if self._there(root):
            self._write(self.base / root / place, words)

    @rule(data=st.data(), root=roots, place=places)
    def move(self, data: st.DataObject, root: str, place: str) -> None:
        path = self._choose(data)
        target = self.base / root / place
        if path is None or not self._there(root) or target == path:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        self.truth.files[target] = self.truth.files.pop(path)
        self.is_current = False

    @rule(data=st.data(), root=roots, place=places)
    def copy(self, data: st.DataObject, root: str, place: str) -> None:
        path = self._choose(data)
        target = self.base / root / place
        if path is None or not self._there(root) or target == path:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        self.truth.files[target] = self.truth.files[path]
        self.is_current = False

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = self._choose(data)
        if path is not None:
            path.unlink()
            del self.truth.files[path]
            self.is_current = False

    @rule(root=roots, folder=st.sampled_from(FOLDERS[1:]), to_root=roots, to=st.sampled_from(["d", "e/f"]))
    def move_folder(self, root: str, folder: str, to_root: str, to: str) -> None:
        before, after = self.base / root / folder, self.base / to_root / to
        if not (self._there(root) and self._there(to_root)) or not before.is_dir() or after.exists():
            return
        after.parent.mkdir(parents=True, exist_ok=True)
        before.rename(after)
        self.truth.files = {
            after / path.relative_to(before) if path.is_relative_to(before) else path: content
            for path, content in self.truth.files.items()
        }
        self.is_current = False

    @rule(root=roots, leave_empty=st.booleans())
    def unplug(self, root: str, leave_empty: bool) -> None:
        # A folder that never held anything cannot be told from its own empty mount point, and has nothing to lose.
        if self._there(root) and any(Truth.root_of(self.base, path) == root for path in self.truth.seen):
            (self.base / root).rename(self.unplugged / root)
            if leave_empty:
                (self.base / root).mkdir()
            self.truth.away.add(root)
            self.is_current = False

    @rule(root=roots)
    def plug_in(self, root: str) -> None:
        if not self._there(root):
            if (self.base / root).exists():
                (self.base / root).rmdir()
            (self.unplugged / root).rename(self.base / root)
            self.truth.away.discard(root)
            self.is_current = False

    # --- what the library does ----------------------------------------------------------------------------------

    def _run(self, decoder: FakeDecoder) -> None:
        indexer = Indexer(
            self.catalog, self.index, self.model, lambda: decoder, self.library / "thumbnails", still_seconds=0.0
        )
        indexer.run([(root, root.path) for root in self.catalog.roots()], Control())

    @rule()
    def rescan(self) -> None:
        # What was written over is forgotten, unless it is seen elsewhere in the same look at the same root.
        before = {c for path, c in self.truth.seen.items() if self.truth.files.get(path, c) == c}
        decoder = FakeDecoder()
        self._run(decoder)
        self.truth.scanned(self.base)
        if self.is_current:
            assert not decoder.taken, "nothing is done twice"
        again = [path for path in decoder.taken if self.truth.files[Path(path)] in before]
        assert not again, "what is known by its content is not decoded again"
        self.is_current = True

    @rule(events=st.integers(0, 6))
    def kill(self, events: int) -> None:
        try:
            self._run(DyingDecoder(events=events))
        except KilledError:
            self.is_current = False
        self.truth.scanned(self.base)
        # What was seen and is not indexed yet may be decoded again.
        self._close()
        self._open()
        self._run(FakeDecoder())
        self.is_current = True

    @precondition(lambda self: self.is_current)
    @rule(data=st.data())
    def tag(self, data: st.DataObject) -> None:
        path = self._choose(data)
        if path is not None:
            file_id = next(i for i, p, _ in self._listed() if p == path)
            name = f"tag {len(self.truth.said)} {self.written}"
            Annotations(self.catalog).change_tags([file_id], [name], [])
            self.truth.said.append(Said(name, path, self.truth.files[path]))

    # --- what must hold -----------------------------------------------------------------------------------------

    def _listed(self) -> list[tuple[int, Path, tuple[str, ...]]]:
        listing = Listing(self.catalog)
        ids = [
            row[0]
            for row in self.catalog.reader().execute("SELECT id FROM files WHERE missing_since IS NULL").fetchall()
        ]
        return [(file.id, Path(file.path), file.tags) for file in listing.files(ids).values()]

    @precondition(lambda self: self.is_current)
    @invariant()
    def the_library_holds_what_is_there_or_unplugged(self) -> None:
        listed = self._listed()
        assert sorted(path for _, path, _ in listed) == sorted(self.truth.seen)
        for file_id, path, _ in listed:
            clips = self.catalog.clips_of(file_id)
            assert len(clips) == len(self.truth.seen[path].split())
            assert all((self.library / "thumbnails" / clip.sprite).is_file() for clip in clips)

    @precondition(lambda self: self.is_current)
    @invariant()
    def catalog_and_index_agree(self) -> None:
        ids = self.catalog.clip_ids(self.model.info.fingerprint)
        assert len(self.index) == len(ids)
        if len(ids):
            found, _ = self.index.search(query_vector(self.model.text.encode(["red"]).globals[0]), len(ids) + 1)
            assert sorted(found) == sorted(ids)

    @precondition(lambda self: self.is_current)
    @invariant()
    def tags_are_where_their_files_are(self) -> None:
        tags = {path: set(names) for _, path, names in self._listed()}
        for said in self.truth.said:
            if said.path in self.truth.seen and self.truth.seen[said.path] == said.content:
                assert said.tag in tags[said.path]


Library.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = Library.TestCase

if __name__ == "__main__":
    examples, steps = (int(argument) for argument in [*sys.argv[1:], "1000", "50"][:2])
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Library, settings=settings(Library.TestCase.settings, max_examples=examples, stateful_step_count=steps)
    )
