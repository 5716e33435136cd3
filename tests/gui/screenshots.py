"""Pictures of the window's main states: `python -m tests.gui.screenshots OUT_DIR [VIDEO_FOLDER] [--only WORD]`.

Light and dark, at 100 % and 200 %, narrow, usual and wide; made to be looked at, never compared by pixels. Without
VIDEO_FOLDER the demo's videos are taken. The engine is the real one, its model is the tests' colours. A scene is a
function that brings the window into a state and takes its picture; `SCENES` has them in the order of a first visit.
`--only` takes the pictures whose names hold a word. `--readme` takes those of the README instead: the starter model on
the demo's videos.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEventLoop, QPoint, Qt, QTimer, SignalInstance
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMessageBox, QWidget

from cret_desktop.app import Application, build_application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import EngineLost, ExportProgress
from cret_desktop.errors import EngineError
from cret_desktop.gui.error_dialog import ErrorDialog
from cret_desktop.gui.export_dialog import ExportDialog
from cret_desktop.gui.failures_dialog import FailuresDialog
from cret_desktop.gui.note_editor import NoteEditor
from cret_desktop.gui.pictures import to_picture
from cret_desktop.gui.preferences import Preferences
from cret_desktop.gui.tags_editor import TagsEditor
from cret_desktop.gui.theme import Scheme
from cret_desktop.library.progress import IndexProgress, Phase
from cret_desktop.media.demo import make_demo_videos
from cret_desktop.settings import Settings

WAIT = 120_000
USUAL, NARROW, WIDE = (1280, 800), (720, 800), (1600, 900)


class Photographer:
    """Saves pictures of one application under names that tell scheme and scale."""

    def __init__(self, application: Application, folder: Path, suffix: str, videos: Path, scratch: Path) -> None:
        self.application = application
        self.window = application.window
        self.bridge = application.bridge
        self.videos = videos
        self.scratch = scratch
        self.only = ""
        self._folder = folder
        self._suffix = suffix

    def take(self, name: str, widget: QWidget | None = None) -> None:
        """Save what the window shows, or a dialog of it."""
        if self.only not in name:
            return
        widget = widget or self.window
        QApplication.processEvents()  # what was just shown or hidden moves its neighbours in the next round
        widget.grab()  # asks for the pictures in sight
        if not self.window.thumbnails.is_idle:
            wait(self.window.thumbnails.idle)
        path = self._folder / f"{name}-{self._suffix}.png"
        widget.grab().save(str(path))
        sys.stdout.write(f"{path}\n")

    def dialog(self, name: str, kind: type[QDialog]) -> None:
        """Take the dialog of this kind that is open, and close it."""
        dialog = self.window.findChild(kind)
        self.take(name, dialog)
        dialog.close()
        QApplication.sendPostedEvents(dialog, 52)  # deferred deletion: the next one of its kind is another

    def over(self, name: str, popup: QWidget) -> None:
        """Take the window with a popup that lies over it; offscreen, each is a picture of its own."""
        QApplication.processEvents()
        self.window.grab()
        if not self.window.thumbnails.is_idle:
            wait(self.window.thumbnails.idle)
        path = self._folder / f"{name}-{self._suffix}.png"
        if self.only in name:
            picture = self.window.grab()
            ratio = picture.devicePixelRatio()
            place = self.window.mapFromGlobal(popup.mapToGlobal(QPoint(0, 0)))
            image = picture.toImage()
            image.setDevicePixelRatio(ratio)
            _paint_over(image, popup, place)
            image.save(str(path))
            sys.stdout.write(f"{path}\n")

    def search(self, text: str) -> None:
        wait(self.window.search.answered, lambda: self.window.search_bar.search(text))


def _paint_over(image: QImage, popup: QWidget, place: QPoint) -> None:
    painter = QPainter(image)
    painter.drawPixmap(place, popup.grab())
    painter.end()


# --- scenes -----------------------------------------------------------------------------------------------------------


def first_minute(at: Photographer) -> None:
    window, bridge = at.window, at.bridge
    window.resize(*USUAL)
    wait(window.library.status_changed, at.application.open)
    at.take("01-empty")
    window.drop_cover.cover()
    at.take("02-dropping")
    window.drop_cover.hide()
    broken = at.scratch / "Broken"
    broken.mkdir()
    (broken / "half a film.mp4").write_text("this is no video")
    wait(bridge.finished, lambda: window.library.add([str(at.videos), str(broken)]))
    wait(window.search.answered)
    window.progress_line.show_progress(
        IndexProgress(Phase.INDEXING, 12, 80, 340, 1700.0, 1, 14.2, 190.0, str(at.videos / "a long walk.mp4"))
    )
    at.take("03-indexing")
    window.progress_line.hide()
    at.take("04-browsing")


def searching(at: Photographer) -> None:
    window = at.window
    at.search("green")
    at.take("05-results")
    for name, size in (("06-narrow", NARROW), ("07-wide", WIDE)):
        window.resize(*size)
        at.take(name)
    window.resize(*USUAL)
    window.search_bar.clear()
    window.focus_search()
    QTest.keyClicks(window.search_bar.line, "re")
    at.over("08-suggestions", window.search_bar.line.popup)
    window.search_bar.line.popup.hide()
    at.search("green dur:<2m is:favourite tag:summer")
    at.take("09-no-match-under-filters")
    at.search("green dur:<2m")
    window.searching.open_filters()
    at.over("10-filters", window.searching.filters)
    window.searching.filters.close()
    window.resize(*NARROW)
    at.search(f'green dur:<2m res:<720p in:"{at.videos}" ext:mp4')
    window.search_bar.without_button.setChecked(True)
    wait(window.search.answered, lambda: window.search_bar.without.set_text("red"))
    at.take("11-chips-narrow")
    window.resize(*USUAL)
    at.take("12-without")
    window.search_bar.clear()
    picture = QImage(320, 180, QImage.Format.Format_RGB32)
    picture.fill(QColor(30, 200, 30))
    wait(window.search.answered, lambda: window.searching.like_picture(to_picture(picture)))
    at.take("13-picture")
    window.drop_cover.cover(picture=True)
    at.take("14-dropping-a-picture")
    window.drop_cover.hide()
    window.search_bar.clear()
    at.search("a photograph of nothing in particular")
    at.take("15-nothing-matches")


def annotating(at: Photographer) -> None:
    window = at.window
    at.search("")
    window.results.focus_results()
    files = window.results.selection.files()
    wait(
        at.bridge.library_changed,
        lambda: window.annotations.change_tags(files, ("summer", "family, at the sea"), ()),
    )
    window.annotations.set_favourite(files, True)
    wait(window.annotations.tags_changed)
    at.search("green")
    wait(window.saved.changed, lambda: window.saved.save("Green things", window.search.wish))
    wait(window.search.answered, window.search_bar.clear)
    at.take("16-tagged")
    window.annotation_dialogs.edit_tags(files)
    at.dialog("17-tags", TagsEditor)
    window.annotation_dialogs.edit_note(files[0])
    at.dialog("18-note", NoteEditor)


def exporting(at: Photographer) -> None:
    window = at.window
    at.search("green")
    window.results.focus_results()
    window.results.selection["export"].trigger()
    at.dialog("25-export", ExportDialog)
    window.export_line.show_started(3)
    window.export_line.show_progress(ExportProgress(0.4, str(at.videos / "a long walk.mp4")))
    at.take("26-exporting")
    window.results.selection["export"].trigger()
    dialog = window.findChild(ExportDialog)
    assert dialog is not None
    dialog.folder.setText(str(at.scratch / "Clips"))
    wait(window.exports.exported, dialog.export.click)
    at.take("27-exported")
    window.export_line.hide()


def trouble(at: Photographer) -> None:
    window = at.window
    wait(window.library.failures_ready, window.library.read_failures)
    at.dialog("19-failures", FailuresDialog)
    assert window.library.status is not None
    window.library_dialogs.ask_to_remove(window.library.status.folders[0])
    at.dialog("20-remove", QMessageBox)
    away = at.scratch / "Broken"
    away.rename(at.scratch / "gone")
    wait(at.bridge.finished, window.library.refresh)
    wait(window.library.status_changed, window.library.read_status)
    at.take("21-offline")
    at.bridge.lost.emit(EngineLost("The search engine stopped (exit code -9) and is restarting.", False))
    at.take("22-engine-lost")
    defect = EngineError("Something went wrong inside the search engine: KeyError: 'frames'")
    defect.add_note("Traceback (most recent call last): ...")
    window.show_error(defect)
    at.take("23-error")
    window.show_details(defect)
    at.dialog("24-details", ErrorDialog)


def at_a_glance(at: Photographer) -> None:
    """What the README shows."""
    window = at.window
    window.resize(*USUAL)
    wait(window.library.status_changed, at.application.open)
    wait(at.bridge.finished, lambda: window.library.add([str(at.videos)]))
    window.progress_line.hide()
    wait(window.search.answered)
    at.take("browse")
    at.search("an astronaut dur:<1m")
    window.results.model.toggle(1)  # the divider above what matches only weakly
    at.take("search")


README: tuple[Callable[[Photographer], None], ...] = (at_a_glance,)
SCENES: tuple[Callable[[Photographer], None], ...] = (first_minute, searching, annotating, exporting, trouble)


def wait(signal: SignalInstance, start: Callable[[], object] | None = None) -> None:
    """Run Qt until `signal` comes."""
    loop = QEventLoop()
    late = QTimer(singleShot=True, interval=WAIT)
    late.timeout.connect(lambda: loop.exit(1))
    signal.connect(loop.quit, Qt.ConnectionType.QueuedConnection)
    if start is not None:
        start()
    late.start()
    status = loop.exec()
    signal.disconnect(loop.quit)
    late.stop()
    if status:
        raise TimeoutError(f"{signal} did not come")


def photograph(folder: Path, videos: Path, scheme: Scheme, scale: str, only: str, readme: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        config = EngineConfig(Path(scratch, "library"))
        if not readme:
            config = replace(config, factory="tests.fakes:open_library")
        application = build_application([], config, Preferences(Settings(theme=scheme.value)))
        photographer = Photographer(application, folder, f"{scheme}-{scale}", videos, Path(scratch))
        photographer.only = only
        try:
            for scene in README if readme else SCENES:
                scene(photographer)
        finally:
            application.close_and_wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("videos", type=Path, nargs="?")
    parser.add_argument("--only", default="")
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--scheme", type=Scheme, choices=[Scheme.LIGHT, Scheme.DARK])
    parser.add_argument("--scale", choices=["100", "200"])
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    videos = wanted.videos
    if videos is None:
        videos = wanted.folder / "videos"
        if not videos.exists():
            make_demo_videos(videos)
    if wanted.scheme and wanted.scale and "QT_SCALE_FACTOR" in os.environ:  # the child that this starts below
        photograph(wanted.folder, videos, wanted.scheme, wanted.scale, wanted.only, wanted.readme)
        return
    for scheme in [wanted.scheme] if wanted.scheme else [Scheme.DARK, Scheme.LIGHT]:
        for scale in [wanted.scale] if wanted.scale else ["100", "200"]:
            # Qt reads the scale once, at its start: a process each.
            environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": str(int(scale) / 100)}
            command = [sys.executable, "-m", "tests.gui.screenshots", str(wanted.folder), str(videos)]
            command += ["--scheme", scheme.value, "--scale", scale, "--only", wanted.only]
            command += ["--readme"] if wanted.readme else []
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
