"""Measures the window on a large library, as ratios to an empty PySide6 window, alternating in one run.

    python -m tests.benchmarks.window WORK_FOLDER [--clips 100000] [--rounds 5]

A library is generated once in WORK_FOLDER (minutes, most of them for its graph; again when the starter changes): one
clip per file, random unit features of the starter's width, thumbnails that are hard links to a few. Then, with the real
window (offscreen) on the real engine with the starter:

    first window    from the start of a fresh process, as a launcher starts it, to its first paint, beside a process
                    with an empty QMainWindow
    first videos    from opening the engine to the library browsed in the window, and until queries are answered
    scrolling       the time of each paint of the browsed grid while scrolling through it, memory before and after
    results         from the last key to the painted answer, debounce included, for queries typed key by key, with
                    the time of each part
    stalls          the longest pause of a heartbeat (a timer of 5 ms) while the model loads and while indexing runs
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cret_desktop.domain.records import PICTURES
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.stages import Stages

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# As the engine sets it for itself; too late for its child here, which imports this module and thereby numpy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import psutil
from PySide6.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer, SignalInstance
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from cret_desktop import paths
from cret_desktop.app import Application, build_application
from cret_desktop.domain.clips import VideoFile, VideoInfo
from cret_desktop.domain.records import NewClip
from cret_desktop.engine.assemble import open_library
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import Prepare
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.media.demo import make_demo_videos
from cret_desktop.media.scan import scan
from cret_desktop.model.encoder import open_model
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges

SOURCES = 64  # a file system allows some ten thousand links per file
TILE = (320, 180)
TILES = 4
SCROLLS = 300
QUERIES = (
    "red car on a street",
    "a dog on the beach",
    "people dancing",
    "snow in the mountains",
    "a cat asleep",
    "sunset over the sea",
    "a child laughing",
    "rain at night",
    "an old bicycle",
    "two horses running",
    "bread in an oven",
    "a train arrives",
)
WAIT = 300_000
BEAT_MS = 5
EMPTY_WINDOW = """
import sys, time
from PySide6.QtWidgets import QApplication, QMainWindow
from PySide6.QtCore import QTimer
class Window(QMainWindow):
    def paintEvent(self, event):
        super().paintEvent(event)
        QTimer.singleShot(0, app.quit)
app = QApplication([])
window = Window()
window.resize(1280, 800)
window.show()
app.exec()
print(time.time(), time.process_time())
"""
OUR_WINDOW = """
import importlib.abc, importlib.util, sys, time
if __name__ == "__main__":
    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):  # what cret_desktop.app is, once the launcher has imported it
            if name != "cret_desktop.app":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            execute = spec.loader.exec_module
            def exec_module(module):
                execute(module)
                watch(module)
            spec.loader.exec_module = exec_module
            return spec
    def watch(app):
        from PySide6.QtCore import QEvent, QObject, QTimer
        class Watch(QObject):
            def eventFilter(self, target, event):
                if event.type() == QEvent.Type.Paint:
                    target.removeEventFilter(self)
                    QTimer.singleShot(0, self.done)
                return False
            def done(self):
                painted.extend((time.time(), time.process_time()))
                window.close()
        begin = app.Application.open
        def open(application):
            global window, watching
            window, watching = application.window, Watch()
            window.centralWidget().installEventFilter(watching)
            begin(application)
        app.Application.open = open
    painted = []
    sys.meta_path.insert(0, Finder())
    from cret_desktop.__main__ import gui_main
    try:
        gui_main()
    finally:
        print(*painted)
