from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cret_desktop.domain.clips import USUAL_SAMPLING, DecodeEvent, Sampling, VideoFile
from cret_desktop.errors import ModelError, StorageError
from cret_desktop.library.indexing.control import Conditions, Control
from cret_desktop.library.indexing.in_flight import FILES_IN_FLIGHT
from cret_desktop.library.indexing.progress import FileIndexed, FolderScanned, IndexProgress, Phase
from cret_desktop.library.searching.query import parse
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.file_changes import FileChanges
from tests.fakes import FakeDecoder
from tests.library.conftest import Bench


def test_indexes_a_folder_and_finds_by_colour(bench: Bench) -> None:
    bench.write("a.mp4", "red blue")
    bench.write("deep/er/b.mkv", "green")
    totals = bench.run()
    assert (totals.files, totals.clips, totals.failed, totals.skipped) == (2, 3, 0, 0)
    assert bench.found("green")[0] == "b.mkv"
    best = bench.searcher.search(parse("blue"), 5).moments[0]
    assert (best.start, best.end) == (4.0, 8.0)
    thumbnail = Path(best.thumbnails[0].path)
    assert thumbnail.is_file()
    assert len(thumbnail.relative_to(bench.folder / "thumbnails").parts) == 3, "no folder holds them all"


def test_unchanged_files_cost_neither_decoder_nor_encoder(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    batches = bench.model.video.batches
    totals = bench.run()
    assert (totals.files, totals.skipped, totals.frames_decoded) == (0, 1, 0)
    assert len(bench.decoders) == 1, "no decoder is opened where there is no work"
    assert bench.model.video.batches == batches


def test_changed_file_is_indexed_again_and_its_old_clips_are_gone(bench: Bench) -> None:
    bench.write("a.mp4", "red red red")
    bench.run()
    bench.write("a.mp4", "blue")
    assert bench.run().files == 1
    assert len(bench.index) == 1
    assert bench.searcher.search(parse("blue"), 5).moments[0].path.endswith("a.mp4")
    thumbnails = list((bench.folder / "thumbnails").rglob("*.jpg"))
    assert len(thumbnails) == 1, "thumbnails of clips that are gone are removed"


def test_a_bad_file_is_one_line_and_not_tried_again_until_it_changes(bench: Bench) -> None:
    bench.write("good.mp4", "red")
    bench.write("bad.mp4", "broken")
    totals = bench.run()
    assert (totals.files, totals.failed) == (1, 1)
    assert bench.catalog.failures() == [(str(bench.videos / "bad.mp4"), Message("file.not-a-video"))]
    assert bench.run().failed == 0
    bench.write("bad.mp4", "green now")
    with pytest.raises(KeyError):
        bench.run()  # FakeDecoder knows no colour "now": a decoder's bug is not hidden
    bench.write("bad.mp4", "green")
    assert bench.run().files == 1
    assert bench.catalog.failures() == []


def test_retry_failures_tries_them_once_more(bench: Bench) -> None:
    bench.write("bad.mp4", "broken")
    bench.run()
    assert FileChanges(bench.catalog).retry_failures() == 1
    assert bench.run().failed == 1
    assert bench.decoded == ["bad.mp4"]


def test_moved_and_renamed_files_keep_their_clips(bench: Bench) -> None:
    bench.write("a.mp4", "red blue")
    bench.run()
    ids = Clips(bench.catalog).sample_clips(10)
    (bench.videos / "new").mkdir()
    (bench.videos / "a.mp4").rename(bench.videos / "new" / "c.mp4")
    totals = bench.run()
    assert (totals.files, totals.skipped) == (0, 1)
    assert Clips(bench.catalog).sample_clips(10) == ids
    assert bench.found("red")[0] == "c.mp4"


def test_a_copy_is_another_file_and_nothing_is_decoded_for_it(bench: Bench) -> None:
    bench.write("a.mp4", "red blue")
    bench.run()
    shutil.copy(bench.videos / "a.mp4", bench.videos / "b.mp4")
    totals = bench.run()
    assert (totals.files, totals.frames_decoded, len(bench.index)) == (0, 0, 4)
    assert set(bench.found("red")) == {"a.mp4", "b.mp4"}
    for moment in bench.searcher.search(parse("red"), 2).moments:
        assert os.path.exists(moment.thumbnails[0].path)
    bench.write("a.mp4", "green")
    bench.run()
    assert set(bench.found("red", 1)) == {"b.mp4"}
    assert all(os.path.exists(t.path) for m in bench.searcher.search(parse("red"), 1).moments for t in m.thumbnails), (
        "what a copy still shows is not thrown away"
    )


def test_a_missing_file_is_not_found_and_comes_back_without_work(bench: Bench) -> None:
    path = bench.write("a.mp4", "red")
    bench.write("b.mp4", "green")
    bench.run()
    kept = bench.folder / "elsewhere"
    path.rename(kept)
    bench.run()
    assert bench.found("red") == ["b.mp4"]
    kept.rename(path)
    totals = bench.run()
    assert totals.frames_decoded == 0
    assert bench.found("red")[0] == "a.mp4"


def test_an_unmounted_root_makes_nothing_missing(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    moved = bench.videos.rename(bench.folder / "unplugged")
    for state in ("gone", "empty"):
        if state == "empty":
            bench.videos.mkdir()
        totals = bench.run()
        assert totals.offline == (str(bench.videos),)
        assert bench.found("red") == ["a.mp4"]
        assert bench.catalog.roots()[0].offline
    bench.videos.rmdir()
    moved.rename(bench.videos)
    assert bench.run().skipped == 1
    assert not bench.catalog.roots()[0].offline


def test_a_folder_within_a_root_is_refreshed_alone(bench: Bench) -> None:
    bench.write("one/a.mp4", "red")
    bench.write("two/b.mp4", "blue")
    assert bench.run(within=bench.videos / "two").files == 1
    assert bench.run().files == 1


def test_cancel_keeps_what_is_committed_and_goes_on_later(bench: Bench) -> None:
    for number in range(30):
        bench.write(f"{number:02}.mp4", "red")
    control = Control()

    def cancel_after_ten(event: object) -> None:
        if sum(isinstance(e, FileIndexed) for e in bench.events) >= 10:
            control.cancel()

    bench.events = _Calling(cancel_after_ten)
    totals = bench.run(control)
    assert totals.cancelled
    assert 10 <= totals.files < 30
    rest = bench.run(Control())
    assert totals.files + rest.files == 30
    assert len(bench.index) == 30


class _Calling(list[object]):
    def __init__(self, call) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self._call = call

    def append(self, item: object) -> None:
        super().append(item)
        self._call(item)


def test_files_in_flight_are_bounded(bench: Bench) -> None:
    for number in range(40):
        bench.write(f"{number:02}.mp4", "red" + " " * number)
    high = 0

    class Watching(FakeDecoder):
        def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
            nonlocal high
            for event in super().decode(files, sampling):
                done = sum(isinstance(e, FileIndexed) for e in bench.events)
                high = max(high, len(self.taken) - done)
                yield event

    assert bench.run(open_decoder=Watching).files == 40
    assert 1 < high <= FILES_IN_FLIGHT


def test_an_unwritable_thumbnail_folder_ends_the_run_in_words(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    (bench.folder / "elsewhere").mkdir()
    (bench.folder / "thumbnails").symlink_to(bench.folder / "elsewhere")
    with pytest.raises(StorageError, match=r"Thumbnails cannot be written .* is a link"):
        bench.run()
    assert not list((bench.folder / "elsewhere").iterdir())
    (bench.folder / "thumbnails").unlink()
    assert bench.run().files == 1


def test_features_that_are_not_finite_never_reach_the_catalog(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    encode = bench.model.video.encode

    def poisoned(frames):  # type: ignore[no-untyped-def]
        features = encode(frames)
        features.globals[0, 0, 0] = np.nan
        return features

    bench.model.video.encode = poisoned  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="not finite"):
        bench.run()
    assert Clips(bench.catalog).sample_clips(10) == []


def test_roots_inside_roots_are_taken_up(bench: Bench) -> None:
    bench.write("one/a.mp4", "red")
    inner = bench.catalog.add_root(str(bench.videos / "one"))
    assert bench.run(within=bench.videos / "one").files == 1
    assert [root.path for root in bench.catalog.roots()] == [str(bench.videos)]
    assert bench.catalog.add_root(str(bench.videos / "one")).path == str(bench.videos)
    assert inner.path != str(bench.videos)
    assert bench.run().files == 0


def test_names_that_are_not_utf8_survive(bench: Bench) -> None:
    name = os.fsdecode(b"caf\xe9 \xff.mp4")
    bench.write(name, "red")
    bench.run()
    assert bench.found("red") == [name]
    assert bench.run().skipped == 1


def test_what_is_left_out_is_not_indexed_and_comes_back(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.write("Proxies/a.mp4", "green")
    bench.write("raw/cut.gif", "blue")
    bench.run()
    assert bench.run(leave_out=["proxies", "*.gif"]).files == 0
    assert bench.found("") == ["a.mp4"]
    assert bench.run().frames_decoded == 0, "nothing is done again"
    assert sorted(bench.found("")) == ["a.mp4", "a.mp4", "cut.gif"]


def test_a_scan_tells_how_much_has_changed(bench: Bench) -> None:
    def changed() -> int:
        bench.run()
        told = [event.changed for event in bench.events if isinstance(event, FolderScanned)]
        bench.events.clear()
        (count,) = told
        return count

    bench.write("a.mp4", "red")
    bench.write("b.mp4", "blue")
    assert [changed(), changed()] == [2, 0]
    (bench.videos / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    assert changed() == 1
    (bench.videos / "b.mp4").rename(bench.videos / "c.mp4")
    (bench.videos / "a.mp4").unlink()
    assert changed() == 2
    bench.write("a.mp4", "red")
    assert changed() == 1


def test_a_folder_can_go_first(bench: Bench) -> None:
    for number, name in enumerate(("a/1.mp4", "a/2.mp4", "b/1.mp4", "z/1.mp4", "z/2.mp4")):
        bench.write(name, "red" + " " * number)  # different contents
    control = Control()
    control.first = str(bench.videos / "z")
    bench.run(control)
    taken = [os.path.relpath(path, bench.videos) for path in bench.decoders[-1].taken]
    assert taken[:2] == [os.path.join("z", "1.mp4"), os.path.join("z", "2.mp4")]
    assert len(taken) == 5


def test_indexing_waits_for_power(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from cret_desktop.library.indexing import control, run_report

    monkeypatch.setattr(control, "BATTERY_SECONDS", 0.0)
    monkeypatch.setattr(run_report, "PROGRESS_SECONDS", 0.0)
    looks = iter([True] * 3)
    bench.write("a.mp4", "red")
    assert bench.run(Control(Conditions(lambda: next(looks, False)))).files == 1
    phases = [event.phase for event in bench.events if isinstance(event, IndexProgress)]
    assert Phase.ON_BATTERY in phases
    assert next(looks, None) is None, "it waited until there was power"
