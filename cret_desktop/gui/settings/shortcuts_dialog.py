"""A searchable list of all shortcuts, and a form to change them. A key in use is refused with the reason."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt
from PySide6.QtGui import QFont, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.gui.appearance.theme import SPACE
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.settings.shortcuts import Command, Scope, Shortcuts


class CommandsModel(QAbstractTableModel):
    """One row per command: its text, its keys, and where they work. Changed keys are bold."""

    def __init__(self, shortcuts: Shortcuts, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shortcuts = shortcuts
        self._commands = list(shortcuts.commands.values())
        shortcuts.changed.connect(self._on_changed)

    def command(self, row: int) -> Command:
        return self._commands[row]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._commands)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 3

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DisplayRole:
            return (self.tr("Command"), self.tr("Keys"), self.tr("Where"))[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        command = self._commands[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (command.title, self._shortcuts.shown_keys(command.id), self._place(command.scope))[index.column()]
        if role == Qt.ItemDataRole.FontRole and index.column() == 1 and not self._shortcuts.is_own(command.id):
            font = QFont()
            font.setBold(True)
            return font
        return None

    def _place(self, scope: Scope) -> str:
        return {
            Scope.WINDOW: self.tr("Everywhere"),
            Scope.RESULTS: self.tr("In the results"),
            Scope.PLAYER: self.tr("In the player"),
        }[scope]

    def _on_changed(self) -> None:
        self.dataChanged.emit(self.index(0, 0), self.index(len(self._commands) - 1, 2))


class ShortcutsDialog(QDialog):
    def __init__(self, shortcuts: Shortcuts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shortcuts = shortcuts
        self.setWindowTitle(self.tr("Keyboard shortcuts"))
        self.resize(680, 560)
        self.search = QLineEdit(clearButtonEnabled=True)
        self.search.setPlaceholderText(self.tr("Find a command or a key"))
        self.search.setAccessibleName(self.search.placeholderText())
        self._model = CommandsModel(shortcuts, self)
        self._shown = QSortFilterProxyModel(self)
        self._shown.setSourceModel(self._model)
        self._shown.setFilterKeyColumn(-1)
        self._shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.table = QTableView(showGrid=False, wordWrap=False)
        self.table.setModel(self._shown)
        self.table.setAccessibleName(self.windowTitle())
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for narrow in (1, 2):
            header.setSectionResizeMode(narrow, QHeaderView.ResizeMode.ResizeToContents)
        self._caption = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.keys = QKeySequenceEdit(maximumSequenceLength=1)
        self.keys.setAccessibleName(self.tr("New keys"))
        self.use = QPushButton(self.tr("Use these keys"))
        self.none = QPushButton(self.tr("No keys"))
        self.own = QPushButton(self.tr("Reset"))
        self.own.setToolTip(self.tr("Restore the default keys"))
        self.word = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self.word.setProperty("kind", "muted")
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.keys, 1)
        for button in (self.use, self.none, self.own):
            button.setAutoDefault(False)
            row.addWidget(button)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.reset = self._buttons.addButton(self.tr("Reset all"), QDialogButtonBox.ButtonRole.ResetRole)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE)
        column.addWidget(self.search)
        column.addWidget(self.table, 1)
        column.addWidget(self._caption)
        column.addLayout(row)
        column.addWidget(self.word)
        column.addWidget(self._buttons)
        self._connect_signals()
        self.table.selectRow(0)

    def _connect_signals(self) -> None:
        self.search.textChanged.connect(self._shown.setFilterFixedString)
        self.search.textChanged.connect(lambda: self.table.selectRow(0))
        self.table.selectionModel().currentRowChanged.connect(self._on_command)
        self.keys.keySequenceChanged.connect(self._judge)
        self.use.clicked.connect(self._use)
        self.none.clicked.connect(lambda: self._give([]))
        self.own.clicked.connect(self._give_own)
        self.reset.clicked.connect(self._shortcuts.reset)
        self._shortcuts.changed.connect(self._on_command)
        self._buttons.rejected.connect(self.reject)

    @property
    def command(self) -> Command | None:
        """The command that is selected in the list."""
        index = self.table.currentIndex()
        return self._model.command(self._shown.mapToSource(index).row()) if index.isValid() else None

    def _on_command(self) -> None:
        command = self.command
        for control in (self.keys, self.none, self.own):
            control.setEnabled(command is not None)
        self.keys.clear()
        self._judge()
        if command is not None:
            self._caption.setText(self.tr("Other keys for \u201c{command}\u201d:").format(command=command.title))
            self.none.setEnabled(bool(self._shortcuts.keys(command.id)))
            self.own.setEnabled(not self._shortcuts.is_own(command.id))

    def _judge(self) -> None:
        """Show whether the pressed keys can be used."""
        command, key = self.command, self.keys.keySequence()
        holder = None if command is None or key.isEmpty() else self._shortcuts.holder(command.id, key)
        self.use.setEnabled(command is not None and not key.isEmpty() and holder is None)
        words = self.tr("Click into the field and press the keys.")
        if holder is not None:
            words = self.tr(
                "{keys} is already used by \u201c{command}\u201d. Press other keys, or remove it there first."
            ).format(keys=key.toString(QKeySequence.SequenceFormat.NativeText), command=holder.title)
        self.word.setText(words)

    def _use(self) -> None:
        self._give([self.keys.keySequence()])

    def _give(self, keys: list[QKeySequence]) -> None:
        if self.command is not None:
            self._shortcuts.give(self.command.id, keys)

    def _give_own(self) -> None:
        """Restore the command's default keys, unless another command uses one of them now."""
        command = self.command
        if command is None:
            return
        keys = [QKeySequence(text, QKeySequence.SequenceFormat.PortableText) for text in command.keys]
        holder = next((holder for key in keys if (holder := self._shortcuts.holder(command.id, key))), None)
        if holder is None:
            self._shortcuts.give(command.id, keys)
        else:
            self.word.setText(
                self.tr("Already used by \u201c{command}\u201d. Remove them there first.").format(command=holder.title)
            )
