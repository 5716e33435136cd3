"""The window's state at closing, so that it opens the same way: a record in a file of its own.

It contains no user setting; a broken file only resets the window's layout. Never decides what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray

if TYPE_CHECKING:
    from cret_desktop.gui.shell.main_window import MainWindow


@dataclass(frozen=True, slots=True)
class WindowState:
    """The stored state of the window.

    `geometry` and `splitter` are Qt's own, in base64; `folders`: whether the panel at the left is shown. `view`,
    `thumbnail`, `sort` and `reverse` are the results page's. `history` has the newest search first.
    """

    geometry: str = ""
    splitter: str = ""
    folders: bool = True
    view: str = ""
    thumbnail: int = 0
    sort: str = ""
    reverse: bool = False
    query: str = ""
    history: tuple[str, ...] = ()
    unknown: dict[str, Any] = field(default_factory=dict)


def capture(window: MainWindow, before: WindowState) -> WindowState:
    """Return the window's present state, without queries if the history is off."""
    remembers = window.search_bar.history.enabled
    page: dict[str, Any] = window.results.save_state()
    return replace(
        before,
        geometry=_text(window.saveGeometry()),
        splitter=_text(window.splitter.saveState()),
        folders=window.actions_by_command["folders"].isChecked(),
        query=window.search_bar.text() if remembers else "",
        history=window.search_bar.history.queries if remembers else (),
        **page,
    )


def restore(window: MainWindow, state: WindowState) -> None:
    """Restore a state before the window is shown: onto an available screen, with the last search in the search bar."""
    if state.geometry:
        window.restoreGeometry(_data(state.geometry))
    if state.splitter:
        window.splitter.restoreState(_data(state.splitter))
    if window.actions_by_command["folders"].isChecked() != state.folders:
        window.actions_by_command["folders"].trigger()
    window.results.restore_state(state.view, state.thumbnail, state.sort, state.reverse)
    for query in reversed(state.history):
        window.search_bar.history.note(query)
    if state.query:
        window.search_bar.search(state.query)


def _text(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode("ascii")


def _data(text: str) -> QByteArray:
    return QByteArray.fromBase64(text.encode("ascii", "replace"))
