"""Every command of the window with its text and keys, in one table, and the QActions for them.

`Shortcuts.action` creates every QAction with keys in the window; the user may change a command's keys, and every action
follows at once. No other module names a key of a command. This module never knows what a command does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from cret_desktop.gui.bridge.connections import connect_for
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.settings import Settings


class Scope(Enum):
    """The part of the window in which a command's keys work.

    Keys of the whole window are unique; those of different other scopes may coincide.
    """

    WINDOW = "window"
    RESULTS = "results"
    PLAYER = "player"


@dataclass(frozen=True, slots=True)
class Command:
    """`words` is the menu text, with its mnemonic; `keys` are the command's defaults, in Qt's portable form."""

    id: str
    words: Any  # a str; Qt's NOOP is annotated to return an object
    keys: tuple[str, ...] = ()
    scope: Scope = Scope.WINDOW

    @property
    def text(self) -> str:
        """The text in the window's language."""
        return QCoreApplication.translate("shortcuts", self.words)

    @property
    def title(self) -> str:
        """The text for a list: without mnemonic and dots."""
        return self.text.replace("&", "").removesuffix("\u2026")


W, R, P = Scope.WINDOW, Scope.RESULTS, Scope.PLAYER

COMMANDS = (
    Command("add_folder", QT_TRANSLATE_NOOP("shortcuts", "&Add folder\u2026"), ("Ctrl+O",)),
    Command("add_files", QT_TRANSLATE_NOOP("shortcuts", "Add &files\u2026"), ("Ctrl+Shift+O",)),
    Command("look_again", QT_TRANSLATE_NOOP("shortcuts", "&Look for new videos"), ("F5",)),
    Command("pause", QT_TRANSLATE_NOOP("shortcuts", "Paus&e or resume indexing")),
    Command("failures", QT_TRANSLATE_NOOP("shortcuts", "&Videos that could not be read\u2026")),
    Command("storage", QT_TRANSLATE_NOOP("shortcuts", "&Backup and storage\u2026")),
    Command("settings", QT_TRANSLATE_NOOP("shortcuts", "&Settings\u2026"), ("Ctrl+,",)),
    Command("models", QT_TRANSLATE_NOOP("shortcuts", "&Models\u2026")),
    Command("close_window", QT_TRANSLATE_NOOP("shortcuts", "&Close window"), ("Ctrl+W",)),
    Command("quit", QT_TRANSLATE_NOOP("shortcuts", "&Quit"), ("Ctrl+Q",)),
    Command("undo", QT_TRANSLATE_NOOP("shortcuts", "&Undo"), ("Ctrl+Z",)),
    Command("redo", QT_TRANSLATE_NOOP("shortcuts", "&Redo"), ("Ctrl+Shift+Z", "Ctrl+Y")),
    Command("paste_picture", QT_TRANSLATE_NOOP("shortcuts", "Search by copied &picture"), ("Ctrl+V",)),
    Command("filters", QT_TRANSLATE_NOOP("shortcuts", "F&ilters\u2026"), ("Ctrl+Shift+F",)),
    Command("without", QT_TRANSLATE_NOOP("shortcuts", "&Without\u2026"), ("Ctrl+Shift+X",)),
    Command("save_search", QT_TRANSLATE_NOOP("shortcuts", "Sa&ve or remove this search"), ("Ctrl+S",)),
    Command("show_everything", QT_TRANSLATE_NOOP("shortcuts", "Show &all videos"), ("Ctrl+Shift+A",)),
    Command("search", QT_TRANSLATE_NOOP("shortcuts", "&Search"), ("Ctrl+F",)),
    Command("folders", QT_TRANSLATE_NOOP("shortcuts", "&Folders"), ("F9",)),
    Command("as_grid", QT_TRANSLATE_NOOP("shortcuts", "As a &grid"), ("Ctrl+1",)),
    Command("as_list", QT_TRANSLATE_NOOP("shortcuts", "As a &list"), ("Ctrl+2",)),
    Command("as_filmstrip", QT_TRANSLATE_NOOP("shortcuts", "As film&strips"), ("Ctrl+3",)),
    Command("larger", QT_TRANSLATE_NOOP("shortcuts", "La&rger thumbnails"), ("Ctrl++", "Ctrl+=")),
    Command("smaller", QT_TRANSLATE_NOOP("shortcuts", "S&maller thumbnails"), ("Ctrl+-",)),
    Command("open", QT_TRANSLATE_NOOP("shortcuts", "&Open"), ("Return", "Enter"), R),
    Command("preview", QT_TRANSLATE_NOOP("shortcuts", "&Preview"), ("Space",), R),
    Command("play_elsewhere", QT_TRANSLATE_NOOP("shortcuts", "Open in another pla&yer"), ("Shift+Return",), R),
    Command("more_like_this", QT_TRANSLATE_NOOP("shortcuts", "&More like this"), ("L",), R),
    Command("other_moments", QT_TRANSLATE_NOOP("shortcuts", "Show or &hide the video's other moments"), ("M",), R),
    Command("favourite", QT_TRANSLATE_NOOP("shortcuts", "&Favourite"), ("F",), R),
    Command("tags", QT_TRANSLATE_NOOP("shortcuts", "&Tags\u2026"), ("T",), R),
    Command("note", QT_TRANSLATE_NOOP("shortcuts", "&Note\u2026"), ("N",), R),
    Command("export", QT_TRANSLATE_NOOP("shortcuts", "&Export\u2026"), ("E",), R),
    Command("reveal", QT_TRANSLATE_NOOP("shortcuts", "&Show in folder"), ("Ctrl+R",), R),
    Command("copy_paths", QT_TRANSLATE_NOOP("shortcuts", "&Copy path"), ("Ctrl+C",), R),
    Command("search_folder", QT_TRANSLATE_NOOP("shortcuts", "Search in this fol&der"), (), R),
    Command("shortcuts", QT_TRANSLATE_NOOP("shortcuts", "&Keyboard shortcuts\u2026"), ("F1",)),
    Command("about", QT_TRANSLATE_NOOP("shortcuts", "&About CRET Desktop\u2026")),
    Command("player_back", QT_TRANSLATE_NOOP("shortcuts", "&Back to the results"), ("Esc", "Backspace"), P),
    Command("play_pause", QT_TRANSLATE_NOOP("shortcuts", "&Play or pause"), ("Space", "K"), P),
    Command("play_faster", QT_TRANSLATE_NOOP("shortcuts", "Play, again for &faster"), ("L",), P),
    Command("play_backwards", QT_TRANSLATE_NOOP("shortcuts", "Play back&wards, again for faster"), ("J",), P),
    Command("frame_back", QT_TRANSLATE_NOOP("shortcuts", "One frame back"), (",", "Shift+Left"), P),
    Command("frame_forward", QT_TRANSLATE_NOOP("shortcuts", "One frame forward"), (".", "Shift+Right"), P),
    Command("previous_moment", QT_TRANSLATE_NOOP("shortcuts", "P&revious moment"), ("Left",), P),
    Command("next_moment", QT_TRANSLATE_NOOP("shortcuts", "&Next moment"), ("Right",), P),
    Command("mark_start", QT_TRANSLATE_NOOP("shortcuts", "Mark the &start"), ("I",), P),
    Command("mark_end", QT_TRANSLATE_NOOP("shortcuts", "Mark the &end"), ("O",), P),
    Command("clear_marks", QT_TRANSLATE_NOOP("shortcuts", "&Clear the marks"), ("X",), P),
    Command("export_marked", QT_TRANSLATE_NOOP("shortcuts", "E&xport the marked range\u2026"), ("E",), P),
    Command("repeat", QT_TRANSLATE_NOOP("shortcuts", "Repea&t"), ("R",), P),
    Command("mute", QT_TRANSLATE_NOOP("shortcuts", "Sound &off or on"), ("M",), P),
    Command("louder", QT_TRANSLATE_NOOP("shortcuts", "Louder"), ("Up",), P),
    Command("softer", QT_TRANSLATE_NOOP("shortcuts", "Quieter"), ("Down",), P),
    Command("player_favourite", QT_TRANSLATE_NOOP("shortcuts", "&Favourite"), ("F",), P),
    Command("player_tags", QT_TRANSLATE_NOOP("shortcuts", "&Tags\u2026"), ("T",), P),
    Command("like_frame", QT_TRANSLATE_NOOP("shortcuts", "More &like this frame"), ("S",), P),
    Command("player_elsewhere", QT_TRANSLATE_NOOP("shortcuts", "Open in another pla&yer"), ("Shift+Return",), P),
    Command("full_screen", QT_TRANSLATE_NOOP("shortcuts", "F&ull screen"), ("F11",), P),
)


