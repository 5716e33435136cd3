"""The page for a library without files: an invitation that fits its state."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from cret_desktop.engine.protocol import LibraryStatus
from cret_desktop.gui.appearance.theme import SPACE, Theme

ICON = 64


class StartPage(QWidget):
    """Signals: `add_wanted()`."""

    add_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._icon_name = "film"
        centre = Qt.AlignmentFlag.AlignCenter
        self._icon = QLabel(alignment=centre)
        self._title = QLabel(alignment=centre, wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._title.setProperty("kind", "title")
        self._words = QLabel(alignment=centre, wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._words.setProperty("kind", "muted")
        self.add = QPushButton(self.tr("Add folder\u2026"))
        self.add.setProperty("kind", "primary")
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 4, SPACE * 4, SPACE * 4, SPACE * 8)
        column.setSpacing(SPACE)
        column.addStretch()
        column.addWidget(self._icon)
        column.addSpacing(SPACE)
        column.addWidget(self._title)
        column.addWidget(self._words)
        column.addSpacing(SPACE)
        column.addWidget(self.add, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch()
        self.add.clicked.connect(self.add_wanted)
        theme.changed.connect(self._paint_icon)
        self.show_opening()

    @property
    def title(self) -> str:
        return self._title.text()

    def show_opening(self) -> None:
        self._show("film", self.tr("Opening the library\u2026"), "", False)

    def show_status(self, status: LibraryStatus) -> None:
        if not status.folders:
            self._show(
                "drop",
                self.tr("Drop a folder here"),
                self.tr("Then search its videos by describing what they show. Nothing leaves this computer."),
                True,
            )
        elif status.files:  # they are about to be shown
            self.show_opening()
        elif status.indexing:
            self._show(
                "film",
                self.tr("Looking for videos\u2026"),
                self.tr("They appear here right away, and can be searched as soon as the first one is indexed."),
                False,
            )
        else:
            self._show(
                "film",
                self.tr("No video found yet"),
                self.tr("The folders in this library contain no readable video. Add another folder."),
                True,
            )

    def _show(self, icon: str, title: str, words: str, invite: bool) -> None:
        self._icon_name = icon
        self._title.setText(title)
        self._words.setText(words)
        self.add.setVisible(invite)
        self._paint_icon()

    def _paint_icon(self) -> None:
        icon = self._theme.icon(self._icon_name, self._theme.colors.muted)
        self._icon.setPixmap(icon.pixmap(ICON, ICON))
