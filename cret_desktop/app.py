"""The window's composition root: builds the application without running it, so that tests can hold it.

Start-up order: Qt, the theme, the window on the screen, and only then the engine, in a process of its own. Nothing
here or in `gui` imports torch, cv2, av or hnswlib.
"""

from __future__ import annotations

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

from PySide6.QtCore import QEventLoop, QObject, QSocketNotifier, QTimer
from PySide6.QtGui import QIcon, QPixmapCache
from PySide6.QtWidgets import QApplication

from cret_desktop import errors, paths
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.gui.engine_bridge import EngineBridge
from cret_desktop.gui.main_window import MainWindow
from cret_desktop.gui.theme import Scheme, Theme

log = logging.getLogger(__name__)

SCALED_PICTURES_KIB = 96 * 1024  # pictures scaled to the grid; a large screen shows about 60
SCREENSHOT_SECONDS = 180  # a model is loaded meanwhile, perhaps on a slow machine


class Application(QObject):
    """One window with its engine. `qt` is the QApplication; `theme`, `bridge` and `window` are its parts."""

    def __init__(self, qt: QApplication, config: EngineConfig, scheme: Scheme) -> None:
        super().__init__()
        self.qt = qt
        self.theme = Theme(qt, scheme, self)
        self.bridge = EngineBridge(EngineClient(config), self)
        self.window = MainWindow(self.bridge, self.theme)
        self.window.closing.connect(self.close)

    def open(self) -> None:
        """Show the window and start the engine behind it; what is asked meanwhile waits for it."""
        self.window.show()
        self.bridge.open()

    def close(self) -> None:
        """Take the window away at once and end the engine; `bridge.closed` follows."""
        self.window.hide()
        self.window.thumbnails.close()
        self.bridge.close()

    def close_and_wait(self) -> None:
        """Close, and return when the engine has ended; at once where it has ended already."""
        self.close()
        if not self.bridge.is_closed:
            loop = QEventLoop()
            self.bridge.closed.connect(loop.quit)
            loop.exec()


def build_application(argv: Sequence[str], config: EngineConfig, scheme: Scheme = Scheme.SYSTEM) -> Application:
    """Everything but the event loop. `open()` shows it."""
    qt = cast(QApplication | None, QApplication.instance()) or QApplication(list(argv))
    qt.setApplicationName(paths.APP_NAME)
    qt.setDesktopFileName("cret-desktop")
    qt.setWindowIcon(QIcon(str(paths.resource("icons", "cret-desktop.svg"))))
    QPixmapCache.setCacheLimit(SCALED_PICTURES_KIB)
    return Application(qt, config, scheme)


def run(config: EngineConfig, query: str = "") -> int:
    """Open the window, with `query` typed where one is given, and stay until it is closed. Returns an exit status."""
    application = build_application(sys.argv[:1], config)
    application.qt.setQuitOnLastWindowClosed(False)  # the engine's end comes after the window's
    application.bridge.closed.connect(application.qt.quit)
    with _defects_shown(application), _interrupts_close(application):
        application.open()
        if query:
            application.window.search_bar.search(query)
        return application.qt.exec()


def screenshot(config: EngineConfig, query: str, path: Path) -> None:
    """Write a picture of the window with the answer to `query`. Needs no display and changes nothing in the library.

    Raises: what the engine or the search raises; StorageError where the picture cannot be written.
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
        lambda: fail(errors.EngineError(f"No answer to \u201c{query}\u201d came within {SCREENSHOT_SECONDS} s."))
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
        window.grab()  # asks for the thumbnails of what is in sight
        if not problems and not window.thumbnails.is_idle:
            window.thumbnails.idle.connect(loop.quit)
            loop.exec()
        if problems:
            raise problems[0]
        if not window.grab().save(str(path)):
            raise errors.StorageError(f"The picture could not be written to {path}. Check the folder and its space.")
    finally:
        deadline.stop()
        application.close_and_wait()


@contextmanager
def _defects_shown(application: Application) -> Iterator[None]:
    """Show exceptions that nothing has caught, instead of losing them in a terminal that may not be there."""

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
    """Ctrl+C in the terminal closes the window. Python sees signals between bytecodes; a socket wakes Qt."""
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
