"""Every request is answered, whatever it raises, and its thread survives for the next one."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.handlers import Call
from cret_desktop.engine.lanes import WorkerLane, living_on
from cret_desktop.engine.log_lines import LineFormatter
from cret_desktop.errors import EngineError
from cret_desktop.messages import Message
from tests.engine.calls import call
from tests.fakes import RAISED, Panic

SECONDS = 60


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    place = tmp_path_factory.mktemp("answers")
    with EngineClient(EngineConfig(place / "library", factory="tests.fakes:open_library_that_raises")) as client:
        yield client


@pytest.mark.parametrize("word", sorted(RAISED))
def test_a_search_that_raises_is_answered_and_the_next_one_too(engine: EngineClient, word: str) -> None:
    with pytest.raises(EngineError, match=RAISED[word].__name__):
        engine.request(protocol.Search(word)).result(SECONDS)
    assert engine.request(protocol.Search("red")).result(SECONDS).moments == ()


@pytest.mark.parametrize(
    "request_",
    [
        protocol.GetFilmstrip(1, "", None), protocol.GetFilmstrip(1, "red", None), protocol.RetryFailures(),
        protocol.GetTags(), protocol.GetModels(), protocol.FreeSpace(),
    ],
    ids=lambda request: type(request).__name__,
)  # fmt: skip
def test_each_thread_answers_what_raises_or_cannot_be_sent(
    engine: EngineClient, request_: protocol.Request[Any]
) -> None:
    for _ in range(2):
        with pytest.raises(EngineError):
            engine.request(request_).result(SECONDS)
    assert engine.request(protocol.GetFailures()).result(SECONDS) == ()


def test_what_cannot_be_read_ends_nothing(engine: EngineClient) -> None:
    """Bytes that are no message, and a message unknown to this engine, as from a newer client."""
    assert engine._connection is not None
    answer: Future[Any] = Future()
    with engine._lock:
        engine._pending[10**6] = (protocol.GetFailures(), answer)
        engine._connection.send_bytes(b"\x80\x04 a pickle")
        engine._connection.send_bytes(b'{"kind":"Tomorrow","id":1000000,"body":{}}')
    with pytest.raises(EngineError, match="does not know the request Tomorrow"):
        answer.result(SECONDS)
    pid = engine.pid
    assert engine.request(protocol.GetFailures()).result(SECONDS) == ()
    assert engine.pid == pid


def test_a_run_that_raises_ends_and_the_next_one_begins(engine: EngineClient, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    finished: queue.SimpleQueue[protocol.IndexFinished] = queue.SimpleQueue()

    def listen(event: protocol.Event) -> None:
        if isinstance(event, protocol.IndexFinished):
            finished.put(event)

    unsubscribe = engine.subscribe(listen)
    try:
        for _ in range(2):
            engine.request(protocol.AddFolders((str(tmp_path),))).result(SECONDS)
            assert finished.get(timeout=SECONDS).error == Message("engine.indexing-defect", kind="Panic", text="here")
    finally:
        unsubscribe()


@pytest.mark.parametrize("error", [Panic("here"), SystemExit(1), MemoryError(), RecursionError()])
def test_a_lane_lives_on_where_even_the_answer_raises(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    answered: queue.SimpleQueue[int] = queue.SimpleQueue()

    def answer(call: Call, work: Callable[[], object]) -> None:
        work()
        answered.put(call.number)

    def fail() -> None:
        raise error

    lane = WorkerLane("test", answer)
    try:
        lane.submit(call(1), fail)
        lane.submit(call(2), lambda: None)
        assert answered.get(timeout=SECONDS) == 2
    finally:
        lane.close()
    assert "the answer of test failed" in caplog.text


def test_a_round_of_a_thread_ends_nothing() -> None:
    rounds: list[int] = []

    def loop() -> None:
        for number in range(3):
            with living_on("a round"):
                rounds.append(number)
                raise SystemExit

    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    assert rounds == [0, 1, 2]


def record(message: str, *args: Any, error: BaseException | None = None) -> str:
    made = logging.LogRecord(
        "cret_desktop.x", logging.WARNING, "x.py", 1, message, args, (type(error), error, None) if error else None
    )
    return LineFormatter("%(levelname)s %(name)s: %(message)s").format(made)


HOSTILE = "a\n2026-01-01 00:00:00,000 INFO cret_desktop.x: all is well\x1b[2J\x9b1m\u202egpj.\udcff\r.mp4"


def test_a_name_makes_no_line_of_the_log() -> None:
    line = record("%s cannot be read", HOSTILE)
    assert line.isprintable()
    assert line.startswith("WARNING cret_desktop.x: a\\n2026")
    for shown in ("\\x1b[2J", "\\x9b1m", "\\u202e", "\\udcff", "\\r"):
        assert shown in line


def test_nor_does_a_traceback() -> None:
    lines = record("failed", error=ValueError(HOSTILE)).split("\n")
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("    | ") for line in lines[1:])
    assert "ValueError: a" in "".join(lines)
