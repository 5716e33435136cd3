"""Watching by keys and buttons: the player's page on real video, then page and preview in the window on an engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QPushButton, QStackedWidget, QWidget
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.domain.clips import LibraryFile, Match, Moment, Picture, Stretch
from cret_desktop.engine.protocol import GetFile, Passage
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.playing.player_controls import CommandButton
from cret_desktop.gui.playing.player_page import PlayerPage
from cret_desktop.gui.playing.preview_panel import PreviewPanel
from cret_desktop.gui.playing.video_surface import VideoSurface
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import Shortcuts
from cret_desktop.gui.shell.main_window import MainWindow
from tests.gui.conftest import WAIT
from tests.narrowing import found

if TYPE_CHECKING:  # importing it loads QtMultimedia, which the window does when a video is first watched
    from cret_desktop.gui.playing.playback import Playback

Key = Qt.Key
NONE = Qt.KeyboardModifier.NoModifier


def color(surface: VideoSurface) -> str:
    """What the surface shows, as it is painted."""
    pixel = surface.grab().toImage().pixelColor(surface.width() // 2, surface.height() // 2)
    named = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 200, 30)}
    shown = pixel.red(), pixel.green(), pixel.blue()
    return min(named, key=lambda name: sum(abs(a - b) for a, b in zip(named[name], shown, strict=True)))


def press(window: QWidget, qtbot: QtBot, key: Key, modifier: Qt.KeyboardModifier = NONE) -> None:
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    qtbot.keyClick(QApplication.focusWidget() or window, key, modifier)


def playback_of(page: PlayerPage | PreviewPanel) -> Playback:
    return found(page.playback)


def position(player: PlayerPage) -> float:
    return playback_of(player).position


def seek(player: PlayerPage, qtbot: QtBot, to: float) -> None:
    playback = playback_of(player)
    with qtbot.waitSignal(playback.frame_changed, timeout=WAIT):
        playback.seek(to, at_start=True)


def is_open(path: str) -> bool:
    return path in [file.path for file in psutil.Process().open_files()]


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture
def player(qapp: QApplication, videos: Path, qtbot: QtBot) -> Iterator[PlayerPage]:
    """A page that stands at the start of two seconds of red and two of blue, each of them a moment."""
    theme, stack = Theme(qapp, Scheme.DARK, qapp), QStackedWidget()
    thumbnails = ThumbnailCache(stack)
    page = PlayerPage(theme, thumbnails, Shortcuts(Preferences(), stack))
    stack.addWidget(page)
    stack.resize(900, 600)
    qtbot.addWidget(stack)
    stack.show()
    path = str(videos / "red then blue.mp4")
    page.open(path, 0.0)
    page.set_moments(
        [Moment(1, place, path, 2.0 * place, 2.0 * place + 2.0, 1.0, 1.0, Match.STRONG, (), 0) for place in (1, 0)]
    )
    page.set_stretches([Stretch(place, 2.0 * place, 2.0 * place + 2.0, place, (), 1.0 - place) for place in (0, 1)])
    qtbot.waitUntil(lambda: page.surface.has_frame and playback_of(page).playing, timeout=WAIT)
    playback_of(page).pause()
    yield page
    page.close_video()
    thumbnails.close()
    theme.deleteLater()


def test_keys_play_step_and_shuttle(player: PlayerPage, qtbot: QtBot) -> None:
    playback = playback_of(player)
    for key, speed in (
        (Key.Key_L, 1), (Key.Key_L, 2), (Key.Key_K, 0), (Key.Key_Space, 1), (Key.Key_Space, 0),
        (Key.Key_J, -1), (Key.Key_J, -2), (Key.Key_K, 0),
    ):  # fmt: skip
        qtbot.waitUntil(lambda: not playback.is_seeking, timeout=WAIT)
        press(player, qtbot, key)
        assert playback.speed == speed
    seek(player, qtbot, 1.0)
    for key, modifier, place in (
        (Key.Key_Period, NONE, 1.04),
        (Key.Key_Right, Qt.KeyboardModifier.ShiftModifier, 1.08),
        (Key.Key_Comma, NONE, 1.04),
        (Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, 1.0),
    ):
        with qtbot.waitSignal(playback.frame_changed, timeout=WAIT):
            press(player, qtbot, key, modifier)
        assert position(player) == pytest.approx(place)


def test_a_word_where_moments_cannot_be_shown_exactly(player: PlayerPage, qtbot: QtBot) -> None:
    assert not player.word.isVisible()
    playback_of(player).inexact.emit()
    assert "shown approximately" in player.word.text
    with qtbot.waitSignal(player.external_wanted) as wanted:
        qtbot.mouseClick(player.word.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert wanted.args == [player.moments[0].path]
    playback_of(player).inexact.emit()
    player.open(player.moments[0].path, 0.0)
    assert not player.word.isVisible(), "of another file nothing is known yet"


def test_arrows_go_from_moment_to_moment(player: PlayerPage, qtbot: QtBot) -> None:
    assert [round(moment.start) for moment in player.moments] == [0, 2]
    seek(player, qtbot, 0.5)
    with qtbot.waitSignal(playback_of(player).frame_changed, timeout=WAIT):
        press(player, qtbot, Key.Key_Right)
    assert position(player) == pytest.approx(2.0)
    assert color(player.surface) == "blue"
    with qtbot.waitSignal(playback_of(player).frame_changed, timeout=WAIT):
        press(player, qtbot, Key.Key_Left)
    assert (position(player), color(player.surface)) == (0.0, "red")


def test_a_range_is_marked_and_exported(player: PlayerPage, qtbot: QtBot) -> None:
    path = player.moments[0].path
    wanted: list[Passage] = []
    player.export_wanted.connect(wanted.append)
    press(player, qtbot, Key.Key_E)
    assert astuple(wanted[-1]) == (path, pytest.approx(0.0), pytest.approx(2.0, abs=0.05)), "the moment"
    seek(player, qtbot, 0.4)
    press(player, qtbot, Key.Key_I)
    seek(player, qtbot, 1.2)
    press(player, qtbot, Key.Key_O)
    press(player, qtbot, Key.Key_E)
    assert astuple(wanted[-1]) == (path, pytest.approx(0.4), pytest.approx(1.24)), "the last frame belongs to it"
    seek(player, qtbot, 3.0)
    press(player, qtbot, Key.Key_I)
    press(player, qtbot, Key.Key_E)
    assert astuple(wanted[-1]) == (path, pytest.approx(3.0), pytest.approx(4.0)), "an end before the start is dropped"
    press(player, qtbot, Key.Key_X)
    assert player.marks == (None, None)


def test_repeating_stays_in_the_marked_range(player: PlayerPage, qtbot: QtBot) -> None:
    seek(player, qtbot, 0.4)
    press(player, qtbot, Key.Key_I)
    seek(player, qtbot, 0.6)
    press(player, qtbot, Key.Key_O)
    press(player, qtbot, Key.Key_R)
    places: list[float] = []
    playback_of(player).frame_changed.connect(lambda _: places.append(position(player)))
    press(player, qtbot, Key.Key_Space)
    qtbot.waitUntil(lambda: sum(place < 0.42 for place in places) > 2, timeout=WAIT)
    assert max(places) < 0.64


def test_the_seek_bar_seeks_and_shows_pictures(player: PlayerPage, qtbot: QtBot) -> None:
    bar = player.seek_bar
    place = QPoint(bar.width() * 3 // 4, bar.height() // 2)
    move = QMouseEvent(
        QMouseEvent.Type.MouseMove, QPointF(place), QPointF(bar.mapToGlobal(place)), Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(bar, move)
    assert player.seek_picture.isVisible()
    with qtbot.waitSignal(playback_of(player).frame_changed, timeout=WAIT):
        qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)
    assert position(player) == pytest.approx(3.0, abs=0.1)
    assert color(player.surface) == "blue"
    assert bar.value() == pytest.approx(3000, abs=100)


def test_full_screen_and_back(player: PlayerPage, qtbot: QtBot) -> None:
    press(player, qtbot, Key.Key_F11)
    assert player.isFullScreen()
    assert player.isWindow()
    press(player, qtbot, Key.Key_Escape)
    assert not player.isWindow()
    assert player.isVisible()
    press(player, qtbot, Key.Key_F11)
    press(player, qtbot, Key.Key_Backspace)
    assert not player.isWindow(), "one step back at a time"
    with qtbot.waitSignal(player.left):
        press(player, qtbot, Key.Key_Backspace)


def test_closing_in_full_screen_leaves_no_window(player: PlayerPage, qtbot: QtBot) -> None:
    press(player, qtbot, Key.Key_F11)
    press(player, qtbot, Key.Key_Space)
    assert playback_of(player).playing
    player.close_video()
    assert not player.isWindow()
    assert not playback_of(player).is_open


def test_every_button_says_what_it_does_and_space_presses_it(player: PlayerPage, qtbot: QtBot) -> None:
    buttons = player.findChildren(CommandButton)
    assert len(buttons) > 12
    assert all(button.accessibleName() and button.toolTip() for button in buttons)
    repeat = next(button for button in buttons if button.defaultAction().objectName() == "action_repeat")
    repeat.setFocus()
    qtbot.keyClick(repeat, Key.Key_Space)
    assert repeat.defaultAction().isChecked()
    assert not playback_of(player).playing


# --- the quick preview ----------------------------------------------------------------------------------------------


def test_what_is_gone_is_told_in_the_picture_s_place(player: PlayerPage, qtbot: QtBot) -> None:
    wanted: list[str] = []
    player.external_wanted.connect(wanted.append)
    player.open("/nowhere/gone.mp4", 0.0)
    qtbot.waitUntil(lambda: player.trouble != "", timeout=WAIT)
    assert "gone.mp4" in player.trouble
    assert "was not found" in player.trouble
    press(player, qtbot, Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert wanted == ["/nowhere/gone.mp4"]


# --- in the window --------------------------------------------------------------------------------------------------


@pytest.fixture
def window(indexed: Application, qtbot: QtBot) -> MainWindow:
    """A window with the answer to "red green", its first moment current."""
    window = indexed.window
    with qtbot.waitSignal(
        window.search.answered, timeout=WAIT, check_params_cb=lambda answer, _: answer.query == "red green"
    ):
        window.search_bar.search("red green")
    window.results.focus_results()
    window.results.view.setCurrentIndex(window.results.model.index(0, 0))
    return window


def current(window: MainWindow) -> Moment:
    moment = window.results.current_moment()
    assert moment is not None
    return moment


def test_from_the_results_into_the_player_and_back(window: MainWindow, qtbot: QtBot) -> None:
    player, moment = window.player, current(window)
    assert player.playback is None, "multimedia is not loaded before a video is watched"
    press(window, qtbot, Key.Key_Return)
    assert player.isVisible()
    qtbot.waitUntil(lambda: player.surface.has_frame and len(player.seek_bar.stretches) > 0, timeout=WAIT)
    assert color(player.surface) == ("red" if "red" in moment.path else "green")
    assert player.seek_bar.stretches[0].relevance is not None
    assert QApplication.focusWidget() is player.surface
    with qtbot.waitSignal(window.search.answered, timeout=WAIT):
        window.library.retry_failures()
    assert player.isVisible(), "an answer brought up to date does not end what is watched"
    assert playback_of(player).is_open
    press(window, qtbot, Key.Key_Escape)
    assert not player.isVisible()
    assert window.search_bar.isVisible()
    assert QApplication.focusWidget() is window.results.view
    assert current(window) == moment
    qtbot.waitUntil(lambda: not is_open(moment.path), timeout=WAIT)
    press(window, qtbot, Key.Key_Return)
    qtbot.keyClick(window.player.surface, Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert window.search_bar.isVisible(), "searching leaves the player"
    assert not playback_of(player).is_open


def test_a_favourite_and_a_query_by_a_frame(window: MainWindow, indexed: Application, qtbot: QtBot) -> None:
    player, moment = window.player, current(window)
    window.playback.play(moment, moment.start)
    favourite = player.actions_by_command["player_favourite"]
    qtbot.waitUntil(lambda: favourite.isEnabled() and player.surface.has_frame, timeout=WAIT)
    press(window, qtbot, Key.Key_K)
    press(window, qtbot, Key.Key_F)
    files: list[LibraryFile] = []
    indexed.bridge.request(GetFile(moment.file_id), files.append, lambda error: pytest.fail(str(error)))
    qtbot.waitUntil(lambda: bool(files), timeout=WAIT)
    assert files[0].favourite
    shown = color(player.surface)
    with qtbot.waitSignal(window.search.answered, timeout=WAIT):
        press(window, qtbot, Key.Key_S)
    assert not player.isVisible()
    picture = window.search.like
    assert isinstance(picture, Picture)
    middle = 3 * (picture.height // 2 * picture.width + picture.width // 2)
    assert ("red", "green", "blue")[max(range(3), key=lambda band: picture.rgb[middle + band])] == shown


def test_space_looks_and_the_look_follows(window: MainWindow, qtbot: QtBot) -> None:
    preview, first = window.preview, current(window)
    press(window, qtbot, Key.Key_Space)
    assert preview.isVisible()
    assert QApplication.focusWidget() is window.results.view, "the keys stay with the results"
    qtbot.waitUntil(lambda: preview.surface.has_frame, timeout=WAIT)
    assert color(preview.surface) == ("red" if "red" in first.path else "green")
    press(window, qtbot, Key.Key_Right)
    assert current(window).path != first.path
    assert preview.moment == current(window)
    qtbot.waitUntil(lambda: preview.surface.has_frame, timeout=WAIT)
    assert color(preview.surface) == ("green" if "red" in first.path else "red")
    places: list[float] = []
    playback_of(preview).frame_changed.connect(lambda _: places.append(playback_of(preview).position))
    playback_of(preview).seek(1.7)
    qtbot.waitUntil(lambda: len(places) > 1 and places[-1] < 0.5, timeout=WAIT)
    assert max(places) < 2.0, "it goes round"
    press(window, qtbot, Key.Key_Space)
    assert not preview.isVisible()
    qtbot.waitUntil(lambda: not is_open(current(window).path), timeout=WAIT)
    press(window, qtbot, Key.Key_Space)
    press(window, qtbot, Key.Key_Escape)
    assert not preview.isVisible()
    assert window.search.text == "red green", "Escape closed the preview and nothing else"


def test_from_the_preview_into_the_player(window: MainWindow, qtbot: QtBot) -> None:
    preview = window.preview
    press(window, qtbot, Key.Key_Space)
    qtbot.waitUntil(lambda: preview.surface.has_frame and playback_of(preview).position > 0.2, timeout=WAIT)
    qtbot.mouseClick(preview.surface, Qt.MouseButton.LeftButton)
    assert not preview.isVisible()
    qtbot.waitUntil(lambda: window.player.surface.has_frame, timeout=WAIT)
    assert playback_of(window.player).position > 0.1
    gone = replace(current(window), path="/nowhere/gone.mp4")
    window.playback.play(gone, gone.start)
    qtbot.waitUntil(lambda: "was not found" in window.player.trouble, timeout=WAIT)
