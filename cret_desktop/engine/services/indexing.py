"""Runs indexing: pausing, cancelling, progress, and the updates of graph and model that follow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cret_desktop.domain.records import Root
from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.graph_building import GraphBuilding
from cret_desktop.engine.handlers import Call, handles
from cret_desktop.engine.jobs import JobQueue, Run
from cret_desktop.engine.protocol import LibraryPart
from cret_desktop.engine.sessions import Publish
from cret_desktop.engine.watching import Watching
from cret_desktop.errors import CretError
from cret_desktop.foreign import short
from cret_desktop.library.indexing.control import Conditions, Control
from cret_desktop.library.indexing.progress import FileIndexed, FilesMeasured, FolderScanned, IndexProgress, Phase
from cret_desktop.messages import Message
from cret_desktop.paths import is_inside

log = logging.getLogger(__name__)

ANNOTATIONS = (LibraryPart.TAGS, LibraryPart.NOTES, LibraryPart.FAVOURITES)


class IndexingService:
    def __init__(
        self,
        library: OpenLibrary,
        config: EngineConfig,
        jobs: JobQueue,
        conditions: Conditions,
        watching: Watching,
        graphs: GraphBuilding,
        publish: Publish,
        on_failure: Callable[[BaseException], None],
        on_batch: Callable[[], None],
    ) -> None:
        """`on_failure` is called with an error that ended a run, `on_batch` after progress."""
        self._library = library
        self._config = config
        self._jobs = jobs
        self._conditions = conditions
        self._watching = watching
        self._graphs = graphs
        self._publish = publish
        self._on_failure = on_failure
        self._on_batch = on_batch
        self._lock = threading.Lock()
        self._under_way: tuple[Run, Control] | None = None
        self._reports = False  # whether the current run has something to report
        self._indexed = False  # whether it has indexed a file, which may have regained its tags and notes

    @property
    def paused(self) -> bool:
        return self._conditions.paused

    @handles(protocol.Pause)
    def pause(self, request: protocol.Pause, _: Call) -> None:
        self._pause(request.paused)

    @handles(protocol.CancelIndexing)
    def cancel(self, _: protocol.CancelIndexing, __: Call) -> None:
        self._jobs.cancel_runs()
        self._pause(False)

    def prioritise(self, path: str) -> bool:
        """Index a folder's files first in the current run; return False if the run does not cover it."""
        with self._lock:
            if self._under_way is None:
                return False
            run, control = self._under_way
            if not any(is_inside(path, place) for _, place in run.places):
                return False
            control.first = path
            return True

    def run(self, run: Run) -> None:
        """Carry out a run. Always reports its end, because clients wait for it."""
        self._reports, self._indexed = not run.quiet, False
        error: Message | None = None
        exit_status = 0
        config = self._config
        looked: list[tuple[Root, str]] = []

        def take_looks() -> list[tuple[Root, str]]:
            taken = self._watching.take()
            looked.extend(taken)
            return taken

        control = Control(self._conditions, run.token, take_looks)
        indexer = self._library.indexer(self._on_progress, config.leave_out, config.sampling, config.disk_budget)
        with self._lock:
            self._under_way = run, control
        try:
            with self._library.catalog.guarded():
                totals = indexer.run(run.places, control, only_new=self._jobs.stopped)
            if totals.files and not totals.cancelled:
                self._library.searcher.encode_references()  # now, so that the first search is fast
            self._graphs.build_if_due()
            self._settle_model()
        except CretError as failure:
            self._on_failure(failure)
            totals, error, exit_status = indexer.totals, failure.message, failure.exit_status
        except BaseException as failure:  # the thread must survive any error
            log.exception("indexing failed")
            totals, exit_status = indexer.totals, CretError.exit_status
            error = Message("engine.indexing-defect", kind=type(failure).__name__, text=short(str(failure)))
        finally:
            with self._lock:
                self._under_way = None
        self._jobs.rest(failed=error is not None)
        self._watching.look_again(totals.unsettled)
        if totals.cancelled:
            self._watching.put_back(looked)
        self._watching.roots_changed()  # roots may have moved
        if self._indexed:
            self._publish(protocol.LibraryChanged.of(*ANNOTATIONS))
        if self._reports or error is not None:
            places = tuple(place for _, place in run.places)
            self._publish(protocol.IndexFinished(totals, error, exit_status, places))

    def _pause(self, paused: bool) -> None:
        """Report even an unchanged state: a paused run reports nothing by itself."""
        self._conditions.pause(paused)
        self._publish(protocol.PauseChanged(paused))

    def _settle_model(self) -> None:
        """Switch searches to the model used for indexing, once its index is complete."""
        library = self._library
        if library.before is None or library.embeddings.count_behind(library.model.info.fingerprint):
            return
        library.searcher.prepare()  # now, so that the first search is fast
        library.before = None  # frees its weights; a search that still uses it completes
        self._publish(protocol.ModelsChanged())
        self._publish(protocol.LibraryChanged.of(LibraryPart.MODEL))

    def _on_progress(self, event: IndexProgress | FileIndexed | FolderScanned | FilesMeasured) -> None:
        if isinstance(event, FolderScanned):
            self._watching.looked(event)
            if event.changed:
                self._publish(protocol.LibraryChanged.of(LibraryPart.FILES, LibraryPart.FOLDERS, *ANNOTATIONS))
            return
        if isinstance(event, FilesMeasured):
            self._publish(protocol.LibraryChanged.of(LibraryPart.FILES))
            return
        if not self._reports:
            if isinstance(event, IndexProgress) and event.phase is Phase.SCANNING:
                return
            self._reports = True
        self._publish(event)
        self._on_batch()
        if isinstance(event, FileIndexed):
            self._indexed = True
            self._graphs.build_if_due()
