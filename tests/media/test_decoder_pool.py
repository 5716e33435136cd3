"""The pool of decoder processes: the effects of a crash, a stall, a flood or an early end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

import psutil
import pytest

from cret_desktop.domain.clips import (
    ClipDecoded,
    DecodeEvent,
    FileDecoded,
    FileFailed,
    FileOpened,
    FrameFormat,
    Sampling,
    VideoFile,
)
from cret_desktop.errors import DecoderFailed
from cret_desktop.library.ports import Decoder
from cret_desktop.media import decoder_pool
from cret_desktop.media.decoder import decode_file
from cret_desktop.media.decoder_child import HANDED_OVER
from cret_desktop.media.decoder_pool import DecoderPool, PoolLimits
from cret_desktop.media.ring import Memory, make_memory, open_memory
from cret_desktop.media.scan import video_file
from cret_desktop.messages import Message
from tests.media.conftest import numbered_frame, write_video

FORMAT = FrameFormat(frames=4, size=64)
PATIENCE = 60  # seconds until psutil stops waiting for an end that must come


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[VideoFile]:
    """Three files of 100 s, ten clips and more each, at one frame a second."""
    folder = tmp_path_factory.mktemp("films")
    frames = [numbered_frame(i, 160, 90) for i in range(100)]
    for name in "abc":
        write_video(folder / f"{name}.mp4", frames, range(100), options={"g": "1", "preset": "ultrafast"})
    return [video_file(str(folder / f"{name}.mp4")) for name in "abc"]


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(FORMAT, workers=1) as pool:
        yield pool


def children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # killed a moment ago, and not reaped yet
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[Memory]:
    """The shared memory created by this test's pools."""
    made: list[Memory] = []

    def recorded(size: int) -> Memory:
        made.append(make_memory(size))
        return made[-1]

    monkeypatch.setattr(decoder_pool, "make_memory", recorded)
    return made


def is_open(memory: Memory) -> bool:
    try:
        return len(memory.buffer) > 0
    except (AssertionError, ValueError):
        return False


def of(file: VideoFile, events: list[DecodeEvent]) -> list[DecodeEvent]:
    return [event for event in events if event.file == file]


def kinds(events: list[DecodeEvent]) -> list[type]:
    return [type(event) for event in events]


def test_events_equal_those_of_decoding_here(films: list[VideoFile]) -> None:
    port: Decoder = DecoderPool(FORMAT, workers=2)
    events = list(port.decode(films))
    port.close()
    for film in films:
        here = list(decode_file(film, FORMAT))
        there = of(film, events)
        assert kinds(there) == kinds(here)
        assert there[0] == here[0]
        assert there[-1] == here[-1]
        for a, b in zip(there[1:-1], here[1:-1], strict=True):
            assert isinstance(a, ClipDecoded)
            assert isinstance(b, ClipDecoded)
            assert (a.clip.times, a.clip.sprite) == (b.clip.times, b.clip.sprite)
            assert (a.clip.frames == b.clip.frames).all()


def test_lengths_are_told_without_decoding(films: list[VideoFile], tmp_path: Path, pool: DecoderPool) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    probed = list(pool.probe([films[0], video_file(str(tmp_path / "text.mp4")), films[1]], 60.0))
    assert probed == [next(decode_file(film, FORMAT)) for film in films[:2]], "as decoding itself tells of them"
    assert list(pool.probe(films, 0.0)) == [], "there is no time for any"
    assert isinstance(list(pool.decode(films[:1]))[-1], FileDecoded), "the same children decode afterwards"
    assert len(children()) == 1


def test_clips_and_tiles_are_as_fine_as_chosen(films: list[VideoFile], pool: DecoderPool) -> None:
    given = [event.clip for event in pool.decode(films[:1], Sampling(4.0, 32)) if isinstance(event, ClipDecoded)]
    usual = [event.clip for event in decode_file(films[0], FORMAT) if isinstance(event, ClipDecoded)]
    assert len(given) > len(usual)
    assert max(clip.end - clip.start for clip in given) <= 4.0 + 1e-6
    assert {clip.sprite.tile_width for clip in given} == {32}


