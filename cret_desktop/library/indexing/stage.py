"""The interface of an indexing stage, and its run: the waiting files, and methods to record their results.

A stage makes one kind of evidence of every file: its pictures, its speech. Stages know nothing of each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

from cret_desktop.domain.clips import VideoFile
from cret_desktop.foreign import visible
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.estimate import Estimate
from cret_desktop.library.indexing.file_faults import faults_of
from cret_desktop.library.indexing.looking import Looking, Place
from cret_desktop.library.indexing.progress import FileIndexed, Phase
from cret_desktop.library.indexing.run_report import RunReport
from cret_desktop.library.indexing.stability import is_as_seen
from cret_desktop.library.ports import Store
from cret_desktop.messages import Message

_LONGEST_REASON = 500  # characters


class Stage(Protocol):
    """One stage of indexing.

    `name` is the key of its rows. `version` identifies its method; files done by another version are done again. The
    stage with the lowest `priority` runs first, over the whole library, before the next stage begins.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def priority(self) -> int: ...

    def work(self, run: StageRun) -> None:
        """Process the files of `run`, until they are done or the run is cancelled.

        Bad files are recorded as failed, never raised. A stage stores its result for a file before it records the file
        as done; after a kill between the two it repeats the file. Raises: StorageError, ModelError.
        """
        ...


class StageRun:
    """A stage's part of one run.

    `waiting`: the files to process, by id, in the order of their paths. `left`: the ids of files that this run leaves
    waiting, whatever changes around them.
    """

    def __init__(
        self, stage: Stage, waiting: Mapping[int, VideoFile], left: Collection[int], store: Store, looking: Looking,
        report: RunReport, control: Control, estimate: Estimate,
    ) -> None:  # fmt: skip
        self.waiting = dict(waiting)
        self.report = report
        self.control = control
        self.estimate = estimate
        self.looked: list[Place] = []  # places rescanned since the stage began
        self._left = frozenset(left)
        self._stage = stage
        self._store = store
        self._looking = looking

    # --- the order of files --------------------------------------------------------------------------------------

    def files(self) -> Iterator[tuple[int, VideoFile]]:
        """Yield the files to process, one by one, with their ids; wait while others have priority.

        Ends early if a folder has changed, because earlier stages may have new work.
        """
        self.add_to_estimate(self.waiting)
        self.report.begin_work()
        while self.waiting and not self.control.cancelled:
            self.wait_turn()
            if self.control.cancelled or list(self.take_looks()):  # all of them: none is handed out twice
                return
            file_id = self.next_of(self.waiting)
            file = self.waiting.pop(file_id)
            self.report.tell(Phase.INDEXING, file.path)
            yield file_id, file

    def next_of(self, waiting: Mapping[int, VideoFile]) -> int:
        """Return the first waiting file, from the folder with priority if it has any."""
        first = self.control.first
        if first is not None:
            prefix = first.rstrip(os.sep) + os.sep
            for file_id, file in waiting.items():
                if file.path == first or file.path.startswith(prefix):
                    return file_id
            self.control.first = None  # the folder is finished
        return next(iter(waiting))

    def take_looks(self) -> Iterator[tuple[str, dict[int, VideoFile]]]:
        """Scan the places that changed since the run began; yield each with its files that wait for the stage."""
        for root, within in self.control.take_looks():
            seen = self._looking.look([(root, within)], self.report, self.control)
            self.looked += seen
            waiting = due(self._store, self._stage, seen)
            yield within, {file_id: file for file_id, file in waiting.items() if file_id not in self._left}

    def wait_turn(self) -> None:
        """Wait while indexing is paused, a query is under way, or there is no power."""
        began = time.monotonic()
        self.control.wait_turn(lambda: self.report.tell(Phase.INDEXING, "", now=True))
        self.report.idle(time.monotonic() - began)

    # --- results -------------------------------------------------------------------------------------------------

    def faults_of(self, file_id: int, file: VideoFile) -> AbstractContextManager[None]:
        """Return the context for work on one file: errors in it are recorded as the file's failure."""
        return faults_of(file.path, partial(self.failed, file_id, file))

    def done(self, file_id: int, file: VideoFile, reason: Message | None = None) -> None:
        """Record that the stage is done for a file; `reason` says what is missing from the result."""
        if self._store.stages.finish(self._stage.name, self._stage.version, file_id, reason):
            self.report.end_file()
            self.estimate.finish(file_id)  # where the stage has not advanced it by itself
        self.settle(file_id, file)

    def failed(self, file_id: int, file: VideoFile, reason: Message) -> None:
        """Record that the stage failed for a file. One that was moved, deleted or changed since the scan waits on."""
        if not is_as_seen(file):
            self.unsettled(file_id, file)
            return
        reason = bounded(reason)
        self._store.stages.fail(self._stage.name, file_id, reason)
        self.tell_failed(file_id, file, reason)

    def tell_failed(self, file_id: int, file: VideoFile, reason: Message) -> None:
        """Count and report a file whose failure is recorded."""
        self.report.failed += 1
        self.report.listener(FileIndexed(file.path, 0, reason))
        self.settle(file_id, file)

    def unsettled(self, file_id: int, file: VideoFile) -> None:
        """Have a file scanned again that is not as it was seen; it waits on, or is missing."""
        self.report.unsettled[file.path] = None
        self.settle(file_id, file)

    def settle(self, file_id: int, file: VideoFile) -> None:
        """Remove a file from the estimate whose turn is over."""
        self.estimate.drop(file_id)
        self.report.tell(Phase.INDEXING, file.path)

    def add_to_estimate(self, files: Mapping[int, VideoFile]) -> None:
        lengths = self._store.queue.lengths(list(files))
        for file_id, file in files.items():
            self.estimate.add(file_id, file.size, lengths.get(file_id))


def bounded(reason: Message) -> Message:
    """Return a reason that is short and safe to display: a decoder's message may contain text from the file."""
    return reason.mapped(lambda text: visible(text[:_LONGEST_REASON]))


def due(store: Store, stage: Stage, places: Sequence[Place]) -> dict[int, VideoFile]:
    """Return the files that wait for a stage in these places, by id."""
    found: dict[int, VideoFile] = {}
    for root, within in places:
        found.update(store.stages.due(stage.name, stage.version, root.id, within))
    return found
