"""Fusion of any number of rankings. The arithmetic is compared with a formula written for three lists."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.domain.clips import Match, Reason
from cret_desktop.domain.records import ClipRow
from cret_desktop.library.searching.expert import Find, Ranking
from cret_desktop.library.searching.fusion import fuse

FILES = range(1, 6)
CLIP_SECONDS = 10.0

Place = tuple[int, float, float]
Shown = tuple[Place, float, float, tuple[Reason, ...]]  # place, points, relevance, reasons


def clip(file_id: int, ordinal: int) -> ClipRow:
    start = ordinal * CLIP_SECONDS
    number = file_id * 100 + ordinal
    return ClipRow(number, file_id, "v.mp4", ordinal, 0, start, start + CLIP_SECONDS, "s", 4, 3, 0, (start,))


def segment(file_id: int, ordinal: int, relevance: float, score: float = 0.0) -> Find:
    row = clip(file_id, ordinal)
    return Find(file_id, row.start, row.end, relevance, score, clips=(row,))


def named(file_id: int, relevance: float, indexed: bool = True, kind: str = "named") -> Find:
    reasons = (Reason("name", f"{kind} {file_id}"),)
    return Find(file_id, 0.0, 40.0, relevance, reasons=reasons, whole_file=True, indexed=indexed)


def line(file_id: int, start: float, relevance: float, indexed: bool = True, text: str = "line") -> Find:
    clips = (clip(file_id, int(start // CLIP_SECONDS)),) if indexed else ()
    return Find(file_id, start, start + 2, relevance, reasons=(Reason("subtitle", text),), clips=clips, indexed=indexed)


def shown(finds: list[Find]) -> list[Shown]:
    return [((f.file_id, f.start, f.end), f.score, f.relevance, f.reasons) for f in finds]


# --- the formula --------------------------------------------------------------------------------------------------


def expected(seen: list[Find], names: Ranking, lines: Ranking, only_seen: bool) -> list[Shown]:
    """Return pictures, names and lines fused step by step: 1 / (60 + rank) of each list times its weight.

    `only_seen`: words do not restore moments that were excluded for what they show.
    """
    points: dict[Place, float] = {}
    relevances: dict[Place, float] = {}
    reasons: dict[Place, list[Reason]] = {}
    rank = 0
    for position, find in enumerate(seen):
        place = (find.file_id, find.start, find.end)
        relevances[place], reasons[place] = find.relevance, []
        if find.relevance < 0.5:
            points[place] = -1e-6 * (position + 1)
        else:
            rank += 1
            points[place] = 1 / (60 + rank)

    def add(place: Place, find: Find, weight: float, rank: int) -> None:
        points[place] = max(points.get(place, 0.0), 0.0) + weight / (60 + rank)
        relevances[place] = max(relevances.get(place, 0.0), find.relevance)
        reasons.setdefault(place, []).extend(find.reasons)

    rank = 0
    for find in names.finds:
        of_file = [(s.file_id, s.start, s.end) for s in seen if s.file_id == find.file_id]
        if only_seen and find.indexed and not of_file:
            continue
        rank += 1
        add(of_file[0] if of_file else (find.file_id, find.start, find.end), find, names.weight, rank)
    rank = 0
    for find in lines.finds:
        of_file = [(s.file_id, s.start, s.end) for s in seen if s.file_id == find.file_id]
        around = [
            (s.file_id, s.start, s.end)
            for s in seen
            if s.file_id == find.file_id and s.relevance >= 0.5 and s.start <= find.start < s.end
        ]
        if not around and (not find.indexed or (only_seen and not of_file)):
            continue
        rank += 1
        add(around[0] if around else (find.file_id, find.start, find.end), find, lines.weight, rank)
    order = sorted(points, key=lambda place: -points[place])
    return [(place, points[place], relevances[place], tuple(reasons[place])) for place in order]


relevances = st.floats(0, 1)
spoken = st.floats(0.5, 0.79)
weights = st.floats(0.25, 1)
clips = st.lists(st.tuples(st.sampled_from(FILES), st.integers(0, 3)), unique=True, max_size=12)
unindexed = st.sets(st.sampled_from(FILES), max_size=2)


@given(clips, st.data(), weights, weights, unindexed, st.booleans())
def test_pictures_names_and_lines_are_joined_as_by_the_formula(
    places: list[tuple[int, int]],
    data: st.DataObject,
    name_weight: float,
    line_weight: float,
    waiting: set[int],
    only_seen: bool,
) -> None:
    seen = [segment(*place, data.draw(relevances)) for place in places if place[0] not in waiting]
    found = data.draw(st.lists(st.sampled_from(FILES), unique=True))
    names = Ranking(tuple(named(i, 0.5 + name_weight / 2, i not in waiting) for i in found), name_weight)
    starts = data.draw(st.lists(st.tuples(st.sampled_from(FILES), st.integers(0, 39)), max_size=8))
    lines = Ranking(
        tuple(line(i, start + 0.5, data.draw(spoken), i not in waiting, f"{n}") for n, (i, start) in enumerate(starts)),
        line_weight,
    )
    pictures = Ranking(tuple(seen), scored=True, segments=True, exclusive=only_seen)
    joined = fuse([names, lines, pictures])
    if names.finds or lines.finds:
        assert shown(joined) == expected(seen, names, lines, only_seen)
    else:
        assert joined == seen


# --- any number of rankings ---------------------------------------------------------------------------------------

rankings = st.lists(
    st.builds(
        Ranking,
        st.lists(
            st.one_of(
                st.builds(segment, st.sampled_from(FILES), st.integers(0, 3), relevances),
                st.builds(named, st.sampled_from(FILES), relevances, st.booleans()),
                st.builds(line, st.sampled_from(FILES), st.floats(0, 39), relevances, st.booleans()),
            ),
            max_size=6,
        ).map(tuple),
        st.floats(0, 1),
        segments=st.booleans(),
        exclusive=st.booleans(),
    ),
    max_size=5,
)


@given(rankings)
def test_any_number_of_rankings_are_joined_best_first_and_each_moment_once(given: list[Ranking]) -> None:
    joined = fuse(given)
    places = [(find.file_id, find.start, find.end) for find in joined]
    assert len(set(places)) == len(places)
    scores = [find.score for find in joined]
    assert scores == sorted(scores, reverse=True)
    everything = [find for ranking in given for find in ranking.finds]
    assert {find.file_id for find in joined} <= {find.file_id for find in everything}
    said = [reason for find in joined for reason in find.reasons]
    assert len(said) <= sum(len(find.reasons) for find in everything)
    for ranking in given:
        if ranking.exclusive:
            kept = {find.file_id for find in ranking.finds}
            assert all(find.file_id in kept for find in joined if find.indexed)
    if not any(ranking.exclusive for ranking in given):
        strong = {find.file_id for find in everything if find.match is Match.STRONG and (find.clips or find.whole_file)}
        assert strong <= {find.file_id for find in joined}


def test_a_moment_that_three_experts_find_is_first_and_has_all_their_reasons() -> None:
    pictures = Ranking((segment(1, 0, 0.9), segment(2, 0, 0.6)), segments=True)
    names = Ranking((named(2, 0.8),), 0.9)
    notes = Ranking((named(2, 0.6, kind="noted"),), 0.4)
    lines = Ranking((line(2, 3.0, 0.7),), 0.5)
    first, second = fuse([names, notes, lines, pictures])
    assert (first.file_id, first.start, first.end) == (2, 0.0, 10.0)
    assert [reason.text for reason in first.reasons] == ["named 2", "noted 2", "line"]
    assert first.relevance == 0.8
    assert first.score == pytest.approx(1 / 62 + 0.9 / 61 + 0.4 / 61 + 0.5 / 61)
    assert second.score == pytest.approx(1 / 61)


def test_a_scored_ranking_alone_keeps_its_order_and_scores() -> None:
    finds = (segment(1, 0, 0.4, 9.0), segment(2, 0, 0.9, 8.0))
    pictures = Ranking(finds, scored=True, segments=True)
    assert fuse([Ranking(weight=0.0), pictures]) == list(finds)
    assert [find.file_id for find in fuse([replace(pictures, scored=False)])] == [2, 1], "by points, weak ones last"


def test_weak_finds_gain_nothing_by_their_place() -> None:
    pictures = Ranking((segment(1, 0, 0.2), segment(2, 0, 0.3)), segments=True)
    joined = fuse([pictures, Ranking((named(3, 0.6),), 0.3)])
    assert [find.file_id for find in joined] == [3, 1, 2]
    assert joined[1].score < 0
    seconds = fuse([pictures, Ranking((named(2, 0.6),), 0.3)])
    assert [find.file_id for find in seconds] == [2, 1]
    assert seconds[0].score == pytest.approx(0.3 / 61), "the place among the pictures counts nothing"


def test_a_line_joins_the_segment_in_which_it_begins() -> None:
    pictures = Ranking((segment(1, 1, 0.9), segment(1, 2, 0.2)), segments=True)
    lines = Ranking((line(1, 12.0, 0.6, text="in"), line(1, 25.0, 0.6, text="weak"), line(1, 3.0, 0.6, text="none")))
    places = {find.reasons[0].text: (find.start, find.end) for find in fuse([lines, pictures]) if find.reasons}
    assert places == {"in": (10.0, 20.0), "weak": (25.0, 27.0), "none": (3.0, 5.0)}


def test_lines_join_no_lines_but_those_of_the_same_time() -> None:
    first = Ranking((line(1, 3.0, 0.6, text="English"),), 1.0)
    second = Ranking((line(1, 4.0, 0.6, text="later"), line(1, 3.0, 0.7, text="German")), 1.0)
    found = {(find.start, *(reason.text for reason in find.reasons)) for find in fuse([first, second])}
    assert found == {(3.0, "English", "German"), (4.0, "later")}


def test_a_whole_file_is_no_segment_that_others_join() -> None:
    both = Ranking((named(1, 0.9), segment(1, 2, 0.9)), segments=True)
    joined = fuse([both, Ranking((line(1, 3.0, 0.6), line(1, 22.0, 0.6)), 1.0)])
    assert {(find.start, find.end) for find in joined} == {(0.0, 40.0), (20.0, 30.0), (3.0, 5.0)}


def test_what_an_exclusive_ranking_ruled_out_is_not_brought_back_by_words() -> None:
    pictures = Ranking((segment(1, 0, 0.9),), segments=True, exclusive=True)
    names = Ranking((named(2, 0.9), named(3, 0.9, indexed=False), named(1, 0.9)), 1.0)
    joined = fuse([names, Ranking((line(2, 1.0, 0.7),), 1.0), pictures])
    assert [find.file_id for find in joined] == [1, 3], "3 has no clips that could have shown it"
    assert joined[1].score == pytest.approx(1 / 61), "a find that is dropped has no place"


def test_a_line_of_a_video_without_clips_is_not_shown_yet() -> None:
    assert fuse([Ranking((line(1, 1.0, 0.7, indexed=False),), 1.0)]) == []
