"""Background work for the GUI thread: a future, and callbacks that run in the GUI thread when it is done.

Both outcomes are always handled: `then` gets the result, `otherwise` the exception. A cancelled future is silent. This
module never blocks and is independent of the work.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

T = TypeVar("T")


class Deliveries(QObject):
    """Delivers the outcome of futures to this object's thread."""

    _settled = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        # Queued even if the future is already done: callers rely on never being called back synchronously.
        self._settled.connect(self._hand_over, Qt.ConnectionType.QueuedConnection)

    def deliver(
        self, future: Future[T], then: Callable[[T], object], otherwise: Callable[[BaseException], object]
    ) -> None:
        """Call `then(result)` or `otherwise(exception)` in this object's thread once `future` is done."""

        def settled(done: Future[T]) -> None:
            # Work that outlives the window has no receiver left.
            with suppress(RuntimeError):
                self._settled.emit((done, then, otherwise))

        future.add_done_callback(settled)

    @staticmethod
    def _hand_over(delivery: tuple[Future[Any], Callable[[Any], object], Callable[[BaseException], object]]) -> None:
        future, then, otherwise = delivery
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            then(future.result())
        else:
            otherwise(error)
