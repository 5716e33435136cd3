"""Every message survives encoding and decoding unchanged; an undecodable one ends nothing."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import os
import typing
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop import messages
from cret_desktop.domain.clips import Match, Moment, SearchAnswer
from cret_desktop.engine import codec, protocol
from cret_desktop.engine.codec import Message, Undecodable
from tests.engine.test_handlers import requests

# Results of `os.fsdecode`: text, with a lone surrogate for each byte that is not UTF-8.
PATHS = st.text(st.characters(exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: PATHS, bytes: st.binary(), int: INTS, float: FLOATS, bool: st.booleans(), NoneType: st.none(),
}  # fmt: skip

# A reason within a sentence is a message within a message.
CODES = st.from_regex(messages.CODE, fullmatch=True)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
MESSAGES = st.recursive(
    st.builds(messages.Message, CODES),
    lambda inner: st.builds(
        lambda code, params: messages.Message(code, **params),
        CODES,
        st.dictionaries(NAMES, PATHS | st.integers() | st.floats() | inner, max_size=3),
    ),
    max_leaves=4,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a type that a message may hold."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (UnionType, typing.Union):
        return st.one_of(*map(values, inner))
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if origin is frozenset:
        return st.frozensets(values(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    if kind is messages.Message:
        return MESSAGES
    assert isinstance(kind, type), kind
    assert dataclasses.is_dataclass(kind), kind
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)})


REQUESTS = [*requests().values(), protocol.Shutdown]
EVENTS = [*get_args(protocol.Event), protocol.Failure]


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
@given(data=st.data(), number=st.integers(0, 2**53))
def test_a_request_comes_back_equal(kind: type, data: st.DataObject, number: int) -> None:
    request = data.draw(values(kind))
    found = codec.decode_request(codec.encode_request(number, request))
    assert found == (number, request)
    assert type(found[1]) is kind


@pytest.mark.parametrize("kind", requests().values(), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_reply_comes_back_equal(kind: type[protocol.Request[Any]], data: st.DataObject) -> None:
    value = data.draw(values(kind.reply_type()))
    message = Message(codec.encode_message(protocol.Reply(7, value)))
    assert (message.is_reply, message.number) == (True, 7)
    assert message.value(kind.reply_type()) == value


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_an_event_comes_back_equal(kind: type, data: st.DataObject) -> None:
    event = data.draw(values(kind))
    message = Message(codec.encode_message(event))
    assert not message.is_reply
    assert message.event() == event
    assert type(message.event()) is kind


def test_a_message_is_plain_json() -> None:
    path = os.fsdecode(b"/films/caf\xe9.mp4")
    content = codec.encode_request(3, protocol.AddFolders((path,)))
    assert content == b'{"kind":"AddFolders","id":3,"body":{"paths":["/films/caf\\udce9.mp4"]}}'
    assert json.loads(content)["body"]["paths"] == [path]
    _, found = codec.decode_request(content)
    assert isinstance(found, protocol.AddFolders)
    assert os.fsencode(found.paths[0]) == b"/films/caf\xe9.mp4"


def test_numbers_of_numpy_become_plain_ones() -> None:
    whole, short = np.int64(1), np.float32(0.5)
    moment = Moment(whole, 2, "a", 0.0, 1.0, short, np.float64(0.25), Match.STRONG, (), 0)  # type: ignore[arg-type]
    answer = SearchAnswer("a", "b", 1.0, (moment,), True)
    found = Message(codec.encode_message(protocol.Reply(1, answer))).value(SearchAnswer)
    assert found == answer
    assert [type(v) for v in (found.moments[0].file_id, found.moments[0].score)] == [int, float]


@pytest.mark.parametrize("value", [object(), lambda: None, (print,), math.nan, math.inf, np.float64("nan"), {1j: 2}])
def test_what_no_message_can_hold_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec.encode_message(protocol.Reply(1, value))


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"", 0), (b"\xff\x00", 0), (b"[]", 0), (b"{}", 0), (b'{"kind":"Search"', 0), (b'{"kind":3,"id":4}', 0),
        (b"[" * 100_000, 0), (b'{"kind":"Nothing","id":4}', 4), (b'{"kind":"Search","id":4}', 4),
        (b'{"kind":"Search","id":4,"body":{"text":3}}', 4), (b'{"kind":"SetNote","id":9,"body":{"note":"\\udcff"}}', 9),
        (b'{"kind":"Search","id":5,"body":{"text":"a","sort":"upwards"}}', 5),
        (b'{"kind":"Request","id":6,"body":{}}', 6), (b'{"kind":"LibrarySize","id":6,"body":{}}', 6),
    ],
)  # fmt: skip
def test_what_cannot_be_read_keeps_its_number(content: bytes, number: int) -> None:
    with pytest.raises(Undecodable) as refused:
        codec.decode_request(content)
    assert refused.value.number == number


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for read in (codec.decode_request, lambda content: Message(content).event()):
        with pytest.raises(Undecodable):
            read(content)


def test_a_reply_of_another_type_is_refused() -> None:
    message = Message(codec.encode_message(protocol.Reply(5, "text")))
    with pytest.raises(Undecodable, match="“Reply” cannot be read"):
        message.value(protocol.LibraryStatus)
