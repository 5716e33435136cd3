"""The chips of the search bar: one per filter, one for the query picture.

A chip requests its removal by a signal; it never changes a query.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QKeyEvent, QPainter, QPaintEvent, QPixmap, QTransform
from PySide6.QtWidgets import QPushButton, QWidget

from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import RADIUS, Theme
from cret_desktop.gui.search.operators import operator_words, value_words
from cret_desktop.library.searching.query import Token

LONGEST = 28  # characters of a value that are shown
PICTURE = QSize(36, 24)


class Chip(QPushButton):
    """Removed by a click, Delete or Backspace. Signals: `removed()`, `stepped(int)` by the left (-1) and right key."""

    removed = Signal()
    stepped = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "chip")
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the cross comes after the text
        theme.give_icon(self, "close")
        self.setIconSize(QSize(16, 12))
        self.clicked.connect(self.removed)

    def say(self, text: str, description: str) -> None:
        self.setText(text.replace("&", "&&"))  # not a mnemonic
        self.setAccessibleName(description)
        self.setToolTip(formatting.tooltip(description))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removed.emit()
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.stepped.emit(-1 if event.key() == Qt.Key.Key_Left else 1)
        else:
            super().keyPressEvent(event)


class FilterChip(Chip):
    """An operator with its value; `token` is its typed form."""

    def __init__(self, token: Token, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.token = token
        name, value = operator_words(token.operator), value_words(token.operator, token.value)
        short = value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}\u2026"
        pattern = self.tr("Not {filter}: {value}") if token.negative else self.tr("{filter}: {value}")
        if value != token.value and token.operator != "in" and not token.negative:
            pattern = "{value}"  # the text of a usual value needs no name of the filter
        remove = self.tr("Remove the filter {filter}: {value}")
        self.say(
            pattern.format(filter=name, value=short),
            remove.format(filter=name, value=formatting.shown(token.value)),
        )


class PictureChip(Chip):
    """The chip of a picture, a frame or a moment that is searched by. A null pixmap leaves its place empty."""

    def __init__(self, pixmap: QPixmap, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.say(self.tr("Like this"), self.tr("Stop searching by this picture"))
        self.setProperty("kind", "picture-chip")  # as a chip, with room for the picture at the left
        self._pixmap = pixmap

    def show_picture(self, pixmap: QPixmap) -> None:
        self._pixmap = pixmap
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._pixmap.isNull():
            return
        place = QRectF(3, 3, PICTURE.width(), self.height() - 6)
        size = self._pixmap.deviceIndependentSize()  # the unit of a brush
        shown = size.scaled(place.size(), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        brush = QBrush(self._pixmap)
        scale = shown.width() / size.width()
        middle = place.center() - QPointF(shown.width() / 2, shown.height() / 2)
        brush.setTransform(QTransform(scale, 0, 0, scale, middle.x(), middle.y()))
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(brush)
        painter.drawRoundedRect(place, RADIUS, RADIUS)
        painter.end()
