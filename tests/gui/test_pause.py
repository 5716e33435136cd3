"""Pausing: whatever is clicked, and in whatever order, line, tray and menu show what the engine says.

The engine is real, and so are its runs; a model that waits for a file keeps a run under way as long as a test wants.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application, build_application
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineConfig
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.library.progress_line import ProgressLine
from cret_desktop.gui.shell.tray import Tray
from cret_desktop.library.indexing.progress import IndexProgress, IndexTotals, Phase
from tests.gui.conftest import WAIT
from tests.gui.test_window import drop, mime
from tests.narrowing import found
from tests.videos import write_colours


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_held_videos")


@pytest.fixture
def running(
    application: Application, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Application]:
    """A window with a tray, whose engine indexes twelve videos and goes on when the file `go` is there."""
    monkeypatch.setattr(Tray, "is_available", lambda: True)
    application.preferences.change(closing="tray")
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12):
        write_colours(folder / f"{number}.mp4", ["red"], seconds=1)
    with qtbot.waitSignal(
        application.bridge.progressed,
        timeout=WAIT,
        check_params_cb=lambda progress: progress.phase is not Phase.SCANNING,
    ):
        drop(application.window, mime(folder))
    yield application
    (tmp_path / "go").touch()  # else the engine could not end


def engine_says(application: Application, qtbot: QtBot) -> bool:
    """Whether the engine is paused, asked of itself; what was asked and said before has arrived by then."""
    said: list[protocol.LibraryStatus] = []
    application.bridge.request(protocol.GetStatus(), said.append, lambda error: pytest.fail(str(error)))
    qtbot.waitUntil(lambda: bool(said), timeout=WAIT)
    return said[0].paused


TRAY = ("Pause indexing", "Resume indexing")


def line_button(application: Application) -> QPushButton:
    return application.window.progress_line._pause


def tray_action(application: Application) -> QAction:
    assert application.tray is not None
    return next(action for action in application.tray.menu.actions() if action.text() in TRAY)


def shown(application: Application) -> list[bool]:
    """What line, tray and menu show. The line and the tray show it whenever indexing is paused or under way."""
    menu = application.window.actions_by_command["pause"]
    says = {"Pause": False, "Resume": True, "Pause indexing": False, "Resume indexing": True}
    tray = tray_action(application)
    found = [says[menu.text().replace("&", "")]]
    found += [says[line_button(application).text()]] if line_button(application).isVisible() else []
    return found + ([says[tray.text()]] if tray.isVisible() else [])


def by_mouse(application: Application, qtbot: QtBot) -> None:
    qtbot.mouseClick(line_button(application), Qt.MouseButton.LeftButton)


def by_menu(application: Application, qtbot: QtBot) -> None:
    application.window.actions_by_command["pause"].trigger()


def by_tray(application: Application, qtbot: QtBot) -> None:
    tray_action(application).trigger()


WAYS: list[Callable[[Application, QtBot], None]] = [by_mouse, by_menu, by_tray]


def wait_for(application: Application, qtbot: QtBot, paused: bool) -> None:
    qtbot.waitUntil(lambda: set(shown(application)) == {paused}, timeout=WAIT)
    assert engine_says(application, qtbot) is paused


def test_what_was_paused_goes_on_by_whichever_way(running: Application, tmp_path: Path, qtbot: QtBot) -> None:
    for pause in WAYS:
        for resume in WAYS:
            pause(running, qtbot)
            wait_for(running, qtbot, True)
            assert len(shown(running)) == 3
            assert running.window.progress_line.text.startswith("Paused 0 of 12 videos")
            resume(running, qtbot)
            wait_for(running, qtbot, False)
            assert not running.window.progress_line.text.startswith("Paused")
    with qtbot.waitSignal(running.bridge.finished, timeout=WAIT) as finished:
        (tmp_path / "go").touch()
    assert finished.args is not None
    assert finished.args[0].totals.files == 12


def test_any_order_of_clicks_ends_with_what_the_engine_says(running: Application, qtbot: QtBot) -> None:
    """Also faster than the engine answers, over cancelled runs, and with the run begun again."""
    window, chance = running.window, random.Random(12)
    others: list[Callable[[Application, QtBot], None]] = [
        lambda application, _: window.progress_line.cancel_wanted.emit(),
        lambda application, _: window.library.refresh(),
    ]
    for _ in range(8):
        for act in chance.choices([*WAYS, *others], k=chance.randint(1, 4)):
            act(running, qtbot)
            if chance.random() < 0.3:
                qtbot.wait(30)
        paused = engine_says(running, qtbot)
        assert set(shown(running)) == {paused}
        if paused:
            assert len(shown(running)) == 3, "a pause can be ended wherever it is looked for"


def test_a_pause_ends_with_the_run_that_is_cancelled(running: Application, tmp_path: Path, qtbot: QtBot) -> None:
    by_mouse(running, qtbot)
    wait_for(running, qtbot, True)
    with qtbot.waitSignal(running.bridge.finished, timeout=WAIT) as finished:
        qtbot.mouseClick(running.window.progress_line._cancel, Qt.MouseButton.LeftButton)
        (tmp_path / "go").touch()
    assert finished.args is not None
    assert finished.args[0].totals.cancelled
    wait_for(running, qtbot, False)
    assert not line_button(running).isVisible(), "there is nothing to pause"


@pytest.mark.parametrize("fall", [True, False], ids=["after a crash", "with another setting"])
def test_a_pause_outlives_the_engine(running: Application, qtbot: QtBot, fall: bool) -> None:
    by_mouse(running, qtbot)
    wait_for(running, qtbot, True)
    with qtbot.waitSignal(running.bridge.started, timeout=WAIT):
        if fall:
            psutil.Process(found(running.bridge.client.pid)).kill()
        else:
            running.preferences.change(leave_out=("*.proxy.mp4",))
    wait_for(running, qtbot, True)
    qtbot.waitUntil(lambda: running.window.progress_line.text.startswith("Paused 0 of 12"), timeout=WAIT)
    by_mouse(running, qtbot)
    wait_for(running, qtbot, False)


def test_paused_before_there_is_anything_to_index(application: Application, qtbot: QtBot) -> None:
    window = application.window
    by_menu(application, qtbot)
    qtbot.waitUntil(lambda: line_button(application).isVisible(), timeout=WAIT)
    assert window.progress_line.text == "Indexing is paused"
    assert engine_says(application, qtbot)
    by_mouse(application, qtbot)
    qtbot.waitUntil(lambda: not window.progress_line.isVisible(), timeout=WAIT)
    assert not engine_says(application, qtbot)


def test_a_window_that_only_reads_pauses_nothing(running: Application, config: EngineConfig, qtbot: QtBot) -> None:
    second = build_application([], replace(config, device="cpu"))  # does not fit the engine that is there
    try:
        with qtbot.waitSignal(second.bridge.locked_out, timeout=WAIT):
            second.open()
        qtbot.waitUntil(lambda: not second.window.actions_by_command["pause"].isEnabled(), timeout=WAIT)
        by_mouse(running, qtbot)
        wait_for(running, qtbot, True)
        assert not second.window.progress_line.isVisible()
        assert second.window.actions_by_command["pause"].text() == "Paus&e indexing"
    finally:
        second.close_and_wait()
        second.window.deleteLater()
        second.deleteLater()


# --- the line alone, with an engine that answers when it likes ------------------------------------------------------


@pytest.fixture(scope="module")
def theme(qapp: QApplication) -> Iterator[Theme]:
    owner = QObject()
    yield Theme(qapp, Scheme.DARK, owner)
    owner.deleteLater()


class _Engine(QObject):
    """What it has been asked, and the events on their way from it, in order."""

    happened = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.paused = self.running = False
        self.under_way: list[Callable[[ProgressLine], None]] = []

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.under_way.append(lambda line: line.show_paused(paused))

    def tell(self) -> None:
        """A file is done, whatever has been asked meanwhile: what was being encoded is."""
        self.running = True
        phase = random.choice([Phase.INDEXING, Phase.LOADING_MODEL, Phase.MEASURING, Phase.SCANNING, Phase.ON_BATTERY])
        progress = IndexProgress(phase, 3, 12, 9, 10.0, 0, 5.0, 60.0, "/videos/a.mp4")
        self.under_way.append(lambda line: line.show_progress(progress))

    def finish(self, files: int) -> None:
        self.running = False
        finished = protocol.IndexFinished(IndexTotals(files, files, 1.0, 0, 0, 1.0, 1, False))
        self.under_way.append(lambda line: line.show_finished(finished))

    def optimise(self, running: bool) -> None:
        self.under_way.append(lambda line: line.show_optimising(protocol.Optimising(running)))


ACTS = st.sampled_from(
    ["click", "click", "cancel", "tell", "finish", "quiet finish", "graph", "close", "arrive", "theme"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=25))
def test_the_line_shows_the_engines_word_after_any_sequence(theme: Theme, acts: list[str]) -> None:
    engine, line = _Engine(), ProgressLine(theme)
    last = [False]  # the engine's last word that has arrived: what the window's one memory of it is
    line.pause_wanted.connect(lambda: engine.pause(not last[0]))

    def arrive(count: int) -> None:
        for event in engine.under_way[:count]:
            event(line)
        del engine.under_way[:count]
        last[0] = line._paused

    for act in acts:
        match act:
            case "click" if not line._pause.isHidden() and not line.isHidden():
                line._pause.click()
            case "cancel":
                engine.pause(False)
            case "tell":
                engine.tell()
            case "finish" | "quiet finish":
                engine.finish(2 if act == "finish" else 0)
            case "graph":
                engine.optimise(not line._optimising)
            case "close" if not line._close.isHidden():
                line._close.click()
            case "arrive":
                arrive(1)
            case "theme":
                theme.changed.emit()
    arrive(len(engine.under_way))
    can_be_seen = not line.isHidden() and not line._pause.isHidden()
    assert (line._pause.text() == "Resume") is engine.paused
    assert can_be_seen is (engine.paused or engine.running)
    if engine.running:
        assert line.text.startswith("Paused") is engine.paused or line.text.startswith("Looking for videos")
    line.deleteLater()
