"""Pictures of the window's main states: `python -m tests.gui.screenshots OUT_DIR [VIDEO_FOLDER]`.

Light and dark, at 100 % and 200 %, narrow, usual and wide; made to be looked at, never compared by pixels. Without
VIDEO_FOLDER the demo's videos are taken. The engine is the real one, its model is the tests' colours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEventLoop, QPoint, QTimer, SignalInstance
from PySide6.QtWidgets import QApplication, QWidget

from cret_desktop.app import Application, build_application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import EngineLost
from cret_desktop.errors import EngineError
from cret_desktop.gui.error_dialog import ErrorDialog
from cret_desktop.gui.failures_dialog import FailuresDialog
from cret_desktop.gui.theme import Scheme
from cret_desktop.library.progress import IndexProgress, Phase
from cret_desktop.media.demo import make_demo_videos

WAIT = 120_000
USUAL, NARROW, WIDE = (1280, 800), (720, 800), (1600, 900)


class Photographer:
    """Saves pictures of one application under names that tell scheme and scale."""

    def __init__(self, application: Application, folder: Path, suffix: str) -> None:
        self.application = application
        self.window = application.window
        self._folder = folder
        self._suffix = suffix

    def take(self, name: str, widget: QWidget | None = None) -> None:
        widget = widget or self.window
        QApplication.processEvents()  # what was just shown or hidden moves its neighbours in the next round
        widget.grab()  # asks for the pictures in sight
        if not self.window.thumbnails.is_idle:
            wait(self.window.thumbnails.idle)
        path = self._folder / f"{name}-{self._suffix}.png"
        widget.grab().save(str(path))
        sys.stdout.write(f"{path}\n")

    def search(self, text: str) -> None:
        wait(self.window.search.answered, lambda: self.window.search_bar.search(text))

    def all_states(self, videos: Path, broken: Path) -> None:
        window, bridge = self.application.window, self.application.bridge
        window.resize(*USUAL)
        wait(window.library.status_changed, self.application.open)
        self.take("01-empty")
        window.drop_cover.cover()
        self.take("02-dropping")
        window.drop_cover.hide()
        wait(bridge.finished, lambda: window.library.add([str(videos), str(broken)]))
        wait(window.library.status_changed, window.library.read_status)
        window.progress_line.show_progress(
            IndexProgress(Phase.INDEXING, 12, 80, 340, 1700.0, 1, 14.2, 190.0, str(videos / "a long walk.mp4"))
        )
        self.take("03-indexing")
        window.progress_line.hide()
        self.take("04-ready")
        self.search("green")
        self.take("05-results")
        card = window.results.visualRect(window.results.model().index(1, 0))
        window.results.setCurrentIndex(window.results.model().index(0, 0))
        window.results.scrub_at(QPoint(card.left() + card.width() * 2 // 3, card.top() + 40))
        self.take("06-hover")
        for name, size in (("07-narrow", NARROW), ("08-wide", WIDE)):
            window.resize(*size)
            self.take(name)
        window.resize(*USUAL)
        self.search("a photograph of nothing in particular")
        self.take("09-nothing-matches")
        window.search_bar.clear()
        wait(window.library.failures_ready, window.library.read_failures)
        dialog = window.findChild(FailuresDialog)
        self.take("10-failures", dialog)
        dialog.close()
        bridge.lost.emit(EngineLost("The search engine stopped (exit code -9) and is restarting.", False))
        self.take("11-engine-lost")
        defect = EngineError("Something went wrong inside the search engine: KeyError: 'frames'")
        defect.add_note("Traceback (most recent call last): ...")
        window.show_error(defect)
        self.take("12-error")
        window.show_details(defect)
        self.take("13-details", window.findChild(ErrorDialog))


def wait(signal: SignalInstance, start: Callable[[], object] | None = None) -> None:
    """Run Qt until `signal` comes."""
    loop = QEventLoop()
    late = QTimer(singleShot=True, interval=WAIT)
    late.timeout.connect(lambda: loop.exit(1))
    signal.connect(loop.quit)
    if start is not None:
        start()
    late.start()
    status = loop.exec()
    signal.disconnect(loop.quit)
    late.stop()
    if status:
        raise TimeoutError(f"{signal} did not come")


def photograph(folder: Path, videos: Path, scheme: Scheme, scale: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        broken = Path(scratch, "Broken")
        broken.mkdir()
        (broken / "half a film.mp4").write_text("this is no video")
        config = EngineConfig(Path(scratch, "library"), factory="tests.fakes:open_library")
        application = build_application([], config, scheme)
        try:
            Photographer(application, folder, f"{scheme}-{scale}").all_states(videos, broken)
        finally:
            application.close_and_wait()


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    videos = Path(arguments[1]) if len(arguments) > 1 else folder / "videos"
    if len(arguments) > 3:  # the child that this function starts below
        photograph(folder, videos, Scheme(arguments[2]), arguments[3])
        return
    if len(arguments) == 1:
        make_demo_videos(videos)
    for scheme in (Scheme.DARK, Scheme.LIGHT):
        for scale in ("100", "200"):
            # Qt reads the scale once, at its start: a process each.
            environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": str(int(scale) / 100)}
            command = [sys.executable, "-m", "tests.gui.screenshots", str(folder), str(videos), scheme.value, scale]
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
