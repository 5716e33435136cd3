from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.errors import QueryError
from cret_desktop.library.query import LONGEST, parse


def test_spaces_are_folded() -> None:
    assert parse("  a dog\n on\ta beach ").text == "a dog on a beach"


def test_pictographs_are_spelt_out() -> None:
    assert parse("🐕").text == "dog"
    assert parse("a 👩🏽‍🚀 here").text == "a woman rocket here"


@pytest.mark.parametrize("typed", ["", " ", "\u3000\n", "...", "—", "x" * (LONGEST + 1)])
def test_what_cannot_be_searched(typed: str) -> None:
    with pytest.raises(QueryError) as error:
        parse(typed)
    assert len(str(error.value)) < 200


@given(st.text())
def test_any_text_gives_words_or_a_sentence(typed: str) -> None:
    try:
        text = parse(typed).text
    except QueryError:
        return
    assert text == " ".join(text.split()) != ""
