"""SIGTERM as a request to stop: SLURM, torchrun and most clusters send it some time before they kill.

This module stops nothing; the trainer checks for a request between two steps. Only the main thread receives signals.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class StopRequest:
    """Context manager that records SIGTERM in `received`. Outside the main thread it has no effect."""

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
    """Ignore SIGTERM in a data worker: clusters signal all processes, and the last step still needs the workers."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
