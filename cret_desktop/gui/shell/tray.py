"""The app's tray icon: shows indexing progress while the window is closed, and reopens it.

Shown only if the user has chosen so and the system has a tray. The pause state is the engine's, as in the bridge. Never
starts or ends anything itself.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from cret_desktop import paths
from cret_desktop.engine.protocol import EngineLost, IndexFinished
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.library.indexing.progress import IndexProgress

ICON = 64
STEPS = 24  # the ring around the icon moves in steps, so that it is not repainted for every file


class Tray(QObject):
    """Signals: `open_wanted()`, `quit_wanted()`, `pause_wanted()`, to pause or to resume."""

    open_wanted = Signal()
    quit_wanted = Signal()
    pause_wanted = Signal()

    def __init__(self, bridge: EngineBridge, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._theme = theme
        self._plain = QIcon(str(paths.resource("icons", "cret-desktop.svg")))
        self._step: int | None = None
        self._run: IndexProgress | None = None
        self._told = False
        self.icon = QSystemTrayIcon(self._plain, self)
        self.icon.setToolTip(paths.APP_NAME)
        self.menu = QMenu()
        self._open = self.menu.addAction(self.tr("Open CRET Desktop"))
        self.menu.setDefaultAction(self._open)
        self._progress = self.menu.addAction("")
        self._progress.setEnabled(False)
        self._pause = self.menu.addAction("")
        self.menu.addSeparator()
        self._quit = self.menu.addAction(self.tr("Quit"))
        self.icon.setContextMenu(self.menu)
        self._show()
        self._open.triggered.connect(self.open_wanted)
        self._quit.triggered.connect(self.quit_wanted)
        self._pause.triggered.connect(self.pause_wanted)
        self.icon.activated.connect(self._on_activated)
        self.icon.messageClicked.connect(self.open_wanted)
        bridge.progressed.connect(self.show_progress)
        bridge.finished.connect(self._on_finished)
        bridge.lost.connect(self._on_finished)
        bridge.pause_changed.connect(self._show)

    @staticmethod
    def is_available() -> bool:
        return QSystemTrayIcon.isSystemTrayAvailable()

    def show(self) -> None:
        self.icon.show()

    def close(self) -> None:
        self.icon.hide()
        self.menu.deleteLater()
        self.deleteLater()

    def tell_where(self) -> None:
        """Notify the user, once per run, that the app keeps running in the tray."""
        if not self._told:
            self._told = True
            self.icon.showMessage(
                paths.APP_NAME,
                self.tr("The window is closed; new videos are still indexed. Open it or quit from here."),
                self._plain,
            )

    def show_progress(self, progress: IndexProgress) -> None:
        self._run = progress
        self._show()

    def _on_finished(self, _: IndexFinished | EngineLost) -> None:
        self._run = None
        self._show()

    def _show(self) -> None:
        """Update menu, tool tip and icon to the engine's state."""
        run, paused = self._run, self._bridge.paused
        words = self._words(run, paused)
        self._progress.setText(words)
        self._progress.setVisible(bool(words))
        self._pause.setText(self.tr("Resume indexing") if paused else self.tr("Pause indexing"))
        self._pause.setVisible(run is not None or paused)
        self.icon.setToolTip(f"{paths.APP_NAME}\n{words}" if words else paths.APP_NAME)
        step = None if run is None else run.files_done * STEPS // run.files_total if run.files_total else 0
        if step != self._step:
            self._step = step
            self.icon.setIcon(self._plain if step is None else self._ringed(step / STEPS))

    def _words(self, run: IndexProgress | None, paused: bool) -> str:
        if run is None:
            return self.tr("Indexing is paused") if paused else ""
        words = self.tr("Paused: {done} of {total} videos") if paused else self.tr("{done} of {total} videos")
        words = words.format(done=run.files_done, total=run.files_total)
        if run.remaining is not None and not paused:
            words = self.tr("{progress}, {time} left").format(progress=words, time=formatting.roughly(run.remaining))
        return words

    def _ringed(self, done: float) -> QIcon:
        """Return the icon in a ring that shows the indexed share."""
        pixmap = QPixmap(ICON, ICON)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._plain.paint(painter, pixmap.rect().adjusted(12, 12, -12, -12))
        width = 7.0
        ring = QRectF(pixmap.rect()).adjusted(width / 2, width / 2, -width / 2, -width / 2)
        for color, part in ((self._theme.colors.weak, 1.0), (self._theme.colors.accent, done)):
            painter.setPen(QPen(QColor(color), width))
            painter.drawArc(ring, 90 * 16, round(-360 * 16 * part))
        painter.end()
        return QIcon(pixmap)

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.open_wanted.emit()
