"""The single table from request types to their handler methods.

A service is an object with methods marked `handles` or `routes`. The type checker checks each against the reply type of
its request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cret_desktop.cancellation import CancelToken
from cret_desktop.engine.protocol import Lane, Request
from cret_desktop.engine.sessions import Session
from cret_desktop.errors import EngineError

R = TypeVar("R")
Work = Callable[[], object]
_MARK = "_handled_request"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request of one session, with the token that cancels it."""

    session: Session
    number: int
    request: Request[Any]
    token: CancelToken


@dataclass(frozen=True, slots=True)
class Route(Generic[R]):
    """The lane and the work of a request; the work returns the reply."""

    lane: Lane
    work: Callable[[], R]


@dataclass(frozen=True, slots=True)
class _Mark:
    kind: type[Request[Any]]
    routes: bool


Handler = Callable[[Any, Any, Call], R]


def handles(kind: type[Request[R]]) -> Callable[[Handler[R]], Handler[R]]:
    """Mark a method (request, call) as the handler of a request type, in the type's declared lane."""

    def mark(method: Handler[R]) -> Handler[R]:
        setattr(method, _MARK, _Mark(kind, routes=False))
        return method

    return mark


def routes(kind: type[Request[R]]) -> Callable[[Handler[Route[R]]], Handler[Route[R]]]:
    """Mark a method (request, call) that chooses the lane of each request. It runs on the session's thread."""

    def mark(method: Handler[Route[R]]) -> Handler[Route[R]]:
        setattr(method, _MARK, _Mark(kind, routes=True))
        return method

    return mark


def handled(service: type) -> Iterator[tuple[type[Request[Any]], str]]:
    """Yield the request types that a service class handles, each with the name of its method."""
    for name in dir(service):
        mark = getattr(getattr(service, name), _MARK, None)
        if isinstance(mark, _Mark):
            yield mark.kind, name


class Handlers:
    """The table of handlers of a set of services."""

    def __init__(self, services: Iterable[object]) -> None:
        """Build the table. Raises: ValueError if two services handle one request."""
        self._methods: dict[type[Request[Any]], Callable[[Any, Call], Any]] = {}
        for service in services:
            for kind, name in handled(type(service)):
                if kind in self._methods:
                    raise ValueError(f"{kind.__name__} has two handlers.")
                self._methods[kind] = getattr(service, name)

    def route(self, call: Call) -> Route[Any]:
        """Return the lane and the work of a call. Raises: EngineError for a request without a handler."""
        request = call.request
        method = self._methods.get(type(request))
        if method is None:
            raise EngineError("engine.unknown-request", kind=type(request).__name__)
        mark: _Mark = getattr(method, _MARK)
        if mark.routes:
            route: Route[Any] = method(request, call)
            return route
        return Route(request.lane, lambda: method(request, call))
