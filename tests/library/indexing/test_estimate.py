"""The remaining time of indexing: no estimate before anything is known, then one based on the lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from cret_desktop.domain.clips import FileOpened, VideoFile, VideoInfo
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.estimate import BELIEF, SOON, Estimate, Pace, keep_pace, read_pace
from cret_desktop.library.indexing.indexer import Indexer
from cret_desktop.library.indexing.progress import FilesMeasured, IndexProgress, Phase
from cret_desktop.library_files import LibraryFiles
from tests.fakes import FakeDecoder
from tests.library.conftest import Bench


def test_nothing_is_told_before_there_is_a_pace() -> None:
    estimate = Estimate(None)
    estimate.add(1, 100, 60.0)
    assert estimate.remaining(SOON * 2) is None, "nothing is done yet"
    assert estimate.space() is None
    estimate.advance(1, 20.0, 500)
    assert estimate.remaining(SOON / 2) is None, "too early to tell"
    assert estimate.remaining(10.0) == pytest.approx(20.0), "2 seconds a second, 40 wait"
    assert estimate.space() == pytest.approx(1000.0), "25 bytes a second, 40 wait"


def test_the_pace_of_earlier_runs_counts_until_this_run_has_its_own() -> None:
    estimate = Estimate(Pace(10.0, 3.0))
    estimate.add(1, 100, 600.0)
    assert estimate.remaining(0.0) == pytest.approx(60.0)
    assert estimate.space() == pytest.approx(1800.0)
    estimate.advance(1, 0.5 * BELIEF, 0)
    assert 0.0 < (estimate.space() or 0.0) < 1800.0, "so far it took nothing"
    assert 60.0 < (estimate.remaining(BELIEF) or 0.0) < 600.0, "this run is slower than those before"


def test_unknown_lengths_are_guessed_from_sizes() -> None:
    estimate = Estimate(Pace(1.0, 1.0))
    estimate.add(1, 1000, None)
    assert estimate.remaining(0.0) is None, "no length is known at all"
    assert estimate.space() is None
    estimate.add(2, 100, 10.0)
    assert estimate.remaining(0.0) == pytest.approx(110.0)
    estimate.learn(1, 40.0)
    assert estimate.remaining(0.0) == pytest.approx(50.0)
    estimate.drop(1)
    estimate.drop(1)
    estimate.add(2, 100, 10.0)
    assert estimate.remaining(0.0) == pytest.approx(10.0)


def test_a_file_is_never_more_than_done() -> None:
    estimate = Estimate(Pace(1.0, 1.0))
    estimate.add(1, 100, 5.0)
    estimate.advance(1, 9.0, 0)  # the header claimed less than the actual length
    estimate.drop(1)
    assert estimate.remaining(0.0) == 0.0


GOOD = '{"model": {"speed": 3.5, "space": 0}}'
BAD = [
    "",
    "[]",
    '{"model": 3.5}',
    GOOD.replace("3.5", "-1"),
    GOOD.replace("3.5", "NaN"),
    GOOD.replace("0}", "-1}"),
    GOOD.replace("model", "other"),
]


@pytest.mark.parametrize("content", [GOOD, *BAD])
def test_a_pace_that_cannot_be_believed_is_none(tmp_path: Path, content: str) -> None:
    library = LibraryFiles(tmp_path)
    assert read_pace(library, "model") is None
    (tmp_path / "pace.json").write_text(content)
    assert read_pace(library, "model") == (Pace(3.5, 0.0) if content == GOOD else None)
    keep_pace(library, "model", Pace(7.0, 80.0))
    assert read_pace(library, "model") == Pace(7.0, 80.0)
    keep_pace(LibraryFiles(tmp_path / "pace.json"), "model", Pace(7.0, 80.0))  # logs a message, no more


class Prober(FakeDecoder):
    """Probes the lengths of all but the last file."""

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        for file in list(files)[:-1]:
            yield FileOpened(file, VideoInfo(4.0, 640, 360, 25.0, "fake", "fake"))


def test_lengths_are_known_before_anything_is_indexed(bench: Bench) -> None:
    for number, name in enumerate(("a.mp4", "b.mp4", "c.mp4")):
        bench.write(name, "red" + " " * number)  # different contents
    at_first_file: list[dict[str, float | None]] = []

    class Looking(Prober):
        def decode(self, *given):  # type: ignore[no-untyped-def]
            root = bench.catalog.roots()[0]
            at_first_file.append({Path(p).name: row.duration for p, row in bench.catalog.files(root.id).items()})
            yield from super().decode(*given)

    totals = bench.run(open_decoder=Looking)
    assert totals.files == 3
    assert at_first_file == [{"a.mp4": 4.0, "b.mp4": 4.0, "c.mp4": None}]
    assert [event.count for event in bench.events if isinstance(event, FilesMeasured)] == [2]
    phases = [event.phase for event in bench.events if isinstance(event, IndexProgress)]
    assert phases[0] is Phase.SCANNING


def test_a_measured_file_that_goes_leaves_nothing(bench: Bench) -> None:
    """The length alone is no data worth keeping."""
    path = bench.write("a.mp4", "red")
    bench.write("b.mp4", "red")

    class Cancelling(Prober):
        def decode(self, *given):  # type: ignore[no-untyped-def]
            yield from ()

    bench.run(open_decoder=Cancelling)
    root = bench.catalog.roots()[0]
    assert bench.catalog.files(root.id)[str(path)].duration == 4.0
    path.unlink()
    bench.run(open_decoder=Cancelling)
    assert [Path(p).name for p in bench.catalog.files(root.id)] == ["b.mp4"]


def test_the_estimate_is_told_before_the_first_file_is_done(bench: Bench, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        bench.write(name, "red")
    library = LibraryFiles(bench.folder)
    root = bench.catalog.add_root(str(bench.videos))

    def indexer(decoder: type[FakeDecoder]) -> Indexer:
        return Indexer(
            bench.store, bench.index, bench.model, decoder, library, bench.events.append,
            still_seconds=0.0, keeps_pace=True,
        )  # fmt: skip

    def first_estimate() -> tuple[float | None, float | None]:
        told = (event for event in bench.events if isinstance(event, IndexProgress) and event.phase is Phase.INDEXING)
        first = next(told)
        return first.remaining, first.space

    keep_pace(library, "of another model", Pace(2.0, 10.0))
    indexer(Prober).run([(root, root.path)], Control())
    assert first_estimate() == (None, None), "nothing is known of this model on this computer"
    bench.events.clear()
    keep_pace(library, bench.model.info.fingerprint, Pace(0.001, 10.0))
    for path in bench.videos.iterdir():
        path.write_text("blue", encoding="utf-8")
    indexer(Prober).run([(root, root.path)], Control())
    # Two lengths are known, the third is guessed from its size: 12 s of video at a thousandth of real time.
    assert first_estimate() == pytest.approx((12_000, 120), rel=0.2)
