"""The expert of subtitles: lines that contain the words of the query, with their times.

All words but function words must be in one line. Spoken things need not be visible, so a line alone is no strong match.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cret_desktop.domain.clips import Reason
from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import LineHit
from cret_desktop.library.ports import Store
from cret_desktop.library.searching.expert import FileIds, Find, Ranking, SearchRequest
from cret_desktop.library.searching.relevance import POSSIBLE
from cret_desktop.library.searching.steps import Steps
from cret_desktop.library.searching.words import MORE_UNDER_OPERATORS, MOST_FINDS, content_words, rarity

_TRUST = 0.29  # added to POSSIBLE at full weight: never strong


class Subtitles:
    """Finds the segments in which subtitle lines are shown. Thread-safe: keeps no state."""

    name = "subtitles"

    def __init__(self, store: Store) -> None:
        self._texts = store.texts
        self._listing = store.listing
        self._clips = store.clips

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        """See `library.searching.expert.Expert`. The weight is the rarity of the lines in this library."""
        with steps("words"):
            words = content_words(request.query.text)
            weight = rarity(self._texts.count_lines(words), self._listing.count(Filters())) if words else 0.0
            if not weight:
                return Ranking(weight=0.0)
            lines = self._texts.lines(words, MOST_FINDS * (1 if allowed is None else MORE_UNDER_OPERATORS))
            if allowed is not None:
                admitted = np.isin([line.file_id for line in lines], allowed)
                lines = [line for line, is_admitted in zip(lines, admitted, strict=True) if is_admitted]
            lines = lines[:MOST_FINDS] if limit is None else _of_files(lines[:MOST_FINDS], limit)
            relevance = POSSIBLE + _TRUST * weight
            return Ranking(tuple(self._find(line, relevance) for line in lines), weight)

    def _find(self, line: LineHit, relevance: float) -> Find:
        clip = self._clips.clip_at(line.file_id, line.start)
        times = clip.times if clip is not None else ()
        return Find(
            line.file_id,
            line.start,
            max(line.start, line.end),
            relevance,
            reasons=(Reason("subtitle", line.text),),
            clips=(clip,) if clip is not None else (),
            frame=min(range(len(times)), key=lambda i: abs(times[i] - line.start), default=0),
            indexed=clip is not None,
        )


def _of_files(lines: Sequence[LineHit], limit: int) -> list[LineHit]:
    """Return the lines of the first `limit` files."""
    files = list(dict.fromkeys(line.file_id for line in lines))[:limit]
    return [line for line in lines if line.file_id in files]