def test_frames_stay_as_they_were_when_slots_are_used_again(films: list[VideoFile]) -> None:
    """Ten clips go through a ring of one slot; later ones do not overwrite earlier results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_pool, "_RING_BYTES", 1)
        with DecoderPool(FORMAT, workers=1) as pool:
            given = [event.clip for event in pool.decode(films[:1]) if isinstance(event, ClipDecoded)]
    expected = [event.clip for event in decode_file(films[0], FORMAT) if isinstance(event, ClipDecoded)]
    assert len(given) == len(expected) > 8
    assert all((a.frames == b.frames).all() and a.sprite == b.sprite for a, b in zip(given, expected, strict=True))


def test_bad_files_cost_a_line_and_stop_nothing(films: list[VideoFile], tmp_path: Path, pool: DecoderPool) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    bad = video_file(str(tmp_path / "text.mp4"))
    gone = VideoFile(str(tmp_path / "gone.mp4"), 1, 1, 1, 1)
    events = list(pool.decode([bad, films[0], gone, films[1]]))
    assert kinds(of(bad, events)) == [FileFailed]
    assert kinds(of(gone, events)) == [FileFailed]
    assert isinstance(of(films[0], events)[-1], FileDecoded)
    assert isinstance(of(films[1], events)[-1], FileDecoded)
    assert len(children()) == 1


def test_files_are_taken_only_as_capacity_frees(films: list[VideoFile], pool: DecoderPool) -> None:
    taken: list[VideoFile] = []

    def lazily() -> Iterator[VideoFile]:
        for film in films:
            taken.append(film)
            yield film

    for event in pool.decode(lazily()):
        assert len(taken) <= films.index(event.file) + pool.files_in_flight


def test_a_killed_child_costs_one_more_try_and_nothing_twice(films: list[VideoFile], pool: DecoderPool) -> None:
    events: list[DecodeEvent] = []
    for event in pool.decode(films[:2]):
        events.append(event)
        if len(events) == 4:
            children()[0].kill()
    assert kinds(of(films[0], events)) == kinds(list(decode_file(films[0], FORMAT)))
    ordinals = [event.clip.ordinal for event in of(films[0], events) if isinstance(event, ClipDecoded)]
    assert ordinals == list(range(len(ordinals)))
    assert isinstance(of(films[1], events)[-1], FileDecoded)


def test_a_file_that_kills_twice_has_failed_and_the_next_goes_on(films: list[VideoFile], pool: DecoderPool) -> None:
    events: list[DecodeEvent] = []
    killed: set[int] = set()
    for event in pool.decode(films[:2]):
        events.append(event)
        for child in children():
            if event.file == films[0] and child.pid not in killed and len(killed) < 2:
                killed.add(child.pid)
                child.kill()
    assert of(films[0], events)[-1] == FileFailed(films[0], Message("file.decoder-crashed"))
    assert isinstance(of(films[1], events)[-1], FileDecoded)


@pytest.mark.skipif(os.name == "nt", reason="stopping a process is Unix's")
def test_a_stalled_child_is_killed(films: list[VideoFile]) -> None:
    events: list[DecodeEvent] = []
    stopped: set[int] = set()
    with DecoderPool(FORMAT, workers=1, limits=PoolLimits(stall_seconds=1.0)) as pool:
        for event in pool.decode(films[:2]):
            events.append(event)
            for child in children():
                if event.file == films[0] and child.pid not in stopped:
                    stopped.add(child.pid)
                    child.send_signal(signal.SIGSTOP)
        assert not any(psutil.pid_exists(pid) for pid in stopped)
    last = of(films[0], events)[-1]
    assert last == FileFailed(films[0], Message("file.decoder-stalled", seconds=1.0))
    assert isinstance(of(films[1], events)[-1], FileDecoded)


def test_a_child_that_takes_too_much_memory_is_killed(films: list[VideoFile]) -> None:
    with DecoderPool(FORMAT, workers=1, limits=PoolLimits(memory_bytes=1 << 20)) as pool:
        events = list(pool.decode(films[:1]))
    assert events == [FileFailed(films[0], Message("file.decoder-memory", gigabytes=2**-10))]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff\x00",
        b"[]",
        b'{"kind": "clip", "slot": 99}',
        b'{"kind": "opened"}',
        b'{"kind": "failed", "reason": "no"}',
        b"x" * 99_999,
    ],
)
def test_a_child_that_talks_nonsense_has_crashed(
    films: list[VideoFile], monkeypatch: pytest.MonkeyPatch, nonsense: bytes
) -> None:
    monkeypatch.setattr(decoder_pool, "_run_child", partial(_babble, nonsense))
    with DecoderPool(FORMAT, workers=1) as pool:
        events = list(pool.decode(films[:1]))
    assert events == [FileFailed(films[0], Message("file.decoder-crashed"))]


def _babble(nonsense: bytes, pipe: Connection, *_: object) -> None:
    pipe.send_bytes(b'{"kind": "ready"}')
    if HANDED_OVER:
        os.close(recv_handle(pipe))
    pipe.recv_bytes()
    pipe.send_bytes(nonsense)
    with suppress(EOFError, OSError):
        pipe.recv_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is watched only")
def test_a_child_is_refused_more_memory_than_it_may_have(tmp_path: Path) -> None:
    """At once, not at the next check: a picture of 8,000 lines in a child that may take 32 MB more."""
    path = tmp_path / "large.mp4"
    write_video(path, [numbered_frame(0, 5120, 4096)] * 2, [0.0, 0.04], options={"preset": "ultrafast"})
    script = textwrap.dedent(
        """
        import sys
        from cret_desktop.domain.clips import FrameFormat
        from cret_desktop.media.decoder import decode_file
        from cret_desktop.child_process import bound_memory
        from cret_desktop.media.scan import video_file
        bound_memory(int(sys.argv[2]) << 20)
        print(list(decode_file(video_file(sys.argv[1]), FrameFormat(frames=2, size=32)))[-1])
        """
    )
    said = {
        limit: subprocess.run([sys.executable, "-c", script, str(path), limit], capture_output=True, text=True).stdout
        for limit in ("32", "2048")
    }
    assert said["32"].startswith("FileFailed(")
    assert said["2048"].startswith("FileDecoded(")


def test_children_are_renewed(films: list[VideoFile]) -> None:
    seen: set[int] = set()
    with DecoderPool(FORMAT, workers=1, limits=PoolLimits(files_per_child=1)) as pool:
        for event in pool.decode(films):
            if isinstance(event, FileOpened):
                seen.update(child.pid for child in children())
    assert len(seen) == len(films)


def test_nothing_is_left_after_close_however_early(films: list[VideoFile], rings: list[Memory]) -> None:
    with DecoderPool(FORMAT, workers=2) as pool:
        events = pool.decode(films)
        next(events)
        assert len(children()) == 2
        assert [is_open(memory) for memory in rings] == [True, True]
        events.close()  # type: ignore[attr-defined]
        assert children() == []
        pool.close()
        pool.close()
        assert isinstance(list(pool.decode(films[:1]))[-1], FileDecoded)
    assert children() == []
    assert [is_open(memory) for memory in rings] == [False] * 3


def run_apart(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a separate program that holds a pool, so that it can be killed or its children inspected."""
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


