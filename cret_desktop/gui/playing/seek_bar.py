"""The bar under a video: relevance to the query, its moments, the marked range, and the position.

A slider of milliseconds, so that screen readers and keys treat it as one. This module never seeks; it emits the target.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractSlider, QFrame, QLabel, QSizePolicy, QVBoxLayout, QWidget

from cret_desktop.domain.clips import Match, Moment, Stretch, Thumbnail
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import RADIUS, SPACE, Theme
from cret_desktop.gui.bridge.thumbnail_cache import Place, ThumbnailCache

SIDE = 7  # room at both ends for the knob
MARKERS = QRect(0, 0, 0, 8)  # the moments, above
STRIP = QRect(0, 10, 0, 10)  # relevance
GROOVE = QRect(0, 26, 0, 4)
HEIGHT = 36
STEP_MS = 1000
PAGE_MS = 10_000


class SeekBar(QAbstractSlider):
    """Signals:
    sought(float)  the user seeks that time
    pointed(float, int)  the pointer is over that time, at that x
    pointer_left()
    """

    sought = Signal(float)
    pointed = Signal(float, int)
    pointer_left = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.stretches: tuple[Stretch, ...] = ()
        self._moments: tuple[Moment, ...] = ()
        self._marks: tuple[float | None, float | None] = (None, None)
        self._pointer: int | None = None
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setSingleStep(STEP_MS)
        self.setPageStep(PAGE_MS)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Position in the video"))
        theme.changed.connect(self.update)
        self.actionTriggered.connect(self._on_key)

    def set_duration(self, seconds: float) -> None:
        self.setRange(0, round(seconds * 1000))
        self.update()

    def set_time(self, seconds: float) -> None:
        self.setValue(round(seconds * 1000))

    def set_stretches(self, stretches: Sequence[Stretch]) -> None:
        """Set the clips of the video, with or without relevance."""
        self.stretches = tuple(stretches)
        self.update()

    def set_moments(self, moments: Sequence[Moment]) -> None:
        self._moments = tuple(moments)
        self.update()

    def set_marks(self, start: float | None, end: float | None) -> None:
        """Set the marked range; either end may be open."""
        self._marks = start, end
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, HEIGHT)

    # --- the pointer and keys ---------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._seek_at(event.position().toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position().toPoint()
        self._pointer = position.x()
        self.pointed.emit(self.time_at(position.x()), position.x())
        if self.isSliderDown():
            self._seek_at(position)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)

    def leaveEvent(self, event: QEvent) -> None:
        self._pointer = None
        self.pointer_left.emit()
        self.update()
        super().leaveEvent(event)

    def time_at(self, x: int) -> float:
        """Return the time in seconds at x in the widget."""
        share = (x - SIDE) / max(1, self.width() - 2 * SIDE)
        return min(max(share, 0.0), 1.0) * self.maximum() / 1000

    def _seek_at(self, position: QPoint) -> None:
        self.sought.emit(self.time_at(position.x()))

    def _on_key(self, action: int) -> None:
        if action != QAbstractSlider.SliderAction.SliderMove.value:
            self.sought.emit(self.sliderPosition() / 1000)

    # --- painting ---------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors = self._theme.colors
        strip, groove = self._across(STRIP), self._across(GROOVE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.line))
        painter.drawRoundedRect(groove, 2, 2)
        self._paint_relevance(painter, strip)
        self._paint_marks(painter, QRectF(strip.topLeft(), groove.bottomRight()))
        self._paint_moments(painter)
        head = self._x(self.value() / 1000)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.accent))
        painter.drawRoundedRect(QRectF(groove.topLeft(), QPointF(head, groove.bottom())), 2, 2)
        if self._pointer is not None and self.maximum():
            painter.fillRect(
                QRectF(self._x(self.time_at(self._pointer)) - 0.5, 0, 1, self.height()), QColor(colors.muted)
            )
        painter.setPen(QPen(QColor(colors.window), 1.5))
        painter.setBrush(QColor(colors.accent if self.isEnabled() else colors.weak))
        painter.drawEllipse(QPointF(head, groove.center().y()), 6.5, 6.5)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)

    def _paint_relevance(self, painter: QPainter, strip: QRectF) -> None:
        """Paint a bar for each clip, stronger for higher relevance; only the cuts without a query."""
        colors = self._theme.colors
        painter.setBrush(QColor(colors.line))
        painter.drawRoundedRect(strip, 2, 2)
        for stretch in self.stretches:
            place = QRectF(QPointF(self._x(stretch.start), strip.top()), QPointF(self._x(stretch.end), strip.bottom()))
            if stretch.relevance is not None:
                color = QColor(colors.accent)
                color.setAlphaF(min(1.0, max(0.0, stretch.relevance)))
                painter.fillRect(place, color)
        painter.setBrush(QColor(colors.window))
        for before, after in zip(self.stretches, self.stretches[1:], strict=False):
            if before.shot != after.shot:
                painter.drawRect(QRectF(self._x(after.start) - 0.5, strip.top(), 1, strip.height()))

    def _paint_moments(self, painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        for moment in self._moments:
            if moment.match is Match.BROWSED:
                continue
            x = self._x(_best_time(moment))
            painter.setBrush(self._theme.colors.match(moment.match))
            tip = QPolygonF([QPointF(x - 4, 1), QPointF(x + 4, 1), QPointF(x, MARKERS.bottom())])
            painter.drawPolygon(tip)

    def _paint_marks(self, painter: QPainter, place: QRectF) -> None:
        start, end = self._marks
        if start is None and end is None:
            return
        color = QColor(self._theme.colors.text)
        left = self._x(start or 0.0)
        right = self._x(end) if end is not None else place.right()
        band = QColor(color)
        band.setAlphaF(0.22)
        painter.fillRect(QRectF(QPointF(left, place.top() - 1), QPointF(right, place.bottom() + 1)), band)
        painter.setPen(QPen(color, 2))
        for mark, inwards in ((start, 4), (end, -4)):
            if mark is not None:  # a bracket: [ and ]
                x = self._x(mark)
                top, bottom = place.top() - 2, place.bottom() + 2
                painter.drawPolyline(
                    [QPointF(x + inwards, top), QPointF(x, top), QPointF(x, bottom), QPointF(x + inwards, bottom)]
                )

    def _across(self, band: QRect) -> QRectF:
        return QRectF(SIDE, band.top(), max(1, self.width() - 2 * SIDE), band.height())

    def _x(self, seconds: float) -> float:
        share = seconds * 1000 / self.maximum() if self.maximum() else 0.0
        return SIDE + min(max(share, 0.0), 1.0) * max(1, self.width() - 2 * SIDE)


class SeekPicture(QFrame):
    """The picture nearest to the pointer's time on the seek bar, with that time. Covers its parent."""

    def __init__(self, theme: Theme, thumbnails: ThumbnailCache, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self._thumbnails = thumbnails
        self._size = QSize(192, 108)
        self._times: list[float] = []
        self._pictures: list[Thumbnail] = []
        self._shown: Thumbnail | None = None
        self.setProperty("kind", "banner")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._picture = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self._picture.setFixedSize(self._size)
        self._words = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE // 2, SPACE // 2, SPACE // 2, SPACE // 2)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._picture)
        column.addWidget(self._words)
        thumbnails.ready.connect(self._on_ready)
        self.hide()

    def set_stretches(self, stretches: Sequence[Stretch]) -> None:
        self._pictures = sorted((tile for part in stretches for tile in part.thumbnails), key=lambda tile: tile.time)
        self._times = [tile.time for tile in self._pictures]

    def show_at(self, time: float, bottom: QPoint) -> None:
        """Show the picture at a time; `bottom` is the target of the middle of its lower edge, in the parent."""
        self._shown = self._pictures[max(0, bisect_right(self._times, time) - 1)] if self._pictures else None
        self._picture.setVisible(self._shown is not None)
        self._words.setText(formatting.clock(time))
        self._draw()
        self.adjustSize()
        left = min(max(bottom.x() - self.width() // 2, 0), self._over.width() - self.width())
        self.move(left, bottom.y() - self.height())
        self.raise_()
        self.show()

    def _draw(self) -> None:
        if self._shown is not None:
            found = self._thumbnails.picture(self._shown, Place(self._size, self.devicePixelRatioF(), RADIUS // 2))
            if found is not None:
                self._picture.setPixmap(found)

    def _on_ready(self, path: str) -> None:
        if self.isVisible() and self._shown is not None and self._shown.path == path:
            self._draw()


def _best_time(moment: Moment) -> float:
    return moment.thumbnails[moment.best].time if moment.thumbnails else moment.start
