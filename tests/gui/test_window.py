"""What a person does with the window, on a real engine, real video, real SQLite and hnswlib."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QMessageBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application, build_application
from cret_desktop.domain.clips import Moment
from cret_desktop.engine import adoption
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import ChangeTags, DeviceLost, Folder, LibraryPart, SearchAnswer
from cret_desktop.errors import Defect
from cret_desktop.gui.appearance.error_dialog import ErrorDialog
from cret_desktop.gui.library.failures_dialog import FailuresDialog
from cret_desktop.gui.library.library_model import Kind, Role
from cret_desktop.gui.shell.main_window import MainWindow
from cret_desktop.library.indexing.progress import Phase
from cret_desktop.messages import Message
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite.catalog import Catalog
from tests.gui.conftest import WAIT, DragPlace
from tests.narrowing import found, of_type
from tests.videos import write_colours


def search(application: Application, qtbot: QtBot, text: str) -> SearchAnswer:
    """Type a query key by key and wait for its answer."""
    window = application.window
    window.focus_search()
    with qtbot.waitSignal(
        window.search.answered, timeout=WAIT, check_params_cb=lambda answer, _: answer.query == text
    ) as answered:
        qtbot.keyClicks(window.search_bar.line, text)
    return of_type(SearchAnswer, found(answered.args)[0])


def moments(window: MainWindow) -> list[Moment]:
    model = window.results.model
    cards = [model.card(row) for row in range(model.rowCount())]
    return [card.moment for card in cards if card is not None]


def folders(window: MainWindow) -> list[Folder]:
    model = window.library_panel.model
    entries = [model.index(row).data(Role.ENTRY) for row in range(model.rowCount())]
    return [entry.thing for entry in entries if isinstance(entry.thing, Folder)]


def drop(window: MainWindow, data: QMimeData, end: str = "drop") -> None:
    """Drag over the window, and drop or leave."""
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(DragPlace(300, 300), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(window, enter)
    if end == "leave":
        QApplication.sendEvent(window, QDragLeaveEvent())
    elif end == "drop":
        QApplication.sendEvent(window, QDropEvent(QPointF(300, 300), Qt.DropAction.CopyAction, data, buttons, keys))


def mime(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def test_the_window_is_there_before_the_engine(closed_application: Application, qtbot: QtBot) -> None:
    window = closed_application.window
    closed_application.open()
    assert window.isVisible()
    assert closed_application.bridge.client.pid is None
    qtbot.keyClicks(window.search_bar.line, "red")  # typing does not wait either
    with qtbot.waitSignals([window.library.status_changed, window.search.answered], timeout=WAIT):
        pass
    assert window.results.empty_title.text() == "Nothing has been indexed yet"
    window.search_bar.clear()
    assert window.start_page.isVisible()
    assert window.start_page.title == "Drop a folder here"


def test_a_dropped_folder_becomes_searchable(application: Application, videos: Path, qtbot: QtBot) -> None:
    window = application.window
    window.start_page.add.setFocus()
    phases: set[Phase] = set()
    application.bridge.progressed.connect(lambda progress: phases.add(progress.phase))
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT):
        drop(window, mime(videos))
    assert not window.drop_cover.isVisible()
    assert Phase.INDEXING in phases
    assert window.search_bar.line.hasFocus(), "the button is gone; what comes next is a search"
    qtbot.waitUntil(lambda: [folder.clips for folder in folders(window)] == [3], timeout=WAIT)
    assert window.progress_line.text.startswith("2 videos, 3 clips indexed")
    assert "1 video could not be read" in window.progress_line.text
    search(application, qtbot, "blue")
    best = moments(window)[0]
    assert Path(best.path).name == "red then blue.mp4"
    assert best.start == pytest.approx(2.0, abs=0.05)


def test_dragging_shows_where_to_drop(application: Application, videos: Path) -> None:
    window = application.window
    drop(window, mime(videos), end="stay")
    assert window.drop_cover.isVisible()
    drop(window, mime(videos), end="leave")
    assert not window.drop_cover.isVisible()
    words = QMimeData()
    words.setText("a word is no folder")
    drop(window, words, end="stay")
    assert not window.drop_cover.isVisible()


def test_a_single_file_can_be_dropped(application: Application, videos: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as finished:
        drop(application.window, mime(videos / "green.mp4"))
    assert finished.args is not None
    assert finished.args[0].totals.files == 1


def test_dropping_what_is_gone_says_so(application: Application, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(application.window.library.failed, timeout=WAIT):
        drop(application.window, mime(tmp_path / "gone"))
    assert application.window.banner.isVisible()
    assert str(tmp_path / "gone") in application.window.banner.text


def test_what_no_program_opens_is_said(indexed: Application, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _: False)
    search(indexed, qtbot, "green")
    indexed.window.results.selection.external_wanted.emit(moments(indexed.window)[0])
    assert "green.mp4" in indexed.window.banner.text


def held(window: MainWindow, qtbot: QtBot, *dropped: Path) -> None:
    """Drop files on a window whose engine is paused, and wait until it has come to them."""
    with qtbot.waitSignal(window._bridge.pause_changed, timeout=WAIT):
        window.library.toggle_pause()
    drop(window, mime(*dropped))
    qtbot.waitUntil(lambda: window.progress_line.text.startswith("Paused 0 of"), timeout=WAIT)


def test_pause_resume_and_cancel(application: Application, tmp_path: Path, qtbot: QtBot) -> None:
    window = application.window
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(6):
        write_colours(folder / f"{number}.mp4", ["red"], seconds=1)
    held(window, qtbot, folder)
    qtbot.waitUntil(lambda: window.library.status is not None and window.library.status.paused, timeout=WAIT)
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as finished:
        qtbot.mouseClick(button(window.progress_line, "Resume"), Qt.MouseButton.LeftButton)
    assert finished.args is not None
    assert finished.args[0].totals.files == 6


def test_cancelling_keeps_the_window_calm(application: Application, videos: Path, qtbot: QtBot) -> None:
    window = application.window
    held(window, qtbot, videos)
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as finished:
        qtbot.mouseClick(button(window.progress_line, "Cancel"), Qt.MouseButton.LeftButton)
    assert finished.args is not None
    assert finished.args[0].totals.cancelled
    assert not button(window.progress_line, "Cancel").isVisible()


def test_folder_is_removed_only_when_confirmed(indexed: Application, videos: Path, qtbot: QtBot) -> None:
    window = indexed.window
    panel = window.library_panel
    panel.list.setCurrentIndex(panel.model.index(found(panel.model.row_with((Kind.FOLDER, str(videos))))))
    for answer in ("Keep", "Remove"):
        qtbot.keyClick(panel.list, Qt.Key.Key_Delete)
        question = found(window.findChild(QMessageBox))
        assert "Holidays" in question.text()
        choice = button(question, answer)
        if answer == "Keep":
            assert question.defaultButton() is choice
            qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)
            QApplication.sendPostedEvents(question, 52)  # deferred deletion
            assert len(folders(window)) == 1
    with qtbot.waitSignal(
        window.library.status_changed, timeout=WAIT, check_params_cb=lambda status: not status.folders
    ):
        qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)
    assert folders(window) == []
    assert len(list(videos.iterdir())) == 3
    assert window.start_page.title == "Drop a folder here"


def test_failures_are_listed_and_tried_again(
    application: Application, videos: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = application.window
    folder = tmp_path / "Copy"
    shutil.copytree(videos, folder)
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT):
        drop(window, mime(folder))
    qtbot.waitUntil(lambda: window.library_panel.failures.isVisible(), timeout=WAIT)
    assert window.library_panel.failures.text() == "1 video could not be read"
    with qtbot.waitSignal(window.library.failures_ready, timeout=WAIT):
        qtbot.mouseClick(window.library_panel.failures, Qt.MouseButton.LeftButton)
    dialog = found(window.findChild(FailuresDialog))
    model = dialog.table.model()
    assert model.rowCount() == 1
    assert model.index(0, 0).data() == "&amp; broken.mp4"
    assert model.index(0, 1).data()
    assert "&amp;amp; broken" in model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    dialog.table.selectRow(0)
    qtbot.keyClick(dialog.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert str(folder) in QGuiApplication.clipboard().text()
    write_colours(folder / "&amp; broken.mp4", ["yellow"])
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as finished:
        qtbot.mouseClick(button(dialog, "Try again"), Qt.MouseButton.LeftButton)
    assert finished.args is not None
    assert finished.args[0].totals.files == 1
    qtbot.waitUntil(lambda: not window.library_panel.failures.isVisible(), timeout=WAIT)


def test_a_killed_engine_is_said_and_comes_back(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    search(indexed, qtbot, "green")
    pid = indexed.bridge.client.pid
    assert pid is not None
    with qtbot.waitSignals([indexed.bridge.lost, indexed.bridge.started, window.search.answered], timeout=WAIT):
        indexed.bridge.lost.connect(lambda _: said.append(window.banner.isVisible()))
        said: list[bool] = []
        os.kill(pid, signal.SIGKILL)
    assert said == [True]
    assert "stopped" in window.banner.text
    assert not window.banner.isVisible(), "the word goes when the engine is back"
    assert Path(moments(window)[0].path).name == "green.mp4"
    window.search_bar.clear()
    search(indexed, qtbot, "red")


def test_a_catalog_that_was_repaired_is_said(
    closed_application: Application, config: EngineConfig, indexed_library: Path, qtbot: QtBot
) -> None:
    shutil.copytree(indexed_library, config.library, dirs_exist_ok=True)
    with Catalog.open(LibraryPaths(config.library).catalog) as catalog:
        adoption.remember(catalog)  # what cannot be read is known by where it lies
    with LibraryPaths(config.library).catalog.open("r+b") as stream:
        stream.write(bytes(4096))
    window = closed_application.window
    with qtbot.waitSignal(window.library.status_changed, timeout=WAIT):
        closed_application.open()
    assert "was damaged, and was repaired: 3 videos came back" in window.banner.text
    assert window.banner.isVisible()
    assert search(closed_application, qtbot, "green").moments


def test_a_gpu_that_has_failed_is_said(application: Application) -> None:
    application.bridge.device_lost.emit(DeviceLost(Message("model.gpu-lost", failure="CUDA error: <b>")))
    assert application.window.banner.isVisible()
    assert "CUDA error: <b>" in application.window.banner.text


def test_a_query_asked_while_the_engine_is_down_is_answered(indexed: Application, qtbot: QtBot) -> None:
    pid = indexed.bridge.client.pid
    assert pid is not None
    with qtbot.waitSignal(indexed.bridge.lost, timeout=WAIT):
        os.kill(pid, signal.SIGKILL)
    assert search(indexed, qtbot, "blue").moments


def test_a_second_window_on_the_same_library_shares_its_engine(
    indexed: Application, config: EngineConfig, qtbot: QtBot
) -> None:
    second = build_application([], config)
    with qtbot.waitSignals([second.bridge.started, second.window.library.status_changed], timeout=WAIT):
        second.open()
    assert second.bridge.client.is_joined
    (moment, *_) = search(second, qtbot, "green").moments
    with qtbot.waitSignal(indexed.bridge.library_changed, timeout=WAIT) as changed:
        second.bridge.request(ChangeTags((moment.file_id,), add=("Zoo",)), lambda _: None, raise_it)
    assert changed.args[0].touches(LibraryPart.TAGS)
    second.close_and_wait()
    second.window.deleteLater()
    second.deleteLater()
    assert search(indexed, qtbot, "green").moments


def raise_it(error: BaseException) -> None:
    raise error


def test_a_second_window_that_cannot_join_only_reads(
    indexed: Application, config: EngineConfig, videos: Path, qtbot: QtBot
) -> None:
    second = build_application([], replace(config, device="cpu"))
    with qtbot.waitSignals([second.bridge.locked_out, second.window.library.status_changed], timeout=WAIT):
        second.open()
    assert "Another program" in second.window.banner.text
    assert search(second, qtbot, "green").moments
    with qtbot.waitSignal(second.window.library.failed, timeout=WAIT):
        drop(second.window, mime(videos))
    second.close_and_wait()
    second.window.deleteLater()
    second.deleteLater()


def test_an_engine_that_does_not_start_can_be_tried_again(qapp: QApplication, tmp_path: Path, qtbot: QtBot) -> None:
    in_the_way = tmp_path / "library"
    in_the_way.write_text("a file where the library's folder should be")
    application = build_application([], EngineConfig(in_the_way, factory="tests.fakes:open_library"))
    window = application.window
    with qtbot.waitSignal(application.bridge.start_failed, timeout=WAIT):
        application.open()
    assert window.banner.isVisible()
    in_the_way.unlink()
    with qtbot.waitSignal(window.library.status_changed, timeout=WAIT):
        qtbot.mouseClick(button(window.banner, "Try again"), Qt.MouseButton.LeftButton)
    assert not window.banner.isVisible()
    application.close_and_wait()
    window.deleteLater()
    application.deleteLater()


def test_a_defect_can_be_copied(application: Application, qtbot: QtBot) -> None:
    window = application.window
    defect = Defect(Message("engine.defect", kind="KeyError", text="x"), "the engine's traceback")
    window.show_error(defect)
    qtbot.mouseClick(button(window.banner, "Details\u2026"), Qt.MouseButton.LeftButton)
    dialog = found(window.findChild(ErrorDialog))
    qtbot.mouseClick(button(dialog, "Copy details"), Qt.MouseButton.LeftButton)
    assert "the engine's traceback" in QGuiApplication.clipboard().text()


def test_closing_does_not_wait(indexed: Application, qtbot: QtBot) -> None:
    with qtbot.waitSignal(indexed.bridge.closed, timeout=WAIT):
        indexed.window.close()
        assert not indexed.window.isVisible()


def button(parent: QWidget, text: str) -> QAbstractButton:
    """The visible button with this text."""
    found = [b for b in parent.findChildren(QAbstractButton) if b.text().replace("&", "") == text]
    assert len(found) == 1, [b.text() for b in parent.findChildren(QAbstractButton)]
    return found[0]
