"""Any error of one file becomes that file's line in the failures list; the run continues."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.domain.clips import (
    USUAL_SAMPLING,
    ClipDecoded,
    DecodeEvent,
    Features,
    FileDecoded,
    FileFailed,
    FileOpened,
    Frames,
    Sampling,
    VideoFile,
    VideoInfo,
)
from cret_desktop.domain.records import Sidecar
from cret_desktop.errors import (
    BadFile,
    DecoderFailed,
    LibraryDamaged,
    ModelError,
    StorageError,
    StoreFault,
    ValueRefused,
)
from cret_desktop.library.indexing import in_flight, pictures, subtitles
from cret_desktop.library.indexing.file_faults import faults_of
from cret_desktop.library.indexing.looking import Looking
from cret_desktop.library.keeping.thumbnails import ThumbnailFolder
from cret_desktop.media.scan import kept_number, kept_time
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.migrations import SCHEMA_VERSION, prepare
from tests.fakes import FakeDecoder
from tests.library.conftest import Bench, open_bench
from tests.said import never, said


class Panic(BaseException):
    """Like the exception of a library in Rust."""


OF_A_FILE: list[BaseException] = [
    ValueError("Exceeds the limit (4300 digits)"), RecursionError("too deep"), MemoryError(),
    OverflowError("too large"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    FloatingPointError("NaN"), SystemExit(3), Panic("index out of bounds"), OSError(errno.EIO, "Input/output error"),
    ValueRefused("string or blob too big"),
    AssertionError(), KeyError("x"), BadFile("file.bad-header"),
]  # fmt: skip
OF_THE_LIBRARY: list[BaseException] = [
    StorageError("library.read-only", library="/a"), LibraryDamaged("catalog.unusable", catalog="/a", reason="x"),
    ModelError("model.half"),
    DecoderFailed("file.decoder-missing", status=1), StoreFault("no such table"),
    OSError(errno.EMFILE, "Too many open files"),
    KeyboardInterrupt(), GeneratorExit(),
]  # fmt: skip


@pytest.mark.parametrize("error", OF_A_FILE, ids=lambda error: type(error).__name__)
def test_what_is_of_a_file_is_one_sentence(error: BaseException) -> None:
    told: list[Message] = []
    with faults_of("/videos/a\n.mp4", told.append):
        _raise(error)()
    assert len(told) == 1
    assert said(told[0]).isprintable()
    assert said(told[0]).endswith(".")


@pytest.mark.parametrize("error", OF_THE_LIBRARY, ids=lambda error: type(error).__name__)
def test_what_is_of_the_library_passes(error: BaseException) -> None:
    with pytest.raises(type(error)), faults_of("/videos/a.mp4", never):
        raise error


def _raise(error: BaseException) -> Callable[..., Any]:
    def fails(*_: object, **__: object) -> Any:
        raise error

    return fails


def _for_b(real: Callable[..., Any], error: BaseException) -> Callable[..., Any]:
    """Return `real`, except that it raises for the file b.mp4."""

    def sometimes(first: object, *more: Any) -> Any:
        paths = [first, *more, getattr(first, "path", ""), *(getattr(value, "path", "") for value in more)]
        if any(isinstance(path, str) and path.endswith(("b.mp4", "b.srt")) for path in paths):
            raise error
        return real(first, *more)

    return sometimes


PLACES = ("has_changed", "is_being_written", "fingerprint", "index_as_copy", "commit_file", "sprite", "settled")


@pytest.mark.parametrize(
    ("place", "error"),
    [pytest.param(PLACES[i % len(PLACES)], error, id=type(error).__name__) for i, error in enumerate(OF_A_FILE)],
)
def test_wherever_a_file_raises_the_others_are_indexed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException
) -> None:
    bench.write("a.mp4", "red green")
    bench.write("b.mp4", "blue")
    bench.write("c.mp4", "yellow")
    if place in ("index_as_copy", "commit_file"):
        real = getattr(FileChanges, place)

        def changed(self: FileChanges, file_id: int, file: VideoFile, *more: Any) -> Any:
            return _for_b(lambda _: real(self, file_id, file, *more), error)(file)

        monkeypatch.setattr(FileChanges, place, changed)
    elif place == "sprite":
        real_store = pictures._Pictures._store_sprite

        def stored(self: Any, open_file: Any, *more: Any) -> Any:
            return _for_b(lambda _: real_store(self, open_file, *more), error)(open_file.file)

        monkeypatch.setattr(pictures._Pictures, "_store_sprite", stored)
    elif place == "settled":
        monkeypatch.setattr(Looking, "is_fresh", lambda self, path: _for_b(lambda _: False, error)(path))
    else:
        monkeypatch.setattr(in_flight, place, _for_b(getattr(in_flight, place), error))
    totals = bench.run()
    assert (totals.files, totals.failed) == (2, 1)
    ((path, reason),) = bench.catalog.failures()
    assert path == str(bench.videos / "b.mp4")
    assert said(reason).endswith(".")
    assert set(bench.found("red green yellow", 3)) == {"a.mp4", "c.mp4"}
    assert bench.run().failed == 0, "not tried again until it changes"


class Lying(FakeDecoder):
    """Sends the test's events for b.mp4."""

    events: Callable[[DecodeEvent], Iterable[DecodeEvent]]

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for event in super().decode(files):
            if event.file.path.endswith("b.mp4"):
                yield from self.events(event)
            else:
                yield event

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        for file in files:
            opened: DecodeEvent = FileOpened(file, VideoInfo(4.0, 320, 180, 25.0, "fake", "fake"))
            for event in self.events(opened) if file.path.endswith("b.mp4") else [opened]:
                if isinstance(event, FileOpened):
                    yield event


