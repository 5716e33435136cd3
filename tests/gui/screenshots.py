"""Pictures of the window's main states: `python -m tests.gui.screenshots OUT_DIR [--only WORD]`.

Light and dark, at 100 % and 200 %, narrow, usual and wide, a few in German; made to be looked at, never compared by
pixels. The demo's videos are made once in OUT_DIR/videos and indexed once by the starter model; each scheme and scale
then has a process and a copy of that library of its own. A scene is a function that brings the window into a state and
takes its picture; `SCENES` has them in the order of a visit. `--only` takes the pictures whose names hold a word.
`--readme` takes those of the README instead.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QPoint, Qt, QTimer, SignalInstance
from PySide6.QtGui import QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMessageBox, QWidget

from cret_desktop.app import Application, build_application
from cret_desktop.domain.clips import Moment, Sort
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.protocol import AddFolders, EngineLost, ExportProgress, IndexFinished, Optimising
from cret_desktop.errors import Defect, EngineError
from cret_desktop.gui.annotations.note_editor import NoteEditor
from cret_desktop.gui.annotations.tags_editor import TagsEditor
from cret_desktop.gui.appearance.error_dialog import ErrorDialog
from cret_desktop.gui.appearance.theme import Scheme
from cret_desktop.gui.export.export_dialog import ExportDialog
from cret_desktop.gui.library.failures_dialog import FailuresDialog
from cret_desktop.gui.search.pictures import to_picture
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.settings_dialog import INDEXING_PAGE
from cret_desktop.library.indexing.progress import IndexProgress, IndexTotals, Phase
from cret_desktop.media.demo import make_demo_videos
from cret_desktop.messages import Message
from cret_desktop.settings import Settings
from tests.gui.scenes_models import models
from tests.gui.scenes_storage import storage
from tests.narrowing import found

WAIT = 120_000
USUAL, NARROW, WIDE = (1280, 800), (720, 800), (1600, 900)
DRIVE = ("cat.mp4", "coins.mp4", "motorcycle.mp4")  # lie on what is a drive in these pictures
# Which pictures are taken in German too: the ones with the most words in the least room.
GERMAN = (
    "browsing",
    "results-narrow",
    "filters",
    "chips",
    "menu",
    "player",
    "tags",
    "export",
    "settings",
    "models",
    "storage",
)
IN_HAND = "CRET_DESKTOP_SCREENSHOTS"  # in the environment of the processes that take the pictures


@dataclass(frozen=True, slots=True)
class Stage:
    """What every process finds ready. `videos`, `drive` and `broken` are the library's folders."""

    folder: Path

    @property
    def videos(self) -> Path:
        return self.folder / "Videos"

    @property
    def drive(self) -> Path:
        return self.folder / "Drives" / "Travel drive"

    @property
    def broken(self) -> Path:
        return self.folder / "Old films"

    @property
    def library(self) -> Path:
        return self.folder / "library"

    @property
    def platform(self) -> str:
        """Qt's offscreen platform, with a screen that menus find room on beside a window at 200 %."""
        return f"offscreen:configfile={self.folder / 'screen.json'}"

    def set_up(self, demo: Path) -> None:
        screen = {"name": "screen", "x": 0, "y": 0, "width": 3840, "height": 2160, "logicalDpi": 96, "dpr": 1}
        (self.folder / "screen.json").write_text(json.dumps({"screens": [screen]}))
        for folder in (self.videos, self.drive, self.broken):
            folder.mkdir(parents=True)
        for video in make_demo_videos(demo):
            shutil.copy2(video, self.drive if video.name in DRIVE else self.videos)
        (self.broken / "half a film.mp4").write_text("this is no video")
        done: queue.SimpleQueue[IndexFinished] = queue.SimpleQueue()
        with EngineClient(EngineConfig(self.library)) as client:
            client.subscribe(lambda event: done.put(event) if isinstance(event, IndexFinished) else None)
            folders = (str(self.videos), str(self.drive), str(self.broken))
            client.request(AddFolders(folders)).result(WAIT / 1000)
            outcome = done.get(timeout=WAIT / 1000)
        if outcome.error:
            raise EngineError(outcome.error)


