"""The search: sends the request to the experts, fuses and orders their rankings, and returns one page.

Reads only; any number of searches may run during indexing. Never opens a video file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cret_desktop.domain.clips import LibraryFile, Match, Moment, Picture, SearchAnswer, Sort, Stretch
from cret_desktop.domain.filters import Filters
from cret_desktop.errors import PathError, QueryError
from cret_desktop.library.ports import Model, Store, VectorSearch
from cret_desktop.library.searching.expert import ClipExpert, Expert, FileIds, Find, Ranking, SearchRequest
from cret_desktop.library.searching.fusion import fuse
from cret_desktop.library.searching.moments import MOMENTS_OF_A_VIDEO, clip_thumbnails, moment_of, whole_file
from cret_desktop.library.searching.query import ParsedQuery, parse
from cret_desktop.library.searching.steps import Steps

POSTERS = 12  # of a listed file

_NO_QUERY = ParsedQuery("")


class Searcher:
    """Answers queries over one library with the experts' finds. Thread-safe."""

    def __init__(
        self, store: Store, index: VectorSearch, model: Model, experts: Sequence[Expert], pictures: ClipExpert
    ) -> None:
        """`experts` are queried in this order; `pictures` judges the clips of a filmstrip and excluded content."""
        self._clips = store.clips
        self._listing = store.listing
        self._blobs = store.blobs
        self._index = index
        self._model = model
        self._experts = tuple(experts)
        self._pictures = pictures

    def search(
        self,
        query: ParsedQuery,
        limit: int,
        *,
        without: str = "",
        like: Picture | int | None = None,
        sort: Sort = Sort.RELEVANCE,
        reverse: bool = False,
        offset: int = 0,
        wanted_still: Callable[[], bool] = lambda: True,
    ) -> SearchAnswer:
        """Return the best `limit` videos with their moments, from the `offset`-th on.

        The arguments are those of `engine.protocol.searching.Search`.

        Raises: QueryError, ModelError, PathError if the clip of `like` has left the library, Abandoned between two
        steps once `wanted_still` returns False.
        """
        steps = Steps(wanted_still)
        request = SearchRequest(query, _plain_words(without), like, reach=limit + offset)
        if not query.text and like is None:
            return self._browse(request, sort, reverse, limit, offset, steps)
        with steps("filter"):
            allowed = None if query.filters == Filters() else self._listing.admitted(query.filters)
            total = self._listing.count(query.filters) if allowed is None else len(allowed)
        rankings = self._ask(request, allowed, sort is Sort.RELEVANCE and not reverse, steps)
        with steps("moments"):
            finds = fuse(rankings)
            confident = any(r.confident for r in rankings) or any(find.match is not Match.WEAK for find in finds)
            shown = _page(self._ordered(finds, sort, reverse), limit, offset)
        with steps("files"):
            files = self._listing.files([find.file_id for find in shown])
            shown = [find for find in shown if find.file_id in files]  # skip files that were removed since the search
            described = tuple(files[i] for i in dict.fromkeys(find.file_id for find in shown))
        with steps("moments"):
            moments = tuple(self._moment(find, files[find.file_id]) for find in shown)
        return SearchAnswer(
            query.text,
            self._model.info.title,
            steps.took_in_all,
            moments,
            confident,
            steps.took,
            searched=len(self._index),
            files=described,
            total=total,
        )

    def filmstrip(
        self, file_id: int, query: ParsedQuery = _NO_QUERY, like: Picture | int | None = None
    ) -> tuple[Stretch, ...]:
        """Return all clips of a file in order, with their relevance to a query. Raises: as `search`; PathError."""
        clips = self._clips.clips_of(file_id)
        if not clips and file_id not in self._listing.files([file_id]):
            raise PathError("library.video-gone")
        found = self._pictures.relevances(SearchRequest(query, like=like), [clip.id for clip in clips])
        return tuple(
            Stretch(clip.id, clip.start, clip.end, clip.shot, clip_thumbnails(clip, self._blobs), found.get(clip.id))
            for clip in clips
        )

    def prepare(self) -> dict[str, float]:
        """Load what a search needs; return the milliseconds of each part. Raises: ModelError."""
        return self._pictures.prepare()

    def encode_references(self) -> None:
        """Encode the reference queries after indexing, so that the first search need not. Raises: ModelError."""
        self._pictures.encode_references()

    def _ask(self, request: SearchRequest, allowed: FileIds | None, by_relevance: bool, steps: Steps) -> list[Ranking]:
        """Return the rankings of all experts, in their order."""
        rankings: list[Ranking] = []
        for number, expert in enumerate(self._experts, 1):
            named = dict.fromkeys(find.file_id for r in rankings for find in r.finds if find.whole_file)
            # A fused or reordered ranking may be shown from any place.
            is_alone = number == len(self._experts) and not any(ranking.finds for ranking in rankings)
            limit = request.reach if by_relevance and is_alone else None
            rankings.append(expert.retrieve(replace(request, named=tuple(named)), allowed, limit, steps))
        return rankings

    def _ordered(self, finds: Sequence[Find], sort: Sort, reverse: bool) -> list[Find]:
        """Return the finds ordered by relevance, or by video, videos with more than weak finds first."""
        if sort is Sort.RELEVANCE:
            return list(finds)[:: -1 if reverse else 1]
        of_video: dict[int, list[Find]] = {}
        for find in finds:
            of_video.setdefault(find.file_id, []).append(find)
        matching = {i for i, found in of_video.items() if any(f.match is not Match.WEAK for f in found)}
        order = self._listing.ordered(matching, sort, reverse)
        order += self._listing.ordered(of_video.keys() - matching, sort, reverse)
        return [find for file_id in order for find in of_video[file_id]]

    def _browse(
        self, request: SearchRequest, sort: Sort, reverse: bool, limit: int, offset: int, steps: Steps
    ) -> SearchAnswer:
        """Return a page of files without a query, except those that show excluded content."""
        filters = request.query.filters
        without: Sequence[int] = ()
        if request.without:
            with steps("text"):
                without = self._pictures.files_showing(request.without)
        with steps("filter"):
            total = self._listing.count(filters, without)
            ids = self._listing.page(filters, sort, reverse, limit, offset, without)
        with steps("files"):
            files = self._listing.files(ids)
            described = tuple(files[i] for i in ids if i in files)
        with steps("moments"):
            moments = tuple(self._whole_file(file) for file in described)
        return SearchAnswer(
            "",
            self._model.info.title,
            steps.took_in_all,
            moments,
            True,
            steps.took,
            searched=len(self._index),
            files=described,
            browsed=True,
            total=total,
        )

    def _moment(self, find: Find, file: LibraryFile) -> Moment:
        if not find.whole_file:
            return moment_of(find, self._blobs)
        return replace(self._whole_file(file, find.relevance), score=find.score, reasons=find.reasons)

    def _whole_file(self, file: LibraryFile, likely: float | None = None) -> Moment:
        return whole_file(file, self._clips.spread_clips(file.id, POSTERS), self._blobs, likely)


def _plain_words(without: str) -> str:
    """Return the words that describe excluded content. Raises: QueryError."""
    parsed = parse(without)
    if parsed.filters != Filters():
        raise QueryError("query.operator-excluded")
    return parsed.text


def _page(finds: Sequence[Find], limit: int, offset: int) -> list[Find]:
    """Return the finds of `limit` videos from the `offset`-th on, by first appearance; of each only the first."""
    videos = list(dict.fromkeys(find.file_id for find in finds))[offset : offset + limit]
    room = dict.fromkeys(videos, MOMENTS_OF_A_VIDEO)
    shown = []
    for find in finds:
        if room.get(find.file_id):
            room[find.file_id] -= 1
            shown.append(find)
    return shown
