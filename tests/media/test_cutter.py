"""Clips, read back picture by picture: the right first and last frame, times, rotation, colours and sound."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorTrc

from cret_desktop.errors import BadFile, ExportError
from cret_desktop.media.cutter import Cut, CutClip, copy_clip
from cret_desktop.media.exact_cut import cut_exactly
from cret_desktop.media.thumbnails import Orientation
from tests.media.conftest import HEIGHT, WIDTH, NumberedVideo, numbered_frame, read_number, write_video
from tests.narrowing import found, of_type
from tests.said import said
from tests.videos import clock_time

STEADY = [number / 25 for number in range(120)]
LONG_GOP = {"g": "250", "bf": "3"}
Numbered = Callable[..., NumberedVideo]


def ignore(done: float) -> None:
    pass


def shown(path: Path) -> list[tuple[int, float]]:
    """Return every picture of a file in presentation order: its stored number, and its time."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        begins = (container.start_time or 0) / av.time_base
        pictures = []
        for frame in container.decode(stream):
            number = read_number(frame.to_ndarray(format="rgb24").astype(np.uint8))
            pictures.append((number, float(clock_time(frame)) - begins))
    return pictures


def turn(path: Path) -> tuple[int, ...]:
    """Return where a player puts the four corners of a file's first picture."""
    with av.open(str(path)) as container:
        corners = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
        orientation = Orientation.of(next(container.decode(video=0)))
        return tuple(orientation.apply(corners).ravel().tolist())


def numbers(path: Path) -> list[int]:
    return [number for number, _ in shown(path)]


def uneven(count: int) -> list[float]:
    """Return the times of a recording that skips pictures, in whole milliseconds."""
    steps = np.random.default_rng(3).choice([0.02, 0.04, 0.1], count)
    return [round(float(time), 3) for time in np.concatenate([[0], np.cumsum(steps)[:-1]])]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("b frames.mp4", {"options": {"g": "30", "bf": "3"}}),
        ("long.mp4", {"options": LONG_GOP}),
        ("long.mkv", {"options": LONG_GOP}),
        ("stream.ts", {"options": {"g": "30", "bf": "2"}}),
        ("old.avi", {"codec": "mpeg4", "options": {"g": "12"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"g": "90", "deadline": "realtime", "cpu-used": "8"}}),
        ("turned.mp4", {"options": LONG_GOP, "rotation": 90}),
        ("mirrored.mov", {"options": LONG_GOP, "rotation": 180, "mirrored": True}),
    ],
)
def test_an_exact_cut_begins_and_ends_right_to_the_frame(
    numbered: Numbered, tmp_path: Path, name: str, how: dict[str, object]
) -> None:
    video = numbered(name, STEADY, **how)
    clip = cut_exactly(Cut(video.file.path, video.times[41], video.times[77]), folder(tmp_path), ignore)
    pictures = shown(clip.path)
    assert [number for number, _ in pictures] == list(range(41, 77))
    assert [time for _, time in pictures] == pytest.approx([number / 25 for number in range(36)], abs=0.001)
    assert clip.start == pytest.approx(video.times[41], abs=0.001)
    assert turn(clip.path) == turn(Path(video.file.path))


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv"])
def test_an_exact_cut_keeps_uneven_times(numbered: Numbered, tmp_path: Path, name: str) -> None:
    video = numbered(name, uneven(100), options=LONG_GOP)
    clip = cut_exactly(Cut(video.file.path, video.times[30], video.times[60]), folder(tmp_path), ignore)
    expected = [(number, video.times[number] - video.times[30]) for number in range(30, 60)]
    assert [number for number, _ in shown(clip.path)] == [number for number, _ in expected]
    assert [time for _, time in shown(clip.path)] == pytest.approx([time for _, time in expected], abs=0.0015)


def test_a_clock_that_starts_late_is_the_players(numbered: Numbered, tmp_path: Path) -> None:
    late = numbered("late.mkv", [time + 3 for time in STEADY], zero=3.0, options=LONG_GOP)
    clip = cut_exactly(Cut(late.file.path, 1.0, 2.0), folder(tmp_path), ignore)
    assert numbers(clip.path) == list(range(25, 50))


def test_marks_between_frames_take_every_picture_that_is_seen(numbered: Numbered, tmp_path: Path) -> None:
    video = numbered("a.mp4", STEADY, options=LONG_GOP)
    clip = cut_exactly(Cut(video.file.path, 1.02, 2.01), folder(tmp_path), ignore)
    assert numbers(clip.path) == list(range(25, 51))
    rounded = cut_exactly(Cut(video.file.path, 0.999, 2.001), folder(tmp_path), ignore)
    assert numbers(rounded.path) == list(range(25, 50)), "a millisecond is a clock's rounding"


