"""The engine as Qt sees it: requests with callbacks in the GUI thread, events as signals.

Every call to the client is made in order on one thread of its own, because starting the engine, closing it and
writing to its pipe can all wait. This module never decides what an answer means.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from cret_desktop import errors
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient
from cret_desktop.gui.bridge.background import Deliveries
from cret_desktop.library.indexing.progress import FileIndexed, IndexProgress

log = logging.getLogger(__name__)

R = TypeVar("R")


class EngineBridge(QObject):
    """One engine for one window.

    Signals, all in the GUI thread:
        started(EngineStarted)  the engine answers: the first time, after a crash or after `restart`
        start_failed(Exception)
        locked_out()  another program holds the library: it was opened for reading only
        lost(EngineLost)
        progressed(IndexProgress), finished(IndexFinished), file_indexed(FileIndexed)
        pause_changed(bool)  whether indexing is paused, by the engine's last word
        optimising(Optimising)  the search graph is being built, or no longer
        export_progressed(ExportProgress)
        download_progressed(DownloadProgress)
        copy_progressed(CopyProgress)  of the library
        device_lost(DeviceLost)  a GPU has failed
        models_changed(ModelsChanged)  there is another model, one less, or searches use another one
        library_changed(LibraryChanged)  these parts of the library are no longer what was read before
        closed()  the engine has ended; the last signal there is

    `paused` is the window's only memory of whether indexing is paused: who shows it or wants the other asks here.
    """

    started = Signal(object)
    start_failed = Signal(object)
    locked_out = Signal()
    lost = Signal(object)
    progressed = Signal(object)
    finished = Signal(object)
    file_indexed = Signal(object)
    pause_changed = Signal(bool)
    optimising = Signal(object)
    export_progressed = Signal(object)
    download_progressed = Signal(object)
    copy_progressed = Signal(object)
    device_lost = Signal(object)
    models_changed = Signal(object)
    library_changed = Signal(object)
    closed = Signal()

    _event = Signal(object)

    def __init__(self, client: EngineClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._client = client
        self._held_back = False  # it only reads, and was not asked to
        self._deliveries = Deliveries(self)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine-bridge")
        self._closing = False
        self.is_closed = False
        self.paused = False
        self._signals: dict[type, Any] = {
            protocol.EngineStarted: self.started,
            protocol.EngineLost: self.lost,
            IndexProgress: self.progressed,
            protocol.IndexFinished: self.finished,
            FileIndexed: self.file_indexed,
            protocol.Optimising: self.optimising,
            protocol.ExportProgress: self.export_progressed,
            protocol.DownloadProgress: self.download_progressed,
            protocol.CopyProgress: self.copy_progressed,
            protocol.DeviceLost: self.device_lost,
            protocol.ModelsChanged: self.models_changed,
            protocol.LibraryChanged: self.library_changed,
        }
        self._event.connect(self._publish, Qt.ConnectionType.QueuedConnection)

    @property
    def client(self) -> EngineClient:
        return self._client

    def open(self) -> None:
        """Start the engine, for reading only where another program holds the library or it is somebody else's.

        May be called again after `start_failed`.
        """
        self._deliveries.deliver(self._worker.submit(self._start), lambda _: None, self._on_not_started)

    def restart(self, **changes: Any) -> None:
        """End the engine and start it with other values in its EngineConfig; what is asked meanwhile waits for it.

        `started` or `start_failed` follows.
        """
        if not self._closing:
            self._deliveries.deliver(self._worker.submit(self._restart, changes), lambda _: None, self._on_not_started)

    def request(
        self, body: protocol.Request[R], then: Callable[[R], object], otherwise: Callable[[BaseException], object]
    ) -> None:
        """Ask the engine; before it has started, the request waits. After `close`, requests are dropped."""
        if not self._closing:
            self._worker.submit(self._ask, body, then, otherwise)

    def close(self) -> None:
        """End the engine without waiting for it: `closed` follows. Safe to call twice."""
        if not self._closing:
            self._closing = True
            self._deliveries.deliver(self._worker.submit(self._close), self._ended, self._ended)

    def _start(self, restarted: bool = False) -> None:
        try:
            self._start_client(self._client, restarted)
        except (errors.LibraryLocked, errors.LibraryStrange) as error:
            try:
                self._start_client(EngineClient(replace(self._client.config, read_only=True)), restarted)
            except errors.LibraryDamaged:
                raise error from None  # somebody else's, and damaged: what is left of it can be adopted
            self._held_back = True
            if isinstance(error, errors.LibraryLocked):
                self.locked_out.emit()

    def _restart(self, changes: dict[str, Any]) -> None:
        self._client.close()
        config = replace(self._client.config, paused=self._client.paused)
        if self._held_back:  # another library, or one that has been adopted, may be written to
            config = replace(config, read_only=False)
            self._held_back = False
        self._client = EngineClient(replace(config, **changes))
        self._start(restarted=True)
        if not self._client.config.read_only:
            self._client.request(protocol.Refresh())  # goes on with what was being indexed

    def _start_client(self, client: EngineClient, restarted: bool = False) -> None:
        unsubscribe = client.subscribe(self._event.emit)
        try:
            client.start(restarted)
        except errors.CretError:
            unsubscribe()
            raise
        self._client = client

    def _close(self) -> None:
        self._client.close()

    def _ask(
        self, body: protocol.Request[R], then: Callable[[R], object], otherwise: Callable[[BaseException], object]
    ) -> None:
        self._deliveries.deliver(self._client.request(body), then, otherwise)

    def _on_not_started(self, error: BaseException) -> None:
        self.start_failed.emit(error)

    def _publish(self, event: protocol.Event) -> None:
        if self._closing:
            return
        if isinstance(event, protocol.EngineStarted | protocol.PauseChanged):
            self.paused = event.paused
            self.pause_changed.emit(event.paused)
        if not isinstance(event, protocol.PauseChanged):
            self._signals[type(event)].emit(event)

    def _ended(self, outcome: BaseException | None) -> None:
        if outcome is not None:
            log.error("closing the engine failed", exc_info=outcome)
        self._worker.shutdown()
        self.is_closed = True
        self.closed.emit()


def engine_is_lost(error: BaseException) -> bool:
    """Whether a request failed because the engine fell under it: `lost` tells that already, once for all of them."""
    return isinstance(error, errors.EngineError) and not is_defect(error)


def is_defect(error: BaseException) -> bool:
    """Whether an error is a mistake in the program: there is more to it than its sentence."""
    return isinstance(error, errors.Defect)
