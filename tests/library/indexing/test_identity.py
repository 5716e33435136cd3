"""A video's data and annotations follow it wherever it goes, and are kept while it is away."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from cret_desktop.domain.clips import USUAL_SAMPLING, DecodeEvent, FileFailed, Sampling, VideoFile
from cret_desktop.domain.records import Root
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.indexing.indexer import Indexer
from cret_desktop.library.indexing.volumes import Mount, Volumes, add_root
from cret_desktop.library_files import LibraryFiles
from cret_desktop.media.scan import video_file
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.scans import Scans
from tests.fakes import FakeDecoder
from tests.library.conftest import Bench


def file_id(bench: Bench, name: str) -> int:
    (found,) = [
        row.id
        for root in bench.catalog.roots()
        for row in bench.catalog.files(root.id).values()
        if os.path.relpath(row.path, bench.videos) == name and not row.missing
    ]
    return found


def test_a_moved_folder_keeps_everything(bench: Bench) -> None:
    names = [f"trip/{day}/{number}.mp4" for day in "ab" for number in range(5)]
    for number, name in enumerate(names):
        bench.write(name, "red " * (number + 1))
    bench.run()
    ids = {name: file_id(bench, name) for name in names}
    (bench.videos / "2024").mkdir()
    (bench.videos / "trip").rename(bench.videos / "2024" / "holiday")
    assert bench.run().frames_decoded == 0
    assert {name: file_id(bench, name.replace("trip", "2024/holiday")) for name in names} == ids


def test_a_folder_looked_at_where_it_went_or_where_it_was_is_the_same(bench: Bench) -> None:
    bench.write("one/a.mp4", "red blue")
    (bench.videos / "two").mkdir()
    bench.run()
    before = file_id(bench, "one/a.mp4")
    (bench.videos / "one").rename(bench.videos / "two" / "one")
    bench.run(within=bench.videos / "one")  # nothing exists there any more: the parent folder is scanned
    bench.run(within=bench.videos / "two")
    assert file_id(bench, "two/one/a.mp4") == before
    (bench.videos / "two" / "one").rename(bench.videos / "one")
    bench.run(within=bench.videos / "one")
    bench.run(within=bench.videos / "two")
    assert file_id(bench, "one/a.mp4") == before
    assert set(bench.found("blue")) == {"a.mp4"}


def test_a_look_into_a_hidden_or_left_out_folder_is_one_at_the_folder_around_it(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.write(".cache/b.mp4", "red")
    bench.write("Proxies/deep/c.mp4", "red")
    for place in (".cache", "Proxies/deep"):
        bench.run(within=bench.videos / place, leave_out=["proxies"])
    assert bench.found("") == ["a.mp4"]


def test_a_copy_has_tags_of_its_own(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    annotations = Annotations(bench.catalog)
    annotations.change_tags([file_id(bench, "a.mp4")], ["mine"], [])
    shutil.copy(bench.videos / "a.mp4", bench.videos / "b.mp4")
    bench.run()
    assert annotations.tags() == (("mine", 1),)
    (bench.videos / "a.mp4").unlink()
    bench.run()
    assert bench.found("red") == ["b.mp4"]
    assert annotations.tags() == ()


def test_another_time_over_the_same_content_is_no_change(bench: Bench) -> None:
    path = bench.write("a.mp4", "red")
    bench.run()
    os.utime(path, (1_000_000, 1_000_000))
    assert bench.run().frames_decoded == 0
    assert bench.run().skipped == 1
    path.write_text("tan", encoding="utf-8")  # as long, but other content; the fake decoder knows no such colour
    with pytest.raises(KeyError):
        bench.run()


def test_what_lies_on_a_drive_that_is_away_is_not_taken_to_be_moved(bench: Bench) -> None:
    bench.write("a.mp4", "red blue")
    bench.run()
    owner = file_id(bench, "a.mp4")
    other = bench.folder.with_name("other")
    other.mkdir()
    shutil.copy(bench.videos / "a.mp4", other / "copy.mp4")
    hidden = bench.folder / "unplugged"
    bench.videos.rename(hidden)
    videos, bench.videos = bench.videos, other
    assert bench.run().frames_decoded == 0
    hidden.rename(videos)
    bench.videos = videos
    assert bench.run().frames_decoded == 0
    assert file_id(bench, "a.mp4") == owner
    assert set(bench.found("red")) == {"a.mp4", "copy.mp4"}


def test_a_renamed_root_is_followed_with_the_words_of_its_name(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.run()
    before = file_id(bench, "a.mp4")
    now = bench.videos.with_name("Iceland")
    bench.videos.rename(now)
    (root,) = bench.catalog.roots()
    indexer_run = bench.run()
    assert indexer_run.frames_decoded == 0
    ((now_root),) = [r for r in bench.catalog.roots() if r.id == root.id]
    assert now_root.path == str(now)
    (row,) = bench.catalog.files(root.id).values()
    assert (row.id, row.path) == (before, str(now / "a.mp4"))
    assert bench.found("in:iceland") == ["a.mp4"]


def test_a_folder_around_others_is_known_from_the_moment_it_is_added(bench: Bench) -> None:
    bench.write("a/one.mp4", "red")
    volumes = Volumes(list)
    add_root(bench.catalog, str(bench.videos / "a"), volumes)
    bench.run(within=bench.videos / "a")
    add_root(bench.catalog, str(bench.videos), volumes)
    (bench.videos / "a" / "one.mp4").unlink()  # its only known file, before its first scan
    assert bench.run().offline == ()
    assert bench.found("") == []


def test_a_folder_that_cannot_be_listed_hides_its_files_and_loses_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("sick/a.mp4", "red")
    bench.write("b.mp4", "red")
    bench.run()
    listing = os.scandir

    def failing(path: str):  # type: ignore[no-untyped-def]
        if str(path).endswith("sick"):
            raise OSError(5, "Input/output error")
        return listing(path)

    monkeypatch.setattr("cret_desktop.media.scan.os.scandir", failing)
    bench.run()
    assert sorted(bench.found("red")) == ["a.mp4", "b.mp4"]
    monkeypatch.undo()
    assert bench.run().frames_decoded == 0
    assert bench.catalog.failures() == []


def test_what_is_gone_for_long_is_forgotten_but_not_what_was_said_of_it(bench: Bench) -> None:
    path = bench.write("a.mp4", "red blue")
    bench.write("b.mp4", "green")
    bench.run()
    Annotations(bench.catalog).set_note(file_id(bench, "a.mp4"), "ours")
    path.unlink()
    bench.run()
    assert FileChanges(bench.catalog).purge(time.time() - 3600) == ([], [])
    clips, sprites = FileChanges(bench.catalog).purge(time.time() + 1)
    assert (len(clips), len(sprites)) == (2, 2)
    (row,) = bench.catalog.files(bench.catalog.roots()[0].id).values()
    assert row.path.endswith("b.mp4")
    bench.write("back.mp4", "red blue")
    bench.run()
    notes = bench.catalog.reader().execute("SELECT note FROM files WHERE path = ?", (b"back.mp4",))
    assert notes.fetchall() == [("ours",)]


def test_a_copy_keeps_its_thumbnails_when_the_original_is_forgotten(bench: Bench) -> None:
    path = bench.write("a.mp4", "red")
    bench.run()
    shutil.copy(path, bench.videos / "b.mp4")
    bench.run()
    path.unlink()
    bench.run()
    clips, sprites = FileChanges(bench.catalog).purge(time.time() + 1)
    assert (len(clips), sprites) == (1, [])


def test_a_file_that_changes_while_it_is_to_be_taken_waits(bench: Bench) -> None:
    paths = [bench.write(f"{number}.mp4", "red") for number in range(3)]

    class Changing(Control):
        def wait_turn(self, tell: Callable[[], None] = lambda: None) -> None:
            paths[2].write_text("green green", encoding="utf-8")

    totals = bench.run(Changing())
    assert totals.unsettled == (str(paths[2]),)
    assert totals.files == 2
    totals = bench.run()
    assert (totals.files, totals.unsettled) == (1, ())
    assert set(bench.found("green", 1)) == {"2.mp4"}


def test_what_waited_before_can_be_left_waiting(bench: Bench) -> None:
    root = bench.catalog.add_root(str(bench.videos))
    bench.write("stopped.mp4", "red")
    apply_scan(Scans(bench.catalog), root, [video_file(str(bench.videos / "stopped.mp4"))], [])
    bench.write("new.mp4", "green")
    assert bench.run(only_new=True).files == 1
    assert bench.decoded == ["new.mp4"]
    assert bench.run().files == 1


def test_a_file_that_goes_before_its_turn_is_no_failure(bench: Bench) -> None:
    paths = [bench.write(f"{number}.mp4", "red") for number in range(20)]

    class Deleting(Control):
        def wait_turn(self, tell: Callable[[], None] = lambda: None) -> None:
            paths[-1].unlink(missing_ok=True)

    totals = bench.run(Deleting())
    assert (totals.files, totals.failed, totals.unsettled) == (19, 0, (str(paths[-1]),))
    assert bench.catalog.failures() == []


def test_changes_during_a_run_are_taken_up_in_it(bench: Bench) -> None:
    for number in range(4):
        bench.write(f"old/{number}.mp4", "red")
    root = bench.catalog.add_root(str(bench.videos))
    control = Control()
    turns = iter(range(100))

    def take() -> list[tuple[object, str]]:
        if next(turns) != 1:
            return []
        bench.write("new/a.mp4", "green")
        (bench.videos / "old" / "3.mp4").unlink()
        return [(root, str(bench.videos / "new")), (root, str(bench.videos / "old"))]

    control.take_looks = take  # type: ignore[assignment]
    totals = bench.run(control)
    assert next(turns) > 1
    assert (totals.files, totals.failed, totals.unsettled) == (4, 0, ())
    assert bench.found("green", 1) == ["a.mp4"]


def test_a_folder_on_a_path_of_odd_letters_is_looked_at_alone(bench: Bench) -> None:
    for name in ("a/x.mp4", "a b/x.mp4", "a0/x.mp4", "a/b/x.mp4"):
        bench.write(name, "red")
    bench.run()
    shutil.rmtree(bench.videos / "a" / "b")
    bench.run(within=bench.videos / "a")
    known = bench.catalog.files(bench.catalog.roots()[0].id)
    assert {os.path.relpath(p, bench.videos) for p, row in known.items() if row.missing} == {"a/b/x.mp4"}
    within = bench.catalog.files(bench.catalog.roots()[0].id, str(bench.videos / "a"))
    assert {os.path.relpath(p, bench.videos) for p in within} == {"a/x.mp4", "a/b/x.mp4"}


def test_a_name_taken_by_another_file_does_not_take_what_was_said(bench: Bench) -> None:
    path = bench.write("DSC_0001.mp4", "red blue")
    bench.run()
    annotations = Annotations(bench.catalog)
    annotations.set_note(file_id(bench, "DSC_0001.mp4"), "the first")
    notes = "SELECT path, note FROM files WHERE missing_since IS NULL ORDER BY path"

    path.rename(bench.videos / "kept.mp4")
    bench.write("DSC_0001.mp4", "green")
    bench.run()
    assert bench.catalog.reader().execute(notes).fetchall() == [(b"DSC_0001.mp4", ""), (b"kept.mp4", "the first")]

    (bench.videos / "kept.mp4").rename(path)  # replaces it
    assert bench.run().frames_decoded == 0
    assert bench.catalog.reader().execute(notes).fetchall() == [(b"DSC_0001.mp4", "the first")]
    assert set(bench.found("red")) == {"DSC_0001.mp4"}
    assert len(bench.index) == 2

    path.unlink()
    bench.run()
    bench.write("DSC_0001.mp4", "yellow yellow yellow")
    bench.run()
    assert bench.catalog.reader().execute(notes).fetchall() == [(b"DSC_0001.mp4", "the first")], "written anew"
    assert len(bench.index) == 3
    assert len(list((bench.folder / "thumbnails").rglob("*.jpg"))) == 3


@pytest.mark.parametrize("afterwards", ["green", ""])
def test_a_file_replaced_or_deleted_while_it_is_decoded_is_what_it_is_now(bench: Bench, afterwards: str) -> None:
    for number in range(6):
        bench.write(f"{number}.mp4", "red red" + " " * number)
    path = bench.videos / "0.mp4"
    before, content = path.stat().st_mtime_ns, path.read_text(encoding="utf-8")
    root = bench.catalog.add_root(str(bench.videos))
    control = Control()
    turns = iter(range(100))

    def take() -> list[tuple[Root, str]]:
        turn = next(turns)
        if turn == 1:  # the decoder has received the file, but not returned it
            path.unlink()
        elif turn == 2 and afterwards:
            bench.write("0.mp4", afterwards)
        return [(root, str(bench.videos))] if turn in (1, 2) else []

    class Late(FakeDecoder):
        def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
            given = iter(files)
            taken = [next(given) for _ in range(4)]
            # It returns the content read before.
            path.write_text(content, encoding="utf-8")
            os.utime(path, ns=(before, before))
            yield from super().decode(taken)
            path.unlink()
            if afterwards:
                bench.write("0.mp4", afterwards)
            yield from super().decode(given)

    control.take_looks = take
    totals = bench.run(control, open_decoder=Late)
    assert str(path) in totals.unsettled
    assert bench.run().failed == 0
    assert bench.catalog.failures() == []
    assert len(bench.index) == 10 + bool(afterwards)
    assert [name for name in bench.found("green", 10) if name == "0.mp4"] == ["0.mp4"] * bool(afterwards)


def test_a_run_whose_last_files_are_deleted_ends_in_peace(bench: Bench) -> None:
    for number in range(3):
        bench.write(f"{number}.mp4", "red red" + " " * number)
    root = bench.catalog.add_root(str(bench.videos))
    control = Control()
    turns = iter(range(100))

    def take() -> list[tuple[Root, str]]:
        if next(turns) != 1:
            return []
        for path in bench.videos.glob("*.mp4"):
            path.unlink()
        return [(root, str(bench.videos))]

    control.take_looks = take
    assert bench.run(control).failed == 0
    assert bench.found("red") == []
    assert bench.store.stages.counts("pictures", bench.model.info.fingerprint).waiting == 0


def test_files_that_swap_their_names_keep_what_was_said(bench: Bench) -> None:
    for name, words in (("a.mp4", "red"), ("b.mp4", "green blue"), ("c.mp4", "yellow red blue")):
        bench.write(name, words)
    bench.run()
    ids = [file_id(bench, name) for name in ("a.mp4", "b.mp4", "c.mp4")]
    for before, now in (("a", "x"), ("c", "a"), ("b", "c"), ("x", "b")):
        (bench.videos / f"{before}.mp4").rename(bench.videos / f"{now}.mp4")
    assert bench.run().frames_decoded == 0
    assert [file_id(bench, name) for name in ("b.mp4", "c.mp4", "a.mp4")] == ids
    assert len(bench.index) == 6


def test_copies_that_come_together_are_decoded_once(bench: Bench) -> None:
    for number in range(20):
        bench.write(f"{number:02}.mp4", "red blue")
    bench.write("other.mp4", "green")
    assert bench.run().files == 21
    assert sorted(bench.decoded) == ["00.mp4", "other.mp4"]
    assert len(bench.index) == 41
    Annotations(bench.catalog).set_note(file_id(bench, "07.mp4"), "mine")
    assert [f.note for f in Listing(bench.catalog).files(range(1, 30)).values() if f.note] == ["mine"]
    assert bench.run().skipped == 21


def test_a_file_written_anew_as_a_copy_of_another_new_one_loses_what_it_had(bench: Bench) -> None:
    bench.write("b.mp4", "yellow yellow yellow")
    bench.run()
    bench.write("a.mp4", "red blue")
    bench.write("b.mp4", "red blue")
    bench.run()
    assert bench.decoded == ["a.mp4"]
    assert len(bench.index) == 4
    assert len(list((bench.folder / "thumbnails").rglob("*.jpg"))) == 2


def test_copies_of_what_cannot_be_read_are_tried_and_told_each(bench: Bench) -> None:
    for number in range(4):
        bench.write(f"{number}.mp4", "broken")
    totals = bench.run()
    assert (totals.files, totals.failed, totals.unsettled) == (0, 4, ())
    assert len(bench.catalog.failures()) == 4
    assert bench.run().failed == 0


def test_a_copy_goes_with_its_folder_while_it_waits_for_its_original(bench: Bench) -> None:
    for name in ("a.mp4", "b/copy.mp4", "c.mp4"):
        bench.write(name, "red" if name != "c.mp4" else "green")
    root = bench.catalog.add_root(str(bench.videos))
    control = Control()
    turns = iter(range(100))

    def take() -> list[tuple[Root, str]]:
        if next(turns) != 2:
            return []
        (bench.videos / "b").rename(bench.videos / "d")
        return [(root, str(bench.videos))]

    control.take_looks = take
    bench.run(control)
    bench.run()
    assert sorted(bench.found("")) == ["a.mp4", "c.mp4", "copy.mp4"]
    assert [row.state for row in bench.catalog.files(root.id).values()] == ["indexed"] * 3
    assert len(bench.index) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who writes to a file")
def test_a_file_that_a_recorder_keeps_open_waits_however_long_it_stands_still(bench: Bench) -> None:
    path = bench.write("recording.mp4", "red")
    bench.write("whole.mp4", "green")
    with path.open("a", encoding="utf-8") as recorder:
        for _ in range(2):
            assert bench.run().unsettled == (str(path),)
        recorder.write(" blue")
    with path.open(encoding="utf-8"):  # a player does not prevent indexing
        assert bench.run().unsettled == ()
    assert set(bench.found("blue", 1)) == {"recording.mp4"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell who writes to a file")
def test_a_file_that_is_open_and_untouched_for_long_is_taken(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bench.write("edited.mp4", "red")
    monkeypatch.setattr("cret_desktop.library.indexing.stability.HELD_SECONDS", -1.0)
    with path.open("a", encoding="utf-8"):
        assert bench.run().files == 1


@pytest.fixture
def another_disk() -> Iterator[Path]:
    """Yield a folder on another file system than the temporary files: a link to it is a drive mounted there."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == os.stat(tempfile.gettempdir()).st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.mark.parametrize("leaves_a_folder", [False, True])