ENDLESS = textwrap.dedent(
    """
    import multiprocessing, sys
    from cret_desktop.domain.clips import FrameFormat
    from cret_desktop.media.decoder_pool import DecoderPool
    from cret_desktop.media.scan import video_file
    pool = DecoderPool(FrameFormat(size=64), workers=1)
    events = pool.decode([video_file(sys.argv[1])])
    next(events)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    sys.stdin.read() if len(sys.argv) < 3 else None
    """
)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory has a name, and goes when its owner says so")
def test_shared_memory_has_no_name_that_could_outlive_its_processes(films: list[VideoFile]) -> None:
    with run_apart(ENDLESS, films[0].path) as parent:
        assert parent.stdout is not None
        pids = [parent.pid, *(int(pid) for pid in parent.stdout.readline().split())]
        mapped = [{region.path for region in psutil.Process(pid).memory_maps()} for pid in pids]
        parent.kill()
    for paths in mapped:
        assert any(path.startswith("/memfd:cret-decoder") for path in paths)
        assert [path for path in paths if path.startswith("/dev/shm")] == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere its size cannot be sealed")
def test_a_child_cannot_take_pages_away_under_its_reader() -> None:
    memory = make_memory(1 << 20)
    assert memory.descriptor is not None
    with pytest.raises(PermissionError):
        os.ftruncate(memory.descriptor, 1)
    theirs = open_memory("", os.dup(memory.descriptor))
    theirs.buffer[-1:] = b"x"
    assert bytes(memory.buffer[-1:]) == b"x"
    theirs.close()
    memory.close()


