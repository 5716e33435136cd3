"""The library at the left: what it lists, what a person wants of it, and that a folder's removal can be undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.protocol import Folder, FolderState, LibraryStatus, PrioritiseFolder, SavedSearch
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.library.library_model import Kind, LibraryModel, Role
from cret_desktop.gui.library.library_panel import LibraryPanel
from cret_desktop.gui.search.operators import token
from tests.gui.conftest import WAIT
from tests.gui.test_annotations import file_named
from tests.gui.test_search import answered, names
from tests.gui.test_window import folders
from tests.narrowing import found


def status(*listed: Folder, indexing: bool = False, paused: bool = False) -> LibraryStatus:
    files, clips = sum(f.files for f in listed), sum(f.clips for f in listed)
    failed, pending = sum(f.failed for f in listed), sum(f.pending for f in listed)
    return LibraryStatus("/library", "a model", listed, files, clips, 100.0, failed, pending, indexing, paused)


def texts(model: LibraryModel) -> list[str]:
    return [model.index(row).data() for row in range(model.rowCount())]


@pytest.fixture
def panel(qapp: QApplication, qtbot: QtBot) -> LibraryPanel:
    theme = Theme(qapp, Scheme.DARK, qapp)
    panel = LibraryPanel(theme)
    theme.setParent(panel)
    qtbot.addWidget(panel)
    panel.resize(240, 600)
    with qtbot.waitExposed(panel):
        panel.show()
    return panel


READY = Folder("/videos/Ready", 10, 40, 1, 0, False, FolderState.READY)
RUNNING = Folder("/videos/Running", 10, 8, 0, 6, False, FolderState.INDEXING)
AWAY = Folder("/mnt/Away", 5, 20, 0, 0, True, FolderState.OFFLINE)


def test_an_empty_library_lists_nothing(panel: LibraryPanel) -> None:
    panel.show_status(status())
    assert panel.model.rowCount() == 0


def test_everything_is_listed_under_its_heading(panel: LibraryPanel, qtbot: QtBot) -> None:
    panel.show_status(status(READY, AWAY))
    panel.model.set_tags((("family", 3),))
    panel.model.set_saved((SavedSearch("Dogs", "dog"),))
    everything = ["All videos", "Favourites", "Folders", "Ready", "Away", "Tags", "family", "Saved searches", "Dogs"]
    assert texts(panel.model) == everything
    panel.list.setCurrentIndex(panel.model.index(2))
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert texts(panel.model) == [text for text in everything if text not in ("Ready", "Away")]
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert texts(panel.model) == everything


@pytest.mark.parametrize(
    ("folder", "paused", "state", "done"),
    [
        (READY, False, "10 videos · 1 failed", None),
        (RUNNING, False, "Indexing · 4 of 10 videos", 0.4),
        (RUNNING, True, "Paused · 4 of 10 videos", 0.4),
        (AWAY, False, "Offline · 5 videos", None),
        (Folder("/x", 1, 0, 1, 0, False, FolderState.FAILED), False, "Could not be read · 1 video", None),
    ],
)
def test_a_folder_tells_its_state(
    panel: LibraryPanel, folder: Folder, paused: bool, state: str, done: float | None
) -> None:
    panel.show_status(status(folder, indexing=bool(folder.pending), paused=paused))
    index = panel.model.index(3)
    assert index.data(Role.STATE) == state
    assert index.data(Role.DONE) == (pytest.approx(done) if done is not None else None)
    assert state in index.data(Qt.ItemDataRole.AccessibleTextRole)


def test_counts_change_in_place(panel: LibraryPanel) -> None:
    panel.show_status(status(READY, RUNNING))
    panel.list.setCurrentIndex(panel.model.index(4))
    panel.show_status(status(READY, Folder("/videos/Running", 10, 12, 0, 4, False, FolderState.INDEXING)))
    assert panel.list.currentIndex().row() == 4


def test_only_a_waiting_folder_can_go_first(panel: LibraryPanel) -> None:
    panel.show_status(status(READY, RUNNING))
    for row, can in ((3, False), (4, True)):
        menu = panel.menu(panel.model.index(row).data(Role.ENTRY))
        assert isinstance(menu, QMenu)
        first = next(action for action in menu.actions() if action.text() == "Index this first")
        assert first.isEnabled() is can
        menu.close()
    assert panel.menu(panel.model.index(0).data(Role.ENTRY)) is None


def test_what_is_chosen_narrows_the_search(indexed: Application, videos: Path, qtbot: QtBot) -> None:
    window = indexed.window
    panel = window.library_panel
    with answered(indexed, qtbot, "is:favourite"):
        row = panel.list.visualRect(panel.model.index(1))
        qtbot.mouseClick(panel.list.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
    assert names(indexed) == []
    assert panel.model.index(1).data(Role.ACTIVE)
    panel.list.setCurrentIndex(panel.model.index(found(panel.model.row_with((Kind.FOLDER, str(videos))))))
    with answered(indexed, qtbot):
        window.search_bar.clear()
    with answered(indexed, qtbot, f"in:{videos}"):
        qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert len(names(indexed)) == 3
    assert not panel.model.index(1).data(Role.ACTIVE)
    with answered(indexed, qtbot, ""):
        qtbot.mouseClick(
            panel.list.viewport(), Qt.MouseButton.LeftButton, pos=panel.list.visualRect(panel.model.index(0)).center()
        )
    assert window.search_bar.filters == ()


def test_a_folder_menu_asks_the_engine(
    indexed: Application, videos: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(indexed.bridge, "request", lambda body, then, otherwise: asked.append(body))
    indexed.window.library_panel.first_wanted.emit(str(videos))
    assert asked == [PrioritiseFolder(str(videos))]


def test_several_files_are_chosen_at_once(application: Application, videos: Path, qtbot: QtBot) -> None:
    window = application.window
    window.library_dialogs.choose_files()
    dialog = found(window.findChild(QFileDialog))
    assert dialog.fileMode() is QFileDialog.FileMode.ExistingFiles
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as finished:
        dialog.filesSelected.emit([str(videos / "green.mp4"), str(videos / "red then blue.mp4")])
    dialog.close()
    assert finished.args[0].totals.files == 2


def test_a_removed_folder_comes_back_by_undo(indexed: Application, videos: Path, qtbot: QtBot) -> None:
    window = indexed.window
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    file = file_named(window, "green.mp4")
    with qtbot.waitSignal(indexed.bridge.library_changed, timeout=WAIT):
        window.annotations.change_tags([file], ["meadow"], [])
    with qtbot.waitSignal(window.library.status_changed, timeout=WAIT, check_params_cb=lambda s: not s.folders):
        window.library.remove(str(videos))
    assert window.start_page.isVisible()
    with qtbot.waitSignal(indexed.bridge.finished, timeout=WAIT):
        window.actions_by_command["undo"].trigger()
    qtbot.waitUntil(lambda: [folder.clips for folder in folders(window)] == [3], timeout=WAIT)
    with answered(indexed, qtbot, "tag:meadow"):
        window.search_bar.search("tag:meadow")
    assert names(indexed) == ["green.mp4"]


def test_the_panel_can_be_hidden_by_a_key(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    for shown in (False, True):
        window.actions_by_command["folders"].trigger()
        assert window.library_panel.isVisible() is shown
    assert window.library_panel.list.viewport().mapTo(window, QPoint(0, 0)).x() >= 0


def test_the_whole_library_is_marked_until_something_narrows_it(panel: LibraryPanel) -> None:
    panel.show_status(status(READY, AWAY))
    rows = [panel.model.index(row) for row in range(panel.model.rowCount())]
    assert [row.data() for row in rows if row.data(Role.ACTIVE)] == ["All videos"]
    panel.show_filters([token("in", AWAY.path)])
    assert [row.data() for row in rows if row.data(Role.ACTIVE)] == ["Away"]
