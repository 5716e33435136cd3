"""Detects hard cuts in a stream of small frames, and checks whether frames that were not decoded may hide one.

Two frames are compared where they agree best: parts of one are searched for in the other, so that pans, zooms, changes
of exposure and passers-by keep them alike while a cut does not. A cut is a change that is sudden and lasts. It lasts if
no frame just before it is like any frame just after it, unlike a camera flash. It is sudden if its neighbours change
far less, unlike a whip pan. Dissolves and fades are not detected. This module never decodes, and keeps a dozen
thumbnails whatever the length of the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

THUMB = (64, 36)  # width, height
Thumb = NDArray[np.uint8]  # [36, 64, 3] RGB

SIDE = 4  # frames compared on each side of a cut; shorter flashes are not cuts
LOOKAHEAD = SIDE - 1  # after push n no cut before frame n - LOOKAHEAD is reported any more

_UNLIKE = 0.32  # minimum dissimilarity of a cut
_ALIKE = 0.25  # below this one comparison is enough
_UNLIKE_FAR = 0.25  # the same between keyframes, where a doubt costs only the decoding of the frames between
_SUDDEN = 0.7  # the frames beside a cut change by less than this share of it
_BESIDE = 2  # their number on each side
_STILL = 4.0  # grey levels of mean difference below which frames are alike whatever their correlation
_INTRA_LIKE = 0.4  # a packet this large relative to its keyframe holds a whole picture
_OUTLIER = 2.0  # and exceeds the others by this factor

_MIDDLE = (slice(9, 27), slice(16, 48))  # half of the height and width
_QUARTERS = [  # each with its search area
    ((slice(y, y + 18), slice(x, x + 32)), (slice(max(0, y - 6), y + 24), slice(max(0, x - 10), x + 42)))
    for y in (0, 18)
    for x in (0, 32)
]


class ShotDetector:
    """Detects cuts among consecutive frames, in order of presentation.

    A cut's time is that of the first frame of the new shot. It is confirmed up to LOOKAHEAD frames late.
    """

    def __init__(self) -> None:
        self._seen: list[_Seen] = []
        self._judged = 0  # frames at the front of `_seen` that have been judged

    def push(self, time: float, thumb: Thumb) -> list[float]:
        """Take the next frame: its time in seconds and its thumbnail, uint8 RGB [36, 64, 3].

        Return the times of newly confirmed cuts, at most one, ascending from call to call.
        """
        pixels = thumb.astype(np.float32)
        change = dissimilarity(self._seen[-1].pixels, pixels) if self._seen else 0.0
        self._seen.append(_Seen(time, pixels, change))
        cuts = self._judge_until(len(self._seen) - LOOKAHEAD)
        surplus = max(0, self._judged - max(SIDE, _BESIDE))
        del self._seen[:surplus]
        self._judged -= surplus
        return cuts

    def finish(self) -> list[float]:
        """Return the cuts among the last frames, judged by the few frames that follow them."""
        return self._judge_until(len(self._seen))

    def _judge_until(self, end: int) -> list[float]:
        cuts = [self._seen[i].time for i in range(self._judged, end) if self._is_cut(i)]
        self._judged = max(self._judged, end)
        return cuts

    def _is_cut(self, at: int) -> bool:
        change = self._seen[at].change
        if change < _UNLIKE:
            return False
        beside = self._seen[max(0, at - _BESIDE) : at] + self._seen[at + 1 : at + 1 + _BESIDE]
        if any(seen.change > _SUDDEN * change for seen in beside):
            return False
        before, after = self._seen[max(0, at - SIDE) : at], self._seen[at : at + SIDE]
        return all(dissimilarity(a.pixels, b.pixels) >= _UNLIKE for a in before for b in after)


@dataclass(frozen=True, slots=True)
class _Seen:
    time: float
    pixels: NDArray[np.float32]
    change: float  # dissimilarity to the frame before


def dissimilarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return how unlike two RGB thumbnails [36, 64, 3] are at their best match: 0 the same, 0.4 to 1 unrelated.

    The lower of two: how badly the middle of `second` matches anywhere in `first` (a moving camera), and how badly the
    second best of its quarters matches near its place (a large object that enters the picture).
    """
    # Most frames of most videos hardly change: a difference settles them, ten times cheaper than a search.
    if cv2.norm(first, second, cv2.NORM_L1) < _STILL * first.size:
        return 0.0
    middle = _not_found(first, second[_MIDDLE])
    if middle < _ALIKE:
        return middle
    quarters = [_not_found(first[near], second[quarter]) for quarter, near in _QUARTERS]
    return min(middle, sorted(quarters)[1])


def _not_found(field: NDArray[np.float32], part: NDArray[np.float32]) -> float:
    """Return one minus the greatest normalised cross-correlation of `part` with any place in `field`."""
    part = np.ascontiguousarray(part)
    _, best, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(np.ascontiguousarray(field), part, cv2.TM_CCOEFF_NORMED))
    place = field[y : y + part.shape[0], x : x + part.shape[1]].copy()
    # Flat areas correlate with nothing, not even with themselves.
    if cv2.norm(place, part, cv2.NORM_L1) < _STILL * part.size:
        return 0.0
    # The search subtracts the mean of each channel, so plain red equals plain blue: one common mean keeps them apart.
    place -= place.mean()
    part = part - part.mean()
    lengths = float(np.linalg.norm(place) * np.linalg.norm(part))
    coloured = float(np.vdot(place, part)) / lengths if lengths else 0.0
    return 1.0 - min(best, coloured)


def suspicious(sizes: Sequence[int], key_flags: Sequence[bool], first: Thumb, last: Thumb) -> bool:
    """Return whether a cut may hide among frames that were not decoded, so that all of them must be.

    `sizes` (bytes) and `key_flags` are those of the packets from one decoded keyframe to just before the next, in
    decoding order; `first` and `last` the thumbnails of these two keyframes. False means no cut up to and including the
    next keyframe, as far as both show: a cut changes the picture for good, or, if the picture returns, leaves a packet
    inside that is nearly as large as a keyframe's.
    """
    if dissimilarity(first.astype(np.float32), last.astype(np.float32)) >= _UNLIKE_FAR:
        return True
    keys = [size for size, key in zip(sizes, key_flags, strict=True) if key]
    others = [size for size, key in zip(sizes, key_flags, strict=True) if not key]
    if not keys or len(others) < 2:
        return False
    peak = max(others)
    return peak >= _INTRA_LIKE * float(np.median(keys)) and peak >= _OUTLIER * float(np.percentile(others, 75))
