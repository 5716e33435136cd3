from __future__ import annotations

import os
from datetime import date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cret_desktop.domain.filters import Bounds, Filters
from cret_desktop.errors import QueryError
from cret_desktop.library.searching.query import LONGEST, OPERATORS, operator_text, parse, to_text, tokens

TODAY = date(2024, 5, 31)


def filters(typed: str) -> Filters:
    return parse(typed, TODAY).filters


def test_spaces_are_folded() -> None:
    assert parse("  a dog\n on\ta beach ").text == "a dog on a beach"
    assert parse("\u3000\n").text == ""


def test_pictographs_are_spelt_out() -> None:
    assert parse("🐕").text == "dog"
    assert parse("a 👩🏽‍🚀 here").text == "a woman rocket here"


@pytest.mark.parametrize("typed", ["...", "—", "x" * (LONGEST + 1), '"…"', 'a "" b'])
def test_what_cannot_be_searched(typed: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(typed)
    assert len(str(error.value)) < 200


def test_words_and_operators_stand_in_any_order() -> None:
    asked = parse('a dog ext:mp4,.MOV on the in:"Summer trip" beach -tag:Work tag:"The  Family" "img 12"')
    assert asked.text == "a dog on the beach"
    assert asked.filters == Filters(
        folders=("Summer trip",), suffixes=("mp4", "mov"), tags=("the family",), not_tags=("work",), names=("img 12",)
    )


@pytest.mark.parametrize(
    ("typed", "low", "high"),
    [
        ("dur:<30s", None, 30),
        ("dur:>=1h", 3600, None),
        ("dur:>2m", 120.001, None),
        ("dur:1m-5m", 60, 300.001),
        ("dur:1:30..1:02:03", 90, 3723.001),
        ("dur:90", 81, 99),
        ("dur:1h05m10.5s", 0.9 * 3910.5, 1.1 * 3910.5),
        ("dur:>1m dur:<2m", 60.001, 120),
    ],
)
def test_lengths(typed: str, low: float | None, high: float | None) -> None:
    duration = filters(typed).duration
    assert (duration.low, duration.high) == (low and pytest.approx(low), high and pytest.approx(high))


def test_resolutions() -> None:
    for lines in (1080, 1088, 1152):
        assert _holds(filters("res:1080p").lines, lines)
        assert _holds(filters("res:>=fhd").lines, lines)
        assert not _holds(filters("res:<1080").lines, lines)
        assert not _holds(filters("res:4k").lines, lines)
        assert _holds(filters("res:720p-1080p").lines, lines)
    assert _holds(filters("res:uhd").lines, 4096 * 9 / 16), "cinema's 4k is 4k"


def _holds(bounds: Bounds, value: float) -> bool:
    return (bounds.low is None or value >= bounds.low) and (bounds.high is None or value < bounds.high)


@pytest.mark.parametrize(
    ("typed", "first", "after"),
    [
        ("date:2024", "2024-01-01", "2025-01-01"),
        ("date:2024-12", "2024-12-01", "2025-01-01"),
        ("date:2024-02-29", "2024-02-29", "2024-03-01"),
        ("date:2024-05..2024-08", "2024-05-01", "2024-09-01"),
        ("date:>=2023-01-01", "2023-01-01", None),
        ("date:<2023", None, "2023-01-01"),
        ("date:7d", "2024-05-25", "2024-06-01"),
        ('date:"last 2w"', "2024-05-18", "2024-06-01"),
        ("date:3m", "2024-02-28", "2024-06-01"),
        ("date:today", "2024-05-31", "2024-06-01"),
        ("date:yesterday", "2024-05-30", "2024-05-31"),
    ],
)
def test_dates(typed: str, first: str | None, after: str | None) -> None:
    wanted = [None if day is None else datetime.fromisoformat(day).timestamp() for day in (first, after)]
    assert filters(typed).modified == Bounds(*wanted)


@pytest.mark.parametrize(
    "typed",
    [
        "12:30",
        "see https://example.org/a:b",
        "note: this",
        "Mission:Impossible",
        "C:\\Videos",
        "a:b",
        "-- a-b: c",
        'a 5" disk',
        "A “Sierra Beauty” apple.",
        'titles ("one", "two words", "three") and "four".',
    ],
)
def test_what_only_looks_like_an_operator_stays_words(typed: str) -> None:
    assert parse(typed).text == typed
    assert parse(typed).filters == Filters()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("size:>1gb", "Unknown operator “size:”"),
        ("in:", "in:Holidays"),
        ("in:... x", "in:Holidays"),
        ("ext:mp4,", "ext:mp4"),
        ("dur:long", "dur:<30s"),
        ("dur:5m-1m", "dur:<30s"),
        ("res:big", "res:4k"),
        ("date:2024-13", "date:2024"),
        ("date:9999", "date:2024"),
        ("is:lost", "offline, favourite, failed, pending, noted, tagged"),
        ('tag:" "', "tag:family"),
        ("-dur:<3s", "negated"),
        ("-date:2024", "negated"),
    ],
)
def test_what_is_wrong_with_an_operator_is_said_in_a_sentence(typed: str, told: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(f"a dog {typed}")
    assert told in str(error.value)
    assert [token.problem for token in tokens(f"a dog {typed}") if token.problem] == [error.value.message]


def test_tokens_tell_where_they_stand() -> None:
    typed = ' a dog  -tag:"x y" "name" in:a b'
    parts = [(t.kind, typed[t.start : t.end], t.value, t.operator, t.negative) for t in tokens(typed)]
    assert parts == [
        ("words", "a dog", "a dog", "", False),
        ("operator", '-tag:"x y"', "x y", "tag", True),
        ("name", '"name"', "name", "", False),
        ("operator", "in:a", "a", "in", False),
        ("words", "b", "b", "", False),
    ]


def test_quotes_that_never_close_reach_to_the_end() -> None:
    assert filters('in:"Summer tr').folders == ("Summer tr",)
    assert filters('"say ""hi""').names == ('say "hi"',)


def test_absolute_folders_are_kept_as_they_are() -> None:
    folder = os.path.abspath(os.sep + "Vidéos " + os.fsdecode(b"\xff"))
    assert filters(operator_text("in", folder)).folders == (folder,)


PIECES = st.sampled_from(
    [
        " ",
        "  ",
        '"',
        '""',
        "“",
        "”",
        "a",
        "dog",
        ":",
        "-",
        "in:",
        "tag:",
        "-ext:",
        "mp4",
        "dur:",
        "<30s",
        "foo:",
        "/",
        "\n",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40))
@example('foo:"/x"')
def test_what_was_split_can_be_written_again(typed: str) -> None:
    parts = tokens(typed, TODAY)
    again = tokens(to_text(parts), TODAY)
    assert [(t.kind, t.value, t.operator, t.negative, t.problem) for t in again] == [
        (t.kind, t.value, t.operator, t.negative, t.problem) for t in parts
    ]
    covered = "".join(typed[t.start : t.end] for t in parts)
    assert "".join(covered.split()) == "".join(typed.split()), "nothing that was typed is lost"


@given(st.sampled_from(OPERATORS), st.text(min_size=1, max_size=30), st.booleans())
def test_any_value_can_be_given_to_an_operator(operator: str, value: str, negative: bool) -> None:
    (token,) = tokens(operator_text(operator, value, negative))
    assert (token.kind, token.operator, token.value, token.negative) == ("operator", operator, value, negative)


@given(st.text())
def test_any_text_gives_words_or_a_sentence(typed: str) -> None:
    try:
        text = parse(typed).text
    except QueryError:
        return
    assert text == " ".join(text.split())
