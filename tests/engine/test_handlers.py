"""The table of handlers: complete, without duplicates, and consistent with the protocol's types."""

from __future__ import annotations

import inspect
import typing
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.handlers import Call, Handlers, Route, handled, handles, routes
from cret_desktop.engine.protocol import Lane, Request
from cret_desktop.engine.server import SERVICES
from cret_desktop.errors import EngineError
from tests.engine.calls import call


def requests() -> dict[str, type[Request[Any]]]:
    """Return every concrete request type by name."""
    return {
        name: kind
        for name, kind in vars(protocol).items()
        if isinstance(kind, type) and issubclass(kind, Request) and kind is not Request
    }


def test_every_request_has_one_handler_a_lane_and_a_reply_type() -> None:
    found = Counter(kind for service in SERVICES for kind, _ in handled(service))
    assert found == Counter(requests().values())
    for kind in requests().values():
        assert isinstance(kind.lane, Lane), kind
        assert kind.reply_type() is not None, kind


@pytest.mark.parametrize(
    ("service", "kind", "name"),
    [(service, kind, name) for service in SERVICES for kind, name in handled(service)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_handler_takes_its_request_and_returns_its_reply(service: type, kind: type[Request[Any]], name: str) -> None:
    method = getattr(service, name)
    hints = typing.get_type_hints(method)
    given = next(iter(list(inspect.signature(method).parameters)[1:]))
    assert hints[given] is kind
    reply = hints["return"]
    assert (get_args(reply)[0] if get_origin(reply) is Route else reply) == kind.reply_type()


@dataclass(frozen=True, slots=True)
class Add(Request[int], lane=Lane.BROWSE, change=True):
    numbers: tuple[int, ...]


class Adding:
    @handles(Add)
    def add(self, request: Add, _: Call) -> int:
        return sum(request.numbers)


class Choosing:
    @routes(Add)
    def add(self, request: Add, _: Call) -> Route[int]:
        return Route(Lane.SEARCH if len(request.numbers) > 2 else Lane.CONTROL, lambda: sum(request.numbers))


def test_a_request_is_its_message_and_its_handler() -> None:
    assert (Add.lane, Add.change, Add.reply_type()) == (Lane.BROWSE, True, int)
    route = Handlers([Adding()]).route(call(1, Add((1, 2))))
    assert (route.lane, route.work()) == (Lane.BROWSE, 3)


@pytest.mark.parametrize(("numbers", "lane"), [((1, 2), Lane.CONTROL), ((1, 2, 3), Lane.SEARCH)])
def test_a_route_chooses_the_lane(numbers: Sequence[int], lane: Lane) -> None:
    route = Handlers([Choosing()]).route(call(1, Add(tuple(numbers))))
    assert (route.lane, route.work()) == (lane, sum(numbers))


def test_a_request_with_two_handlers_is_refused() -> None:
    with pytest.raises(ValueError, match="Add has two handlers"):
        Handlers([Adding(), Choosing()])


def test_a_request_without_a_handler_is_an_error() -> None:
    with pytest.raises(EngineError, match="does not know the request Add"):
        Handlers([]).route(call(1, Add(())))
