"""Paints results: a card with the picture that matched, badges and text, and the divider above weaker matches.

Pictures come from `ThumbnailCache` ready to draw; one that is still being read is painted as a well. Geometry is
decided only here; the view queries it. File names are drawn as plain text.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from enum import Enum, auto

from PySide6.QtCore import QPersistentModelIndex, QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from cret_desktop.domain.clips import Match, Thumbnail
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import FAVOURITE, ON_SCRIM, RADIUS, SCRIM, SPACE, Theme
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.bridge.thumbnail_cache import Place, ThumbnailCache
from cret_desktop.gui.results.results_model import Card, Fold, ResultsModel

ASPECT = 16 / 9
SMALLEST, USUAL, LARGEST = 136, 216, 440  # card widths that the user selects; cards grow to fill the row
ROOMY = 176  # narrower pictures have room for one badge at the bottom
FADED = 0.5
CHECK = 20
BADGE_ICON = 14
DRAGGED = QSize(160, 90)

LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


class Spot(Enum):
    """The part of a cell under the pointer."""

    NOTHING = auto()
    PICTURE = auto()
    CHECK = auto()
    WORDS = auto()
    FOLD = auto()


class CellDelegate(QStyledItemDelegate):
    """The common part of cards and filmstrips: the divider, pictures, badges.

    `scrub` is the row under the pointer and the position across its picture, in [0, 1). `hovered` is the row under the
    pointer, anywhere on it. `missed(path, row)` is called for each picture that a row still waits for.
    """

    def __init__(self, model: ResultsModel, theme: Theme, thumbnails: ThumbnailCache) -> None:
        super().__init__()
        self._model = model
        self._theme = theme
        self._thumbnails = thumbnails
        self.scrub: tuple[QPersistentModelIndex, float] | None = None
        self.hovered: QPersistentModelIndex | None = None
        self.missed: Callable[[str, int], None] = lambda path, row: None

    # --- geometry ---------------------------------------------------------------------------------------------

    @abstractmethod
    def fit(self, available: int, font: QFont) -> tuple[QSize, int]:
        """Return the cell size and the number of columns that fill `available` pixels."""

    @abstractmethod
    def picture_rect(self, row: int, cell: QRect) -> QRect:
        """Return the place of a row's picture within `cell`."""

    @abstractmethod
    def paint_card(self, painter: QPainter, option: QStyleOptionViewItem, row: int, card: Card) -> None:
        """Paint a loaded card."""

    @abstractmethod
    def spot_at(self, row: int, cell: QRect, position: QPoint) -> Spot:
        """Return the part of a cell at a point."""

    @abstractmethod
    def time_at(self, row: int, cell: QRect, position: QPoint) -> float:
        """Return the time in seconds that is shown while the pointer is at a point of the picture."""

    @staticmethod
    def content_rect(cell: QRect) -> QRect:
        return cell.adjusted(SPACE // 2, SPACE // 2, -SPACE // 2, -SPACE // 2)

    def divider_height(self, font: QFont) -> int:
        return QFontMetrics(font).lineSpacing() + 4 * SPACE

    def share_at(self, row: int, cell: QRect, position: QPoint) -> float | None:
        """Return the position across the picture of a point, in [0, 1); None outside it."""
        if self._model.card(row) is None:
            return None
        picture = self.picture_rect(row, cell)
        return (position.x() - picture.left()) / picture.width() if picture.contains(position) else None

    def best_time(self, row: int) -> float:
        """Return the time at which the row's moment opens if no time is pointed at."""
        card = self._model.card(row)
        return 0.0 if card is None else opening_time(card)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return option.rect.size()

    # --- painting ---------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a cell. The painter must have antialiasing enabled."""
        row = index.row()
        card = self._model.card(row)
        if card is not None:
            self.paint_card(painter, option, row, card)
        elif (fold := self._model.fold(row)) is not None:
            self._paint_divider(painter, option, fold)
        else:
            self._paint_well(painter, self.picture_rect(row, option.rect))

    def share(self, row: int) -> float | None:
        """Return the pointer's position across this row's picture, None if it is elsewhere."""
        return self.scrub[1] if self.scrub is not None and self.scrub[0].row() == row else None

    def is_hovered(self, row: int) -> bool:
        return self.hovered is not None and self.hovered.row() == row

    def drag_picture(self, rows: list[int], ratio: float, font: QFont) -> QPixmap:
        """Return the picture at the pointer for dragged rows: the first one's picture, and the number of rows."""
        size = DRAGGED
        pixmap = QPixmap(size * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card = self._model.card(rows[0])
        if card is not None:
            self.paint_thumbnail(painter, QRect(QPoint(0, 0), size), best_thumbnail(card), rows[0])
        if len(rows) > 1:
            text = str(len(rows))
            metrics = QFontMetrics(font)
            width = max(metrics.horizontalAdvance(text) + 12, metrics.height() + 4)
            badge = QRectF(size.width() - width - 4, 4, width, metrics.height() + 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self._theme.colors.accent))
            painter.drawRoundedRect(badge, badge.height() / 2, badge.height() / 2)
            painter.setPen(QColor(self._theme.colors.on_accent))
            painter.setFont(font)
            painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()
        return pixmap

    def paint_thumbnail(
        self, painter: QPainter, place: QRect, thumbnail: Thumbnail | None, row: int, icon: str = "film"
    ) -> None:
        """Paint a picture in its place, a well while it is being read, the icon if there is none."""
        picture = QPixmap()
        if thumbnail is not None:
            found = self._thumbnails.picture(
                thumbnail, Place(place.size(), painter.device().devicePixelRatioF(), RADIUS)
            )
            if found is None:
                self.missed(thumbnail.path, row)
                self._paint_well(painter, place)
                return
            picture = found
        if picture.isNull():
            self._paint_well(painter, place)
            mark = self._theme.icon(icon, self._theme.colors.weak)
            mark.paint(painter, QRect(place.center().x() - 16, place.center().y() - 16, 32, 32))
            return
        size = picture.deviceIndependentSize()
        if size.width() < place.width() - 1 or size.height() < place.height() - 1:
            self._paint_well(painter, place)
        left = place.left() + (place.width() - size.width()) / 2
        top = place.top() + (place.height() - size.height()) / 2
        painter.drawPixmap(QPointF(left, top), picture)

    def paint_badge(
        self, painter: QPainter, corner: QPoint, text: str, base: QFont, icon: str = "", color: str = ON_SCRIM
    ) -> int:
        """Paint text or an icon on a dark ground in a corner of a picture. Return the width.

        `corner` is the badge's top left, or with a negative x its top right.
        """
        font = _badge_font(base)
        metrics = QFontMetrics(font)
        height = metrics.height() + 4
        width = height if icon and not text else metrics.horizontalAdvance(text) + 12
        width += BADGE_ICON + 2 if icon and text else 0
        badge = QRect(corner.x() if corner.x() >= 0 else -corner.x() - width, corner.y(), width, height)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(SCRIM))
        painter.drawRoundedRect(QRectF(badge), 4, 4)
        if icon:
            left = badge.left() + (6 if text else (width - BADGE_ICON) // 2)
            top = badge.top() + (height - BADGE_ICON) // 2
            self._theme.icon(icon, color).paint(painter, QRect(left, top, BADGE_ICON, BADGE_ICON))
        if text:
            painter.setPen(QColor(color))
            painter.setFont(font)
            words = badge.adjusted(6 + BADGE_ICON + 2, 0, -4, 0) if icon else badge
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, text)
        return width

    def paint_check(self, painter: QPainter, place: QRect, checked: bool) -> None:
        """Paint the circle that selects a cell without opening it."""
        accent, white = QColor(self._theme.colors.accent), QColor(ON_SCRIM)
        painter.setPen(QPen(white, 1.5))
        painter.setBrush(accent if checked else QColor(SCRIM))
        painter.drawEllipse(QRectF(place).adjusted(1, 1, -1, -1))
        if checked:
            painter.setPen(QPen(QColor(self._theme.colors.on_accent), 2))
            middle = QPointF(place.center()) + QPointF(0.5, 0.5)
            painter.drawPolyline([middle + QPointF(-4, 0), middle + QPointF(-1, 3), middle + QPointF(4.5, -3.5)])

    def _paint_well(self, painter: QPainter, place: QRect) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colors.well))
        painter.drawRoundedRect(QRectF(place), RADIUS, RADIUS)

    def _paint_divider(self, painter: QPainter, option: QStyleOptionViewItem, fold: Fold) -> None:
        colors, place = self._theme.colors, option.rect.adjusted(SPACE, SPACE, -SPACE, -SPACE)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        text = formatting.weaker_matches(fold.videos)
        width = QFontMetrics(option.font).horizontalAdvance(text)
        icon = QRect(place.left(), place.center().y() - 8, 16, 16)
        self._theme.icon("chevron-down" if fold.is_open else "chevron-right", colors.muted).paint(painter, icon)
        painter.setFont(option.font)
        painter.setPen(QColor(colors.accent if focused else colors.muted))
        words = QRect(icon.right() + SPACE, place.top(), width + SPACE, place.height())
        painter.drawText(words, LEFT, text)
        painter.setPen(QPen(QColor(colors.accent if focused else colors.line), 1))
        middle = place.center().y() + 0.5
        painter.drawLine(QPointF(words.right() + SPACE, middle), QPointF(place.right(), middle))


