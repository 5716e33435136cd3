"""Builds search graphs in parallel with indexing and searching, in a child process."""

from __future__ import annotations

import logging
import threading

from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.sessions import Publish
from cret_desktop.errors import CretError

log = logging.getLogger(__name__)


class GraphBuilding:
    """Runs one build at a time. Only the indexing thread may call it."""

    def __init__(self, library: OpenLibrary, publish: Publish) -> None:
        self._library = library
        self._publish = publish
        self._builder: threading.Thread | None = None
        self._closing = False

    def build_if_due(self) -> None:
        """Start a build if the part of the index outside the graph, which is searched exactly, has grown long."""
        if self._closing or (self._builder is not None and self._builder.is_alive()):
            return
        if self._library.index.needs_build():
            self._publish(protocol.Optimising(True))
            self._builder = threading.Thread(target=self._build, name="graph")
            self._builder.start()

    def close(self) -> None:
        """Start no further build. The current one ends when the index is closed."""
        self._closing = True

    def _build(self) -> None:
        try:
            self._library.index.build()
        except CretError as error:
            log.warning("The search graph was not built, search stays exact: %s", error)
        finally:
            self._publish(protocol.Optimising(False))
