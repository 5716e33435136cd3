"""Passes places to rescan from the watcher to the engine's indexing thread.

Keeps no more than a set of places, however many events there were. Never scans, never changes the catalog.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence

from cret_desktop.domain.records import Root
from cret_desktop.library.indexing.progress import FolderScanned
from cret_desktop.library.indexing.watcher import Watcher
from cret_desktop.paths import is_inside
from cret_desktop.storage.sqlite.catalog import Catalog

KEEP_SECONDS = 30 * 86400.0  # for which a missing file can return with all its data and annotations
AGAIN_SECONDS = 10.0  # until a file that was still being written is checked again


class Watching:
    """Watches the catalog's roots from `start` to `close`; until started, it does nothing. Thread-safe."""

    def __init__(self, catalog: Catalog, wake: Callable[[], None]) -> None:
        """`wake` is called once when places become due, and again only after they are taken."""
        self._catalog = catalog
        self._wake = wake
        self._lock = threading.Lock()
        self._places: set[tuple[str, str]] = set()
        self._watcher: Watcher | None = None

    def start(self) -> None:
        self._watcher = Watcher(self._note)
        self.roots_changed()
        self._watcher.start()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()

    def roots_changed(self) -> None:
        """Watch the roots that the catalog has now."""
        if self._watcher is not None:
            self._watcher.set_roots(root.path for root in self._catalog.roots() if root.followed)

    def put_back(self, places: Iterable[tuple[Root, str]]) -> None:
        """Make places due again that a cancelled run had taken: a run that resumes it does not know them."""
        if noted := [(root.path, folder) for root, folder in places]:
            self._note(noted)

    def every(self, root: str) -> float:
        """Return the seconds between two scans of a polled root; 0.0 for others."""
        return self._watcher.every(root) if self._watcher is not None else 0.0

    def take(self) -> list[tuple[Root, str]]:
        """Remove and return the places to rescan: roots, each with the folder within it."""
        with self._lock:
            places, self._places = self._places, set()
        if not places:
            return []
        roots = {root.path: root for root in self._catalog.roots()}
        return [
            (roots[root], folder)
            for root, folder in sorted(places)
            if root in roots and not any(r == root and f != folder and is_inside(folder, f) for r, f in places)
        ]

    def looked(self, scanned: FolderScanned) -> None:
        if self._watcher is not None:
            self._watcher.looked(scanned.path, scanned.changed > 0)

    def look_again(self, files: Sequence[str]) -> None:
        """Schedule a rescan of the folders of files that were still changing."""
        if self._watcher is None or not files:
            return
        roots = [root.path for root in self._catalog.roots()]
        for file in files:
            root = next((root for root in roots if is_inside(file, root)), None)
            if root is not None:
                folder = root if file == root else os.path.dirname(file)
                self._watcher.look_later(root, folder, AGAIN_SECONDS)

    def _note(self, places: list[tuple[str, str]]) -> None:
        with self._lock:
            first = not self._places
            self._places.update(places)
        if first:
            self._wake()
