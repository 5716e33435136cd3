"""The expert of names: files whose name, folders, tags and note contain the words of the query.

All words but function words must be found. A query that equals a file's name means that file, so a rare name is a
strong match.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from cret_desktop.domain.clips import LibraryFile, Reason
from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import FileHit
from cret_desktop.domain.tags import fold_tag
from cret_desktop.library.ports import Store
from cret_desktop.library.searching.expert import FileIds, Find, Ranking, SearchRequest
from cret_desktop.library.searching.relevance import POSSIBLE
from cret_desktop.library.searching.steps import Steps
from cret_desktop.library.searching.words import MORE_UNDER_OPERATORS, MOST_FINDS, content_words, rarity

_TRUST = 0.5  # added to POSSIBLE at full weight: strong


class Names:
    """Finds whole files by their names and annotations. Thread-safe: keeps no state."""

    name = "names"

    def __init__(self, store: Store) -> None:
        self._texts = store.texts
        self._listing = store.listing

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        """See `library.searching.expert.Expert`. The weight is the rarity of the words in this library."""
        with steps("words"):
            words = content_words(request.query.text)
            weight = rarity(self._texts.count_files(words), self._listing.count(Filters())) if words else 0.0
            if not weight:
                return Ranking(weight=0.0)
            hits = self._texts.files(words, MOST_FINDS * (1 if allowed is None else MORE_UNDER_OPERATORS))
            if allowed is not None:
                admitted = np.isin([hit.file_id for hit in hits], allowed)
                hits = [hit for hit, is_admitted in zip(hits, admitted, strict=True) if is_admitted]
            hits = hits[: MOST_FINDS if limit is None else min(MOST_FINDS, limit)]
            files = self._listing.files([hit.file_id for hit in hits])
            relevance = POSSIBLE + _TRUST * weight
            finds = [_find(hit, files[hit.file_id], words, relevance) for hit in hits if hit.file_id in files]
            return Ranking(tuple(finds), weight)


def _find(hit: FileHit, file: LibraryFile, words: Sequence[str], relevance: float) -> Find:
    return Find(
        file.id,
        0.0,
        file.duration or 0.0,
        relevance,
        reasons=tuple(_reason(column, hit, file, words) for column in hit.columns),
        whole_file=True,
        indexed=file.clips > 0,
    )


def _reason(column: str, hit: FileHit, file: LibraryFile, words: Sequence[str]) -> Reason:
    """Return where the words were found: in a file's name, folders, tags or note."""
    if column == "name":
        return Reason("name", os.path.basename(file.path))
    if column == "folders":
        return Reason("name", os.path.dirname(file.path))
    if column == "note":
        return Reason("note", hit.note)
    folded = [fold_tag(word) for word in words]
    tags = [tag for tag in file.tags if any(word in fold_tag(tag) for word in folded)] or file.tags
    return Reason("tag", ", ".join(tags))
