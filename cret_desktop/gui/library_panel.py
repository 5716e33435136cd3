"""The folders of the library with their counts and state. Tells what a person wants; never does it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter
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

from cret_desktop.engine.protocol import Folder, LibraryStatus
from cret_desktop.gui import wording
from cret_desktop.gui.results_model import Index
from cret_desktop.gui.theme import RADIUS, SPACE, Theme

ICON = 20


class FolderRole(IntEnum):
    FOLDER = Qt.ItemDataRole.UserRole + 1


class FoldersModel(QAbstractListModel):
    """One row a folder, in the library's order."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folders: tuple[Folder, ...] = ()

    def set_folders(self, folders: tuple[Folder, ...]) -> None:
        """Counts change in place, so that the selection survives; other folders reset the list."""
        same = [folder.path for folder in folders] == [folder.path for folder in self._folders]
        if same:
            self._folders = folders
            if folders:
                self.dataChanged.emit(self.index(0), self.index(len(folders) - 1))
            return
        self.beginResetModel()
        self._folders = folders
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._folders)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        folder = self._folders[index.row()]
        match role:
            case FolderRole.FOLDER:
                return folder
            case Qt.ItemDataRole.DisplayRole:
                return wording.file_name(folder.path)
            case Qt.ItemDataRole.ToolTipRole:
                return wording.tooltip(f"{wording.shown(folder.path)}\n{self.state_of(folder)}")
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{wording.file_name(folder.path)}, {self.state_of(folder)}"
        return None

    def state_of(self, folder: Folder) -> str:
        """What is to be known about a folder, the most pressing first."""
        parts = []
        if folder.offline:
            parts.append(self.tr("Offline"))
        parts.append(wording.videos(folder.files))
        if folder.pending:
            parts.append(self.tr("{count} waiting").format(count=folder.pending))
        if folder.failed:
            parts.append(self.tr("{count} failed").format(count=folder.failed))
        return " \u00b7 ".join(parts)


class FolderDelegate(QStyledItemDelegate):
    """A folder's icon, its name, and a quiet line with its state."""

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, 2 * QFontMetrics(option.font).lineSpacing() + 2 * SPACE)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        folder: Folder = index.data(FolderRole.FOLDER)
        colors = self._theme.colors
        metrics = QFontMetrics(option.font)
        row: QRect = option.rect.adjusted(SPACE, 1, -SPACE, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.raised))
            painter.drawRoundedRect(row, RADIUS, RADIUS)
        icon = self._theme.icon("offline" if folder.offline else "folder", colors.muted)
        icon.paint(painter, QRect(row.left() + SPACE, row.center().y() - ICON // 2, ICON, ICON))
        left = row.left() + ICON + 2 * SPACE
        line = metrics.lineSpacing()
        name = QRect(left, row.center().y() - line, row.right() - left - SPACE, line)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
        painter.setPen(QColor(colors.muted if folder.offline else colors.text))
        title = metrics.elidedText(wording.file_name(folder.path), Qt.TextElideMode.ElideMiddle, name.width())
        painter.drawText(name, flags, title)
        painter.setPen(QColor(colors.muted))
        model = index.model()
        assert isinstance(model, FoldersModel)
        state = metrics.elidedText(model.state_of(folder), Qt.TextElideMode.ElideRight, name.width())
        painter.drawText(name.translated(0, line), flags, state)
        painter.restore()


class FolderList(QListView):
    """Signals: `remove_wanted(Folder)` by the Delete key."""

    remove_wanted = Signal(object)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.currentIndex().isValid():
            self.remove_wanted.emit(self.currentIndex().data(FolderRole.FOLDER))
        else:
            super().keyPressEvent(event)


class LibraryPanel(QFrame):
    """Signals: `add_wanted()`, `remove_wanted(Folder)`, `refresh_wanted(path)`, `open_wanted(path)`,
    `failures_wanted()`."""

    add_wanted = Signal()
    remove_wanted = Signal(object)
    refresh_wanted = Signal(str)
    open_wanted = Signal(str)
    failures_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setProperty("kind", "panel")
        self.setMinimumWidth(180)
        caption = QLabel(self.tr("Library"))
        caption.setProperty("kind", "caption")
        caption.setContentsMargins(SPACE * 2, SPACE * 2, SPACE, SPACE // 2)
        self._model = FoldersModel(self)
        self.folders = FolderList()
        self.folders.setAccessibleName(self.tr("Folders of the library"))
        self.folders.setModel(self._model)
        self.folders.setItemDelegate(FolderDelegate(theme, self))
        self.folders.setMouseTracking(True)
        self.folders.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.folders.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
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
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(caption)
        column.addWidget(self.folders, 1)
        column.addLayout(foot)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self.add.clicked.connect(self.add_wanted)
        self.failures.clicked.connect(self.failures_wanted)
        self.folders.remove_wanted.connect(self.remove_wanted)
        self.folders.doubleClicked.connect(lambda index: self.open_wanted.emit(index.data(FolderRole.FOLDER).path))
        self.folders.customContextMenuRequested.connect(self._show_menu)
        self._theme.changed.connect(self._paint_failures)
        self._theme.changed.connect(self.folders.viewport().update)

    def show_status(self, status: LibraryStatus) -> None:
        self._model.set_folders(status.folders)
        parts = [wording.videos(status.files), wording.clips(status.clips), wording.clock(status.seconds)]
        self._totals.setText(" \u00b7 ".join(parts) if status.clips else "")
        self.failures.setVisible(status.failed > 0)
        self.failures.setText(self.tr("{videos} could not be read").format(videos=wording.videos(status.failed)))
        self._paint_failures()

    def folder_menu(self, folder: Folder) -> QMenu:
        """What can be done with a folder."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Open folder"), lambda: self.open_wanted.emit(folder.path))
        menu.addAction(self.tr("Look for new videos"), lambda: self.refresh_wanted.emit(folder.path))
        menu.addSeparator()
        menu.addAction(self.tr("Remove from library\u2026"), lambda: self.remove_wanted.emit(folder))
        return menu

    def _show_menu(self, position: QPoint) -> None:
        index = self.folders.indexAt(position)
        if index.isValid():
            menu = self.folder_menu(index.data(FolderRole.FOLDER))
            menu.popup(self.folders.viewport().mapToGlobal(position))

    def _paint_failures(self) -> None:
        self.failures.setIcon(self._theme.icon("warning", self._theme.colors.danger))
