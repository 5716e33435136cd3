"""Results as a table: a small picture and details of each, sorted by a click on a heading.

The same rows and the same selection as the grid. This module never decides the effect of a gesture.
"""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QDrag, QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from cret_desktop.domain.clips import Sort
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.results.results_delegate import CardDelegate, best_thumbnail, opening_time, placeholder
from cret_desktop.gui.results.results_model import Card, Column, ResultsModel

PICTURE = QSize(64, 36)
SORTS = {
    Column.NAME: Sort.NAME,
    Column.LENGTH: Sort.LENGTH,
    Column.SIZE: Sort.SIZE,
    Column.DATE: Sort.DATE,
    Column.MATCH: Sort.RELEVANCE,
}
WIDTHS = {
    Column.PICTURE: PICTURE.width() + 2 * SPACE,
    Column.NAME: 180,
    Column.FOLDER: 120,
    Column.TIME: 90,
    Column.LENGTH: 70,
    Column.RESOLUTION: 90,
    Column.SIZE: 80,
    Column.DATE: 80,
    Column.MATCH: 80,
    Column.TAGS: 100,
}
NAME_SHARE = 0.6  # of the remaining width, which name and folder share


class ListDelegate(CardDelegate):
    """Paints the picture column; text is drawn as in any table."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        card = self._model.card(index.row())
        if self._model.fold(index.row()) is not None:
            super().paint(painter, option, index)
        elif index.column() != Column.PICTURE:
            QStyledItemDelegate.paint(self, painter, option, index)
        elif card is not None:
            self._paint_picture(painter, option, index.row(), card)

    def _paint_picture(self, painter: QPainter, option: QStyleOptionViewItem, row: int, card: Card) -> None:
        style = option.widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        place = QRect(QPoint(option.rect.left() + SPACE, option.rect.center().y() - PICTURE.height() // 2), PICTURE)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        self.paint_thumbnail(painter, place, best_thumbnail(card), row, placeholder(card))
        words = f"+{card.others}" if card.others else "\u2212" if card.is_open and card.place == 0 else ""
        if words:
            self.paint_badge(painter, QPoint(-(place.right() - 2), place.top() + 2), words, option.font)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return PICTURE + QSize(2 * SPACE, SPACE)


class ResultsList(QTableView):
    """Signals:
    open_wanted(row, seconds)  a double click
    fold_wanted(row)  a click on the divider or on a picture with other moments
    sort_wanted(Sort)  a click on a heading
    moved()  the visible rows may have changed
    """

    open_wanted = Signal(int, float)
    fold_wanted = Signal(int)
    sort_wanted = Signal(object)
    moved = Signal()

    def __init__(
        self, model: ResultsModel, theme: Theme, thumbnails: ThumbnailCache, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._results = model
        self._delegate = ListDelegate(model, theme, thumbnails)
        self._delegate.setParent(self)
        self._none_chosen = QItemSelectionModel(model, self)
        self._fitting = False
        self._widened = False  # the user has changed a width: from then on all of them stay
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self.setProperty("kind", "results")
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(PICTURE.height() + SPACE)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setDragEnabled(True)
        header = self.horizontalHeader()
        header.setSectionsClickable(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setMinimumSectionSize(48)
        for column, width in WIDTHS.items():
            self.setColumnWidth(column, width)
        self._connect_signals(theme, thumbnails)
        self._on_reset()  # the rows may exist before the list

    def _connect_signals(self, theme: Theme, thumbnails: ThumbnailCache) -> None:
        theme.changed.connect(self.viewport().update)
        thumbnails.ready.connect(self._on_thumbnails)
        self.horizontalHeader().sectionClicked.connect(self._on_heading)
        self.horizontalHeader().sectionResized.connect(self._on_widened)
        self.verticalScrollBar().valueChanged.connect(self.moved)
        self._results.modelReset.connect(self._on_reset)
        self._results.rowsInserted.connect(self._span_divider)
        self._results.rowsRemoved.connect(self._span_divider)

    def _on_thumbnails(self) -> None:
        self.viewport().update()

    def show_sort(self, sort: Sort, reverse: bool) -> None:
        """Mark the heading that the rows are sorted by. Without a query, sorting by match means by date."""
        if self._results.browsed and sort is Sort.RELEVANCE:
            sort = Sort.DATE
        column = next(column for column, by in SORTS.items() if by is sort)
        falling = (sort is not Sort.NAME) is not reverse
        self.horizontalHeader().setSortIndicatorShown(True)
        self.horizontalHeader().setSortIndicator(
            column, Qt.SortOrder.DescendingOrder if falling else Qt.SortOrder.AscendingOrder
        )

    def rows_in_sight(self) -> range:
        count = self._results.rowCount()
        first, last = self.rowAt(0), self.rowAt(self.viewport().height() - 1)
        return range(max(first, 0), count if last < 0 else last + 1)

    def row_rect(self, row: int) -> QRect:
        """Return the place of a row in the viewport."""
        place = self.visualRect(self._results.index(row, 0))
        return QRect(0, place.top(), self.viewport().width(), place.height())

    def setSelectionModel(self, selection: QItemSelectionModel) -> None:
        """Set the selection of the rows only: a heading with the selection would query every row at every paint."""
        super().setSelectionModel(selection)
        self.horizontalHeader().setSelectionModel(self._none_chosen)

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Move the cursor; as in the other views, Home and End go to the first and the last row."""
        ends = {
            QAbstractItemView.CursorAction.MoveHome: 0,
            QAbstractItemView.CursorAction.MoveEnd: self._results.rowCount() - 1,
        }
        return self._results.index(ends[action], 0) if action in ends else super().moveCursor(action, modifiers)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid():
            card = self._results.card(index.row())
            on_picture = index.column() == Column.PICTURE and card is not None and (card.others or card.is_open)
            if on_picture or self._results.fold(index.row()) is not None:
                self.fold_wanted.emit(index.row())
                return
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        card = self._results.card(index.row()) if index.isValid() else None
        if card is not None and event.button() == Qt.MouseButton.LeftButton:
            self.open_wanted.emit(index.row(), opening_time(card))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentIndex().row()
        if row >= 0 and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._results.fold(row) is not None:
            self.fold_wanted.emit(row)
        else:
            super().keyPressEvent(event)

    def startDrag(self, actions: Qt.DropAction) -> None:
        rows = sorted({index.row() for index in self.selectedIndexes()})
        if rows:
            drag = QDrag(self)
            drag.setMimeData(self._results.mimeData(self.selectedIndexes()))
            drag.setPixmap(self._delegate.drag_picture(rows, self.devicePixelRatioF(), self.font()))
            drag.exec(Qt.DropAction.CopyAction)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()
        self.moved.emit()

    def _fit_columns(self) -> None:
        """Divide the remaining width between the columns with the longest text, so that none is left at the right."""
        if self._widened:
            return
        rest = sum(width for column, width in WIDTHS.items() if not self.isColumnHidden(column))
        spare = max(self.viewport().width() - rest, 0)
        self._fitting = True
        self.setColumnWidth(Column.NAME, WIDTHS[Column.NAME] + round(spare * NAME_SHARE))
        self.setColumnWidth(Column.FOLDER, WIDTHS[Column.FOLDER] + round(spare * (1 - NAME_SHARE)))
        self._fitting = False

    def _on_widened(self, column: int) -> None:
        # The last column follows the window; a hidden one reports its width too.
        if not self._fitting and column != Column.TAGS and not self.isColumnHidden(column) and self.isVisible():
            self._widened = True

    def _on_heading(self, column: int) -> None:
        if Column(column) in SORTS:
            self.sort_wanted.emit(SORTS[Column(column)])

    def _on_reset(self) -> None:
        for column in (Column.TIME, Column.MATCH):
            self.setColumnHidden(column, self._results.browsed)
        self._fit_columns()
        self._span_divider()

    def _span_divider(self) -> None:
        self.clearSpans()
        divider = self._results.divider
        if divider is not None:
            self.setSpan(divider, 0, 1, len(Column))
