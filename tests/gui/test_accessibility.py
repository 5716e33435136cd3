"""Without a mouse and without seeing well: every control of every page and dialog has a name, is reached by Tab, shows
that it has the focus; and the colours of words can be read on what they stand on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QKeySequenceEdit,
    QLineEdit,
    QPlainTextEdit,
    QRadioButton,
    QScrollBar,
    QTextBrowser,
    QWidget,
)
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.gui.appearance.theme import DARK, LIGHT, Colors
from cret_desktop.gui.shell.main_window import MainWindow
from tests.gui.conftest import WAIT
from tests.gui.test_parts import contrast
from tests.narrowing import found

KINDS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QKeySequenceEdit,
    QLineEdit,
    QPlainTextEdit,
    QTextBrowser,
)


def controls(place: QWidget) -> list[QWidget]:
    """What a person acts on: the visible controls in `place`, without the parts that Qt makes inside its own."""
    found = [
        w
        for w in place.findChildren(QWidget)
        if isinstance(w, KINDS) and w.isVisible() and w.window() is place.window()
    ]
    return [
        w for w in found if not isinstance(w, QScrollBar) and not any(isinstance(p, KINDS) for p in _parents(w, place))
    ]


def _parents(widget: QWidget, place: QWidget) -> list[QWidget]:
    parents = []
    parent = widget.parentWidget()
    while parent is not None and parent is not place:
        parents.append(parent)
        parent = parent.parentWidget()
    return parents


def name(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text.replace("&", "")


def reached(place: QWidget, qtbot: QtBot) -> list[QWidget]:
    """What has the focus while Tab is pressed until it comes round."""
    seen: list[QWidget] = []
    for _ in range(400):
        focus = place.window().focusWidget()
        if focus is None or (focus in seen and focus is seen[0]):
            break
        seen.append(focus)
        qtbot.keyClick(focus, Qt.Key.Key_Tab)
    return seen


def show_results(window: MainWindow, qtbot: QtBot) -> QWidget:
    with qtbot.waitSignal(window.search.answered, timeout=WAIT):
        window.search_bar.search("green")
    return window


def show_dialog(command: str) -> Callable[[MainWindow, QtBot], QWidget]:
    def show(window: MainWindow, qtbot: QtBot) -> QWidget:
        before = set(window.findChildren(QDialog))
        window.actions_by_command[command].trigger()
        qtbot.waitUntil(lambda: bool(set(window.findChildren(QDialog)) - before), timeout=WAIT)
        (dialog,) = set(window.findChildren(QDialog)) - before
        return dialog

    return show


def show_for_a_result(command: str) -> Callable[[MainWindow, QtBot], QWidget]:
    """A dialog about the first result."""

    def show(window: MainWindow, qtbot: QtBot) -> QWidget:
        show_results(window, qtbot)
        window.results.focus_results()
        before = set(window.findChildren(QDialog))
        found(window.findChild(QAction, f"action_{command}")).trigger()
        qtbot.waitUntil(lambda: bool(set(window.findChildren(QDialog)) - before), timeout=WAIT)
        (dialog,) = set(window.findChildren(QDialog)) - before
        return dialog

    return show


PLACES: dict[str, Callable[[MainWindow, QtBot], QWidget]] = {
    "results": show_results,
    "settings": show_dialog("settings"),
    "shortcuts": show_dialog("shortcuts"),
    "about": show_dialog("about"),
    "failures": show_dialog("failures"),
    "storage": show_dialog("storage"),
    "tags": show_for_a_result("tags"),
    "note": show_for_a_result("note"),
    "export": show_for_a_result("export"),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_control_has_a_name_and_is_reached_by_tab(indexed: Application, place: str, qtbot: QtBot) -> None:
    shown = PLACES[place](indexed.window, qtbot)
    with qtbot.waitActive(shown):
        shown.activateWindow()
    pages = getattr(shown, "pages", None)
    for row in range(pages.count() if pages is not None else 1):
        if pages is not None:
            pages.setCurrentRow(row)
        there = controls(shown)
        assert there
        nameless = [f"{type(w).__name__} in {type(w.parent()).__name__}" for w in there if not name(w)]
        assert nameless == []
        there[0].setFocus()
        by_tab = reached(shown, qtbot)
        held = {w for focus in by_tab for w in (focus, *_parents(focus, shown))}
        # Of buttons that exclude each other Tab reaches the chosen one, the arrow keys the others.
        held |= {
            w
            for w in there
            if isinstance(w, QRadioButton) and held & set(found(w.parentWidget()).findChildren(QRadioButton))
        }
        unreached = [name(w) for w in there if w.isEnabled() and w not in held]
        assert unreached == []


@pytest.mark.parametrize("place", ["settings", "shortcuts", "about"])
def test_the_focus_can_be_seen(indexed: Application, place: str, qtbot: QtBot) -> None:
    """A control looks different with the focus than without."""
    shown = PLACES[place](indexed.window, qtbot)
    with qtbot.waitActive(shown):
        shown.activateWindow()
    for widget in controls(shown):
        if not widget.isEnabled():
            continue
        others = [w for w in controls(shown) if w is not widget and w.isEnabled()]
        others[0].setFocus(Qt.FocusReason.TabFocusReason)
        QApplication.processEvents()
        without = widget.grab().toImage()
        widget.setFocus(Qt.FocusReason.TabFocusReason)
        QApplication.processEvents()
        assert widget.grab().toImage() != without, name(widget)


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_words_can_be_read_on_what_they_stand_on(colors: Colors) -> None:
    """4.5 to 1 for words, 3 to 1 for what only has to be seen (WCAG 2.2, AA)."""
    grounds = (colors.window, colors.panel, colors.raised)
    for words in (colors.text, colors.muted, colors.danger, colors.accent, colors.strong, colors.possible, colors.weak):
        for ground in grounds:
            assert contrast(words, ground) >= 4.5, (words, ground)
    assert contrast(colors.on_accent, colors.accent) >= 4.5
    assert contrast(colors.text, colors.line) >= 4.5, "the chosen row of a table"
