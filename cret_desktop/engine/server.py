"""The engine's process, the only writer of a library: its transport and its lanes.

A thread reads the pipe, and answers from the catalog at once, before any model is loaded. The other lanes have threads
of their own; the indexing thread is one of them. The engine ends when its owner's pipe ends. Guests, which have joined
it, are disconnected once its lock is free, so that one of them can start the next engine. Never opens a window.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

from cret_desktop.cancellation import CancelToken
from cret_desktop.engine import adoption, codec, host, joining, protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.codec import Undecodable
from cret_desktop.engine.graph_building import GraphBuilding
from cret_desktop.engine.handlers import Call, Handlers, Work
from cret_desktop.engine.jobs import Job, JobQueue, Look, Run, Task
from cret_desktop.engine.joining import Hello
from cret_desktop.engine.lanes import WorkerLane, living_on
from cret_desktop.engine.library_log import log_to
from cret_desktop.engine.listening import Door
from cret_desktop.engine.lock import WriterLock
from cret_desktop.engine.log_lines import guard_standard_error
from cret_desktop.engine.protocol import Lane
from cret_desktop.engine.services.annotations import AnnotationService
from cret_desktop.engine.services.backups import CopyService
from cret_desktop.engine.services.exports import ExportService
from cret_desktop.engine.services.folders import FolderService
from cret_desktop.engine.services.indexing import IndexingService
from cret_desktop.engine.services.models import ModelService
from cret_desktop.engine.services.pictures import PictureService
from cret_desktop.engine.services.searching import SearchService
from cret_desktop.engine.services.upkeep import UpkeepService
from cret_desktop.engine.sessions import Guest, Session, Sessions
from cret_desktop.engine.watching import Watching
from cret_desktop.errors import CretError, EngineError, LibraryDamaged, LibraryMissing, StorageError
from cret_desktop.foreign import short
from cret_desktop.library.indexing.control import Conditions
from cret_desktop.library.searching.steps import Abandoned
from cret_desktop.messages import Message
from cret_desktop.paths import LibraryPaths

log = logging.getLogger(__name__)

IDLE_SECONDS = 120.0  # without a search, after which the memory of the video tower is freed
SERVICES = (
    AnnotationService,
    CopyService,
    ExportService,
    FolderService,
    IndexingService,
    ModelService,
    PictureService,
    SearchService,
    UpkeepService,
)


def serve(connection: Connection, config: EngineConfig) -> None:
    """Open the library, report the result (EngineStarted or Failure), and serve until Shutdown or the pipe's end."""
    guard_standard_error()
    lock, strange = WriterLock(LibraryPaths(config.library).lock), False
    notice: Message | None = None
    door: Door | None = None
    try:
        if config.moved and not LibraryPaths(config.library).catalog.exists():
            raise LibraryMissing("library.moved-away", folder=config.library)
        if not config.read_only:
            lock.acquire()
            door = Door(config.library)  # at once: programs that find the lock held wait there
            if config.gentle:
                host.step_back()
            if not config.adopt:
                adoption.require_ours(config.library)  # before anything in it is moved
            notice = adoption.take_restored(config.library)
            if config.adopt and adoption.standing(config.library).origin is adoption.Origin.STRANGE:
                notice = adoption.adopt(config.library, config.follow)
            adoption.require_ours(config.library)
            log_to(LibraryPaths(config.library))
        elif adoption.standing(config.library).origin is adoption.Origin.STRANGE:
            strange, notice = True, adoption.strange(config.library)
        module, _, function = config.factory.partition(":")
        factory: Callable[..., OpenLibrary] = getattr(importlib.import_module(module), function)
        try:
            library = factory(config.library, config.model, config.device, config.read_only)
        except LibraryDamaged:  # found while opening: opening the catalog again repairs it
            library = factory(config.library, config.model, config.device, config.read_only)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the client must hear of it
        connection.send_bytes(codec.encode_message(_failure(0, error)))
        if door is not None:
            door.close()
        lock.release()
        return
    notices = (*([notice] if notice is not None else []), *library.catalog.notices)
    engine = Engine(connection, config, library, strange, notices)
    try:
        if door is not None:
            door.open(adoption.key_of(library.catalog), Hello.of(config), engine.join)
        engine.run()
    finally:
        if door is not None:
            door.close()
        library.close()
        lock.release()
        engine.part()


