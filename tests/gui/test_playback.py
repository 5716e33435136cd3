"""The player without a face, on real files and the real backend: the right frame, every way of moving, what fails."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from cret_desktop.gui.playing.multimedia import make_playback
from cret_desktop.gui.playing.video_surface import VideoSurface
from tests.gui.conftest import WAIT
from tests.videos import read_number, write_colours, write_noise_audio, write_numbered

if TYPE_CHECKING:
    from cret_desktop.gui.playing.playback import Playback

NTSC = Fraction(30_000, 1001)
B_FRAMES = {"bf": "3", "g": "48"}
QUICK = {"deadline": "realtime", "cpu-used": "8", "g": "48"}
FILES = {
    "h264-25.mp4": ("libx264", Fraction(25), 0, False, B_FRAMES),
    "h264-29.97.mp4": ("libx264", NTSC, 0, False, B_FRAMES),
    "h264-25-starts-late.mkv": ("libx264", Fraction(25), 20, False, B_FRAMES),
    "h264-29.97-starts-late.mp4": ("libx264", NTSC, 20, False, B_FRAMES),
    "vp9-25.webm": ("libvpx-vp9", Fraction(25), 0, False, QUICK),
    "vp9-29.97-starts-late.webm": ("libvpx-vp9", NTSC, 10, False, QUICK),
    "h264-uneven.mkv": ("libx264", Fraction(25), 0, True, B_FRAMES),
    "h264-uneven.mp4": ("libx264", Fraction(25), 0, True, B_FRAMES),
}
FRAMES = 125


class Watched:
    """A playback with its surface, and the numbers of the frames that were on it."""

    def __init__(self, playback: Playback, surface: VideoSurface, qtbot: QtBot) -> None:
        self.playback = playback
        self.surface = surface
        self.numbers: list[int] = []
        self._qtbot = qtbot
        playback.frame_changed.connect(self._note)

    def _note(self, frame: object) -> None:
        self.surface.show_frame(frame)  # type: ignore[arg-type]
        self.numbers.append(self.number)

    @property
    def number(self) -> int:
        """Read from what the surface has painted, as a person would see it."""
        picture = self.surface.grab().toImage()
        return read_number(lambda x, y: picture.pixelColor(x, y).green(), picture.width(), picture.height())

    def open(self, path: Path, at: float = 0.0, play: bool = False) -> None:
        with self._qtbot.waitSignal(self.playback.frame_changed, timeout=WAIT):
            self.playback.open(str(path), at, play)

    def seek(self, to: float, at_start: bool = False) -> int:
        with self._qtbot.waitSignal(self.playback.frame_changed, timeout=WAIT):
            self.playback.seek(to, at_start)
        return self.number

    def step(self, frames: int) -> int:
        with self._qtbot.waitSignal(self.playback.frame_changed, timeout=WAIT):
            self.playback.step(frames)
        return self.number


@pytest.fixture
def watched(qtbot: QtBot) -> Iterator[Watched]:
    surface = VideoSurface()
    qtbot.addWidget(surface)
    surface.resize(320, 192)
    playback = make_playback(False, surface)
    yield Watched(playback, surface, qtbot)
    playback.close()


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("numbered")


def made(folder: Path, name: str) -> tuple[Path, list[float]]:
    codec, rate, start, uneven, options = FILES[name]
    return folder / name, write_numbered(folder / name, codec, rate, FRAMES, start, uneven, options)


@pytest.mark.parametrize("name", FILES)
def test_every_tenth_frame_is_shown_at_its_time(watched: Watched, numbered: Path, name: str) -> None:
    path, times = made(numbered, name)
    tenth = range(0, FRAMES, 10)
    misses: list[None] = []
    watched.playback.inexact.connect(lambda: misses.append(None))
    watched.open(path, times[60])
    assert watched.number == 60, "the first picture is the moment itself"
    assert [watched.seek(times[number], at_start=True) for number in tenth] == list(tenth)
    if "uneven" not in name:  # there, a time between two frames need not be right to the frame
        middles = [times[number] + watched.playback.frame_length / 2 for number in tenth]
        assert [watched.seek(middle) for middle in middles] == list(tenth)
    assert watched.playback.position == pytest.approx(times[120], abs=0.002), "the clock starts at 0"
    assert not misses


@pytest.mark.parametrize("name", ["no-index.ts", "no-index.mpg"])
def test_a_file_without_an_index_is_said_to_be_inexact(watched: Watched, tmp_path: Path, name: str) -> None:
    times = write_numbered(tmp_path / name, "mpeg2video", Fraction(25), FRAMES, options={"g": "15"})
    misses: list[int] = []
    watched.playback.inexact.connect(lambda: misses.append(watched.number))
    watched.open(tmp_path / name, 0.0)
    assert not misses, "its first picture is where it should be"
    shown = [watched.seek(times[number], at_start=True) for number in (70, 40, 100)]
    assert shown != [70, 40, 100], "Qt has learned to land exactly here: the word in the player can go"
    assert len(misses) == 1, "told once"
    watched.open(tmp_path / name, times[100])
    assert len(misses) == 2, "and again when it is opened again"


@pytest.mark.parametrize("name", ["h264-25.mp4", "vp9-29.97-starts-late.webm", "h264-uneven.mp4"])
def test_frames_are_stepped_through_one_by_one(watched: Watched, numbered: Path, name: str) -> None:
    path, times = made(numbered, name)
    watched.open(path, times[50])
    assert [watched.step(1) for _ in range(6)] == [51, 52, 53, 54, 55, 56]
    if "uneven" not in name:
        assert [watched.step(-1) for _ in range(6)] == [55, 54, 53, 52, 51, 50]


def test_playing_shows_every_frame_and_stands_at_the_end(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    playback = watched.playback
    watched.open(path, times[114], play=True)
    qtbot.waitUntil(lambda: not playback.playing and playback.position > times[123], timeout=WAIT)
    assert watched.numbers == sorted(watched.numbers)
    assert watched.numbers[0] == 114
    assert watched.number == 124, "the last frame stays"
    assert watched.step(-1) == 123
    assert watched.step(1) == 124
    playback.toggle()
    assert playback.speed == 1


def test_from_the_end_play_begins_again(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    watched.open(path, times[120], play=True)
    qtbot.waitUntil(lambda: not watched.playback.playing and watched.playback.position > times[123], timeout=WAIT)
    watched.numbers.clear()
    watched.playback.play()
    qtbot.waitUntil(lambda: len(watched.numbers) > 3, timeout=WAIT)
    assert watched.numbers[0] < 3


def test_shuttling_doubles_its_speed_in_both_directions(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    playback = watched.playback
    watched.open(path, times[100])
    speeds = []
    for direction in (1, 1, 1, 1, 1, -1, -1, -1, -1, -1):
        playback.shuttle(direction)
        speeds.append(playback.speed)
    assert speeds == [1, 2, 4, 8, 8, -1, -2, -4, -8, -8]
    qtbot.waitUntil(lambda: playback.position == 0.0 and not playback.playing, timeout=WAIT)
    backwards = watched.numbers[watched.numbers.index(max(watched.numbers)) :]
    assert backwards == sorted(backwards, reverse=True)
    assert len(set(backwards)) > 2


def test_a_loop_goes_round_and_shows_nothing_outside(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    watched.open(path, times[40], play=True)
    watched.playback.loop = (times[40], times[45])
    qtbot.waitUntil(lambda: watched.numbers.count(40) > 2, timeout=WAIT)
    assert set(watched.numbers) <= {40, 41, 42, 43, 44}


def test_a_loop_to_the_end_goes_round_too(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    watched.open(path, times[115], play=True)
    watched.playback.loop = (times[115], watched.playback.duration)
    qtbot.waitUntil(lambda: watched.numbers.count(115) > 2, timeout=WAIT)
    assert watched.playback.playing


def test_of_many_seeks_the_last_one_counts(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    watched.open(path)
    for number in range(5, 100, 5):
        watched.playback.seek(times[number], at_start=True)
    qtbot.waitUntil(lambda: watched.numbers[-1] == 95, timeout=WAIT)
    assert len(watched.numbers) < 10, "those in between were not even decoded"


def test_seeking_while_it_plays_goes_on_playing(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    watched.open(path, times[10], play=True)
    watched.playback.seek(times[80], at_start=True)
    qtbot.waitUntil(lambda: watched.number > 84, timeout=WAIT)
    assert watched.playback.speed == 1


def test_closing_lets_the_file_go(watched: Watched, numbered: Path, qtbot: QtBot) -> None:
    path, times = made(numbered, "h264-25.mp4")
    watched.open(path, times[10], play=True)
    assert str(path) in [file.path for file in psutil.Process().open_files()]
    watched.playback.close()
    qtbot.waitUntil(lambda: str(path) not in [file.path for file in psutil.Process().open_files()], timeout=WAIT)
    assert not watched.playback.is_open


def test_what_cannot_be_played_is_told_in_a_sentence(watched: Watched, tmp_path: Path, qtbot: QtBot) -> None:
    playback = watched.playback
    (tmp_path / "words.mp4").write_text("this is no video")
    write_noise_audio(tmp_path / "only sound.m4a")
    for name, words in {
        "words.mp4": "cannot be played here",
        "only sound.m4a": "no video",
        "gone.mp4": "was not found",
    }.items():
        with qtbot.waitSignal(playback.failed, timeout=WAIT) as failed:
            playback.open(str(tmp_path / name), 0.0, play=True)
        assert failed.args is not None
        assert name in failed.args[0]
        assert words in failed.args[0]
        assert not playback.is_open


def test_a_machine_without_sound_plays_all_the_same(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    path = write_colours(tmp_path / "with sound.mp4", ["red"], sound=True)
    playback = make_playback(True, qapp)
    starts: list[int] = []
    playback.frame_changed.connect(lambda frame: starts.append(frame.startTime()))
    playback.open(str(path), 0.4, play=True)
    qtbot.waitUntil(lambda: len(starts) > 10, timeout=WAIT)
    assert starts[0] == 400_000
    assert playback.has_sound
    playback.set_sound(0.5, muted=True)
    assert (playback.volume, playback.muted) == (0.5, True)
    playback.close()
    playback.deleteLater()
