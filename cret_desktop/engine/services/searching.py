"""Searches and filmstrips. Those that need no model are answered on a lane of their own, never behind a query."""

from __future__ import annotations

from functools import partial

from cret_desktop.domain.clips import SearchAnswer, Stretch
from cret_desktop.engine import doctor, protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.handlers import Call, Route, handles, routes
from cret_desktop.engine.protocol import Lane
from cret_desktop.library.searching.query import ParsedQuery, parse


class SearchService:
    def __init__(self, library: OpenLibrary) -> None:
        self._library = library

    @routes(protocol.Search)
    def search(self, request: protocol.Search, call: Call) -> Route[SearchAnswer]:
        if request.live:
            call.session.supersede(protocol.Search, call.token)
        query = parse(request.text)
        browses = request.like is None and not query.text and not request.without
        return Route(Lane.BROWSE if browses else Lane.SEARCH, partial(self._search, request, query, call))

    @routes(protocol.GetFilmstrip)
    def filmstrip(self, request: protocol.GetFilmstrip, _: Call) -> Route[tuple[Stretch, ...]]:
        query = parse(request.text)
        browses = request.like is None and not query.text
        return Route(Lane.BROWSE if browses else Lane.SEARCH, partial(self._filmstrip, request, query))

    @handles(protocol.Prepare)
    def prepare(self, _: protocol.Prepare, __: Call) -> dict[str, float]:
        return self._library.answering.searcher.prepare()

    @handles(protocol.GetDevices)
    def devices(self, _: protocol.GetDevices, __: Call) -> tuple[protocol.Device, ...]:
        return doctor.devices()

    def _search(self, request: protocol.Search, query: ParsedQuery, call: Call) -> SearchAnswer:
        return self._library.answering.searcher.search(
            query,
            request.limit,
            without=request.without,
            like=request.like,
            sort=request.sort,
            reverse=request.reverse,
            offset=request.offset,
            wanted_still=lambda: not call.token.cancelled,
        )

    def _filmstrip(self, request: protocol.GetFilmstrip, query: ParsedQuery) -> tuple[Stretch, ...]:
        return self._library.answering.searcher.filmstrip(request.file_id, query, request.like)
