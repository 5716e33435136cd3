"""Every broken file gives one plain sentence, both from the decoder and from the probe."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from cret_desktop.domain.clips import ClipDecoded, FileDecoded, FileFailed, FrameFormat, VideoFile
from cret_desktop.errors import BadFile
from cret_desktop.media import decoder
from cret_desktop.media.decoder import decode_file
from cret_desktop.media.probe import probe, read_packets
from cret_desktop.media.scan import video_file
from tests.hostile import patching
from tests.media.conftest import NumberedVideo, numbered_frame, write_video
from tests.said import said

Numbered = Callable[..., NumberedVideo]
Maker = Callable[[Path, Path], object]
FORMAT = FrameFormat(frames=2, size=32)
TIMES = [i / 25 for i in range(100)]
OPTIONS = {"options": {"g": "25", "preset": "ultrafast"}}


def last_event(file: VideoFile) -> object:
    *_, last = decode_file(file, FORMAT)
    return last


def patch(source: Path, target: Path, box: bytes, offset: int, value: bytes) -> None:
    """Overwrite bytes at `offset` after the first box of that kind."""
    content = bytearray(source.read_bytes())
    at = content.index(box) + 4 + offset
    content[at : at + len(value)] = value
    target.write_bytes(content)


def sound_only(_: Path, target: Path) -> None:
    with av.open(str(target), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for index in range(10):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, index * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sparse(_: Path, target: Path) -> None:
    with target.open("wb") as handle:
        handle.truncate(20 << 30)


def without_index(source: Path, target: Path) -> None:
    content = source.read_bytes()
    target.write_bytes(content[: content.index(b"moov") - 4])


def concat_script(source: Path, target: Path) -> None:
    target.write_text(f"ffconcat version 1.0\nfile {source.name}\n")


def playlist(source: Path, target: Path) -> None:
    target.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{source.name}\n#EXT-X-ENDLIST\n")


def picture(_: Path, target: Path) -> None:
    target.write_bytes(cv2.imencode(".jpg", numbered_frame(0))[1].tobytes())


BROKEN: dict[str, tuple[Maker, str]] = {
    "empty.mp4": (lambda _, t: t.write_bytes(b""), "The file is empty."),
    "text.mp4": (lambda _, t: t.write_text("this is no video\n" * 99), "This is not a video"),
    "zeros.mp4": (lambda _, t: t.write_bytes(bytes(1 << 20)), "This is not a video"),
    "noise.mkv": (lambda _, t: t.write_bytes(np.random.default_rng(0).bytes(1 << 18)), "This is not a video"),
    "picture.mp4": (picture, "This is not a video"),
    "concat.mp4": (concat_script, "This is not a video"),
    "playlist.mp4": (playlist, "This is not a video"),
    "no-moov.mp4": (without_index, "The index (moov) is missing"),
    "sound.mp4": (sound_only, "The file contains sound but no video."),
    "sparse.mp4": (sparse, "This is not a video"),
    "folder.mp4": (lambda _, t: t.mkdir(), "This is not a regular file."),
    "fifo.mp4": (lambda _, t: os.mkfifo(t), "This is not a regular file."),
    "gone.mp4": (lambda _, t: t.symlink_to("nowhere"), "The file is no longer there."),
    "huge.mp4": (lambda s, t: patch(s, t, b"avc1", 24, struct.pack(">HH", 65535, 65535)), ""),
    "time-scale-0.mp4": (lambda s, t: patch(s, t, b"mdhd", 12, bytes(4)), ""),
    "media-gone.mp4": (lambda s, t: t.write_bytes(wipe_media(s)), "No frame of this file could be decoded."),
}


def wipe_media(source: Path) -> bytes:
    content = bytearray(source.read_bytes())
    at = content.index(b"mdat") + 4
    content[at : content.index(b"moov") - 4] = bytes(content.index(b"moov") - 4 - at)
    return bytes(content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "whole.mp4"
    write_video(path, [numbered_frame(i) for i in range(100)], TIMES, **OPTIONS)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", BROKEN)
def test_one_plain_sentence(whole: Path, tmp_path: Path, name: str) -> None:
    make, reason = BROKEN[name]
    path = tmp_path / name
    make(whole, path)
    file = video_file(str(path)) if path.exists() else VideoFile(str(path), 1, 1, 1, 1)
    last = last_event(file)
    if name in ("huge.mp4", "time-scale-0.mp4") and isinstance(last, FileDecoded):
        return  # FFmpeg trusts the stream rather than the false header
    assert isinstance(last, FileFailed), last
    expected = reason or "."
    assert expected in said(last.reason)
    assert said(last.reason).endswith(".")
    assert "\n" not in said(last.reason)
    assert str(tmp_path) not in said(last.reason)
    with pytest.raises(BadFile):
        probe(str(path))


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "avi"])
def test_a_truncated_file_gives_what_it_holds_and_says_so(numbered: Numbered, tmp_path: Path, container: str) -> None:
    options = {"g": "25", "preset": "ultrafast"}
    if container == "mp4":
        path = tmp_path / "fast.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as output:
            stream = output.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
            for i in range(300):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frame(i), "rgb24")))
            output.mux(stream.encode(None))
    else:
        codec = "mpeg4" if container == "avi" else "libx264"
        times = [i / 25 for i in range(300)]
        path = Path(numbered(f"whole.{container}", times, codec=codec, options=options).file.path)
    cut = tmp_path / f"cut.{container}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    events = list(decode_file(video_file(str(cut)), FORMAT))
    assert any(isinstance(event, ClipDecoded) for event in events)
    last = events[-1]
    assert isinstance(last, FileDecoded)
    if container == "ts":
        assert last.partial is None  # a transport stream may be cut anywhere: nothing is missing
    else:
        assert said(last.partial).startswith("The file is damaged or incomplete: only the first ")


def test_a_whole_file_is_not_called_partial(whole: Path) -> None:
    last = last_event(video_file(str(whole)))
    assert isinstance(last, FileDecoded)
    assert last.partial is None


def test_damage_in_the_middle_costs_only_what_is_damaged(whole: Path, tmp_path: Path) -> None:
    content = bytearray(whole.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    middle = (start + end) // 2
    content[middle : middle + (end - start) // 10] = np.random.default_rng(1).bytes((end - start) // 10)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    events = list(decode_file(video_file(str(path)), FORMAT))
    assert isinstance(events[-1], FileDecoded)
    assert max(event.clip.end for event in events if isinstance(event, ClipDecoded)) > 3.5


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=48000)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    last = last_event(video_file(str(path)))
    assert isinstance(last, FileFailed)
    assert said(last.reason) == "The file contains sound but no video."


def test_what_lists_the_same_bytes_without_end_is_broken_off(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One picture listed 2,000 times: reading a file is bounded by its size."""
    content, count = whole.read_bytes(), 2000
    size = struct.unpack_from(">I", content, patching.box(content, b"stsz") + 12)[0]
    first = struct.unpack_from(">I", content, patching.box(content, b"stco") + 8)[0]
    for kind, payload in (
        (b"stts", struct.pack(">IIII", 0, 1, count, 512)),
        (b"stsz", struct.pack(">III", 0, size, count)),
        (b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        (b"stco", struct.pack(">II", 0, count) + struct.pack(">I", first) * count),
    ):
        content = patching.with_box(content, kind, payload)
    path = tmp_path / "endless.mp4"
    path.write_bytes(content)
    read = last_event(video_file(str(path)))
    assert isinstance(read, FileDecoded)
    monkeypatch.setattr(decoder, "_MAX_HELD_BYTES", 0)
    broken_off = last_event(video_file(str(path)))
    assert isinstance(broken_off, FileDecoded)
    assert said(broken_off.partial).startswith("The file is damaged or incomplete")
    assert size * count > 8 * len(content)


def test_a_stream_that_comes_up_late_ends_nothing(whole: Path) -> None:
    """PyAV then reads beyond its list of streams, and may fail at the end of the file depending on memory."""

    class Stumbling:
        def demux(self, *streams: av.stream.Stream) -> Iterator[Any]:
            yield from ("one", "two")
            raise IndexError("list index out of range")

    read: list[object] = list(read_packets(Stumbling(), []))  # type: ignore[arg-type]
    assert read == ["one", "two"]
    with av.open(str(whole)) as container:
        assert len(list(read_packets(container, [container.streams.video[0]]))) == len(TIMES) + 1
