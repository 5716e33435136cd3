"""The mouse on the whole window: hover, click, context menu and drag out, on a real library behind the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QDrag, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.gui.results.results_delegate import CardDelegate
from cret_desktop.gui.shell import drops
from tests.gui.conftest import WAIT
from tests.gui.test_search import answered, names
from tests.narrowing import of_type


def card(application: Application, row: int) -> Any:
    """Where the picture of a row lies in the grid's viewport."""
    grid = application.window.results.grid
    return of_type(CardDelegate, grid.itemDelegate()).picture_rect(row, grid.row_rect(row))


def painted(application: Application, qtbot: QtBot) -> None:
    application.window.results.grab()
    qtbot.waitUntil(lambda: application.window.thumbnails.is_idle, timeout=WAIT)


@pytest.fixture
def found(indexed: Application, qtbot: QtBot) -> Application:
    """The window with the answer to "red": the first card is the video that begins red and ends blue."""
    with answered(indexed, qtbot, "red"):
        indexed.window.search_bar.search("red")
    assert names(indexed)[0] == "red then blue.mp4"
    painted(indexed, qtbot)
    return indexed


def test_hovering_scrubs_and_a_click_plays_there(found: Application, qtbot: QtBot) -> None:
    window = found.window
    grid, place = window.results.grid, card(found, 0)
    moment = window.results.model.index(0, 0)
    window.results.rows.select(moment, window.results.rows.SelectionFlag.ClearAndSelect)
    far = QPoint(place.right() - 4, place.center().y())
    qtbot.mouseMove(grid.viewport(), far)
    painted(found, qtbot)
    with qtbot.waitSignal(window.results.selection.opened, timeout=WAIT) as opened:
        qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=far)
    assert opened.args is not None
    chosen, at = opened.args
    assert at == pytest.approx(chosen.thumbnails[-1].time), "the last picture of the clip was under the pointer"
    qtbot.waitUntil(lambda: window.player.isVisible(), timeout=WAIT)


def test_the_context_menu_copies_and_narrows(found: Application, videos: Path, qtbot: QtBot) -> None:
    window = found.window
    window.results.grid.customContextMenuRequested.emit(card(found, 0).center())
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    by_name = {action.objectName(): action for action in menu.actions()}
    by_name["action_copy_paths"].trigger()
    assert QGuiApplication.clipboard().text() == str(videos / "red then blue.mp4")
    with qtbot.waitSignal(window.search.answered, timeout=WAIT):
        by_name["action_search_folder"].trigger()
    menu.close()
    assert str(videos) in window.search.text


def test_more_like_this_asks_the_engine_by_the_moment(found: Application, qtbot: QtBot) -> None:
    window = found.window
    window.results.focus_results()
    with qtbot.waitSignal(window.search.answered, timeout=WAIT) as answer:
        qtbot.keyClick(window.results.grid, Qt.Key.Key_L)
    assert answer.args is not None
    assert window.search.like is not None
    assert not answer.args[0].browsed


def test_dragging_out_hands_over_the_real_file(
    found: Application, videos: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    dragged: list[list[str]] = []

    def drop(drag: QDrag, allowed: Qt.DropAction) -> Qt.DropAction:
        dragged.append(drops.local_paths(drag.mimeData()))
        return allowed

    monkeypatch.setattr(QDrag, "exec", drop)  # its own loop waits for a drop target on the screen
    viewport, start = found.window.results.grid.viewport(), card(found, 0).center()
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        qtbot.mouseMove(viewport, start + QPoint(8 * step, 0))
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=start)
    assert dragged == [[str(videos / "red then blue.mp4")]]
    assert Path(dragged[0][0]).is_file()
