"""A line of text that ends in an ellipsis if there is no room for all of it; QLabel's text is cut off."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """Takes the remaining room; with `modest`, no more than its text needs."""

    def __init__(
        self,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
        modest: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent, textFormat=Qt.TextFormat.PlainText)
        self._elide = elide
        wide = QSizePolicy.Policy.Preferred if modest else QSizePolicy.Policy.Ignored
        self.setSizePolicy(wide, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        text = self.fontMetrics().elidedText(self.text(), self._elide, self.width())
        QPainter(self).drawText(self.rect(), self.alignment() | Qt.TextFlag.TextSingleLine, text)
