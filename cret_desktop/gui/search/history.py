"""The recent queries, newest first. Plain data; stored between runs in the window's state."""

from __future__ import annotations

MOST = 50


class History:
    """Completed queries, without the steps of typing. Stores nothing while `enabled` is False."""

    def __init__(self) -> None:
        self._queries: list[str] = []
        self.enabled = True

    @property
    def queries(self) -> tuple[str, ...]:
        return tuple(self._queries)

    def note(self, query: str) -> None:
        """Add a query as the newest; a repeated one moves to the front."""
        query = query.strip()
        if query and self.enabled:
            self._queries = [query, *(other for other in self._queries if other != query)][:MOST]

    def clear(self) -> None:
        self._queries.clear()
