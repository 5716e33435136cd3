"""How long indexing will still take and how much of the disk, by the length of what waits and by what was done so far.

Lengths that nobody has read yet are guessed from sizes, as those of the files that were read. Where neither a run nor
one before it has been measured, there is no estimate. Pure arithmetic, but for one small file that keeps the pace of
earlier runs; it is a cache, and losing it costs the first minute's estimate.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass

from cret_desktop.foreign import read_json
from cret_desktop.library.keeping.caches import read_cache
from cret_desktop.library_files import PACE, LibraryFiles

log = logging.getLogger(__name__)

BELIEF = 30.0  # seconds of work that the pace of earlier runs counts for
SOON = 3.0  # seconds of work before which a run's own pace says nothing
# What a pace may be to be believed: a thousandth of real time to a hundred thousand times, 1 GB a second of video.
SLOWEST, FASTEST, LARGEST_SPACE = 1e-3, 1e5, 1e9
_LARGEST = 10_000  # bytes of the file; ours have a hundred for each pace
_MOST = 8  # paces that are kept
_LONGEST_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class Pace:
    """What runs took: seconds of video a second, and bytes of the disk a second of video."""

    speed: float
    space: float


class Estimate:
    """What waits and what is done, in seconds of video. Files are known by their ids."""

    def __init__(self, pace: Pace | None) -> None:
        """`pace`: of earlier runs, None where there was none."""
        self._earlier = pace
        self._lengths: dict[int, float] = {}  # of what waits, as far as known
        self._sizes: dict[int, int] = {}  # in bytes, of what waits and has no known length
        self._seen_seconds = self._seen_bytes = 0.0  # of all files whose length is known: how much a byte holds
        self._waiting_seconds = self._waiting_bytes = 0.0
        self.done = 0.0
        self._written = 0

    def add(self, file_id: int, size: int, length: float | None) -> None:
        """A file waits. One that waits already is counted once."""
        self.drop(file_id)
        if length:
            self._lengths[file_id] = length
            self._waiting_seconds += length
            self._seen_seconds, self._seen_bytes = self._seen_seconds + length, self._seen_bytes + size
        else:
            self._sizes[file_id] = size
            self._waiting_bytes += size

    def learn(self, file_id: int, length: float) -> None:
        """The length of a file that waits has been read."""
        if length and file_id in self._sizes:
            self.add(file_id, self._sizes[file_id], length)

    def advance(self, file_id: int, seconds: float, written: int) -> None:
        """So much of a file is done, and took so many bytes."""
        self.done += seconds
        self._written += written
        if file_id in self._lengths:
            seconds = min(seconds, self._lengths[file_id])
            self._lengths[file_id] -= seconds
            self._waiting_seconds -= seconds

    def drop(self, file_id: int) -> None:
        """A file waits no longer: it is done, has failed or is gone."""
        self._waiting_seconds -= self._lengths.pop(file_id, 0.0)
        self._waiting_bytes -= self._sizes.pop(file_id, 0)

    def rate(self, worked: float) -> float:
        """Seconds of video a second in this run, after so many seconds of work."""
        return self.done / worked if worked > 0 else 0.0

    def remaining(self, worked: float) -> float | None:
        """Seconds, None where it cannot be told yet."""
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
        """Bytes that what waits will take up, None where it cannot be told yet."""
        waiting = self._waiting()
        believed = BELIEF if self._earlier else 0.0
        if waiting is None or not self.done + believed:
            return None
        earlier = self._earlier.space * believed if self._earlier else 0.0
        return waiting * (self._written + earlier) / (self.done + believed)

    def pace(self, worked: float) -> Pace:
        """Of this run, after so many seconds of work."""
        return Pace(self.rate(worked), self._written / self.done if self.done else 0.0)

    def _waiting(self) -> float | None:
        if self._waiting_bytes > 0 and not self._seen_bytes:
            return None
        guessed = self._waiting_bytes * self._seen_seconds / self._seen_bytes if self._seen_bytes else 0.0
        return max(0.0, self._waiting_seconds + guessed)


def read_pace(files: LibraryFiles, name: str) -> Pace | None:
    """Return the pace of earlier runs with a model (a fingerprint); None where there is none to be believed."""
    return (read_cache(files, PACE, _LARGEST, _paces_in) or {}).get(name)


def keep_pace(files: LibraryFiles, name: str, pace: Pace) -> None:
    """Keep the pace of a run, beside those of other models. A full disk is reported elsewhere."""
    paces = read_cache(files, PACE, _LARGEST, _paces_in) or {}
    paces.pop(name, None)
    paces[name] = pace
    try:
        files.write(PACE, json.dumps({kept: asdict(paces[kept]) for kept in list(paces)[-_MOST:]}).encode())
    except OSError as error:
        log.info("The pace of indexing was not kept: %s", error)


def _paces_in(content: bytes) -> dict[str, Pace]:
    """Those that can be believed, in the order in which they were kept."""
    paces = {name: Pace(float(kept["speed"]), float(kept["space"])) for name, kept in read_json(content).items()}
    return {
        name: pace
        for name, pace in paces.items()
        if SLOWEST <= pace.speed <= FASTEST and 0 <= pace.space <= LARGEST_SPACE and len(name) <= _LONGEST_NAME
    }