def test_a_picture_that_stands_long_is_cut_at_the_marks(numbered: Numbered, tmp_path: Path) -> None:
    times = [*(number / 25 for number in range(25)), *(11 + number / 25 for number in range(25))]
    video = numbered("still.mkv", times, options=LONG_GOP)
    clip = cut_exactly(Cut(video.file.path, 5.0, 11.2), folder(tmp_path), ignore)
    pictures = shown(clip.path)
    assert [number for number, _ in pictures] == list(range(24, 30))
    assert pictures[1][1] == pytest.approx(6.0, abs=0.002)
    assert clip.start == 5.0


def test_pictures_that_carry_the_time_of_their_decoding_are_all_kept(numbered: Numbered, tmp_path: Path) -> None:
    """Some programs write files with B-frames like this: presentation times in storage order."""
    video = numbered("right.mp4", STEADY, options={"g": "12", "bf": "3"})
    wrong = tmp_path / "wrong.mp4"
    with av.open(video.file.path) as source, av.open(str(wrong), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.stream = packet.dts, stream
                target.mux(packet)
    clip = cut_exactly(Cut(str(wrong), 1.0, 4.0), folder(tmp_path), ignore)
    found = numbers(clip.path)
    assert found == sorted(found)
    assert len(found) >= 72, "at most a few are lost until it is seen that their times are wrong"


def test_marks_outside_are_drawn_in(numbered: Numbered, tmp_path: Path) -> None:
    video = numbered("a.mp4", STEADY, options=LONG_GOP)
    for cut in (copy_clip, cut_exactly):
        assert numbers(cut(Cut(video.file.path, -5.0, 99.0), folder(tmp_path), ignore).path) == list(range(120))
        with pytest.raises(BadFile, match="outside"):
            cut(Cut(video.file.path, 50.0, 60.0), folder(tmp_path), ignore)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"options": {"g": "30", "bf": "3"}}),
        ("a.mov", {"options": {"g": "30", "bf": "3"}, "rotation": 90}),
        ("a.mkv", {"options": {"g": "30", "bf": "3"}}),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"g": "30", "deadline": "realtime", "cpu-used": "8"}}),
        ("a.ts", {"options": {"g": "30", "bf": "2"}}),
        ("a.avi", {"codec": "mpeg4", "options": {"g": "30"}}),
    ],
)
def test_a_copy_begins_at_the_keyframe_before(
    numbered: Numbered, tmp_path: Path, name: str, how: dict[str, object]
) -> None:
    video = numbered(name, STEADY, keyframes=(60,), **how)
    clip = copy_clip(Cut(video.file.path, video.times[70], video.times[100]), folder(tmp_path), ignore)
    pictures = shown(clip.path)
    keyframe = pictures[0][0]
    assert keyframe in (48, 60), "60, or where the encoder puts its own between"
    assert clip.path.suffix == Path(name).suffix
    assert clip.start == pytest.approx(video.times[keyframe], abs=0.002)
    assert "keyframe" in said(clip.notes[-1])
    assert turn(clip.path) == turn(Path(video.file.path))
    copied = [number for number, _ in pictures]
    assert copied[: 100 - keyframe - 1] == list(range(keyframe, 99))
    assert copied[-1] in (99, 100, 101, 102), "a picture that another was predicted from may follow"
    assert packets(clip.path) <= packets(Path(video.file.path)), "not one packet is encoded anew"


def packets(path: Path) -> set[bytes]:
    with av.open(str(path)) as container:
        return {bytes(packet)[-64:] for packet in container.demux(video=0) if packet.size}


def test_open_groups_of_pictures_are_cut_clean(numbered: Numbered, tmp_path: Path) -> None:
    """Pictures stored after a keyframe, shown before it and predicted across it are left out."""
    options = {"g": "24", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}
    video = numbered("open.mkv", STEADY, options=options)
    clip = copy_clip(Cut(video.file.path, video.times[60], video.times[90]), folder(tmp_path), ignore)
    first = numbers(clip.path)[0]
    assert numbers(clip.path)[:20] == list(range(first, first + 20))
    exact = cut_exactly(Cut(video.file.path, video.times[60], video.times[90]), folder(tmp_path), ignore)
    assert numbers(exact.path) == list(range(60, 90))


