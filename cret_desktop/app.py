"""The window's composition root: builds the application without running it, so that tests can hold it.

Start-up order: Qt, the check for a window that is already open, translations, theme, the window on the screen, and only
then the engine, in a process of its own. Effects of a setting on more than one part are decided here. Nothing here or
in `gui` imports torch, cv2, av or hnswlib.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import cast

from PySide6.QtCore import QEvent, QEventLoop, QObject, QProcess, QSocketNotifier, Qt, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from cret_desktop import environment, errors, paths
from cret_desktop.engine.client import EngineClient, EngineConfig, chosen_config
from cret_desktop.gui.appearance import i18n
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import Shortcuts
from cret_desktop.gui.shell import other_programs, window_state
from cret_desktop.gui.shell.main_window import MainWindow
from cret_desktop.gui.shell.single_instance import SingleInstance
from cret_desktop.gui.shell.tray import Tray
from cret_desktop.gui.shell.window_state import WindowState
from cret_desktop.messages import render
from cret_desktop.settings import Settings, load, save

log = logging.getLogger(__name__)

SCREENSHOT_SECONDS = 180  # includes loading a model, perhaps on a slow machine
ENGINE_SETTINGS = (
    "model",
    "device",
    "leave_out",
    "clip_seconds",
    "thumbnail_width",
    "disk_budget",
    "gentle",
    "pause_on_battery",
)  # same names as in EngineConfig


class Application(QObject):
    """One window with its engine. `qt` is the QApplication; the other attributes are its parts.

    `restarting`: whether the app starts again after it has closed.
    `tray`: set while the user wants the app to keep running with its window closed and the system has a tray.
    Signals: `library_changed(Path)`, the folder of another library is now in use.
    """

    library_changed = Signal(object)

    def __init__(
        self, qt: QApplication, config: EngineConfig, preferences: Preferences, state_file: Path | None
    ) -> None:
        super().__init__()
        self._state_file = state_file
        self.qt = qt
        self.preferences = preferences
        preferences.setParent(self)
        settings = preferences.settings
        self._translators = i18n.install(qt, settings.language)
        self.theme = Theme(qt, Scheme(settings.theme), self)
        self.shortcuts = Shortcuts(preferences, self)
        self.bridge = EngineBridge(EngineClient(config), self)
        with self.theme.styled_at_the_end():
            self.window = MainWindow(self.bridge, self.theme, preferences, self.shortcuts)
        self.tray: Tray | None = None
        self.restarting = False
        self._state = WindowState()
        if state_file is not None:
            self._state, problem = load(WindowState, state_file)
            if problem:
                log.warning("%s", render(problem))
            window_state.restore(self.window, self._state)
        self._place_tray(settings)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self.window.closing.connect(self._on_window_closing)
        self.window.quit_wanted.connect(self.close)
        self.window.everyday.restart_wanted.connect(self._restart)
        self.preferences.changed.connect(self._on_settings)
        self.window.storage.library_wanted.connect(self._use_library)
        self.preferences.failed.connect(self.window.show_error)

    def open(self) -> None:
        """Show the window and start the engine behind it; requests made before the engine is up wait for it."""
        self.window.show()
        self.bridge.open()
        if self.preferences.problem:
            self.window.banner.say(i18n.said(self.preferences.problem))

    def bring_to_front(self, query: str = "", places: Sequence[str] = ()) -> None:
        """Show the window, from the tray or from behind others; search for `query` and add `places`."""
        self.window.setWindowState(self.window.windowState() & ~Qt.WindowState.WindowMinimized)
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()
        if places:
            self.window.library.add(list(places))
        if query:
            self.window.search_bar.search(query)

    def close(self) -> None:
        """Hide the window at once and end the engine; `bridge.closed` follows. Safe to call twice."""
        if self.tray is not None:
            self.tray.close()
            self.tray = None
        self._save_state()
        self.window.hide()
        self.window.release()
        self.bridge.close()
        i18n.remove(self.qt, self._translators)
        self._translators = []

    def _restart(self) -> None:
        self.restarting = True
        self.close()

    def close_and_wait(self) -> None:
        """Close, and return once the engine has ended."""
        self.close()
        if not self.bridge.is_closed:
            loop = QEventLoop()
            self.bridge.closed.connect(loop.quit)
            loop.exec()

    def dispose(self) -> None:
        """Destroy the window and its parts in Qt's order. Python's last collection would destroy them after Qt."""
        other_programs.leave_clipboard()
        self.window.deleteLater()
        self.deleteLater()
        self.qt.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.unfreeze()
        gc.collect()  # including objects in reference cycles

    def _on_window_closing(self) -> None:
        if self.tray is None:
            self.close()
        else:
            self._save_state()
            self.tray.tell_where()

    def _save_state(self) -> None:
        if self._state_file is not None:
            self._state = window_state.capture(self.window, self._state)
            try:
                save(self._state, self._state_file)
            except errors.StorageError as error:
                log.warning("%s", error)  # the next start uses the older window state: no message needed

    def _on_settings(self, before: Settings, now: Settings) -> None:
        if now.theme != before.theme:
            self.theme.set_scheme(Scheme(now.theme))
        if now.closing != before.closing:
            self._place_tray(now)
        changes = {name: getattr(now, name) for name in ENGINE_SETTINGS if getattr(now, name) != getattr(before, name)}
        if changes:
            self.bridge.restart(**changes)

    def _use_library(self, folder: str) -> None:
        """Switch to the library in `folder`. Store the choice unless this run was started with another library."""
        settings = self.preferences.settings
        usual = Path(settings.library) if settings.library else paths.default_library()
        if self.bridge.client.config.library == usual.absolute():
            self.preferences.change(library=folder)
        self.bridge.restart(library=Path(folder), moved=True)
        self.library_changed.emit(Path(folder))

    def _place_tray(self, settings: Settings) -> None:
        wanted = settings.closing == "tray" and Tray.is_available()
        if wanted and self.tray is None:
            self.tray = Tray(self.bridge, self.theme, self)
            self.tray.open_wanted.connect(self.bring_to_front)
            self.tray.quit_wanted.connect(self.close)
            self.tray.pause_wanted.connect(self.window.library.toggle_pause)
            self.tray.show()
        elif not wanted and self.tray is not None:
            self.tray.close()
            self.tray = None


def build_application(
    argv: Sequence[str],
    config: EngineConfig,
    preferences: Preferences | None = None,
    state_file: Path | None = None,
) -> Application:
    """Return the application with everything but the event loop. `open()` shows it.

    Without `preferences`, all settings have their defaults. Without `state_file`, the window state is neither restored
    nor saved.
    """
    return Application(_qt(argv), config, preferences or Preferences(), state_file)


def _qt(argv: Sequence[str]) -> QApplication:
    qt = cast(QApplication | None, QApplication.instance()) or QApplication(list(argv))
    qt.setApplicationName(paths.APP_NAME)
    qt.setDesktopFileName("cret-desktop")
    qt.setWindowIcon(QIcon(str(paths.resource("icons", "cret-desktop.svg"))))
    return qt


def launch(places: Sequence[str]) -> int:
    """Open the window with the stored settings and add `places` (files and folders). Return an exit status."""
    try:
        settings, problem = load(Settings, paths.settings_file())
        if problem:
            log.warning("%s", render(problem))
        library = os.environ.get(paths.LIBRARY_VARIABLE)
        device = os.environ.get(paths.DEVICE_VARIABLE, "")
        config = chosen_config(settings, Path(library) if library else None, device)
        return run(config, places=[os.path.abspath(place) for place in places])
    except errors.CretError as error:
        log.error("%s", error)
        return error.exit_status


def run(config: EngineConfig, query: str = "", places: Sequence[str] = ()) -> int:
    """Open the window and return an exit status once it is closed.

    `query` is searched and `places` (absolute paths) are added. If a window on this library is already open, it comes
    to the front and receives both, and this returns at once.
    """
    qt = _qt(sys.argv[:1])
    instance = SingleInstance(config.library, paths.instance_folder(), qt)
    if not instance.claim(query, places):
        return 0
    if not _offer_older_profile(qt, config.library):
        instance.release()
        return 0
    preferences = Preferences(path=paths.settings_file())
    settings = preferences.settings
    config = replace(config, gentle=settings.gentle, pause_on_battery=settings.pause_on_battery, watch=True)
    application = build_application([], config, preferences, paths.window_state_file())
    qt.setQuitOnLastWindowClosed(False)  # the engine ends after the window
    application.bridge.closed.connect(qt.quit)
    instance.called.connect(application.bring_to_front)

    def follow(library: Path) -> None:
        nonlocal instance
        instance.release()
        instance = SingleInstance(library, paths.instance_folder(), qt)
        instance.claim()
        instance.called.connect(application.bring_to_front)

    application.library_changed.connect(follow)
    try:
        with _defects_shown(application), _interrupts_close(application):
            application.open()
            gc.freeze()  # objects that exist now stay: later collections need not scan them, and are short
            gc.enable()
            if query or places:
                application.bring_to_front(query, places)
            status = qt.exec()
    finally:
        instance.release()
        application.dispose()
    if application.restarting:
        _start_again()
    return status


def _offer_older_profile(qt: QApplication, library: Path) -> bool:
    """Offer an older profile before settings are read, as it may contain them. Return whether to continue."""
    if library != paths.data_folder() / "library" or library.exists():
        return True
    from cret_desktop.engine import older_profile  # needed only at the first start
    from cret_desktop.gui.shell.older_profile import offer

    profile = older_profile.find()
    if profile is None:
        return True
    translators = i18n.install(qt, Settings().language)
    try:
        return offer(profile)
    finally:
        i18n.remove(qt, translators)


def _start_again() -> None:
    """Start the command of this process again, as a separate process."""
    program = os.environ.get("APPIMAGE", sys.executable)  # an AppImage's mount point is gone once it has ended
    given = sys.argv[1:] if getattr(sys, "frozen", False) else sys.orig_argv[1:]
    with environment.of_other_programs():  # the current folder of `python -m` may contain the package
        started = QProcess.startDetached(program, given)[0]
    if not started:
        log.error("%s could not be started again", program)


def screenshot(config: EngineConfig, query: str, path: Path) -> None:
    """Write a picture of the window with the answer to `query`. Needs no display and changes nothing in the library.

    Raises: errors of the engine and of the search; StorageError if the picture cannot be written.
    """
    if QApplication.instance() is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = build_application(sys.argv[:1], replace(config, read_only=True))
    window = application.window
    loop = QEventLoop()
    problems: list[BaseException] = []

    def fail(error: BaseException) -> None:
        problems.append(error)
        loop.quit()

    deadline = QTimer(singleShot=True, interval=SCREENSHOT_SECONDS * 1000)
    deadline.timeout.connect(
        lambda: fail(errors.EngineError("window.no-answer", query=query, seconds=SCREENSHOT_SECONDS))
    )
    application.bridge.start_failed.connect(fail)
    application.bridge.lost.connect(lambda lost: fail(errors.EngineError(lost.message)))
    window.search.failed.connect(fail)
    window.search.answered.connect(loop.quit)
    try:
        application.open()
        deadline.start()
        window.search_bar.search(query)
        loop.exec()
        window.grab()  # requests the visible thumbnails
        if not problems and not window.thumbnails.is_idle:
            window.thumbnails.idle.connect(loop.quit)
            loop.exec()
        if problems:
            raise problems[0]
        if not window.grab().save(str(path)):
            raise errors.StorageError("window.picture-not-written", path=path)
    finally:
        deadline.stop()
        application.close_and_wait()


@contextmanager
def _defects_shown(application: Application) -> Iterator[None]:
    """Show uncaught exceptions in the window instead of losing them in a terminal that may not exist."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("uncaught in the window", exc_info=(kind, error, trace))
        application.window.show_details(error)

    previous, sys.excepthook = sys.excepthook, show
    try:
        yield
    finally:
        sys.excepthook = previous


@contextmanager
def _interrupts_close(application: Application) -> Iterator[None]:
    """Close the window on Ctrl+C in the terminal. Python handles signals between bytecodes; a socket wakes Qt."""
    if sys.platform == "win32":
        yield
        return
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    notifier = QSocketNotifier(reader.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda: reader.recv(64))
    wakeup = signal.set_wakeup_fd(writer.fileno())
    interrupted = signal.signal(signal.SIGINT, lambda *_: application.close())
    terminated = signal.signal(signal.SIGTERM, lambda *_: application.close())
    try:
        yield
    finally:
        notifier.setEnabled(False)
        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGTERM, terminated)
        signal.set_wakeup_fd(wakeup)
        reader.close()
        writer.close()
