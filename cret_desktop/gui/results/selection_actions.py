"""Actions on the selected results: the commands, their keys and the context menu.

Actions on other programs only (showing a file, copying paths) are carried out here; all others are emitted as signals.
"""

from __future__ import annotations

import os

from PySide6.QtCore import QItemSelectionModel, QObject, QPoint, Signal, SignalInstance
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from cret_desktop.domain.clips import LibraryFile, Match, Moment
from cret_desktop.gui.results.results_delegate import opening_time
from cret_desktop.gui.results.results_model import Card, ResultsModel
from cret_desktop.gui.settings.shortcuts import Shortcuts
from cret_desktop.gui.shell import other_programs
from cret_desktop.library.searching.query import operator_text


class SelectionActions(QObject):
    """The commands on the rows of `selection`; commands for a single row act on the current one.

    Signals:
        opened(Moment, float)  open in the player at these seconds
        preview_wanted(Moment), external_wanted(Moment), like_wanted(Moment)
        favourite_wanted(tuple[LibraryFile, ...], bool), tags_wanted(tuple[LibraryFile, ...]), note_wanted(LibraryFile)
        export_wanted(tuple[Moment, ...])
        search_wanted(str)  operators of the query language
    """

    opened = Signal(object, float)
    preview_wanted = Signal(object)
    external_wanted = Signal(object)
    like_wanted = Signal(object)
    favourite_wanted = Signal(object, bool)
    tags_wanted = Signal(object)
    note_wanted = Signal(object)
    export_wanted = Signal(object)
    search_wanted = Signal(str)

    def __init__(
        self, model: ResultsModel, selection: QItemSelectionModel, shortcuts: Shortcuts, views: QWidget
    ) -> None:
        super().__init__(views)
        self._model = model
        self._selection = selection
        self._views = views
        slots = {
            "open": self._open,
            "preview": lambda: self._tell(self.preview_wanted),
            "play_elsewhere": lambda: self._tell(self.external_wanted),
            "more_like_this": self._like,
            "other_moments": self._fold,
            "favourite": self._favour,
            "tags": lambda: self._tell_files(self.tags_wanted),
            "note": self._note,
            "export": self._export,
            "reveal": self._reveal,
            "copy_paths": self._copy,
            "search_folder": self._search_folder,
        }
        self.actions = {id: shortcuts.action(views, id, slot) for id, slot in slots.items()}
        selection.selectionChanged.connect(self.update)
        selection.currentChanged.connect(self.update)
        model.modelReset.connect(self.update)
        model.dataChanged.connect(self.update)
        self.update()

    # --- the selection ----------------------------------------------------------------------------------------

    def card(self) -> Card | None:
        """Return the current row if it is a loaded moment."""
        row = self._selection.currentIndex().row()
        return self._model.card(row) if 0 <= row < self._model.rowCount() else None

    def cards(self) -> list[Card]:
        """Return the selected rows in their order, or the current one if none is selected."""
        rows = sorted(index.row() for index in self._selection.selectedRows())
        cards = [card for row in rows if (card := self._model.card(row)) is not None]
        current = self.card()
        return cards or ([] if current is None else [current])

    def moments(self) -> tuple[Moment, ...]:
        return tuple(card.moment for card in self.cards())

    def files(self) -> tuple[LibraryFile, ...]:
        """Return the files of the selected rows, each once."""
        return tuple({card.file.id: card.file for card in self.cards()}.values())

    def update(self, *_: object) -> None:
        """Enable the commands that apply to the selection."""
        card, chosen = self.card(), self._selection.hasSelection() or self.card() is not None
        there = card is not None and not (card.file.offline or card.file.missing)
        for id, action in self.actions.items():
            action.setEnabled(chosen)
            if id in ("open", "preview", "note", "reveal", "search_folder"):
                action.setEnabled(card is not None)
        self.actions["play_elsewhere"].setEnabled(there)
        self.actions["more_like_this"].setEnabled(card is not None and bool(card.file.clips))
        self.actions["other_moments"].setEnabled(card is not None and bool(card.others or card.is_open))
        # Its mark is for the whole selection; computed only for a menu, since that may be large.
        self.actions["favourite"].setCheckable(True)

    # --- the menu ---------------------------------------------------------------------------------------------

    def menu(self) -> QMenu:
        """Return the menu for the selection, actions on a single row first."""
        menu = QMenu(self._views)
        self.actions["favourite"].setChecked(all(file.favourite for file in self.files()))
        groups: tuple[tuple[str, ...], ...] = (
            ("open", "preview", "play_elsewhere"),
            ("more_like_this", "other_moments", "search_folder"),
            ("favourite", "tags", "note"),
            ("export", "reveal", "copy_paths"),
        )
        for group in groups:
            for id in group:
                if self.actions[id].isEnabled() or id not in ("other_moments", "more_like_this"):
                    menu.addAction(self.actions[id])
            menu.addSeparator()
        menu.aboutToHide.connect(menu.deleteLater)
        return menu

    def show_menu(self, position: QPoint) -> None:
        """Open the menu at a global position."""
        if self.cards():
            self.menu().popup(position)

    def __getitem__(self, id: str) -> QAction:
        return self.actions[id]

    # --- the commands -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        if (card := self.card()) is not None:
            self.opened.emit(card.moment, opening_time(card))

    def _tell(self, signal: SignalInstance) -> None:
        if (card := self.card()) is not None:
            signal.emit(card.moment)

    def _tell_files(self, signal: SignalInstance) -> None:
        if files := self.files():
            signal.emit(files)

    def _like(self) -> None:
        card = self.card()
        if card is not None and card.file.clips:
            self.like_wanted.emit(card.moment)

    def _fold(self) -> None:
        row = self._selection.currentIndex().row()
        if row >= 0:
            self._model.toggle(row)

    def _favour(self) -> None:
        """Make all of them favourites, or none if all are."""
        if files := self.files():
            self.favourite_wanted.emit(files, not all(file.favourite for file in files))

    def _note(self) -> None:
        if (card := self.card()) is not None:
            self.note_wanted.emit(card.file)

    def _export(self) -> None:
        """Request the export of the selected moments; a browsed file is one from its start to its end."""
        moments = [moment for moment in self.moments() if moment.match is not Match.BROWSED or moment.end > 0]
        if moments:
            self.export_wanted.emit(tuple(moments))

    def _reveal(self) -> None:
        if (card := self.card()) is not None:
            other_programs.reveal(card.file.path)

    def _copy(self) -> None:
        other_programs.copy_paths([file.path for file in self.files()])

    def _search_folder(self) -> None:
        if (card := self.card()) is not None:
            self.search_wanted.emit(operator_text("in", os.path.dirname(card.file.path)))
