"""Decoding of real, generated files: right times, right pictures, right clips."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cret_desktop.domain.clips import (
    ClipDecoded,
    DecodedClip,
    DecodeEvent,
    FileDecoded,
    FileFailed,
    FileOpened,
    FrameFormat,
    VideoFile,
)
from cret_desktop.media import decoder
from cret_desktop.media.frame_sampler import ClipSampler
from cret_desktop.media.scan import video_file
from cret_desktop.media.sprites import tile_size
from cret_desktop.messages import Message
from tests.media.conftest import NumberedVideo, numbered_frame, read_number, write_video
from tests.narrowing import found

Numbered = Callable[..., NumberedVideo]
FORMAT = FrameFormat(frames=4, size=112)
CONSTANT = [i / 25 for i in range(150)]
VARIABLE = np.cumsum([0.02 if i % 40 < 20 else 0.11 for i in range(120)]).round(3).tolist()
SHORT_GOPS = {"g": "25", "sc_threshold": "0", "preset": "ultrafast"}
LONG_GOP = {"g": "250", "sc_threshold": "0", "preset": "ultrafast"}
MANY_B = {"g": "40", "bf": "7", "b_strategy": "0", "refs": "4", "b-pyramid": "normal", "sc_threshold": "0"}


def decode(file: VideoFile, frame_format: FrameFormat = FORMAT) -> list[DecodeEvent]:
    return list(decoder.decode_file(file, frame_format))


def clips_of(events: list[DecodeEvent]) -> list[DecodedClip]:
    assert isinstance(events[0], FileOpened), events
    assert isinstance(events[-1], FileDecoded), events
    return [event.clip for event in events if isinstance(event, ClipDecoded)]


def assert_true_times(video: NumberedVideo) -> list[DecodedClip]:
    """Assert that every sampled frame carries the number of the frame shown at the reported time; return the clips."""
    clips = clips_of(decode(video.file))
    assert clips
    for clip in clips:
        assert clip.frames.shape == (4, 112, 112, 3)
        for time, picture in zip(clip.times, clip.frames, strict=True):
            number = read_number(picture)
            assert abs(time - video.times[number]) < video.local_interval(number) / 2, (number, time)
            assert clip.start - 1e-6 <= time <= clip.end
    return clips


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "webm"])
@pytest.mark.parametrize("times", [CONSTANT, VARIABLE], ids=["constant", "variable"])
@pytest.mark.parametrize("start", [0.0, 7.4], ids=["zero", "later"])
@pytest.mark.parametrize("gop", [SHORT_GOPS, LONG_GOP, MANY_B], ids=["short", "long", "b-frames"])
def test_times_are_true(
    numbered: Numbered, container: str, times: list[float], start: float, gop: dict[str, str]
) -> None:
    how: dict[str, object] = {"options": gop}
    if container == "webm":
        how = {"codec": "libvpx-vp9", "options": {"g": gop["g"], "deadline": "realtime", "cpu-used": "8"}}
        times = times[:75]
    assert_true_times(numbered(f"a.{container}", [start + time for time in times], **how))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "mpeg4"),
        ("a.mpg", "mpeg2video"),
        ("a.mov", "mjpeg"),
        ("a.wmv", "wmv2"),
        ("a.flv", "flv"),
        ("a.mxf", "mpeg2video"),
        ("a.3gp", "mpeg4"),
        ("a.mkv", "libx265"),
        ("a.vob", "mpeg2video"),
        ("a.ogv", "libvpx"),
        ("a.gif", "gif"),
    ],
)
def test_containers_and_codecs(numbered: Numbered, name: str, codec: str) -> None:
    pixels = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
    options = {
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:keyint=30"},
        "libvpx": {"b": "3000k", "deadline": "realtime", "cpu-used": "8"},
    }.get(codec, {"b": "3000k"})
    assert_true_times(numbered(name, CONSTANT[:80], codec=codec, pixels=pixels, options=options))


def test_a_picture_that_starts_after_the_sound_keeps_the_players_clock(numbered: Numbered) -> None:
    clips = assert_true_times(numbered("a.mp4", [1.5 + time for time in CONSTANT], zero=0.0, sound_from=0.0))
    assert clips[0].start == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_and_mirrored_pictures_are_shown_upright(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    path = tmp_path / "a.mp4"
    corners = np.zeros((120, 200, 3), np.uint8)
    corners[:60, :100], corners[:60, 100:], corners[60:, :100] = (220, 30, 30), (30, 220, 30), (30, 30, 220)
    # `rotation` is counter-clockwise for display, then the mirror: the player's result.
    shown = np.rot90(corners, rotation // 90)
    shown = shown[:, ::-1] if mirrored else shown
    write_video(path, [corners] * 10, CONSTANT[:10], rotation=rotation, mirrored=mirrored)
    events = decode(video_file(str(path)))
    opened = events[0]
    assert isinstance(opened, FileOpened)
    assert (opened.info.height, opened.info.width) == shown.shape[:2]
    [clip] = clips_of(events)
    assert (clip.sprite.tile_width, clip.sprite.tile_height) == tile_size(opened.info.width, opened.info.height)
    assert difference(clip.frames[0], shown) < 12


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(numbered_frame(i, 160, 120), "rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    opened, *_ = decode(video_file(str(path)))
    assert isinstance(opened, FileOpened)
    assert (opened.info.width, opened.info.height) == (320, 120)


def test_frames_are_the_same_for_both_ways_of_decoding(numbered: Numbered, monkeypatch: pytest.MonkeyPatch) -> None:
    video = numbered("a.mp4", CONSTANT, options=SHORT_GOPS)
    sparse = clips_of(decode(video.file))
    frames_of_keyframes = decode(video.file)[-1]
    monkeypatch.setattr(decoder, "MAX_KEYFRAME_SPACING", 0.0)
    whole = clips_of(decode(video.file))
    assert isinstance(frames_of_keyframes, FileDecoded)
    assert frames_of_keyframes.frames_decoded < len(CONSTANT) / 2
    by_number = {read_number(f): f for clip in whole for f in clip.frames}
    shared = [(f, by_number[n]) for clip in sparse for f in clip.frames if (n := read_number(f)) in by_number]
    assert all(difference(a, b) < 1 for a, b in shared)


def test_long_shots_are_split_evenly_and_short_memory_suffices(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    times = [i / 4 for i in range(4 * 47)]
    write_video(path, [numbered_frame(i, 160, 90) for i in range(len(times))], times, options={"g": "8"})
    clips = clips_of(decode(video_file(str(path))))
    assert [clip.ordinal for clip in clips] == list(range(len(clips)))
    assert {clip.shot for clip in clips} == {0}
    assert all(clip.end - clip.start <= 10.0 + 1e-6 for clip in clips)
    assert clips[-1].end == pytest.approx(47, abs=0.3)
    assert all(a.end == b.start for a, b in pairwise(clips))
    assert all(len(set(clip.times)) == 4 for clip in clips)


def photograph(seed: int) -> NDArray[np.uint8]:
    """Return [180, 320, 3]: light and colour of many sizes, like a photograph."""
    random = np.random.default_rng(seed)
    coarse, fine = (random.uniform(0, light, (*size, 3)) for light, size in ((180, (5, 8)), (75, (45, 80))))
    return (
        (cv2.resize(coarse, (320, 180), interpolation=cv2.INTER_CUBIC) + cv2.resize(fine, (320, 180)))
        .clip(0, 255)
        .astype(np.uint8)
    )


@pytest.mark.parametrize("spacing", [40, 250], ids=["dense", "sparse"])
@pytest.mark.parametrize("keyframe", [70, 71, 72], ids=["flash", "middle", "after"])
def test_a_flash_at_a_keyframe_is_no_cut_and_a_cut_there_is_one(tmp_path: Path, spacing: int, keyframe: int) -> None:
    path = tmp_path / "a.mp4"
    flash, cut = [70, 71], 110
    before, after = photograph(1), photograph(2)
    frames = [np.roll(before if i < cut else after, i // 4, axis=1) for i in range(160)]
    for i in flash:
        frames[i] = np.clip(frames[i] * 2.5 + 130, 0, 255).astype(np.uint8)
    options = {"g": str(spacing), "sc_threshold": "0", "preset": "ultrafast"}
    write_video(path, frames, [i / 25 for i in range(160)], options=options, keyframes=[keyframe, cut])
    clips = clips_of(decode(video_file(str(path))))
    assert [clip.start for clip in clips if clip.shot] == [pytest.approx(cut / 25, abs=0.001)]


def test_memory_does_not_grow_with_length() -> None:
    sampler = ClipSampler[int](4)
    held = 0
    for i in range(100_000):
        if sampler.wants(i / 25):
            sampler.add(i / 25, i)
        sampler.settle(i / 25)
        held = max(held, len(sampler._aged) + len(sampler._fresh))
    assert held < 90


@pytest.mark.parametrize(("fit", "corner_visible"), [("squash", True), ("crop", False)])
def test_frame_format(tmp_path: Path, fit: str, corner_visible: bool) -> None:
    path = tmp_path / "a.mp4"
    frame = np.full((100, 300, 3), 128, np.uint8)
    frame[:, :40] = 255
    write_video(path, [frame] * 5, CONSTANT[:5])
    [clip] = clips_of(decode(video_file(str(path)), FrameFormat(frames=2, size=64, fit=fit)))  # type: ignore[arg-type]
    assert clip.frames.shape == (2, 64, 64, 3)
    assert (clip.frames.max() > 240) == corner_visible


def test_sprite_has_the_frames_and_a_poster_that_is_not_black(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    # Fades in from black, so that the dark first second is part of the same shot.
    brightness = np.clip((np.arange(60) - 25) / 35, 0, 1)
    frames = [(numbered_frame(i) * light).astype(np.uint8) for i, light in enumerate(brightness)]
    write_video(path, frames, CONSTANT[:60], options={"crf": "12"})
    [clip, *_] = clips_of(decode(video_file(str(path))))
    strip = found(cv2.imdecode(np.frombuffer(clip.sprite.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)).astype(np.uint8)
    assert strip.shape == (180, 4 * 320, 3)
    assert clip.sprite.times == clip.times
    tiles = [strip[:, i * 320 : (i + 1) * 320] for i in range(4)]
    assert tiles[clip.sprite.poster].mean() > 20
    for tile, picture in zip(tiles, clip.frames, strict=True):
        assert difference(picture, tile) < 6


def test_a_file_that_changed_is_not_believed(numbered: Numbered) -> None:
    video = numbered("a.mp4", CONSTANT)
    events = decoder.decode_file(video.file, FORMAT)
    assert isinstance(next(events), FileOpened)
    os.utime(video.file.path, ns=(1, 1))
    *_, last = events
    assert last == FileFailed(video.file, Message("file.changed"))


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the mean absolute difference of two pictures, the second scaled to the first one's size."""
    resized = cv2.resize(np.ascontiguousarray(b), (a.shape[1], a.shape[0]), interpolation=cv2.INTER_AREA)
    return float(np.abs(a.astype(np.int16) - resized).mean())
