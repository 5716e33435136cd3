"""The editor for the tags of one or several videos: tags of all, tags of some, and new ones.

Emits the tags to add and to remove; never changes them itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCompleter,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QListView,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.domain.tags import fold_tag
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE

TAG = Qt.ItemDataRole.UserRole + 1
BEFORE = Qt.ItemDataRole.UserRole + 2


class TagsEditor(QDialog):
    """Signals: `changed(add, remove)`, tuples of tags, if it is closed with OK after a change."""

    changed = Signal(object, object)

    def __init__(
        self, files: Sequence[LibraryFile], tags: Sequence[tuple[str, int]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Tags"))
        self.resize(360, 420)
        whose = formatting.file_name(files[0].path) if len(files) == 1 else formatting.videos(len(files))
        heading = QLabel(self.tr("Tags of {videos}").format(videos=whose), wordWrap=True)
        heading.setTextFormat(Qt.TextFormat.PlainText)
        heading.setProperty("kind", "heading")
        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("New tag"))
        self.line.setAccessibleName(self.tr("New tag"))
        names = [tag for tag, _ in tags]
        completer = QCompleter(names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.line.setCompleter(completer)
        self._model = QStandardItemModel(self)
        self.list = QListView()
        self.list.setModel(self._model)
        self.list.setProperty("kind", "boxed")
        self.list.setAccessibleName(self.tr("Tags"))
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setProperty("kind", "primary")
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addWidget(heading)
        column.addWidget(self.line)
        column.addWidget(self.list, 1)
        column.addWidget(self._buttons)
        self._fill(files, names)
        self.line.setFocus()
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)

    def _fill(self, files: Sequence[LibraryFile], names: Sequence[str]) -> None:
        """List the files' own tags first."""
        had: dict[str, list[str]] = {}
        for file in files:
            for tag in file.tags:
                had.setdefault(fold_tag(tag), []).append(tag)
        for folded in sorted(had):
            everywhere = len(had[folded]) == len(files)
            state = Qt.CheckState.Checked if everywhere else Qt.CheckState.PartiallyChecked
            self._append(had[folded][0], state, state)
        for name in sorted(names, key=str.casefold):
            if fold_tag(name) not in had:
                self._append(name, Qt.CheckState.Unchecked, Qt.CheckState.Unchecked)

    def _append(self, tag: str, state: Qt.CheckState, before: Qt.CheckState) -> QStandardItem:
        item = QStandardItem(formatting.shown(tag))
        item.setData(tag, TAG)
        item.setData(before, BEFORE)
        item.setCheckable(True)
        # A click toggles between all and none; "some" is only an initial state.
        item.setUserTristate(False)
        item.setCheckState(state)
        self._model.appendRow(item)
        return item

    def state_of(self, tag: str) -> Qt.CheckState | None:
        item = self._item(tag)
        return item.checkState() if item is not None else None

    def add(self, tag: str) -> None:
        """Add a tag to all the files."""
        tag = " ".join(tag.split())
        if not tag:
            return
        item = self._item(tag)
        if item is None:
            item = self._append(tag, Qt.CheckState.Checked, Qt.CheckState.Unchecked)
        item.setCheckState(Qt.CheckState.Checked)
        self.list.scrollTo(item.index())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Add the typed tag on Enter; close with OK if the line is empty."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.line.text().strip():
            self.add(self.line.text())
            self.line.clear()
        else:
            super().keyPressEvent(event)

    def accept(self) -> None:
        self.add(self.line.text())
        items = [self._model.item(row) for row in range(self._model.rowCount())]
        moved = [item for item in items if item.checkState() != item.data(BEFORE)]
        add = tuple(item.data(TAG) for item in moved if item.checkState() is Qt.CheckState.Checked)
        remove = tuple(item.data(TAG) for item in moved if item.checkState() is Qt.CheckState.Unchecked)
        if add or remove:
            self.changed.emit(add, remove)
        super().accept()

    def _item(self, tag: str) -> QStandardItem | None:
        items = (self._model.item(row) for row in range(self._model.rowCount()))
        return next((item for item in items if fold_tag(item.data(TAG)) == fold_tag(tag)), None)
