"""The queue of the indexing thread, and the lanes: no cancellation is lost, whenever it comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from cret_desktop.cancellation import CancelToken
from cret_desktop.engine import protocol
from cret_desktop.engine.handlers import Call
from cret_desktop.engine.jobs import JobQueue, Look, Run, Task
from cret_desktop.engine.lanes import WorkerLane
from tests.engine.calls import call, session

SECONDS = 60


def task(number: int, request: protocol.Request[None]) -> Task:
    return Task(call(number, request), lambda: None)


def test_a_cancel_between_pick_up_and_start_of_a_run_holds() -> None:
    jobs = JobQueue()
    jobs.put(Run(()))
    run = jobs.take(0)
    assert isinstance(run, Run)
    assert not jobs.stopped
    jobs.cancel_runs()  # the thread has taken the run but not started it
    assert run.token.cancelled
    assert jobs.stopped, "what is left is not resumed unasked"


def test_cancelling_drops_runs_and_keeps_requests() -> None:
    jobs = JobQueue()
    first, removal = Run(()), task(1, protocol.RemoveFolder("/a"))
    look = Look()
    for job in (first, removal, look, Run(())):
        jobs.put(job)
    jobs.cancel_runs()
    assert not first.token.cancelled, "it is dropped, not cancelled"
    assert [jobs.take(0), jobs.take(0), jobs.take(0)] == [removal, look, None]


def test_a_run_that_is_asked_for_resumes_what_was_stopped() -> None:
    jobs = JobQueue()
    jobs.cancel_runs()
    jobs.put(Run((), quiet=True))
    jobs.take(0)
    stopped = [jobs.stopped]
    jobs.put(Run(()))
    jobs.take(0)
    stopped.append(jobs.stopped)
    jobs.rest(failed=True)
    stopped.append(jobs.stopped)
    assert stopped == [True, False, True]


def test_an_exclusive_request_stops_the_run_under_way_alone() -> None:
    jobs = JobQueue()
    under_way, waiting = Run(()), Run(())
    jobs.put(under_way)
    jobs.put(waiting)
    jobs.take(0)
    removal = task(1, protocol.RemoveFolder("/a"))
    jobs.put_exclusive(removal)
    assert (under_way.token.cancelled, waiting.token.cancelled) == (True, False)
    assert [jobs.take(0), jobs.take(0)] == [waiting, removal]


def test_what_goes_first_comes_before_runs_and_the_one_under_way_resumes() -> None:
    jobs = JobQueue()
    under_way, later, first = Run((), quiet=True), Run(()), Run(())
    removal = task(1, protocol.RemoveFolder("/a"))
    jobs.put(under_way)
    jobs.take(0)
    for job in (removal, later):
        jobs.put(job)
    jobs.put_first(first)
    assert under_way.token.cancelled
    assert jobs.take(0) is removal
    assert jobs.take(0) is first
    resumed = jobs.take(0)
    assert isinstance(resumed, Run)
    assert (resumed.places, resumed.quiet, resumed.token.cancelled) == (under_way.places, True, False)
    assert jobs.take(0) is later


def test_a_look_that_became_a_run_is_stopped_as_one() -> None:
    jobs = JobQueue()
    jobs.put(Look())
    look = jobs.take(0)
    assert isinstance(look, Look)
    jobs.put_exclusive(task(1, protocol.RemoveFolder("/a")))  # before its places were taken
    assert jobs.start(look, ()).token.cancelled


def test_a_removal_is_known_until_it_is_done() -> None:
    def removes(other: Call) -> bool:
        return isinstance(other.request, protocol.RemoveFolder)

    jobs = JobQueue()
    assert not jobs.holds(removes)
    jobs.put_exclusive(task(1, protocol.RemoveFolder("/a")))
    assert jobs.holds(removes)
    jobs.take(0)
    assert jobs.holds(removes), "under way"
    jobs.take(0)
    assert not jobs.holds(removes)


def test_a_closed_queue_gives_out_what_was_asked_for_and_no_runs() -> None:
    jobs = JobQueue()
    under_way, removal = Run(()), task(1, protocol.RemoveFolder("/a"))
    jobs.put(under_way)
    jobs.take(0)
    jobs.put(Run(()))
    jobs.put(removal)
    jobs.close()
    jobs.put(Run(()))
    assert under_way.token.cancelled
    assert [jobs.take(SECONDS), jobs.take(SECONDS)] == [removal, None]


def test_taking_waits_for_a_job() -> None:
    jobs = JobQueue()
    taken: queue.SimpleQueue[object] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: taken.put(jobs.take(SECONDS)))
    thread.start()
    run = Run(())
    jobs.put(run)
    assert taken.get(timeout=SECONDS) is run
    thread.join()


class Held:
    """A lane whose first call holds it until `go`; `ends` has the outcome of each call."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.ends: queue.SimpleQueue[tuple[int, bool]] = queue.SimpleQueue()
        self.lane = WorkerLane("held", self._answer)

    def _answer(self, call: Call, work: Callable[[], object]) -> None:
        self.begun.set()
        assert self.go.wait(SECONDS)
        work()
        self.ends.put((call.number, call.token.cancelled))

    def until(self, count: int) -> list[tuple[int, bool]]:
        return [self.ends.get(timeout=SECONDS) for _ in range(count)]


