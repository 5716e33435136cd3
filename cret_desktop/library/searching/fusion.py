"""Fusion of the rankings of any number of experts into one, by weighted reciprocal rank. Pure.

A find at place r of a ranking of weight w scores w / (60 + r) (Cormack, Clarke and Büttcher, SIGIR 2009); the scores of
finds of the same moment add up. Weak finds score nothing for their place: the first of many pictures that do not match
is no evidence. They follow all others, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cret_desktop.domain.clips import Match
from cret_desktop.library.searching.expert import Find, Ranking

RANK_OFFSET = 60
_BEHIND = -1e-6  # points of a weak find, times its place


def fuse(rankings: Sequence[Ranking]) -> list[Find]:
    """Return the finds of all rankings, best first, with the points that order them as their score.

    If only one ranking has finds and it is scored, it keeps its order and its scores.
    """
    exclusive = [{find.file_id for find in ranking.finds} for ranking in rankings if ranking.exclusive]

    def is_admitted(find: Find) -> bool:
        return not find.indexed or all(find.file_id in files for files in exclusive)

    present = [ranking for ranking in rankings if ranking.finds]
    if len(present) == 1 and present[0].scored:
        return [find for find in present[0].finds if is_admitted(find)]
    fusion = _Fusion()
    # Segments first, so that finds that begin in one can join it.
    for ranking in sorted(present, key=lambda ranking: not ranking.segments):
        fusion.add([find for find in ranking.finds if is_admitted(find)], ranking)
    return fusion.finds()


_Place = tuple[int, float, float]


class _Fusion:
    """Moments with their points, in insertion order."""

    def __init__(self) -> None:
        self._moments: dict[_Place, Find] = {}
        self._points: dict[_Place, float] = {}
        self._of_file: dict[int, _Place] = {}  # the first moment of each file
        self._segments: dict[int, list[_Place]] = {}  # the moments of each file that others can join

    def add(self, finds: Sequence[Find], ranking: Ranking) -> None:
        """Add the finds of a ranking, best first."""
        rank = 0
        segments: list[_Place] = []
        for position, find in enumerate(finds, 1):
            place = self._place_of(find)
            if place not in self._moments and not find.clips and not find.whole_file:
                continue  # the video is not indexed yet and has no thumbnails to show
            if find.match is Match.WEAK:
                self._points.setdefault(place, _BEHIND * position)
            else:
                rank += 1
                self._points[place] = max(self._points.get(place, 0.0), 0.0) + ranking.weight / (RANK_OFFSET + rank)
                if ranking.segments and not find.whole_file:
                    segments.append(place)
            self._merge(place, find)
        for place in segments:  # after all finds of this ranking have their own places
            self._segments.setdefault(place[0], []).append(place)

    def finds(self) -> list[Find]:
        order = sorted(self._points, key=lambda place: -self._points[place])
        return [replace(self._moments[place], score=self._points[place]) for place in order]

    def _place_of(self, find: Find) -> _Place:
        """Return the place of the moment that contains a find, or its own."""
        own = (find.file_id, find.start, find.end)
        if find.whole_file:
            return self._of_file.get(find.file_id, own)
        around = (place for place in self._segments.get(find.file_id, ()) if place[1] <= find.start < place[2])
        return next(around, own)

    def _merge(self, place: _Place, find: Find) -> None:
        known = self._moments.get(place)
        if known is None:
            self._moments[place] = find
            self._of_file.setdefault(find.file_id, place)
        else:
            relevance, reasons = max(known.relevance, find.relevance), (*known.reasons, *find.reasons)
            self._moments[place] = replace(known, relevance=relevance, reasons=reasons)
