"""The state of one run of indexing: its counters, the progress it reports, and its totals."""

from __future__ import annotations

import time

from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.estimate import Estimate
from cret_desktop.library.indexing.progress import IndexProgress, IndexTotals, Listener, Phase

PROGRESS_SECONDS = 0.2  # between two reports, at least


class RunReport:
    """Counts, and reports progress to a listener. `files`, `clips` and `seconds` are those made searchable."""

    def __init__(self, listener: Listener, control: Control) -> None:
        self.listener = listener
        self.files = self.clips = self.failed = self.seen = self.skipped = self.frames = self.found = 0
        self.seconds = 0.0
        self.offline: list[str] = []
        self.unsettled: dict[str, None] = {}  # paths to be rescanned; in order, each once
        self.total = 0  # files of the stage under way
        self._control = control
        self._started = time.monotonic()
        self._told = 0.0
        self._others = 0  # files done in stages other than the picture stage
        self._before = 0  # files done before the stage under way
        self._estimate = Estimate(None)
        self._work_started = self._started
        self._idle = 0.0  # seconds of the stage's time spent waiting, paused or loading the model

    # --- the stage under way -----------------------------------------------------------------------------------

    def begin_stage(self, total: int, estimate: Estimate, is_first: bool) -> None:
        """Start counting the files of a stage; `is_first`: include those that failed in the scan before it."""
        self.total = total
        self._estimate = estimate
        self._before = 0 if is_first else self.files + self.failed + self._others

    def begin_work(self) -> None:
        """Start counting the seconds of a stage's work."""
        self._work_started, self._idle = time.monotonic(), 0.0

    def idle(self, seconds: float) -> None:
        """Exclude seconds from the working time."""
        self._idle += seconds

    def worked(self) -> float:
        return time.monotonic() - self._work_started - self._idle

    def end_file(self) -> None:
        """Count a finished file of a stage that makes nothing searchable by itself."""
        self._others += 1

    # --- reporting -----------------------------------------------------------------------------------------------

    def tell(self, phase: Phase, current: str, now: bool = False) -> None:
        """Report progress, at most every `PROGRESS_SECONDS`; `now` reports at once."""
        moment = time.monotonic()
        if not now and moment - self._told < PROGRESS_SECONDS:
            return
        self._told = moment
        worked = self.worked()
        self.listener(
            IndexProgress(
                phase=Phase.ON_BATTERY if self._control.conditions.on_battery else phase,
                files_done=self.files + self.failed + self._others - self._before,
                files_total=self.found if phase is Phase.SCANNING else self.total,
                clips_done=self.clips,
                video_seconds=self.seconds,
                failed=self.failed,
                rate=self._estimate.rate(worked),
                remaining=self._estimate.remaining(worked) if phase is Phase.INDEXING else None,
                space=self._estimate.space() if phase is Phase.INDEXING else None,
                current=current,
            )
        )

    def totals(self) -> IndexTotals:
        return IndexTotals(
            files=self.files,
            clips=self.clips,
            video_seconds=self.seconds,
            failed=self.failed,
            skipped=self.skipped,
            wall_seconds=time.monotonic() - self._started,
            frames_decoded=self.frames,
            cancelled=self._control.cancelled,
            offline=tuple(self.offline),
            unsettled=tuple(self.unsettled),
        )
