"""A muted line that offers a better model, with its size. It downloads nothing, and stays hidden once closed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from cret_desktop.engine.protocol import ModelCard
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE, Theme


class ModelOffer(QFrame):
    """Signals: `wanted()`, `declined()`."""

    wanted = Signal()
    declined = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._text.setProperty("kind", "muted")
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.look = QPushButton(self.tr("Models\u2026"))
        self.look.setProperty("kind", "quiet")
        self.close_button = QToolButton()
        self.close_button.setAccessibleName(self.tr("Do not show this again"))
        self.close_button.setToolTip(self.tr("Do not show this again"))
        theme.give_icon(self.close_button, "close")
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE, 0, SPACE * 2, SPACE)
        row.setSpacing(SPACE)
        row.addWidget(self._text, 1)
        row.addWidget(self.look)
        row.addWidget(self.close_button)
        self.look.clicked.connect(self.wanted)
        self.close_button.clicked.connect(self.declined)
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def show_offer(self, card: ModelCard | None) -> None:
        """Show the offer of a model; hide it for None."""
        if card is not None:
            self._text.setText(
                self.tr("A better model can be downloaded: {title}, about {size}.").format(
                    title=card.title, size=formatting.download_size(card.size)
                )
            )
        self.setVisible(card is not None)
