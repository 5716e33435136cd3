"""Plans clips while a video streams by, each with M frames at the middles of M equal intervals.

Shots become clips of at most 10 s, or of the chosen length. Pure bookkeeping over (time, picture) pairs, bounded
whatever the video's length: it never accesses a decoder and never keeps more than about one picture for each 0.4 s of
the last two clips.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cret_desktop.domain.clips import USUAL_SAMPLING

MIN_SHOT = 0.2  # seconds; a shorter stretch is not a shot of its own
_FRESH_SPACING = 0.1  # between candidates, while their shot may turn out to be short
_AGED_SPACING = 0.4
_AGED = 2.0  # seconds after which candidates are thinned

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class SampledClip(Generic[P]):
    """A planned clip: its M times are those of real frames; `pictures` are in the same order."""

    ordinal: int
    shot: int
    start: float
    end: float
    times: tuple[float, ...]
    pictures: tuple[P, ...]


class ClipSampler(Generic[P]):
    """Takes candidate pictures and cuts in the order of time, and returns clips as soon as they are certain.

    A shot of up to two clips' length is divided evenly once its end is known. A longer one yields whole clips as it
    proceeds, so that an endless shot needs no endless memory, and its last one to two clips are divided evenly.
    """

    def __init__(self, frames: int, longest: float = USUAL_SAMPLING.clip_seconds) -> None:
        self._frames = frames
        self._longest = longest
        self._aged: list[tuple[float, P]] = []
        self._fresh: deque[tuple[float, P]] = deque()
        self._shot = 0
        self._shot_start: float | None = None
        self._clip_start = 0.0
        self._ordinal = 0

    def wants(self, time: float) -> bool:
        """Return whether a picture at `time` would be kept: lets the caller skip making it."""
        return not self._fresh or time >= self._fresh[-1][0] + _FRESH_SPACING

    def add(self, time: float, picture: P) -> None:
        if self._shot_start is None:
            self._shot_start = self._clip_start = time
        self._fresh.append((time, picture))
        while len(self._fresh) > 1 and self._fresh[0][0] < time - _AGED:
            candidate = self._fresh.popleft()
            if not self._aged or candidate[0] >= self._aged[-1][0] + _AGED_SPACING:
                self._aged.append(candidate)

    def cut(self, time: float) -> list[SampledClip[P]]:
        """Begin a new shot at `time`, unless that leaves one too short or without a picture; return finished clips."""
        candidates = self._candidates(time)
        if self._shot_start is None or time - self._shot_start < MIN_SHOT or not candidates:
            return []
        clips = self.settle(time)
        if candidates := self._candidates(time):
            clips += self._divide(time, candidates)
        self._drop_before(time)
        self._shot += 1
        self._shot_start = self._clip_start = time
        return clips

    def settle(self, time: float) -> list[SampledClip[P]]:
        """Return clips that are certain because no cut before `time` will be reported any more.

        Of a picture that stands still for long only the first seconds become a clip, however far the clock leaps.
        """
        clips = []
        while self._shot_start is not None and time - self._clip_start >= 2 * self._longest:
            end = self._clip_start + self._longest
            if candidates := self._candidates(end):
                clips.append(self._clip(self._clip_start, end, candidates))
                self._drop_before(end)
                self._clip_start = end
            elif later := self._candidates(math.inf):
                self._clip_start = later[0][0]
            else:
                break
        return clips

    def finish(self, end: float) -> list[SampledClip[P]]:
        """End the video at `end`; return the last clips."""
        if self._shot_start is None:
            return []
        clips = self.settle(end)
        candidates = self._candidates(math.inf)
        return clips + (self._divide(max(end, candidates[-1][0]), candidates) if candidates else [])

    def _candidates(self, end: float) -> list[tuple[float, P]]:
        return [candidate for candidate in (*self._aged, *self._fresh) if self._clip_start <= candidate[0] < end]

    def _drop_before(self, time: float) -> None:
        self._aged = [candidate for candidate in self._aged if candidate[0] >= time]
        while self._fresh and self._fresh[0][0] < time:
            self._fresh.popleft()

    def _divide(self, end: float, candidates: Sequence[tuple[float, P]]) -> list[SampledClip[P]]:
        """Divide [clip_start, end) into as few equal clips as possible."""
        pieces = max(1, math.ceil((end - self._clip_start) / self._longest - 1e-6))
        bounds = [self._clip_start + (end - self._clip_start) * i / pieces for i in range(pieces)] + [end]
        return [self._clip(bounds[i], bounds[i + 1], candidates) for i in range(pieces)]

    def _clip(self, start: float, end: float, candidates: Sequence[tuple[float, P]]) -> SampledClip[P]:
        inside = [candidate for candidate in candidates if start <= candidate[0] < end] or list(candidates)
        chosen = [inside[i] for i in nearest([time for time, _ in inside], middles(start, end, self._frames))]
        clip = SampledClip(
            self._ordinal, self._shot, start, end, tuple(time for time, _ in chosen), tuple(p for _, p in chosen)
        )
        self._ordinal += 1
        return clip


def middles(start: float, end: float, count: int) -> list[float]:
    """Return the middles of `count` equal intervals of [start, end]."""
    return [start + (end - start) * (i + 0.5) / count for i in range(count)]


def nearest(times: Sequence[float], targets: Sequence[float]) -> list[int]:
    """Return for each target the index of the nearest of the ascending `times`."""
    found = []
    for target in targets:
        right = bisect_left(times, target)
        closer = [i for i in (right - 1, right) if 0 <= i < len(times)]
        found.append(min(closer, key=lambda i: abs(times[i] - target)))
    return found
