"""The models in the window: lists, downloads, imports, uses and removes them.

A download continues after a restart of the engine. The model in use is a setting; the application applies it. This
module never touches a file.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from cret_desktop.engine.protocol import (
    CancelDownload,
    DownloadModel,
    DownloadProgress,
    GetModels,
    ImportModel,
    LibraryStatus,
    ModelCard,
    ModelState,
    RemoveModel,
)
from cret_desktop.errors import DownloadCancelled
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, engine_is_lost
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.settings import Settings

OFFERED = "pe-core-s16"  # offered to users of the starter: much better, and small
STARTER = "starter"


class ModelController(QObject):
    """Signals:
    changed(tuple[ModelCard, ...])
    progressed(DownloadProgress)
    failed(Exception)  a request of the user failed
    offered(ModelCard | None)  a better model to offer, or none
    """

    changed = Signal(object)
    progressed = Signal(object)
    failed = Signal(object)
    offered = Signal(object)

    def __init__(self, bridge: EngineBridge, preferences: Preferences, parent: QObject) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._preferences = preferences
        self.cards: tuple[ModelCard, ...] = ()
        self.video_seconds = 0.0  # in the library, to be re-indexed with another model
        self._fetching: set[str] = set()  # requested, and neither done nor cancelled
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._bridge.started.connect(self._on_started)
        self._bridge.models_changed.connect(self.read)
        self._bridge.download_progressed.connect(self._on_progress)
        self._preferences.changed.connect(self._on_settings)

    def read(self) -> None:
        """Request the list of models; `changed` follows."""
        self._bridge.request(GetModels(), self._on_cards, self._on_unread)

    def set_status(self, status: LibraryStatus) -> None:
        self.video_seconds = status.seconds

    def download(self, name: str) -> None:
        """Download a model, or resume its download."""
        self._fetching.add(name)
        self._bridge.request(
            DownloadModel(name), lambda _: self._on_fetched(name), lambda e: self._on_unfetched(name, e)
        )
        self.read()

    def cancel(self, name: str) -> None:
        self._fetching.discard(name)
        self._bridge.request(CancelDownload(name), lambda _: None, self._on_failed)

    def take_in(self, path: str) -> None:
        """Import a model's folder, or a zip of one."""
        self._bridge.request(ImportModel(path), lambda _: None, self._on_failed)

    def use(self, name: str) -> None:
        """Index and search with a model from now on."""
        self._preferences.change(model=name)

    def remove(self, name: str) -> None:
        """Remove a model, its partial download, and its index."""
        self._bridge.request(RemoveModel(name), lambda _: None, self._on_failed)

    def decline(self) -> None:
        """Never offer a better model again."""
        self._preferences.change(offer_models=False)

    def _on_started(self, _: object) -> None:
        for name in self._fetching:
            self.download(name)
        self.read()

    def _on_cards(self, cards: tuple[ModelCard, ...]) -> None:
        self.cards = cards
        self.changed.emit(cards)
        self._offer(self._preferences.settings)

    def _on_unread(self, error: BaseException) -> None:
        if not engine_is_lost(error):
            self.failed.emit(error)

    def _on_progress(self, progress: DownloadProgress) -> None:
        self.progressed.emit(progress)

    def _on_fetched(self, name: str) -> None:
        self._fetching.discard(name)

    def _on_unfetched(self, name: str, error: BaseException) -> None:
        if engine_is_lost(error):
            return  # it is requested again once the engine is back
        self._fetching.discard(name)
        if not isinstance(error, DownloadCancelled):
            self.failed.emit(error)

    def _on_failed(self, error: BaseException) -> None:
        self.failed.emit(error)

    def _on_settings(self, before: Settings, now: Settings) -> None:
        self._offer(now)

    def _offer(self, settings: Settings) -> None:
        better = next((card for card in self.cards if card.name == OFFERED), None)
        speaks = settings.offer_models and settings.model == STARTER and better is not None
        can = better is not None and better.state in (ModelState.DOWNLOADABLE, ModelState.PARTIAL)
        self.offered.emit(better if speaks and can else None)
