"""The second line of a search: what to exclude. The models do not understand negation inside a description.

Searches while typing, like the line above it. Never sends a request to the engine.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QToolButton, QWidget

from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.search.search_frame import SearchFrame

DEBOUNCE_MS = 10  # no longer: the engine cancels a search as soon as the next one arrives


class WithoutBox(SearchFrame):
    """Signals: `excluded(text, live)`, with '' when it was cleared; `closed()` by Esc or the cross."""

    excluded = Signal(str, bool)
    closed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        line = QLineEdit()
        super().__init__(line, parent)
        self.line = line
        caption = QLabel(self.tr("Without"))
        caption.setProperty("kind", "caption")
        self.line.setAcceptDrops(False)
        self.line.setPlaceholderText(self.tr("What moments must not show, for example people"))
        self.line.setAccessibleName(self.tr("Without"))
        self.close_button = QToolButton()
        self.close_button.setToolTip(self.tr("Exclude nothing"))
        self.close_button.setAccessibleName(self.tr("Exclude nothing"))
        theme.give_icon(self.close_button, "close")
        caption.setBuddy(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE * 3 // 2, SPACE // 2, SPACE // 2, SPACE // 2)
        row.setSpacing(SPACE)
        row.addWidget(caption)
        row.addWidget(self.line, 1)
        row.addWidget(self.close_button)
        self.setFocusProxy(self.line)
        self._debounce = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self.line.textEdited.connect(lambda _: self._debounce.start())
        self.line.returnPressed.connect(lambda: self._send(live=False))
        self._debounce.timeout.connect(lambda: self._send(live=True))
        self.close_button.clicked.connect(self.closed)

    def text(self) -> str:
        return self.line.text().strip()

    def set_text(self, text: str) -> None:
        if text != self.line.text():
            self.line.setText(text)
            self._send(live=False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _send(self, live: bool) -> None:
        self._debounce.stop()
        self.excluded.emit(self.text(), live)
