"""Paints one result: the picture that matched, its time, its file's name and how well it matches.

The picture comes out of the strip that `ThumbnailCache` gives; while it is being read the place is left as a well.
Geometry is decided here alone, the view asks for it. File names are drawn as plain text.
"""

from __future__ import annotations

import os

from PySide6.QtCore import QObject, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter, QPen, QPixmap, QPixmapCache
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from cret_desktop.clips import Match, Moment, Thumbnail
from cret_desktop.gui import wording
from cret_desktop.gui.results_model import Index, Role
from cret_desktop.gui.theme import RADIUS, SPACE, Theme
from cret_desktop.gui.thumbnail_cache import ThumbnailCache

ASPECT = 16 / 9
CARD_WIDTH = 216  # the smallest; cards grow to fill the row
FADED = 0.5
CROPPED = 0.26  # a picture fills its place where at most this share of it is cut: 4:3 does, upright video does not


class ResultsDelegate(QStyledItemDelegate):
    """`scrub` is what the pointer is over: a row, and the tile to show there instead of the best one.

    `fade_weak` tells whether weak moments stand back; where all are weak, there is nothing to stand back from.
    """

    def __init__(self, theme: Theme, thumbnails: ThumbnailCache, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._thumbnails = thumbnails
        self._card = QSize(CARD_WIDTH, CARD_WIDTH)
        self.scrub: tuple[QPersistentModelIndex, int] | None = None
        self.fade_weak = True

    def fit(self, available: int, font: QFont) -> QSize:
        """Choose the card's size so that whole columns fill `available` pixels; returns it."""
        columns = max(1, available // CARD_WIDTH)
        width = max(available // columns, CARD_WIDTH // 2)
        picture = round((width - 2 * SPACE) / ASPECT)
        self._card = QSize(width, picture + 2 * QFontMetrics(font).lineSpacing() + 4 * SPACE)
        return self._card

    @staticmethod
    def picture_rect(card: QRect) -> QRect:
        """Where the picture of a card lies."""
        width = card.width() - 2 * SPACE
        return QRect(card.left() + SPACE, card.top() + SPACE, width, round(width / ASPECT))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self._card

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        moment: Moment = index.data(Role.MOMENT)
        colors = self._theme.colors
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        card: QRect = option.rect
        picture = self.picture_rect(card)
        tile = self._tile(moment, index)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised))
            painter.drawRoundedRect(QRectF(card).adjusted(2, 2, -2, -6), RADIUS + 2, RADIUS + 2)
        faded = self.fade_weak and moment.match is Match.WEAK and not selected and self.scrub_tile(index) is None
        painter.setOpacity(FADED if faded else 1.0)
        self._paint_picture(painter, picture, moment.thumbnails[tile] if moment.thumbnails else None)
        painter.setOpacity(1.0)
        if selected:
            painter.setPen(QPen(QColor(colors.accent), 2 if focused else 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(picture).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        if self.scrub_tile(index) is None:
            self._paint_badge(painter, picture, wording.span(moment.start, moment.end), option.font)
        else:
            self._paint_badge(painter, picture, wording.clock(moment.thumbnails[tile].time), option.font)
            self._paint_position(painter, picture, tile, len(moment.thumbnails))
        self._paint_words(painter, card, picture, moment, option.font)
        painter.restore()

    def scrub_tile(self, index: Index) -> int | None:
        """The tile that the pointer has chosen on this card, if it is there."""
        if self.scrub is None or self.scrub[0] != index:
            return None
        return self.scrub[1]

    def _tile(self, moment: Moment, index: Index) -> int:
        chosen = self.scrub_tile(index)
        return moment.best if chosen is None else min(chosen, len(moment.thumbnails) - 1)

    def _paint_picture(self, painter: QPainter, place: QRect, thumbnail: Thumbnail | None) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colors.well))
        painter.drawRoundedRect(QRectF(place), RADIUS, RADIUS)
        strip = QPixmap() if thumbnail is None else self._thumbnails.strip(thumbnail.path)
        if strip is None:
            return
        if strip.isNull() or thumbnail is None:
            icon = self._theme.icon("film", self._theme.colors.weak)
            icon.paint(painter, QRect(place.center().x() - 16, place.center().y() - 16, 32, 32))
            return
        picture = self._fitted(strip, thumbnail, place.size(), painter.device().devicePixelRatioF())
        size = picture.deviceIndependentSize()
        left = place.left() + (place.width() - size.width()) / 2
        top = place.top() + (place.height() - size.height()) / 2
        fills = size.width() >= place.width() - 1 and size.height() >= place.height() - 1
        if fills:  # a texture, because a clip path would leave the corners jagged
            brush = QBrush(picture)
            painter.setBrushOrigin(QPointF(left, top))
            painter.setBrush(brush)
            painter.drawRoundedRect(QRectF(place), RADIUS, RADIUS)
        else:
            painter.drawPixmap(QPointF(left, top), picture)

    @staticmethod
    def _fitted(strip: QPixmap, thumbnail: Thumbnail, place: QSize, ratio: float) -> QPixmap:
        """The tile scaled to device pixels: filling `place` where little is cut, inside it otherwise."""
        key = f"{thumbnail.path}|{thumbnail.rect}|{place.width()}x{place.height()}@{ratio}"
        found = QPixmap()
        if QPixmapCache.find(key, found):
            return found
        target = place * ratio
        tile = strip.copy(QRect(*thumbnail.rect))
        shapes = sorted((tile.width() * target.height(), target.width() * tile.height()))
        fill = shapes[1] > 0 and 1 - shapes[0] / shapes[1] <= CROPPED
        mode = Qt.AspectRatioMode.KeepAspectRatioByExpanding if fill else Qt.AspectRatioMode.KeepAspectRatio
        scaled = tile.scaled(target, mode, Qt.TransformationMode.SmoothTransformation)
        if fill:
            left, top = (scaled.width() - target.width()) // 2, (scaled.height() - target.height()) // 2
            scaled = scaled.copy(QRect(left, top, target.width(), target.height()))
        scaled.setDevicePixelRatio(ratio)
        QPixmapCache.insert(key, scaled)
        return scaled

    @staticmethod
    def _paint_badge(painter: QPainter, picture: QRect, text: str, base: QFont) -> None:
        font = QFont(base)
        font.setPointSizeF(base.pointSizeF() * 0.9)
        metrics = QFontMetrics(font)
        width, height = metrics.horizontalAdvance(text) + 12, metrics.height() + 4
        badge = QRectF(picture.right() - width - 5, picture.bottom() - height - 5, width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 178))  # on a picture, whatever the scheme
        painter.drawRoundedRect(badge, 4, 4)
        painter.setPen(QColor("white"))
        painter.setFont(font)
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_position(self, painter: QPainter, picture: QRect, tile: int, tiles: int) -> None:
        bar = QRectF(picture.left() + RADIUS, picture.bottom() - 3, picture.width() - 2 * RADIUS, 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 128))
        painter.drawRect(bar)
        painter.setBrush(QColor(self._theme.colors.accent))
        painter.drawRect(QRectF(bar.left() + bar.width() * tile / tiles, bar.top(), bar.width() / tiles, 3))

    def _paint_words(self, painter: QPainter, card: QRect, picture: QRect, moment: Moment, font: QFont) -> None:
        colors = self._theme.colors
        metrics = QFontMetrics(font)
        line = metrics.lineSpacing()
        left, width = picture.left(), picture.width()
        painter.setFont(font)
        name = metrics.elidedText(wording.file_name(moment.path), Qt.TextElideMode.ElideMiddle, width)
        painter.setPen(QColor(colors.text))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
        first = QRect(left, picture.bottom() + SPACE, width, line)
        painter.drawText(first, flags, name)
        second = first.translated(0, line + 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colors.match(moment.match))
        painter.drawEllipse(QPointF(left + 4, second.center().y() + 1), 3.5, 3.5)
        rest = wording.match(moment.match)
        folder = wording.file_name(os.path.dirname(moment.path))
        if folder:
            rest = f"{rest} \u00b7 {folder}"
        painter.setPen(QColor(colors.muted))
        words = second.adjusted(14, 0, 0, 0)
        painter.drawText(words, flags, metrics.elidedText(rest, Qt.TextElideMode.ElideRight, words.width()))
