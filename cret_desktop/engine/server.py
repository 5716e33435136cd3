"""The engine's process: the only writer of a library. One pipe in, one pipe out; ends when the pipe does.

Four threads: the pipe's (answers from the catalog at once), the search's, the browsing's, the indexing's; one more each
once something is exported, a picture is read, a model is fetched. Requests about the catalog are answered before any
model is loaded; a search holds indexing back between two batches. Never a window.
"""

from __future__ import annotations

import importlib
import logging
import logging.handlers
import math
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import psutil

from cret_desktop.engine import adoption, doctor, protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.copies import COPIES, Copies
from cret_desktop.engine.exports import Exports
from cret_desktop.engine.lock import WriterLock
from cret_desktop.engine.log_lines import LineFormatter, guard_standard_error
from cret_desktop.engine.models import Models
from cret_desktop.engine.pictures import Pictures
from cret_desktop.engine.watching import KEEP_SECONDS, Watching
from cret_desktop.engine.worker import living_on
from cret_desktop.errors import CretError, EngineError, LibraryDamaged, LibraryMissing, PathError, QueryError
from cret_desktop.foreign import why
from cret_desktop.library import forgetting
from cret_desktop.library.indexer import Control
from cret_desktop.library.progress import FileIndexed, FilesMeasured, FolderScanned, IndexProgress, Phase
from cret_desktop.library.query import parse
from cret_desktop.library.searcher import Abandoned
from cret_desktop.library.thumbnails import ThumbnailFolder
from cret_desktop.library.volumes import Volumes, add_root
from cret_desktop.library_files import LOG, LibraryFiles
from cret_desktop.paths import LibraryPaths, is_inside
from cret_desktop.records import Root, RootCounts
from cret_desktop.storage.sqlite.forgetting import drop_forgotten_words, forget_gone

log = logging.getLogger(__name__)

PURGE_SECONDS = 86400.0  # between two times of forgetting what is gone for good
IDLE_SECONDS = 120.0  # without a search, after which the video tower's memory is given back


def serve(connection: Connection, config: EngineConfig) -> None:
    """Open the library, say so (EngineStarted or Failure), and serve until Shutdown or the pipe's end."""
    guard_standard_error()
    lock, notice, strange = WriterLock(LibraryPaths(config.library).lock), "", False
    try:
        if config.moved and not LibraryPaths(config.library).catalog.exists():
            raise LibraryMissing(
                f"The library was moved to {config.library}, and is not there now. Plug in its drive and try again; or "
                "open Backup and storage in the Library menu to say where it is."
            )
        if not config.read_only:
            lock.acquire()
            if config.gentle:
                _step_back()
            if not config.adopt:
                adoption.require_ours(config.library)  # before anything in it is moved
            notice = adoption.take_restored(config.library)
            if config.adopt and adoption.standing(config.library).origin is adoption.Origin.STRANGE:
                notice = adoption.adopt(config.library, config.follow)
            adoption.require_ours(config.library)
            _log_to(LibraryPaths(config.library))
        elif adoption.standing(config.library).origin is adoption.Origin.STRANGE:
            strange, notice = True, adoption.said_of(config.library)
        module, _, function = config.factory.partition(":")
        factory: Callable[..., OpenLibrary] = getattr(importlib.import_module(module), function)
        try:
            library = factory(config.library, config.model, config.device, config.read_only)
        except LibraryDamaged:  # met while it was opened: it is repaired when the catalog is opened once more
            library = factory(config.library, config.model, config.device, config.read_only)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the client must hear of it
        connection.send(_failure(0, error))
        lock.release()
        return
    library.catalog.notice = f"{notice} {library.catalog.notice}".strip()
    try:
        _Engine(connection, config, library, strange).run()
    finally:
        library.close()
        lock.release()


# What may load a model, and so has a thread of its own.
_Question = protocol.Search | protocol.GetFilmstrip | protocol.Prepare | protocol.GetDevices
_QUESTIONS = (protocol.Search, protocol.GetFilmstrip, protocol.Prepare, protocol.GetDevices)


