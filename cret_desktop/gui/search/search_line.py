"""The line edit of the search bar, with suggestions in a list below it. Independent of chips and engines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from PySide6.QtCore import QModelIndex, QObject, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCompleter,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from cret_desktop.gui.appearance.theme import RADIUS, SPACE, Theme
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.search.history import History
from cret_desktop.gui.search.pictures import holds_picture
from cret_desktop.gui.search.suggestions import Suggestion, Vocabulary, suggest

SUGGESTION = Qt.ItemDataRole.UserRole + 1
POPUP_WIDTH = 420


class SuggestionDelegate(QStyledItemDelegate):
    """Paints a suggestion, with its hint at the right."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, option.fontMetrics.lineSpacing() + SPACE * 3 // 2)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        suggestion: Suggestion = index.data(SUGGESTION)
        colors, row, metrics = self._theme.colors, option.rect, option.fontMetrics
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.accent))
            painter.drawRoundedRect(row.adjusted(2, 1, -2, -1), RADIUS, RADIUS)
        inner: QRect = row.adjusted(SPACE, 0, -SPACE, 0)
        hint_width = min(metrics.horizontalAdvance(suggestion.hint), inner.width() // 2)
        text = metrics.elidedText(suggestion.text, Qt.TextElideMode.ElideMiddle, inner.width() - hint_width - 2 * SPACE)
        hint = metrics.elidedText(suggestion.hint, Qt.TextElideMode.ElideMiddle, hint_width)
        painter.setPen(QColor(colors.on_accent if chosen else colors.text))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.setPen(QColor(colors.on_accent if chosen else colors.muted))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, hint)
        painter.restore()


class SearchLine(QLineEdit):
    """Signals:
    completed()  a suggestion was accepted: an operator with its value, or a query of the history
    left_downwards()  by the down key, if there is no list to enter
    left_backwards(bool)  by Backspace (True) or the left key at the very start
    picture_pasted(QMimeData)
    """

    completed = Signal()
    left_downwards = Signal()
    left_backwards = Signal(bool)
    picture_pasted = Signal(object)

    def __init__(self, theme: Theme, history: History, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self.vocabulary = Vocabulary()
        self.setAcceptDrops(False)  # the window handles dropped folders and pictures, which are not text for this line
        self._theme = theme
        self._suggestions = QStandardItemModel(self)
        self.textEdited.connect(self._suggest)

    @cached_property
    def _completer(self) -> QCompleter:
        """The completer, built for the first suggestion: it does not delay the window."""
        completer = QCompleter(self._suggestions, self)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.setWidget(self)
        completer.setMaxVisibleItems(10)
        popup = QListView()
        popup.setProperty("kind", "popup")
        popup.setAccessibleName(self.tr("Suggestions"))
        completer.setPopup(popup)
        popup.setItemDelegate(SuggestionDelegate(self._theme, self))  # after setPopup, which sets its own
        completer.activated[QModelIndex].connect(self._take)  # type: ignore[index]  # it is overloaded
        return completer

    @property
    def popup(self) -> QAbstractItemView:
        """The list of suggestions."""
        popup = self._completer.popup()
        assert popup is not None
        return popup

    @property
    def _is_offering(self) -> bool:
        return "_completer" in self.__dict__ and self.popup.isVisible()

    @property
    def suggestions(self) -> list[Suggestion]:
        """The suggestions that are shown at present."""
        if not self._is_offering:
            return []
        return [self._suggestions.item(row).data(SUGGESTION) for row in range(self._suggestions.rowCount())]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        at_start = self.cursorPosition() == 0 and not self.hasSelectedText()
        chosen = self.popup.currentIndex() if self._is_offering else QModelIndex()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and chosen.isValid():
            self.popup.hide()
            self._take(chosen)
        elif event.key() == Qt.Key.Key_Down:
            if not self.text() and self._history.queries:
                self._offer([Suggestion(query, "", 0, True) for query in self._history.queries])
            else:
                self.left_downwards.emit()
        elif at_start and event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Left):
            self.left_backwards.emit(event.key() == Qt.Key.Key_Backspace)
        elif event.matches(QKeySequence.StandardKey.Paste) and holds_picture(QGuiApplication.clipboard().mimeData()):
            self.picture_pasted.emit(QGuiApplication.clipboard().mimeData())
        else:
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forwards: bool) -> bool:
        """Accept the selected suggestion, or the first one, on Tab; move the focus otherwise."""
        if forwards and self._is_offering:
            index = self.popup.currentIndex()
            self.popup.hide()
            self._take(index if index.isValid() else self._suggestions.index(0, 0))
            return True
        return super().focusNextPrevChild(forwards)

    def _suggest(self) -> None:
        self._offer(suggest(self.text()[: self.cursorPosition()], self.vocabulary))

    def _offer(self, suggestions: Sequence[Suggestion]) -> None:
        self._suggestions.clear()
        for suggestion in suggestions:
            item = QStandardItem(suggestion.text)
            item.setData(suggestion, SUGGESTION)
            item.setData(f"{suggestion.text}, {suggestion.hint}".rstrip(", "), Qt.ItemDataRole.AccessibleTextRole)
            self._suggestions.appendRow(item)
        if suggestions:
            place = self.rect().adjusted(0, 0, 0, SPACE * 3 // 2)  # below the frame around the line
            place.setWidth(min(POPUP_WIDTH, self.window().width() - self.mapTo(self.window(), place.topLeft()).x()))
            self._completer.complete(place)
            self.popup.setCurrentIndex(QModelIndex())  # Enter searches the typed text unless a suggestion was selected
        elif self._is_offering:
            self.popup.hide()

    def _take(self, index: QModelIndex) -> None:
        suggestion: Suggestion = index.data(SUGGESTION)
        rest = self.text()[self.cursorPosition() :]
        text = self.text()[: suggestion.start] + suggestion.text
        if suggestion.whole and not rest.startswith(" "):
            text += " "
        self.setText(text + rest)
        self.setCursorPosition(len(text))
        if suggestion.whole:
            self.completed.emit()
        else:
            self._suggest()
