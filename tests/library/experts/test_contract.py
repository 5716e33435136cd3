"""The contract of every expert in a search: those of the app, and a further one added as an engineer would."""

from __future__ import annotations

import itertools
import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cret_desktop.domain.clips import LibraryFile, Match, Reason, Sort
from cret_desktop.domain.filters import Filters
from cret_desktop.library import experts
from cret_desktop.library.experts import visual
from cret_desktop.library.experts.names import Names
from cret_desktop.library.experts.subtitles import Subtitles
from cret_desktop.library.searching.expert import Expert, FileIds, Find, Ranking, SearchRequest
from cret_desktop.library.searching.fusion import fuse
from cret_desktop.library.searching.query import parse
from cret_desktop.library.searching.searcher import Searcher
from cret_desktop.library.searching.steps import Abandoned, Steps
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.texts import Texts
from tests.library.conftest import Bench, open_bench, visual_of

QUERY = "red"  # found by every expert
UNKNOWN = "xylophone"
SEVERAL = 5  # minimum number of files found by each


class DominantColour:
    """A toy: finds whole files by the colour in the name of their folder, with its own reason and weight."""

    name = "colour"

    def __init__(self, bench: Bench) -> None:
        self._listing = bench.store.listing

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        with steps("colour"):
            ids = self._listing.admitted(Filters())
            files = self._listing.files(ids[np.isin(ids, ids if allowed is None else allowed)].tolist())
            found = [file for _, file in sorted(files.items()) if Path(file.path).parent.name == request.query.text]
            return Ranking(tuple(map(self._find, found[:limit])), weight=0.5)

    @staticmethod
    def _find(file: LibraryFile) -> Find:
        reason = Reason("colour", Path(file.path).parent.name)  # type: ignore[arg-type] # the app has no words for it
        return Find(file.id, 0.0, file.duration or 0.0, 0.9, reasons=(reason,), whole_file=True, indexed=file.clips > 0)


