"""Fusion: what names, tags, notes and subtitles say of a query, beside what the pictures show.

All words of the query but the smallest must be found. Rankings are joined by reciprocal rank (Cormack, Clarke and
Büttcher, SIGIR 2009: sum of 1 / (60 + rank)), the one of the words weighted by how rare the find is in this library:
words that stand at every tenth file or more, such as the name of the folder that everything lies in, say nothing.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from cret_desktop.domain.clips import LibraryFile, Match, Moment, Reason
from cret_desktop.domain.records import FileHit, LineHit
from cret_desktop.domain.tags import fold_tag
from cret_desktop.library.ports import TextSearch
from cret_desktop.library.searching.relevance import POSSIBLE, classify

RANK_OFFSET = 60
FEWEST_WEIGHT = 0.25  # of a find, below which it says nothing; at 10,000 files: found at more than every tenth
FILES, LINES = 50, 50  # finds that are looked at
# A file that was named so is meant; words that are spoken in it need not be seen.
_FILE_TRUST, _LINE_TRUST = 0.5, 0.29  # added to POSSIBLE at full weight: strong for files, never for lines
# English and German words that a description is full of and a name need not hold.
_SMALL = frozenset(
    "a an and at by for from in into is of on or the to with "
    "am an auf bei das dem den der die ein eine einem einen einer es für im in ist mit oder und von vor zu zum "
    "zur".split()
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the words found, best first, with the weight of each list in [0, 1]."""

    words: tuple[str, ...] = ()
    files: tuple[FileHit, ...] = ()
    lines: tuple[LineHit, ...] = ()
    file_weight: float = 0.0
    line_weight: float = 0.0

    @property
    def file_relevance(self) -> float:
        return POSSIBLE + _FILE_TRUST * self.file_weight

    @property
    def line_relevance(self) -> float:
        return POSSIBLE + _LINE_TRUST * self.line_weight


def find(texts: TextSearch, query: str, total: int, allowed: Collection[int] | None) -> Evidence:
    """Search for a query's words in a library of `total` files, among those `allowed` (file ids)."""
    words = tuple(word for word in re.findall(r"\w+", query) if word.casefold() not in _SMALL)
    if not words:
        return Evidence()
    file_weight = _rarity(texts.count_files(words), total)
    line_weight = _rarity(texts.count_lines(words), total)
    # Under operators more is asked for, since the best ones may not be admitted.
    more = 1 if allowed is None else 40
    files = texts.files(words, FILES * more) if file_weight else []
    lines = texts.lines(words, LINES * more) if line_weight else []
    if allowed is not None:
        files = [hit for hit in files if hit.file_id in allowed]
        lines = [hit for hit in lines if hit.file_id in allowed]
    return Evidence(words, tuple(files[:FILES]), tuple(lines[:LINES]), file_weight, line_weight)


def _rarity(found: int, total: int) -> float:
    """1 for what is found once, 0 for what is found everywhere or nowhere."""
    if not found:
        return 0.0
    weight = math.log((total + 1) / min(found, total + 1)) / math.log(total + 1) if total else 0.0
    return weight if weight >= FEWEST_WEIGHT else 0.0


def reasons(hit: FileHit, file: LibraryFile, words: Sequence[str]) -> tuple[Reason, ...]:
    """Where in a file's name, folders, tags and note the words were found."""
    found = []
    for column in hit.columns:
        if column == "name":
            found.append(Reason("name", os.path.basename(file.path)))
        elif column == "folders":
            found.append(Reason("name", os.path.dirname(file.path)))
        elif column == "note":
            found.append(Reason("note", hit.note))
        else:
            folded = [fold_tag(word) for word in words]
            tags = [tag for tag in file.tags if any(word in fold_tag(tag) for word in folded)] or file.tags
            found.append(Reason("tag", ", ".join(tags)))
    return tuple(found)


class Fusion:
    """Joins what is shown with what words speak for.

    Weak pictures gain nothing by their rank: that some frame comes first when nothing matches is no evidence.
    """

    def __init__(self, seen: Sequence[Moment]) -> None:
        """`seen`: the moments by what they show, best first."""
        self._moments: dict[_Place, Moment] = {}
        self._points: dict[_Place, float] = {}
        strong = 0
        for place, moment in enumerate(seen):
            self._moments[_place(moment)] = moment
            if moment.match is Match.WEAK:
                self._points[_place(moment)] = -1e-6 * (place + 1)
            else:
                strong += 1
                self._points[_place(moment)] = 1 / (RANK_OFFSET + strong)
        self._rank = 0

    def next_list(self) -> None:
        self._rank = 0

    def add(self, moment: Moment, weight: float, relevance: float, reasons: tuple[Reason, ...]) -> None:
        """The next best of a list: one of the moments that were seen, or another."""
        self._rank += 1
        place = _place(moment)
        known = self._moments.get(place, moment)
        relevance = max(known.relevance, relevance)
        self._moments[place] = replace(
            known, relevance=relevance, match=classify(relevance), reasons=(*known.reasons, *reasons)
        )
        self._points[place] = max(self._points.get(place, 0.0), 0.0) + weight / (RANK_OFFSET + self._rank)

    def moments(self) -> list[Moment]:
        """All of them, best first."""
        order = sorted(self._points, key=lambda place: -self._points[place])
        return [replace(self._moments[place], score=self._points[place]) for place in order]


_Place = tuple[int, float, float]


def _place(moment: Moment) -> _Place:
    return moment.file_id, moment.start, moment.end
