"""Lists of messages within a sentence, as the language forms them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from cret_desktop.messages.message import Message


def all_of(items: Sequence[Message]) -> Message:
    """Return "a, b and c". `items` is not empty."""
    if len(items) == 1:
        return items[0]
    return Message("list.last", first=reduce(_next, items[:-1]), last=items[-1])


def enumerated(items: Sequence[Message]) -> Message:
    """Return "a, b, c". `items` is not empty."""
    return reduce(_next, items)


def clauses(items: Sequence[Message]) -> Message:
    """Return "a; b; c". `items` is not empty."""
    return reduce(lambda first, rest: Message("list.clause", first=first, rest=rest), items)


def _next(first: Message, rest: Message) -> Message:
    return Message("list.next", first=first, rest=rest)
