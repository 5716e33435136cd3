"""Operators, browsing, exclusions, similar moments, and words found in names, tags, notes and subtitles."""

from __future__ import annotations

from pathlib import Path

import pytest

from cret_desktop.domain.clips import Match, Picture, SearchAnswer, Sort
from cret_desktop.errors import PathError, QueryError
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.searching.query import parse
from cret_desktop.library.searching.searcher import POSTERS
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.scans import Scans
from tests.fakes import COLOURS
from tests.library.conftest import Bench


def names(answer: SearchAnswer) -> list[str]:
    """Return the videos of an answer, in order."""
    return [Path(file.path).name for file in answer.files]


def file_id(bench: Bench, name: str) -> int:
    return next(f.id for f in bench.searcher.search(parse(""), 1000).files if Path(f.path).name == name)


def srt(start: int, text: str) -> str:
    return f"1\n00:00:{start:02},000 --> 00:00:{start + 2:02},000\n{text}\n"


@pytest.fixture
def colours(bench: Bench) -> Bench:
    """A bench with one file a colour, in two folders, and one of several colours."""
    for number, colour in enumerate(COLOURS):
        bench.write(f"{'warm' if number % 2 else 'cold'}/{number} {colour}.mp4", colour)
    bench.write("mixed.mp4", "red green blue white")
    bench.run()
    return bench


def test_operators_limit_a_search(colours: Bench) -> None:
    assert names(colours.searcher.search(parse("red"), 5))[:2] == ["0 red.mp4", "mixed.mp4"]
    answer = colours.searcher.search(parse("red in:warm"), 20)
    assert answer.total == 5
    assert sorted(names(answer)) == sorted(f"{n} {c}.mp4" for n, c in enumerate(COLOURS) if n % 2)
    assert not answer.confident
    assert names(colours.searcher.search(parse('red "mixed"'), 5)) == ["mixed.mp4"]
    nothing = colours.searcher.search(parse("red tag:none"), 5)
    assert (nothing.moments, nothing.total, nothing.browsed) == ((), 0, False)


def test_without_words_files_are_listed(colours: Bench) -> None:
    colours.write("broken.mp4", "broken")
    colours.run()
    answer = colours.searcher.search(parse(""), 4, sort=Sort.NAME)
    assert names(answer) == ["0 red.mp4", "1 green.mp4", "2 blue.mp4", "3 yellow.mp4"]
    assert (answer.browsed, answer.total, answer.confident) == (True, 12, True)
    assert [moment.match for moment in answer.moments] == [Match.BROWSED] * 4
    assert [m.file_id for m in answer.moments] == [f.id for f in answer.files]
    assert names(colours.searcher.search(parse(""), 3, sort=Sort.NAME, offset=9)) == [
        "9 pink.mp4",
        "broken.mp4",
        "mixed.mp4",
    ]
    assert names(colours.searcher.search(parse(""), 1, sort=Sort.NAME, reverse=True)) == ["mixed.mp4"]
    (failed,) = colours.searcher.search(parse("is:failed"), 5).moments
    assert (failed.clip_id, failed.thumbnails) == (0, ())
    (mixed,) = colours.searcher.search(parse('"mixed"'), 5).moments
    assert len(mixed.thumbnails) == 4
    assert (mixed.start, mixed.end) == (0.0, 16.0)


def test_a_long_file_is_listed_with_pictures_from_all_of_it(bench: Bench) -> None:
    bench.write("long.mp4", "red " * 100)
    bench.run()
    (moment,) = bench.searcher.search(parse(""), 1).moments
    times = [thumbnail.time for thumbnail in moment.thumbnails]
    assert len(times) == POSTERS
    assert times == sorted(times)
    assert times[0] < 4
    assert times[-1] > 396


def test_files_wait_in_the_list_before_they_are_indexed(bench: Bench) -> None:
    bench.write("a.mp4", "red")
    root = bench.catalog.add_root(str(bench.videos))
    from cret_desktop.media.scan import video_file

    apply_scan(Scans(bench.catalog), root, [video_file(str(bench.videos / "a.mp4"))], [])
    answer = bench.searcher.search(parse("is:pending"), 5)
    assert [file.state for file in answer.files] == ["pending"]
    assert answer.moments[0].clip_id == 0


