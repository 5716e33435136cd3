"""One window for a library: a second start, a first that crashed, one that hangs, and messages that are not ours."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalSocket
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from cret_desktop import app, paths
from cret_desktop.app import Application
from cret_desktop.gui.shell import single_instance
from cret_desktop.gui.shell.single_instance import SingleInstance
from tests.gui.conftest import FACTORY, WAIT


def _second(connection: Connection, library: Path, folder: Path, query: str, places: list[str]) -> None:
    """A second start, in a process of its own: says whether it is the first, and stays until told."""
    instance = SingleInstance(library, folder)
    connection.send(instance.claim(query, places))
    connection.recv()
    instance.release()


class Second:
    def __init__(self, library: Path, folder: Path, query: str = "", places: tuple[str, ...] = ()) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_second, args=(theirs, library, folder, query, list(places)))
        self.process.start()

    def end(self) -> None:
        self.connection.send(None)
        self.process.join()


@pytest.fixture
def running() -> Iterator[Path]:
    """A folder with a short name: a socket's path is bounded to about 100 bytes, and `tmp_path` is long."""
    folder = Path(tempfile.mkdtemp(prefix="cret-"))
    yield folder / "running"
    shutil.rmtree(folder)


@pytest.fixture
def first(qapp: QApplication, tmp_path: Path, running: Path) -> Iterator[SingleInstance]:
    instance = SingleInstance(tmp_path / "library", running)
    assert instance.claim()
    yield instance
    instance.release()


def test_a_second_start_hands_over_what_it_was_given(
    first: SingleInstance, tmp_path: Path, qtbot: QtBot, running: Path
) -> None:
    places = ("/videos/Größe", os.fsdecode(b"/videos/\xff"))
    with qtbot.waitSignal(first.called, timeout=WAIT) as called:
        second = Second(tmp_path / "library", running, "a red car", places)
    assert called.args == ["a red car", list(places)]
    qtbot.waitUntil(second.connection.poll, timeout=WAIT)
    assert second.connection.recv() is False
    second.end()


def test_another_library_has_a_window_of_its_own(first: SingleInstance, tmp_path: Path, running: Path) -> None:
    other = SingleInstance(tmp_path / "another", running)
    assert other.claim()
    other.release()


def test_the_next_is_first_when_the_first_has_ended(first: SingleInstance, tmp_path: Path, running: Path) -> None:
    first.release()
    again = SingleInstance(tmp_path / "library", running)
    assert again.claim()
    again.release()


def test_a_first_that_was_killed_stands_in_nobodys_way(
    qapp: QApplication, tmp_path: Path, qtbot: QtBot, running: Path
) -> None:
    killed = Second(tmp_path / "library", running)
    assert killed.connection.recv() is True
    killed.process.kill()
    killed.process.join()
    assert list((running).iterdir()) != [], "it left its socket behind"
    next_ = SingleInstance(tmp_path / "library", running)
    assert next_.claim()
    with qtbot.waitSignal(next_.called, timeout=WAIT):
        second = Second(tmp_path / "library", running)
    qtbot.waitUntil(second.connection.poll, timeout=WAIT)
    second.end()
    next_.release()


