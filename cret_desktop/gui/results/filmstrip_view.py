"""Whole videos as filmstrips: one video per row, its pictures side by side in order of time, relevance below.

`Filmstrips` requests the visible ones from the engine and keeps the most recent; the delegate paints them. A filmstrip
always spans the whole video: a longer video shows fewer of its pictures, never only a part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem

from cret_desktop import errors
from cret_desktop.domain.clips import LibraryFile, Picture, Stretch, Thumbnail
from cret_desktop.engine.protocol import GetFilmstrip
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import RADIUS, SPACE, Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, engine_is_lost
from cret_desktop.gui.bridge.thumbnail_cache import Place, ThumbnailCache
from cret_desktop.gui.results.results_delegate import (
    ASPECT,
    LEFT,
    RIGHT,
    USUAL,
    CellDelegate,
    Spot,
    best_thumbnail,
    check_rect,
    placeholder,
)
from cret_desktop.gui.results.results_model import Card, ResultsModel

KEPT = 300  # filmstrips; a screen shows about eight
RELEVANCE_HEIGHT = 5
STRIP_SHARE = 0.8  # a strip's height as a share of a card's picture of the same width


@dataclass(frozen=True, slots=True)
class Filmstrip:
    """A video's clips, and all their pictures by time."""

    stretches: tuple[Stretch, ...]
    thumbnails: tuple[Thumbnail, ...]
    times: tuple[float, ...]

    def at(self, time: float) -> Thumbnail:
        """Return the picture nearest to a time. There must be at least one."""
        after = bisect_left(self.times, time)
        near = [place for place in (after - 1, after) if 0 <= place < len(self.times)]
        return self.thumbnails[min(near, key=lambda place: abs(self.times[place] - time))]


