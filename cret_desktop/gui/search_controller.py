"""From a query to the answer that is shown: decides what is asked, when again, and which answers are stale.

This module never touches a widget.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from cret_desktop import errors
from cret_desktop.engine.client import Superseded
from cret_desktop.engine.protocol import EngineStarted, IndexFinished, Prepare, Search, SearchAnswer
from cret_desktop.gui.engine_bridge import EngineBridge
from cret_desktop.library.progress import FileIndexed

LIMIT = 100
SLOW_MS = 300  # an answer that takes longer (a model being loaded) deserves a word
ASK_AGAIN_MS = 3000  # while files come in, the shown answer is brought up to date this often at most


class SearchController(QObject):
    """Signals: `answered(SearchAnswer)`, `cleared()`, `slow()`, `failed(Exception)`, one of them for every query."""

    answered = Signal(object)
    cleared = Signal()
    slow = Signal()
    failed = Signal(object)

    def __init__(self, bridge: EngineBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._text = ""
        self._number = 0
        self._unanswered = False
        self._slow = QTimer(self, singleShot=True, interval=SLOW_MS)
        self._again = QTimer(self, singleShot=True, interval=ASK_AGAIN_MS)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._slow.timeout.connect(self.slow)
        self._again.timeout.connect(self._ask)
        self._bridge.started.connect(self._on_started)
        self._bridge.file_indexed.connect(self._on_file_indexed)
        self._bridge.finished.connect(self._on_finished)

    @property
    def text(self) -> str:
        """The query that is shown or under way, '' for none."""
        return self._text

    def search(self, text: str, live: bool) -> None:
        self._text = text.strip()
        if not self._text:
            self._number += 1
            self._slow.stop()
            self._again.stop()
            self.cleared.emit()
            return
        self._slow.start()
        self._ask(live)

    def _ask(self, live: bool = False) -> None:
        self._unanswered = True
        self._number += 1
        number = self._number
        self._bridge.request(
            Search(self._text, LIMIT, live),
            lambda answer: self._on_answer(number, answer),
            lambda error: self._on_failure(number, error),
        )

    def _on_answer(self, number: int, answer: SearchAnswer) -> None:
        if number == self._number:
            self._slow.stop()
            self._unanswered = False
            self.answered.emit(answer)

    def _on_failure(self, number: int, error: BaseException) -> None:
        if number != self._number or isinstance(error, Superseded):
            return
        self._slow.stop()
        lost = isinstance(error, errors.EngineError) and not hasattr(error, "__notes__")
        if not lost:  # of a lost engine the window has been told already, and `_on_started` asks again
            self._unanswered = False
            self.failed.emit(error)

    def _on_started(self, started: EngineStarted) -> None:
        if self._text and (self._unanswered or started.restarted):
            self._ask()
        else:  # so that the first query need not wait for the model
            self._bridge.request(Prepare(), lambda parts: None, self._on_unprepared)

    def _on_unprepared(self, error: BaseException) -> None:
        if isinstance(error, errors.ModelError):  # a lost engine the window is told of elsewhere
            self.failed.emit(error)

    def _on_file_indexed(self, indexed: FileIndexed) -> None:
        if self._text and indexed.clips and not self._again.isActive():
            self._again.start()

    def _on_finished(self, finished: IndexFinished) -> None:
        if self._text and (self._again.isActive() or finished.totals.files):
            self._again.stop()
            self._ask()
