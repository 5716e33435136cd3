"""The line at the bottom during indexing: progress, rate, remaining time; pause and cancel.

After indexing it shows, muted and without a bar, that the index is being optimised: search does not wait for that.

The pause state is the engine's, set by `show_paused`; no click and no progress changes it here. This module never sends
a request to the engine.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from cret_desktop.engine.protocol import IndexFinished, Optimising
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.elided_label import ElidedLabel
from cret_desktop.gui.appearance.theme import SPACE, Theme
from cret_desktop.library.indexing.progress import IndexProgress, Phase

SAID_MS = 10_000  # a successful run's result is shown this long


class ProgressLine(QFrame):
    """Signals: `pause_wanted()`, to pause or to resume; `cancel_wanted()`. Hidden while there is nothing to show."""

    pause_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._paused = False
        self._optimising = False
        self._progress: IndexProgress | None = None  # of the current run
        self._telling = False  # whether a run's result is shown
        self._leave = QTimer(self, singleShot=True, interval=SAID_MS)
        self.setProperty("kind", "panel")
        self._bar = QProgressBar(textVisible=False)
        self._bar.setAccessibleName(self.tr("Indexing progress"))
        self._words = ElidedLabel(Qt.TextElideMode.ElideRight, modest=True)
        self._current = ElidedLabel()
        self._current.setProperty("kind", "muted")
        self._pause = QPushButton()
        self._cancel = QPushButton(self.tr("Cancel"))
        self._close = QPushButton(self.tr("Close"))
        theme.give_icon(self._cancel, "close")
        row = QHBoxLayout()
        row.setContentsMargins(SPACE * 2, SPACE, SPACE, SPACE)
        row.setSpacing(SPACE)
        row.addWidget(self._words)
        row.addWidget(self._current, 1)
        for button in (self._pause, self._cancel, self._close):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._bar)
        column.addLayout(row)
        self._paint_pause()
        self.hide()
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._pause.clicked.connect(self.pause_wanted)
        self._cancel.clicked.connect(self.cancel_wanted)
        self._close.clicked.connect(self._close_said)
        self._leave.timeout.connect(self._rest)
        self._theme.changed.connect(self._paint_pause)

    @property
    def text(self) -> str:
        return self._words.text()

    def show_paused(self, paused: bool) -> None:
        """Show the engine's pause state, during a run and without one."""
        self._paused = paused
        self._paint_pause()
        if self._progress is not None:
            self.show_progress(self._progress)
        elif self._telling:
            self._pause.setVisible(paused)
        else:
            self._rest()

    def show_progress(self, progress: IndexProgress) -> None:
        self._progress, self._telling = progress, False
        uncountable = (Phase.SCANNING,) if self._paused else (Phase.SCANNING, Phase.MEASURING, Phase.LOADING_MODEL)
        countable = progress.phase not in uncountable and progress.files_total > 0
        self._bar.setRange(0, progress.files_total if countable else 0)
        self._bar.setValue(progress.files_done)
        self._words.setText(self._sentence(progress))
        self._current.setText(formatting.file_name(progress.current) if progress.current else "")
        self._show_buttons()

    def show_finished(self, finished: IndexFinished) -> None:
        """Show the run's result, for a while if all went well; hide if it found nothing new."""
        totals = finished.totals
        self._progress = None
        if not totals.files and not totals.failed:
            self._rest()
            return
        said = self.tr("{files}, {clips} indexed in {time}")
        if totals.cancelled:
            said = self.tr("Stopped; {files}, {clips} indexed in {time}")
        said = said.format(
            files=formatting.videos(totals.files),
            clips=formatting.clips(totals.clips),
            time=formatting.clock(totals.wall_seconds),
        )
        parts = [said, self._could_not(totals.failed)] if totals.failed else [said]
        self._words.setText(" \u00b7 ".join(parts))
        self._current.setText(self.tr("Ready to search; the index is being optimised") if self._optimising else "")
        self._telling = True
        self._show_buttons(closable=True)
        if not totals.failed and not totals.cancelled:
            self._leave.start()

    def show_optimising(self, optimising: Optimising) -> None:
        """Show that the index is being optimised, unless there is something else to show."""
        self._optimising = optimising.running
        if self._progress is None:  # idle, or showing a run's result
            if not optimising.running:
                self._current.setText("")
            if not self._leave.isActive():
                self._rest()

    def show_lost(self) -> None:
        """Hide the run, which ended with the engine; the next engine reports its own state."""
        self._progress = None
        self._optimising = False
        self._put_away()

    def _rest(self) -> None:
        """Show the state without a run, or hide."""
        self._telling = False
        self._current.setText("")
        if self._paused:
            self._words.setText(self.tr("Indexing is paused"))
            self._show_buttons()
        elif self._optimising:
            self._words.setText(self.tr("Optimising the index; search is ready"))
            self._show_buttons(closable=True)
        else:
            self._put_away()

    def _put_away(self) -> None:
        self._telling = False
        self._leave.stop()
        self.hide()

    def _close_said(self) -> None:
        """Hide the run's result; a pause stays visible until it ends."""
        if self._paused:
            self._rest()
        else:
            self._put_away()

    def _sentence(self, progress: IndexProgress) -> str:
        if progress.phase is Phase.SCANNING and progress.files_total:
            videos = formatting.videos(progress.files_total)
            return self.tr("Looking for videos\u2026 {videos} found").format(videos=videos)
        if progress.phase is Phase.SCANNING:
            return self.tr("Looking for videos\u2026")
        if progress.phase is Phase.MEASURING and not self._paused:
            return self.tr("Reading the lengths of {videos}\u2026").format(
                videos=formatting.videos(progress.files_total)
            )
        if progress.phase is Phase.LOADING_MODEL and not self._paused:
            return self.tr("Loading the model\u2026")
        head = self.tr("Indexing")
        if self._paused:
            head = self.tr("Paused")
        elif progress.phase is Phase.ON_BATTERY:
            head = self.tr("Waiting for mains power")
        going_on = progress.phase is Phase.INDEXING and not self._paused
        parts = [
            self.tr("{phase} {done} of {files}").format(
                phase=head, done=progress.files_done, files=formatting.videos(progress.files_total)
            ),
            formatting.clips(progress.clips_done),
        ]
        if going_on and progress.rate > 0:
            parts.append(formatting.rate(progress.rate))
        if going_on and progress.remaining is not None:
            parts.append(self.tr("{time} left").format(time=formatting.roughly(progress.remaining)))
        if progress.failed:
            parts.append(self._could_not(progress.failed))
        if going_on and progress.space is not None:
            parts.append(
                self.tr("needs {size} of disk space").format(size=formatting.download_size(round(progress.space)))
            )
        return " \u00b7 ".join(parts)

    def _could_not(self, failed: int) -> str:
        return self.tr("{videos} could not be read").format(videos=formatting.videos(failed))

    def _show_buttons(self, closable: bool = False) -> None:
        running = self._progress is not None
        self._leave.stop()
        self._bar.setVisible(running)
        self._pause.setVisible(running or self._paused)
        self._cancel.setVisible(running)
        self._close.setVisible(closable)
        self.show()

    def _paint_pause(self) -> None:
        self._pause.setText(self.tr("Resume") if self._paused else self.tr("Pause"))
        self._pause.setIcon(self._theme.icon("play" if self._paused else "pause"))