@pytest.mark.skipif(os.name == "nt", reason="a file that is held open has its date set otherwise there")
def test_a_first_of_yesterday_is_still_the_first(
    qapp: QApplication, tmp_path: Path, running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Second(tmp_path / "library", running)
    assert first.connection.recv() is True
    (lock,) = running.glob("*.lock")
    os.utime(lock, (1, 1))
    monkeypatch.setattr(single_instance, "WAIT_MS", 200)
    mine = SingleInstance(tmp_path / "library", running)
    assert not mine._lock.tryLock(0)
    first.end()


def test_a_lock_that_a_power_cut_left_empty_is_taken(qapp: QApplication, tmp_path: Path, running: Path) -> None:
    first = SingleInstance(tmp_path / "library", running)
    assert first.claim()
    (lock,) = running.glob("*.lock")
    first.release()
    lock.touch()
    os.utime(lock, (1, 1))
    again = SingleInstance(tmp_path / "library", running)
    assert again._lock.tryLock(0)
    again.release()


def test_a_first_that_does_not_answer_is_not_waited_for_long(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: Path
) -> None:
    monkeypatch.setattr(single_instance, "WAIT_MS", 200)
    hangs = Second(tmp_path / "library", running)  # it runs no event loop
    assert hangs.connection.recv() is True
    mine = SingleInstance(tmp_path / "library", running)
    assert mine.claim("red"), "two windows are better than none"
    hangs.end()


@pytest.mark.skipif(os.name == "nt", reason="a named pipe has no mode")
def test_only_this_person_may_enter(first: SingleInstance, tmp_path: Path, running: Path) -> None:
    folder = running
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    first.release()
    folder.chmod(0o755)
    SingleInstance(tmp_path / "library", folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "message", [b"hello\n", b"[]\n", b'{"query": 1, "paths": []}\n', b'{"query": "", "paths": [1]}\n']
)
def test_what_is_not_ours_is_left_alone(
    first: SingleInstance, tmp_path: Path, message: bytes, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[object] = []
    first.called.connect(lambda *given: called.append(given))
    socket = QLocalSocket()
    with qtbot.waitSignal(socket.disconnected, timeout=WAIT):
        socket.connectToServer(first._name)
        socket.write(message)
    assert called == []
    assert "left unread" in caplog.text


def test_deep_and_endless_messages_are_left_alone(
    first: SingleInstance, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance, "MOST_BYTES", 1 << 20)
    for message in (b"[" * 500_000 + b"\n", b"[" * (3 << 20)):
        socket = QLocalSocket()
        with qtbot.waitSignal(socket.disconnected, timeout=WAIT):
            socket.connectToServer(first._name)
            socket.write(message)


def test_guests_that_say_nothing_are_few_and_soon_gone(
    first: SingleInstance, tmp_path: Path, running: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance, "GUEST_MS", 60_000)
    idle = []
    for number in range(100):
        socket = QLocalSocket()
        socket.connectToServer(first._name)
        socket.write(b'{"query"' if number % 2 else b"")
        idle.append(socket)
        qtbot.wait(1)
    qtbot.waitUntil(
        lambda: sum(s.state() is s.LocalSocketState.ConnectedState for s in idle) <= single_instance.MOST_GUESTS,
        timeout=WAIT,
    )
    assert len(first._sockets) <= single_instance.MOST_GUESTS
    with qtbot.waitSignal(first.called, timeout=WAIT) as called:
        second = Second(tmp_path / "library", running, "red")
    assert called.args == ["red", []], "who has something to say is heard among them"
    qtbot.waitUntil(second.connection.poll, timeout=WAIT)
    assert second.connection.recv() is False
    second.end()
    first.release()
    assert first._sockets == [], "none of them is waited for"
    qtbot.waitUntil(lambda: all(s.state() is s.LocalSocketState.UnconnectedState for s in idle), timeout=WAIT)


def test_a_slow_guest_is_let_go_of(first: SingleInstance, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that sends a letter now and then: the whole message has its time."""
    monkeypatch.setattr(single_instance, "GUEST_MS", 300)
    socket = QLocalSocket()
    socket.connectToServer(first._name)
    while socket.state() is not socket.LocalSocketState.UnconnectedState:
        socket.write(b"[")
        qtbot.wait(20)
    assert first._sockets == []


def test_the_window_comes_to_the_front(closed_application: Application, tmp_path: Path, qtbot: QtBot) -> None:
    window = closed_application.window
    window.showMinimized()
    added: list[Sequence[str]] = []
    window.library.add = added.append  # type: ignore[method-assign, assignment]
    closed_application.bring_to_front("red", ["/videos"])
    assert window.isVisible()
    assert not window.isMinimized()
    assert window.search.text == "red"
    assert added == [["/videos"]]


PROGRAM = """
import sys
from pathlib import Path
from cret_desktop import app
from cret_desktop.engine.client import EngineConfig
if __name__ == "__main__":
    print("opening", flush=True)
    status = app.run(EngineConfig(Path(sys.argv[1]), factory=sys.argv[2]), *sys.argv[3:])
    print("ended", status, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="ends the first by SIGTERM")
def test_two_starts_of_the_whole_app(tmp_path: Path, qtbot: QtBot, running: Path) -> None:
    """The second ends at once, the first goes on, and a signal closes it with its engine."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    root = Path(app.__file__).parent.parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
        "XDG_CACHE_HOME": str(running.parent),
    }
    command = [sys.executable, str(program), str(tmp_path / "library"), FACTORY]
    first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        there = running.parent / paths.APP_NAME / "running"
        qtbot.waitUntil(lambda: first.poll() is not None or any(there.glob("*.socket")), timeout=WAIT)
        second = subprocess.run(
            [*command, "red"], env=environment, capture_output=True, text=True, timeout=WAIT / 1000, check=False
        )
        assert second.stdout.split() == ["opening", "ended", "0"], second.stderr
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGTERM)
        out, said = first.communicate(timeout=WAIT / 1000)
    assert out.split() == ["opening", "ended", "0"], said


STARTED_BY_A_LAUNCHER = """
import sys
from cret_desktop import app
app.run = lambda config, places: print(config.library, places, "typer" in sys.modules) or 0
from cret_desktop.__main__ import gui_main
gui_main()
"""


def test_a_launcher_starts_the_window_without_the_command_line(tmp_path: Path) -> None:
    environment = {**os.environ, paths.LIBRARY_VARIABLE: str(tmp_path / "library"), "XDG_CONFIG_HOME": str(tmp_path)}

    def start(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", STARTED_BY_A_LAUNCHER, "a video.mp4"]
        return subprocess.run(command, env={**environment, **more}, cwd=tmp_path, capture_output=True, text=True)

    done = start(PYTHONPATH=str(Path.cwd()))
    assert done.stdout.strip() == f"{tmp_path / 'library'} ['{tmp_path / 'a video.mp4'}'] False", done.stderr
    refused = start(PYTHONPATH=str(Path.cwd()), **{paths.DEVICE_VARIABLE: "abacus"})
    assert refused.returncode == 2
    assert refused.stderr.strip() == "There is no device “abacus”. Choose one of auto, cuda, mps, cpu."
