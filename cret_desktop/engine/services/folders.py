"""Adds, removes, rescans and prioritises the library's folders, and reports their state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import numpy as np

from cret_desktop.domain.records import Root, RootCounts
from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.graph_building import GraphBuilding
from cret_desktop.engine.handlers import Call, Route, handles, routes
from cret_desktop.engine.jobs import JobQueue, Run
from cret_desktop.engine.protocol import FolderState, Lane, LibraryPart
from cret_desktop.engine.services.indexing import ANNOTATIONS, IndexingService
from cret_desktop.engine.sessions import Publish
from cret_desktop.engine.watching import Watching
from cret_desktop.errors import PathError
from cret_desktop.library.indexing.volumes import Volumes, add_root
from cret_desktop.paths import is_inside


class FolderService:
    def __init__(
        self,
        library: OpenLibrary,
        config: EngineConfig,
        jobs: JobQueue,
        indexing: IndexingService,
        watching: Watching,
        graphs: GraphBuilding,
        publish: Publish,
    ) -> None:
        self._library = library
        self._config = config
        self._jobs = jobs
        self._indexing = indexing
        self._watching = watching
        self._graphs = graphs
        self._publish = publish

    @handles(protocol.GetStatus)
    def status(self, _: protocol.GetStatus, __: Call) -> protocol.LibraryStatus:
        counts = self._library.catalog.counts(self._library.model.info.fingerprint)
        before = self._library.before
        return protocol.LibraryStatus(
            library=str(self._config.library),
            model=self._library.model.info.title,
            folders=tuple(
                protocol.Folder(
                    c.root.path,
                    c.files,
                    c.clips,
                    c.failed,
                    c.pending,
                    c.root.offline,
                    self._state_of(c),
                    self._watching.every(c.root.path),
                )
                for c in counts
            ),
            files=sum(c.files for c in counts),
            clips=sum(c.clips for c in counts),
            seconds=sum(c.seconds for c in counts),
            failed=sum(c.failed for c in counts),
            pending=sum(c.pending for c in counts),
            indexing=self._jobs.has_runs,
            paused=self._indexing.paused,
            answering=before.model.info.title if before is not None else "",
        )

    @handles(protocol.GetFailures)
    def failures(self, _: protocol.GetFailures, __: Call) -> tuple[protocol.FailedFile, ...]:
        return tuple(protocol.FailedFile(path, reason) for path, reason in self._library.catalog.failures())

    @routes(protocol.AddFolders)
    def add(self, request: protocol.AddFolders, _: Call) -> Route[None]:
        """Add at once, or queue behind a waiting removal, so that a folder that is added again stays."""
        removing = self._jobs.holds(lambda other: isinstance(other.request, protocol.RemoveFolder))
        return Route(Lane.JOB if removing else Lane.CONTROL, partial(self._add, request.paths))

    @handles(protocol.RemoveFolder)
    def remove(self, request: protocol.RemoveFolder, _: Call) -> None:
        """Remove a folder; repeating it is no error, because the reply may have been lost in a crash."""
        catalog = self._library.catalog
        root = next((root for root in catalog.roots() if root.path == request.path), None)
        try:
            if root is not None:
                self._library.remove(np.asarray(catalog.remove_root(root.id), np.int64))
            elif not catalog.was_removed(request.path):
                raise PathError("library.foreign-folder", path=request.path)
            self._graphs.build_if_due()  # removed clips must not stay in the graph's file
            self._watching.roots_changed()
            self._publish(protocol.LibraryChanged.of(LibraryPart.FOLDERS, LibraryPart.FILES))
        finally:
            self._index(catalog.roots())

    @handles(protocol.Refresh)
    def refresh(self, request: protocol.Refresh, _: Call) -> None:
        wanted = {os.path.abspath(path) for path in request.paths}
        self._index([root for root in self._library.catalog.roots() if not wanted or root.path in wanted])

    @handles(protocol.RetryFailures)
    def retry_failures(self, _: protocol.RetryFailures, __: Call) -> None:
        if self._library.changes.retry_failures():
            self._index(self._library.catalog.roots())

    @handles(protocol.IndexAgain)
    def index_again(self, request: protocol.IndexAgain, _: Call) -> None:
        root = self._root_of(request.path)
        if self._library.changes.index_root_again(root.id):
            self._publish(protocol.LibraryChanged.of(LibraryPart.FILES))
        self._index([root])

    @handles(protocol.PrioritiseFolder)
    def prioritise(self, request: protocol.PrioritiseFolder, _: Call) -> None:
        path = os.path.abspath(request.path)
        root = self._root_of(path)
        if not self._indexing.prioritise(path):
            self._jobs.put_first(Run(((root, path),)))

    def _add(self, paths: Sequence[str]) -> None:
        """Restore folders that were removed before, even if their drive is absent; then scan all of them."""
        catalog, paths = self._library.catalog, [os.path.abspath(path) for path in paths]
        back = {path: clips for path in paths if (clips := catalog.restore_root(path)) is not None}
        for clips in back.values():
            self._library.restore(clips)
        known = {*back, *(root.path for root in catalog.roots())}
        for path in paths:
            if path not in known and not os.path.lexists(path):
                raise PathError("library.no-such-path", path=path)
        volumes = Volumes()
        self._jobs.put(Run(tuple((add_root(catalog, path, volumes), path) for path in paths)))
        self._watching.roots_changed()
        if back:
            self._publish(protocol.LibraryChanged.of(LibraryPart.FOLDERS, LibraryPart.FILES, *ANNOTATIONS))

    def _index(self, roots: Sequence[Root]) -> None:
        if roots:
            self._jobs.put(Run(tuple((root, root.path) for root in roots)))

    def _state_of(self, counts: RootCounts) -> FolderState:
        if counts.root.offline:
            return FolderState.OFFLINE
        current = self._jobs.current
        if isinstance(current, Run) and any(root.path == counts.root.path for root, _ in current.places):
            return FolderState.INDEXING
        if counts.pending:
            return FolderState.WAITING
        if counts.files and counts.failed == counts.files:
            return FolderState.FAILED
        return FolderState.READY

    def _root_of(self, path: str) -> Root:
        around = [root for root in self._library.catalog.roots() if is_inside(path, root.path)]
        root = max(around, key=lambda root: len(root.path), default=None)  # it may be inside an ignored root
        if root is None:
            raise PathError("library.foreign-folder", path=path)
        return root
