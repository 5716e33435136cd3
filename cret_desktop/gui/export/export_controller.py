"""Exports moments: asks for format and destination, sends the request to the engine, shows progress and result.

One export at a time is shown; a second one waits in the engine. This module never writes a file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtWidgets import QWidget

from cret_desktop.domain.clips import Moment
from cret_desktop.engine.protocol import CancelExport, ExportClips, Exported, ExportList, Passage
from cret_desktop.errors import ExportCancelled
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.export.export_line import ExportLine
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.shell import other_programs

if TYPE_CHECKING:
    from cret_desktop.gui.export.export_dialog import ExportChoice


class ExportController(QObject):
    """Signals: `failed(Exception)`, `exported(Exported)`."""

    failed = Signal(object)
    exported = Signal(object)

    def __init__(self, bridge: EngineBridge, preferences: Preferences, line: ExportLine, window: QWidget) -> None:
        super().__init__(window)
        self._bridge = bridge
        self._preferences = preferences
        self._line = line
        self._window = window
        self._last: ExportChoice | None = None
        self._under_way = 0
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._bridge.export_progressed.connect(self._line.show_progress)
        self._line.cancel_wanted.connect(self.cancel)
        self._line.reveal_wanted.connect(other_programs.reveal)

    @property
    def busy(self) -> bool:
        return self._under_way > 0

    def export_moments(self, moments: Sequence[Moment]) -> None:
        self.export([Passage(moment.path, moment.start, moment.end) for moment in moments])

    def export_passage(self, passage: Passage) -> None:
        self.export([passage])

    def export(self, passages: Sequence[Passage]) -> None:
        """Ask for format and destination, then export."""
        if not passages:
            return
        from cret_desktop.gui.export.export_dialog import ExportDialog  # rarely needed; imported on demand

        dialog = ExportDialog(passages, self._first_choice(), self._window)
        dialog.chosen.connect(self._start)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def cancel(self) -> None:
        self._bridge.request(CancelExport(), lambda _: None, self.failed.emit)

    def _first_choice(self) -> ExportChoice:
        """Return the settings' choice, with the last choices in this window."""
        from cret_desktop.gui.export.export_dialog import ExportChoice

        settings = self._preferences.settings
        last_folder = self._last.folder if self._last is not None else _videos_folder()
        form = self._last.form if self._last is not None else settings.export_mode
        return ExportChoice(form, settings.export_folder or last_folder, settings.export_handles)

    def _start(self, request: ExportClips | ExportList, choice: ExportChoice) -> None:
        self._last = choice
        if isinstance(request, ExportClips):
            self._preferences.change(export_mode=choice.form, export_handles=choice.handles)
        self._under_way += 1
        self._line.show_started(len(request.passages))
        self._bridge.request(request, self._on_exported, self._on_failed)

    def _on_exported(self, exported: Exported) -> None:
        self._under_way -= 1
        self._line.show_finished(exported)
        self.exported.emit(exported)

    def _on_failed(self, error: BaseException) -> None:
        self._under_way -= 1
        self._line.hide()
        if not isinstance(error, ExportCancelled):
            self.failed.emit(error)


def _videos_folder() -> str:
    """Return the user's folder for videos if it exists, else the home folder."""
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MoviesLocation)
    return os.path.normpath(folder) if os.path.isdir(folder) else os.path.expanduser("~")
