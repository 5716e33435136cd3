"""The self-test's checks of Qt: playing a video and reading pictures. Shows nothing, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QGuiApplication, QImageReader

from cret_desktop.errors import CretError
from cret_desktop.gui.playing.multimedia import make_playback
from cret_desktop.messages import Message, Param

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QVideoFrame

PLAY_SECONDS = 30.0  # on a slow machine that loads FFmpeg for the first time


def play(path: str, until: float) -> str:
    """Play a video from its start to a frame at or after `until` seconds. Return the frame's size and time.

    Raises: CretError with the player's reason.
    """
    application = QGuiApplication.instance() or QGuiApplication([])
    playback = make_playback(False, application)
    loop = QEventLoop()
    shown: list[str] = []
    problems: list[Param] = []

    def on_frame(frame: QVideoFrame) -> None:
        image = frame.toImage()
        if image.isNull():
            problems.append(Message("check.empty-frame"))
        elif playback.position >= until:
            shown.append(f"{image.width()} x {image.height()} at {playback.position:.2f} s")
        if shown or problems:
            loop.quit()

    def fail(reason: str) -> None:
        problems.append(reason)
        loop.quit()

    playback.frame_changed.connect(on_frame)
    playback.failed.connect(fail)
    playback.open(path, 0.0, play=True)
    QTimer.singleShot(int(PLAY_SECONDS * 1000), loop, loop.quit)
    loop.exec()
    playback.close()
    if problems:
        raise CretError("check.playback", reason=problems[0])
    if not shown:
        raise CretError("check.no-frame", seconds=PLAY_SECONDS)
    return shown[0]


def read_pictures(paths: Iterable[str]) -> list[tuple[int, int]]:
    """Return the width and height of each picture, fully decoded. Raises: CretError for an unreadable one."""
    sizes = []
    for path in paths:
        reader = QImageReader(path)
        image = reader.read()
        if image.isNull():
            raise CretError("check.picture", path=path, reason=reader.errorString())
        sizes.append((image.width(), image.height()))
    return sizes


def count_colours(path: str) -> int:
    """Count a picture's colours on a coarse grid: a window that was never painted has one. Raises: CretError."""
    reader = QImageReader(path)
    image = reader.read()
    if image.isNull():
        raise CretError("check.picture", path=path, reason=reader.errorString())
    return len({image.pixel(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)})
