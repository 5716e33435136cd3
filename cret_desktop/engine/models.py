"""The models of this computer, as the engine gives account of them, fetches them, takes them in and takes them away.

Downloads, imports and removals are carried out one after the other on a thread of their own. Which model a library is
indexed with is not decided here: that is the engine's configuration.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.protocol import (
    DownloadModel,
    DownloadProgress,
    ImportModel,
    ModelCard,
    ModelsChanged,
    ModelState,
    RemoveModel,
)
from cret_desktop.engine.worker import Answer, Worker
from cret_desktop.errors import DownloadCancelled, ModelError
from cret_desktop.library_files import GRAPHS
from cret_desktop.model import downloads, installed
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.encoder import user_models
from cret_desktop.model.importing import import_model
from cret_desktop.model.presets import PRESETS

SHIPPED = {"starter": downloads.Offer(0, "Apache-2.0", "en")}  # what there is to say of what need not be downloaded

Task = DownloadModel | ImportModel | RemoveModel


def cards(library: OpenLibrary | None = None, downloading: frozenset[str] = frozenset()) -> tuple[ModelCard, ...]:
    """Every model that is here or could be, those that can be used first; without a library, what it says of none.

    Reads descriptions only.
    """
    here = installed.installed()
    embedded = library.embeddings.count_embedded() if library is not None else {}
    found = []
    for name in sorted({*here, *PRESETS}, key=lambda name: (name not in here, name not in PRESETS, _place(name), name)):
        manifest = here.get(name)
        if manifest is None:
            found.append(_absent(name, name in downloading))
        else:
            found.append(_present(name, manifest, embedded.get(manifest.fingerprint, 0), library))
    return tuple(found)


def _place(name: str) -> int:
    return list(PRESETS).index(name) if name in PRESETS else 0


def _present(name: str, manifest: Manifest, clips: int, library: OpenLibrary | None) -> ModelCard:
    known = SHIPPED.get(name) or downloads.OFFERS.get(name)
    fingerprint = manifest.fingerprint
    return ModelCard(
        name,
        manifest.config.title,
        ModelState.READY,
        installed.size_of(manifest),
        licence=known.licence if known else "",
        languages=known.languages if known else "",
        clips=clips,
        index_bytes=library.embeddings.embedding_bytes(fingerprint) if library is not None and clips else 0,
        wanted=library is not None and fingerprint == library.model.info.fingerprint,
        answers=library is not None and fingerprint == library.answering.model.info.fingerprint,
        removable=installed.is_removable(manifest),
    )


def _absent(name: str, downloading: bool) -> ModelCard:
    title = PRESETS[name]().title
    offer = downloads.OFFERS.get(name)
    if offer is None:
        return ModelCard(name, title, ModelState.IMPORTABLE)
    fetched = downloads.partial_bytes(name, user_models())
    state = ModelState.PARTIAL if fetched else ModelState.DOWNLOADABLE
    if downloading:
        state = ModelState.DOWNLOADING
    return ModelCard(name, title, state, offer.about_bytes, fetched, offer.licence, offer.languages)


class Models:
    """What the engine does with models, one after the other; `listener` hears of it."""

    def __init__(
        self, library: OpenLibrary, answer: Answer, listener: Callable[[DownloadProgress | ModelsChanged], None]
    ) -> None:
        self._library = library
        self._listener = listener
        self._worker = Worker("models", answer, self._carry_out)
        self._lock = threading.Lock()
        self._downloads: dict[str, threading.Event] = {}  # asked for, under way or waiting; set to cancel
        self._closing = False

    def cards(self) -> tuple[ModelCard, ...]:
        with self._lock:
            under_way = frozenset(self._downloads)
        return cards(self._library, under_way)

    def submit(self, number: int, task: Task) -> None:
        if isinstance(task, DownloadModel):
            with self._lock:
                self._downloads.setdefault(task.name, threading.Event())
        self._worker.submit(number, task)

    def cancel(self, name: str) -> None:
        with self._lock:
            if name in self._downloads:
                self._downloads[name].set()

    def close(self) -> None:
        """Stop what is under way, and wait until the thread has ended."""
        with self._lock:
            self._closing = True
            for cancelled in self._downloads.values():
                cancelled.set()
        self._worker.close()

    def _carry_out(self, task: Task) -> object:
        try:
            match task:
                case DownloadModel(name):
                    self._download(name)
                case ImportModel(path):
                    return import_model(Path(path), user_models()).folder.name
                case RemoveModel(name):
                    self._remove(name)
            return None
        finally:
            self._listener(ModelsChanged())

    def _download(self, name: str) -> None:
        with self._lock:
            cancelled = self._downloads.get(name) or threading.Event()
            if self._closing:
                cancelled.set()

        def tell(progress: downloads.Progress) -> None:
            self._listener(DownloadProgress(name, progress.stage.value, progress.done, progress.total))

        try:
            if cancelled.is_set():
                raise DownloadCancelled("The download was stopped before it began.")
            downloads.download(name, user_models(), tell, cancelled)
        finally:
            with self._lock:
                self._downloads.pop(name, None)

    def _remove(self, name: str) -> None:
        manifest = installed.installed().get(name)
        if manifest is None:
            downloads.discard_partial(name, user_models())
            return
        used = {self._library.model.info.fingerprint, self._library.answering.model.info.fingerprint}
        if manifest.fingerprint in used:
            raise ModelError(f"“{manifest.config.title}” is in use. Use another model first.")
        for graph in self._library.embeddings.remove_model(manifest.fingerprint):
            self._library.paths.files.remove(f"{GRAPHS}/{graph}")
        if installed.is_removable(manifest):
            installed.remove(name)