def test_other_orders_keep_what_matches_first(colours: Bench) -> None:
    answer = colours.searcher.search(parse("red"), 20, sort=Sort.NAME)
    assert names(answer)[:2] == ["0 red.mp4", "mixed.mp4"]
    assert names(answer)[2:] == sorted(names(answer)[2:])
    reverse = colours.searcher.search(parse("red"), 20, sort=Sort.NAME, reverse=True)
    assert names(reverse)[:2] == ["mixed.mp4", "0 red.mp4"]


def test_without_takes_away_what_shows_it(colours: Bench) -> None:
    both = colours.searcher.search(parse("red blue"), 20)
    assert {"0 red.mp4", "2 blue.mp4"} <= {Path(m.path).name for m in both.moments if m.match is not Match.WEAK}
    answer = colours.searcher.search(parse("red blue"), 20, without="blue")
    assert "2 blue.mp4" not in names(answer)
    assert names(answer)[0] == "0 red.mp4"
    assert "mixed.mp4" in names(answer), "its other moments stay"
    listed = names(colours.searcher.search(parse(""), 20, without="blue"))
    assert {"2 blue.mp4", "mixed.mp4"}.isdisjoint(listed)
    assert len(listed) == 9
    named = colours.searcher.search(parse("blue"), 20, without="blue")
    assert "2 blue.mp4" not in names(named), "its name does not bring it back"
    with pytest.raises(QueryError, match="in words what moments"):
        colours.searcher.search(parse("red"), 5, without="in:warm")


def test_moments_like_a_clip(colours: Bench) -> None:
    red = colours.searcher.search(parse("red"), 1).moments[0]
    answer = colours.searcher.search(parse(""), 20, like=red.clip_id)
    assert answer.moments[0].path.endswith("mixed.mp4")
    assert answer.moments[0].match is not Match.WEAK
    assert red.clip_id not in {moment.clip_id for moment in answer.moments}
    assert all(moment.match is Match.WEAK for moment in answer.moments[1:])
    assert not answer.browsed
    with pytest.raises(PathError, match="no longer in the library"):
        colours.searcher.search(parse(""), 5, like=10**9)


def test_moments_like_a_picture(colours: Bench) -> None:
    picture = Picture(4, 2, bytes(COLOURS["orange"]) * 8)
    answer = colours.searcher.search(parse(""), 20, like=picture)
    assert names(answer)[0] == "5 orange.mp4"
    assert answer.moments[0].match is not Match.WEAK
    assert names(colours.searcher.search(parse("in:cold"), 20, like=picture))[0] != "5 orange.mp4"
    both = colours.searcher.search(parse("red"), 20, like=Picture(1, 1, bytes(COLOURS["red"])))
    assert names(both)[0] == "0 red.mp4"


@pytest.mark.parametrize("count", [1, 2])
def test_likeness_in_the_smallest_libraries(bench: Bench, count: int) -> None:
    for number in range(count):
        bench.write(f"{number}.mp4", "red")
    bench.run()
    clip = bench.searcher.search(parse("red"), 1).moments[0].clip_id
    assert len(bench.searcher.search(parse(""), 5, like=clip).moments) == count - 1


def test_a_filmstrip_tells_where_in_a_video_it_is(colours: Bench) -> None:
    mixed = file_id(colours, "mixed.mp4")
    plain = colours.searcher.filmstrip(mixed)
    assert [(s.start, s.relevance, len(s.thumbnails)) for s in plain] == [(4.0 * n, None, 4) for n in range(4)]
    asked = colours.searcher.filmstrip(mixed, parse("blue"))
    assert max(asked, key=lambda s: s.relevance or 0).start == 8.0
    like = colours.searcher.filmstrip(mixed, like=plain[1].clip_id)
    assert max(like, key=lambda s: s.relevance or 0).start == 4.0
    with pytest.raises(PathError):
        colours.searcher.filmstrip(10**6)


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_name_is_found_and_said(colours: Bench) -> None:
    colours.write("Grandma's birthday.mp4", "grey grey")
    colours.run()
    for typed in ("birthday", "the birthday", "birthd"):
        moment = colours.searcher.search(parse(typed), 5).moments[0]
        assert Path(moment.path).name == "Grandma's birthday.mp4", typed
        assert moment.match is Match.STRONG
        assert [(reason.kind, reason.text) for reason in moment.reasons] == [("name", "Grandma's birthday.mp4")]


