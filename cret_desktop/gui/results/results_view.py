"""A grid of results over the whole library: only visible cells are laid out, requested and painted.

The delegate decides how a cell looks and where it reacts to a click; the view translates gestures into signals:
scrubbing under the pointer, opening at the time shown, selecting, folding, dragging out. It never carries them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QDrag,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QFrame, QStyle, QStyleOptionViewItem, QWidget

from cret_desktop.gui.appearance.theme import Theme
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.results.grid_geometry import GridGeometry
from cret_desktop.gui.results.results_delegate import CellDelegate, Spot
from cret_desktop.gui.results.results_model import ResultsModel

WHEEL_LINES = 3


class ResultsView(QAbstractItemView):
    """Signals:
    open_wanted(row, seconds)  a click on a picture at the time shown, or a double click beside it
    fold_wanted(row)  a click on "+N moments" or on the divider
    zoom_wanted(steps)  the wheel with Ctrl
    moved()  the visible rows may have changed
    """

    open_wanted = Signal(int, float)
    fold_wanted = Signal(int)
    zoom_wanted = Signal(int)
    moved = Signal()

    def __init__(
        self,
        model: ResultsModel,
        delegate: CellDelegate,
        theme: Theme,
        thumbnails: ThumbnailCache,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._results = model
        self._delegate = delegate
        self._theme = theme
        self._geometry = GridGeometry()
        self._waiting: dict[str, set[int]] = {}  # sprites that are being read, and the rows that wait for them
        self._pressed: tuple[int, Spot] | None = None
        self._band, self._band_from = QRect(), QPoint()
        delegate.setParent(self)
        delegate.missed = self._wait_for
        self.setModel(model)
        self.setItemDelegate(delegate)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.viewport().setBackgroundRole(QPalette.ColorRole.Window)  # opaque: scrolling then moves the painted pixels
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setDragEnabled(True)
        self.setMouseTracking(True)
        self._connect_signals(theme, thumbnails)

    def _connect_signals(self, theme: Theme, thumbnails: ThumbnailCache) -> None:
        theme.changed.connect(self.viewport().update)
        thumbnails.ready.connect(self._on_ready)
        self._results.modelReset.connect(self._on_rows_changed)
        self._results.rowsInserted.connect(self._on_rows_changed)
        self._results.rowsRemoved.connect(self._on_rows_changed)
        self._results.dataChanged.connect(self._on_data_changed)

    # --- geometry ---------------------------------------------------------------------------------------------

    def rows_in_sight(self) -> range:
        top = self.verticalScrollBar().value()
        return self._geometry.rows_between(top, top + self.viewport().height() - 1)

    def row_rect(self, row: int) -> QRect:
        """Return the place of a row in the viewport."""
        return self._geometry.rect(row).translated(0, -self.verticalScrollBar().value())

    def lay_out(self) -> None:
        """Fit the cells into the present width; the first visible row stays first."""
        first, before = self.rows_in_sight(), self._geometry
        offset = self.verticalScrollBar().value() - before.rect(first.start).top() if first else 0
        # The scroll bar's width is always kept free: columns that change with its visibility would never settle.
        width = self.contentsRect().width() - self.verticalScrollBar().sizeHint().width()
        cell, columns = self._delegate.fit(width, self.font())
        self._geometry = GridGeometry(
            self._results.rowCount(), cell, columns, self._results.divider, self._delegate.divider_height(self.font())
        )
        self.updateGeometries()
        if first and before.cell != cell and first.start < self._geometry.count:
            self.verticalScrollBar().setValue(self._geometry.rect(first.start).top() + offset)
        self._waiting.clear()
        self.viewport().update()
        self.moved.emit()

    def visualRect(self, index: Index) -> QRect:
        if not index.isValid() or index.row() >= self._geometry.count or index.column():
            return QRect()
        return self.row_rect(index.row())

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the cell whose content is at `point`; rubber bands begin in the gaps between cells."""
        row = self._geometry.row_at(point.x(), point.y() + self.verticalScrollBar().value())
        if row is None or not self._delegate.content_rect(self.row_rect(row)).contains(point):
            return QModelIndex()
        return self._results.index(row, 0)

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        if not index.isValid() or index.row() >= self._geometry.count:
            return
        place, bar, height = self._geometry.rect(index.row()), self.verticalScrollBar(), self.viewport().height()
        if hint == QAbstractItemView.ScrollHint.PositionAtTop or place.top() < bar.value():
            bar.setValue(place.top())
        elif place.bottom() >= bar.value() + height:
            bar.setValue(place.bottom() + 1 - height)

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: Index) -> bool:
        return index.column() != 0

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        count, current = self._geometry.count, self.currentIndex().row()
        if not count:
            return QModelIndex()
        if current < 0:
            return self._results.index(0, 0)
        page = max(1, self.viewport().height() // self._geometry.cell.height())
        cursor = QAbstractItemView.CursorAction
        rows: dict[QAbstractItemView.CursorAction, Callable[[], int]] = {
            cursor.MoveLeft: lambda: current - 1,
            cursor.MovePrevious: lambda: current - 1,
            cursor.MoveRight: lambda: current + 1,
            cursor.MoveNext: lambda: current + 1,
            cursor.MoveUp: lambda: self._geometry.step(current, -1),
            cursor.MoveDown: lambda: self._geometry.step(current, 1),
            cursor.MovePageUp: lambda: self._geometry.step(current, -page),
            cursor.MovePageDown: lambda: self._geometry.step(current, page),
            cursor.MoveHome: lambda: 0,
            cursor.MoveEnd: lambda: count - 1,
        }
        return self._results.index(min(max(rows[action](), 0), count - 1), 0)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select the cells that a rubber band touches; otherwise all from the one at `rect`'s start to its end."""
        area = rect.translated(0, self.verticalScrollBar().value())
        if self.state() == QAbstractItemView.State.DragSelectingState:
            area = area.normalized()
            rows = [
                row
                for row in self._geometry.rows_between(area.top(), area.bottom())
                if self._geometry.rect(row).intersects(area)
            ]
        else:
            ends = [self._geometry.row_at(point.x(), point.y()) for point in (area.topLeft(), area.bottomRight())]
            known = [row for row in ends if row is not None]
            rows = list(range(min(known), max(known) + 1)) if known else []
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(self.selection_of(rows), command | flags.Rows)

    def selection_of(self, rows: Sequence[int]) -> QItemSelection:
        """Return ascending rows as a selection, without the divider and rows that are not loaded."""
        selection = QItemSelection()
        rows = [row for row in rows if self._results.has_come(row)]
        start = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or rows[end] != rows[end - 1] + 1:
                selection.select(self._results.index(rows[start], 0), self._results.index(rows[end - 1], 0))
                start = end
        return selection

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        region = QRegion()
        for row in self.rows_in_sight():
            if selection.contains(self._results.index(row, 0)):
                region += self.row_rect(row)
        return region

    def updateGeometries(self) -> None:
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self._geometry.height - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(max(1, min(self._geometry.cell.height() // 3, 64)))
        super().updateGeometries()

    # --- painting ---------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        plain = option.state & ~(QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_HasFocus)
        offset = self.verticalScrollBar().value()
        selection, current, focus = self.selectionModel(), self.currentIndex().row(), self.hasFocus()
        for row in self._geometry.rows_between(event.rect().top() + offset, event.rect().bottom() + offset):
            place = self.row_rect(row)
            if not place.intersects(event.rect()):
                continue
            index = self._results.index(row, 0)
            option.rect = place
            option.state = plain
            if selection.isRowSelected(row, QModelIndex()):
                option.state |= QStyle.StateFlag.State_Selected
            if focus and row == current:
                option.state |= QStyle.StateFlag.State_HasFocus
            self._delegate.paint(painter, option, index)
        if not self._band.isNull():
            accent = QColor(self._theme.colors.accent)
            painter.setPen(accent)
            accent.setAlphaF(0.15)
            painter.setBrush(accent)
            painter.drawRect(self._band)

    def _wait_for(self, path: str, row: int) -> None:
        self._waiting.setdefault(path, set()).add(row)

    def _on_ready(self, path: str) -> None:
        for row in self._waiting.pop(path, ()):
            if row < self._geometry.count:
                self.viewport().update(self.row_rect(row))

    # --- the model --------------------------------------------------------------------------------------------

    def _on_rows_changed(self) -> None:
        self._delegate.scrub = None
        self.lay_out()

    def _on_data_changed(self, first: QModelIndex, last: QModelIndex) -> None:
        divider = self._results.divider
        if divider != self._geometry.divider:
            self._geometry = replace(self._geometry, divider=divider)
        sight = self.rows_in_sight()
        if first.row() < sight.stop and last.row() >= sight.start:
            self.viewport().update()

    # --- gestures ---------------------------------------------------------------------------------------------

    def scrub_at(self, position: QPoint) -> None:
        """Show on the cell under `position` (of the viewport) the picture at that share of its width."""
        index = self.indexAt(position)
        share = self._delegate.share_at(index.row(), self.row_rect(index.row()), position) if index.isValid() else None
        scrub = None if share is None else (QPersistentModelIndex(index), share)
        before, self._delegate.scrub = self._delegate.scrub, scrub
        hovered = QPersistentModelIndex(index) if index.isValid() else None
        left, self._delegate.hovered = self._delegate.hovered, hovered
        changed = {place[0].row() for place in (before, scrub) if before != scrub and place is not None}
        changed |= {place.row() for place in (left, hovered) if left != hovered and place is not None}
        for row in changed:
            if 0 <= row < self._geometry.count:
                self.viewport().update(self.row_rect(row))
        spot = self._spot_at(position)[1] if index.isValid() else Spot.NOTHING
        clickable = spot in (Spot.PICTURE, Spot.FOLD, Spot.CHECK)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if clickable else Qt.CursorShape.ArrowCursor)

    def _spot_at(self, position: QPoint) -> tuple[int, Spot]:
        row = self.indexAt(position).row()
        return row, Spot.NOTHING if row < 0 else self._delegate.spot_at(row, self.row_rect(row), position)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        position, self._pressed = event.position().toPoint(), None
        self._band_from = position + QPoint(0, self.verticalScrollBar().value())
        if event.button() == Qt.MouseButton.LeftButton:
            row, spot = self._spot_at(position)
            if spot is Spot.CHECK:
                flags = QItemSelectionModel.SelectionFlag
                index = self._results.index(row, 0)
                self.selectionModel().setCurrentIndex(index, flags.Toggle | flags.Rows)
                return
            if spot is Spot.FOLD:
                self.fold_wanted.emit(row)
                return
            if spot is Spot.PICTURE and event.modifiers() == Qt.KeyboardModifier.NoModifier:
                self._pressed = row, spot
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position().toPoint()
        if not event.buttons():
            self.scrub_at(position)
        super().mouseMoveEvent(event)
        if self.state() != QAbstractItemView.State.NoState:
            self._pressed = None
        if self.state() == QAbstractItemView.State.DragSelectingState:
            start = self._band_from - QPoint(0, self.verticalScrollBar().value())
            self._stretch_band(QRect(start, position).normalized())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        pressed, self._pressed = self._pressed, None
        super().mouseReleaseEvent(event)
        self._stretch_band(QRect())
        position = event.position().toPoint()
        if pressed is not None and pressed == self._spot_at(position):
            row = pressed[0]
            self.open_wanted.emit(row, self._delegate.time_at(row, self.row_rect(row), position))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        row, spot = self._spot_at(event.position().toPoint())
        if spot is Spot.WORDS and event.button() == Qt.MouseButton.LeftButton:
            self.open_wanted.emit(row, self._delegate.best_time(row))

    def leaveEvent(self, event: QEvent) -> None:
        self.scrub_at(QPoint(-1, -1))
        super().leaveEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_wanted.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentIndex().row()
        if row >= 0 and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._results.fold(row) is not None:
            self.fold_wanted.emit(row)
        else:
            super().keyPressEvent(event)

    def startDrag(self, actions: Qt.DropAction) -> None:
        indexes = self.selectedIndexes()
        if not indexes:
            return
        drag = QDrag(self)
        drag.setMimeData(self._results.mimeData(indexes))
        rows = sorted({index.row() for index in indexes})
        drag.setPixmap(self._delegate.drag_picture(rows, self.devicePixelRatioF(), self.font()))
        drag.exec(Qt.DropAction.CopyAction)

    def selectAll(self) -> None:
        """Select every loaded row; rows of a browsed library that were never visible are not selected."""
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(
            self.selection_of(range(self._results.rowCount())), flags.ClearAndSelect | flags.Rows
        )

    def _stretch_band(self, band: QRect) -> None:
        if band != self._band:
            self.viewport().update(self._band.united(band).adjusted(-2, -2, 2, 2))
            self._band = band

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.lay_out()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().scroll(dx, dy)
        self.moved.emit()
