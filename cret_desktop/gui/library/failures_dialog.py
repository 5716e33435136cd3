"""The videos that could not be read: file, reason, and a button to retry. Never decides when a file is retried."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.engine.protocol import FailedFile
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.appearance.theme import SPACE
from cret_desktop.gui.bridge.model_index import Index


@dataclass(frozen=True, slots=True)
class Failure:
    """A file with its reason as text."""

    path: str
    reason: str


class FailuresModel(QAbstractTableModel):
    """One row per file: name, folder, reason."""

    def __init__(self, failures: tuple[FailedFile, ...], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._failures = [Failure(failure.path, i18n.said(failure.reason)) for failure in failures]

    def failure(self, row: int) -> Failure:
        return self._failures[row]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._failures)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 3

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DisplayRole:
            return (self.tr("File"), self.tr("Reason"), self.tr("Folder"))[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        failure = self._failures[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            folder = formatting.shown(os.path.dirname(failure.path))
            return (formatting.file_name(failure.path), failure.reason, folder)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return formatting.tooltip(f"{formatting.shown(failure.path)}\n{failure.reason}")
        return None


class FailuresDialog(QDialog):
    """Signals: `retry_wanted()`."""

    retry_wanted = Signal()

    def __init__(self, failures: tuple[FailedFile, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Videos that could not be read"))
        self.resize(860, 420)
        heading = QLabel(self.windowTitle())
        heading.setProperty("kind", "heading")
        words = QLabel(
            self.tr("These files are skipped until they change or you try again. All others are indexed."),
            wordWrap=True,
        )
        words.setProperty("kind", "muted")
        self._model = FailuresModel(failures, self)
        self.table = QTableView(showGrid=False, wordWrap=True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.setAccessibleName(self.windowTitle())
        self.table.setModel(self._model)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.setColumnWidth(0, 200)
        self.table.setColumnWidth(2, 220)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._copy = QAction(self.tr("Copy"), self, shortcut=QKeySequence(QKeySequence.StandardKey.Copy))
        self.table.addAction(self._copy)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._retry = buttons.addButton(self.tr("Try again"), QDialogButtonBox.ButtonRole.ActionRole)
        self._buttons = buttons
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addWidget(heading)
        column.addWidget(words)
        column.addWidget(self.table, 1)
        column.addWidget(buttons)
        self.table.selectRow(0)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._buttons.rejected.connect(self.reject)
        self._retry.clicked.connect(self._on_retry)
        self._copy.triggered.connect(self._copy_rows)

    def _on_retry(self) -> None:
        self.retry_wanted.emit()
        self.accept()

    def _copy_rows(self) -> None:
        rows = [self._model.failure(index.row()) for index in self.table.selectionModel().selectedRows()]
        lines = [f"{formatting.shown(failure.path)}\t{failure.reason}" for failure in rows]
        QGuiApplication.clipboard().setText("\n".join(lines))
