"""The library at the left: all videos, favourites, folders with their state, tags, saved searches.

Emits the user's choices as signals; never carries them out.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QListView,
    QMenu,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.engine.protocol import Folder, LibraryStatus, SavedSearch
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import RADIUS, SPACE, Theme
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.library.library_model import Entry, Kind, LibraryModel, Role, Section
from cret_desktop.library.searching.query import Token

ICON = 18
ICONS = {
    Kind.EVERYTHING: "library",
    Kind.FAVOURITES: "star",
    Kind.FOLDER: "folder",
    Kind.TAG: "tag",
    Kind.SAVED: "bookmark",
}


class LibraryDelegate(QStyledItemDelegate):
    """Paints an icon, a name, a count at the right; for folders also a muted state line and a progress bar."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        entry: Entry = index.data(Role.ENTRY)
        line = QFontMetrics(option.font).lineSpacing()
        if entry.kind is Kind.FOLDER:
            return QSize(0, 2 * line + 2 * SPACE)
        return QSize(0, line + (3 * SPACE if entry.kind is Kind.HEADING else 2 * SPACE))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry: Entry = index.data(Role.ENTRY)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row: QRect = option.rect.adjusted(SPACE, 1, -SPACE, -1)
        self._paint_ground(painter, option, row, bool(index.data(Role.ACTIVE)))
        if entry.kind is Kind.HEADING:
            self._paint_heading(painter, option, row, entry, bool(index.data(Role.FOLDED)))
        else:
            self._paint_entry(painter, option, row, entry, index)
        painter.restore()

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, row: QRect, active: bool) -> None:
        colors = self._theme.colors
        chosen = option.state & QStyle.StateFlag.State_Selected
        painter.setPen(Qt.PenStyle.NoPen)
        if active or chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(colors.raised))
            painter.drawRoundedRect(row, RADIUS, RADIUS)
        if active:
            painter.setBrush(QColor(colors.accent))
            painter.drawRoundedRect(QRectF(row.left(), row.top() + SPACE, 3, row.height() - 2 * SPACE), 1.5, 1.5)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(colors.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(row).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)

    def _paint_heading(
        self, painter: QPainter, option: QStyleOptionViewItem, row: QRect, entry: Entry, folded: bool
    ) -> None:
        colors = self._theme.colors
        font = QFont(option.font)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(QColor(colors.muted))
        words = row.adjusted(SPACE, SPACE // 2, -SPACE - ICON, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, entry.text)
        icon = self._theme.icon("chevron-right" if folded else "chevron-down", colors.muted)
        icon.paint(painter, QRect(row.right() - SPACE - 14, words.center().y() - 7, 14, 14))

    def _paint_entry(
        self, painter: QPainter, option: QStyleOptionViewItem, row: QRect, entry: Entry, index: Index
    ) -> None:
        colors, metrics = self._theme.colors, QFontMetrics(option.font)
        line = metrics.lineSpacing()
        state: str = index.data(Role.STATE)
        offline = isinstance(entry.thing, Folder) and entry.thing.offline
        icon = self._theme.icon("offline" if offline else ICONS[entry.kind], colors.muted)
        icon.paint(painter, QRect(row.left() + SPACE, row.center().y() - ICON // 2, ICON, ICON))
        left = row.left() + ICON + 2 * SPACE
        words = QRect(left, row.top(), row.right() - left - SPACE, row.height())
        if entry.count is not None:
            count = f"{entry.count:n}"
            painter.setPen(QColor(colors.muted))
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, count)
            words.setRight(words.right() - metrics.horizontalAdvance(count) - SPACE)
        if state:
            words = QRect(left, row.center().y() - line, words.width(), line)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
        painter.setPen(QColor(colors.muted if offline else colors.text))
        painter.drawText(words, flags, metrics.elidedText(entry.text, Qt.TextElideMode.ElideMiddle, words.width()))
        if state:
            painter.setPen(QColor(colors.muted))
            shown = metrics.elidedText(state, Qt.TextElideMode.ElideRight, words.width())
            painter.drawText(words.translated(0, line), flags, shown)
        done: float | None = index.data(Role.DONE)
        if done is not None:
            bar = QRectF(left, row.bottom() - 3, row.right() - left - SPACE, 2)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.line))
            painter.drawRect(bar)
            painter.setBrush(QColor(colors.accent))
            painter.drawRect(QRectF(bar.left(), bar.top(), bar.width() * done, bar.height()))


class LibraryList(QListView):
    """Keeps the current row when other rows are added or removed.

    Signals: `chosen(Entry)` by a click or Enter; `deleted(Entry)` by the Delete key.
    """

    chosen = Signal(object)
    deleted = Signal(object)

    def __init__(self, model: LibraryModel) -> None:
        super().__init__()
        self._model = model
        self._current: Entry | None = None
        self.setModel(model)
        model.modelAboutToBeReset.connect(self._remember)
        model.modelReset.connect(self._find_again)

    def _remember(self) -> None:
        self._current = self.currentIndex().data(Role.ENTRY) if self.currentIndex().isValid() else None

    def _find_again(self) -> None:
        row = self._model.row_with(self._current.key) if self._current is not None else None
        if row is not None:
            self.setCurrentIndex(self._model.index(row))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.currentIndex()
        if index.isValid() and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.deleted.emit(index.data(Role.ENTRY))
        elif index.isValid() and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(index.data(Role.ENTRY))
        else:
            super().keyPressEvent(event)


