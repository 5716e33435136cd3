"""What the self-test asks of Qt: that a video plays and that pictures can be read. Shows nothing, decides nothing."""

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
    """Plays a video from its start until a frame at or after `until` seconds came; says what came.

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
    """The width and height of each picture, every pixel read. Raises: CretError that names the first unreadable one."""
    sizes = []
    for path in paths:
        reader = QImageReader(path)
        image = reader.read()
        if image.isNull():
            raise CretError("check.picture", path=path, reason=reader.errorString())
        sizes.append((image.width(), image.height()))
    return sizes


def count_colours(path: str) -> int:
    """How many colours a picture has on a coarse grid: a window that was never painted has one. Raises: CretError."""
    reader = QImageReader(path)
    image = reader.read()
    if image.isNull():
        raise CretError("check.picture", path=path, reason=reader.errorString())
    return len({image.pixel(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)})
