"""The colours of clips in the catalog."""

from __future__ import annotations

from collections.abc import Sequence

from cret_desktop.storage.sqlite.catalog import Catalog


class ColourTable:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def replace(self, file_id: int, colours: Sequence[tuple[float, str]]) -> None:
        with self._catalog.write() as db:
            db.execute("DELETE FROM colours WHERE file_id = ?", (file_id,))
            db.executemany("INSERT INTO colours VALUES (?, ?, ?)", [(file_id, *colour) for colour in colours])

    def find(self, name: str) -> list[tuple[int, float]]:
        return self._catalog.reader().execute("SELECT file_id, start FROM colours WHERE name = ?", (name,)).fetchall()
