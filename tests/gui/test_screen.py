"""The program as it is started, on an X display: it opens, plays, outlives its engine, and closes without a trace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select

import psutil
import pytest

from cret_desktop import app
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.protocol import Search, SearchAnswer
from tests.gui.conftest import FACTORY, WAIT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Xvfb is an X server for Linux")

# What Qt says of a machine without a graphics card, without sound.
BARE_MACHINE = ("No RHI backend", "pa_context_connect", "No audio device detected")

# The window with a person inside: it does what is written to its standard input, one step a line, and answers.
PROGRAM = """
import os
import sys
from pathlib import Path
from PySide6.QtCore import QSocketNotifier, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from cret_desktop import app
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import ChangeTags

def answer(words):
    print(words, flush=True)

def inhabit(application):
    qt, window, bridge = application.qt, application.window, application.bridge
    window.search.answered.connect(lambda found, *_: answer(f"answered {len(found.moments)}"))
    bridge.started.connect(lambda started: answer(f"started {started.restarted} {bridge.client.pid}"))
    bridge.lost.connect(lambda lost: answer(f"lost {window.banner.isVisible()} {window.banner.text}"))

    def steps():
        for line in os.read(0, 65536).decode().splitlines():  # each is written at once, and short
            step(line)

    def step(line):
        match line.split():
            case ["key", name]:
                QTest.keyClick(QApplication.focusWidget() or window, getattr(Qt.Key, f"Key_{name}"))
            case ["search", words]:
                window.search_bar.search(words)
            case ["choose"]:
                window.results.focus_results()
                window.results.view.setCurrentIndex(window.results.model.index(0, 0))
            case ["seen"]:
                player = window.player
                shown = player.surface if player.isVisible() else window.preview.surface
                pixel = shown.grab().toImage().pixelColor(shown.width() // 2, shown.height() // 2)
                place = player.playback.position if player.playback is not None else 0.0
                answer(f"seen {player.isVisible()} {place:.2f} {pixel.red()} {pixel.green()} {pixel.blue()}")
            case ["tag", file, tag]:
                bridge.request(ChangeTags((int(file),), (tag,)), lambda _: answer("tagged"), answer)
            case ["close"]:
                window.close()

    notifier = QSocketNotifier(0, QSocketNotifier.Type.Read, application)
    notifier.activated.connect(steps)

    def opened():
        window.activateWindow()  # no window manager does it here
        answer(f"open {qt.platformName()} {window.isVisible()}")

    QTimer.singleShot(0, opened)
    return application

if __name__ == "__main__":
    build_application = app.build_application
    app.build_application = lambda *arguments: inhabit(build_application(*arguments))
    sys.exit(app.run(EngineConfig(Path(sys.argv[1]), factory="tests.fakes:open_library")))
"""


class Program:
    """The running program, what it is told and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._heard = ""

    def tell(self, step: str) -> None:
        self._stdin.write(step + "\n")
        self._stdin.flush()

    def hear(self, first: str) -> list[str]:
        """The words of the next line that begins with `first`."""
        deadline = time.monotonic() + WAIT / 1000
        while (words := self._take(first)) is None:
            assert select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))[0], f"no {first!r} in time"
            more = os.read(self._stdout.fileno(), 65536).decode()
            assert more, f"it ended without saying {first!r}"
            self._heard += more
        return words

    def _take(self, first: str) -> list[str] | None:
        while "\n" in self._heard:
            line, self._heard = self._heard.split("\n", 1)
            if line.split(" ")[0] == first:
                return line.split(maxsplit=2 if first == "lost" else -1)
        return None

    def see(self, until: Callable[[list[str]], bool]) -> list[str]:
        deadline = time.monotonic() + WAIT / 1000
        while time.monotonic() < deadline:
            self.tell("seen")
            if until(seen := self.hear("seen")):
                return seen
        raise AssertionError(f"never seen; at last: {seen}")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """An X server of its own, on a display that it chooses itself."""
    assert shutil.which("Xvfb"), "Xvfb is missing: install Debian's xvfb, as .ci/setup.py does"
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with open(reading, encoding="ascii") as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture
def program(display: str, indexed_library: Path, tmp_path: Path) -> Iterator[Program]:
    shutil.copytree(indexed_library, tmp_path / "library")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    root = Path(app.__file__).parent.parent
    environment = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "library")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield Program(process)
        process.kill()


def end(program: Program) -> str:
    """Close the window and wait until it has ended. Returns what it complained about."""
    children = psutil.Process(program.process.pid).children(recursive=True)
    program.tell("close")
    _, errors = program.process.communicate(timeout=WAIT / 1000)
    assert program.process.returncode == 0, errors
    _, alive = psutil.wait_procs(children, WAIT / 1000)
    assert not alive, "processes are left behind"
    return errors


def test_it_opens_plays_and_closes_clean(program: Program) -> None:
    assert program.hear("open") == ["open", "xcb", "True"]
    program.hear("started")
    program.tell("search green")
    assert int(program.hear("answered")[1]) > 0
    program.tell("choose")
    program.tell("key Return")
    first = program.see(lambda seen: seen[1] == "True" and int(seen[4]) > 120 and int(seen[3]) < 90)
    program.see(lambda seen: float(seen[2]) > float(first[2]) + 0.2)  # it plays
    errors = end(program)
    complaints = [line for line in errors.splitlines() if not any(words in line for words in BARE_MACHINE)]
    assert complaints == []


def test_an_engine_that_is_killed_is_told_of_and_a_tag_typed_meanwhile_is_kept(
    program: Program, tmp_path: Path
) -> None:
    engine = int(program.hear("started")[2])
    program.tell("search green")
    program.hear("answered")
    os.kill(engine, signal.SIGKILL)
    _, seen, words = program.hear("lost")
    assert seen == "True"
    assert "restarting" in words
    program.tell("tag 1 meanwhile")
    restarted = program.hear("started")
    assert restarted[1] == "True"
    assert int(restarted[2]) != engine
    program.hear("tagged")
    end(program)
    with EngineClient(EngineConfig(tmp_path / "library", factory=FACTORY)) as client:
        found: SearchAnswer = client.request(Search("tag:meanwhile")).result(WAIT / 1000)
    assert [file.id for file in found.files] == [1]


def is_engine(process: psutil.Process) -> bool:
    try:
        return "multiprocessing.spawn" in " ".join(process.cmdline())
    except psutil.Error:  # gone meanwhile
        return False


def test_python_m_cret_desktop_opens_and_ends_at_a_signal(display: str, tmp_path: Path) -> None:
    """The command itself; the model is not loaded before a search."""
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    environment["CRET_DESKTOP_LIBRARY"] = str(tmp_path / "library")
    process = subprocess.Popen(
        [sys.executable, "-m", "cret_desktop"], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + WAIT / 1000
    children: list[psutil.Process] = []
    # The engine comes after the window; what Qt may start before it (a message bus) tells nothing.
    while not any(map(is_engine, children)) and process.poll() is None and time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
    assert any(map(is_engine, children))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=WAIT / 1000)
    assert process.returncode == 0, errors
    _, alive = psutil.wait_procs(children, WAIT / 1000)
    assert not alive
