"""The grid of results: columns that fill the width, scrubbing under the pointer, and the gestures on a result.

This module never decides what a gesture does; it tells which moment was meant.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QListView, QWidget

from cret_desktop.clips import Moment
from cret_desktop.gui.results_delegate import ResultsDelegate
from cret_desktop.gui.results_model import ResultsModel, Role
from cret_desktop.gui.theme import Theme
from cret_desktop.gui.thumbnail_cache import ThumbnailCache


class ResultsView(QListView):
    """Signals: `opened(Moment)` by Enter or double click; `menu_wanted(Moment, QPoint)` with a global position."""

    opened = Signal(object)
    menu_wanted = Signal(object, QPoint)

    def __init__(
        self, model: ResultsModel, theme: Theme, thumbnails: ThumbnailCache, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._results = model
        self._delegate = ResultsDelegate(theme, thumbnails, self)
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self.setAccessibleName(self.tr("Moments found"))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setMouseTracking(True)
        self._connect_signals(theme, thumbnails)

    def _connect_signals(self, theme: Theme, thumbnails: ThumbnailCache) -> None:
        self.doubleClicked.connect(self._open)
        self.customContextMenuRequested.connect(self._want_menu)
        theme.changed.connect(self.viewport().update)
        thumbnails.ready.connect(lambda _: self.viewport().update())

    def current_moment(self) -> Moment | None:
        return self.currentIndex().data(Role.MOMENT) if self.currentIndex().isValid() else None

    def show_moments(self, moments: tuple[Moment, ...], fade_weak: bool = True, keep_place: bool = False) -> None:
        """Show an answer; with `keep_place` the selected moment and the scrolled position stay where they can."""
        chosen, position = self.current_moment(), self.verticalScrollBar().value()
        self._delegate.scrub = None
        self._delegate.fade_weak = fade_weak
        self._results.set_moments(moments)
        if not keep_place:
            self.scrollToTop()
            return
        row = self._results.row_of(chosen) if chosen is not None else None
        if row is not None:
            self.setCurrentIndex(self._results.index(row))
        self.verticalScrollBar().setValue(position)

    def scrub_at(self, position: QPoint) -> None:
        """Show on the card under `position` (of the viewport) the tile that lies at that share of its width."""
        index = self.indexAt(position)
        scrub = None
        if index.isValid():
            picture = self._delegate.picture_rect(self.visualRect(index))
            tiles = len(index.data(Role.MOMENT).thumbnails)
            if tiles > 1 and picture.contains(position):
                tile = min((position.x() - picture.left()) * tiles // picture.width(), tiles - 1)
                scrub = (QPersistentModelIndex(index), tile)
        before, self._delegate.scrub = self._delegate.scrub, scrub
        if scrub != before:
            for changed in (before, scrub):
                if changed is not None:
                    self.update(self._results.index(changed[0].row()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.scrub_at(event.position().toPoint())
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.scrub_at(QPoint(-1, -1))
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self._open(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        # The scroll bar's width is kept free always: columns that came and went with it would never settle.
        available = self.contentsRect().width() - self.verticalScrollBar().sizeHint().width() - 1
        self.setGridSize(self._delegate.fit(available, self.font()))
        super().resizeEvent(event)

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(Role.MOMENT))

    def _want_menu(self, position: QPoint) -> None:
        index = self.indexAt(position)
        if index.isValid():
            self.menu_wanted.emit(index.data(Role.MOMENT), self.viewport().mapToGlobal(position))
