"""SIGTERM as a request: SLURM, torchrun and most clusters send it some time before they kill.

Nothing here stops anything; who trains asks between two steps. Signals reach the main thread alone.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class StopRequest:
    """Whether SIGTERM has come since this was entered. A context manager; outside the main thread it hears nothing."""

    def __init__(self) -> None:
        self.received = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True


def outlive_requests(worker: int) -> None:
    """For processes that feed one that trains: clusters ask all of them, and it needs them for its last step."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