class Filmstrips(QObject):
    """Signals: `ready(int)` the filmstrip of the file with this id has arrived; `failed(Exception)`."""

    ready = Signal(int)
    failed = Signal(object)

    def __init__(self, bridge: EngineBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._text = ""
        self._like: Picture | int | None = None
        # By id and number of clips: a file that was indexed since is requested again. None: requested.
        self._strips: OrderedDict[tuple[int, int], Filmstrip | None] = OrderedDict()

    def set_query(self, text: str, like: Picture | int | None) -> None:
        """Set the query that relevance is computed against."""
        if (text, like) != (self._text, self._like):
            self._text, self._like = text, like
            self._strips.clear()

    def get(self, file: LibraryFile) -> Filmstrip | None:
        """Return the filmstrip of a file, None until it has arrived (`ready` follows) or if the file has no clips."""
        key = (file.id, file.clips)
        if not file.clips or key in self._strips:
            if key in self._strips:
                self._strips.move_to_end(key)
            return self._strips.get(key)
        self._strips[key] = None
        while len(self._strips) > KEPT:
            self._strips.popitem(last=False)
        asked = (self._text, self._like)
        self._bridge.request(
            GetFilmstrip(file.id, self._text, self._like),
            lambda stretches: self._keep(key, asked, stretches),
            lambda error: self._forget(key, error),
        )
        return None

    def _keep(
        self, key: tuple[int, int], asked: tuple[str, Picture | int | None], stretches: tuple[Stretch, ...]
    ) -> None:
        if asked != (self._text, self._like) or key not in self._strips:
            return
        thumbnails = sorted((t for stretch in stretches for t in stretch.thumbnails), key=lambda t: t.time)
        self._strips[key] = Filmstrip(stretches, tuple(thumbnails), tuple(t.time for t in thumbnails))
        self.ready.emit(key[0])

    def _forget(self, key: tuple[int, int], error: BaseException) -> None:
        if self._strips.get(key) is None:
            self._strips.pop(key, None)
        if not isinstance(error, errors.PathError) and not engine_is_lost(
            error
        ):  # removed files and a lost engine are reported elsewhere
            self.failed.emit(error)


class FilmstripDelegate(CellDelegate):
    """A row: the video's name, its filmstrip, and below it the relevance of each clip."""

    def __init__(self, model: ResultsModel, theme: Theme, thumbnails: ThumbnailCache, filmstrips: Filmstrips) -> None:
        super().__init__(model, theme, thumbnails)
        self._filmstrips = filmstrips
        self._font_height = 16
        self.width = USUAL

    def fit(self, available: int, font: QFont) -> tuple[QSize, int]:
        self._font_height = QFontMetrics(font).lineSpacing()
        picture = round((self.width - 2 * SPACE) / ASPECT * STRIP_SHARE)
        return QSize(available, self._font_height + picture + RELEVANCE_HEIGHT + 5 * SPACE), 1

    def picture_rect(self, row: int, cell: QRect) -> QRect:
        """Return the strip's place: as wide as its pictures if a short video does not fill the row."""
        top = cell.top() + 2 * SPACE + self._font_height
        height = cell.bottom() - top - 2 * SPACE - RELEVANCE_HEIGHT
        whole = QRect(cell.left() + SPACE, top, cell.width() - 2 * SPACE, height)
        card = self._model.card(row)
        strip = None if card is None else self._filmstrips.get(card.file)
        if strip is None or not strip.thumbnails:
            return whole
        count, width = _slots(strip, whole)
        return QRect(whole.left(), top, count * width, height) if count * width < whole.width() - width else whole

    def spot_at(self, row: int, cell: QRect, position: QPoint) -> Spot:
        card = self._model.card(row)
        if card is None:
            return Spot.NOTHING if self._model.fold(row) is None else Spot.FOLD
        picture = self.picture_rect(row, cell)
        if check_rect(picture).adjusted(-4, -4, 4, 4).contains(position):
            return Spot.CHECK
        return Spot.PICTURE if picture.contains(position) else Spot.WORDS

    def time_at(self, row: int, cell: QRect, position: QPoint) -> float:
        card, share = self._model.card(row), self.share_at(row, cell, position)
        if card is None or share is None or card.file.duration is None:
            return 0.0
        return share * card.file.duration

    def paint_card(self, painter: QPainter, option: QStyleOptionViewItem, row: int, card: Card) -> None:
        colors, cell = self._theme.colors, option.rect
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        if selected or focused:
            painter.setPen(QPen(QColor(colors.accent), 1) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised) if selected else Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.content_rect(cell)).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        self._paint_words(painter, cell, card, option.font)
        picture, strip = self.picture_rect(row, cell), self._filmstrips.get(card.file)
        duration = card.file.duration
        if strip is None or not strip.thumbnails or not duration:
            first = QRect(picture.topLeft(), QSize(round(picture.height() * ASPECT), picture.height()))
            self.paint_thumbnail(painter, first, best_thumbnail(card), row, placeholder(card))
            return
        share = self.share(row)
        self._paint_pictures(painter, picture, strip, duration, row, share)
        below = QRectF(picture.left(), picture.bottom() + 1 + SPACE / 2, picture.width(), RELEVANCE_HEIGHT)
        self._paint_relevance(painter, below, strip, duration)
        if share is not None:
            self._paint_head(painter, picture, share, formatting.clock(share * duration), option.font)
        if selected or self.is_hovered(row):
            self.paint_check(painter, check_rect(picture), selected)

    def _paint_words(self, painter: QPainter, cell: QRect, card: Card, font: QFont) -> None:
        colors, metrics = self._theme.colors, QFontMetrics(font)
        line = QRect(cell.left() + SPACE, cell.top() + SPACE + 2, cell.width() - 2 * SPACE, self._font_height)
        about = " \u00b7 ".join(part for part in (formatting.state(card.file), formatting.about(card.file)) if part)
        about = metrics.elidedText(about, Qt.TextElideMode.ElideRight, line.width() // 2)
        painter.setFont(font)
        painter.setPen(QColor(colors.muted))
        painter.drawText(line, RIGHT, about)
        room = line.width() - metrics.horizontalAdvance(about) - 2 * SPACE
        painter.setPen(QColor(colors.text))
        name = metrics.elidedText(formatting.file_name(card.file.path), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(line, LEFT, name)

    def _paint_pictures(
        self, painter: QPainter, picture: QRect, strip: Filmstrip, duration: float, row: int, share: float | None
    ) -> None:
        """Spread the pictures over the strip; the slot under the pointer (`share`) shows the picture nearest to it."""
        count, _ = _slots(strip, picture)
        pointed = None if share is None else int(share * count)
        ratio = painter.device().devicePixelRatioF()
        for slot in range(count):
            left = picture.left() + picture.width() * slot // count
            right = picture.left() + picture.width() * (slot + 1) // count
            place = QRect(left, picture.top(), right - left - 1, picture.height())
            across = share if share is not None and slot == pointed else (slot + 0.5) / count
            thumbnail = strip.at(across * duration)
            # One size for all slots of a strip, give or take a pixel: the cache then holds each picture once.
            size = QSize(picture.width() // count, picture.height())
            found = self._thumbnails.picture(thumbnail, Place(size, ratio, cover=True))
            if found is None:
                self.missed(thumbnail.path, row)
            if found is None or found.isNull():
                painter.fillRect(place, QColor(self._theme.colors.well))
            else:
                painter.drawPixmap(place.topLeft(), found)

    def _paint_relevance(self, painter: QPainter, place: QRectF, strip: Filmstrip, duration: float) -> None:
        """Paint a bar below each clip, stronger for higher relevance; nothing without a query."""
        if all(stretch.relevance is None for stretch in strip.stretches):
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colors.line))
        painter.drawRoundedRect(place, 2, 2)
        for stretch in strip.stretches:
            color = QColor(self._theme.colors.accent)
            color.setAlphaF(min(1.0, max(0.0, stretch.relevance or 0.0)))
            left = place.left() + place.width() * min(stretch.start / duration, 1.0)
            right = place.left() + place.width() * min(stretch.end / duration, 1.0)
            painter.fillRect(QRectF(left, place.top(), right - left, place.height()), color)

    def _paint_head(self, painter: QPainter, picture: QRect, share: float, words: str, font: QFont) -> None:
        x = picture.left() + share * picture.width()
        painter.setPen(QPen(QColor(self._theme.colors.accent), 2))
        painter.drawLine(QPointF(x, picture.top()), QPointF(x, picture.bottom()))
        room = QFontMetrics(font).horizontalAdvance(words) + 24
        beside = QPoint(round(x) + 5, picture.top() + 5)
        if beside.x() + room > picture.right():
            beside = QPoint(-(round(x) - 5), picture.top() + 5)
        self.paint_badge(painter, beside, words, font)


def _slots(strip: Filmstrip, picture: QRect) -> tuple[int, int]:
    """Return the number of pictures side by side in a strip's place, and the width of each."""
    _, _, width, height = strip.thumbnails[0].rect
    wide = max(16, round(picture.height() * width / max(height, 1)))
    return max(1, min(picture.width() // wide, len(strip.thumbnails))), wide