class Shortcuts(QObject):
    """Signals: `changed()` after keys have changed."""

    changed = Signal()

    def __init__(
        self, preferences: Preferences, parent: QObject | None = None, commands: Iterable[Command] = COMMANDS
    ) -> None:
        super().__init__(parent)
        self.commands = {command.id: command for command in commands}
        self._preferences = preferences
        preferences.changed.connect(self._on_preferences)

    def action(self, parent: QWidget, id: str, slot: Callable[..., object]) -> QAction:
        """Return a QAction of `parent` for the command `id`, named "action_" + id, with its text and keys.

        Keys of the window's scope work in the whole window, others while `parent` or a child has the focus. Raises:
        KeyError for a command that is not in the table.
        """
        command = self.commands[id]
        action = QAction(command.text, parent)
        action.setObjectName(f"action_{id}")
        if command.scope is not Scope.WINDOW:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)

        def give_keys() -> None:
            action.setShortcuts(self.keys(id))
            action.setToolTip(self.hint(id))

        give_keys()
        connect_for(action, self.changed, give_keys)
        action.triggered.connect(slot)
        parent.addAction(action)
        return action

    def keys(self, id: str) -> list[QKeySequence]:
        """Return the present keys of a command."""
        chosen = self._preferences.settings.shortcuts.get(id, self.commands[id].keys)
        return [QKeySequence(text, QKeySequence.SequenceFormat.PortableText) for text in chosen]

    def shown_keys(self, id: str) -> str:
        """Return the keys in the system's notation: 'K, Space'."""
        return ", ".join(key.toString(QKeySequence.SequenceFormat.NativeText) for key in self.keys(id))

    def hint(self, id: str) -> str:
        """Return text and keys, for a tool tip."""
        keys = self.shown_keys(id)
        return f"{self.commands[id].title} ({keys})" if keys else self.commands[id].title

    def is_own(self, id: str) -> bool:
        """Return whether a command has its default keys."""
        return id not in self._preferences.settings.shortcuts

    def holder(self, id: str, key: QKeySequence) -> Command | None:
        """Return the other command that uses `key` where command `id` works; None if it is free."""
        scope = self.commands[id].scope
        for other in self.commands.values():
            meets = Scope.WINDOW in (scope, other.scope) or scope is other.scope
            if other.id != id and meets and any(_clash(key, taken) for taken in self.keys(other.id)):
                return other
        return None

    def give(self, id: str, keys: Iterable[QKeySequence]) -> None:
        """Set the keys of a command. Raises: ValueError if one belongs to another command."""
        wanted = list(keys)
        if any(self.holder(id, key) for key in wanted):
            raise ValueError(f"a key of {id} is taken")
        texts = tuple(key.toString(QKeySequence.SequenceFormat.PortableText) for key in wanted)
        chosen = {name: value for name, value in self._preferences.settings.shortcuts.items() if name != id}
        if texts != self.commands[id].keys:
            chosen[id] = texts
        self._preferences.change(shortcuts=chosen)

    def reset(self) -> None:
        """Reset every command to its default keys."""
        self._preferences.change(shortcuts={})

    def _on_preferences(self, before: Settings, now: Settings) -> None:
        if before.shortcuts != now.shortcuts:
            self.changed.emit()


def _clash(first: QKeySequence, second: QKeySequence) -> bool:
    """Return whether one of two sequences equals or begins with the other, so that Qt could not tell them apart."""
    none = QKeySequence.SequenceMatch.NoMatch
    return first.matches(second) != none or second.matches(first) != none
