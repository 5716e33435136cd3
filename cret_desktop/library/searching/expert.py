"""The port of an expert, a source of evidence for a search, and the values that it takes and returns.

An expert finds files or segments of files by one kind of evidence, such as pictures, names or subtitles, and returns a
ranking of its own. `library.searching.fusion` joins the rankings of any number of experts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import Match, Picture, Reason
from cret_desktop.domain.records import ClipRow
from cret_desktop.library.searching.query import ParsedQuery
from cret_desktop.library.searching.relevance import classify
from cret_desktop.library.searching.steps import Steps

FileIds = NDArray[np.int64]  # [N]


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """The request of one search, the same for every expert.

    Attributes:
        query: The parsed query. The experts use its words; its operators become the `allowed` files.
        without: A description of what to exclude, in words.
        like: A picture, or the id of a clip, to find similar moments by.
        reach: The number of best videos that the answer can reach; experts examine more clips for a larger one.
        named: Files that earlier experts found as a whole. An expert that scores clips scores theirs too, so that
            such a file is shown at its best moment.
    """

    query: ParsedQuery
    without: str = ""
    like: Picture | int | None = None
    reach: int = 50
    named: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Find:
    """A segment of a file, or a whole file, that an expert found.

    Attributes:
        start, end: Seconds. A whole file is from 0 to its duration, or to 0 if that is unknown.
        relevance: In [0, 1], comparable across experts and queries (see `library.searching.relevance`).
        score: Orders the finds of one ranking, best first, if the ranking is `scored`.
        reasons: Evidence besides the picture.
        clips: The clips that show the segment, in order of time. Empty for a whole file.
        lead: Index into `clips` of the one that represents the segment.
        frame: Index into that clip's times of the frame that matched, or is nearest.
        whole_file: Whether the find is the file as a whole.
        indexed: Whether the file has clips. A segment of one that has none cannot be shown yet.
    """

    file_id: int
    start: float
    end: float
    relevance: float
    score: float = 0.0
    reasons: tuple[Reason, ...] = ()
    clips: tuple[ClipRow, ...] = ()
    lead: int = 0
    frame: int = 0
    whole_file: bool = False
    indexed: bool = True

    @property
    def match(self) -> Match:
        return classify(self.relevance)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The finds of one expert, best first, with their weight in fusion.

    Attributes:
        weight: In [0, 1]: the weight of a place in this ranking, calibrated over the library.
        scored: Whether the finds have scores, which the answer shows if this ranking is the only one.
        segments: Whether the finds divide videos into moments. Finds of other rankings that begin in one join it.
        exclusive: Whether files not found here are excluded: finds of other rankings at other indexed files are
            dropped.
        confident: Whether any find is more than weak, including finds beyond the limit.
    """

    finds: tuple[Find, ...] = ()
    weight: float = 1.0
    scored: bool = False
    segments: bool = False
    exclusive: bool = False
    confident: bool = False


class Expert(Protocol):
    """One source of evidence. Any number of threads may use it at once."""

    @property
    def name(self) -> str:
        """The name in the log and in code. Users see reasons instead."""
        ...

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        """Return the finds of this expert for a request.

        `allowed` are the ids of the files that may be found, in no order; None allows all. `limit` is the number of
        best files to return finds of; None returns all finds of the files that the expert examined. Files and clips
        that have left the library in the meantime are skipped. Raises: QueryError, ModelError, PathError, StorageError;
        Abandoned from `steps` once the answer is no longer wanted.
        """
        ...


class ClipExpert(Expert, Protocol):
    """An expert that can also judge any given clip."""

    def relevances(self, request: SearchRequest, clip_ids: Sequence[int]) -> dict[int, float]:
        """Return the relevance of these clips to a request, by id; clips without features are absent.

        Empty if the request has neither words nor a picture. Raises: as `retrieve`.
        """
        ...

    def files_showing(self, words: str) -> tuple[int, ...]:
        """Return the ids of the files that match a description. Raises: ModelError, StorageError."""
        ...

    def prepare(self) -> dict[str, float]:
        """Load what `retrieve` needs; return the milliseconds it took, by part. Raises: ModelError, StorageError."""
        ...

    def encode_references(self) -> None:
        """Encode the reference queries, so that the first search need not. Raises: ModelError."""
        ...
