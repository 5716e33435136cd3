"""The engine for Qt: requests with callbacks in the GUI thread, events as signals.

Every call to the client runs in order on one separate thread, as starting the engine, closing it and writing to its
pipe can all block. This module never interprets an answer.
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
        started(EngineStarted)  the engine is up: the first time, after a crash or after `restart`
        start_failed(Exception)
        locked_out()  another program holds the library: it was opened read-only
        lost(EngineLost)
        progressed(IndexProgress), finished(IndexFinished), file_indexed(FileIndexed)
        pause_changed(bool)  whether indexing is paused, as last reported by the engine
        optimising(Optimising)  building the search graph has started or ended
        export_progressed(ExportProgress)
        download_progressed(DownloadProgress)
        copy_progressed(CopyProgress)  of the library
        device_lost(DeviceLost)  a GPU has failed
        models_changed(ModelsChanged)  a model was added or removed, or searches use another one
        library_changed(LibraryChanged)  data read from these parts of the library is out of date
        closed()  the engine has ended; the last signal

    `paused` is the window's only copy of the pause state: all code that shows or toggles it reads it here.
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
        self._held_back = False  # opened read-only because of a lock or an unknown origin, not by request
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
        """Start the engine, read-only if another program holds the library or it is not the user's own.

        May be called again after `start_failed`.
        """
        self._deliveries.deliver(self._worker.submit(self._start), lambda _: None, self._on_not_started)

    def restart(self, **changes: Any) -> None:
        """End the engine and start it with `changes` in its EngineConfig; requests made in between wait for it.

        `started` or `start_failed` follows.
        """
        if not self._closing:
            self._deliveries.deliver(self._worker.submit(self._restart, changes), lambda _: None, self._on_not_started)

    def request(
        self, body: protocol.Request[R], then: Callable[[R], object], otherwise: Callable[[BaseException], object]
    ) -> None:
        """Send a request to the engine; it waits until the engine has started. After `close`, requests are dropped."""
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
                raise error from None  # not the user's own, and damaged: its intact part can be adopted
            self._held_back = True
            if isinstance(error, errors.LibraryLocked):
                self.locked_out.emit()

    def _restart(self, changes: dict[str, Any]) -> None:
        self._client.close()
        config = replace(self._client.config, paused=self._client.paused)
        if self._held_back:  # another library, or an adopted one, may be writable
            config = replace(config, read_only=False)
            self._held_back = False
        self._client = EngineClient(replace(config, **changes))
        self._start(restarted=True)
        if not self._client.config.read_only:
            self._client.request(protocol.Refresh())  # resumes the interrupted indexing

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
    """Return whether a request failed because the engine was lost, which `lost` reports once for all of them."""
    return isinstance(error, errors.EngineError) and not is_defect(error)


def is_defect(error: BaseException) -> bool:
    """Return whether an error is a bug in the program: it has more details than its sentence."""
    return isinstance(error, errors.Defect)