class LibraryPanel(QFrame):
    """Signals:
    everything_wanted(), narrowed(operator, value)  the scope of the search
    recalled(SavedSearch), rename_wanted(SavedSearch), forget_wanted(SavedSearch)
    add_wanted(), remove_wanted(Folder), failures_wanted()
    refresh_wanted(path), first_wanted(path), again_wanted(path), open_wanted(path)  of a folder
    """

    everything_wanted = Signal()
    narrowed = Signal(str, str)
    recalled = Signal(object)
    rename_wanted = Signal(object)
    forget_wanted = Signal(object)
    add_wanted = Signal()
    remove_wanted = Signal(object)
    failures_wanted = Signal()
    refresh_wanted = Signal(str)
    first_wanted = Signal(str)
    again_wanted = Signal(str)
    open_wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setProperty("kind", "panel")
        self.setMinimumWidth(180)
        self.model = LibraryModel(self)
        self.list = LibraryList(self.model)
        self.list.setAccessibleName(self.tr("Library"))
        self.list.setItemDelegate(LibraryDelegate(theme, self))
        self.list.setMouseTracking(True)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._totals = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._totals.setProperty("kind", "muted")
        self._totals.setContentsMargins(SPACE, 0, SPACE, SPACE // 2)
        self.failures = QPushButton()
        self.failures.setProperty("kind", "alert")
        self.failures.hide()
        self.add = QPushButton(self.tr("Add folder\u2026"))
        theme.give_icon(self.add, "folder-add")
        foot = QVBoxLayout()
        foot.setContentsMargins(SPACE, SPACE, SPACE, SPACE)
        foot.setSpacing(SPACE // 2)
        foot.addWidget(self._totals)
        foot.addWidget(self.failures)
        foot.addWidget(self.add)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, SPACE, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.list, 1)
        column.addLayout(foot)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self.add.clicked.connect(self.add_wanted)
        self.failures.clicked.connect(self.failures_wanted)
        self.list.clicked.connect(lambda index: self._choose(index.data(Role.ENTRY)))
        self.list.chosen.connect(self._choose)
        self.list.deleted.connect(self._delete)
        self.list.customContextMenuRequested.connect(self._show_menu)
        self._theme.changed.connect(self._paint_failures)
        self._theme.changed.connect(self.list.viewport().update)

    def show_status(self, status: LibraryStatus) -> None:
        self.model.set_status(status)
        parts = [formatting.videos(status.files), formatting.clips(status.clips), formatting.clock(status.seconds)]
        self._totals.setText(" \u00b7 ".join(parts) if status.clips else "")
        self.failures.setVisible(status.failed > 0)
        self.failures.setText(self.tr("{videos} could not be read").format(videos=formatting.videos(status.failed)))
        self._paint_failures()

    def show_filters(self, filters: Sequence[Token]) -> None:
        """Mark the entries that the search is narrowed to."""
        self.model.set_active(frozenset((token.operator, token.value) for token in filters if not token.negative))

    def menu(self, entry: Entry) -> QMenu | None:
        """Return the context menu of a row; None if it has no actions."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        match entry.thing:
            case Folder() as folder:
                self._fill_folder_menu(menu, folder)
            case SavedSearch() as saved:
                menu.addAction(self.tr("Search"), lambda: self.recalled.emit(saved))
                menu.addAction(self.tr("Rename\u2026"), lambda: self.rename_wanted.emit(saved))
                menu.addAction(self.tr("Delete this search"), lambda: self.forget_wanted.emit(saved))
            case _ if entry.operator:
                narrow = lambda: self.narrowed.emit(entry.operator, entry.value)  # noqa: E731
                menu.addAction(self.tr("Search here"), narrow)
            case _:
                menu.deleteLater()
                return None
        return menu

    def _fill_folder_menu(self, menu: QMenu, folder: Folder) -> None:
        path = folder.path
        menu.addAction(self.tr("Search here"), lambda: self.narrowed.emit("in", path))
        menu.addAction(self.tr("Open folder"), lambda: self.open_wanted.emit(path))
        menu.addSeparator()
        menu.addAction(self.tr("Look for new videos"), lambda: self.refresh_wanted.emit(path))
        first = menu.addAction(self.tr("Index this first"), lambda: self.first_wanted.emit(path))
        first.setEnabled(folder.pending > 0 and not folder.offline)
        again = menu.addAction(self.tr("Index again"), lambda: self.again_wanted.emit(path))
        again.setEnabled(folder.pending < folder.files and not folder.offline)
        menu.addSeparator()
        menu.addAction(self.tr("Remove from library\u2026"), lambda: self.remove_wanted.emit(folder))

    def _choose(self, entry: Entry) -> None:
        match entry:
            case Entry(kind=Kind.EVERYTHING):
                self.everything_wanted.emit()
            case Entry(thing=Section() as section):
                self.model.fold(section)
            case Entry(thing=SavedSearch() as saved):
                self.recalled.emit(saved)
            case _:
                self.narrowed.emit(entry.operator, entry.value)

    def _delete(self, entry: Entry) -> None:
        match entry.thing:
            case Folder() as folder:
                self.remove_wanted.emit(folder)
            case SavedSearch() as saved:
                self.forget_wanted.emit(saved)

    def _show_menu(self, position: QPoint) -> None:
        index = self.list.indexAt(position)
        menu = self.menu(index.data(Role.ENTRY)) if index.isValid() else None
        if menu is not None:
            menu.popup(self.list.viewport().mapToGlobal(position))

    def _paint_failures(self) -> None:
        self.failures.setIcon(self._theme.icon("warning", self._theme.colors.danger))