class Photographer:
    """Saves pictures of one application under names that tell scheme, scale and language."""

    def __init__(
        self, application: Application, stage: Stage, folder: Path, suffix: str, only: tuple[str, ...]
    ) -> None:
        self.application = application
        self.window = application.window
        self.bridge = application.bridge
        self.stage = stage
        self._folder = folder
        self._suffix = suffix
        self._only = only

    def take(self, name: str, widget: QWidget | None = None) -> None:
        """Save what the window shows, or a dialog of it."""
        if self._is_wanted(name):
            widget = widget or self.window
            self._settle(widget)
            self._save(name, widget.grab().toImage())

    def over(self, name: str, popup: QWidget) -> None:
        """Save the window with a popup that lies over it; offscreen, each is a picture of its own."""
        if self._is_wanted(name):
            self._settle(self.window)
            picture = self.window.grab()
            image = picture.toImage()
            image.setDevicePixelRatio(picture.devicePixelRatio())
            painter = QPainter(image)
            painter.drawPixmap(self.window.mapFromGlobal(popup.mapToGlobal(QPoint(0, 0))), popup.grab())
            painter.end()
            self._save(name, image)

    def dialog(self, name: str, kind: type[QDialog]) -> None:
        """Save the dialog of this kind that is open, and close it."""
        dialog = self.window.findChild(kind)
        assert dialog is not None, kind
        self.take(name, dialog)
        dialog.close()
        # Gone at once: the next one of its kind is another.
        QCoreApplication.sendPostedEvents(dialog, QEvent.Type.DeferredDelete.value)

    def search(self, text: str) -> None:
        wait(self.window.search.answered, lambda: self.window.search_bar.search(text))

    def _is_wanted(self, name: str) -> bool:
        return any(word in name for word in self._only)

    def _settle(self, widget: QWidget) -> None:
        for _ in range(3):  # what was shown or hidden moves its neighbours in the next round, and these theirs
            QApplication.processEvents()
        widget.grab()  # asks for the pictures in sight
        if not self.window.thumbnails.is_idle:
            wait(self.window.thumbnails.idle)

    def _save(self, name: str, image: QImage) -> None:
        path = self._folder / f"{name}-{self._suffix}.png"
        image.save(str(path))
        sys.stdout.write(f"{path}\n")


# --- a first visit: the library is empty, the model is the tests' colours --------------------------------------------


def first_minute(at: Photographer) -> None:
    window = at.window
    window.resize(*USUAL)
    wait(window.library.status_changed, at.application.open)
    at.take("01-empty")
    window.resize(*NARROW)
    at.take("01-empty-narrow")
    window.resize(*USUAL)
    window.drop_cover.cover()
    at.take("02-dropping")
    window.drop_cover.hide()
    wait(window.search.answered, lambda: window.library.add([str(at.stage.videos)]))
    at.take("03-first-files")
    wait(at.bridge.finished)


# --- later visits: everything is indexed -----------------------------------------------------------------------------


def browsing(at: Photographer) -> None:
    window = at.window
    window.resize(*USUAL)
    wait(window.search.answered, at.application.open)
    at.take("05-browsing")
    window.progress_line.show_progress(
        IndexProgress(
            Phase.INDEXING, 12, 80, 340, 1700.0, 1, 14.2, 190.0, str(at.stage.videos / "a long walk.mp4"), 1.2e9
        )
    )
    at.take("04-indexing")
    window.progress_line.show_paused(True)
    at.take("04-paused")
    window.progress_line.show_paused(False)
    ended = IndexTotals(80, 340, 1700.0, 0, 0, 190.0, 4000, False)
    window.progress_line.show_optimising(Optimising(True))
    window.progress_line.show_finished(IndexFinished(ended))
    at.take("04-optimising")
    window.progress_line.show_optimising(Optimising(False))
    window.progress_line.show_progress(IndexProgress(Phase.SCANNING, 0, 1234, 0, 0.0, 0, 0.0, None, "/videos/a.mp4"))
    at.take("04-looking")
    at.application.bridge.finished.emit(IndexFinished(ended, Message("library.budget", most=20)))
    at.take("04-budget")
    window.banner.hide()
    window.progress_line.show_progress(
        IndexProgress(
            Phase.INDEXING, 12, 80, 340, 1700.0, 1, 14.2, 190.0, str(at.stage.videos / "a long walk.mp4"), 1.2e9
        )
    )
    window.resize(*NARROW)
    at.take("04-indexing-narrow")
    window.progress_line.hide()
    at.take("05-browsing-narrow")
    window.results.show_view("list")
    at.take("06-list-narrow")
    window.resize(*USUAL)
    at.take("06-list")
    window.results.show_view("filmstrip")
    wait(window.search.answered, lambda: window.results.sort_by(Sort.DATE, True))
    filmstrips(at)
    at.take("07-filmstrip")
    window.results.show_view("grid")
    wait(window.search.answered, lambda: window.results.sort_by(Sort.RELEVANCE, False))


