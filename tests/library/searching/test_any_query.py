"""Any typed query gets an answer or one error message: lone surrogates, NULs, SQLite's special characters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cret_desktop.errors import QueryError
from cret_desktop.library.searching import query
from cret_desktop.library.searching.query import parse
from tests.fakes import ColourText
from tests.library.conftest import Bench, open_bench

PARTS = (
    "red", "\udcff", "\ud800", "\0", '"', "'", " ", "in:", "in:/", "tag:", "ext:", "is:", "dur:<", "date:", "res:",
    "-", "*", "(", ":", "9" * 300, "NEAR", "AND", "%", "_", "\\", "\u202e", "\U0001f415", "a", ",", "..", "h", "m",
)  # fmt: skip
typed = st.text(max_size=30) | st.lists(st.sampled_from(PARTS), max_size=8).map("".join)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("queries")) as opened:
        opened.write("a.mp4", "red")
        opened.write("b.srt", "1\n00:00:01,000 --> 00:00:02,000\nred red\n")
        opened.run()
        yield opened


@settings(deadline=None)
@given(text=typed, without=typed)
@example(text="red \udcff", without="")
@example(text="red", without="\ud800")
@example(text='"a\0b"', without="")
@example(text="in:/\ud800", without="")
@example(text="dur:" + "9" * 400 + "h", without="")
def test_an_answer_or_a_sentence(bench: Bench, text: str, without: str) -> None:
    for unwanted in ("", without):
        try:
            answer = bench.searcher.search(parse(text), 5, without=unwanted)
        except QueryError as error:
            assert str(error).isprintable()  # noqa: PT017 - both ends are good ones
        else:
            assert len(answer.moments) <= 1


def test_what_is_no_text_has_no_words() -> None:
    with pytest.raises(QueryError, match=r"The query “\\udcff” has no words"):
        query.parse("\udcff")


@given(typed)
def test_what_a_model_is_given_is_text(text: str) -> None:
    seen = query.tokens(text)
    assert [text[token.start : token.end] for token in seen if token.kind == "words"] == [
        token.value for token in seen if token.kind == "words"
    ]
    try:
        words = query.parse(text).text
    except QueryError:
        return
    assert ColourText().encode([words.encode().decode()]).globals.shape[0] == 1