def test_memory_with_a_name_is_shared_and_goes_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems other than Linux."""
    monkeypatch.setattr(sys, "platform", "darwin")
    memory = make_memory(1 << 20)
    monkeypatch.undo()
    assert memory.descriptor is None
    theirs = open_memory(memory.name, None)
    theirs.buffer[-1:] = b"x"
    assert bytes(memory.buffer[-1:]) == b"x"
    theirs.close()
    memory.close()
    with pytest.raises(FileNotFoundError):
        open_memory(memory.name, None)


def test_children_end_when_their_parent_is_killed(films: list[VideoFile]) -> None:
    with run_apart(ENDLESS, films[0].path) as parent:
        assert parent.stdout is not None
        [child] = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    child.wait(PATIENCE)


def test_a_program_that_forgets_to_close_still_ends(films: list[VideoFile]) -> None:
    with run_apart(ENDLESS, films[0].path, "at once") as parent:
        output, _ = parent.communicate(timeout=PATIENCE)
    assert parent.returncode == 0
    assert not any(psutil.pid_exists(int(pid)) for pid in output.split())


def test_neither_children_nor_parent_hold_what_they_need_not(films: list[VideoFile]) -> None:
    """No torch in a decoder, and no decoder in the process that holds the pool."""
    script = textwrap.dedent(
        """
        import sys
        from cret_desktop.media.decoder_pool import DecoderPool
        print(*sorted({"torch", "av", "cv2", "PySide6", "hnswlib"} & set(sys.modules)), sep=",")
        from cret_desktop.media import decoder
        print(*sorted({"torch", "timm", "transformers", "PySide6", "hnswlib"} & set(sys.modules)), sep=",")
        """
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.split("\n") == ["", "", ""]


def test_children_map_no_torch(films: list[VideoFile], pool: DecoderPool) -> None:
    events = pool.decode(films[:1])
    next(events)
    [child] = children()
    mapped = {Path(region.path).name for region in child.memory_maps()}
    assert any("avcodec" in name for name in mapped)
    assert not any("torch" in name for name in mapped)
    assert "QT_QPA_PLATFORM_PLUGIN_PATH" not in os.environ or "cv2" in sys.modules


def test_children_that_cannot_start_are_an_error_not_a_bad_file(
    films: list[VideoFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_pool, "_run_child", _die)
    others = set(multiprocessing.active_children())
    with DecoderPool(FORMAT, workers=1) as pool, pytest.raises(DecoderFailed, match="does not start"):
        list(pool.decode(films))
    assert set(multiprocessing.active_children()) <= others


def _die(*_: object) -> None:
    os._exit(3)
