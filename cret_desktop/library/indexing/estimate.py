"""Estimates the remaining time and disk space of indexing, from the length of waiting files and the pace so far.

Unread lengths are guessed from file sizes, using the ratio seen in files already read. There is no estimate before this
run or an earlier one has been measured. The arithmetic is pure. One small file caches the pace of earlier runs; losing
it costs the first minute's estimate.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass

from cret_desktop.foreign import read_json
from cret_desktop.library.keeping.caches import read_cache
from cret_desktop.library_files import PACE, LibraryFiles

log = logging.getLogger(__name__)

BELIEF = 30.0  # seconds of work that the pace of earlier runs counts as
SOON = 3.0  # seconds of work before a run's own pace means anything
# Limits of a plausible pace: a thousandth to a hundred thousand times real time, 1 GB per second of video.
SLOWEST, FASTEST, LARGEST_SPACE = 1e-3, 1e5, 1e9
_LARGEST = 10_000  # bytes of the file; a pace takes about a hundred
_MOST = 8  # paces kept
_LONGEST_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of indexing: seconds of video per second, and bytes of disk per second of video."""

    speed: float
    space: float


class Estimate:
    """Waiting and finished work, in seconds of video. Files are identified by their ids."""

    def __init__(self, pace: Pace | None) -> None:
        """`pace` is that of earlier runs, None if there were none."""
        self._earlier = pace
        self._lengths: dict[int, float] = {}  # of waiting files, if known
        self._sizes: dict[int, int] = {}  # in bytes, of waiting files of unknown length
        self._seen_seconds = self._seen_bytes = 0.0  # of all files of known length: the ratio of seconds to bytes
        self._waiting_seconds = self._waiting_bytes = 0.0
        self.done = 0.0
        self._written = 0

    def add(self, file_id: int, size: int, length: float | None) -> None:
        """Add a waiting file, or replace its earlier entry."""
        self.drop(file_id)
        if length:
            self._lengths[file_id] = length
            self._waiting_seconds += length
            self._seen_seconds, self._seen_bytes = self._seen_seconds + length, self._seen_bytes + size
        else:
            self._sizes[file_id] = size
            self._waiting_bytes += size

    def learn(self, file_id: int, length: float) -> None:
        """Set the length of a waiting file."""
        if length and file_id in self._sizes:
            self.add(file_id, self._sizes[file_id], length)

    def advance(self, file_id: int, seconds: float, written: int) -> None:
        """Count `seconds` of a file as done, and `written` bytes as used by them."""
        self.done += seconds
        self._written += written
        if file_id in self._lengths:
            seconds = min(seconds, self._lengths[file_id])
            self._lengths[file_id] -= seconds
            self._waiting_seconds -= seconds

    def finish(self, file_id: int) -> None:
        """Count what is left of a file as done."""
        self.advance(file_id, self._lengths.get(file_id, 0.0), 0)

    def drop(self, file_id: int) -> None:
        """Remove a file that is no longer waiting: done, failed or gone."""
        self._waiting_seconds -= self._lengths.pop(file_id, 0.0)
        self._waiting_bytes -= self._sizes.pop(file_id, 0)

    def rate(self, worked: float) -> float:
        """Return the seconds of video per second in this run, after `worked` seconds of work."""
        return self.done / worked if worked > 0 else 0.0

    def remaining(self, worked: float) -> float | None:
        """Return the remaining seconds, None if unknown."""
        waiting = self._waiting()
        if waiting is None:
            return None
        if self._earlier:
            pace = (self.done + self._earlier.speed * BELIEF) / (worked + BELIEF)
        elif self.done and worked >= SOON:
            pace = self.rate(worked)
        else:
            return None
        return waiting / pace

    def space(self) -> float | None:
        """Return the bytes that the waiting files will take up, None if unknown."""
        waiting = self._waiting()
        believed = BELIEF if self._earlier else 0.0
        if waiting is None or not self.done + believed:
            return None
        earlier = self._earlier.space * believed if self._earlier else 0.0
        return waiting * (self._written + earlier) / (self.done + believed)

    def pace(self, worked: float) -> Pace:
        """Return the pace of this run, after `worked` seconds of work."""
        return Pace(self.rate(worked), self._written / self.done if self.done else 0.0)

    def _waiting(self) -> float | None:
        if self._waiting_bytes > 0 and not self._seen_bytes:
            return None
        guessed = self._waiting_bytes * self._seen_seconds / self._seen_bytes if self._seen_bytes else 0.0
        return max(0.0, self._waiting_seconds + guessed)


def read_pace(files: LibraryFiles, name: str) -> Pace | None:
    """Return the pace of earlier runs with a model (a fingerprint), None if there is no plausible one."""
    return (read_cache(files, PACE, _LARGEST, _paces_in) or {}).get(name)


def keep_pace(files: LibraryFiles, name: str, pace: Pace) -> None:
    """Save the pace of a run beside those of other models. A full disk is reported elsewhere."""
    paces = read_cache(files, PACE, _LARGEST, _paces_in) or {}
    paces.pop(name, None)
    paces[name] = pace
    try:
        files.write(PACE, json.dumps({kept: asdict(paces[kept]) for kept in list(paces)[-_MOST:]}).encode())
    except OSError as error:
        log.info("The pace of indexing was not kept: %s", error)


def _paces_in(content: bytes) -> dict[str, Pace]:
    """Return the plausible paces, oldest first."""
    paces = {name: Pace(float(kept["speed"]), float(kept["space"])) for name, kept in read_json(content).items()}
    return {
        name: pace
        for name, pace in paces.items()
        if SLOWEST <= pace.speed <= FASTEST and 0 <= pace.space <= LARGEST_SPACE and len(name) <= _LONGEST_NAME
    }
