"""The queue of the indexing thread: indexing runs, and requests to carry out between two runs.

Taking a job, cancelling the current run and reordering the queue happen under one lock, so that no job is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cret_desktop.cancellation import CancelToken
from cret_desktop.domain.records import Root
from cret_desktop.engine.handlers import Call, Work


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One indexing run over places: roots, each with the folder or file within it to scan."""

    places: tuple[tuple[Root, str], ...]
    quiet: bool = False  # not requested by a person: reported only once it finds something
    token: CancelToken = field(default_factory=CancelToken)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A run over the places that have changed on disk by the time it is taken."""

    token: CancelToken = field(default_factory=CancelToken)


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A request to carry out between two runs."""

    call: Call
    work: Work


Job = Run | Look | Task


class JobQueue:
    """The waiting jobs in order, and the current one. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._current: Job | None = None
        self._stopped = False
        self._closed = False

    @property
    def stopped(self) -> bool:
        """Whether a person or an error ended the last run: its remaining files wait until a run is requested."""
        with self._changed:
            return self._stopped

    @property
    def current(self) -> Job | None:
        with self._changed:
            return self._current

    @property
    def has_waiting(self) -> bool:
        with self._changed:
            return bool(self._waiting)

    @property
    def has_runs(self) -> bool:
        """Whether a run waits or is under way."""
        with self._changed:
            return isinstance(self._current, Run) or any(isinstance(job, Run) for job in self._waiting)

    def put(self, job: Job) -> None:
        with self._changed:
            if isinstance(job, Task) or not self._closed:
                self._waiting.append(job)
                self._changed.notify_all()

    def put_exclusive(self, task: Task) -> None:
        """Queue a task, and stop the current run for it. The task resumes indexing afterwards."""
        with self._changed:
            self._waiting.append(task)
            self._cancel_current()
            self._changed.notify_all()

    def put_first(self, run: Run) -> None:
        """Queue a run before all waiting runs. The current run is stopped and resumes right after it."""
        with self._changed:
            before = next((i for i, job in enumerate(self._waiting) if isinstance(job, Run)), len(self._waiting))
            resumed = [Run(self._current.places, self._current.quiet)] if isinstance(self._current, Run) else []
            self._waiting[before:before] = [run, *resumed]
            self._cancel_current()
            self._changed.notify_all()

    def take(self, timeout: float) -> Job | None:
        """Wait for the next job and make it the current one. Return None after `timeout` seconds, and when closed.

        Once closed, only waiting tasks are returned.
        """
        with self._changed:
            self._current = None
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            if not self._waiting:
                return None
            self._current = job = self._waiting.pop(0)
            if isinstance(job, Run) and not job.quiet:
                self._stopped = False
            return job

    def start(self, look: Look, places: tuple[tuple[Root, str], ...]) -> Run:
        """Turn the current look into a run over places, with the same token."""
        run = Run(places, quiet=True, token=look.token)
        with self._changed:
            self._current = run
        return run

    def cancel_runs(self) -> None:
        """Stop the current run and drop the waiting ones; indexing resumes only on request."""
        with self._changed:
            self._stopped = True
            self._waiting = [job for job in self._waiting if not isinstance(job, Run)]
            self._cancel_current()

    def rest(self, failed: bool) -> None:
        """End the current run; if it failed, indexing resumes only on request."""
        with self._changed:
            self._current = None
            self._stopped = self._stopped or failed

    def holds(self, matches: Callable[[Call], bool]) -> bool:
        """Return whether a matching request waits or is under way."""
        with self._changed:
            jobs = [*self._waiting, *([self._current] if self._current is not None else [])]
            return any(isinstance(job, Task) and matches(job.call) for job in jobs)

    @property
    def closed(self) -> bool:
        with self._changed:
            return self._closed

    def close(self) -> None:
        """Stop the current run, drop the waiting ones, and accept no more."""
        with self._changed:
            self._closed = True
            self._waiting = [job for job in self._waiting if isinstance(job, Task)]
            self._cancel_current()
            self._changed.notify_all()

    def _cancel_current(self) -> None:
        if isinstance(self._current, Run | Look):
            self._current.token.cancel()