"""


def generate(library: Path, clips: int) -> None:
    """Generate a library of `clips` files of one clip each. The strips are hard links to a few; no file is decoded."""
    info = open_model("starter").info
    places = paths.LibraryPaths(library)
    random = np.random.default_rng(0)
    sources = library / "sources"
    sources.mkdir(parents=True)
    for number in range(SOURCES):
        _write_strip(sources / f"{number}.jpg", number)
    folder = library / "videos"
    for number in range(clips):
        path = folder / f"{number % 500:03}" / f"film {number:06}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(8 + number % 4000))  # not links, and of many sizes: the catalog looks for moved files
    info_of_all = VideoInfo(8.0, 1920, 1080, 25.0, "h264", "mp4")
    with Catalog.open(places.catalog) as catalog:
        root = catalog.add_root(str(folder))
        changes = FileChanges(catalog)
        apply_scan(Scans(catalog), root, [found for found in scan(str(folder)) if isinstance(found, VideoFile)], ())
        model = Embeddings(catalog).record_model(info)
        for number, (file_id, file) in enumerate(Stages(catalog).due(PICTURES, info.fingerprint, root.id)):
            sprite = f"aa/{number % 256:02x}/aa{number % 256:02x}{number:020x}-0.jpg"
            path = places.thumbnails / sprite
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(sources / f"{number % SOURCES}.jpg", path)
            frames = random.standard_normal((info.frame_format.frames, info.width), np.float32)
            frames /= np.linalg.norm(frames, axis=-1, keepdims=True)
            times = tuple(1.0 + 2 * tile for tile in range(TILES))
            centers = np.zeros((info.centers, info.width), np.float32)
            clip = NewClip(0, 0, 0.0, 8.0, sprite, *TILE, 0, times, frames, centers)
            changes.commit_file(file_id, file, info_of_all, file_id.to_bytes(16), [clip], model)
    opened = open_library(library, "starter", "auto", read_only=False)
    try:  # the state after an engine has indexed them
        opened.index.build()
        opened.searcher.encode_references()
    finally:
        opened.close()


def _write_strip(path: Path, number: int) -> None:
    image = QImage(TILES * TILE[0], TILE[1], QImage.Format.Format_RGB32)
    painter = QPainter(image)
    random = np.random.default_rng(number)
    for tile in range(TILES):
        painter.fillRect(tile * TILE[0], 0, *TILE, QColor.fromHsv((number * 37 + tile * 10) % 360, 120, 160))
        for _ in range(40):  # about as many edges as a photograph
            x, y, w, h = random.integers(0, (TILE[0], TILE[1], 60, 60))
            painter.fillRect(tile * TILE[0] + int(x), int(y), int(w), int(h), QColor.fromHsv(int(x), 150, int(y) + 60))
    painter.end()
    if not image.save(str(path), quality=85):
        raise OSError(f"{path} could not be written")


def wait(signal: SignalInstance, start: Callable[[], object] | None = None) -> None:
    loop = QEventLoop()
    late = QTimer(singleShot=True, interval=WAIT)
    late.timeout.connect(lambda: loop.exit(1))
    signal.connect(loop.quit)
    late.start()
    if start is not None:
        start()
    failed = loop.exec()
    signal.disconnect(loop.quit)
    if failed:
        raise TimeoutError(f"{signal} did not come")


def run_for(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class PaintClock(QObject):
    """Times every paint of a widget, from the event's arrival to its end."""

    def __init__(self, widget: QObject) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.ended = 0.0
        self._inside = False
        widget.installEventFilter(self)

    def eventFilter(self, target: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() != QEvent.Type.Paint or self._inside:
            return False
        self._inside = True
        began = time.perf_counter()
        target.removeEventFilter(self)
        try:
            QApplication.sendEvent(target, event)
        finally:
            target.installEventFilter(self)
        self.ended = time.perf_counter()
        self.seconds.append(self.ended - began)
        self._inside = False
        return True


class Heartbeat(QObject):
    """Measures the longest time between two beats, in milliseconds, beyond the interval itself."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer(self, interval=BEAT_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(max(0.0, (now - self._last) * 1000 - BEAT_MS))
        self._last = now

    def stop(self) -> list[float]:
        self._timer.stop()
        return self.gaps


def first_windows(library: Path, rounds: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return seconds to the first paint of an empty window and of ours, alternating: wall-clock and processor time.

    Processor time is the fairer measure on a busy machine.
    """
    ours: list[tuple[float, float]] = []
    empty: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        for program, taken in ((EMPTY_WINDOW, empty), (OUR_WINDOW, ours)):
            began = time.time()
            command = [sys.executable, "-c", program, str(library)]
            if program is OUR_WINDOW:  # the engine's child imports the main module again, which must be a file
                script = library / "window.py"
                script.write_text(program, encoding="utf-8")
                command = [sys.executable, str(script)]
            # Compiled modules are kept, as in an installed program; the first round creates them and is not counted.
            environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONPYCACHEPREFIX": str(library / "pycache")}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            # Keep the current user's files untouched.
            environment[paths.LIBRARY_VARIABLE] = str(library)
            for place in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
                environment[place] = str(library / "account")
            (library / "account").mkdir(exist_ok=True)
            run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            painted, computed = map(float, run.stdout.split()[-2:])
            taken.append((painted - began, computed))
    return empty[1:], ours[1:]


def show(name: str, values: Sequence[float], unit: str = "ms") -> dict[str, float]:
    p50, p95, worst = statistics.median(values), float(np.quantile(values, 0.95)), max(values)
    print(f"{name:44} p50 {p50:8.1f}  p95 {p95:8.1f}  max {worst:8.1f} {unit}   ({len(values)})", flush=True)
    return {"p50": p50, "p95": p95, "max": worst}


def scrolling(application: Application, memory: psutil.Process) -> None:
    page = application.window.results
    view, clock = page.view, PaintClock(page.view.viewport())
    bar = view.verticalScrollBar()
    before = memory.memory_info().rss
    for name, step in (("scrolling by the wheel", 120), ("scrolling by screens", bar.pageStep())):
        clock.seconds.clear()
        for _ in range(SCROLLS):
            bar.setValue(bar.value() + step)
            QApplication.processEvents()
            run_for(8)
        show(f"{name}, a paint", [second * 1000 for second in clock.seconds])
    clock.seconds.clear()
    for place in np.linspace(0, 1, 60):
        bar.setValue(int(place * bar.maximum()))
        QApplication.processEvents()
        run_for(30)
    show("dragging the scroll bar from end to end, a paint", [second * 1000 for second in clock.seconds])
    run_for(500)
    grown = (memory.memory_info().rss - before) / 2**20
    cached = application.window.thumbnails.size_in_bytes / 2**20
    print(f"{'memory grown meanwhile':44} {grown:12.1f} MiB, of which pictures {cached:.1f} MiB", flush=True)


def typing(application: Application) -> None:
    window = application.window
    clock, asked, answers = PaintClock(window.results.view.viewport()), [0.0], []
    taken: list[float] = []
    stages: dict[str, list[float]] = {}
    window.search_bar.searched.connect(lambda *_: asked.__setitem__(0, time.perf_counter()))
    window.search.answered.connect(lambda answer, keep: answers.append(answer))
    line = window.search_bar.line
    for query in QUERIES:
        line.clear()
        run_for(600)
        for key in query[:-1]:
            QTest.keyClicks(line, key)
            run_for(20)
        began = time.perf_counter()
        wait(window.search.answered, lambda: QTest.keyClicks(line, query[-1]))  # noqa: B023
        answered = time.perf_counter()
        while clock.ended < answered:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
        taken.append((clock.ended - began) * 1000)
        answer = answers[-1]
        between = {
            "waiting for another key": (asked[0] - began) * 1000,
            "inside the engine": answer.took_ms,
            "to the engine and back, shown": (answered - asked[0]) * 1000 - answer.took_ms,
            "painting": (clock.ended - answered) * 1000,
        }
        for stage, milliseconds in {**between, **{f"engine: {n}": ms for n, ms in answer.parts.items()}}.items():
            stages.setdefault(stage, []).append(milliseconds)
    show("last key to painted results", taken)
    for stage, each in stages.items():
        show(f"  {stage}", each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    library = arguments.work / f"library_{arguments.clips}"
    ready = library / "ready.json"
    contents = {"clips": arguments.clips, "model": open_model("starter").info.fingerprint}
    if not ready.exists() or json.loads(ready.read_text()) != contents:
        shutil.rmtree(library, ignore_errors=True)
        began = time.perf_counter()
        generate(library, arguments.clips)
        ready.write_text(json.dumps(contents))
        print(f"{arguments.clips} clips generated in {time.perf_counter() - began:.0f} s", flush=True)
    empty, ours = first_windows(library, arguments.rounds)
    for kind, what in enumerate(("first paint", "computing until then")):
        a = show(f"{what}, an empty window", [times[kind] * 1000 for times in empty])
        b = show(f"{what}, ours", [times[kind] * 1000 for times in ours])
        print(f"{'':44} ratio of medians {b['p50'] / a['p50']:.2f} (goal 3)", flush=True)

    application = build_application([], EngineConfig(library), Preferences())
    window, memory = application.window, psutil.Process()
    window.resize(1280, 800)
    try:
        beat = Heartbeat()
        began = time.perf_counter()
        wait(window.search.answered, application.open)
        print(f"{'until the library is browsed':44} {time.perf_counter() - began:12.1f} s", flush=True)
        outcome: list[object] = []
        application.bridge.request(Prepare(), outcome.append, outcome.append)
        while not outcome:
            run_for(50)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        print(f"{'until queries are answered, the model loaded':44} {time.perf_counter() - began:12.1f} s", flush=True)
        show("heartbeat while opening and loading the model", beat.stop())
        scrolling(application, memory)
        typing(application)
        videos = arguments.work / "demo"
        if not videos.is_dir():
            make_demo_videos(videos)
        beat = Heartbeat()
        wait(application.bridge.finished, lambda: window.library.add([str(videos)]))
        show("heartbeat while indexing", beat.stop())
        wait(window.library.status_changed, lambda: window.library.remove(str(videos)))
        print(f"{'memory of the window':44} {memory.memory_info().rss / 2**20:12.1f} MiB", flush=True)
    finally:
        application.close_and_wait()


if __name__ == "__main__":
    main()
