"""The engine in its own process, with real video, real SQLite, real hnswlib; only the model is a fake."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cret_desktop.engine import host, joining, protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import EngineError, LibraryLocked, LibraryMissing, LibraryTooNew, PathError, QueryError
from cret_desktop.library.indexing.progress import FileIndexed
from tests.said import said
from tests.videos import write_colours

FACTORY = "tests.fakes:open_library"
WAIT = 60  # seconds until a test gives up; nothing is asserted about time


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_colours(folder / "red then blue.mp4", ["red", "blue"])
    write_colours(folder / "green.mp4", ["green"])
    (folder / "broken.mp4").write_text("this is no video")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory=FACTORY)


class Events:
    """Collects all events of the engine, in order; `until` waits for the first that matches."""

    def __init__(self, client: EngineClient) -> None:
        self._queue: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        client.subscribe(self._queue.put)

    def until(self, fits: Callable[[protocol.Event], bool]) -> protocol.Event:
        while True:
            event = self._queue.get(timeout=WAIT)
            if fits(event):
                return event

    def finished(self) -> protocol.IndexFinished:
        event = self.until(lambda e: isinstance(e, protocol.IndexFinished))
        assert isinstance(event, protocol.IndexFinished)
        return event


def index(client: EngineClient, folder: Path) -> protocol.IndexFinished:
    events = Events(client)
    client.request(protocol.AddFolders((str(folder),))).result(WAIT)
    return events.finished()


def test_folder_in_moments_out(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        outcome = index(client, videos)
        assert (outcome.totals.files, outcome.totals.failed, outcome.error) == (2, 1, None)
        answer = client.request(protocol.Search("something blue")).result(WAIT)
        best = answer.moments[0]
        assert Path(best.path).name == "red then blue.mp4"
        assert best.start == pytest.approx(2.0, abs=0.05)
        assert best.end == pytest.approx(4.0, abs=0.05)
        assert all(Path(t.path).is_file() for t in best.thumbnails)
        status = client.request(protocol.GetStatus()).result(WAIT)
        assert (status.files, status.clips, status.failed, status.pending) == (3, 3, 1, 0)
        ((path, reason),) = [(f.path, said(f.reason)) for f in client.request(protocol.GetFailures()).result(WAIT)]
        assert path.endswith("broken.mp4")
        assert reason
        with pytest.raises(QueryError):
            client.request(protocol.Search("dur:long")).result(WAIT)
        with pytest.raises(PathError):
            client.request(protocol.AddFolders((str(videos / "nowhere"),))).result(WAIT)


def test_a_callback_that_raises_silences_nobody(
    config: EngineConfig, videos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: protocol.Event) -> None:
        raise ValueError("a bug in a listener")

    client = EngineClient(config)
    client.subscribe(fail)
    with client:
        assert index(client, videos).totals.files == 2, "later subscribers hear of it"
        assert client.request(protocol.GetStatus()).result(WAIT).files == 3
    assert "A callback failed on IndexFinished" in caplog.text


def test_second_run_and_reading_beside_the_writer(
    config: EngineConfig, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "join", lambda _: None)
    with EngineClient(config) as client:
        index(client, videos)
        again = index(client, videos).totals
        assert (again.files, again.skipped, again.frames_decoded) == (0, 3, 0)
        with pytest.raises(LibraryLocked, match=str(config.library)):
            EngineClient(config).start()
        reader = EngineConfig(config.library, read_only=True, factory=FACTORY)
        with EngineClient(reader) as other:
            assert other.request(protocol.Search("green")).result(WAIT).moments[0].path.endswith("green.mp4")
    with EngineClient(config) as client:
        assert client.request(protocol.Search("green")).result(WAIT).moments


def test_no_library_and_a_newer_one(config: EngineConfig) -> None:
    with pytest.raises(LibraryMissing):
        EngineClient(EngineConfig(config.library, read_only=True, factory=FACTORY)).start()
    EngineClient(config).start().close()
    import sqlite3

    with sqlite3.connect(config.library / "catalog.sqlite") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(LibraryTooNew, match="newer version"):
        EngineClient(config).start()


def test_removing_a_folder_leaves_the_videos(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        index(client, videos)
        client.request(protocol.RemoveFolder(str(videos))).result(WAIT)
        assert client.request(protocol.Search("green")).result(WAIT).moments == ()
        assert client.request(protocol.GetStatus()).result(WAIT).folders == ()
    assert len(list(videos.iterdir())) == 3
    assert len(list((config.library / "thumbnails").rglob("*.jpg"))) == 3, "kept for when it is taken back"


def test_pause_holds_and_resume_goes_on(config: EngineConfig, videos: Path) -> None:
    with EngineClient(config) as client:
        client.request(protocol.Pause(True)).result(WAIT)
        events = Events(client)
        client.request(protocol.AddFolders((str(videos),))).result(WAIT)
        assert client.request(protocol.GetStatus()).result(WAIT).paused
        assert client.request(protocol.Search("red")).result(WAIT) is not None, "a search is answered while paused"
        client.request(protocol.Pause(False)).result(WAIT)
        assert events.finished().totals.files == 2


def test_a_killed_engine_is_started_again_and_goes_on(config: EngineConfig, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(12):
        write_colours(folder / f"{number:02}.mp4", ["red"], seconds=1)
    with EngineClient(config) as client:
        events = Events(client)
        client.request(protocol.AddFolders((str(folder),))).result(WAIT)
        events.until(lambda e: isinstance(e, FileIndexed))
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
        lost = events.until(lambda e: isinstance(e, protocol.EngineLost))
        assert isinstance(lost, protocol.EngineLost)
        assert not lost.final
        started = events.until(lambda e: isinstance(e, protocol.EngineStarted))
        assert isinstance(started, protocol.EngineStarted)
        assert started.restarted
        totals = events.finished().totals
        assert totals.files + totals.skipped == 12
        status = client.request(protocol.GetStatus()).result(WAIT)
        assert (status.files, status.clips, status.pending) == (12, 12, 0)


def test_a_change_is_kept_over_a_crash(config: EngineConfig, videos: Path) -> None:
    """A stopped engine cannot answer; once it is killed, the client must pass the change to the next one."""
    with EngineClient(config) as client:
        assert client.pid is not None
        events = Events(client)
        os.kill(client.pid, signal.SIGSTOP)
        change = client.request(protocol.AddFolders((str(videos),)))
        search = client.request(protocol.Search("red"))
        os.kill(client.pid, signal.SIGKILL)
        with pytest.raises(EngineError):
            search.result(WAIT)
        assert change.result(WAIT) is None
        assert events.finished().totals.files == 2


def test_nothing_is_left_when_the_client_is_killed(config: EngineConfig, videos: Path) -> None:
    """Kill -9 of the parent: engine and decoders exit when the pipe ends."""
    import subprocess
    import sys

    program = (
        "import sys; from pathlib import Path\n"
        "from cret_desktop.engine.client import EngineClient, EngineConfig\n"
        "from cret_desktop.engine import protocol\n"
        "if __name__ == '__main__':\n"
        f"    c = EngineClient(EngineConfig(Path(sys.argv[1]), factory={FACTORY!r})).start()\n"
        "    c.request(protocol.AddFolders((sys.argv[2],))).result()\n"
        "    print(c.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    script = config.library.parent / "client.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [sys.executable, str(script), str(config.library), str(videos)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        engine = psutil.Process(int(process.stdout.readline()))
        family = [engine, *engine.children(recursive=True)]
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=WAIT)
    assert not alive


def test_live_searches_give_way_to_newer_ones(config: EngineConfig, videos: Path) -> None:
    from cret_desktop.engine.client import Superseded

    with EngineClient(config) as client:
        index(client, videos)
        assert client.pid is not None
        os.kill(client.pid, signal.SIGSTOP)
        futures = [client.request(protocol.Search(text, live=True)) for text in ("r", "re", "red")]
        os.kill(client.pid, signal.SIGCONT)
        answers: list[str | None] = []
        for future in futures:
            try:
                answers.append(future.result(WAIT).query)
            except Superseded:
                answers.append(None)
        assert answers[-1] == "red"
        assert None in answers[:-1]


def test_a_live_search_under_way_is_given_up_for_a_newer_one(tmp_path: Path, videos: Path) -> None:
    from cret_desktop.engine.client import Superseded

    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_held")
    with EngineClient(config) as client:
        index(client, videos)
        typed = [client.request(protocol.Search(text, live=True)) for text in ("re", "red")]
        asked = client.request(protocol.Search("blue"))
        client.request(protocol.GetStatus()).result(WAIT)  # the engine has received all of them; the first one is held
        (tmp_path / "go").touch()
        with pytest.raises(Superseded):
            typed[0].result(WAIT)
        assert typed[1].result(WAIT).query == "red"
        assert asked.result(WAIT).query == "blue", "what was asked by Enter takes no other's place"


def test_browsing_waits_for_no_model(tmp_path: Path, videos: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_held")
    with EngineClient(config) as client:
        index(client, videos)
        query = client.request(protocol.Search("red"))
        browsed = client.request(protocol.Search("ext:mp4")).result(WAIT)
        assert browsed.browsed
        assert browsed.total == 3
        green = next(file for file in browsed.files if file.path.endswith("green.mp4"))
        assert len(client.request(protocol.GetFilmstrip(green.id)).result(WAIT)) == green.clips > 0
        assert not query.done()
        (tmp_path / "go").touch()
        assert query.result(WAIT).query == "red"


def test_nobody_waits_for_the_graph(tmp_path: Path, videos: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_slow_graph")
    with EngineClient(config) as client:
        events = Events(client)
        client.request(protocol.AddFolders((str(videos),))).result(WAIT)
        assert events.until(lambda e: isinstance(e, protocol.Optimising | protocol.IndexFinished)) == (
            protocol.Optimising(True)
        ), "said before the end, so that who must wait can know"
        assert events.finished().totals.clips == 3
        assert client.request(protocol.Search("green")).result(WAIT).moments[0].path.endswith("green.mp4")
        assert index(client, videos).totals.files == 0, "other runs need not wait for it either"
        (tmp_path / "go").touch()
        assert events.until(lambda e: isinstance(e, protocol.Optimising)) == protocol.Optimising(False)
        assert list((config.library / "graphs").iterdir())
        assert client.request(protocol.Search("green")).result(WAIT).moments[0].path.endswith("green.mp4")


def test_what_was_removed_does_not_stay_in_the_graph(tmp_path: Path, videos: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_slow_graph")
    (tmp_path / "go").touch()
    with EngineClient(config) as client:
        events = Events(client)
        client.request(protocol.AddFolders((str(videos),))).result(WAIT)
        events.until(lambda e: e == protocol.Optimising(False))
        assert list((config.library / "graphs").iterdir())
        client.request(protocol.RemoveFolder(str(videos))).result(WAIT)
        events.until(lambda e: e == protocol.Optimising(False))
        assert not list((config.library / "graphs").iterdir())


def test_a_system_that_tells_nothing_of_its_power_is_on_mains(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil reads /sys, which containers may lack."""

    def look() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/sys/class/power_supply")

    monkeypatch.setattr(psutil, "sensors_battery", look, raising=False)
    assert host.on_battery() is False