def test_what_lies_on_a_drive_within_a_root_is_offline_while_that_is_away(
    bench: Bench, another_disk: Path, leaves_a_folder: bool
) -> None:
    stick = bench.videos / "stick"
    stick.symlink_to(another_disk)
    bench.write("here.mp4", "red")
    bench.write("stick/a.mp4", "green blue")
    bench.run()
    (another_disk / "waits.mp4").write_text("yellow")
    bench.catalog.add_root(str(bench.videos))
    cancelled = Control()
    cancelled.take_looks = lambda: cancelled.cancel() or ()  # type: ignore[func-returns-value]
    bench.run(cancelled)  # it is known, but not indexed
    owner = file_id(bench, "stick/a.mp4")
    Annotations(bench.catalog).set_note(owner, "ours")

    def offline() -> dict[str, bool]:
        return {Path(file.path).name: file.offline for file in Listing(bench.catalog).files(range(1, 9)).values()}

    assert offline() == {"here.mp4": False, "a.mp4": False, "waits.mp4": False}
    shutil.copy(another_disk / "a.mp4", bench.videos / "copy.mp4")
    stick.unlink()
    if leaves_a_folder:
        stick.mkdir()
    totals = bench.run()
    assert (totals.files, totals.unsettled) == (0, ()), "what cannot be reached is not tried"
    assert offline() == {"here.mp4": False, "a.mp4": True, "waits.mp4": True, "copy.mp4": False}
    assert sorted(bench.found("is:offline")) == ["a.mp4", "waits.mp4"]
    assert set(bench.found("blue", 2)) == {"a.mp4", "copy.mp4"}
    assert sum(counts.pending for counts in bench.catalog.counts(bench.model.info.fingerprint)) == 0
    assert file_id(bench, "stick/a.mp4") == owner, "the copy has not taken its place"
    if leaves_a_folder:
        stick.rmdir()
    stick.symlink_to(another_disk)
    bench.run()
    assert bench.decoded == ["waits.mp4"]
    assert not any(offline().values())
    (another_disk / "a.mp4").unlink()
    bench.run()
    assert "a.mp4" not in bench.found(""), "the drive is there, and the file is not"


