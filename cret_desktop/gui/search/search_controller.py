"""The search state: sends queries to the engine, repeats them after changes, and drops stale answers.

Without a query the whole library is listed; if it has no files, the view is `cleared`. This module never touches a
widget.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from cret_desktop import errors
from cret_desktop.domain.clips import Picture
from cret_desktop.engine.client import Superseded
from cret_desktop.engine.protocol import (
    EngineStarted,
    IndexFinished,
    LibraryChanged,
    LibraryPart,
    Prepare,
    SavedSearch,
    Search,
    SearchAnswer,
    Sort,
)
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, engine_is_lost
from cret_desktop.library.indexing.progress import FileIndexed

LIMIT = 100  # videos per request
SLOW_MS = 300  # a slower answer (while a model is loaded) is announced
ASK_AGAIN_MS = 3000  # minimum interval between updates of the shown answer during indexing
CHANGED_MS = 150  # several changes at once (tags of many files) cause one new request


class SearchController(QObject):
    """Signals; each wish is followed by one of the first five:

        answered(SearchAnswer, bool)  the flag: the wish is unchanged, so the view should keep its position
        continued(SearchAnswer, int offset)  a page of the shown list, requested by `page`
        cleared()  there is no query and the library has no files
        failed(Exception)
        slow()  the answer takes long; it still follows
    and `changed(Search)` whenever the wish has changed. A wish is the request without its page.
    """

    answered = Signal(object, bool)
    continued = Signal(object, int)
    cleared = Signal()
    slow = Signal()
    failed = Signal(object)
    changed = Signal(object)

    def __init__(self, bridge: EngineBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._wish = Search("")
        self._files = 0  # in the library
        self._number = 0
        self._unanswered = False
        self._answered: Search | None = None
        self._slow = QTimer(self, singleShot=True, interval=SLOW_MS)
        self._again = QTimer(self, singleShot=True)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._slow.timeout.connect(self.slow)
        self._again.timeout.connect(self._ask)
        self._bridge.started.connect(self._on_started)
        self._bridge.file_indexed.connect(self._on_file_indexed)
        self._bridge.library_changed.connect(self._on_library_changed)
        self._bridge.finished.connect(self._on_finished)

    @property
    def wish(self) -> Search:
        return self._wish

    @property
    def text(self) -> str:
        """The shown or pending query, operators included, '' for none."""
        return self._wish.text

    @property
    def like(self) -> Picture | int | None:
        return self._wish.like

    def search(self, text: str, live: bool = False) -> None:
        self._want(replace(self._wish, text=text.strip()), live)

    def exclude(self, text: str, live: bool = False) -> None:
        """Exclude moments that show what `text` describes."""
        self._want(replace(self._wish, without=text.strip()), live)

    def resemble(self, like: Picture | int | None, text: str) -> None:
        """Search by a picture or a clip, and by the query beside it."""
        self._want(replace(self._wish, like=like, text=text.strip()))

    def order(self, sort: Sort, reverse: bool) -> None:
        self._want(replace(self._wish, sort=sort, reverse=reverse))

    def clear(self) -> None:
        """Remove the query; the order of the list stays."""
        self._want(Search("", sort=self._wish.sort, reverse=self._wish.reverse))

    def recall(self, saved: SavedSearch) -> None:
        """Run a saved search."""
        self._want(Search(saved.text, without=saved.without, sort=saved.sort, reverse=saved.reverse))

    def page(self, offset: int, limit: int) -> None:
        """Request a part of the shown list; `continued` follows, unless the wish changes first."""
        wish = self._wish
        self._bridge.request(
            replace(wish, limit=limit, offset=offset),
            lambda answer: self._on_page(wish, answer, offset),
            lambda error: self._on_page_failed(wish, error),
        )

    def set_files(self, count: int) -> None:
        """Set the number of files in the library; a change updates the shown answer."""
        before, self._files = self._files, count
        if self._wish.is_unrestricted and (before > 0) != (count > 0):
            self._want(self._wish)
        elif before != count:
            self._ask_again_within(ASK_AGAIN_MS)

    def _want(self, wish: Search, live: bool = False) -> None:
        moved = wish != self._wish
        self._wish = wish
        if moved:
            self.changed.emit(wish)
        self._again.stop()
        if wish.is_unrestricted and not self._files:
            self._number += 1
            self._slow.stop()
            self._unanswered = False
            self._answered = None
            self.cleared.emit()
            return
        self._slow.start()
        self._ask(live)

    def _ask(self, live: bool = False) -> None:
        self._unanswered = True
        self._number += 1
        number, wish = self._number, self._wish
        self._bridge.request(
            replace(wish, limit=LIMIT, live=live),
            lambda answer: self._on_answer(number, wish, answer),
            lambda error: self._on_failure(number, error),
        )

    def _on_answer(self, number: int, wish: Search, answer: SearchAnswer) -> None:
        if number != self._number:
            return
        self._slow.stop()
        self._unanswered = False
        same, self._answered = wish == self._answered, wish
        self.answered.emit(answer, same)

    def _on_page(self, wish: Search, answer: SearchAnswer, offset: int) -> None:
        if wish == self._answered:
            self.continued.emit(answer, offset)

    def _on_page_failed(self, wish: Search, error: BaseException) -> None:
        if wish == self._answered and not engine_is_lost(error):
            self.failed.emit(error)

    def _on_failure(self, number: int, error: BaseException) -> None:
        if number != self._number or isinstance(error, Superseded):
            return
        self._slow.stop()
        if not engine_is_lost(error):  # otherwise the window knows already, and `_on_started` repeats it
            self._unanswered = False
            self._answered = None
            self.failed.emit(error)

    def _on_started(self, started: EngineStarted) -> None:
        if self._unanswered or (started.restarted and self._answered is not None):
            self._ask()
        else:  # so that the first query need not wait for the model
            self._bridge.request(Prepare(), lambda parts: None, self._on_unprepared)

    def _on_unprepared(self, error: BaseException) -> None:
        if isinstance(error, errors.ModelError):  # a lost engine is reported elsewhere
            self.failed.emit(error)

    def _on_library_changed(self, changed: LibraryChanged) -> None:
        if changed.parts - {LibraryPart.SAVED_SEARCHES}:  # all other parts affect answers
            self._ask_again_within(CHANGED_MS)

    def _on_file_indexed(self, _: FileIndexed) -> None:
        self._ask_again_within(ASK_AGAIN_MS)

    def _on_finished(self, finished: IndexFinished) -> None:
        if self._again.isActive() or finished.totals.files:
            self._ask_again_within(0)

    def _ask_again_within(self, milliseconds: int) -> None:
        """Update the shown answer soon; a pending wish gets a new one anyway."""
        if self._answered is None:
            return
        if not self._again.isActive() or self._again.remainingTime() > milliseconds:
            self._again.start(milliseconds)
