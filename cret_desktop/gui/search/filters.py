"""The form for filters: length, resolution, date, folder, tags and state as choices. It only produces operators.

Choices appear at once as chips in the search bar. A typed value that is not among the usual ones stays, as a choice of
its own. This module never sends a request to the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.search.operators import choices, operator_words, token, value_words
from cret_desktop.library.searching.query import Token

WIDTH = 380
TAGS_HEIGHT = 150


class Choice(QComboBox):
    """The values of one operator: any, the usual ones, and any other typed one."""

    def __init__(self, operator: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.operator = operator
        self.setAccessibleName(operator_words(operator))
        self.offer(choices(operator))

    def offer(self, values: Sequence[tuple[str, str]]) -> None:
        """Set the available values with their texts; the current choice stays if possible."""
        chosen = self.currentData()
        with QSignalBlocker(self):
            self.clear()
            self.addItem(self.tr("Any"), None)
            for value, words in values:
                self.addItem(words or value, value)
            self.choose(chosen)

    def choose(self, value: str | None) -> None:
        at = self.findData(value)
        if at < 0 and value is not None:
            self.addItem(value_words(self.operator, value), value)
            at = self.count() - 1
        self.setCurrentIndex(max(at, 0))


class Filters(QFrame):
    """A popup. Signals: `changed(tuple[Token, ...])`, all active operators."""

    changed = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setProperty("kind", "popup")
        self.setAccessibleName(self.tr("Filters"))
        self._others: tuple[Token, ...] = ()  # operators without a field in the form, such as excluded tags
        self._choices = {operator: Choice(operator) for operator in ("dur", "res", "date", "in", "ext")}
        self._states = {value: QCheckBox(words) for value, words in choices("is")}
        self._tags_model = QStandardItemModel(self)
        self.tags = QListView()
        self.tags.setModel(self._tags_model)
        self.tags.setAccessibleName(operator_words("tag"))
        self.tags.setProperty("kind", "boxed")
        self._tags_caption = QLabel(self.tr("Tags"))
        self._build()
        self.set_tags(())
        self._connect_signals()

    def _build(self) -> None:
        form = QFormLayout()
        form.setSpacing(SPACE)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for operator, choice in self._choices.items():
            form.addRow(operator_words(operator), choice)
        form.addRow(self._tags_caption, self.tags)
        states = QGridLayout()
        states.setVerticalSpacing(SPACE // 2)
        for number, box in enumerate(self._states.values()):
            states.addWidget(box, number // 2, number % 2)
        form.addRow(operator_words("is"), states)
        self.clear_button = QPushButton(self.tr("Clear filters"))
        self.done_button = QPushButton(self.tr("Done"))
        self.done_button.setProperty("kind", "primary")
        buttons = QHBoxLayout()
        buttons.addWidget(self.clear_button)
        buttons.addStretch()
        buttons.addWidget(self.done_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE * 2, SPACE * 2, SPACE * 2, SPACE * 2)
        column.setSpacing(SPACE * 2)
        column.addLayout(form)
        column.addLayout(buttons)

    def _connect_signals(self) -> None:
        for choice in self._choices.values():
            choice.activated.connect(self._tell)
        for box in self._states.values():
            box.clicked.connect(self._tell)
        self._tags_model.itemChanged.connect(self._tell)
        self.clear_button.clicked.connect(self._clear)
        self.done_button.clicked.connect(self.close)

    def choice(self, operator: str) -> Choice:
        return self._choices[operator]

    def state(self, value: str) -> QCheckBox:
        return self._states[value]

    def set_folders(self, folders: Sequence[str]) -> None:
        self._choices["in"].offer([(path, formatting.file_name(path)) for path in folders])

    def set_tags(self, tags: Sequence[tuple[str, int]]) -> None:
        """Set the library's tags, each with its number of files."""
        chosen = set(self._chosen_tags())
        with QSignalBlocker(self._tags_model):
            self._tags_model.clear()
            for tag, count in tags:
                item = QStandardItem(self.tr("{tag} ({count})").format(tag=tag, count=count))
                item.setData(tag, Qt.ItemDataRole.UserRole)
                item.setCheckable(True)
                item.setEditable(False)
                item.setCheckState(Qt.CheckState.Checked if tag in chosen else Qt.CheckState.Unchecked)
                self._tags_model.appendRow(item)
        self.tags.reset()
        self.tags.setFixedHeight(min(TAGS_HEIGHT, len(tags) * max(self.tags.sizeHintForRow(0), 1) + 2 * SPACE))
        self._tags_caption.setVisible(bool(tags))
        self.tags.setVisible(bool(tags))

    def open_under(self, button: QWidget, filters: Sequence[Token]) -> None:
        """Show the form for the active operators, its right edge under the button's."""
        self.show_filters(filters)
        self.setFixedWidth(min(WIDTH, button.window().width() - 2 * SPACE))
        self.adjustSize()
        corner = button.mapToGlobal(button.rect().bottomRight())
        self.move(corner - QPoint(self.width() - 1, -SPACE))
        self.show()
        self._choices["dur"].setFocus()

    def show_filters(self, filters: Sequence[Token]) -> None:
        plain = dict.fromkeys(self._choices, "")
        others: list[Token] = []
        tags, states = set(), set()
        for wanted in filters:
            if wanted.negative:
                others.append(wanted)
            elif wanted.operator == "tag":
                tags.add(wanted.value)
            elif wanted.operator == "is" and wanted.value in self._states:
                states.add(wanted.value)
            elif plain.get(wanted.operator) == "":
                plain[wanted.operator] = wanted.value
            else:
                others.append(wanted)
        self._others = tuple(others)
        for operator, choice in self._choices.items():
            choice.choose(plain[operator] or None)
        for value, box in self._states.items():
            box.setChecked(value in states)
        with QSignalBlocker(self._tags_model):
            for row in range(self._tags_model.rowCount()):
                item = self._tags_model.item(row)
                chosen = item.data(Qt.ItemDataRole.UserRole) in tags
                item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)

    def filters(self) -> tuple[Token, ...]:
        """Return the operators that the form represents."""
        chosen = [
            token(operator, choice.currentData())
            for operator, choice in self._choices.items()
            if choice.currentData() is not None
        ]
        chosen += [token("tag", tag) for tag in self._chosen_tags()]
        chosen += [token("is", value) for value, box in self._states.items() if box.isChecked()]
        return (*self._others, *chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.close()
        else:
            super().keyPressEvent(event)

    def _chosen_tags(self) -> list[str]:
        items = [self._tags_model.item(row) for row in range(self._tags_model.rowCount())]
        return [i.data(Qt.ItemDataRole.UserRole) for i in items if i.checkState() is Qt.CheckState.Checked]

    def _clear(self) -> None:
        self.show_filters(())
        self._tell()

    def _tell(self) -> None:
        self.changed.emit(self.filters())
