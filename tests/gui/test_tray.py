"""Going on in the tray: by choice, where there is a tray, and with a way back and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QSystemTrayIcon
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.protocol import IndexFinished
from cret_desktop.gui.shell.tray import Tray
from cret_desktop.library.indexing.progress import IndexProgress, IndexTotals, Phase
from tests.gui.conftest import WAIT


@pytest.fixture
def with_tray(application: Application, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An open application that goes on in the tray. The offscreen platform has none: it is said to have one."""
    monkeypatch.setattr(Tray, "is_available", lambda: True)
    application.preferences.change(closing="tray")
    assert application.tray is not None
    return application


def _progress(phase: Phase, done: int = 3) -> IndexProgress:
    return IndexProgress(phase, done, 12, 40, 100.0, 0, 8.0, 75.0, "/videos/a.mp4")


def _words(tray: Tray) -> list[str]:
    return [action.text() for action in tray.menu.actions() if action.isVisible() and not action.isSeparator()]


def test_closing_quits_unless_chosen_otherwise(application: Application, qtbot: QtBot) -> None:
    with qtbot.waitSignal(application.bridge.closed, timeout=WAIT):
        application.window.close()


def test_closing_quits_where_there_is_no_tray(application: Application, qtbot: QtBot) -> None:
    application.preferences.change(closing="tray")
    assert application.tray is None
    with qtbot.waitSignal(application.bridge.closed, timeout=WAIT):
        application.window.close()


def test_the_app_goes_on_with_its_window_closed(with_tray: Application, videos: Path, qtbot: QtBot) -> None:
    window, tray = with_tray.window, with_tray.tray
    assert tray is not None
    window.close()
    assert not window.isVisible()
    with qtbot.waitSignal(with_tray.bridge.finished, timeout=WAIT) as finished:
        window.library.add([str(videos)])
    assert finished.args is not None
    assert finished.args[0].totals.files == 2
    tray.icon.activated.emit(QSystemTrayIcon.ActivationReason.Trigger)
    assert window.isVisible()
    window.close()
    with qtbot.waitSignal(with_tray.bridge.closed, timeout=WAIT):
        tray.menu.actions()[-1].trigger()


def test_the_quit_command_ends_the_app_with_a_tray_too(with_tray: Application, qtbot: QtBot) -> None:
    with qtbot.waitSignal(with_tray.bridge.closed, timeout=WAIT):
        with_tray.window.actions_by_command["quit"].trigger()


def test_the_menu_tells_how_indexing_goes(with_tray: Application, qtbot: QtBot) -> None:
    tray = with_tray.tray
    assert tray is not None
    plain = tray.icon.icon().cacheKey()
    assert _words(tray) == ["Open CRET Desktop", "Quit"]
    tray.show_progress(_progress(Phase.INDEXING))
    assert _words(tray) == ["Open CRET Desktop", "3 of 12 videos, about 2 min left", "Pause indexing", "Quit"]
    assert "3 of 12" in tray.icon.toolTip()
    ringed = tray.icon.icon().cacheKey()
    assert ringed != plain
    with qtbot.waitSignal(with_tray.bridge.pause_changed, timeout=WAIT) as changed:
        tray.menu.actions()[2].trigger()
    assert changed.args == [True]
    assert _words(tray)[1:3] == ["Paused: 3 of 12 videos", "Resume indexing"]
    assert tray.icon.icon().cacheKey() == ringed, "painted again only where the ring has moved"
    with_tray.bridge.finished.emit(IndexFinished(IndexTotals(12, 40, 100.0, 0, 0, 10.0, 400, False)))
    assert _words(tray) == ["Open CRET Desktop", "Indexing is paused", "Resume indexing", "Quit"]
    with qtbot.waitSignal(with_tray.bridge.pause_changed, timeout=WAIT):
        tray.menu.actions()[2].trigger()
    assert _words(tray) == ["Open CRET Desktop", "Quit"]


def test_the_tray_is_left_when_no_longer_wanted(with_tray: Application, qtbot: QtBot) -> None:
    tray = with_tray.tray
    assert tray is not None
    with qtbot.waitSignal(tray.destroyed):
        with_tray.preferences.change(closing="quit")
    assert with_tray.tray is None
