"""Frames and timecode as editing programs count them, and the facts of a source that identify its frames.

Exact arithmetic on whole frames and fractions, without intermediate rounding of seconds. This module never opens a
file.

Drop-frame timecode (SMPTE ST 12-1) skips the *numbers* 0 and 1 (0 to 3 at 59.94) at the start of each minute but every
tenth, so that the count keeps up with the clock; no picture is dropped.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

NTSC = 1001
# Frame rates that cameras and programs produce; a measured rate close to one of them is taken as it.
STANDARD_RATES = (
    Fraction(10),
    Fraction(12),
    Fraction(25, 2),
    Fraction(15000, NTSC),
    Fraction(15),
    Fraction(24000, NTSC),
    Fraction(24),
    Fraction(25),
    Fraction(30000, NTSC),
    Fraction(30),
    Fraction(48000, NTSC),
    Fraction(48),
    Fraction(50),
    Fraction(60000, NTSC),
    Fraction(60),
    Fraction(100),
    Fraction(120000, NTSC),
    Fraction(120),
)
# 23.976 and 24 are 0.1 % apart. Rates measured from timestamps in milliseconds are closer than this.
_SAME_RATE = 0.0004
# Marks come from clocks that round to a millisecond (Matroska's, the player's): this much before a frame still means
# it.
CLOCK_TOLERANCE = 0.002
_DAY = 24 * 60 * 60
_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.,])(\d{2,3})")


def tolerance(frame_seconds: float) -> float:
    """Return by how many seconds a time may miss a frame's and still mean it."""
    return min(CLOCK_TOLERANCE, frame_seconds / 4)


def standard_rate(measured: float) -> Fraction | None:
    """Return the standard rate close to a measured one, None if there is none."""
    nearest = min(STANDARD_RATES, key=lambda rate: abs(float(rate) - measured))
    return nearest if abs(float(nearest) - measured) <= _SAME_RATE * float(nearest) else None


def counted_rate(rate: Fraction) -> int:
    """Return the number of frames in a second of timecode: 30 at 29.97."""
    return max(1, round(rate))


def can_drop(rate: Fraction) -> bool:
    """Return whether drop-frame timecode exists at this rate."""
    return rate.denominator == NTSC and counted_rate(rate) % 30 == 0


def format_timecode(frame: int, rate: Fraction, drop: bool = False) -> str:
    """Return '01:02:03:04', with ';' before the frames if numbers are dropped; wraps after 24 hours."""
    base = counted_rate(rate)
    if drop:
        dropped = base // 15
        per_ten_minutes = base * 600 - dropped * 9
        frame %= per_ten_minutes * 144
        tens, rest = divmod(frame, per_ten_minutes)
        # The first of ten minutes is whole, the other nine each lack the dropped numbers.
        minutes = max(0, rest - dropped) // (base * 60 - dropped)
        frame += dropped * (9 * tens + minutes)
    else:
        frame %= base * _DAY
    seconds, frames = divmod(frame, base)
    mark = ";" if drop else ":"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frames:02}"


def parse_timecode(text: str, rate: Fraction) -> tuple[int, bool] | None:
    """Return the frame number of a timecode and whether it is drop-frame; None if it is invalid at this rate."""
    match = _TIMECODE.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    base = counted_rate(rate)
    if minutes > 59 or seconds > 59 or frames >= base:
        return None
    drop = match[4] != ":" and can_drop(rate)
    frame = (hours * 3600 + minutes * 60 + seconds) * base + frames
    if drop:
        whole_minutes = hours * 60 + minutes
        frame -= base // 15 * (whole_minutes - whole_minutes // 10)
    return frame, drop


@dataclass(frozen=True, slots=True)
class EditSource:
    """A video as an editing program sees it: frames at one rate, numbered from its start timecode on.

    `first_frame` is the timecode of the first picture as a number of frames, 0 if the file has none; `begins` is that
    picture's time on the player's clock, in seconds. `frames` is the file's length. `reel` is '' if the file names
    none. `variable`: the frame rate varies, `rate` is the nominal one.
    """

    path: str
    rate: Fraction
    drop_frame: bool
    first_frame: int
    has_timecode: bool
    reel: str
    begins: float
    frames: int
    width: int
    height: int
    channels: int
    sample_rate: int
    variable: bool

    def frame_range(self, start: float, end: float) -> tuple[int, int]:
        """Return the numbers, from 0, of the first frame on the screen in [start, end) and of the first after it.

        Clipped to the file; never empty. Times are seconds on the player's clock.
        """
        slack = tolerance(float(1 / self.rate))
        first = math.floor((start - self.begins + slack) * self.rate)
        after = math.ceil((end - self.begins - slack) * self.rate)
        first = min(max(first, 0), max(self.frames - 1, 0))
        return first, max(min(after, self.frames), first + 1)

    def seconds(self, frame: int) -> float:
        """Return the start of a frame in seconds, on the player's clock."""
        return self.begins + float(frame / self.rate)

    def timecode(self, frame: int) -> str:
        """Return the timecode of a frame of the file."""
        return format_timecode(self.first_frame + frame, self.rate, self.drop_frame)
