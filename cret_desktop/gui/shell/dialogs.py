"""The dialogs for everyday use: models, settings, shortcuts, about.

Opens at most one of each, built on demand.

Decides nothing: `Preferences` holds the settings, the application applies them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QDialog, QWidget

from cret_desktop.engine.protocol import Device, FreeSpace, GetDevices, GetLibrarySize
from cret_desktop.gui.appearance.theme import Theme
from cret_desktop.gui.bridge.connections import connect_for
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.library.storage_controller import StorageController
from cret_desktop.gui.models.model_controller import ModelController
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import Shortcuts


class Everyday(QObject):
    """The everyday dialogs of one window.

    Signals: `history_cleared()`, `restart_wanted()`; `told(str)` and `failed(Exception)`: the result of an operation
    whose dialog has been closed.
    """

    history_cleared = Signal()
    restart_wanted = Signal()
    told = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        window: QWidget,
        bridge: EngineBridge,
        theme: Theme,
        preferences: Preferences,
        shortcuts: Shortcuts,
        models: ModelController,
        storage: StorageController,
    ) -> None:
        super().__init__(window)
        self._theme = theme
        self._models = models
        self._storage = storage
        self._window = window
        self._bridge = bridge
        self._preferences = preferences
        self._shortcuts = shortcuts
        self._open: dict[str, Any] = {}  # the dialogs that are shown, by name
        self._devices: tuple[Device, ...] = ()
        storage.told.connect(self._on_storage_told)
        storage.failed.connect(self._on_storage_failed)

    # The dialogs are imported on demand: most runs of the app never need one.

    def show_settings(self) -> None:
        from cret_desktop.gui.settings.settings_dialog import SettingsDialog

        if not self._raise("settings"):
            dialog = SettingsDialog(self._preferences, self._window)
            dialog.devices_wanted.connect(self._read_devices)
            dialog.models_wanted.connect(self.show_models)
            dialog.history_cleared.connect(self.history_cleared)
            dialog.shortcuts_wanted.connect(self.show_shortcuts)
            dialog.restart_wanted.connect(self.restart_wanted)
            dialog.space_wanted.connect(lambda: self._ask_space(GetLibrarySize()))
            dialog.free_wanted.connect(lambda: self._ask_space(FreeSpace()))
            self._models.changed.connect(dialog.show_models)
            dialog.show_models(self._models.cards)
            self._show("settings", dialog)

    def show_models(self) -> None:
        from cret_desktop.gui.models.model_dialog import ModelDialog

        if not self._raise("models"):
            self._show("models", ModelDialog(self._models, self._theme, self._window))

    def show_storage(self) -> None:
        from cret_desktop.gui.library.storage_dialog import StorageDialog

        if not self._raise("storage"):
            self._show("storage", StorageDialog(self._storage, self._theme, self._window))

    def show_shortcuts(self) -> None:
        from cret_desktop.gui.settings.shortcuts_dialog import ShortcutsDialog

        if not self._raise("shortcuts"):
            self._show("shortcuts", ShortcutsDialog(self._shortcuts, self._window))

    def show_about(self) -> None:
        from cret_desktop.gui.shell.about_dialog import AboutDialog

        if not self._raise("about"):
            self._show("about", AboutDialog(self._window))

    def _read_devices(self) -> None:
        """Show the devices, requested once per run. Requested here, as the dialog may be closed before the answer."""
        if self._devices:
            self._show_devices(self._devices)
        else:
            self._bridge.request(GetDevices(), self._show_devices, self._show_no_devices)

    def _show_devices(self, found: tuple[Device, ...]) -> None:
        self._devices = found
        self._tell("settings", lambda dialog: dialog.show_devices(found))

    def _show_no_devices(self, error: BaseException) -> None:
        self._tell("settings", lambda dialog: dialog.show_no_devices(error))

    def _ask_space(self, request: GetLibrarySize | FreeSpace) -> None:
        self._bridge.request(
            request,
            lambda size: self._tell("settings", lambda dialog: dialog.show_space(size)),
            lambda error: self._tell("settings", lambda dialog: dialog.show_no_space(error)),
        )

    def _tell(self, name: str, what: Callable[[Any], object]) -> None:
        """Call `what` with a dialog that is still open."""
        if name in self._open:
            what(self._open[name])

    # An open dialog shows it itself.

    def _on_storage_told(self, words: str) -> None:
        if "storage" not in self._open:
            self.told.emit(words)

    def _on_storage_failed(self, error: BaseException) -> None:
        if "storage" not in self._open:
            self.failed.emit(error)

    def _raise(self, name: str) -> bool:
        dialog = self._open.get(name)
        if dialog is None:
            return False
        dialog.raise_()
        dialog.activateWindow()
        return True

    def _show(self, name: str, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._open[name] = dialog
        connect_for(self, dialog.finished, lambda: self._open.pop(name, None))
        dialog.show()  # not modal: the effect of a setting is visible at once
