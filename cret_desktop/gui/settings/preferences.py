"""The user's settings in the window: read once, written at every change, with a signal for listeners.

Never interprets a setting.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from cret_desktop import settings
from cret_desktop.errors import StorageError
from cret_desktop.messages import Message
from cret_desktop.settings import Settings


class Preferences(QObject):
    """Without a `path` nothing is read or written, for tests and pictures of the window.

    Attributes: `settings`, the present values; `problem`, a message if the file could not be parsed.
    Signals: `changed(before, now)` with two Settings; `failed(StorageError)` if they could not be written: they apply
    until the app ends.
    """

    changed = Signal(object, object)
    failed = Signal(object)

    def __init__(
        self, initial: Settings | None = None, path: Path | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._path = path
        self.settings = initial or Settings()
        self.problem: Message | None = None
        if path is not None:
            self.settings, self.problem = settings.load(Settings, path)

    def change(self, **values: Any) -> None:
        """Set fields of Settings by name; does nothing if all are unchanged."""
        before, now = self.settings, replace(self.settings, **values)
        if now == before:
            return
        self.settings = now
        if self._path is not None:
            try:
                settings.save(now, self._path)
            except StorageError as error:
                self.failed.emit(error)
        self.changed.emit(before, now)