@pytest.mark.parametrize("duration", [1e13, float("nan"), float("inf"), -1e15])
def test_a_header_of_an_impossible_length_is_a_line_in_the_failures_list(bench: Bench, duration: float) -> None:
    """Not an invalid row in the catalog: the file would be unknown, and never retried."""
    bench.write("b.mp4", "blue")
    lying = Lying()
    lying.events = lambda event: [
        replace(event, info=replace(event.info, duration=duration)) if isinstance(event, FileOpened) else event
    ]
    assert bench.run(open_decoder=lambda: lying).failed == 1
    assert [Path(path).name for path, _ in bench.catalog.failures()] == ["b.mp4"]


odd = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(), st.just("\ud800"),
    st.just(10**400), st.lists(st.none()),
)  # fmt: skip


# The pool passes on no other kind of reason.
reasons = st.builds(Message, st.sampled_from(["file.no-frame", "reason.said", "a.b"]), text=st.text() | st.integers())


@st.composite
def lies(draw: st.DrawFn) -> Callable[[DecodeEvent], list[DecodeEvent]]:
    """Return a strategy that changes some values of events, and drops some events (but not the last)."""
    fields = draw(st.sets(st.sampled_from(["duration", "width", "frame_rate", "codec"]), max_size=2))
    clip_fields = draw(st.sets(st.sampled_from(["ordinal", "start", "end", "times", "shot"]), max_size=2))
    values = {name: draw(odd) for name in {*fields, *clip_fields}}
    partial, frames, opens = draw(st.none() | reasons), draw(odd | st.just(4)), draw(st.booleans())
    fails, reason = draw(st.booleans()), draw(reasons)

    def told(event: DecodeEvent) -> list[DecodeEvent]:
        if isinstance(event, FileOpened):
            info = replace(event.info, **{name: values[name] for name in fields})
            return [FileOpened(event.file, info)] if opens else []
        if isinstance(event, ClipDecoded):
            return [ClipDecoded(event.file, replace(event.clip, **{name: values[name] for name in clip_fields}))]
        if isinstance(event, FileDecoded) and fails:
            return [FileFailed(event.file, reason)]
        return [FileDecoded(event.file, partial, frames)]

    return told


@settings(max_examples=60, deadline=None)
@given(told=lies())
def test_whatever_a_decoder_says_of_a_file_the_others_are_indexed(
    tmp_path_factory: pytest.TempPathFactory, told: Callable[[DecodeEvent], list[DecodeEvent]]
) -> None:
    with open_bench(tmp_path_factory.mktemp("bench")) as bench:
        bench.write("a.mp4", "red")
        bench.write("b.mp4", "blue green")
        bench.write("c.mp4", "yellow")

        def decoder() -> Lying:
            lying = Lying()
            lying.events = told
            return lying

        totals = bench.run(open_decoder=decoder)
        assert totals.files + totals.failed == 3
        states = {Path(path).name: row.state for path, row in bench.catalog.files(1).items()}
        assert (states["a.mp4"], states["c.mp4"]) == ("indexed", "indexed")
        assert states["b.mp4"] in ("indexed", "failed")
        assert all(
            said(reason).isprintable() for path, reason in bench.catalog.failures() if states["b.mp4"] == "failed"
        )


def test_a_file_that_the_model_fails_on_fails_alone(bench: Bench) -> None:
    for name, colour in (("a.mp4", "red"), ("b.mp4", "blue"), ("c.mp4", "blue blue"), ("d.mp4", "green")):
        bench.write(name, colour)
    encode = bench.model.video.encode

    def chokes(frames: Frames) -> Features:
        features = encode(frames)
        blue = frames[:, 0, 0, 0, 2] == 220
        if len(frames) == 1 and blue.all():
            raise RuntimeError("a kernel failed")
        features.globals[blue] = np.nan
        return features

    bench.model.video.encode = chokes  # type: ignore[method-assign]
    totals = bench.run()
    assert (totals.files, totals.failed) == (2, 2)
    reasons = {Path(path).name: said(reason) for path, reason in bench.catalog.failures()}
    assert reasons == {
        "b.mp4": "The file cannot be read: RuntimeError: a kernel failed.",
        "c.mp4": "The model gives no valid result for this file.",
    }


def test_a_model_that_fails_on_everything_is_told_of_as_such(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.model.video.encode = _raise(RuntimeError("a kernel failed"))  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"Colours .* cannot be used: RuntimeError: a kernel failed"):
        bench.run()
    assert bench.catalog.failures() == [], "no file is to blame"


