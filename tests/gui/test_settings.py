"""What a choice in the settings does: to the colours, to the engine, to the file; and what the dialogs show."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QDoubleSpinBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from cret_desktop import app, paths
from cret_desktop.app import Application, build_application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.errors import StorageError
from cret_desktop.gui.appearance.theme import DARK, LIGHT
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.settings_dialog import MODEL_PAGE, SettingsDialog
from cret_desktop.gui.settings.shortcuts_dialog import ShortcutsDialog
from cret_desktop.gui.shell import other_programs
from cret_desktop.gui.shell.about_dialog import AboutDialog
from cret_desktop.settings import Settings
from tests.gui.conftest import WAIT
from tests.narrowing import found
from tests.said import said

W = TypeVar("W", bound=QWidget)


@pytest.fixture
def dialog(application: Application, qtbot: QtBot) -> SettingsDialog:
    """The settings of an open window."""
    application.window.actions_by_command["settings"].trigger()
    return found(application.window.findChild(SettingsDialog))


def control(dialog: QWidget, kind: type[W], name: str) -> W:
    (only,) = [widget for widget in dialog.findChildren(kind) if name in (widget.accessibleName(), _text(widget))]
    return only


def _text(widget: QWidget) -> str:
    return widget.text() if isinstance(widget, QCheckBox | QPushButton) else ""


def choose(combo: QComboBox, value: Any, qtbot: QtBot) -> None:
    """By keys, as a person does."""
    combo.setFocus()
    way = combo.findData(value) - combo.currentIndex()
    for _ in range(abs(way)):
        qtbot.keyClick(combo, Qt.Key.Key_Down if way > 0 else Qt.Key.Key_Up)
    assert combo.currentData() == value


def test_colours_change_at_once(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    assert application.theme.colors is DARK
    choose(control(dialog, QComboBox, "Appearance"), "light", qtbot)
    assert application.theme.colors is LIGHT


def test_the_dialog_shows_what_is_chosen_elsewhere(
    application: Application, dialog: SettingsDialog, qtbot: QtBot
) -> None:
    application.preferences.change(theme="light", history=False, export_handles=1.5)
    assert control(dialog, QComboBox, "Appearance").currentData() == "light"
    assert not control(dialog, QCheckBox, "Remember my searches").isChecked()
    assert control(dialog, QDoubleSpinBox, "Handles").value() == 1.5


def test_the_engine_starts_anew_with_what_it_needs_to_know(
    application: Application, dialog: SettingsDialog, videos: Path, qtbot: QtBot
) -> None:
    dialog.pages.setCurrentRow(1)
    before = application.bridge.client.pid
    started: list[bool] = []
    application.bridge.started.connect(lambda event: started.append(event.restarted))
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT, check_params_cb=lambda end: end.totals.files == 2):
        qtbot.keyClick(control(dialog, QCheckBox, "Give other programs priority"), Qt.Key.Key_Space)
        application.window.library.add([str(videos)])  # asked while the engine is away: waits for it
    assert started == [True]
    assert application.bridge.client.pid != before
    assert application.bridge.client.config.gentle is application.preferences.settings.gentle


def test_other_choices_leave_the_engine_alone(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    before = application.bridge.client
    application.preferences.change(theme="light", external_player="vlc", export_mode="exact", history=False)
    application.window.library.read_status()
    with qtbot.waitSignal(application.window.library.status_changed, timeout=WAIT):
        pass
    assert application.bridge.client is before


def test_patterns_are_taken_when_they_are_left(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    dialog.pages.setCurrentRow(1)
    dialog.patterns.setFocus()
    with qtbot.waitSignal(application.bridge.started, timeout=WAIT):
        qtbot.keyClicks(dialog.patterns, " *.proxy.mp4 ")
        qtbot.keyClick(dialog.patterns, Qt.Key.Key_Return)
        qtbot.keyClick(dialog.patterns, Qt.Key.Key_Return)
        assert list(application.preferences.settings.leave_out) == [], "not at every letter"
        qtbot.keyClick(dialog.patterns, Qt.Key.Key_Tab)
    assert application.preferences.settings.leave_out == ("*.proxy.mp4",)
    assert application.bridge.client.config.leave_out == ("*.proxy.mp4",)


def test_devices_that_are_not_there_cannot_be_chosen(dialog: SettingsDialog, qtbot: QtBot) -> None:
    dialog.pages.setCurrentRow(MODEL_PAGE)
    qtbot.waitUntil(lambda: dialog.found.text().startswith("Available: "), timeout=WAIT)
    assert "cpu" in dialog.found.text()
    there = {"auto", "cpu"} | {name for name in ("cuda", "mps") if name in dialog.found.text()}
    model = dialog.device.model()
    on = Qt.ItemFlag.ItemIsEnabled
    can = {dialog.device.itemData(row) for row in range(model.rowCount()) if model.flags(model.index(row, 0)) & on}
    assert can == there


def test_the_history_can_be_cleared(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    with qtbot.waitSignal(application.window.everyday.history_cleared):
        qtbot.mouseClick(control(dialog, QPushButton, "Clear the history"), Qt.MouseButton.LeftButton)


def test_one_dialog_of_a_kind(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    application.window.actions_by_command["settings"].trigger()
    assert len(application.window.findChildren(SettingsDialog)) == 1
    qtbot.mouseClick(control(dialog, QPushButton, "Keyboard shortcuts\u2026"), Qt.MouseButton.LeftButton)
    assert found(application.window.findChild(ShortcutsDialog)).isVisible()
    dialog.close()
    qtbot.waitUntil(lambda: application.window.findChild(SettingsDialog) is None, timeout=WAIT)
    application.window.actions_by_command["settings"].trigger()
    assert found(application.window.findChild(SettingsDialog)).isVisible()


def test_about_tells_versions_licences_and_the_promise(application: Application) -> None:
    application.window.actions_by_command["about"].trigger()
    about = found(application.window.findChild(AboutDialog))
    shown = about.licences.toPlainText()
    notices = paths.resource("licences", "NOTICES.md").read_text(encoding="utf-8")
    words = [word for word in re.findall(r"[A-Za-z]{4,}", notices) if word != "pip"]
    assert [word for word in words if word not in shown] == [], "whole"
    assert "| ---" not in shown, "and as a document, not as its source"
    assert about.licences.openExternalLinks()
    assert about.licences.loadResource(2, QUrl("https://example.invalid/picture.png")) is None
    assert paths.version() in about.versions.text()
    assert "nothing is sent" in about.promise.text()


def test_a_model_has_its_title(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    shown = [label.text() for label in dialog.findChildren(QLabel)]
    title = next(card.title for card in application.window.models.cards if card.name == "starter")
    assert title in shown
    assert "starter" not in shown
    application.preferences.change(model="/models/mine")
    assert "/models/mine" in [label.text() for label in dialog.findChildren(QLabel)], "what has no card has its place"


def test_another_language_offers_a_restart(application: Application, dialog: SettingsDialog, qtbot: QtBot) -> None:
    assert not dialog.restart.isVisible()
    application.preferences.change(language="de")
    assert dialog.restart.isVisible()
    application.preferences.change(language="en")
    assert not dialog.restart.isVisible()
    application.preferences.change(language="de")
    with qtbot.waitSignal(application.bridge.closed, timeout=WAIT):
        qtbot.mouseClick(dialog.restart, Qt.MouseButton.LeftButton)
    assert application.restarting


def test_it_is_started_again_by_the_command_that_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    told = tmp_path / "told"
    program = f"import pathlib; pathlib.Path({str(told)!r}).touch()"
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])
    app._start_again()
    qtbot.waitUntil(told.exists, timeout=WAIT)


def test_space_is_told_and_freed(indexed: Application, qtbot: QtBot) -> None:
    indexed.window.actions_by_command["settings"].trigger()
    dialog = found(indexed.window.findChild(SettingsDialog))
    dialog.pages.setCurrentRow(1)
    qtbot.waitUntil(lambda: dialog.space.text().startswith("Thumbnails: "), timeout=WAIT)
    with qtbot.waitSignal(indexed.bridge.started, timeout=WAIT):
        choose(control(dialog, QComboBox, "Thumbnails"), 240, qtbot)
    assert indexed.bridge.client.config.thumbnail_width == 240
    qtbot.mouseClick(dialog.free, Qt.MouseButton.LeftButton)
    assert not dialog.free.isEnabled()
    qtbot.waitUntil(dialog.free.isEnabled, timeout=WAIT)
    assert dialog.space.text().startswith("Thumbnails: ")
    dialog.show_no_space(StorageError("library.read-only", library="/a"))
    assert dialog.space.text() == "The library /a is open for reading only."


def test_a_library_takes_up_no_more_than_allowed(
    application: Application, dialog: SettingsDialog, videos: Path, qtbot: QtBot
) -> None:
    dialog.pages.setCurrentRow(1)
    assert dialog.budget.text() == "No limit"
    dialog.budget.setFocus()
    dialog.budget.selectAll()
    qtbot.keyClicks(dialog.budget, "0.1")
    with qtbot.waitSignal(application.bridge.started, timeout=WAIT):
        qtbot.keyClick(dialog.budget, Qt.Key.Key_Return)
    assert application.bridge.client.config.disk_budget == 0.1
    too_much = application.bridge.client.config.library / "thumbnails" / "aa" / "aa"
    too_much.mkdir(parents=True)
    with (too_much / f"aaaa{'0' * 20}-1.jpg").open("wb") as stream:
        stream.truncate(10**8)
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as ended:
        application.window.library.add([str(videos)])
    assert "limit of 0.1 GB" in said(ended.args[0].error)
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT, check_params_cb=lambda end: end.totals.files == 2):
        dialog.budget.setValue(0.0)
        dialog.close()
    assert application.preferences.settings.disk_budget == 0.0


def test_clips_are_as_long_as_chosen(indexed: Application, videos: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(indexed.bridge.started, timeout=WAIT):
        indexed.preferences.change(clip_seconds=5.0)
    assert indexed.bridge.client.config.clip_seconds == 5.0
    with qtbot.waitSignal(indexed.bridge.finished, timeout=WAIT, check_params_cb=lambda end: end.totals.files == 2):
        indexed.window.library_panel.again_wanted.emit(str(videos))


def test_choices_are_kept_for_the_next_start(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    first = Preferences(path=path)
    first.change(theme="dark", leave_out=("a",))
    assert json.loads(path.read_text(encoding="utf-8"))["theme"] == "dark"
    written = path.stat().st_mtime_ns
    first.change(theme="dark")
    assert path.stat().st_mtime_ns == written, "nothing has changed, nothing is written"
    assert Preferences(path=path).settings == Settings(theme="dark", leave_out=("a",))


def test_a_broken_file_is_said_in_the_window(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{", encoding="utf-8")
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library")
    application = build_application([], config, Preferences(path=path))
    with qtbot.waitSignal(application.bridge.started, timeout=WAIT):
        application.open()
    assert "set-aside" in application.window.banner.text
    path.unlink()
    path.mkdir()
    (path / "in the way").touch()
    application.preferences.change(theme="light")
    assert "could not be written" in application.window.banner.text
    assert application.theme.colors is LIGHT, "holds for as long as the app runs"
    application.close_and_wait()
    application.window.deleteLater()
    application.deleteLater()


def test_the_window_opens_as_it_was_left(
    qapp: QApplication, indexed_library: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    """Size, panels, view, order and the last search; nothing of the search where no history is wanted."""
    state = tmp_path / "window.json"

    def opened(settings: Settings) -> Application:
        config = EngineConfig(indexed_library, factory="tests.fakes:open_library", read_only=True)
        application = build_application([], config, Preferences(settings), state)
        with qtbot.waitSignal(application.window.library.status_changed, timeout=WAIT):
            application.open()
        return application

    def end(application: Application) -> None:
        application.close_and_wait()
        application.window.deleteLater()
        application.deleteLater()

    first = opened(Settings())
    first.window.resize(700, 600)  # the offscreen screen is 800 wide
    first.window.actions_by_command["folders"].trigger()
    first.window.results.show_view("list")
    with qtbot.waitSignal(first.window.search.answered, timeout=WAIT):
        first.window.search_bar.search("green")
    end(first)
    second = opened(Settings(history=False))
    assert (second.window.width(), second.window.height()) == (700, 600)
    assert not second.window.library_panel.isVisible()
    assert second.window.results.save_state()["view"] == "list"
    assert second.window.search_bar.text() == "green"
    end(second)
    assert "green" not in state.read_text(encoding="utf-8")
    state.write_text("{", encoding="utf-8")
    end(opened(Settings()))


@pytest.mark.skipif(os.name == "nt", reason="the player is a shell script")
def test_the_chosen_player_gets_the_file(tmp_path: Path, qtbot: QtBot) -> None:
    """As one argument, whatever its name."""
    player, told = tmp_path / "player", tmp_path / "told"
    player.write_text(f'#!/bin/sh\nprintf %s "$1" > "{told}.part"; mv "{told}.part" "{told}"\n', encoding="utf-8")
    player.chmod(0o700)
    assert other_programs.open_with("/videos/a; 'b' $(c).mp4", str(player))
    qtbot.waitUntil(told.exists, timeout=WAIT)
    assert told.read_text(encoding="utf-8") == "/videos/a; 'b' $(c).mp4"
    assert not other_programs.open_with("/videos/a.mp4", str(tmp_path / "no such player"))
