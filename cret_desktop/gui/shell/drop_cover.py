"""The overlay during a drag with droppable content. Takes no drops itself."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from cret_desktop.gui.appearance.theme import SPACE, Theme


class DropCover(QFrame):
    """Covers `covered` while it is shown, and says what a drop would do."""

    def __init__(self, theme: Theme, covered: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._covered = covered
        self.setProperty("kind", "drop")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._icon = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self._words = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self._words.setProperty("kind", "title")
        column = QVBoxLayout(self)
        column.setSpacing(SPACE * 2)
        column.addStretch()
        column.addWidget(self._icon)
        column.addWidget(self._words)
        column.addStretch()
        self.hide()

    @property
    def text(self) -> str:
        return self._words.text()

    def cover(self, picture: bool = False) -> None:
        """Show the offer to add to the library, or to search by a `picture`."""
        words = self.tr("Drop to find similar moments") if picture else self.tr("Drop to add to the library")
        self._words.setText(words)
        icon = self._theme.icon("picture" if picture else "drop", self._theme.colors.accent)
        self._icon.setPixmap(icon.pixmap(64, 64))
        self.fit()
        self.raise_()
        self.show()

    def fit(self) -> None:
        """Match the covered widget's size, also after a change."""
        self.setGeometry(self._covered.geometry())
