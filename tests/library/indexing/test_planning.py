"""Plans of scans, without a disk or a catalog; whatever is known and seen, the plan loses nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import FileRow, Kept, Missing, Moved, New, Replaced, ScanPlan
from cret_desktop.library.indexing.identity import may_be_known, plan_changes
from cret_desktop.messages import Message

PATHS = [f"/videos/{folder}{name}.mp4" for folder in ("", "a/", "b/") for name in "xyz"]
FOLDERS = ["/videos/a", "/videos/b", "/elsewhere"]
CONTENTS = {b"a": 1, b"b": 1, b"c": 2}  # with their sizes: two contents share one


@dataclass(frozen=True)
class Disk:
    """The file at a path: its content, when it was written, and its inode."""

    content: bytes
    mtime_ns: int
    inode: int


@dataclass
class Known:
    """A minimal catalog of rows by id that obeys the rules of a store; `annotated` are ids."""

    rows: dict[int, FileRow]
    annotated: frozenset[int]

    def by_path(self) -> dict[str, FileRow]:
        return {row.path: row for row in self.rows.values()}

    def candidates(self, seen: Sequence[VideoFile], contents: Mapping[str, bytes]) -> list[FileRow]:
        found: dict[int, FileRow] = {}
        order = sorted(self.rows.values(), key=lambda row: (row.id not in self.annotated, row.missing))
        for file in seen:
            for row in order:
                if row.fingerprint is not None:
                    alike = row.fingerprint == contents.get(file.path) and row.size == file.size
                else:
                    number = (row.size, row.mtime_ns, row.device, row.inode)
                    alike = row.id in self.annotated and number == (file.size, file.mtime_ns, file.device, file.inode)
                if alike:
                    found.setdefault(row.id, row)
        return list(found.values())

    def apply(self, plan: ScanPlan) -> Known:
        rows = dict(self.rows)
        new_id = max(rows, default=0) + 1
        for away in plan.away:
            rows[away.row.id] = replace(rows[away.row.id], away=away.away)
        for moved in plan.moved:
            if moved.over is not None:
                del rows[moved.over.id]
        for file, known in [(k.file, k.row) for k in plan.kept] + [(m.file, m.row) for m in plan.moved]:
            row = rows[known.id]
            now = {"mtime_ns": file.mtime_ns, "device": file.device, "inode": file.inode, "missing": False}
            rows[row.id] = replace(row, path=file.path, away=False, **now)  # type: ignore[arg-type]
        for replaced in plan.replaced:
            rows[replaced.row.id] = row_of(replaced.row.id, replaced.file)
        for new in plan.new:
            rows[new_id] = row_of(new_id, new.file)
            new_id += 1
        for problem in plan.problems:
            here = next((row.id for row in rows.values() if row.path == problem.path), new_id)
            rows[here] = FileRow(here, 1, problem.path, -1, 0, "failed", problem.reason, None, False)
            new_id += 1
        for missing in plan.missing:
            rows[missing.row.id] = replace(rows[missing.row.id], missing=True)
        assert len({row.path for row in rows.values()}) == len(rows), "a path is in the catalog once"
        return Known(rows, self.annotated)


def row_of(row_id: int, file: VideoFile) -> FileRow:
    return FileRow(
        row_id, 1, file.path, file.size, file.mtime_ns, "pending", None, None, False, file.device, file.inode
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Known:
    rows = {}
    for number, path in enumerate(draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=6)), 1):
        content = draw(st.sampled_from([*CONTENTS, None]))
        size = CONTENTS[content] if content else draw(st.sampled_from([1, 2]))
        state = "indexed" if content else draw(st.sampled_from(["pending", "failed"]))
        rows[number] = FileRow(
            number, 1, path, size, draw(st.integers(1, 2)), state, None, None, draw(st.booleans()), 1,
            draw(st.integers(0, 3)), draw(st.booleans()), content,
        )  # fmt: skip
    return Known(rows, frozenset(draw(st.sets(st.sampled_from(sorted(rows))) if rows else st.just(set()))))


disks = st.dictionaries(
    st.sampled_from(PATHS),
    st.builds(Disk, st.sampled_from(sorted(CONTENTS)), st.integers(1, 2), st.integers(0, 3)),
    max_size=6,
)
unseen_places = st.sets(st.sampled_from(FOLDERS + PATHS), max_size=2)
problem_paths = st.sets(st.sampled_from(PATHS), max_size=2)


def look(known: Known, disk: Mapping[str, Disk], unseen: set[str], bad: set[str]) -> ScanPlan:
    """Plan as `apply_scan` does, for the present disk."""
    seen = [VideoFile(path, CONTENTS[on.content], on.mtime_ns, 1, on.inode) for path, on in sorted(disk.items())]
    problems = [(path, Message("file.is-folder")) for path in sorted(bad)]
    sizes = {row.size for row in known.rows.values() if row.fingerprint is not None}
    contents = {file.path: disk[file.path].content for file in may_be_known(seen, known.by_path(), sizes)}
    candidates = known.candidates(seen, contents)
    gone = {row.path for row in candidates} - disk.keys() - bad
    return plan_changes(known.by_path(), seen, contents, candidates, gone, problems, unseen)


@given(catalogs(), disks, unseen_places, problem_paths)
def test_a_plan_that_was_applied_leaves_nothing_to_plan(
    known: Known, disk: dict[str, Disk], unseen: set[str], bad: set[str]
) -> None:
    bad -= disk.keys()
    after = known.apply(look(known, disk, unseen, bad))
    assert not look(after, disk, unseen, bad)


@given(catalogs(), disks, unseen_places, problem_paths)
def test_no_known_file_is_dropped_and_no_file_seen_is_left_out(
    known: Known, disk: dict[str, Disk], unseen: set[str], bad: set[str]
) -> None:
    bad -= disk.keys()
    plan = look(known, disk, unseen, bad)
    over = [moved.over for moved in plan.moved if moved.over is not None]
    rows: list[Kept | Moved | Replaced | Missing] = [*plan.kept, *plan.moved, *plan.replaced, *plan.missing]
    told = [k.row.id for k in rows] + [row.id for row in over]
    assert len(told) == len(set(told)), "each known file is told of once"
    moved = {m.row.id for m in plan.moved}
    for row in known.rows.values():
        if row.path in disk:
            assert row.id in told
        elif row.id not in moved and row.path not in bad:
            away = any(row.path == place or row.path.startswith(place + os.sep) for place in unseen)
            assert (row.id in told) == (not row.missing and not away), "missing, unless it was or could not be seen"
    files: list[Kept | Moved | Replaced | New] = [*plan.kept, *plan.moved, *plan.replaced, *plan.new]
    seen = [k.file.path for k in files]
    assert sorted(seen) == sorted(disk)
    after = known.apply(plan)
    assert {row.path for row in after.rows.values() if not (row.missing or row.away)} - bad == disk.keys()
    assert known.rows.keys() - after.rows.keys() == {row.id for row in over}


@given(catalogs(), disks, unseen_places)
def test_a_file_moves_with_its_content_and_keeps_its_row(known: Known, disk: dict[str, Disk], unseen: set[str]) -> None:
    plan = look(known, disk, unseen, set())
    after = known.apply(plan)
    away = {change.row.id for change in plan.away if change.away}
    assert not away & {moved.row.id for moved in plan.moved if not moved.row.missing}, "it is a copy: it may be back"
    for moved in plan.moved:
        assert moved.row.path != moved.file.path
        on = disk[moved.file.path]
        if moved.row.fingerprint is not None:
            assert moved.row.fingerprint == on.content
        else:
            assert (moved.row.mtime_ns, moved.row.inode) == (on.mtime_ns, on.inode)
            assert moved.row.id in known.annotated
        now = after.rows[moved.row.id]
        assert (now.path, now.fingerprint, now.state) == (moved.file.path, moved.row.fingerprint, moved.row.state)
        before = disk.get(moved.row.path)
        assert before is None or before.content != moved.row.fingerprint or moved.row.fingerprint is None


@given(catalogs(), disks)
def test_an_annotated_file_is_only_moved_over_where_its_content_is_nowhere(known: Known, disk: dict[str, Disk]) -> None:
    plan = look(known, disk, set(), set())
    for moved in plan.moved:
        if moved.over is not None and moved.over.id in known.annotated and moved.over.fingerprint is not None:
            new = {change.file.path for change in plan.new} | {change.file.path for change in plan.replaced}
            assert moved.over.fingerprint not in {disk[path].content for path in new}


def test_each_kind_of_change_is_told_from_the_others() -> None:
    def row(number: int, path: str, content: bytes, missing: bool = False, away: bool = False) -> FileRow:
        return FileRow(number, 1, f"/v/{path}", 1, 1, "indexed", None, 1.0, missing, 1, number, away, content)

    def file(path: str, inode: int, mtime_ns: int = 1) -> VideoFile:
        return VideoFile(f"/v/{path}", 1, mtime_ns, 1, inode)

    rows = [
        row(1, "kept", b"1"), row(2, "moved", b"2"), row(3, "replaced", b"3"), row(4, "missing", b"4"),
        row(5, "back", b"5", missing=True), row(6, "stick/away", b"6"), row(7, "stick/still", b"7", away=True),
    ]  # fmt: skip
    seen = [file("kept", 1), file("there", 2), file("replaced", 3, 9), file("back", 5), file("new", 8)]
    contents = {"/v/there": b"2", "/v/replaced": b"x", "/v/new": b"y"}
    plan = plan_changes({r.path: r for r in rows}, seen, contents, [rows[1]], {"/v/moved"}, (), {"/v/stick"})
    assert [kept.row.id for kept in plan.kept] == [1, 5]
    assert [kept.is_change for kept in plan.kept] == [False, True]
    assert [(moved.row.id, moved.file.path, moved.over) for moved in plan.moved] == [(2, "/v/there", None)]
    assert [(replaced.row.id, replaced.content) for replaced in plan.replaced] == [(3, b"x")]
    assert [new.file.path for new in plan.new] == ["/v/new"]
    assert [missing.row.id for missing in plan.missing] == [4]
    assert [(away.row.id, away.away) for away in plan.away] == [(6, True)]


def test_a_file_that_was_away_and_comes_back_under_another_name_has_moved() -> None:
    before = FileRow(1, 1, "/v/stick/a", 1, 1, "indexed", None, 1.0, False, 1, 1, True, b"1")
    seen = [VideoFile("/v/stick/b", 1, 1, 1, 1)]
    plan = plan_changes({before.path: before}, seen, {"/v/stick/b": b"1"}, [before], {before.path})
    assert [(moved.row.id, moved.file.path) for moved in plan.moved] == [(1, "/v/stick/b")]


def test_a_file_that_comes_back_beside_a_copy_of_it_stays_where_it_was() -> None:
    before = FileRow(1, 1, "/v/a", 1, 1, "indexed", None, 1.0, True, 1, 1, False, b"1")
    seen = [VideoFile("/v/a", 1, 1, 1, 1), VideoFile("/v/b", 1, 1, 1, 2)]
    plan = plan_changes({before.path: before}, seen, {"/v/b": b"1"}, [before])
    assert [kept.row.id for kept in plan.kept] == [1]
    assert [new.file.path for new in plan.new] == ["/v/b"]