def test_a_stream_that_no_container_of_its_kind_takes_goes_into_matroska(numbered: Numbered, tmp_path: Path) -> None:
    video = numbered("a.mpg", STEADY, codec="mpeg2video", options={"g": "12"})
    clip = copy_clip(Cut(video.file.path, 2.0, 3.0), folder(tmp_path), ignore)
    assert clip.path.suffix == ".mkv"
    assert "Matroska" in said(clip.notes[0])
    assert len(numbers(clip.path)) >= 25


# --- sound ----------------------------------------------------------------------------------------------------------


def write_clapper(path: Path, sound: str, starts: float = 0.0) -> None:
    """Write a clapper: white for one frame and a beep for as long, once a second; from half a second on."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"g": "250", "bf": "2"})
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        track = of_type(av.AudioStream, container.add_stream(sound, rate=48000, layout="stereo"))
        for number in range(100):
            picture = np.full((96, 160, 3), 235 if number % 25 == 12 else 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number + round(starts * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
        time = np.arange(4 * 48000) / 48000
        wave = 0.6 * np.sin(2 * np.pi * 1000 * time) * ((time % 1.0 >= 0.48) & (time % 1.0 < 0.52))
        for piece in range(0, len(wave) - 1024, 1024):
            samples = np.tile(wave[piece : piece + 1024], (2, 1)).astype(np.float32)
            heard = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
            heard.sample_rate, heard.pts = 48000, piece + round(starts * 48000)
            heard.time_base = Fraction(1, 48000)
            container.mux(track.encode(heard))
        container.mux(video.encode(None))
        container.mux(track.encode(None))


def claps(path: Path) -> tuple[list[float], list[float]]:
    """Return the times of a file's flashes, and of its beeps."""
    with av.open(str(path)) as container:
        flashes = [
            float(clock_time(frame))
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 120
        ]
    with av.open(str(path)) as container:
        loud: list[float] = []
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float)).reshape(-1, frame.samples * 1)[0]
            peak = samples > 0.25 * (1 if frame.format.name.startswith("f") else 2 ** (frame.format.bits - 1))
            loud += [found(frame.time) + index / frame.sample_rate for index in np.flatnonzero(peak)]
    beeps = [time for before, time in itertools.pairwise([-1.0, *loud]) if time - before > 0.5]
    return flashes, beeps


@pytest.mark.parametrize("starts", [0.0, 2.0])
@pytest.mark.parametrize(("name", "sound"), [("a.mp4", "aac"), ("a.mkv", "libopus"), ("a.mov", "pcm_s16le")])
def test_sound_stays_with_the_picture(tmp_path: Path, name: str, sound: str, starts: float) -> None:
    source = tmp_path / name
    write_clapper(source, sound, starts)
    for cut in (copy_clip, cut_exactly):
        clip = cut(Cut(str(source), 1.2, 3.2), folder(tmp_path), ignore)
        flashes, beeps = claps(clip.path)
        assert len(flashes) == len(beeps) >= 2
        assert beeps == pytest.approx(flashes, abs=0.012), "half a frame at most"
    assert flashes == pytest.approx([0.28, 1.28], abs=0.041), "a frame more where sound begins before the pictures"


@pytest.mark.parametrize(("sound", "kept"), [("aac", "aac"), ("pcm_s16le", "alac")])
def test_what_was_lossless_stays_lossless(tmp_path: Path, sound: str, kept: str) -> None:
    source = tmp_path / "a.mov"
    write_clapper(source, sound)
    clip = cut_exactly(Cut(str(source), 1.0, 3.0), folder(tmp_path), ignore)
    with av.open(str(clip.path)) as container:
        audio, video = container.streams.audio[0], container.streams.video[0]
        assert audio.codec_context.name == kept
        heard, seen = (found(stream.duration) * found(stream.time_base) for stream in (audio, video))
        assert float(heard) == pytest.approx(float(seen), abs=0.03)


def test_sound_that_ends_early_is_not_waited_for(numbered: Numbered, tmp_path: Path) -> None:
    video = numbered("a.mp4", [number / 25 for number in range(300)], options={"g": "25"}, sound_from=0.0)
    ticks: list[float] = []
    cut_exactly(Cut(video.file.path, 2.0, 4.0), folder(tmp_path), ticks.append)
    assert len(ticks) < 200, "the rest of the file is not read"


# --- preserved properties -------------------------------------------------------------------------------------------