@dataclass(frozen=True, slots=True)
class _Index:
    """One run: roots, each with the folder or file within it to look at."""

    places: tuple[tuple[Root, str], ...]
    quiet: bool = False  # nobody has asked for it: it is told of when there is something to tell


@dataclass(frozen=True, slots=True)
class _Look:
    """Something has changed in the folders: look at what the watching has noted by then."""


@dataclass(frozen=True, slots=True)
class _Remove:
    request: int
    path: str


@dataclass(frozen=True, slots=True)
class _Add:
    """Asked for while a removal waits: in its turn, so that what is taken back stays."""

    request: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Free:
    request: int


@dataclass(frozen=True, slots=True)
class _Forget:
    request: int
    body: protocol.Forget


class _Engine:
    def __init__(self, connection: Connection, config: EngineConfig, library: OpenLibrary, strange: bool) -> None:
        self._connection = connection
        self._strange = strange
        self._config = config
        self._library = library
        self._send_lock = threading.Lock()
        self._searches: queue.SimpleQueue[tuple[int, _Question] | None] = queue.SimpleQueue()
        self._newest_live = 0  # the last search of who is still typing: those before it are given up
        self._browsing: queue.SimpleQueue[tuple[int, _Question] | None] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[_Index | _Look | _Remove | _Add | _Free | _Forget | None] = queue.SimpleQueue()
        self._exports = Exports(self._answer, self._send)
        self._pictures = Pictures(self._answer)
        self._models = Models(library, self._answer, self._send)
        self._copies = Copies(library, self._answer, self._send)
        self._control = Control(_on_battery if config.pause_on_battery else lambda: False)
        self._control.pause(config.paused)
        self._watching = Watching(library.catalog, lambda: self._jobs.put(_Look()))
        self._control.take_looks = self._watching.take
        self._thumbnails = ThumbnailFolder(library.store)
        self._told_progress = False  # of the run under way
        self._purged = -math.inf  # when, by the monotonic clock
        self._told_lost = False  # that the GPU has failed
        self._stopped = False  # by a person or an error: what waits is not taken up again before somebody asks for it
        self._builder: threading.Thread | None = None
        self._running: _Index | None = None
        self._removals: list[str] = []  # of folders, asked for and not done
        self._closing = False

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._search_loop, name="search"),
            threading.Thread(target=self._browse_loop, name="browse"),
            threading.Thread(target=self._job_loop, name="index"),
        ]
        # Before the threads are: it comes before any event of theirs.
        notice = self._library.catalog.notice
        self._send(
            protocol.EngineStarted(
                self._config.read_only, notice=notice, strange=self._strange, paused=self._control.paused
            )
        )
        for thread in threads:
            thread.start()
        if self._config.watch and not self._config.read_only:
            self._watching.start()
        try:
            self._receive_loop()
        finally:
            self._closing = True
            self._watching.close()
            self._control.cancel()
            self._exports.close()
            self._pictures.close()
            self._models.close()
            self._copies.close()
            self._searches.put(None)
            self._browsing.put(None)
            self._jobs.put(None)
            for thread in threads:
                thread.join()

    # --- the pipe's thread ------------------------------------------------------------------------------------

    def _receive_loop(self) -> None:
        while True:
            try:
                envelope: protocol.Envelope = self._connection.recv()
            except (EOFError, ConnectionError):
                return  # the client is gone, and with it the reason to be here
            if isinstance(envelope.body, protocol.Shutdown):
                return
            try:
                self._pass_on(envelope.id, envelope.body)
            except BaseException as error:  # noqa: BLE001 - every request gets its answer, the next is heard
                self._send(_failure(envelope.id, error))

    def _pass_on(self, number: int, body: protocol.Request) -> None:
        """Give a request to the thread that answers it, or answer it here."""
        if isinstance(body, _QUESTIONS):
            if _is_live(body):
                self._newest_live = number
            (self._browsing if _is_browsing(body) else self._searches).put((number, body))
        elif isinstance(body, protocol.ExportClips | protocol.ExportList):
            self._exports.submit(number, body)
        elif isinstance(body, protocol.ReadPicture):
            self._pictures.submit(number, body)
        elif isinstance(body, COPIES):
            self._copies.submit(number, body)
        elif isinstance(body, protocol.DownloadModel | protocol.ImportModel | protocol.RemoveModel):
            self._models.submit(number, body)
        elif isinstance(body, protocol.RemoveFolder):
            # Between two runs, so that no file of the folder is on its way; the runs are begun again after it.
            self._control.cancel()
            self._removals.append(body.path)
            self._jobs.put(_Remove(number, body.path))
        elif isinstance(body, protocol.FreeSpace):
            self._control.cancel()  # between two runs as well: no picture is on its way then
            self._jobs.put(_Free(number))
        elif isinstance(body, protocol.Forget):
            self._control.cancel()
            self._jobs.put(_Forget(number, body))
        elif isinstance(body, protocol.AddFolders) and self._removals:
            self._jobs.put(_Add(number, body.paths))
        else:
            self._answer(number, partial(self._handle, body))

    def _answer(self, number: int, work: Callable[[], Any]) -> None:
        try:
            with self._library.catalog.guarded():
                value = work()
            self._send(protocol.Reply(number, value))
        except Abandoned:
            self._send(protocol.Failure(number, "Superseded", "", superseded=True))
        except BaseException as error:  # noqa: BLE001 - every request gets its answer, its thread lives on
            self._send(_failure(number, error))
            self._fall_if_damaged(error)
        self._tell_if_lost()

    def _fall_if_damaged(self, error: BaseException) -> None:
        """A catalog is repaired where it is opened: this process ends as in a crash, and is started again."""
        if isinstance(error, LibraryDamaged) and not self._config.read_only:
            log.error("The engine ends, so that the catalog is repaired: %s", error)
            os._exit(LibraryDamaged.exit_status)

    def _tell_if_lost(self) -> None:
        """Say once that a GPU has failed; whichever model was on it, no other can use it either."""
        library = self._library
        sentence = library.model.device_lost or library.answering.model.device_lost
        if sentence and not self._told_lost:
            self._told_lost = True
            self._send(protocol.DeviceLost(sentence))

    def _handle(self, body: protocol.Request) -> object:
        catalog = self._library.catalog
        match body:
            case protocol.GetStatus():
                return self._status()
            case protocol.GetFailures():
                return tuple(protocol.FailedFile(path, reason) for path, reason in catalog.failures())
            case protocol.AddFolders(paths):
                self._add(paths)
            case protocol.Refresh(paths):
                wanted = {os.path.abspath(path) for path in paths}
                roots = [root for root in catalog.roots() if not wanted or root.path in wanted]
                if roots:
                    self._jobs.put(_Index(tuple((root, root.path) for root in roots)))
            case protocol.RetryFailures():
                if self._library.changes.retry_failures():
                    self._jobs.put(_Index(tuple((root, root.path) for root in catalog.roots())))
            case protocol.Pause(paused):
                self._pause(paused)
            case protocol.GetModels():
                return self._models.cards()
            case protocol.CancelDownload(name):
                self._models.cancel(name)
            case protocol.CancelCopy():
                self._copies.cancel()
            case protocol.CancelExport():
                self._exports.cancel()
            case protocol.CancelIndexing():
                self._stopped = True
                self._control.cancel()
                self._queued_runs()
                self._pause(False)
            case protocol.IndexAgain(path):
                root = self._root_of(path)
                if self._library.changes.index_root_again(root.id):
                    self._send(protocol.LibraryChanged())
                self._jobs.put(_Index(((root, root.path),)))
            case protocol.PrioritiseFolder(path):
                self._prioritise(path)
            case _:
                return self._annotate(body)
        return None

    def _pause(self, paused: bool) -> None:
        """Said at once, and also where it was so before: a run that is held has nothing more to say of itself."""
        self._control.pause(paused)
        self._send(protocol.PauseChanged(paused))

    def _add(self, paths: Sequence[str]) -> None:
        """What was removed before is back at once, also where its drive is not there; then all is looked at."""
        catalog, paths = self._library.catalog, [os.path.abspath(path) for path in paths]
        back = {path: clips for path in paths if (clips := catalog.restore_root(path)) is not None}
        for clips in back.values():
            self._library.restore(clips)
        for path in paths:
            if path not in back and not os.path.lexists(path):
                raise PathError(f"There is no file or folder {path}. Check the name, or plug in its drive.")
        volumes = Volumes()
        self._jobs.put(_Index(tuple((add_root(catalog, path, volumes), path) for path in paths)))
        self._watching.roots_changed()
        if back:
            self._send(protocol.LibraryChanged())

    def _annotate(self, body: protocol.Request) -> object:
        """What people say of their files. What changes is on the disk before the reply, and told to everybody."""
        annotations = self._library.annotations
        match body:
            case protocol.GetTags():
                return annotations.tags()
            case protocol.GetFile(file_id):
                file = self._library.listing.files([file_id]).get(file_id)
                if file is None:
                    raise PathError("The video has left the library.")
                return file
            case protocol.GetSavedSearches():
                return tuple(protocol.SavedSearch(*search) for search in annotations.saved_searches())
            case protocol.ChangeTags(file_ids, add, remove):
                annotations.change_tags(file_ids, add, remove)
            case protocol.SetFavourite(file_ids, favourite):
                annotations.set_favourite(file_ids, favourite)
            case protocol.SetNote(file_id, note):
                annotations.set_note(file_id, note)
            case protocol.SaveSearch(search):
                annotations.save_search(search.name, search.text, search.without, search.sort, search.reverse)
            case protocol.ForgetSearch(name):
                annotations.forget_search(name)
            case _:
                raise EngineError(f"The engine does not know the request {type(body).__name__}.")
        self._send(protocol.LibraryChanged())
        return None

    def _queued_runs(self) -> list[_Index]:
        """Takes the runs that wait off the queue; what else waits there stays."""
        taken: list[_Index] = []
        kept: list[_Look | _Remove | _Add | _Free | _Forget | None] = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if isinstance(job, _Index):
                taken.append(job)
            else:
                kept.append(job)
        for other in kept:
            self._jobs.put(other)
        return taken

    def _status(self) -> protocol.LibraryStatus:
        counts = self._library.catalog.counts(self._library.model.info.fingerprint)
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
                    self._folder_state(c),
                    self._watching.every(c.root.path),
                )
                for c in counts
            ),
            files=sum(c.files for c in counts),
            clips=sum(c.clips for c in counts),
            seconds=sum(c.seconds for c in counts),
            failed=sum(c.failed for c in counts),
            pending=sum(c.pending for c in counts),
            indexing=self._running is not None,
            paused=self._control.paused,
            answering=before.model.info.title if (before := self._library.before) is not None else "",
        )

    def _folder_state(self, counts: RootCounts) -> protocol.FolderState:
        if counts.root.offline:
            return protocol.FolderState.OFFLINE
        running = self._running
        if running is not None and any(root.path == counts.root.path for root, _ in running.places):
            return protocol.FolderState.INDEXING
        if counts.pending:
            return protocol.FolderState.WAITING
        if counts.files and counts.failed == counts.files:
            return protocol.FolderState.FAILED
        return protocol.FolderState.READY

    def _root_of(self, path: str) -> Root:
        around = [root for root in self._library.catalog.roots() if is_inside(path, root.path)]
        root = max(around, key=lambda root: len(root.path), default=None)  # one may lie in another that is left alone
        if root is None:
            raise PathError(f"{path} is not a folder of this library.")
        return root

    def _prioritise(self, path: str) -> None:
        path = os.path.abspath(path)
        root = self._root_of(path)
        running = self._running
        if running is not None and any(is_inside(path, place) for _, place in running.places):
            self._control.first = path
            return
        later = self._queued_runs()
        self._jobs.put(_Index(((root, path),)))
        if running is not None:  # it goes on afterwards; what it has committed is not done again
            self._control.cancel()
            later.insert(0, running)
        for job in later:
            self._jobs.put(job)

    # --- the search thread ------------------------------------------------------------------------------------

    def _search_loop(self) -> None:
        while True:
            try:
                item = self._searches.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if self._running is None:  # a search by picture has loaded it; the next one loads it again
                    with living_on("giving memory back"):
                        self._library.answering.model.video.release()
                continue
            if item is None or self._closing:
                return
            self._control.give_way(True)
            try:
                self._answer(item[0], partial(self._search, *item))
            finally:
                self._control.give_way(False)

    def _search(self, number: int, request: _Question) -> object:
        answering = self._library.answering
        searcher = answering.searcher
        match request:
            case protocol.GetDevices():
                return doctor.devices()
            case protocol.Prepare():
                return searcher.prepare()
            case protocol.GetFilmstrip():
                return searcher.filmstrip(request.file_id, request.text, request.like)
            case protocol.Search():
                answer = searcher.search(
                    request.text,
                    request.limit,
                    without=request.without,
                    like=request.like,
                    sort=request.sort,
                    reverse=request.reverse,
                    offset=request.offset,
                    wanted_still=lambda: not _is_live(request) or number >= self._newest_live,
                )
                return protocol.SearchAnswer(
                    query=answer.query,
                    model=answering.model.info.title,
                    took_ms=answer.took_ms,
                    moments=answer.moments,
                    confident=answer.confident,
                    parts=answer.parts,
                    searched=answer.searched,
                    files=answer.files,
                    browsed=answer.browsed,
                    total=answer.total,
                )

    def _browse_loop(self) -> None:
        """What the catalog alone answers: never behind a query, nor behind a model that is being loaded."""
        while (item := self._browsing.get()) is not None:
            self._answer(item[0], partial(self._search, *item))

    # --- the indexing thread ----------------------------------------------------------------------------------

    def _job_loop(self) -> None:
        if not self._config.read_only:
            with living_on("tidying the library"):
                self._purge_if_due()
                self._tidy_thumbnails()
        while (job := self._next_job()) is not None:
            with living_on("indexing"):
                self._do(job)

    def _do(self, job: _Index | _Look | _Remove | _Add | _Free | _Forget) -> None:
        if isinstance(job, _Remove):
            self._answer(job.request, partial(self._remove, job.path))
            self._removals.remove(job.path)
        elif isinstance(job, _Free):
            self._answer(job.request, self._free)
        elif isinstance(job, _Forget):
            self._answer(job.request, partial(self._forget, job.body))
        elif isinstance(job, _Add):
            self._answer(job.request, partial(self._add, job.paths))
        elif isinstance(job, _Index):
            self._index(job)
        elif places := self._watching.take():
            self._index(_Index(tuple(places), quiet=True))

    def _next_job(self) -> _Index | _Look | _Remove | _Add | _Free | _Forget | None:
        """The next one; while none waits, thumbnails that are missing are drawn."""
        with living_on("drawing missing thumbnails"):
            self._redraw()
        while True:
            with living_on("forgetting what is gone"):
                self._purge_if_due()
            try:
                return self._jobs.get(timeout=PURGE_SECONDS)
            except queue.Empty:
                continue

    def _redraw(self) -> None:
        try:
            drawn = self._thumbnails.redraw(
                self._library.open_decoder,
                self._config.sampling,
                lambda: self._closing or self._control.paused or self._control.on_battery or not self._jobs.empty(),
            )
            if drawn:
                self._send(protocol.LibraryChanged())
        except (CretError, OSError) as error:
            log.warning("Missing thumbnails could not be drawn: %s", error)

    def _tidy_thumbnails(self) -> None:
        catalog = self._library.catalog
        try:
            if catalog.unclean:
                self._thumbnails.sweep()
            self._thumbnails.look(closely=catalog.unclean)
        except (CretError, OSError) as error:
            log.warning("The thumbnails could not be looked at: %s", error)

    def _purge_if_due(self) -> None:
        """Forget what has been gone for so long that nobody will bring it back; once a day, since we may live long."""
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

    def _index(self, job: _Index) -> None:
        self._control.renew()
        if self._closing:
            return
        self._running = job
        self._told_progress = not job.quiet
        self._stopped = self._stopped and job.quiet
        error, exit_status = "", 0
        config = self._config
        indexer = self._library.indexer(self._on_progress, config.leave_out, config.sampling, config.disk_budget)
        try:
            with self._library.catalog.guarded():
                totals = indexer.run(job.places, self._control, only_new=self._stopped)
            if totals.files and not totals.cancelled:
                self._library.searcher.encode_references()  # encoded now, so that the first search need not
            self._build_graph_if_due()
            self._settle_model()
        except CretError as failure:
            self._fall_if_damaged(failure)
            totals, error, exit_status = indexer.totals, str(failure), failure.exit_status
        except BaseException as failure:  # its end is told of whatever ends it: somebody waits for that
            log.exception("indexing failed")
            totals, exit_status = indexer.totals, CretError.exit_status
            error = f"Indexing stopped on a defect: {why(failure)}."
        finally:
            self._running = None
        self._stopped = self._stopped or bool(error)
        self._watching.look_again(totals.unsettled)
        self._watching.roots_changed()  # their places may have
        if self._told_progress or error:
            self._send(protocol.IndexFinished(totals, error, exit_status))

    def _settle_model(self) -> None:
        """Searches change over to the model that is indexed with, once they find with it what they found before."""
        library = self._library
        if library.before is None or library.embeddings.count_behind(library.model.info.fingerprint):
            return
        library.searcher.prepare()  # loaded now, so that the first search need not
        library.before = None  # and with it its weights; a search that is under way in it still ends
        self._send(protocol.ModelsChanged())
        self._send(protocol.LibraryChanged())

    def _on_progress(self, event: IndexProgress | FileIndexed | FolderScanned | FilesMeasured) -> None:
        if isinstance(event, FolderScanned):
            self._watching.looked(event)
            if event.changed:
                self._send(protocol.LibraryChanged())
            return
        if isinstance(event, FilesMeasured):
            self._send(protocol.LibraryChanged())
            return
        if not self._told_progress:
            if isinstance(event, IndexProgress) and event.phase is Phase.SCANNING:
                return
            self._told_progress = True
        self._send(event)
        self._tell_if_lost()
        if isinstance(event, FileIndexed):
            self._build_graph_if_due()

    def _build_graph_if_due(self) -> None:
        """Long tails become graphs beside indexing and searching; the building itself is a child process."""
        if self._closing or (self._builder is not None and self._builder.is_alive()):
            return
        if self._library.index.needs_build():
            self._send(protocol.Optimising(True))
            self._builder = threading.Thread(target=self._build_graph, name="graph")
            self._builder.start()

    def _build_graph(self) -> None:
        try:
            self._library.index.build()
        except CretError as error:
            log.warning("The search graph was not built, search stays exact: %s", error)
        finally:
            self._send(protocol.Optimising(False))

    def _remove(self, path: str) -> None:
        catalog = self._library.catalog
        root = next((root for root in catalog.roots() if root.path == path), None)
        try:
            if root is None:
                raise PathError(f"{path} is not a folder of this library.")
            self._library.remove(np.asarray(catalog.remove_root(root.id), np.int64))
            self._build_graph_if_due()  # what was removed must not stay in the graph's file
            self._watching.roots_changed()
            self._send(protocol.LibraryChanged())
        finally:
            rest = catalog.roots()
            if rest:
                self._jobs.put(_Index(tuple((root, root.path) for root in rest)))

    def _free(self) -> object:
        self._library.catalog.check_writable()
        try:
            self._thumbnails.sweep()
            self._library.shrink_thumbnails(self._config.sampling, lambda: self._closing)
            self._send(protocol.LibraryChanged())  # pictures have other names now
            drop_forgotten_words(self._library.catalog)
            self._library.catalog.compact()
            return self._library.store.backup.measure()
        finally:
            self._go_on()

    def _forget(self, body: protocol.Forget) -> protocol.Forgotten:
        """Always to the end, however little there was: what an earlier one was stopped at is done then."""
        catalog, library = self._library.catalog, self._config.library
        catalog.check_writable()
        try:
            gone = forget_gone(catalog, body.path and os.path.abspath(body.path))
            try:
                drop_forgotten_words(catalog)
                emptied = catalog.compact()
            finally:
                self._forget_clips(gone.clips, gone.sprites)  # last: a graph that is built reads the catalog
            if body.copies:
                forgetting.delete_copies(library)
            left = tuple(str(place) for place in forgetting.copies(library))
            return protocol.Forgotten(gone.videos, gone.folders, gone.kept, gone.staying, left, not emptied)
        finally:
            self._send(protocol.LibraryChanged())
            self._go_on()

    def _go_on(self) -> None:
        """Take up the runs again that were stopped for something else."""
        if roots := self._library.catalog.roots():
            self._jobs.put(_Index(tuple((root, root.path) for root in roots), quiet=True))

    def _forget_clips(self, clips: Sequence[int], sprites: Sequence[str]) -> None:
        self._library.remove(np.asarray(clips, np.int64))
        self._build_graph_if_due()
        self._library.store.blobs.remove(sprites)

    def _send(self, message: object) -> None:
        with self._send_lock:
            try:
                self._connection.send(message)
            except (BrokenPipeError, ConnectionError):
                log.debug("the client is gone; %s was not sent", type(message).__name__)


