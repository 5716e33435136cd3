"""The line in which a query is typed: live while typing, at once by Enter, cleared by Esc. Never asks the engine."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from cret_desktop.gui.theme import Theme

DEBOUNCE_MS = 120


class SearchBar(QLineEdit):
    """Signals: `searched(text, live)`, with '' when the line was cleared; `left_downwards()` by the down key."""

    searched = Signal(str, bool)
    left_downwards = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "search")
        self.setPlaceholderText(self.tr("Describe a moment: a dog running on a beach"))
        self.setAccessibleName(self.tr("Search"))
        self.setClearButtonEnabled(True)
        self.setAcceptDrops(False)  # a dropped folder is for the window, not text for this line
        self._lens = self.addAction(theme.icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self._debounce = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        theme.give_icon(self._lens, "search")
        self._connect_signals()

    def _connect_signals(self) -> None:
        self.textEdited.connect(self._on_edited)
        self.textChanged.connect(self._on_changed)
        self.returnPressed.connect(self._search_now)
        self._debounce.timeout.connect(lambda: self.searched.emit(self.text(), True))

    def search(self, text: str) -> None:
        """Type `text` and search it."""
        self.setText(text)
        self._search_now()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() == Qt.Key.Key_Down:
            self.left_downwards.emit()
        else:
            super().keyPressEvent(event)

    def _on_edited(self, text: str) -> None:
        if text:
            self._debounce.start()

    def _on_changed(self, text: str) -> None:
        if not text:  # by keys, by the clear button or by Esc
            self._debounce.stop()
            self.searched.emit("", False)

    def _search_now(self) -> None:
        self._debounce.stop()
        self.searched.emit(self.text(), False)
