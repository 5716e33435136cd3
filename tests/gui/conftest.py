"""Windows for tests: the real application on a real engine, whose model knows colours.

Whatever Qt complains about fails the test; so does a timer or a window that outlives it.
"""

from __future__ import annotations

import gc
import queue
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PySide6
import pytest
import shiboken6
from PySide6.QtCore import QEvent, QPoint, QPointF, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application, build_application
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.protocol import AddFolders, IndexFinished
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.shell import other_programs
from cret_desktop.settings import Settings
from tests.videos import write_colours

FACTORY = "tests.fakes:open_library"
WAIT = 60_000  # milliseconds until a test gives up; nothing is asserted about time
# What a QDragEnterEvent is made with.
DragPlace: type[Any] = QPointF if PySide6.__version_info__ >= (6, 12) else QPoint


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            # The offscreen platform says this of every window that has a smallest size, and of every popup.
            ignored = ["This plugin does not support"]
            # What QtMultimedia says, once, of a machine without a graphics card or without sound.
            ignored += ["No RHI backend", "pa_context_connect", "No audio device detected"]
            ignored += ["systemTrayWindowChanged"]  # the offscreen platform knows no tray
            item.add_marker(pytest.mark.qt_log_ignore(*ignored, extend=True))


@pytest.fixture(scope="session", autouse=True)
def _clipboard_left(qapp: QApplication) -> Iterator[None]:
    """As the app does at its end; what tests have copied would crash the last of Python."""
    yield
    other_programs.leave_clipboard()


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos, three clips, and a file that is no video; its name looks like markup."""
    folder = tmp_path_factory.mktemp("videos") / "Holidays"
    folder.mkdir()
    write_colours(folder / "red then blue.mp4", ["red", "blue"])
    write_colours(folder / "green.mp4", ["green"])
    (folder / "&amp; broken.mp4").write_text("this is no video")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory=FACTORY)


@pytest.fixture
def closed_application(qapp: QApplication, config: EngineConfig) -> Iterator[Application]:
    """An application that has not been opened yet."""
    application = build_application([], config, Preferences(Settings(theme="dark")))
    yield application
    application.close_and_wait()
    application.window.deleteLater()
    application.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [type(widget).__name__ for widget in qapp.topLevelWidgets()]
    # By type, not isinstance: that would ask every proxy that some other test has left in memory what it stands for.
    timers = [timer for timer in gc.get_objects() if issubclass(type(timer), QTimer) and shiboken6.isValid(timer)]
    left += [f"timer of {type(timer.parent()).__name__}" for timer in timers if timer.isActive()]
    assert not left, f"outlived the window: {left}"


@pytest.fixture
def application(closed_application: Application, qtbot: QtBot) -> Application:
    """An open window on an empty library, its engine started."""
    with qtbot.waitSignal(closed_application.window.library.status_changed, timeout=WAIT):
        closed_application.open()
    return closed_application


@pytest.fixture(scope="session")
def indexed_library(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that holds `videos`, to be copied."""
    folder = tmp_path_factory.mktemp("indexed") / "library"
    finished: queue.SimpleQueue[IndexFinished] = queue.SimpleQueue()
    with EngineClient(EngineConfig(folder, factory=FACTORY)) as client:
        client.subscribe(lambda event: finished.put(event) if isinstance(event, IndexFinished) else None)
        client.request(AddFolders((str(videos),))).result(WAIT / 1000)
        outcome = finished.get(timeout=WAIT / 1000)
    assert (outcome.error, outcome.totals.clips) == (None, 3)
    return folder


@pytest.fixture
def indexed(closed_application: Application, config: EngineConfig, indexed_library: Path, qtbot: QtBot) -> Application:
    """A window on a library that holds `videos`, at rest."""
    shutil.copytree(indexed_library, config.library)
    window = closed_application.window
    with qtbot.waitSignals([closed_application.bridge.finished, window.library.status_changed], timeout=WAIT):
        closed_application.open()
    return closed_application