def _step_back() -> None:
    """The background's priority for this process, and for the decoders and the builder that it will start."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(10)


def _on_battery() -> bool:
    try:
        battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except OSError:  # a system that tells nothing of its power: a container, a bare kernel
        battery = None
    return battery is not None and battery.power_plugged is False


def _is_browsing(request: _Question) -> bool:
    """Whether nothing is compared with pictures, so that no model is needed."""
    match request:
        case protocol.Search(without=without) if without:
            return False
        case protocol.Search() | protocol.GetFilmstrip():
            try:
                return request.like is None and not parse(request.text).text
            except QueryError:  # the search itself will say so
                return True
    return False


def _is_live(request: _Question) -> bool:
    return isinstance(request, protocol.Search) and request.live


class _Log(logging.handlers.RotatingFileHandler):
    """The log of a library, of 1 MB and one before it. Its files are made by the library's door, as all others are."""

    def __init__(self, files: LibraryFiles) -> None:
        self._files = files
        super().__init__(files.root / LOG, maxBytes=1_000_000, backupCount=1, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        self._files.own(LOG)
        if not self._files.has(LOG):
            self._files.create(LOG)
        return super()._open()

    def doRollover(self) -> None:  # noqa: N802 - its name in the standard library
        if self.stream is not None:
            self.stream.close()
        self._files.rename(LOG, f"{LOG}.1")
        self.stream = self._open()


def _log_to(paths: LibraryPaths) -> None:
    """What went wrong behind the window is kept in a small file beside the catalog, for bug reports."""
    try:
        handler = _Log(paths.files)
    except OSError as error:  # a link, say: the library is served all the same
        log.warning("No log is kept in %s: %s", paths.root, error)
        return
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("cret_desktop").addHandler(handler)


def _failure(number: int, error: BaseException) -> protocol.Failure:
    details = "" if isinstance(error, CretError) else "".join(traceback.format_exception(error))
    if details:
        log.error("a request failed", exc_info=error)
    return protocol.Failure(number, type(error).__name__, str(error), details)
