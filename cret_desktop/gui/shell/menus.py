"""The menu bar: the commands of each menu. The window connects their actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow

from cret_desktop.gui.settings.shortcuts import Shortcuts

# Ids of `shortcuts.COMMANDS`, '' for a separator; a command without a slot in the window is omitted.
MENUS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        QT_TRANSLATE_NOOP("menus", "&Library"),
        (
            "add_folder",
            "add_files",
            "look_again",
            "pause",
            "failures",
            "",
            "storage",
            "models",
            "settings",
            "",
            "close_window",
            "quit",
        ),
    ),
    (QT_TRANSLATE_NOOP("menus", "&Edit"), ("undo", "redo")),
    (
        QT_TRANSLATE_NOOP("menus", "&Search"),
        ("search", "paste_picture", "filters", "without", "", "save_search", "show_everything"),
    ),
    (QT_TRANSLATE_NOOP("menus", "&View"), ("folders",)),
    (QT_TRANSLATE_NOOP("menus", "&Help"), ("shortcuts", "about")),
)
ROLES = {
    "settings": QAction.MenuRole.PreferencesRole,
    "about": QAction.MenuRole.AboutRole,
    "quit": QAction.MenuRole.QuitRole,
}


def build_menus(
    window: QMainWindow, shortcuts: Shortcuts, slots: Mapping[str, Callable[..., object]]
) -> dict[str, QAction]:
    """Fill the menu bar with the commands that have a slot. Return the actions by command."""
    actions = {}
    for words, ids in MENUS:
        menu = window.menuBar().addMenu(QCoreApplication.translate("menus", words))
        for id in ids:
            if not id:
                menu.addSeparator()
            elif id in slots:
                action = actions[id] = shortcuts.action(window, id, slots[id])
                action.setMenuRole(ROLES.get(id, QAction.MenuRole.NoRole))
                menu.addAction(action)
    return actions
