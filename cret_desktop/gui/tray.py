"""The app's place in the system's tray: shows how indexing goes while the window is closed, and the way back.

Only there when a person has chosen so and the system has a tray. Never starts or ends anything itself.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from cret_desktop import paths
from cret_desktop.engine.protocol import IndexFinished
from cret_desktop.gui import wording
from cret_desktop.gui.engine_bridge import EngineBridge
from cret_desktop.gui.theme import Theme
from cret_desktop.library.progress import IndexProgress, Phase

ICON = 64
STEPS = 24  # the ring around the icon moves in steps, so that the tray is not painted for every file


class Tray(QObject):
    """Signals: `open_wanted()`, `quit_wanted()`, `pause_wanted(bool)`."""

    open_wanted = Signal()
    quit_wanted = Signal()
    pause_wanted = Signal(bool)

    def __init__(self, bridge: EngineBridge, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._plain = QIcon(str(paths.resource("icons", "cret-desktop.svg")))
        self._step: int | None = None
        self._paused = False
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
        self._rest()
        self._open.triggered.connect(self.open_wanted)
        self._quit.triggered.connect(self.quit_wanted)
        self._pause.triggered.connect(lambda: self.pause_wanted.emit(not self._paused))
        self.icon.activated.connect(self._on_activated)
        self.icon.messageClicked.connect(self.open_wanted)
        bridge.progressed.connect(self.show_progress)
        bridge.finished.connect(self._on_finished)

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
        """Say, once in a run, that the app goes on here."""
        if not self._told:
            self._told = True
            self.icon.showMessage(
                paths.APP_NAME,
                self.tr("The window is closed; new videos are still indexed. Open it or quit from here."),
                self._plain,
            )

    def show_progress(self, progress: IndexProgress) -> None:
        self._paused = progress.phase is Phase.PAUSED
        done, total = progress.files_done, progress.files_total
        words = self.tr("Paused: {done} of {total} videos") if self._paused else self.tr("{done} of {total} videos")
        words = words.format(done=done, total=total)
        if progress.remaining is not None and not self._paused:
            words = self.tr("{progress}, {time} left").format(progress=words, time=wording.roughly(progress.remaining))
        self._progress.setText(words)
        self._progress.setVisible(True)
        self._pause.setText(self.tr("Resume indexing") if self._paused else self.tr("Pause indexing"))
        self._pause.setVisible(True)
        self.icon.setToolTip(f"{paths.APP_NAME}\n{words}")
        step = done * STEPS // total if total else 0
        if step != self._step:
            self._step = step
            self.icon.setIcon(self._ringed(step / STEPS))

    def _on_finished(self, finished: IndexFinished) -> None:
        self._rest()

    def _rest(self) -> None:
        self._step = None
        self._progress.setVisible(False)
        self._pause.setVisible(False)
        self.icon.setToolTip(paths.APP_NAME)
        self.icon.setIcon(self._plain)

    def _ringed(self, done: float) -> QIcon:
        """The icon in a ring that is closed as far as indexing is done."""
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
