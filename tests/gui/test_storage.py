"""Backup and storage in the window: copies, another place, tags as a file; a folder's removal taken back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import BackUpLibrary, CancelCopy, CopyProgress
from cret_desktop.errors import CopyCancelled
from cret_desktop.gui.library.storage_dialog import StorageDialog
from cret_desktop.gui.shell.main_window import MainWindow
from cret_desktop.storage.sqlite.backup import check
from tests.gui.conftest import WAIT
from tests.gui.test_annotations import file_named, stored
from tests.gui.test_search import names
from tests.gui.test_window import folders
from tests.said import said


def open_dialog(window: MainWindow) -> StorageDialog:
    window.actions_by_command["storage"].trigger()
    dialog = window.findChild(StorageDialog)
    assert dialog is not None
    return dialog


def press(button: QPushButton, qtbot: QtBot) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def choose(dialog: QWidget, path: Path) -> None:
    chooser = dialog.findChild(QFileDialog)
    assert chooser is not None
    chooser.fileSelected.emit(str(path))
    chooser.close()


def answer(dialog: QWidget, words: str, qtbot: QtBot) -> None:
    box = dialog.findChild(QMessageBox)
    assert box is not None
    (button,) = [button for button in box.findChildren(QPushButton) if button.text() == words]
    press(button, qtbot)


def set_note(application: Application, text: str, qtbot: QtBot) -> None:
    window = application.window
    with qtbot.waitSignal(application.bridge.library_changed, timeout=WAIT):
        window.annotations.set_note(file_named(window, "green.mp4"), text)


def note(application: Application, qtbot: QtBot) -> str:
    return stored(application, qtbot, file_named(application.window, "green.mp4").id).note


def test_a_backup_is_made_and_restored(indexed: Application, tmp_path: Path, qtbot: QtBot) -> None:
    window, storage = indexed.window, indexed.window.storage
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    set_note(indexed, "before", qtbot)
    dialog = open_dialog(window)
    qtbot.waitUntil(lambda: "free on its disk" in dialog.size_line.text(), timeout=WAIT)
    assert dialog.place.text() == str(indexed.bridge.client.config.library)
    press(dialog.back_up, qtbot)
    with qtbot.waitSignal(storage.told, timeout=WAIT):
        choose(dialog, tmp_path)
    (copy,) = tmp_path.glob("CRET Desktop 2*")
    assert check(copy).videos == 3
    assert str(copy) in dialog.outcome.text()
    set_note(indexed, "after", qtbot)
    press(dialog.restore, qtbot)
    choose(dialog, copy)
    with qtbot.waitSignal(indexed.bridge.started, timeout=WAIT) as started:
        answer(dialog, "Restore", qtbot)
    assert "was restored" in said(started.args[0].notice)
    assert "was restored" in window.banner.text
    assert note(indexed, qtbot) == "before"
    press(dialog.restore, qtbot)
    with qtbot.waitSignal(storage.failed, timeout=WAIT):
        choose(dialog, tmp_path)
        answer(dialog, "Restore", qtbot)
    assert "no library" in dialog.outcome.text()
    assert dialog.restore.isEnabled()


def test_the_library_moves_and_is_remembered_there(
    indexed: Application, config: EngineConfig, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRET_DESKTOP_LIBRARY", str(config.library))
    followed: list[Path] = []
    indexed.library_changed.connect(followed.append)
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    disk = tmp_path / "disk"
    disk.mkdir()
    dialog = open_dialog(indexed.window)
    press(dialog.move_away, qtbot)
    choose(dialog, disk)
    with qtbot.waitSignals([indexed.bridge.started, indexed.window.storage.told], timeout=WAIT):
        answer(dialog, "Move", qtbot)
    place = disk / "CRET Desktop library"
    assert followed == [place]
    assert indexed.preferences.settings.library == str(place)
    assert str(config.library) in dialog.outcome.text(), "it says which one can be deleted"
    shutil.rmtree(config.library)
    set_note(indexed, "there", qtbot)
    assert note(indexed, qtbot) == "there"
    qtbot.waitUntil(lambda: dialog.place.text() == str(place), timeout=WAIT)
    press(dialog.use_other, qtbot)
    choose(dialog, tmp_path)
    assert "No library in" in dialog.outcome.text()


def test_a_library_that_was_named_for_this_start_is_not_remembered(
    indexed: Application, tmp_path: Path, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(indexed.library_changed, timeout=WAIT):
        indexed.window.storage.move(str(tmp_path / "moved"))
    assert indexed.preferences.settings.library == ""


def test_tags_go_out_and_come_in(indexed: Application, tmp_path: Path, qtbot: QtBot) -> None:
    window, storage = indexed.window, indexed.window.storage
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    set_note(indexed, "mine", qtbot)
    dialog = open_dialog(window)
    press(dialog.export_tags, qtbot)
    with qtbot.waitSignal(storage.told, timeout=WAIT):
        choose(dialog, tmp_path / "tags.csv")
    assert "1 video" in dialog.outcome.text()
    dialog.close()
    set_note(indexed, "another", qtbot)
    with qtbot.waitSignal(storage.told, timeout=WAIT):
        storage.import_tags(str(tmp_path / "tags.csv"))
    assert "appended to an existing one" in window.banner.text, "the dialog is closed"
    assert note(indexed, qtbot) == "another\n\nmine"


def test_a_copy_under_way_is_shown_and_cancelled(
    indexed: Application, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(indexed.bridge, "request", lambda *request: asked.append(request))
    storage = indexed.window.storage
    dialog = open_dialog(indexed.window)
    storage.back_up("/backups/one", True)
    storage.back_up("/backups/two", True)
    assert [body.folder for body, *_ in asked if isinstance(body, BackUpLibrary)] == ["/backups/one"]
    indexed.bridge.copy_progressed.emit(CopyProgress(25_000_000, 100_000_000))
    assert (dialog.bar.value(), dialog.bar.maximum()) == (250, 1000)
    assert dialog.doing.text() == "Backing up: 25 MB of 100 MB"
    assert not dialog.back_up.isEnabled()
    press(dialog.cancel, qtbot)
    assert isinstance(asked[-1][0], CancelCopy)
    (fail,) = [request[2] for request in asked if isinstance(request[0], BackUpLibrary)]
    fail(CopyCancelled("Stopped."))
    assert dialog.back_up.isEnabled()
    assert not dialog.cancel.isVisible()
    assert not dialog.outcome.isVisible(), "who has stopped it knows"


def test_a_removed_folder_is_taken_back_from_the_banner(indexed: Application, videos: Path, qtbot: QtBot) -> None:
    window = indexed.window
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    for since in (False, True):
        with qtbot.waitSignal(window.library.removed, timeout=WAIT):
            window.library.remove(str(videos))
        qtbot.waitUntil(lambda: folders(window) == [], timeout=WAIT)
        assert window.banner.text == "Removed \u201cHolidays\u201d"
        if since:
            window.annotations.stack.clear()  # as if so much had been done that this is forgotten
        (undo,) = [button for button in window.banner.findChildren(QPushButton) if button.text() == "Undo"]
        press(undo, qtbot)
        qtbot.waitUntil(lambda: [folder.clips for folder in folders(window)] == [3], timeout=WAIT)
        assert not window.banner.isVisible()