def filmstrips(at: Photographer) -> None:
    """Wait until every strip in sight has come."""
    results = at.window.results
    results.filmstrip.grab()
    cards = [results.model.card(row) for row in results.filmstrip.rows_in_sight()]
    files = [card.file for card in cards if card is not None]
    until(lambda: all(results.filmstrips.get(file) is not None or not file.clips for file in files))


def results(at: Photographer) -> None:
    window, page = at.window, at.window.results
    at.search("a car in a street")
    at.take("10-results")
    for name, size in (("10-results-narrow", NARROW), ("10-results-wide", WIDE)):
        window.resize(*size)
        at.take(name)
    window.resize(*USUAL)
    page.show_view("list")
    at.take("11-results-list")
    page.show_view("filmstrip")
    filmstrips(at)
    strip = page.filmstrip.row_rect(0)
    page.filmstrip.scrub_at(QPoint(strip.width() // 2, strip.center().y()))
    at.take("12-results-filmstrip")
    page.filmstrip.scrub_at(QPoint(-1, -1))
    page.show_view("grid")
    row = next(row for row in range(page.model.rowCount()) if (card := page.model.card(row)) and card.others)
    page.model.toggle(row)
    place = page.grid.row_rect(row + 1)
    page.grid.scrub_at(place.center() - QPoint(0, place.height() // 6))
    at.take("13-moments-and-hover")
    page.grid.scrub_at(QPoint(-1, -1))
    page.focus_results()
    page.grid.setSelection(page.grid.row_rect(0).united(page.grid.row_rect(2)), page.rows.SelectionFlag.ClearAndSelect)
    at.take("14-chosen")
    page.grid.customContextMenuRequested.emit(page.grid.row_rect(1).center())
    menu = QApplication.activePopupWidget()
    assert menu is not None
    at.over("15-menu", menu)
    menu.close()


def searching(at: Photographer) -> None:
    window = at.window
    window.search_bar.clear()
    window.focus_search()
    wait(window.search.answered, lambda: QTest.keyClicks(window.search_bar.line, "re"))
    at.over("20-suggestions", window.search_bar.line.popup)
    window.search_bar.line.popup.hide()
    at.search("a cat dur:<2m is:favourite tag:summer")
    at.take("21-no-match-under-filters")
    at.search("a cat dur:<2m")
    window.searching.open_filters()
    at.over("22-filters", window.searching.filters)
    window.searching.filters.close()
    window.resize(*NARROW)
    at.search(f'a cat dur:<2m res:<720p in:"{at.stage.videos}" ext:mp4')
    window.search_bar.without_button.setChecked(True)
    wait(window.search.answered, lambda: window.search_bar.without.set_text("a person"))
    at.take("23-chips-narrow")
    window.resize(*USUAL)
    at.take("23-without")
    window.search_bar.clear()
    frame = window.results.grid.grab(window.results.grid.row_rect(0)).toImage()
    wait(window.search.answered, lambda: window.searching.like_picture(to_picture(frame)))
    at.take("24-picture")
    at.search("a car in a street")
    best = window.results.model.card(0)
    assert best is not None
    wait(window.search.answered, lambda: window.searching.like_moment(best.moment))
    at.take("24-more-like-this")
    window.drop_cover.cover(picture=True)
    at.take("24-dropping-a-picture")
    window.drop_cover.hide()
    window.search_bar.clear()
    at.search("zxqv qqj")
    at.take("25-nothing-matches")


def watching(at: Photographer) -> None:
    window, page, player = at.window, at.window.results, at.window.player
    at.search("a car in a street")
    page.focus_results()
    row = next(row for row in range(page.model.rowCount()) if (card := page.model.card(row)) and card.others)
    card = page.model.card(row)
    assert card is not None
    window.playback.preview(card.moment)
    until(lambda: window.preview.surface.has_frame)
    at.take("30-preview")
    window.resize(*NARROW)
    at.take("30-preview-narrow")
    window.resize(*USUAL)
    open_player(at, card.moment)
    playback = found(player.playback)
    at.take("31-player")
    player.actions_by_command["mark_start"].trigger()
    wait(playback.frame_changed, lambda: playback.seek(card.moment.end - 0.5))
    player.actions_by_command["mark_end"].trigger()
    bar = player.seek_bar
    bar.pointed.emit(card.moment.start + 0.2, bar.width() // 3)
    at.take("32-player-marks")
    bar.pointer_left.emit()
    playback.inexact.emit()
    at.take("34-player-inexact")
    window.resize(*NARROW)
    at.take("34-player-inexact-narrow")
    player.word.hide()
    at.take("32-player-narrow")
    words = playback.tr("“{name}” cannot be played here ({reason}). Try another program.")
    player.show_trouble(words.format(name="city_street.mp4", reason="Could not open file"))
    at.take("33-player-trouble")
    window.resize(*USUAL)
    window.playback.leave()


def open_player(at: Photographer, moment: Moment) -> None:
    """Stand at a moment's start."""
    player = at.window.player
    at.window.results.selection.opened.emit(moment, moment.start)
    until(lambda: player.surface.has_frame and player.playback is not None and not player.playback.is_seeking)
    assert player.playback is not None
    player.playback.pause()
    QTest.qWait(300)  # the strip and what is known of the file; nothing tells when both are there


def annotating(at: Photographer) -> None:
    window = at.window
    at.search("")
    window.results.focus_results()
    files = window.results.selection.files()
    wait(
        window.annotations.tags_changed,
        lambda: window.annotations.change_tags(files, ("summer", "family, at the sea"), ()),
    )
    window.annotations.set_favourite(files, True)
    at.search("a cat")
    wait(window.saved.changed, lambda: window.saved.save("Cats", window.search.wish))
    wait(window.search.answered, window.search_bar.clear)
    window.results.focus_results()
    until(lambda: bool(window.results.selection.files()[0].tags))
    at.take("40-tagged")
    window.annotation_dialogs.edit_tags(window.results.selection.files())
    at.dialog("41-tags", TagsEditor)
    window.annotation_dialogs.edit_note(files[0])
    at.dialog("42-note", NoteEditor)


def exporting(at: Photographer) -> None:
    window = at.window
    at.search("a car in a street")
    window.results.focus_results()
    window.results.selection["export"].trigger()
    at.dialog("50-export", ExportDialog)
    window.export_line.show_started(3)
    window.export_line.show_progress(ExportProgress(0.4, str(at.stage.videos / "a long walk.mp4")))
    at.take("51-exporting")
    window.results.selection["export"].trigger()
    dialog = window.findChild(ExportDialog)
    assert dialog is not None
    with tempfile.TemporaryDirectory() as folder:
        dialog.folder.setText(folder)
        wait(window.exports.exported, dialog.export.click)
        at.take("52-exported")
    window.export_line.hide()


def everyday(at: Photographer) -> None:
    everyday = at.window.everyday
    everyday.show_settings()
    settings = everyday._open["settings"]
    for row in range(settings.pages.count()):
        settings.pages.setCurrentRow(row)
        if row == INDEXING_PAGE:
            until(lambda: any(letter.isdigit() for letter in settings.space.text()))
        QTest.qWait(50)
        at.take(f"60-settings-{row + 1}", settings)
    settings.close()
    everyday.show_shortcuts()
    at.take("61-shortcuts", everyday._open["shortcuts"])
    everyday._open["shortcuts"].close()
    everyday.show_about()
    at.take("62-about", everyday._open["about"])
    everyday._open["about"].close()


def trouble(at: Photographer) -> None:
    window = at.window
    window.banner.hide()  # whatever the scene before has said
    wait(window.library.failures_ready, window.library.read_failures)
    at.dialog("70-failures", FailuresDialog)
    assert window.library.status is not None
    window.library_dialogs.ask_to_remove(window.library.status.folders[0])
    at.dialog("71-remove", QMessageBox)
    # All processes share the drive: it comes back whatever happens.
    unplugged = at.stage.folder / "unplugged"
    at.stage.drive.rename(unplugged)
    try:
        wait(at.bridge.finished, window.library.refresh)
        wait(window.search.answered, window.search_bar.clear)
        wait(window.library.status_changed, window.library.read_status)
        at.take("72-offline")
    finally:
        unplugged.rename(at.stage.drive)
    at.bridge.lost.emit(EngineLost(Message("engine.restarting", code=-9), False))
    at.take("73-engine-lost")
    defect = Defect(
        Message("engine.defect", kind="KeyError", text="'frames'"), "Traceback (most recent call last): ..."
    )
    window.show_error(defect)
    at.take("74-error")
    window.show_details(defect)
    at.dialog("75-details", ErrorDialog)


def at_a_glance(at: Photographer) -> None:
    """What the README shows."""
    window = at.window
    window.resize(*USUAL)
    wait(window.search.answered, at.application.open)
    wait(window.search.answered, lambda: window.results.sort_by(Sort.NAME, False))
    at.take("browse")
    wait(window.search.answered, lambda: window.results.sort_by(Sort.RELEVANCE, False))
    at.search("an astronaut dur:<1m")
    window.results.model.toggle(1)  # the divider above what matches only weakly
    at.take("search")
    at.search("a car in a street")
    best = window.results.model.card(0)
    assert best is not None
    open_player(at, best.moment)
    at.take("player")


Scene = Callable[[Photographer], None]
FIRST: tuple[Scene, ...] = (first_minute,)
LATER: tuple[Scene, ...] = (
    browsing,
    results,
    searching,
    watching,
    annotating,
    exporting,
    everyday,
    models,
    storage,
    trouble,
)
README: tuple[Scene, ...] = (at_a_glance,)


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


def until(true: Callable[[], bool]) -> None:
    """Run Qt until something is so."""
    deadline = time.monotonic() + WAIT / 1000
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come about")
        QTest.qWait(10)


def photograph(scenes: tuple[Scene, ...], config: EngineConfig, stage: Stage, wanted: argparse.Namespace) -> None:
    settings = Settings(theme=wanted.scheme.value, language=wanted.language)
    application = build_application([], config, Preferences(settings))
    suffix = f"{wanted.scheme}-{wanted.scale}" + ("" if wanted.language == "en" else f"-{wanted.language}")
    only = (wanted.only,) if wanted.language == "en" else GERMAN
    photographer = Photographer(application, stage, wanted.folder, suffix, only)
    try:
        for scene in scenes:
            scene(photographer)
    finally:
        application.close_and_wait()
        application.dispose()


def visit(stage: Stage, wanted: argparse.Namespace) -> None:
    """All the scenes in one process."""
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch, "library")
        shutil.copytree(stage.library, library)
        if wanted.readme:
            photograph(README, EngineConfig(library), stage, wanted)
            return
        photograph(FIRST, EngineConfig(Path(scratch, "empty"), factory="tests.fakes:open_library"), stage, wanted)
        photograph(LATER, EngineConfig(library), stage, wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--scheme", type=Scheme, choices=[Scheme.LIGHT, Scheme.DARK])
    parser.add_argument("--scale", choices=["100", "200"])
    parser.add_argument("--language", choices=["en", "de"])
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    if IN_HAND in os.environ:
        visit(Stage(Path(os.environ[IN_HAND])), wanted)
        return
    looks = [(scheme, scale, "en") for scheme in (Scheme.DARK, Scheme.LIGHT) for scale in ("100", "200")]
    looks = [(Scheme.DARK, "100", "en")] if wanted.readme else [*looks, (Scheme.LIGHT, "100", "de")]
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        stage.set_up(wanted.folder / "videos")
        for scheme, scale, language in looks:
            asked = ((wanted.scheme, scheme), (wanted.scale, scale), (wanted.language, language))
            if any(value is not None and value != look for value, look in asked):
                continue
            # Qt reads the scale once, at its start: a process each.
            environment = {**os.environ, "QT_QPA_PLATFORM": stage.platform, "QT_SCALE_FACTOR": str(int(scale) / 100)}
            environment[IN_HAND] = folder
            command = [sys.executable, "-m", "tests.gui.screenshots", str(wanted.folder), "--only", wanted.only]
            command += ["--scheme", scheme.value, "--scale", scale, "--language", language]
            command += ["--readme"] if wanted.readme else []
            subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
