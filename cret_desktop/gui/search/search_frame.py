"""The frame around a line edit, which shows the focus of the line inside it. Independent of searching."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QFrame, QLineEdit, QWidget


class SearchFrame(QFrame):
    """Sets the dynamic property `focused` for the style sheet while `line` has the focus."""

    def __init__(self, line: QLineEdit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "search")
        line.setProperty("kind", "bare")
        line.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.setProperty("focused", event.type() == QEvent.Type.FocusIn)
            self.style().unpolish(self)  # style sheets read properties only when polished again
            self.style().polish(self)
        return super().eventFilter(watched, event)
