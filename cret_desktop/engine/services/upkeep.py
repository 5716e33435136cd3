"""Maintenance between runs of indexing: deleting expired data, freeing space, tidying thumbnails, checking data."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence

import numpy as np

from cret_desktop.domain.records import LibrarySize
from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.graph_building import GraphBuilding
from cret_desktop.engine.handlers import Call, handles
from cret_desktop.engine.jobs import JobQueue, Run
from cret_desktop.engine.protocol import LibraryChanged, LibraryPart
from cret_desktop.engine.sessions import Publish
from cret_desktop.engine.watching import KEEP_SECONDS
from cret_desktop.errors import CretError
from cret_desktop.library.keeping import forgetting
from cret_desktop.library.keeping.thumbnails import ThumbnailFolder
from cret_desktop.storage.sqlite.forgetting import drop_forgotten_words, forget_gone

log = logging.getLogger(__name__)

QUIET_SECONDS = 30.0  # without a job, before stored data is checked; a command's engine has ended by then
CHECKED_SHARE = 0.05  # of the stored data, each day
PURGE_SECONDS = 86400.0  # between two deletions of expired data
_FORGOTTEN = frozenset(
    {LibraryPart.FILES, LibraryPart.FOLDERS, LibraryPart.TAGS, LibraryPart.NOTES, LibraryPart.FAVOURITES}
)


class UpkeepService:
    """Maintains the library on the indexing thread."""

    def __init__(
        self, library: OpenLibrary, config: EngineConfig, jobs: JobQueue, graphs: GraphBuilding, publish: Publish
    ) -> None:
        self._library = library
        self._config = config
        self._jobs = jobs
        self._graphs = graphs
        self._publish = publish
        self._thumbnails = ThumbnailFolder(library.store)
        self._purged = self._checked = -math.inf  # time, by the monotonic clock

    @handles(protocol.FreeSpace)
    def free(self, _: protocol.FreeSpace, __: Call) -> LibrarySize:
        self._library.catalog.check_writable()
        try:
            self._thumbnails.sweep()
            self._library.shrink_thumbnails(self._config.sampling, lambda: self._jobs.closed)
            self._publish(LibraryChanged.of(LibraryPart.THUMBNAILS))  # the thumbnails have new names
            drop_forgotten_words(self._library.catalog)
            self._library.catalog.compact()
            return self._library.store.backup.measure()
        finally:
            self._resume()

    @handles(protocol.Forget)
    def forget(self, request: protocol.Forget, _: Call) -> protocol.Forgotten:
        """Delete data for good. Always runs to the end, even if little is left: it finishes an interrupted one."""
        catalog, library = self._library.catalog, self._config.library
        catalog.check_writable()
        try:
            gone = forget_gone(catalog, request.path and os.path.abspath(request.path))
            try:
                drop_forgotten_words(catalog)
                emptied = catalog.compact()
            finally:
                self._forget_clips(gone.clips, gone.sprites)  # last: building a graph reads the catalog
            if request.copies:
                forgetting.delete_copies(library)
            left = tuple(str(place) for place in forgetting.copies(library))
            return protocol.Forgotten(gone.videos, gone.folders, gone.kept, gone.staying, left, not emptied)
        finally:
            self._publish(LibraryChanged(_FORGOTTEN))
            self._resume()

    def purge_if_due(self) -> None:
        """Delete data that has been missing for `KEEP_SECONDS`; once a day, because the engine may run for long."""
        if self._config.read_only or time.monotonic() - self._purged < PURGE_SECONDS:
            return
        self._purged = time.monotonic()
        try:
            clips, sprites = self._library.changes.purge(time.time() - KEEP_SECONDS)
            self._forget_clips(clips, sprites)
            if drop_forgotten_words(self._library.catalog):
                self._library.catalog.empty_log()
            self._library.catalog.compact_if_due(forgotten=bool(clips))
        except CretError as error:
            log.warning("Videos that are gone for long still take up space: %s", error)

    def check_if_due(self, stop: Callable[[], bool]) -> None:
        """Check a share of the stored data once a day, another share each day, and rebuild damaged items.

        A check that `stop` ends early is due again when the engine is next idle.
        """
        if not self._is_check_due() or stop():
            return
        checks, day = self._library.store.checks, int(time.time() // PURGE_SECONDS)
        stopped = False

        def stops() -> bool:
            nonlocal stopped
            stopped = stopped or stop()
            return stopped

        try:
            report = checks.check(CHECKED_SHARE, stops, turn=day)
            if not stopped:
                self._checked = time.monotonic()
            if report.damaged or report.unknown:
                self._library.remove(np.asarray(checks.mend(report), np.int64))
            if report.damaged:
                self._thumbnails.look(closely=False)
                self._resume()
        except CretError as error:
            log.warning("What is stored could not be checked: %s", error)

    def rest_seconds(self) -> float:
        """Return how long the indexing thread waits for a job before it checks the stored data."""
        return QUIET_SECONDS if self._is_check_due() else PURGE_SECONDS

    def _is_check_due(self) -> bool:
        return not self._config.read_only and time.monotonic() - self._checked >= PURGE_SECONDS

    def tidy_thumbnails(self) -> None:
        catalog = self._library.catalog
        try:
            if catalog.unclean:
                self._thumbnails.sweep()
            self._thumbnails.look(closely=catalog.unclean)
        except (CretError, OSError) as error:
            log.warning("The thumbnails could not be looked at: %s", error)

    def redraw(self, stop: Callable[[], bool]) -> None:
        """Redraw missing thumbnails, until there is other work."""
        try:
            if self._thumbnails.redraw(self._library.open_decoder, self._config.sampling, stop):
                self._publish(LibraryChanged.of(LibraryPart.THUMBNAILS))
        except (CretError, OSError) as error:
            log.warning("Missing thumbnails could not be drawn: %s", error)

    def _resume(self) -> None:
        """Resume the runs that were stopped for a request."""
        if roots := self._library.catalog.roots():
            self._jobs.put(Run(tuple((root, root.path) for root in roots), quiet=True))

    def _forget_clips(self, clips: Sequence[int], sprites: Sequence[str]) -> None:
        self._library.remove(np.asarray(clips, np.int64))
        self._graphs.build_if_due()
        self._library.store.blobs.remove(sprites)
