"""The page of results: sorting, the three views of one model, and messages when there are no results.

It decides which view is visible and what keeps its position; the search's controller decides which answer is shown, and
the receivers of `selection` carry out its commands.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cret_desktop.domain.clips import LibraryFile, Moment, Picture, Sort
from cret_desktop.engine.protocol import SearchAnswer
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.results.results_delegate import LARGEST, SMALLEST, USUAL, CardDelegate
from cret_desktop.gui.results.results_model import PAGE, ResultsModel
from cret_desktop.gui.results.results_view import ResultsView
from cret_desktop.gui.results.selection_actions import SelectionActions
from cret_desktop.gui.settings.shortcuts import Shortcuts
from cret_desktop.library.searching import query as query_language

if TYPE_CHECKING:
    from cret_desktop.gui.results.filmstrip_view import FilmstripDelegate, Filmstrips
    from cret_desktop.gui.results.results_list import ResultsList

ZOOM_STEP = 32  # logical pixels of a card's width
SLIDER_WIDTH = 96
ROOMY = 620  # a narrower page omits the slider; the keys remain
SETTLE_MS = 40  # a page that stays visible this long is requested
VIEWS = ("grid", "list", "filmstrip")  # attributes of the page
FLAGS = QItemSelectionModel.SelectionFlag


class ResultsPage(QWidget):
    """Signals:
    sort_changed(Sort, bool)  an order and whether it is reversed
    part_wanted(int, int)  offset and number of visible videos of a browsed list that are not loaded
    clear_filters_wanted()
    failed(Exception)  of filmstrips
    """

    sort_changed = Signal(object, bool)
    part_wanted = Signal(int, int)
    clear_filters_wanted = Signal()
    failed = Signal(object)

    def __init__(
        self,
        bridge: EngineBridge,
        theme: Theme,
        thumbnails: ThumbnailCache,
        shortcuts: Shortcuts,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._theme = theme
        self._thumbnails = thumbnails
        self._text = ""
        self._like: Picture | int | None = None
        self._sort, self._reverse = Sort.RELEVANCE, False
        self._empty_icon_name = "film"
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self.model = ResultsModel(self)
        self._card = CardDelegate(self.model, theme, thumbnails)
        self.grid = ResultsView(self.model, self._card, theme, thumbnails)
        self.rows = self.grid.selectionModel()
        self._views: dict[str, ResultsView | ResultsList] = {}  # by name; see `list` and `filmstrip`
        self._shown = "grid"
        self._build(shortcuts)
        self.selection = SelectionActions(self.model, self.rows, shortcuts, self.views)
        self._connect_signals()
        self.show_view("grid")

    def _build(self, shortcuts: Shortcuts) -> None:
        self.views = QStackedWidget()
        self._add_view("grid", self.grid, self.tr("Results as a grid"))

        self.line = QLabel(textFormat=Qt.TextFormat.PlainText)
        self.line.setProperty("kind", "muted")
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.note = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.note.setContentsMargins(SPACE, 0, SPACE, SPACE)
        self.note.hide()
        self._sort_button = self._build_sort()
        self._size = QSlider(Qt.Orientation.Horizontal)
        self._size.setRange(SMALLEST, LARGEST)
        self._size.setValue(USUAL)
        self._size.setSingleStep(ZOOM_STEP)
        self._size.setPageStep(2 * ZOOM_STEP)
        self._size.setFixedWidth(SLIDER_WIDTH)
        self._size.setAccessibleName(self.tr("Thumbnail size"))
        self._size.setToolTip(self.tr("Thumbnail size"))
        bar = QHBoxLayout()
        bar.setContentsMargins(SPACE, 0, SPACE * 2, SPACE // 2)
        bar.setSpacing(SPACE // 2)
        bar.addWidget(self.line, 1)
        bar.addWidget(self._size)
        bar.addSpacing(SPACE)
        bar.addWidget(self._sort_button)
        bar.addSpacing(SPACE)
        self._view_actions = {}
        group = QActionGroup(self)
        for name in VIEWS:
            action = shortcuts.action(self, f"as_{name}", partial(self.show_view, name))
            action.setCheckable(True)
            self._theme.give_icon(action, f"view-{name}")
            group.addAction(action)
            self._view_actions[name] = action
            button = QToolButton()
            button.setDefaultAction(action)
            button.setAccessibleName(action.text().replace("&", ""))
            bar.addWidget(button)
        shortcuts.action(self, "larger", lambda: self.zoom(1))
        shortcuts.action(self, "smaller", lambda: self.zoom(-1))

        self._build_empty()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.views)
        self._stack.addWidget(self._empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(self.note)
        column.addWidget(self._stack, 1)
        self._column = column

    # Built when first shown: they do not delay the window, and no answer is laid out in them before.

    @cached_property
    def list(self) -> ResultsList:
        from cret_desktop.gui.results.results_list import ResultsList

        view = ResultsList(self.model, self._theme, self._thumbnails)
        view.sort_wanted.connect(self._sort_by_heading)
        self._add_view("list", view, self.tr("Results as a list"))
        view.show_sort(self._sort, self._reverse)
        return view

    @cached_property
    def filmstrips(self) -> Filmstrips:
        from cret_desktop.gui.results.filmstrip_view import Filmstrips

        strips = Filmstrips(self._bridge, self)
        strips.set_query(self._text, self._like)
        strips.failed.connect(self.failed)
        return strips

    @cached_property
    def filmstrip(self) -> ResultsView:
        from cret_desktop.gui.results.filmstrip_view import FilmstripDelegate

        delegate = FilmstripDelegate(self.model, self._theme, self._thumbnails, self.filmstrips)
        delegate.width = self._size.value()
        view = ResultsView(self.model, delegate, self._theme, self._thumbnails)
        self._size.valueChanged.connect(partial(self._resize_pictures, view, delegate))
        self.filmstrips.ready.connect(lambda _: view.viewport().update())
        view.zoom_wanted.connect(self.zoom)
        self._add_view("filmstrip", view, self.tr("Results as filmstrips"))
        return view

    def _add_view(self, name: str, view: ResultsView | ResultsList, words: str) -> None:
        view.setAccessibleName(words)
        if view.selectionModel() is not self.rows:  # one selection for all of them
            unused = view.selectionModel()
            view.setSelectionModel(self.rows)
            unused.deleteLater()
        view.open_wanted.connect(self._open_at)
        view.fold_wanted.connect(self.model.toggle)
        view.moved.connect(self._on_moved)
        view.customContextMenuRequested.connect(self._show_menu)
        self._views[name] = view
        self.views.addWidget(view)

    def put_above(self, notice: QWidget) -> None:
        """Insert a notice above the results."""
        self._column.insertWidget(0, notice)

    def _build_sort(self) -> QToolButton:
        button = QToolButton(popupMode=QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setAccessibleName(self.tr("Sort by"))
        self._theme.give_icon(button, "sort")
        menu, group = QMenu(button), QActionGroup(self)
        self._sort_actions: dict[Sort, QAction] = {}
        for sort in Sort:
            action = menu.addAction("", partial(self._choose_sort, sort))
            action.setCheckable(True)
            action.setObjectName(f"action_sort_{sort.value}")
            group.addAction(action)
            self._sort_actions[sort] = action
        menu.addSeparator()
        self._reverse_action = menu.addAction(
            self.tr("Reverse order"), lambda: self.sort_by(self._sort, not self._reverse)
        )
        self._reverse_action.setCheckable(True)
        self._reverse_action.setObjectName("action_sort_reverse")
        button.setMenu(menu)
        return button

    def _build_empty(self) -> None:
        centre = Qt.AlignmentFlag.AlignCenter
        self._empty = QWidget()
        self._empty_icon = QLabel(alignment=centre)
        self.empty_title = QLabel(alignment=centre, wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self.empty_title.setProperty("kind", "title")
        self._empty_words = QLabel(alignment=centre, wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._empty_words.setProperty("kind", "muted")
        self.clear_filters = QPushButton(self.tr("Clear filters"))
        column = QVBoxLayout(self._empty)
        column.setContentsMargins(SPACE * 4, SPACE * 4, SPACE * 4, SPACE * 8)
        column.setSpacing(SPACE)
        column.addStretch()
        column.addWidget(self._empty_icon)
        column.addSpacing(SPACE)
        column.addWidget(self.empty_title)
        column.addWidget(self._empty_words)
        column.addSpacing(SPACE)
        column.addWidget(self.clear_filters, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch()

    def _connect_signals(self) -> None:
        self.grid.zoom_wanted.connect(self.zoom)
        self.rows.selectionChanged.connect(self._show_count)
        self.clear_filters.clicked.connect(self.clear_filters_wanted)
        self._size.valueChanged.connect(partial(self._resize_pictures, self.grid, self._card))
        self._settle.timeout.connect(self._ask_for_what_is_in_sight)
        self._theme.changed.connect(self._paint_empty_icon)

    # --- answers ----------------------------------------------------------------------------------------------

    def set_query(self, text: str, like: Picture | int | None) -> None:
        """Set the query of the next answer; filmstrips compute their relevance to it."""
        self._text, self._like = text, like
        if "filmstrips" in self.__dict__:
            self.filmstrips.set_query(text, like)

    def show_answer(self, answer: SearchAnswer, keep_place: bool = False) -> None:
        """Show an answer; with `keep_place`, selected, opened and visible rows stay if possible."""
        view = self.view
        first = view.rows_in_sight().start if keep_place and self.model.rowCount() else 0
        anchor = self.model.card(first) if keep_place and self.model.rowCount() else None
        offset = view.row_rect(first).top() if anchor is not None else 0
        chosen, current = (self.selection.moments() if self.rows.hasSelection() else ()), self.current_moment()
        in_place = self.model.show(answer, keep_place)
        if not keep_place:
            for other in self._views.values():
                other.scrollToTop()
        elif not in_place:
            self._choose_again(chosen, current)
        if anchor is not None and not in_place and (row := self.model.row_of(anchor.moment)) is not None:
            bar = view.verticalScrollBar()
            bar.setValue(bar.value() + view.row_rect(row).top() - offset)
        self._say(answer)
        self._show_sort()
        self._show_count()
        self._on_moved()

    def show_part(self, answer: SearchAnswer, offset: int) -> None:
        """Fill in videos of a browsed list that `part_wanted` requested."""
        self.model.put(answer, offset)

    def update_files(self, files: tuple[LibraryFile, ...]) -> None:
        """Show changes of files before the engine reports them."""
        self.model.update_files(files)

    def show_searching(self) -> None:
        self.line.setText(self.tr("Searching\u2026"))

    def show_failed(self, sentence: str) -> None:
        """Show the reason why a query cannot be answered."""
        self.model.clear()
        self.line.clear()
        self.note.hide()
        self._show_empty("warning", sentence, "", False)

    def clear(self) -> None:
        self.model.clear()
        self.line.clear()
        self.note.hide()

    # --- the selection ----------------------------------------------------------------------------------------

    @property
    def view(self) -> ResultsView | ResultsList:
        """The visible view."""
        return self._views[self._shown]

    def current_moment(self) -> Moment | None:
        card = self.selection.card()
        return None if card is None else card.moment

    def step(self, step: int) -> Moment | None:
        """Select the next moment (the previous one for -1) and return it; None at the ends."""
        row = self.rows.currentIndex().row() + step
        while 0 <= row < self.model.rowCount():
            if (card := self.model.card(row)) is not None:
                self._choose(row)
                return card.moment
            row += step
        return None

    def focus_results(self) -> None:
        """Move the focus to the view; select the first row if none is."""
        if self.model.rowCount():
            self.view.setFocus(Qt.FocusReason.ShortcutFocusReason)
            if not self.rows.currentIndex().isValid():
                self._choose(0)

    def _choose(self, row: int) -> None:
        index = self.model.index(row, 0)
        self.rows.setCurrentIndex(index, FLAGS.ClearAndSelect | FLAGS.Rows)
        self.view.scrollTo(index)

    def _choose_again(self, chosen: tuple[Moment, ...], current: Moment | None) -> None:
        self.rows.select(self.grid.selection_of(self.model.rows_of(chosen)), FLAGS.Select | FLAGS.Rows)
        if current is not None and (row := self.model.row_of(current)) is not None:
            self.rows.setCurrentIndex(self.model.index(row, 0), FLAGS.NoUpdate)

    # --- display ----------------------------------------------------------------------------------------------

    def show_view(self, name: str) -> None:
        """Show the rows as a "grid", a "list" or a "filmstrip", and scroll to the current row."""
        had_focus = self.view.hasFocus()
        if name == "filmstrip":
            self.model.close_all()  # one row per video
        self._shown = name
        self.views.setCurrentWidget(getattr(self, name))
        self._view_actions[name].setChecked(True)
        if had_focus:
            self.view.setFocus()
        if self.rows.currentIndex().isValid():
            self.view.scrollTo(self.rows.currentIndex())
        self._size.setEnabled(name != "list")
        self._on_moved()

    def zoom(self, steps: int) -> None:
        """Enlarge the pictures, or shrink them if `steps` is negative."""
        self._size.setValue(self._size.value() + steps * ZOOM_STEP)

    def sort_by(self, sort: Sort, reverse: bool) -> None:
        """Change the order of the results; the new answer arrives by `show_answer`."""
        if (sort, reverse) != (self._sort, self._reverse):
            self._sort, self._reverse = sort, reverse
            self.sort_changed.emit(sort, reverse)
        self._show_sort()

    def _choose_sort(self, sort: Sort) -> None:
        self.sort_by(sort, self._reverse)

    def show_sort(self, sort: Sort, reverse: bool) -> None:
        """Show the order of the answers (a saved search has its own)."""
        self._sort, self._reverse = sort, reverse
        self._show_sort()

    def save_state(self) -> dict[str, str | int | bool]:
        """Return the page's settings for the next start."""
        return {
            "view": self._shown,
            "thumbnail": self._size.value(),
            "sort": self._sort.value,
            "reverse": self._reverse,
        }

    def restore_state(self, view: str, thumbnail: int, sort: str, reverse: bool) -> None:
        """Restore the output of `save_state`; '' or 0, or an unknown value, keeps the default."""
        if thumbnail:
            self._size.setValue(thumbnail)
        if view in VIEWS:
            self.show_view(view)
        if sort in set(Sort):
            self.sort_by(Sort(sort), reverse)

    def _sort_by_heading(self, sort: Sort) -> None:
        shown = Sort.DATE if self.model.browsed and self._sort is Sort.RELEVANCE else self._sort
        self.sort_by(sort, not self._reverse if sort is shown else False)

    def _show_sort(self) -> None:
        by = Sort.DATE if self.model.browsed and self._sort is Sort.RELEVANCE else self._sort
        for sort, action in self._sort_actions.items():
            action.setText(formatting.sort(sort))
            action.setVisible(sort is not Sort.RELEVANCE or not self.model.browsed)
            action.setChecked(sort is by)
        self._reverse_action.setChecked(self._reverse)
        words = formatting.sort(by)
        self._sort_button.setText(f"{words} {chr(0x2191)}" if self._reverse else words)
        self._sort_button.setToolTip(self.tr("Sort: {order}").format(order=words))
        if "list" in self._views:
            self.list.show_sort(self._sort, self._reverse)

    @staticmethod
    def _resize_pictures(view: ResultsView, delegate: CardDelegate | FilmstripDelegate, width: int) -> None:
        delegate.width = width
        view.lay_out()

    # --- messages ---------------------------------------------------------------------------------------------

    def _say(self, answer: SearchAnswer) -> None:
        """Describe the answer in the line, the note, or in place of results."""
        filtered = any(token.kind == "operator" for token in query_language.tokens(self._text))
        query = _short(answer.query)
        alike = self._like is not None and not query
        self.note.hide()
        if answer.moments:
            self._stack.setCurrentWidget(self.views)
            if not answer.confident and not answer.browsed:
                if alike:
                    words = self.tr("Nothing looks much like this picture. The closest moments, all weak matches:")
                else:
                    words = self.tr("Nothing matches \u201c{query}\u201d well. The closest moments, all weak matches:")
                self.note.setText(words.format(query=query))
                self.note.show()
        elif filtered and not answer.total:
            self._show_empty(
                "filter",
                self.tr("No video matches these filters"),
                self.tr("Change a filter, or show the whole library."),
                True,
            )
        elif answer.browsed:
            self._show_empty("film", self.tr("No videos yet"), "", False)
        elif not answer.searched:
            self._show_empty(
                "film",
                self.tr("Nothing has been indexed yet"),
                self.tr("You can search as soon as the first video is done."),
                False,
            )
        elif alike:
            words = self.tr("Nothing in the library looks like this picture.")
            self._show_empty("search", self.tr("Nothing found"), words, filtered)
        else:
            words = self.tr("Nothing in the library matches \u201c{query}\u201d.").format(query=query)
            self._show_empty("search", self.tr("Nothing found"), words, filtered)

    def _show_empty(self, icon: str, title: str, words: str, filtered: bool) -> None:
        self._empty_icon_name = icon
        self.empty_title.setText(title)
        self._empty_words.setText(words)
        self.clear_filters.setVisible(filtered)
        self._paint_empty_icon()
        self._stack.setCurrentWidget(self._empty)

    def _paint_empty_icon(self) -> None:
        icon = self._theme.icon(self._empty_icon_name, self._theme.colors.muted)
        self._empty_icon.setPixmap(icon.pixmap(64, 64))

    def _show_count(self) -> None:
        """Show the number of results, and the number selected."""
        model = self.model
        if not model.rowCount():
            self.line.clear()
            return
        parts = [formatting.videos(model.total if model.browsed else model.videos_shown())]
        if not model.browsed:
            parts.append(formatting.moments(model.moments_shown()))
        count = len(self.rows.selectedRows())
        if count > 1:
            parts.append(self.tr("{count} selected").format(count=self.locale().toString(count)))
        self.line.setText(" \u00b7 ".join(parts))

    # --- visible rows -----------------------------------------------------------------------------------------

    def _on_moved(self) -> None:
        if self.model.browsed and not self._settle.isActive():
            self._settle.start()

    def _ask_for_what_is_in_sight(self) -> None:
        rows = self.view.rows_in_sight()
        for page in self.model.missing_pages(rows.start, rows.stop - 1):
            self.part_wanted.emit(page * PAGE, PAGE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._size.setVisible(self.width() >= ROOMY)

    # --- gestures ---------------------------------------------------------------------------------------------

    def _open_at(self, row: int, seconds: float) -> None:
        if (card := self.model.card(row)) is not None:
            self.selection.opened.emit(card.moment, seconds)

    def _show_menu(self, position: QPoint) -> None:
        view = self.view
        index = view.indexAt(position)
        if not index.isValid():  # by the menu key, or beside the rows
            index = self.rows.currentIndex()
            position = view.row_rect(index.row()).center() if index.isValid() else position
        if not index.isValid() or self.model.card(index.row()) is None:
            return
        if not self.rows.isRowSelected(index.row()):
            self._choose(index.row())
        self.selection.show_menu(view.viewport().mapToGlobal(position))


def _short(query: str, most: int = 80) -> str:
    query = formatting.shown(query)
    return query if len(query) <= most else f"{query[: most - 1]}\u2026"
