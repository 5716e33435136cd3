"""Without a mouse: index a folder, search, preview, tag, export. And every widget that can be used has a name."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.gui.annotations.tags_editor import TagsEditor
from cret_desktop.gui.export.export_dialog import ExportDialog
from tests.gui.conftest import WAIT
from tests.gui.test_annotations import file_named
from tests.gui.test_search import answered, names
from tests.narrowing import found

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def activate(window: QWidget, qtbot: QtBot) -> None:
    """What a window manager does when a dialog has opened or closed, and the offscreen platform may not."""
    window.activateWindow()

    def has_focus() -> bool:
        focus = QApplication.focusWidget()
        return focus is not None and window.isAncestorOf(focus)

    qtbot.waitUntil(has_focus, timeout=WAIT)


def press(qtbot: QtBot, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """A key, to whatever has the focus."""
    assert QApplication.focusWidget() is not None
    qtbot.keyClick(QApplication.focusWidget(), key, modifiers)


def test_everything_that_matters_by_keys(application: Application, videos: Path, tmp_path: Path, qtbot: QtBot) -> None:
    window = application.window
    window.activateWindow()
    with qtbot.waitActive(window):
        window.show()
    press(qtbot, Qt.Key.Key_O, CONTROL)
    dialog = found(window.findChild(QFileDialog))
    with qtbot.waitExposed(dialog):
        path = found(dialog.findChild(QLineEdit, "fileNameEdit"))
    QApplication.processEvents()  # Qt's own dialog reads its first folder, and would take keys for names in it
    qtbot.keyClicks(path, str(videos))
    assert dialog.selectedFiles() == [str(videos)]
    with qtbot.waitSignal(application.bridge.finished, timeout=WAIT) as finished:
        qtbot.keyClick(path, Qt.Key.Key_Return)
    assert finished.args[0].totals.files == 2
    activate(window, qtbot)

    press(qtbot, Qt.Key.Key_F, CONTROL)
    with answered(application, qtbot, "green"):
        qtbot.keyClicks(QApplication.focusWidget(), "green")
    press(qtbot, Qt.Key.Key_Down)
    assert QApplication.focusWidget() is window.results.view
    assert names(application)[0] == "green.mp4"

    press(qtbot, Qt.Key.Key_Space)
    assert window.preview.isVisible()
    press(qtbot, Qt.Key.Key_Escape)
    assert not window.preview.isVisible()

    press(qtbot, Qt.Key.Key_T)
    activate(found(window.findChild(TagsEditor)), qtbot)
    qtbot.keyClicks(QApplication.focusWidget(), "meadow")
    press(qtbot, Qt.Key.Key_Return)
    with qtbot.waitSignal(application.bridge.library_changed, timeout=WAIT):
        press(qtbot, Qt.Key.Key_Return)
    assert file_named(window, "green.mp4").tags == ("meadow",)
    activate(window, qtbot)

    window.results.focus_results()
    press(qtbot, Qt.Key.Key_E)
    export = found(window.findChild(ExportDialog))
    activate(export, qtbot)
    export.folder.setText(str(tmp_path))
    with qtbot.waitSignal(window.exports.exported, timeout=WAIT):
        qtbot.keyClick(export, Qt.Key.Key_Return)
    assert [path.suffix for path in tmp_path.glob("*.mp4")] == [".mp4"]


def test_tab_goes_through_all_parts(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    window.activateWindow()
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    window.focus_search()
    window.search_bar.search("green ext:mp4")
    met: list[QWidget] = []
    while (focus := found(QApplication.focusWidget())) not in met:
        met.append(focus)
        press(qtbot, Qt.Key.Key_Tab)
    for part in (window.search_bar.line, window.search_bar.filters_button, window.library_panel.list):
        assert part in met, part
    assert window.results.view in met
    chip = next(widget for widget in met if widget.property("kind") == "chip")
    assert met.index(window.search_bar.line) in ((met.index(chip) + 1) % len(met), 0)


def test_every_widget_that_can_be_used_has_a_name(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    window.search_bar.search("green ext:mp4")
    window.search_bar.without_button.setChecked(True)
    kinds = (QAbstractButton, QLineEdit, QAbstractItemView, QComboBox, QPlainTextEdit, QAbstractSlider)
    own = [w for w in window.findChildren(QWidget) if isinstance(w, kinds) and not isinstance(w, QScrollBar)]
    assert len(own) > 15
    nameless = [
        w
        for w in own
        if not (w.isHidden() and w.parent() is window.banner)  # its button, while there is nothing to do
        and not w.objectName().startswith("qt_")  # parts that Qt makes itself, such as a line's clear button
        and not isinstance(w.parent(), QLineEdit | QComboBox)
        and not (w.accessibleName() or (isinstance(w, QAbstractButton) and w.text()))
        and w.metaObject().className() not in ("QHeaderView", "QTableCornerButton", "QComboBoxListView")
    ]
    assert [(type(w.parent()).__name__, w.metaObject().className(), w.isHidden()) for w in nameless] == []
