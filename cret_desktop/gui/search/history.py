"""The queries of late, newest first. Plain data; where it is kept between runs is the window's state."""

from __future__ import annotations

MOST = 50


class History:
    """Queries that were asked for good, not those on the way to them. `enabled` False keeps nothing."""

    def __init__(self) -> None:
        self._queries: list[str] = []
        self.enabled = True

    @property
    def queries(self) -> tuple[str, ...]:
        return tuple(self._queries)

    def note(self, query: str) -> None:
        """Remember a query as the newest; asked again, it moves to the front."""
        query = query.strip()
        if query and self.enabled:
            self._queries = [query, *(other for other in self._queries if other != query)][:MOST]

    def clear(self) -> None:
        self._queries.clear()