class Engine:
    """One open library and its clients."""

    def __init__(
        self,
        connection: Connection,
        config: EngineConfig,
        library: OpenLibrary,
        strange: bool,
        notices: tuple[Message, ...] = (),
    ) -> None:
        self._owner = Session(connection)
        self._config = config
        self._library = library
        self._strange = strange
        self._notices = notices
        self._told_lost = False  # whether a GPU failure has been reported
        self._sessions = Sessions()
        self._lock = threading.Lock()
        self._serving: set[threading.Thread] = set()
        self._jobs = JobQueue()
        self._conditions = Conditions(host.on_battery if config.pause_on_battery else lambda: False)
        self._conditions.pause(config.paused)
        lane = partial(WorkerLane, answer=self._answer)
        self._lanes = {
            Lane.BROWSE: lane("browse"),
            Lane.SEARCH: lane(
                "search", around=self._conditions.giving_way, idle=self._release_memory, idle_seconds=IDLE_SECONDS
            ),
            Lane.EXPORTS: lane("export"),
            Lane.PICTURES: lane("pictures"),
            Lane.MODELS: lane("models"),
            Lane.COPIES: lane("copies"),
        }
        self._watching = Watching(library.catalog, lambda: self._jobs.put(Look()))
        self._graphs = GraphBuilding(library, self._publish)
        self._upkeep = UpkeepService(library, config, self._jobs, self._graphs, self._publish)
        self._indexing = IndexingService(
            library,
            config,
            self._jobs,
            self._conditions,
            self._watching,
            self._graphs,
            self._publish,
            on_failure=self._fall_if_damaged,
            on_batch=self._tell_if_lost,
        )
        self._handlers = Handlers(self._services())

    def _services(self) -> list[object]:
        library, config, publish, lanes = self._library, self._config, self._publish, self._lanes
        return [
            AnnotationService(library, publish),
            CopyService(library, lanes[Lane.COPIES], publish),
            ExportService(lanes[Lane.EXPORTS], publish),
            FolderService(library, config, self._jobs, self._indexing, self._watching, self._graphs, publish),
            self._indexing,
            ModelService(library, lanes[Lane.MODELS], publish),
            PictureService(),
            SearchService(library),
            self._upkeep,
        ]

    def run(self) -> None:
        """Serve until the owner sends Shutdown or its pipe ends."""
        self._sessions.add(self._owner, self._started())  # before any thread that could publish
        index = threading.Thread(target=self._job_loop, name="index")
        index.start()
        if self._config.watch and not self._config.read_only:
            self._watching.start()
        try:
            self._receive(self._owner)
        finally:
            self._sessions.close()
            with self._lock:
                serving = list(self._serving)
            for thread in serving:
                thread.join()
            self._watching.close()
            self._graphs.close()
            self._jobs.close()
            for lane in self._lanes.values():
                lane.close()
            index.join()

    def join(self, connection: Connection, read_only: bool = False) -> None:
        """Serve a guest on the calling thread, until it leaves or the engine ends."""
        session = Guest(connection, read_only)
        with self._lock:
            self._serving.add(threading.current_thread())
        try:
            # The owner shows the messages about the opening of the library.
            started = replace(self._started(), read_only=read_only or self._config.read_only, notice=())
            self._sessions.add(session, started)
            self._receive(session)
        finally:
            with self._lock:
                self._serving.discard(threading.current_thread())
        if not self._sessions.closed:
            for lane in self._lanes.values():
                lane.cancel(lambda call: call.session is session)
            self._sessions.remove(session)

    def part(self) -> None:
        """Disconnect all guests. Call it last: they may then open the library themselves."""
        self._sessions.part()

    def _started(self) -> protocol.EngineStarted:
        return protocol.EngineStarted(
            self._config.read_only,
            notice=self._notices,
            strange=self._strange,
            paused=self._conditions.paused,
        )

    # --- requests ---------------------------------------------------------------------------------------------

    def _receive(self, session: Session) -> None:
        while True:
            try:
                number, request = self._sessions.receive(session)
            except (EOFError, OSError):
                return  # the client is gone
            except Undecodable as error:
                log.error("A message of a client's was passed over: %s", error)
                if error.number:
                    session.send(_failure(error.number, EngineError(error.message)))
                continue
            if isinstance(request, protocol.Shutdown):
                return
            self._pass_on(Call(session, number, request, CancelToken()))

    def _pass_on(self, call: Call) -> None:
        """Pass a call to the lane that carries it out, or carry it out here."""
        try:
            if call.session.read_only and (call.request.change or call.request.lane is Lane.EXCLUSIVE):
                raise StorageError(joining.ONLY_READS)
            with self._library.catalog.guarded():
                route = self._handlers.route(call)
        except BaseException as error:  # noqa: BLE001 - every request gets its answer, the next is heard
            call.session.send(_failure(call.number, error))
            self._fall_if_damaged(error)
            return
        if route.lane is Lane.CONTROL:
            self._answer(call, route.work)
        elif route.lane is Lane.JOB:
            self._jobs.put(Task(call, route.work))
        elif route.lane is Lane.EXCLUSIVE:
            self._jobs.put_exclusive(Task(call, route.work))
        else:
            self._lanes[route.lane].submit(call, route.work)

    def _answer(self, call: Call, work: Work) -> None:
        try:
            with self._library.catalog.guarded():
                value = work()
            call.session.send(protocol.Reply(call.number, value))
        except BaseException as error:  # noqa: BLE001 - every request gets its answer, its thread lives on
            if self._sessions.closed and call.token.cancelled and isinstance(call.session, Guest):
                return  # the end of the engine has stopped it; the guest repeats the request to the next engine
            if isinstance(error, Abandoned):
                call.session.send(
                    protocol.Failure(call.number, "Superseded", Message("engine.superseded"), superseded=True)
                )
            else:
                call.session.send(_failure(call.number, error))
                self._fall_if_damaged(error)
        self._tell_if_lost()

    def _publish(self, event: protocol.Event) -> None:
        self._sessions.publish(event)

    def _fall_if_damaged(self, error: BaseException) -> None:
        """End this process as in a crash if the catalog is damaged: the restarted engine repairs it while opening."""
        if isinstance(error, LibraryDamaged) and not self._config.read_only:
            log.error("The engine ends, so that the catalog is repaired: %s", error)
            os._exit(LibraryDamaged.exit_status)

    def _tell_if_lost(self) -> None:
        """Report once that a GPU has failed; no other model can use it either."""
        library = self._library
        lost = library.model.device_lost or library.answering.model.device_lost
        if lost is not None and not self._told_lost:
            self._told_lost = True
            self._publish(protocol.DeviceLost(lost))

    def _release_memory(self) -> None:
        """Free the video tower that a search by picture has loaded, unless a run uses it; the next one reloads it."""
        if not isinstance(self._jobs.current, Run):
            self._library.answering.model.video.release()

    # --- the indexing thread ----------------------------------------------------------------------------------

    def _job_loop(self) -> None:
        if not self._config.read_only:
            with living_on("tidying the library"):
                self._upkeep.purge_if_due()
                self._upkeep.tidy_thumbnails()
        while not (self._jobs.closed and not self._jobs.has_waiting):
            with living_on("drawing missing thumbnails"):
                self._upkeep.redraw(self._is_not_idle)
            with living_on("forgetting what is gone"):
                self._upkeep.purge_if_due()
            job = self._jobs.take(self._upkeep.rest_seconds())
            if job is not None:
                with living_on("indexing"):
                    self._do(job)
            else:
                with living_on("checking what is stored"):
                    self._upkeep.check_if_due(self._is_not_idle)

    def _is_not_idle(self) -> bool:
        jobs, conditions = self._jobs, self._conditions
        return jobs.closed or jobs.has_waiting or conditions.paused or conditions.on_battery

    def _do(self, job: Job) -> None:
        if isinstance(job, Task):
            self._answer(job.call, job.work)
        elif isinstance(job, Run):
            self._indexing.run(job)
        elif places := self._watching.take():
            self._indexing.run(self._jobs.start(job, tuple(places)))


def _failure(number: int, error: BaseException) -> protocol.Failure:
    kind = type(error).__name__
    if isinstance(error, CretError):
        return protocol.Failure(number, kind, error.message)
    log.error("a request failed", exc_info=error)
    details = "".join(traceback.format_exception(error))
    return protocol.Failure(number, kind, Message("engine.defect", kind=kind, text=short(str(error))), details)
