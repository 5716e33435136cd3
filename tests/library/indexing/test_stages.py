"""A second stage besides the pictures: ordered by priority, independent, controlled and estimated like the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cret_desktop.domain.records import Root
from cret_desktop.errors import BadFile, StorageError
from cret_desktop.library.indexing.control import Conditions, Control
from cret_desktop.library.indexing.indexer import Indexer
from cret_desktop.library.indexing.progress import FileIndexed, IndexProgress, IndexTotals, Phase
from cret_desktop.library.indexing.stage import Stage, StageRun
from cret_desktop.library_files import LibraryFiles
from cret_desktop.messages import Message
from tests.fakes import FakeDecoder
from tests.library.conftest import Bench

QUIET = Message("file.said", text="Nothing is said in it.")


class Words:
    """A fictitious stage: counts the words of a file."""

    name = "words"

    def __init__(self, bench: Bench, version: str = "1", priority: int = 20) -> None:
        self.version = version
        self.priority = priority
        self.counted: dict[str, int] = {}
        self.searchable: list[int] = []  # clips in the index when each file began
        self.before_file: Callable[[str], object] = lambda name: None
        self._bench = bench

    def work(self, run: StageRun) -> None:
        for file_id, file in run.files():
            name = Path(file.path).name
            with run.faults_of(file_id, file):
                self.before_file(name)
                self.searchable.append(len(self._bench.index))
                words = Path(file.path).read_text(encoding="utf-8").split()
                if "silent" in name:
                    raise BadFile("file.said", text="Nothing is said in it.")
                self.counted[name] = len(words)
                run.estimate.advance(file_id, 4.0 * len(words), 0)
                run.done(file_id, file)


def run(bench: Bench, stages: Sequence[Stage], control: Control | None = None, only_new: bool = False) -> IndexTotals:
    def open_decoder() -> FakeDecoder:
        bench.decoders.append(FakeDecoder())
        return bench.decoders[-1]

    root = bench.catalog.add_root(str(bench.videos))
    indexer = Indexer(
        bench.store, bench.index, bench.model, open_decoder, LibraryFiles(bench.folder), bench.events.append,
        still_seconds=0.0, more_stages=stages,
    )  # fmt: skip
    return indexer.run([(root, str(bench.videos))], control or Control(), only_new)


def write_three(bench: Bench) -> None:
    for name, words in (("a.mp4", "red blue"), ("b.mp4", "green"), ("c.mp4", "yellow red red")):
        bench.write(name, words)


@pytest.mark.parametrize(("priority", "searchable"), [(20, [6, 6, 6]), (5, [0, 0, 0])])
def test_one_stage_is_done_over_the_whole_library_before_the_next(
    bench: Bench, priority: int, searchable: list[int]
) -> None:
    write_three(bench)
    words = Words(bench, priority=priority)
    totals = run(bench, [words])
    assert words.counted == {"a.mp4": 2, "b.mp4": 1, "c.mp4": 3}
    assert words.searchable == searchable
    assert (totals.files, totals.clips, totals.failed, totals.skipped) == (3, 6, 0, 0), "as without a second stage"
    again = Words(bench)
    assert run(bench, [again]).files == 0
    assert again.counted == {}


def test_a_stage_that_comes_later_finds_an_indexed_library(bench: Bench) -> None:
    write_three(bench)
    bench.run()
    words = Words(bench)
    totals = run(bench, [words])
    assert list(words.counted) == ["a.mp4", "b.mp4", "c.mp4"]
    assert (totals.files, totals.skipped, len(bench.decoders)) == (0, 3, 1), "no decoder is opened for it"


def test_a_stage_is_done_again_alone_when_its_version_changes(bench: Bench) -> None:
    write_three(bench)
    run(bench, [Words(bench)])
    newer = Words(bench, version="2")
    found: list[str] = []
    newer.before_file = lambda name: found.append(bench.found("yellow")[0])
    run(bench, [newer])
    assert found == ["c.mp4"] * 3, "meanwhile all is found"
    assert len(newer.counted) == 3
    assert newer.searchable == [6, 6, 6]
    assert len(bench.decoders) == 1
    assert run(bench, [Words(bench, version="2")]).skipped == 3


def test_a_file_that_a_stage_fails_on_is_found_by_its_pictures_and_retried(bench: Bench) -> None:
    write_three(bench)
    bench.write("silent.mp4", "green green")
    totals = run(bench, [Words(bench)])
    assert (totals.files, totals.failed) == (4, 1)
    path = str(bench.videos / "silent.mp4")
    assert bench.catalog.failures() == [(path, QUIET)]
    assert FileIndexed(path, 0, QUIET) in bench.events
    assert "silent.mp4" in bench.found("green")
    words = Words(bench)
    assert run(bench, [words]).failed == 0, "not tried again by itself"
    assert words.searchable == []
    assert bench.store.stages.retry("words") == 1
    assert run(bench, [words]).failed == 1


def test_a_run_that_ends_in_a_stage_goes_on_there(bench: Bench) -> None:
    write_three(bench)
    control = Control()
    words = Words(bench)
    words.before_file = lambda name: control.cancel() if name == "b.mp4" else None
    assert run(bench, [words], control).cancelled
    assert list(words.counted) == ["a.mp4", "b.mp4"]
    words = Words(bench)
    run(bench, [words])
    assert list(words.counted) == ["c.mp4"]


def test_what_a_library_cannot_keep_ends_the_run(bench: Bench) -> None:
    write_three(bench)
    words = Words(bench)

    def full(name: str) -> None:
        raise StorageError("library.budget", most=1.0)

    words.before_file = full
    with pytest.raises(StorageError):
        run(bench, [words])
    assert len(bench.index) == 6
    assert run(bench, [Words(bench)]).failed == 0


def test_a_stage_waits_for_power_and_takes_the_folder_that_goes_first(bench: Bench) -> None:
    write_three(bench)
    bench.write("z/d.mp4", "green blue")
    bench.run()
    control = Control(Conditions())
    control.first = str(bench.videos / "z")
    words = Words(bench)
    run(bench, [words], control)
    assert list(words.counted) == ["d.mp4", "a.mp4", "b.mp4", "c.mp4"]


def test_progress_is_that_of_the_stage_under_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cret_desktop.library.indexing.run_report.PROGRESS_SECONDS", 0.0)
    write_three(bench)
    words = Words(bench)
    words.before_file = lambda name: bench.events.append(name)
    run(bench, [words])
    last = bench.events[bench.events.index("c.mp4") + 1]
    assert isinstance(last, IndexProgress)
    assert (last.files_done, last.files_total, last.clips_done) == (3, 3, 6)


def test_what_changes_meanwhile_goes_to_the_first_stage_first(bench: Bench) -> None:
    write_three(bench)
    looks: list[tuple[Root, str]] = []

    def take_looks() -> list[tuple[Root, str]]:
        taken = looks.copy()
        looks.clear()
        return taken

    def arrive(name: str) -> None:
        if name == "a.mp4":
            bench.write("new.mp4", "blue blue")
            looks.append((bench.catalog.roots()[0], str(bench.videos)))

    words = Words(bench)
    words.before_file = arrive
    totals = run(bench, [words], Control(take_looks=take_looks))
    assert totals.files == 4
    assert set(words.counted) == {"a.mp4", "b.mp4", "c.mp4", "new.mp4"}
    assert words.searchable == [6, 8, 8, 8]
    assert "new.mp4" in bench.found("blue")


def test_only_what_is_new_is_left_to_each_stage(bench: Bench) -> None:
    write_three(bench)
    bench.run()
    bench.write("new.mp4", "blue blue")
    words = Words(bench)
    run(bench, [words], only_new=True)
    assert list(words.counted) == ["new.mp4"]


def looks_of(bench: Bench, words: Words, changes: dict[str, Callable[[], object]], folders: Sequence[Path]) -> Control:
    """Return a control by which `folders` are looked at once a stage is at the file that `changes` names."""
    looks: list[tuple[Root, str]] = []

    def take_looks() -> list[tuple[Root, str]]:
        taken = looks.copy()
        looks.clear()
        return taken

    def change(name: str) -> None:
        if name in changes:
            changes.pop(name)()
            looks.extend((bench.catalog.roots()[0], str(folder)) for folder in folders)

    words.before_file = change
    return Control(take_looks=take_looks)


def test_every_folder_that_changes_during_a_stage_is_looked_at(bench: Bench) -> None:
    write_three(bench)
    for folder in ("x", "y"):
        bench.write(f"{folder}/before.mp4", "green")
    words = Words(bench)

    def arrive() -> None:
        bench.write("x/new x.mp4", "blue blue")
        bench.write("y/new y.mp4", "blue blue green")

    control = looks_of(bench, words, {"a.mp4": arrive}, [bench.videos / "x", bench.videos / "y"])
    assert run(bench, [words], control).files == 7
    assert {"new x.mp4", "new y.mp4"} <= set(words.counted)


def test_a_stage_before_the_pictures_goes_on_after_a_look(bench: Bench) -> None:
    write_three(bench)
    words = Words(bench, priority=5)
    arrive = lambda: bench.write("new.mp4", "blue blue")  # noqa: E731
    run(bench, [words], looks_of(bench, words, {"a.mp4": arrive}, [bench.videos]))
    assert set(words.counted) == {"a.mp4", "b.mp4", "c.mp4", "new.mp4"}
    assert words.searchable == [0, 0, 0, 0]


def test_progress_begins_anew_when_a_stage_is_taken_up_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cret_desktop.library.indexing.run_report.PROGRESS_SECONDS", 0.0)
    write_three(bench)
    words = Words(bench)
    arrive = lambda: bench.write("new.mp4", "blue blue")  # noqa: E731
    run(bench, [words], looks_of(bench, words, {"a.mp4": arrive}, [bench.videos]))
    told = [event for event in bench.events if isinstance(event, IndexProgress) and event.phase is Phase.INDEXING]
    assert [event for event in told if event.files_done > event.files_total] == []


def test_a_file_that_is_moved_before_its_turn_has_not_failed(bench: Bench) -> None:
    write_three(bench)
    words = Words(bench)

    def change(name: str) -> None:
        if name == "a.mp4":
            (bench.videos / "b.mp4").rename(bench.videos / "moved.mp4")
        if name == "c.mp4":
            bench.write("c.mp4", "blue blue blue blue")
            raise BadFile("file.said", text="It is half written.")

    words.before_file = change
    totals = run(bench, [words])
    assert totals.failed == 0
    assert [Path(path).name for path in totals.unsettled] == ["b.mp4", "c.mp4"]
    words = Words(bench)
    run(bench, [words])
    assert set(words.counted) == {"moved.mp4", "c.mp4"}
    assert bench.catalog.failures() == []


def test_what_a_person_stopped_is_left_when_a_folder_changes_meanwhile(bench: Bench) -> None:
    write_three(bench)
    stopped = Control(take_looks=lambda: stopped.cancel() or ())  # type: ignore[func-returns-value]
    assert bench.run(stopped).files == 0
    bench.write("new.mp4", "blue blue")
    turns = iter(range(100))

    def take_looks() -> list[tuple[Root, str]]:
        if next(turns):
            return []
        bench.write("newer.mp4", "green blue")
        return [(bench.catalog.roots()[0], str(bench.videos))]

    words = Words(bench)
    totals = run(bench, [words], Control(take_looks=take_looks), only_new=True)
    assert totals.files == 2
    assert set(words.counted) == {"new.mp4", "newer.mp4"}
    assert run(bench, [words]).files == 3


def test_a_stage_that_tells_nothing_of_its_advance_is_estimated_all_the_same(bench: Bench) -> None:
    write_three(bench)
    done: list[float] = []

    class Silent(Words):
        def work(self, run: StageRun) -> None:
            for file_id, file in run.files():
                run.done(file_id, file)
                done.append(run.estimate.done)

    run(bench, [Silent(bench)])
    assert done == [8.0, 12.0, 24.0], "seconds of video"