def test_a_cancel_is_not_lost_to_a_request_that_comes_after_it() -> None:
    """As when a backup is cancelled, and the window requests the library's size before the copying notices."""
    held = Held()
    try:
        held.lane.submit(call(1, protocol.BackUpLibrary("/copy")), lambda: None)
        assert held.begun.wait(SECONDS)
        held.lane.cancel()
        held.lane.submit(call(2, protocol.GetLibrarySize()), lambda: None)
        held.go.set()
        assert held.until(2) == [(1, True), (2, False)]
    finally:
        held.go.set()
        held.lane.close()


def test_a_cancel_reaches_what_waits_of_its_own_session() -> None:
    held, mine, other = Held(), session(), session()
    try:
        for number, of in ((1, other), (2, mine), (3, other)):
            held.lane.submit(call(number, of=of), lambda: None)
        held.lane.cancel(lambda call: call.session is mine)
        held.go.set()
        assert held.until(3) == [(1, False), (2, True), (3, False)]
    finally:
        held.go.set()
        held.lane.close()


def test_a_lane_that_ends_carries_out_changes_and_nothing_else() -> None:
    held = Held()
    held.lane.submit(call(1), lambda: None)
    assert held.begun.wait(SECONDS)
    held.lane.submit(call(2, protocol.GetLibrarySize()), lambda: None)
    held.lane.submit(call(3, protocol.ImportTags("tags.json")), lambda: None)
    closer = threading.Thread(target=held.lane.close)
    closer.start()
    while not all(call.token.cancelled for call in held.lane.calls()):
        pass
    held.go.set()
    closer.join(SECONDS)
    assert held.until(2) == [(1, True), (3, True)]
    assert held.ends.empty()


def test_a_newer_live_call_cancels_the_one_before_in_its_own_session() -> None:
    mine, other = session(), session()
    first, theirs, second = CancelToken(), CancelToken(), CancelToken()
    mine.supersede(protocol.Search, first)
    other.supersede(protocol.Search, theirs)
    mine.supersede(protocol.ReadPicture, CancelToken())
    assert not first.cancelled
    mine.supersede(protocol.Search, second)
    assert (first.cancelled, theirs.cancelled, second.cancelled) == (True, False, False)


def test_a_callback_is_called_within_its_block_alone() -> None:
    token, called = CancelToken(), []
    with token.calling(lambda: called.append("before")):
        pass
    with token.calling(lambda: called.append("within")):
        token.cancel()
    with token.calling(lambda: called.append("after")):
        pass
    assert called == ["within", "after"]
    assert token.wait(0)


@pytest.mark.parametrize("seconds", [-1.0, 0.0])
def test_waiting_for_no_time_returns_whether_it_is_cancelled(seconds: float) -> None:
    assert not CancelToken().wait(seconds)