def test_a_file_on_a_share_is_looked_at_twice_whatever_its_time_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's clock may be hours behind."""
    monkeypatch.setattr("cret_desktop.library.indexing.looking.age", lambda path: 7200.0)
    path = bench.write("copied.mp4", "red")
    root = bench.catalog.add_root(str(bench.videos))

    class Copying(Control):
        def rest(self, seconds: float) -> None:
            path.write_text("red blue")

    for on_share, unsettled in ((False, ()), (True, (str(path),))):
        path.write_text(f"red {'green' * on_share}")
        mounted = [Mount(str(bench.videos), "//server/share", on_share)]
        indexer = Indexer(
            bench.store, bench.index, bench.model, FakeDecoder, LibraryFiles(bench.folder),
            still_seconds=5.0, volumes=lambda mounted=mounted: Volumes(lambda: mounted),  # type: ignore[misc]
        )  # fmt: skip
        assert indexer.run([(root, root.path)], Copying()).unsettled == unsettled


def test_a_file_that_comes_back_beside_a_copy_of_it_stays_where_it_was(bench: Bench) -> None:
    path = bench.write("a.mp4", "red blue")
    bench.run()
    owner = file_id(bench, "a.mp4")
    path.rename(bench.folder / "kept")
    bench.run()
    (bench.folder / "kept").rename(path)
    shutil.copy(path, bench.videos / "b.mp4")
    assert bench.run().frames_decoded == 0
    assert file_id(bench, "a.mp4") == owner
    assert set(bench.found("blue")) == {"a.mp4", "b.mp4"}


