"""The positions to request from a player until it shows a given frame. Pure arithmetic; never touches Qt.

QMediaPlayer on FFmpeg, as measured, answers position p with the first frame whose start plus the file's *nominal* frame
length is after p. At a constant rate that is the frame current at p. At a variable rate a longer frame is skipped and a
shorter one hidden behind the previous frame; but the shown frame only advances with p, so a bisection finds it.
"""

from __future__ import annotations

from math import ceil, floor

SLACK = 0.0015  # seconds; containers and players round times to milliseconds
MOST_TRIES = 24


class FrameAim:
    """The search for the last frame that starts at or before `time`, a time on the player's clock.

    `at_start`: a frame is known to start exactly there, as for the library's own frames; only that frame is accepted.
    Otherwise, at a variable rate, a frame that starts at most one nominal length too early is accepted too. Attributes:
    `position`, the next position to request from the player, in milliseconds.
    """

    def __init__(self, time: float, length: float, at_start: bool) -> None:
        self._time = max(0.0, time)
        self._length = length
        self._at_start = at_start
        # The middle of the frame: a position at its start shows the frame before it.
        self.position = floor((self._time + (length / 2 if at_start else SLACK)) * 1000)
        self._after: float | None = None
        self._under: int | None = None  # the highest position known to show the target frame or an earlier one
        self._over: int | None = None  # the lowest position known to show a later one
        self._back = length
        self._tries = 0
        self._found = False

    @classmethod
    def after(cls, start: float, length: float) -> FrameAim:
        """Aim at the frame after the one that starts at `start`: the first whose nominal end is later."""
        aim = cls(start, length, at_start=False)
        aim._after = start
        aim.position = floor((start + length) * 1000) + 1
        return aim

    def judge(self, start: float) -> bool:
        """Return whether the frame shown for `position` is the target; if not, `position` is the next to request."""
        self._tries += 1
        if self._after is not None:
            self.position += 1
            return start > self._after + SLACK or self._tries >= MOST_TRIES
        late = start > self._time + SLACK
        hit = not late and (start >= self._time - SLACK or (not self._at_start and self._under is self._over is None))
        if hit or self._found or self._tries >= MOST_TRIES:
            return True
        if late and self._tries == 1:
            return False  # repeat it once: a frame from before the pause may have come in between
        if late:
            if self.position == 0:
                return True  # the file's first frame starts after the time
            self._over = self.position
        else:
            self._under = self.position
        self._advance()
        return False

    def misses(self, start: float) -> bool:
        """Return whether an accepted frame is wrong, as the backend cannot seek exactly in such a file.

        Files without an index of their frames (MPEG-TS, MPEG-PS) behave like that. A frame that starts long before the
        time may be current there, so it counts as wrong only if a frame is known to start there. No frame precedes the
        first.
        """
        early = self._at_start and start < self._time - self._length
        return early or (start > self._time + self._length and self.position > 0)

    def _advance(self) -> None:
        if self._over is None:
            self._over = ceil((self._time + SLACK + self._length) * 1000)
        if self._under is None:
            self.position = max(0, ceil(self.position - self._back * 1000))
            self._back *= 2
        elif self._over - self._under > 1:
            self.position = (self._under + self._over) // 2
        else:
            self.position = self._under
            self._found = True