def test_folders_tags_and_notes_are_found(colours: Bench) -> None:
    annotations = Annotations(colours.catalog)
    annotations.change_tags([file_id(colours, "6 white.mp4")], ["Anna", "Work"], [])
    annotations.set_note(file_id(colours, "7 grey.mp4"), "Interview about the volcano, second take")
    colours.write("Lisbon 2019/clip.mp4", "grey")
    colours.run()
    found = {
        typed: [(Path(m.path).name, *[(r.kind, r.text) for r in m.reasons]) for m in answer.moments if m.reasons]
        for typed in ("anna", "volcano", "lisbon")
        for answer in [colours.searcher.search(parse(typed), 5)]
    }
    assert found["anna"] == [("6 white.mp4", ("tag", "Anna"))]
    assert found["volcano"] == [("7 grey.mp4", ("note", "Interview about the volcano, second take"))]
    assert found["lisbon"] == [("clip.mp4", ("name", str(colours.videos / "Lisbon 2019")))]
    assert names(colours.searcher.search(parse("anna in:warm"), 5))[0] != "6 white.mp4"


def test_what_is_seen_and_named_comes_before_what_is_either(bench: Bench) -> None:
    for number in range(12):
        bench.write(f"clip{number}.mp4", "grey")
    bench.write("holiday.mp4", "red")
    bench.write("red.mp4", "grey")
    bench.write("red wall.mp4", "red")
    bench.run()
    assert names(bench.searcher.search(parse("red"), 3)) == ["red wall.mp4", "holiday.mp4", "red.mp4"]


def test_a_word_that_stands_everywhere_says_nothing(bench: Bench) -> None:
    for number in range(15):
        bench.write(f"red {number}.mp4", "grey")
    bench.write("found.mp4", "red")
    bench.run()
    answer = bench.searcher.search(parse("red"), 20)
    assert names(answer)[0] == "found.mp4"
    assert not any(moment.reasons for moment in answer.moments)


def test_one_word_of_a_description_is_not_enough(colours: Bench) -> None:
    colours.write("wall.mp4", "grey")
    colours.run()
    answer = colours.searcher.search(parse("a red wall"), 20)
    assert names(answer)[0] == "0 red.mp4"
    assert not any(moment.reasons for moment in answer.moments)


def test_a_subtitle_points_at_its_own_time(colours: Bench) -> None:
    colours.write("talk.mp4", "grey white grey white grey")
    (colours.videos / "talk.en.srt").write_text(srt(13, "The <i>volcano</i> is asleep"), encoding="utf-8")
    colours.run()
    moment = colours.searcher.search(parse("volcano"), 5).moments[0]
    assert (Path(moment.path).name, moment.start, moment.end) == ("talk.mp4", 13.0, 15.0)
    assert [(reason.kind, reason.text) for reason in moment.reasons] == [("subtitle", "The volcano is asleep")]
    assert moment.match is Match.POSSIBLE
    assert 12 <= moment.thumbnails[moment.best].time < 16
    seen = colours.searcher.search(parse("white volcano"), 5)
    assert all(reason.kind != "subtitle" for m in seen.moments for reason in m.reasons), "white is not spoken"


def test_subtitles_are_read_again_when_they_change(colours: Bench) -> None:
    sidecar = colours.videos / "mixed.srt"
    sidecar.write_text(srt(1, "first words"), encoding="utf-8")
    colours.run()
    assert colours.searcher.search(parse("first"), 5).moments[0].reasons
    sidecar.write_text(srt(9, "second thoughts"), encoding="utf-8")
    colours.run()
    assert not colours.searcher.search(parse("first"), 5).moments[0].reasons
    assert colours.searcher.search(parse("second"), 5).moments[0].start == 9.0
    sidecar.unlink()
    colours.run()
    assert not colours.searcher.search(parse("second"), 5).moments[0].reasons


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("поезд ночью.mp4", "ПОЕЗД"),
        ("東京タワー.mp4", "東京"),
        ("Frühling in Zürich.mp4", "zurich"),
        ("قطار الليل.mp4", "قطار"),
        ("été à la mer.mp4", "ÉTÉ"),
    ],
)
def test_words_of_any_language_find_names(bench: Bench, name: str, query: str) -> None:
    """Whatever languages a model supports."""
    bench.write(name, "red")
    bench.write("other.mp4", "blue")
    bench.run()
    (first, *_) = bench.searcher.search(parse(query), 5).moments
    assert Path(first.path).name == name
    assert [reason.kind for reason in first.reasons] == ["name"]