class CardDelegate(CellDelegate):
    """Cards: a picture above two lines of text. `width` is the minimum width of a card."""

    def __init__(self, model: ResultsModel, theme: Theme, thumbnails: ThumbnailCache) -> None:
        super().__init__(model, theme, thumbnails)
        self.width = USUAL

    def fit(self, available: int, font: QFont) -> tuple[QSize, int]:
        columns = max(1, available // self.width)
        width = max(available // columns, SMALLEST // 2)
        picture = round((width - 2 * SPACE) / ASPECT)
        return QSize(width, picture + 2 * QFontMetrics(font).lineSpacing() + 4 * SPACE), columns

    def picture_rect(self, row: int, cell: QRect) -> QRect:
        width = cell.width() - 2 * SPACE
        return QRect(cell.left() + SPACE, cell.top() + SPACE, width, round(width / ASPECT))

    def spot_at(self, row: int, cell: QRect, position: QPoint) -> Spot:
        card = self._model.card(row)
        if card is None:
            return Spot.NOTHING if self._model.fold(row) is None else Spot.FOLD
        picture = self.picture_rect(row, cell)
        if check_rect(picture).adjusted(-4, -4, 4, 4).contains(position):
            return Spot.CHECK
        if picture.contains(position):
            return Spot.PICTURE
        if position.y() > cell.bottom() - cell.height() // 2 and self._fold_words(card):
            second = self._lines(cell, picture)[1]
            if second.contains(position) and position.x() > second.right() - self._fold_width:
                return Spot.FOLD
        return Spot.WORDS

    _fold_width = 96  # width of the text that opens a video's other moments, with a margin

    def time_at(self, row: int, cell: QRect, position: QPoint) -> float:
        card, share = self._model.card(row), self.share_at(row, cell, position)
        if card is None or share is None:
            return 0.0
        if len(card.moment.thumbnails) < 2:
            return opening_time(card)
        return card.moment.thumbnails[_tile(card, share)].time

    def paint_card(self, painter: QPainter, option: QStyleOptionViewItem, row: int, card: Card) -> None:
        colors, cell, moment = self._theme.colors, option.rect, card.moment
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        picture, share = self.picture_rect(row, cell), self.share(row)
        if selected or card.is_open:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised if selected else colors.panel))
            painter.drawRoundedRect(QRectF(self.content_rect(cell)), RADIUS + 2, RADIUS + 2)
        faded = card.file.offline or (moment.match is Match.WEAK and self._model.confident)
        if faded and not selected and share is None:
            painter.setOpacity(FADED)
        scrubbed = share is not None and len(moment.thumbnails) > 1
        tile = _tile(card, share) if scrubbed and share is not None else moment.best
        thumbnail = moment.thumbnails[tile] if moment.thumbnails else None
        self.paint_thumbnail(painter, picture, thumbnail, row, placeholder(card))
        if scrubbed:
            self._read_ahead(painter, picture, card, row)
        painter.setOpacity(1.0)
        if selected or focused:
            painter.setPen(QPen(QColor(colors.accent), 2 if selected and focused else 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(picture).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        self._paint_badges(painter, picture, card, moment.thumbnails[tile].time if scrubbed else None, option.font)
        if scrubbed:
            self._paint_position(painter, picture, tile, len(moment.thumbnails))
        if selected or self.is_hovered(row):
            self.paint_check(painter, check_rect(picture), selected)
        self._paint_words(painter, cell, picture, card, option.font)

    def _read_ahead(self, painter: QPainter, picture: QRect, card: Card, row: int) -> None:
        """Request the other pictures of the moment before the pointer reaches them."""
        place = Place(picture.size(), painter.device().devicePixelRatioF(), RADIUS)
        for thumbnail in card.moment.thumbnails:
            if self._thumbnails.picture(thumbnail, place) is None:
                self.missed(thumbnail.path, row)

    def _paint_badges(self, painter: QPainter, picture: QRect, card: Card, time: float | None, font: QFont) -> None:
        file, moment = card.file, card.moment
        inset, height = 5, QFontMetrics(_badge_font(font)).height() + 4
        bottom = picture.bottom() - height - inset + 1
        if time is not None:
            words = formatting.clock(time)
        elif moment.match is Match.BROWSED:
            words = "" if file.duration is None else formatting.clock(file.duration)
        else:
            words = formatting.span(moment.start, moment.end)
        if words:
            self.paint_badge(painter, QPoint(-(picture.right() - inset), bottom), words, font)
        resolution = formatting.resolution(file)
        if resolution and picture.width() >= ROOMY:
            self.paint_badge(painter, QPoint(picture.left() + inset, bottom), resolution, font)
        right = picture.right() - inset
        if file.favourite:
            right -= self.paint_badge(
                painter, QPoint(-right, picture.top() + inset), "", font, "star-filled", FAVOURITE
            )
            right -= 4
        state = formatting.state(file)
        if state:
            icon = {"pending": "waiting", "failed": "warning"}.get(file.state, "offline")
            icon = "offline" if file.offline or file.missing else icon
            self.paint_badge(painter, QPoint(-right, picture.top() + inset), state, font, icon)

    def _paint_position(self, painter: QPainter, picture: QRect, tile: int, tiles: int) -> None:
        bar = QRectF(picture.left() + RADIUS, picture.bottom() - 3, picture.width() - 2 * RADIUS, 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(SCRIM))
        painter.drawRect(bar)
        painter.setBrush(QColor(self._theme.colors.accent))
        painter.drawRect(QRectF(bar.left() + bar.width() * tile / tiles, bar.top(), bar.width() / tiles, 3))

    @staticmethod
    def _lines(cell: QRect, picture: QRect) -> tuple[QRect, QRect]:
        height = (cell.bottom() - picture.bottom() - 2 * SPACE) // 2
        first = QRect(picture.left(), picture.bottom() + SPACE, picture.width(), height)
        return first, first.translated(0, height + 1)

    def _fold_words(self, card: Card) -> str:
        if card.others:
            return formatting.more_moments(card.others)
        return self.tr("Show less") if card.is_open and card.place == 0 else ""

    def _paint_words(self, painter: QPainter, cell: QRect, picture: QRect, card: Card, font: QFont) -> None:
        colors, moment = self._theme.colors, card.moment
        metrics = QFontMetrics(font)
        first, second = self._lines(cell, picture)
        painter.setFont(font)
        painter.setPen(QColor(colors.text))
        name = formatting.file_name(card.file.path)
        painter.drawText(first, LEFT, metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, first.width()))
        fold = self._fold_words(card)
        if fold:
            painter.setPen(QColor(colors.accent))
            painter.drawText(second, RIGHT, fold)
            second = second.adjusted(0, 0, -metrics.horizontalAdvance(fold) - SPACE, 0)
        if moment.match is Match.BROWSED:
            rest = " \u00b7 ".join((formatting.size(card.file.size), formatting.date(card.file.modified)))
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colors.match(moment.match))
            painter.drawEllipse(QPointF(second.left() + 4, second.center().y() + 1), 3.5, 3.5)
            second = second.adjusted(14, 0, 0, 0)
            rest = formatting.reason(moment.reasons[0]) if moment.reasons else formatting.match(moment.match)
            folder = formatting.file_name(os.path.dirname(card.file.path))
            if folder and not moment.reasons and card.place == 0:
                rest = f"{rest} \u00b7 {folder}"
        painter.setPen(QColor(colors.muted))
        painter.drawText(second, LEFT, metrics.elidedText(rest, Qt.TextElideMode.ElideRight, second.width()))


def opening_time(card: Card) -> float:
    """Return the time in seconds at which a moment opens: its start, or 0 for a browsed file."""
    return 0.0 if card.moment.match is Match.BROWSED else card.moment.start


def best_thumbnail(card: Card) -> Thumbnail | None:
    return card.moment.thumbnails[card.moment.best] if card.moment.thumbnails else None


def _tile(card: Card, share: float) -> int:
    tiles = len(card.moment.thumbnails)
    return min(int(share * tiles), tiles - 1)


def check_rect(picture: QRect) -> QRect:
    return QRect(picture.left() + 6, picture.top() + 6, CHECK, CHECK)


def placeholder(card: Card) -> str:
    return {"pending": "waiting", "failed": "warning"}.get(card.file.state, "film")


def _badge_font(base: QFont) -> QFont:
    font = QFont(base)
    font.setPointSizeF(base.pointSizeF() * 0.9)
    return font