# --- subtitles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", ["9" * 5000, "x" + "f" * 5000, "1114112", "xD800", "0"])
def test_a_character_of_an_absurd_number_is_none(digits: str) -> None:
    (line,) = subtitles.parse(f"1\n00:00:01,000 --> 00:00:02,000\nbefore &#{digits}; after\n")
    assert line.text.startswith("before")
    assert line.text.endswith("after")


@pytest.mark.parametrize("error", OF_A_FILE[::3], ids=lambda error: type(error).__name__)
def test_subtitles_that_cannot_be_read_are_named_and_their_video_is_indexed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(subtitles, "_decoded", _raise(error))
    bench.write("a.mp4", "red")
    bench.write("b.mp4", "blue")
    sidecar = bench.write("b.srt", "1\n00:00:01,000 --> 00:00:02,000\nhello there\n")
    totals = bench.run()
    assert (totals.files, totals.failed) == (2, 0)
    ((path, reason),) = bench.catalog.failures()
    assert path == str(sidecar)
    if isinstance(error, BadFile):
        assert reason == error.message
    else:
        assert said(reason).startswith("The subtitles “b.srt” cannot be")
    file_id = bench.catalog.files(1)[str(bench.videos / "b.mp4")].id
    assert Listing(bench.catalog).files([file_id])[file_id].reason == reason, "the video has the note"
    bench.run()
    assert bench.catalog.failures() == [(path, reason)], "it stays while the file is as it was"
    monkeypatch.undo()
    assert FileChanges(bench.catalog).retry_failures() == 1
    bench.run()
    assert bench.catalog.failures() == []
    assert bench.found("hello there", 1) == ["b.mp4"]


def test_a_subtitle_file_that_became_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "a.srt"
    os.mkfifo(pipe)
    told: list[Message] = []
    assert subtitles.read(Sidecar(str(pipe), 100, 0), told.append) == []
    assert said(told) == "The subtitles “a.srt” cannot be read: it is not a regular file."


def test_one_entry_that_cannot_be_looked_at_hides_no_other_subtitles(tmp_path: Path) -> None:
    (tmp_path / "film.en.srt").symlink_to("film.en.srt")
    (tmp_path / "film.srt").touch()
    found = subtitles.beside([str(tmp_path / "film.mp4")])
    assert [os.path.basename(s.path) for s in found[str(tmp_path / "film.mp4")]] == ["film.srt"]


# --- file system errors ---------------------------------------------------------------------------------------------


@given(st.integers(-(2**63), 2**70), st.integers(0, 2**128), st.integers(0, 2**128))
def test_every_time_and_number_can_be_kept(nanoseconds: int, device: int, inode: int) -> None:
    status = os.stat_result((0o100644, inode, device, 1, 0, 0, 0, 0, 0, 0), {"st_mtime_ns": nanoseconds})
    for number in (kept_time(status), kept_number(device), kept_number(inode)):
        assert -(2**63) <= number < 2**63
    if 0 <= nanoseconds < 2**63:
        assert kept_time(status) == nanoseconds


def test_a_file_of_the_far_future_is_indexed_once(bench: Bench) -> None:
    path = bench.write("a.mp4", "red")
    os.utime(path, ns=(0, 2**63 + 10**18))
    assert bench.run().files == 1
    assert bench.run().skipped == 1


@pytest.fixture
def deep_folder(bench: Bench) -> Iterator[Path]:
    """Yield more nested folders than Python nests calls; removes them afterwards, because pytest cannot."""
    here, depth = os.getcwd(), 1100
    os.chdir(bench.videos)
    try:
        for _ in range(depth):
            os.mkdir("a")
            os.chdir("a")
        Path("deep.mp4").write_text("red", encoding="utf-8")
        yield bench.videos
        Path("deep.mp4").unlink()
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("a")
    finally:
        os.chdir(here)


@pytest.mark.usefixtures("deep_folder")
def test_folders_within_folders_without_end_are_looked_through(bench: Bench) -> None:
    assert bench.run().files == 1
    assert bench.found("red", 1) == ["deep.mp4"]


def test_thumbnails_of_a_file_that_lies_are_left_and_the_others_drawn(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    bench.write("b.mp4", "blue")
    bench.run()
    for picture in (bench.folder / "thumbnails").rglob("*.jpg"):
        picture.unlink()
    folder = ThumbnailFolder(bench.store)
    assert folder.look(closely=False) == 2
    lying = Lying()
    lying.events = lambda event: [
        replace(event, clip=replace(event.clip, start=float("nan"))) if isinstance(event, ClipDecoded) else event
    ]
    assert folder.redraw(lambda: lying, USUAL_SAMPLING, lambda: False) == 1
    assert bench.catalog.files(1)[str(bench.videos / "b.mp4")].state == "pending", "it is indexed again"


def test_catalog_of_older_versions_learns_of_reasons(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    older = sqlite3.connect(path)
    prepare(older, SCHEMA_VERSION - 1)
    older.close()
    with Catalog.open(path) as catalog:
        assert catalog.failures() == []