def test_a_file_moved_before_the_decoder_opens_it_has_not_failed(bench: Bench) -> None:
    path = bench.write("a.mp4", "red red")
    bench.run()
    bench.store.queue.index_root_again(bench.catalog.roots()[0].id)

    class Late(FakeDecoder):
        def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
            for file in files:
                path.rename(path.with_name("moved.mp4"))
                yield FileFailed(file, Message("file.unreadable", reason=Message("os.not-found")))

    totals = bench.run(open_decoder=Late)
    assert (totals.failed, totals.unsettled) == (0, (str(path),))
    bench.run()
    assert bench.catalog.failures() == []
    assert set(bench.found("red")) == {"moved.mp4"}


def test_files_of_a_share_that_breaks_down_have_not_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [bench.write(f"{number}.mp4", "red " * (number + 1)) for number in range(3)]
    away = bench.folder / "away"

    def break_down(path: str) -> bytes:
        if bench.videos.is_dir():
            bench.videos.rename(away)
            bench.videos.write_bytes(b"")  # every path within gives an error of its own kind
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), path)

    with monkeypatch.context() as patch:
        patch.setattr("cret_desktop.library.indexing.in_flight.fingerprint", break_down)
        totals = bench.run()
    assert (totals.failed, totals.unsettled) == (0, tuple(map(str, paths)))
    bench.videos.unlink()
    away.rename(bench.videos)
    assert bench.run().files == 3
