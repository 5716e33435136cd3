"""The widget for a video's picture: letterboxed, in its own proportions, at any size, with access to a copy.

Painted like any other widget, so that it looks the same with and without a graphics card and other widgets can cover
it. A frame is converted when it is painted: frames faster than the screen are never converted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from cret_desktop.gui.appearance.theme import STAGE

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QVideoFrame


class VideoSurface(QWidget):
    """Signals: `clicked()`, `double_clicked()`, `pointer_moved()`. `radius` rounds the corners of the widget."""

    clicked = Signal()
    double_clicked = Signal()
    pointer_moved = Signal()

    def __init__(self, radius: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._radius = radius
        self._frame: QVideoFrame | None = None
        self._poster: QPixmap | None = None
        self._proportions = QSize()
        self.smooth = True
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 90)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def clear(self, poster: QPixmap | None = None) -> None:
        """Show a still picture, or nothing, until the first frame arrives."""
        self._frame, self._poster, self._proportions = None, poster, QSize()
        self.update()

    def show_poster(self, poster: QPixmap) -> None:
        """Show a still picture that arrived late; a frame that is already shown stays."""
        self._poster = poster
        self.update()

    def set_proportions(self, width: int, height: int) -> None:
        """Set the intended size of the picture, for pixels that are not square."""
        self._proportions = QSize(width, height)
        self.update()

    def show_frame(self, frame: QVideoFrame) -> None:
        self._frame = frame
        self.update()

    @property
    def has_frame(self) -> bool:
        return self._frame is not None

    def image(self) -> QImage:
        """Return the shown frame, upright, at its own size; a null image without one."""
        return QImage() if self._frame is None else self._frame.toImage()

    def picture_rect(self) -> QRectF:
        """Return the place of the picture within the widget."""
        size = QSizeF(self._proportions)
        if size.isEmpty() and self._frame is not None:
            size = QSizeF(self._frame.toImage().size())
        elif size.isEmpty() and self._poster is not None:
            size = self._poster.deviceIndependentSize()
        if size.isEmpty():
            return QRectF()
        size = size.scaled(QSizeF(self.size()), Qt.AspectRatioMode.KeepAspectRatio)
        corner = QPointF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2)
        return QRectF(corner, size)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._radius:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            outline = QPainterPath()
            outline.addRoundedRect(QRectF(self.rect()), self._radius, self._radius)
            painter.setClipPath(outline)
        painter.fillRect(self.rect(), QColor(STAGE))
        place = self.picture_rect()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.smooth or self._frame is None)
        if self._frame is not None:
            painter.drawImage(place, self._frame.toImage())
        elif self._poster is not None:
            painter.drawPixmap(place, self._poster, QRectF(self._poster.rect()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setFocus()
            self.clicked.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.double_clicked.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.pointer_moved.emit()

    def leaveEvent(self, event: QEvent) -> None:
        self.pointer_moved.emit()
        super().leaveEvent(event)
