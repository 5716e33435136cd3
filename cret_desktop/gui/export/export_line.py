"""The line at the bottom during an export: progress and current video, then the result.

This module never sends a request to the engine.
"""

from __future__ import annotations

import os

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from cret_desktop.engine.protocol import Exported, ExportProgress
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.appearance.elided_label import ElidedLabel
from cret_desktop.gui.appearance.theme import SPACE, Theme

_STEPS = 1000  # of the bar
_MOST_SENTENCES = 3


class ExportLine(QFrame):
    """Signals: `cancel_wanted()`, `reveal_wanted(str)` with a path. Hidden while there is nothing to show."""

    cancel_wanted = Signal()
    reveal_wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._paths: tuple[str, ...] = ()
        self.setProperty("kind", "panel")
        self.bar = QProgressBar(textVisible=False, maximum=_STEPS)
        self.bar.setAccessibleName(self.tr("Progress of the export"))
        self._mark = QLabel()
        self._words = ElidedLabel(modest=True)
        self._current = ElidedLabel()
        self._current.setProperty("kind", "muted")
        self._notes = QLabel(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self._notes.setProperty("kind", "muted")
        self._notes.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._notes.setContentsMargins(SPACE * 2, 0, SPACE * 2, SPACE)
        self.reveal = QPushButton(self.tr("Show in folder"))
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAccessibleName(self.tr("Cancel the export"))
        self.done = QPushButton(self.tr("Close"))
        self.done.setAccessibleName(self.tr("Close this message"))
        theme.give_icon(self.reveal, "folder")
        theme.give_icon(self.cancel, "close")
        row = QHBoxLayout()
        row.setContentsMargins(SPACE * 2, SPACE, SPACE, SPACE)
        row.setSpacing(SPACE)
        for part in (self._mark, self._words):
            row.addWidget(part)
        row.addWidget(self._current, 1)
        for button in (self.reveal, self.cancel, self.done):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addLayout(row)
        column.addWidget(self._notes)
        self.hide()
        self._connect_signals()

    def _connect_signals(self) -> None:
        self.cancel.clicked.connect(self.cancel_wanted)
        self.done.clicked.connect(self.hide)
        self.reveal.clicked.connect(lambda: self.reveal_wanted.emit(self._paths[0]))
        self._theme.changed.connect(self._paint_mark)

    @property
    def text(self) -> str:
        return self._words.text()

    @property
    def notes(self) -> str:
        return self._notes.text()

    def show_started(self, moments: int) -> None:
        if moments == 1:
            self._words.setText(self.tr("Exporting 1 moment"))
        else:
            self._words.setText(self.tr("Exporting %n moments", "", moments))
        self._current.setText("")
        self.bar.setValue(0)
        self._set_running(True, sentences=())

    def show_progress(self, progress: ExportProgress) -> None:
        self.bar.setValue(round(progress.done * _STEPS))
        self._current.setText(formatting.file_name(progress.path))

    def show_finished(self, exported: Exported) -> None:
        """Show the written files, with the messages about them; those of failures first."""
        self._paths = exported.paths
        files = len(exported.paths)
        if files == 1:
            said = self.tr("\u201c{name}\u201d was written").format(name=formatting.file_name(exported.paths[0]))
        else:
            folder = formatting.file_name(os.path.dirname(exported.paths[0]))
            said = self.tr("%n files were written to \u201c{folder}\u201d", "", files).format(folder=folder)
        self._words.setText(said)
        self._current.setText("")
        said_of = tuple(i18n.said(message) for message in (*exported.failed, *exported.notes))
        self._set_running(False, said_of, bool(exported.failed))

    def _set_running(self, running: bool, sentences: tuple[str, ...], failed: bool = False) -> None:
        shown = list(sentences[:_MOST_SENTENCES])
        if len(sentences) > _MOST_SENTENCES:
            shown.append(self.tr("\u2026 and {count} more like this.").format(count=len(sentences) - _MOST_SENTENCES))
        self._notes.setText("\n".join(shown))
        self._notes.setToolTip(formatting.tooltip("\n".join(sentences)) if len(sentences) > _MOST_SENTENCES else "")
        self._notes.setVisible(bool(shown))
        self._mark.setVisible(failed)
        self._paint_mark()
        self.bar.setVisible(running)
        self.cancel.setVisible(running)
        self.reveal.setVisible(not running)
        self.done.setVisible(not running)
        self.setAccessibleName(self._words.text())
        self.show()

    def _paint_mark(self) -> None:
        self._mark.setPixmap(self._theme.icon("warning", self._theme.colors.danger).pixmap(20, 20))
