"""Pictures to search by, read on request in a thread of its own and decoded in a child; the newest one counts.

A person who gives another picture no longer waits for the one before: it is given up. Never searches.
"""

from __future__ import annotations

import threading
from functools import partial

from cret_desktop.clips import Picture
from cret_desktop.engine.protocol import ReadPicture
from cret_desktop.engine.worker import Answer, Worker
from cret_desktop.errors import DecoderFailed
from cret_desktop.library.searcher import Abandoned
from cret_desktop.media.still_picture import PictureReader


class Pictures:
    def __init__(self, answer: Answer) -> None:
        self._reader = PictureReader()
        self._worker: Worker[tuple[int, ReadPicture]] = Worker("pictures", answer, self._read)
        self._newest = 0
        self._lock = threading.Lock()

    def submit(self, number: int, request: ReadPicture) -> None:
        self._give_up(number)
        self._worker.submit(number, (number, request))

    def close(self) -> None:
        """Give up what is being read, and wait until the thread and its child have ended."""
        self._give_up(-1)
        self._worker.close()

    def _give_up(self, newest: int) -> None:
        with self._lock:
            self._newest = newest
        self._reader.stop()

    def _is_newest(self, number: int) -> bool:
        with self._lock:
            return number == self._newest

    def _read(self, task: tuple[int, ReadPicture]) -> Picture:
        number, request = task
        wanted = partial(self._is_newest, number)
        if not wanted():
            raise Abandoned
        try:
            if request.data is not None:
                return self._reader.read(request.data, wanted=wanted)
            return self._reader.read_file(request.path, wanted)
        except DecoderFailed:
            if not wanted():
                raise Abandoned from None
            raise