EXPERTS: dict[str, Callable[[Bench], Expert]] = {
    "visual": lambda bench: visual_of(bench.searcher),
    "names": lambda bench: Names(bench.store),
    "subtitles": lambda bench: Subtitles(bench.store),
    "colour": DominantColour,
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A library in which every expert finds `QUERY` in several files, with more files that match no words."""
    with open_bench(tmp_path_factory.mktemp("experts")) as bench:
        fill(bench)
        yield bench


def fill(bench: Bench) -> None:
    for number in range(SEVERAL + 2):
        path = bench.write(f"red/red {number}.mp4", "red green red")
        path.with_suffix(".srt").write_text(
            "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\na red {n} day\n\n" for n in range(1, 4)), encoding="utf-8"
        )
    for number in range(120):  # so that the words are rare
        bench.write(f"others/{number}.mp4", "grey" if number % 2 else "blue")
    bench.run()


def file_ids(finds: tuple[Find, ...]) -> list[int]:
    return list(dict.fromkeys(find.file_id for find in finds))


def ask(expert: Expert, query: str = QUERY, allowed: FileIds | None = None, limit: int | None = None) -> Ranking:
    return expert.retrieve(SearchRequest(parse(query)), allowed, limit, Steps())


@pytest.fixture(params=EXPERTS)
def expert(request: pytest.FixtureRequest, library: Bench) -> Expert:
    return EXPERTS[request.param](library)


def test_every_expert_of_the_app_is_asked_and_tried_here(library: Bench) -> None:
    modules = {module.name for module in pkgutil.iter_modules(experts.__path__)}
    assert {expert.name for expert in library.searcher._experts} == modules
    assert {make(library).name for make in EXPERTS.values()} == {*modules, "colour"}


def test_finds_say_what_a_ranking_needs(expert: Expert) -> None:
    ranking = ask(expert)
    assert len(file_ids(ranking.finds)) >= SEVERAL
    assert 0 < ranking.weight <= 1
    for find in ranking.finds:
        assert 0 <= find.start <= find.end
        assert 0 <= find.relevance <= 1
        assert find.whole_file != bool(find.clips)
        assert find.indexed
        if find.clips:
            assert {clip.file_id for clip in find.clips} == {find.file_id}
            assert [clip.start for clip in find.clips] == sorted(clip.start for clip in find.clips)
            assert 0 <= find.frame < len(find.clips[find.lead].times)
        if not ranking.segments:
            assert find.reasons, "what is not shown must be said"
            assert find.match is not Match.WEAK


def test_finds_are_in_order_and_none_is_there_twice(expert: Expert) -> None:
    ranking = ask(expert)
    places = [(find.file_id, find.start, find.end) for find in ranking.finds]
    assert len(set(places)) == len(places)
    if ranking.scored:
        scores = [find.score for find in ranking.finds]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) > 1
    assert ask(expert) == ranking, "the same question has the same answer"


def test_only_allowed_files_are_found(expert: Expert) -> None:
    everything = file_ids(ask(expert).finds)
    allowed = np.array([everything[2], everything[0], 10**9], np.int64)  # unordered, one of them removed
    assert set(file_ids(ask(expert, allowed=allowed).finds)) == {everything[0], everything[2]}
    assert ask(expert, allowed=np.empty(0, np.int64)).finds == ()


@pytest.mark.parametrize("limit", [1, 3])
def test_a_limit_keeps_the_best_files_with_all_their_finds(expert: Expert, limit: int) -> None:
    everything = ask(expert).finds
    best = file_ids(everything)[:limit]
    assert ask(expert, limit=limit).finds == tuple(find for find in everything if find.file_id in best)


def test_an_expert_that_knows_nothing_finds_nothing_that_matches(expert: Expert) -> None:
    for query in (UNKNOWN, ""):
        ranking = ask(expert, query)
        assert all(find.match is Match.WEAK for find in ranking.finds)
        assert not ranking.confident


def test_an_expert_ends_once_nobody_waits(expert: Expert) -> None:
    with pytest.raises(Abandoned):
        expert.retrieve(SearchRequest(parse(QUERY)), None, None, Steps(lambda: False))


def test_experts_are_asked_from_many_threads(expert: Expert) -> None:
    expected = {limit: ask(expert, limit=limit) for limit in (None, 1, 2, 3)}
    limits = list(itertools.islice(itertools.cycle(expected), 32))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda limit: ask(expert, limit=limit), limits))
    assert answers == [expected[limit] for limit in limits]


def remove(bench: Bench, name: str) -> int:
    """Remove a file from the catalog, but not from the vector index and earlier results; return its id."""
    (root,) = bench.catalog.roots()
    (gone,) = (file.id for file in bench.catalog.files(root.id).values() if Path(file.path).name == name)
    with bench.catalog.write() as db:
        db.execute("DELETE FROM files WHERE id = ?", (gone,))
    return gone


@pytest.mark.parametrize("name", EXPERTS)
def test_files_that_have_left_the_library_are_passed_over(name: str, tmp_path: Path) -> None:
    with open_bench(tmp_path) as bench:
        fill(bench)
        expert = EXPERTS[name](bench)
        before = set(file_ids(ask(expert).finds))
        gone = remove(bench, "red 0.mp4")
        assert gone in before
        assert set(file_ids(ask(expert).finds)) == before - {gone}


@pytest.mark.parametrize("name", EXPERTS)
def test_a_file_that_leaves_between_two_readings_is_not_shown(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_bench(tmp_path) as bench:
        fill(bench)
        expert = EXPERTS[name](bench)
        before = {find.file_id for find in fuse([ask(expert)])}
        gone: list[int] = []

        def removing(read: Callable[..., Any]) -> Callable[..., Any]:
            def read_and_remove(*arguments: Any, **options: Any) -> Any:
                found = read(*arguments, **options)
                if not gone:
                    gone.append(remove(bench, "red 0.mp4"))
                return found

            return read_and_remove

        for owner, method in ((Texts, "files"), (Texts, "lines"), (Embeddings, "features"), (Listing, "admitted")):
            monkeypatch.setattr(owner, method, removing(getattr(owner, method)))
        after = {find.file_id for find in fuse([ask(expert)])}
        assert gone
        assert after == before - set(gone)


# --- requests of a search to experts ----------------------------------------------------------------------------------


class Spy:
    """Records its requests, and returns the same ranking each time."""

    name = "spy"

    def __init__(self, ranking: Ranking = Ranking()) -> None:  # noqa: B008 - a frozen value
        self.asked: list[tuple[SearchRequest, int | None]] = []
        self._ranking = ranking

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        self.asked.append((request, limit))
        return self._ranking


def test_the_last_expert_is_limited_where_nothing_else_was_found(library: Bench) -> None:
    """A fused or sorted ranking may be shown from any offset, so all of it is requested."""
    spy = Spy()
    searcher = Searcher(
        library.store, library.index, library.model, (Names(library.store), spy), visual_of(library.searcher)
    )
    searcher.search(parse("xylophone"), 5, offset=10)
    searcher.search(parse("xylophone"), 5, sort=Sort.NAME)
    searcher.search(parse("xylophone"), 5, reverse=True)
    searcher.search(parse(QUERY), 5)
    assert [limit for _, limit in spy.asked] == [15, None, None, None]
    assert [request.reach for request, _ in spy.asked] == [15, 5, 5, 5]
    named = [set(request.named) for request, _ in spy.asked]
    assert named[:3] == [set(), set(), set()]
    assert named[3] == set(file_ids(ask(Names(library.store)).finds))


def test_an_answer_is_confident_where_a_find_beyond_the_limit_is(library: Bench) -> None:
    weak = replace(ask(visual_of(library.searcher), UNKNOWN, limit=1).finds[0], relevance=0.1)
    for confident in (False, True):
        spy = Spy(Ranking((weak,), scored=True, confident=confident))
        searcher = Searcher(library.store, library.index, library.model, (spy,), visual_of(library.searcher))
        answer = searcher.search(parse(UNKNOWN), 1)
        assert [moment.match for moment in answer.moments] == [Match.WEAK]
        assert answer.confident is confident


def test_the_clips_of_named_files_are_scored_wherever_they_rank(
    library: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visual, "CANDIDATES", 1)
    monkeypatch.setattr(visual, "FEWEST_JUDGED", 0)
    expert = visual_of(library.searcher)
    (grey,) = (file.id for file in library.searcher.search(parse('"117"'), 5).files)
    request = SearchRequest(parse(QUERY), reach=0)
    assert grey not in file_ids(expert.retrieve(request, None, None, Steps()).finds)
    named = replace(request, named=(grey,))
    assert grey in file_ids(expert.retrieve(named, None, None, Steps()).finds)


# --- a further expert -----------------------------------------------------------------------------------------------


def with_colours(bench: Bench) -> Searcher:
    """Return a searcher with one more expert."""
    asked = (*bench.searcher._experts, DominantColour(bench))
    return Searcher(bench.store, bench.index, bench.model, asked, visual_of(bench.searcher))


def test_a_further_expert_adds_its_ranking_and_its_reason(library: Bench) -> None:
    plain = library.searcher.search(parse(QUERY), 200)
    answer = with_colours(library).search(parse(QUERY), 200)
    found = [moment for moment in answer.moments if ("colour", "red") in [(r.kind, r.text) for r in moment.reasons]]
    assert len(found) == SEVERAL + 2
    assert {moment.file_id for moment in found} == {moment.file_id for moment in plain.moments[: SEVERAL + 2]}
    scores = {(moment.file_id, moment.start, moment.end): moment.score for moment in plain.moments}
    for rank, moment in enumerate(sorted(found, key=lambda moment: moment.file_id), 1):
        gained = moment.score - scores[moment.file_id, moment.start, moment.end]
        assert gained == pytest.approx(0.5 / (60 + rank))
    kinds = {reason.kind for moment in answer.moments for reason in moment.reasons}
    assert kinds == {"name", "subtitle", "colour"}, "those of the others are still there"


def test_a_further_expert_finds_what_no_other_does(library: Bench) -> None:
    """A folder name shared by all files has no weight, so only the toy finds these."""
    assert library.searcher.search(parse("others"), 5).confident is False
    answer = with_colours(library).search(parse("others"), 5)
    assert answer.confident
    assert {reason.text for moment in answer.moments for reason in moment.reasons} == {"others"}
    assert all(moment.match is Match.STRONG for moment in answer.moments)


def test_operators_and_without_hold_for_a_further_expert(library: Bench) -> None:
    searcher = with_colours(library)
    assert searcher.search(parse('red "red 1"'), 50).total == 1
    assert {Path(m.path).name for m in searcher.search(parse('red "red 1"'), 50).moments} == {"red 1.mp4"}
    kept = searcher.search(parse("others"), 500, without="blue").files
    assert kept
    assert all(Path(file.path).read_text(encoding="utf-8") != "blue" for file in kept)
