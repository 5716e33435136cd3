"""The library's folders, indexing and failures: sends the requests to the engine and keeps the last known status.

This module never touches a widget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from cret_desktop.engine import protocol
from cret_desktop.engine.protocol import LibraryPart
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, engine_is_lost
from cret_desktop.library.indexing.progress import IndexProgress, Phase

R = TypeVar("R")

STATUS_MS = 400  # minimum interval between readings of the counts during indexing


class _Removed(QUndoCommand):
    def __init__(self, words: str, path: str, forth: Callable[[], object], back: Callable[[], object]) -> None:
        super().__init__(words)
        self.path = path
        self._forth, self._back = forth, back

    def redo(self) -> None:
        self._forth()

    def undo(self) -> None:
        self._back()


class LibraryController(QObject):
    """Signals: `status_changed(LibraryStatus)`, `failed(Exception)`, `failures_ready(tuple[FailedFile, ...])`,
    `removed(str)` after a folder was removed from the library.
    """

    status_changed = Signal(object)
    failed = Signal(object)
    failures_ready = Signal(object)
    removed = Signal(str)

    def __init__(self, bridge: EngineBridge, stack: QUndoStack, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._stack = stack
        self._phase: Phase | None = None
        self.status: protocol.LibraryStatus | None = None
        self._status_timer = QTimer(self, singleShot=True, interval=STATUS_MS)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._status_timer.timeout.connect(self.read_status)
        self._bridge.started.connect(self._on_started)
        self._bridge.finished.connect(self.read_status)
        self._bridge.file_indexed.connect(self._read_status_soon)
        self._bridge.progressed.connect(self._on_progress)
        self._bridge.pause_changed.connect(self._read_status_soon)
        self._bridge.library_changed.connect(self._on_library_changed)

    def add(self, paths: Sequence[str]) -> None:
        self._change(protocol.AddFolders(tuple(paths)))

    def remove(self, path: str) -> None:
        """Remove a folder from the library. Undo restores it as it was."""
        self._stack.push(
            _Removed(self.tr("Remove a folder"), path, lambda: self._remove(path), lambda: self.add([path]))
        )

    def take_back(self, path: str) -> None:
        """Undo the removal of a folder, whatever else was done since."""
        last = self._stack.command(self._stack.index() - 1)
        if isinstance(last, _Removed) and last.path == path:
            self._stack.undo()
        else:
            self.add([path])

    def _remove(self, path: str) -> None:
        def tell(_: object) -> None:
            self.read_status()
            self.removed.emit(path)

        self._ask(protocol.RemoveFolder(path), tell)

    def index_first(self, path: str) -> None:
        """Index the waiting files of a folder first."""
        self._change(protocol.PrioritiseFolder(path))

    def index_again(self, path: str) -> None:
        """Re-index a folder with the present settings; until then search results stay as they are."""
        self._change(protocol.IndexAgain(path))

    def refresh(self, paths: Sequence[str] = ()) -> None:
        self._change(protocol.Refresh(tuple(paths)))

    def adopt(self, follow: bool) -> None:
        """Adopt a library of another origin; `follow`: also index the folders that it names."""
        self._bridge.restart(adopt=True, follow=follow)

    def toggle_pause(self) -> None:
        """Pause indexing, or resume it if it is paused."""
        self._change(protocol.Pause(not self._bridge.paused))

    def cancel(self) -> None:
        self._change(protocol.CancelIndexing())

    def retry_failures(self) -> None:
        self._change(protocol.RetryFailures())

    def read_failures(self) -> None:
        self._ask(protocol.GetFailures(), self.failures_ready.emit)

    def read_status(self) -> None:
        self._status_timer.stop()
        self._bridge.request(protocol.GetStatus(), self._on_status, self._on_unread)

    def _on_started(self, started: protocol.EngineStarted) -> None:
        # After a crash the client itself has sent Refresh; otherwise videos may have been added while the app was
        # closed.
        if not started.read_only and not started.restarted:
            self.refresh()
        else:
            self.read_status()

    def _change(self, body: protocol.Request[None]) -> None:
        self._ask(body, lambda _: self.read_status())

    def _ask(self, body: protocol.Request[R], then: Callable[[R], object]) -> None:
        self._bridge.request(body, then, self.failed.emit)

    def _on_status(self, status: protocol.LibraryStatus) -> None:
        self.status = status
        self.status_changed.emit(status)

    def _on_unread(self, error: BaseException) -> None:
        if not engine_is_lost(error):  # otherwise it is read again once the engine is back
            self.failed.emit(error)

    def _on_progress(self, progress: IndexProgress) -> None:
        """Read the status on a change of phase: new files appear before indexing, and paused folders look different."""
        if progress.phase is not self._phase:
            self._phase = progress.phase
            self._read_status_soon()

    def _on_library_changed(self, changed: protocol.LibraryChanged) -> None:
        if changed.touches(LibraryPart.FILES, LibraryPart.FOLDERS, LibraryPart.MODEL):
            self._read_status_soon()

    def _read_status_soon(self, *_: object) -> None:
        if not self._status_timer.isActive():
            self._status_timer.start()