def test_the_clip_keeps_its_timecode(tmp_path: Path) -> None:
    source = tmp_path / "tc.mov"
    write_with_timecode(source, "01:00:00:00", Fraction(25))
    for cut in (copy_clip, cut_exactly):
        clip = cut(Cut(str(source), 2.0, 3.0), folder(tmp_path), ignore)
        with av.open(str(clip.path)) as container:
            assert container.streams.video[0].metadata["timecode"] == "01:00:02:00"


def write_with_timecode(path: Path, timecode: str, rate: Fraction, frames: int = 100) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.metadata["timecode"] = timecode
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), "rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_colours_shape_and_depth_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "colours.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv422p10le"
        context = stream.codec_context
        context.sample_aspect_ratio = Fraction(4, 3)
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 2
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, 160, 96), "rgb24").reformat(format="yuv422p10le")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for cut in (copy_clip, cut_exactly):
        with av.open(str(cut(Cut(str(source), 0.0, 1.0), folder(tmp_path), ignore).path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.width, context.height, context.pix_fmt) == (160, 96, "yuv422p10le")
            assert context.sample_aspect_ratio == Fraction(4, 3)
            colours = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
            assert colours == (1, 1, 1, 2)


def test_high_dynamic_range_stays_so(tmp_path: Path) -> None:
    source = tmp_path / "hdr.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "log-level=none:keyint=20"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, ColorTrc.SMPTE2084
        for number in range(40):
            picture = numbered_frame(number, 160, 96)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p10le")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = cut_exactly(Cut(str(source), 0.4, 1.2), folder(tmp_path), ignore)
    assert clip.notes == ()
    with av.open(str(clip.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag, context.pix_fmt) == ("hevc", "hvc1", "yuv420p10le")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (9, 9, ColorTrc.SMPTE2084)
        assert len(list(container.decode(video=0))) == 20
    with av.open(str(copy_clip(Cut(str(clip.path), 0.0, 0.5), folder(tmp_path), ignore).path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_odd_sizes_lose_a_line(tmp_path: Path) -> None:
    source = tmp_path / "odd.webm"
    write_video(source, [numbered_frame(i, 161, 97) for i in range(30)], STEADY[:30], codec="libvpx-vp9")
    clip = cut_exactly(Cut(str(source), 0.0, 1.0), folder(tmp_path), ignore)
    with av.open(str(clip.path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (160, 96)
    assert numbers(clip.path) == list(range(25))


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit of size there")
@pytest.mark.parametrize("cut", [copy_clip, cut_exactly])
def test_a_full_disk_is_one_sentence(
    numbered: Numbered, tmp_path: Path, cut: Callable[[Cut, Path, Callable[[float], None]], CutClip]
) -> None:
    video = numbered("a.mp4", STEADY, options=LONG_GOP)
    place = folder(tmp_path)
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # Python ignores the signal, so that writing fails instead
    try:
        with pytest.raises(ExportError, match=r"not enough space in .*Free some space"):
            cut(Cut(video.file.path, 0.0, 4.0), place, ignore)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("cut", [copy_clip, cut_exactly])
def test_a_cut_short_file_gives_what_it_has(
    numbered: Numbered, tmp_path: Path, cut: Callable[[Cut, Path, Callable[[float], None]], CutClip]
) -> None:
    video = numbered("a.mkv", STEADY, options={"g": "10"})
    whole = Path(video.file.path).read_bytes()
    Path(video.file.path).write_bytes(whole[: len(whole) * 2 // 3])
    clip = cut(Cut(video.file.path, 1.0, 4.5), folder(tmp_path), ignore)
    there = numbers(clip.path)
    assert there == list(range(there[0], there[-1] + 1))
    assert there[0] in (20, 25)
    assert there[-1] < 110


@pytest.mark.skipif(sys.platform != "linux", reason="names there are bytes")
def test_any_name_is_read(numbered: Numbered, tmp_path: Path) -> None:
    video = numbered("a.mp4", STEADY[:30], options=LONG_GOP)
    strange = os.fsdecode(os.fsencode(tmp_path) + b'/\xff "it\'s" \xc3\xa9\n.mp4')
    os.rename(video.file.path, strange)
    for cut in (copy_clip, cut_exactly):
        assert numbers(cut(Cut(strange, 0.0, 1.0), folder(tmp_path), ignore).path)[:25] == list(range(25))


def folder(parent: Path) -> Path:
    """Create and return an empty folder."""
    names: Sequence[str] = [entry.name for entry in parent.iterdir()]
    place = parent / f"clips {len(names)}"
    place.mkdir()
    return place
