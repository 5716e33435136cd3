"""Searches saved under a name: read, saved, renamed, deleted. This module never touches a widget."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from cret_desktop.engine.protocol import (
    ForgetSearch,
    GetSavedSearches,
    LibraryChanged,
    LibraryPart,
    SavedSearch,
    SaveSearch,
    Search,
)
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, engine_is_lost


class SavedSearches(QObject):
    """Attribute `searches`, by name. Signals: `changed(tuple[SavedSearch, ...])`, `failed(Exception)`."""

    changed = Signal(object)
    failed = Signal(object)

    def __init__(self, bridge: EngineBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.searches: tuple[SavedSearch, ...] = ()
        self._changing = 0  # changes without the engine's acknowledgement: lists before it are out of date
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._bridge.started.connect(self._read)
        self._bridge.library_changed.connect(self._on_library_changed)

    def name_of(self, wish: Search) -> str:
        """Return the name under which exactly this search is saved, '' if there is none."""
        same = (saved.name for saved in self.searches if (saved.text, saved.without) == (wish.text, wish.without))
        return next(same, "")

    def save(self, name: str, wish: Search) -> None:
        """Save a search, in place of one of the same name."""
        if name.strip():
            self._keep(SavedSearch(name.strip(), wish.text, wish.without, wish.sort, wish.reverse))

    def rename(self, saved: SavedSearch, name: str) -> None:
        name = name.strip()
        if name and name != saved.name:
            self._keep(replace(saved, name=name))
            self.forget(saved)

    def forget(self, saved: SavedSearch) -> None:
        self._show([other for other in self.searches if other.name != saved.name])
        self._change(ForgetSearch(saved.name))

    def _keep(self, saved: SavedSearch) -> None:
        self._show([*(other for other in self.searches if other.name != saved.name), saved])
        self._change(SaveSearch(saved))

    def _show(self, searches: list[SavedSearch]) -> None:
        """Show the user's change at once; the engine's own list follows by its event."""
        self._tell(tuple(sorted(searches, key=lambda saved: saved.name.casefold())))

    def _change(self, change: SaveSearch | ForgetSearch) -> None:
        self._changing += 1
        self._bridge.request(change, self._on_changed, self._on_failure)

    def _on_changed(self, _: object) -> None:
        self._changing -= 1
        self._read()

    def _on_library_changed(self, changed: LibraryChanged) -> None:
        if changed.touches(LibraryPart.SAVED_SEARCHES):
            self._read()

    def _read(self) -> None:
        self._bridge.request(GetSavedSearches(), self._on_read, self._on_unread)

    def _on_unread(self, error: BaseException) -> None:
        if not engine_is_lost(error):  # otherwise they are read again once the engine is back
            self.failed.emit(error)

    def _on_read(self, searches: tuple[SavedSearch, ...]) -> None:
        if not self._changing:
            self._tell(searches)

    def _tell(self, searches: tuple[SavedSearch, ...]) -> None:
        if searches != self.searches:
            self.searches = searches
            self.changed.emit(searches)

    def _on_failure(self, error: BaseException) -> None:
        self.failed.emit(error)
        self._on_changed(None)
