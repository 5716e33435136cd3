"""The search bar: words, filters as chips, a picture, and what to exclude. Never sends a request to the engine.

Searches while typing, at once on Enter, cleared by Esc. An operator becomes a chip as soon as it is complete; the query
is always `text`: the chips as typed, then the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from cret_desktop.domain.clips import Picture
from cret_desktop.engine.protocol import SavedSearch
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.search import operators
from cret_desktop.gui.search.chips import Chip, FilterChip, PictureChip
from cret_desktop.gui.search.flow_layout import FlowLayout
from cret_desktop.gui.search.history import History
from cret_desktop.gui.search.search_frame import SearchFrame
from cret_desktop.gui.search.search_line import SearchLine
from cret_desktop.gui.search.without_box import DEBOUNCE_MS, WithoutBox
from cret_desktop.library.searching import query
from cret_desktop.library.searching.query import Token

LINE_WIDTH = 180  # minimum width in pixels of the line beside chips, before it takes a row of its own
ROW = 34  # pixels; also the height of the widgets beside the first row of the flow


class SearchBar(QWidget):
    """Signals:
    searched(text, live)
    cleared()  words, filters, picture and exclusion are gone
    excluded(text, live)  a description of what to exclude
    resembled(like, text)  a Picture or a clip's id, None if its chip was removed; and the query beside it
    picture_pasted(QMimeData), save_wanted(), filters_wanted(), left_downwards()
    """

    searched = Signal(str, bool)
    cleared = Signal()
    excluded = Signal(str, bool)
    resembled = Signal(object, str)
    picture_pasted = Signal(object)
    save_wanted = Signal()
    filters_wanted = Signal()
    left_downwards = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.history = History()
        self._chips: list[FilterChip] = []
        self._picture: PictureChip | None = None
        self._sent = ""
        self._saved = False
        self._debounce = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._build()
        self._connect_signals()

    def _build(self) -> None:
        self.line = SearchLine(self._theme, self.history)
        self.line.setPlaceholderText(self.tr("Describe a moment: a dog running on a beach"))
        self.line.setAccessibleName(self.tr("Search"))
        self.line.setMinimumHeight(ROW)
        self._lens = QLabel()
        self._lens.setFixedHeight(ROW)
        self.clear_button = self._button("close", self.tr("Clear the search"))
        self.without_button = self._button("without", self.tr("Exclude moments that show something"))
        self.without_button.setCheckable(True)
        self.save_button = self._button("bookmark", self.tr("Save this search"))
        self.filters_button = self._button("filter", self.tr("Filters"))
        self.without = WithoutBox(self._theme)
        self.without.hide()
        self._words = QWidget()
        self._flow = FlowLayout(self._words, SPACE // 2, LINE_WIDTH)
        self._flow.addWidget(self.line)
        self._box = SearchFrame(self.line)
        row = QHBoxLayout(self._box)
        row.setContentsMargins(SPACE * 3 // 2, SPACE // 2, SPACE // 2, SPACE // 2)
        row.setSpacing(SPACE // 2)
        row.addWidget(self._lens, alignment=Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._words, 1)
        for button in (self.clear_button, self.without_button, self.save_button, self.filters_button):
            row.addWidget(button, alignment=Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE // 2)
        column.addWidget(self._box)
        column.addWidget(self.without)
        self.setFocusProxy(self.line)
        self._paint_icons()
        self._on_changed()

    def _button(self, icon: str, words: str) -> QToolButton:
        button = QToolButton()
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.setIconSize(QSize(20, 20))
        button.setFixedHeight(ROW)
        self._theme.give_icon(button, icon)
        return button

    def _connect_signals(self) -> None:
        self._theme.changed.connect(self._paint_icons)
        self._debounce.timeout.connect(lambda: self._send(live=True))
        self.line.textEdited.connect(self._on_edited)
        self.line.textChanged.connect(self._on_changed)
        self.line.returnPressed.connect(self._search_now)
        self.line.completed.connect(self._on_completed)
        self.line.left_downwards.connect(self._leave_downwards)
        self.line.left_backwards.connect(self._on_left_backwards)
        self.line.picture_pasted.connect(self.picture_pasted)
        self.clear_button.clicked.connect(self.clear)
        self.without_button.toggled.connect(self._show_without)
        self.without.excluded.connect(self.excluded)
        self.without.closed.connect(lambda: self.without_button.setChecked(False))
        self.save_button.clicked.connect(self.save_wanted)
        self.filters_button.clicked.connect(self.filters_wanted)

    # --- the query --------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the whole query, filters included."""
        return " ".join([query.to_text(self.filters), self.line.text().strip()]).strip()

    def _finished_text(self) -> str:
        """Return the query without the operator that is being typed, which may still be incomplete."""
        typed = self.line.text()
        parts = query.tokens(typed)
        if parts and parts[-1].kind != "words" and parts[-1].end == len(typed):
            typed = typed[: parts[-1].start]
        return " ".join([query.to_text(self.filters), typed.strip()]).strip()

    @property
    def filters(self) -> tuple[Token, ...]:
        """The operators that are chips."""
        return tuple(chip.token for chip in self._chips)

    def search(self, text: str) -> None:
        """Replace the query with `text`, its operators as chips, and search it."""
        self._set_text(text)
        self._search_now()

    def set_filters(self, tokens: Sequence[Token]) -> None:
        """Replace the filters; the words stay."""
        self._take_chips()
        self.line.setText(self._make_chips(self.line.text()))
        for token in tokens:
            self._add_chip(token)
        self._send(live=False)

    def add_filter(self, operator: str, value: str) -> None:
        """Add a filter; it replaces one of the same kind, except for tags and states, which add up."""
        others = [t for t in self.filters if t.operator != operator or (operator in ("tag", "is") and t.value != value)]
        self.set_filters([*others, operators.token(operator, value)])

    def resemble(self, pixmap: QPixmap, like: Picture | int) -> None:
        """Search by a picture or a clip, shown as a chip, instead of the words; the filters stay.

        Words typed afterwards are searched together with it.
        """
        self._remove_picture()
        self.line.clear()
        self._picture = PictureChip(pixmap, self._theme)
        self._picture.removed.connect(self._drop_picture)
        self._picture.stepped.connect(lambda _: self.line.setFocus())
        self._insert(self._picture, before=self._chips[0] if self._chips else self.line)
        self._tell_picture(like)

    def show_picture(self, pixmap: QPixmap) -> None:
        """Show a picture that arrived after its chip."""
        if self._picture is not None:
            self._picture.show_picture(pixmap)

    def show_saved(self, saved: SavedSearch) -> None:
        """Replace the query with a saved search. Emits nothing: it is one search, not three changes."""
        with QSignalBlocker(self):
            self._take_all()
            self.without.set_text(saved.without)
            self.without_button.setChecked(bool(saved.without))
            self._set_text(saved.text)
            self._send(live=False)

    def clear(self) -> None:
        """Clear words, filters, picture and exclusion."""
        with QSignalBlocker(self):
            self._take_all()
            self._send(live=False)
        self.line.setFocus()
        self.cleared.emit()

    def _take_all(self) -> None:
        self._take_chips()
        self.line.clear()
        self.without_button.setChecked(False)
        self._remove_picture()

    def selectAll(self) -> None:
        self.line.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and (self.text() or self._picture or self.without.text()):
            self.clear()
        else:
            super().keyPressEvent(event)

    # --- chips ------------------------------------------------------------------------------------------------

    def _set_text(self, text: str) -> None:
        self._take_chips()
        self.line.setText(self._make_chips(text).strip())

    def _make_chips(self, text: str, until: int | None = None) -> str:
        """Convert the complete operators in text[:until] to chips. Return the text without them."""
        rest, at = [], 0
        for token in query.tokens(text):
            if token.kind != "words" and not token.problem and (until is None or token.end <= until):
                rest.append(text[at : token.start])
                at = token.end
                if text[at : at + 1] == " ":  # one of the two spaces around it
                    at += 1
                self._add_chip(replace(token, start=0, end=0))
        return "".join([*rest, text[at:]])

    def _add_chip(self, token: Token) -> None:
        if token in self.filters:
            return
        chip = FilterChip(token, self._theme)
        chip.removed.connect(lambda: self._on_chip_removed(chip))
        chip.stepped.connect(lambda step: self._step(chip, step))
        self._insert(chip, before=self.line)
        self._chips.append(chip)

    def _insert(self, chip: Chip, before: QWidget) -> None:
        self._flow.insert_widget(self._flow.indexOf(before), chip)
        previous = before.previousInFocusChain()
        if previous is not None:
            QWidget.setTabOrder(previous, chip)

    def _take_chips(self) -> None:
        for chip in self._chips:
            self._discard(chip)
        self._chips.clear()

    def _discard(self, chip: Chip) -> None:
        self._flow.removeWidget(chip)
        chip.hide()
        chip.deleteLater()

    def _on_chip_removed(self, chip: FilterChip) -> None:
        self._chips.remove(chip)
        self._discard(chip)
        self.line.setFocus()
        self._send(live=False)

    def _on_left_backwards(self, edit: bool) -> None:
        """Convert the last chip back to text (Backspace), or move the focus to it (left key)."""
        if not self._chips:
            if edit and self._picture is not None:
                self._drop_picture()
            return
        chip = self._chips[-1]
        if edit:
            self._chips.remove(chip)
            self._discard(chip)
            text = query.to_text([chip.token])
            self.line.setText(text + self.line.text())
            self.line.setCursorPosition(len(text))
            self._debounce.start()
        else:
            chip.setFocus()

    def _step(self, chip: FilterChip, step: int) -> None:
        at = self._chips.index(chip) + step
        target: QWidget = self._chips[max(at, 0)] if at < len(self._chips) else self.line
        target.setFocus()

    def _drop_picture(self) -> None:
        self._remove_picture()
        self._tell_picture(None)

    def _tell_picture(self, like: Picture | int | None) -> None:
        self._debounce.stop()
        self._on_changed()
        self._sent = self.text()
        self.resembled.emit(like, self._sent)

    def _remove_picture(self) -> None:
        if self._picture is not None:
            self._discard(self._picture)
            self._picture = None

    # --- typing -----------------------------------------------------------------------------------------------

    def _on_edited(self, text: str) -> None:
        cursor = self.line.cursorPosition()
        if text[cursor - 1 : cursor].isspace():
            head = self._make_chips(text[:cursor], until=cursor - 1)
            if head != text[:cursor]:
                self.line.setText(head + text[cursor:])
                self.line.setCursorPosition(len(head))
        self._debounce.start()

    def _on_completed(self) -> None:
        self.line.setText(self._make_chips(self.line.text()))
        self._send(live=False)

    def _on_changed(self) -> None:
        self.clear_button.setVisible(bool(self.text() or self._picture))
        self.save_button.setEnabled(bool(self.text()))

    def _search_now(self) -> None:
        rest = self._make_chips(self.line.text())
        if rest != self.line.text():
            self.line.setText(rest)
        self._send(live=False)
        self.history.note(self.text())

    def _send(self, live: bool) -> None:
        self._debounce.stop()
        self._on_changed()
        text = self._finished_text() if live else self.text()
        if not live or text != self._sent:
            self._sent = text
            self.searched.emit(text, live)

    def _leave_downwards(self) -> None:
        self.history.note(self.text())  # entering the results completes the query
        self.left_downwards.emit()

    def _show_without(self, shown: bool) -> None:
        self.without.setVisible(shown)
        if shown:
            self.without.setFocus()
        else:
            self.without.set_text("")
            self.line.setFocus()

    def set_saved(self, saved: bool) -> None:
        """Show whether the query is saved."""
        self._saved = saved
        self._paint_icons()

    def _paint_icons(self) -> None:
        self.save_button.setIcon(self._theme.icon("bookmark-filled" if self._saved else "bookmark"))
        self._lens.setPixmap(self._theme.icon("search", self._theme.colors.muted).pixmap(20, 20))
