"""The one table of commands: no key stands for two things, every command can be done, keys can be given anew."""

from __future__ import annotations

from itertools import combinations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import COMMANDS, Command, Scope, Shortcuts
from cret_desktop.gui.settings.shortcuts_dialog import ShortcutsDialog
from cret_desktop.gui.shell.menus import MENUS
from cret_desktop.settings import Settings

FEW = (
    Command("find", "&Find\u2026", ("Ctrl+F",)),
    Command("star", "&Star", ("F",), Scope.RESULTS),
    Command("full", "F&ull", ("F", "F11"), Scope.PLAYER),
    Command("plain", "Plain"),
)


@pytest.fixture
def few(qtbot: QtBot) -> Shortcuts:
    return Shortcuts(Preferences(), None, FEW)


def test_no_key_of_the_table_stands_for_two_commands(qtbot: QtBot) -> None:
    shortcuts = Shortcuts(Preferences())
    taken = {
        (command.id, key.toString(), holder.id)
        for command in COMMANDS
        for key in shortcuts.keys(command.id)
        if (holder := shortcuts.holder(command.id, key)) is not None
    }
    assert taken == set()
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)


def test_every_key_of_the_table_is_one_that_qt_knows(qtbot: QtBot) -> None:
    for command in COMMANDS:
        for text in command.keys:
            key = QKeySequence(text, QKeySequence.SequenceFormat.PortableText)
            assert key.count() == 1, (command.id, text)
            first = key[0]  # type: ignore[index]  # PySide6's stubs leave it out
            assert first.key() != Qt.Key.Key_unknown, (command.id, text)
            assert key.toString(QKeySequence.SequenceFormat.PortableText) == text, command.id


def test_mnemonics_of_a_menu_differ() -> None:
    words = {command.id: command.words for command in COMMANDS}
    for menu, ids in MENUS:
        letters = [words[id].partition("&")[2][:1].lower() for id in ids if id]
        doubled = [(a, b) for a, b in combinations(letters, 2) if a and a == b]
        assert doubled == [], menu


def test_every_command_that_is_listed_can_be_done(indexed: Application) -> None:
    """A command of the table without an action would be a line in the list that does nothing."""
    window = indexed.window
    there = {action.objectName().removeprefix("action_") for action in window.findChildren(QAction)}
    missing = {command.id for command in COMMANDS if command.scope is not Scope.PLAYER} - there
    assert missing == set()


def test_keys_are_given_anew_everywhere_at_once(few: Shortcuts, qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    done: list[str] = []
    action = few.action(parent, "find", lambda: done.append("find"))
    assert action.objectName() == "action_find"
    assert action.toolTip() == "Find (Ctrl+F)"
    few.give("find", [QKeySequence("Ctrl+G")])
    assert action.shortcuts() == [QKeySequence("Ctrl+G")]
    assert action.toolTip() == "Find (Ctrl+G)"
    assert not few.is_own("find")
    few.give("find", [QKeySequence("Ctrl+F")])
    assert few.is_own("find")
    few.give("find", [])
    assert action.shortcuts() == []
    few.reset()
    with qtbot.waitActive(parent):
        parent.show()
    qtbot.keyClick(parent, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert done == ["find"]


def test_a_key_is_refused_where_it_would_be_heard_twice(few: Shortcuts) -> None:
    for id, key, holder in [
        ("plain", "Ctrl+F", "find"),
        ("plain", "F", "star"),  # the whole window's keys reach into every part
        ("star", "F11", None),  # results and player are never in front together
        ("full", "Ctrl+F", "find"),
        ("find", "Ctrl+F", None),  # its own
        ("plain", "Ctrl+P", None),
    ]:
        found = few.holder(id, QKeySequence(key))
        assert (found and found.id) == holder, (id, key)
    with pytest.raises(ValueError, match="taken"):
        few.give("plain", [QKeySequence("Ctrl+F")])
    assert few.keys("plain") == []


def test_an_action_that_is_gone_is_forgotten(few: Shortcuts, qtbot: QtBot) -> None:
    parent = QWidget()
    action = few.action(parent, "find", print)
    with qtbot.waitSignal(action.destroyed):
        parent.deleteLater()
    few.give("find", [QKeySequence("Ctrl+G")])


def test_choices_of_a_version_with_other_commands_are_kept(qtbot: QtBot) -> None:
    preferences = Preferences(Settings(shortcuts={"warp": ("Ctrl+W",)}))
    shortcuts = Shortcuts(preferences, None, FEW)
    shortcuts.give("plain", [QKeySequence("Ctrl+P")])
    assert preferences.settings.shortcuts == {"warp": ("Ctrl+W",), "plain": ("Ctrl+P",)}


@pytest.fixture
def dialog(few: Shortcuts, qtbot: QtBot) -> ShortcutsDialog:
    dialog = ShortcutsDialog(few)
    qtbot.addWidget(dialog)
    with qtbot.waitActive(dialog):
        dialog.show()
    return dialog


def _choose(dialog: ShortcutsDialog, qtbot: QtBot, words: str) -> None:
    dialog.search.clear()
    qtbot.keyClicks(dialog.search, words)
    assert dialog.command is not None


def test_the_list_is_searched_by_words_and_by_keys(dialog: ShortcutsDialog, qtbot: QtBot) -> None:
    model = dialog.table.model()
    assert model.rowCount() == len(FEW)
    qtbot.keyClicks(dialog.search, "f11")
    assert [model.index(row, 0).data() for row in range(model.rowCount())] == ["Full"]
    dialog.search.clear()
    qtbot.keyClicks(dialog.search, "nothing like it")
    assert dialog.command is None
    assert not dialog.keys.isEnabled()


def test_a_person_gives_a_command_other_keys(dialog: ShortcutsDialog, few: Shortcuts, qtbot: QtBot) -> None:
    _choose(dialog, qtbot, "plain")
    press = dialog.keys.findChild(QLineEdit)
    qtbot.keyClick(press, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert "already used by \u201cFind\u201d" in dialog.word.text()
    assert not dialog.use.isEnabled()
    dialog.keys.clear()
    qtbot.keyClick(press, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert dialog.use.isEnabled()
    qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    assert few.keys("plain") == [QKeySequence("Ctrl+P")]
    assert dialog.table.model().index(0, 1).data() == "Ctrl+P"
    qtbot.mouseClick(dialog.own, Qt.MouseButton.LeftButton)
    assert few.keys("plain") == []


def test_own_keys_that_another_has_meanwhile_are_not_taken_from_it(
    dialog: ShortcutsDialog, few: Shortcuts, qtbot: QtBot
) -> None:
    few.give("find", [QKeySequence("Ctrl+G")])
    few.give("plain", [QKeySequence("Ctrl+F")])
    _choose(dialog, qtbot, "find")
    qtbot.mouseClick(dialog.own, Qt.MouseButton.LeftButton)
    assert "Already used by \u201cPlain\u201d" in dialog.word.text()
    assert few.keys("find") == [QKeySequence("Ctrl+G")]
    qtbot.mouseClick(dialog.reset, Qt.MouseButton.LeftButton)
    assert few.keys("find") == [QKeySequence("Ctrl+F")]
