"""Files being processed (begun and not committed), and the order in which files are begun."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from cret_desktop.domain.clips import FileDecoded, VideoFile, VideoInfo
from cret_desktop.domain.records import NewClip
from cret_desktop.library.indexing.file_faults import faults_of
from cret_desktop.library.indexing.looking import Looking
from cret_desktop.library.indexing.progress import Phase
from cret_desktop.library.indexing.stability import has_changed, is_as_seen, is_being_written
from cret_desktop.library.indexing.stage import StageRun
from cret_desktop.media.scan import fingerprint
from cret_desktop.messages import Message
from cret_desktop.paths import is_inside

FILES_IN_FLIGHT = 8  # files begun and not committed, at most: the work that a kill can lose


@dataclass(slots=True)
class OpenFile:
    """A file on its way through decoder and encoder."""

    id: int
    file: VideoFile
    fingerprint: bytes
    info: VideoInfo | None = None
    clips: list[NewClip] = field(default_factory=list)
    decoded: FileDecoded | None = None
    waiting: int = 0  # clips decoded but not encoded
    failed: bool = False  # further events of its decoder are ignored


class InFlight:
    """Selects the files to begin, and keeps track of those in flight.

    `index_as_copy` indexes a file from another file with the same content and returns whether there was one; `fail`
    records a file that cannot be read; `flush` encodes the waiting clips so that decoded files are committed.
    """

    def __init__(
        self,
        run: StageRun,
        looking: Looking,
        index_as_copy: Callable[[int, VideoFile, bytes], bool],
        fail: Callable[[int, VideoFile, Message], None],
        flush: Callable[[], None],
    ) -> None:
        self._run = run
        self._looking = looking
        self._index_as_copy = index_as_copy
        self._fail = fail
        self._flush = flush
        self._open: dict[str, OpenFile] = {}
        self._waiting: dict[int, VideoFile] = {}
        self._fresh: dict[int, tuple[VideoFile, float]] = {}  # recently changed files, and when they were first checked
        self._twins: dict[bytes, dict[int, VideoFile]] = {}  # files whose content is already in flight

    def get(self, path: str) -> OpenFile | None:
        return self._open.get(path)

    def close(self, open_file: OpenFile) -> None:
        """Remove a file that is no longer in flight."""
        self._open.pop(open_file.file.path, None)

    def take_twins(self) -> dict[int, VideoFile]:
        """Return the files that waited for a file of the same content, and clear the list."""
        twins, self._twins = self._twins, {}
        return {i: file for same in twins.values() for i, file in same.items()}

    def begin(self, pending: dict[int, VideoFile]) -> Iterator[VideoFile]:
        """Yield the files to decode; each is open from then on. Recently changed files come last."""
        self._waiting, self._fresh = dict(pending), {}
        control = self._run.control
        while (self._waiting or self._fresh) and not control.cancelled:
            self._look_around()
            for content in self._twins.keys() - self._contents():
                self._waiting.update(self._twins.pop(content))
            if not self._waiting and not self._fresh:
                continue  # the last ones have left their folder
            looked = None
            if self._waiting:
                file_id = self._run.next_of(self._waiting)
                file = self._waiting.pop(file_id)
            else:
                file_id = next(iter(self._fresh))
                file, looked = self._fresh.pop(file_id)
                self._flush()
                control.rest(looked + self._looking.still_seconds - time.monotonic())
            if len(self._open) >= FILES_IN_FLIGHT:
                self._flush()  # decoded files wait only for their batch
            if self._is_to_be_decoded(file_id, file, looked):
                self._run.report.tell(Phase.INDEXING, file.path)
                yield file

    def _contents(self) -> set[bytes]:
        return {open_file.fingerprint for open_file in self._open.values()}

    def _is_to_be_decoded(self, file_id: int, file: VideoFile, looked: float | None) -> bool:
        """Return whether to decode a file now. If so it is open; else it waits, is done as a copy, or has failed."""
        unsettled = self._run.report.unsettled
        with faults_of(file.path, partial(self._fail_to_begin, file_id, file)):
            try:
                if has_changed(file) or file.path in self._open:  # or another file of this name is in flight
                    unsettled[file.path] = None
                    return False
                if looked is None and self._looking.is_fresh(file.path):
                    self._fresh[file_id] = file, time.monotonic()
                    return False
                if is_being_written(file.path):
                    unsettled[file.path] = None
                    return False
                content = fingerprint(file.path)
            except FileNotFoundError:
                unsettled[file.path] = None  # deleted or moved since the scan; the next scan detects which
                return False
            if content in self._contents():
                self._twins.setdefault(content, {})[file_id] = file
            elif not self._index_as_copy(file_id, file, content):
                self._open[file.path] = OpenFile(file_id, file, content)
                return True
        return False

    def _fail_to_begin(self, file_id: int, file: VideoFile, reason: Message) -> None:
        if is_as_seen(file):
            self._fail(file_id, file, reason)
        else:  # the drive or share of the file has gone, say
            self._run.unsettled(file_id, file)

    def _look_around(self) -> None:
        """Take in the changes to the library's folders since the run began."""
        for within, now in self._run.take_looks():
            for open_file in self._open.values():
                now.pop(open_file.id, None)
            for twins in self._twins.values():
                self._waiting.update(twins)
            self._twins.clear()
            for file_id, (file, _) in list(self._fresh.items()):
                if now.get(file_id) == file:
                    del now[file_id]  # its second check is still due
                elif is_inside(file.path, within):
                    self._waiting[file_id] = self._fresh.pop(file_id)[0]
            before = [i for i, file in self._waiting.items() if is_inside(file.path, within)]
            for file_id in before:
                del self._waiting[file_id]
                self._run.estimate.drop(file_id)
            self._waiting.update(now)
            self._run.report.total += len(now) - len(before)
            self._run.add_to_estimate(now)
