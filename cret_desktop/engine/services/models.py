"""Downloads, imports and removals of models, one after the other."""

from __future__ import annotations

from pathlib import Path

from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.handlers import Call, handles
from cret_desktop.engine.lanes import WorkerLane
from cret_desktop.engine.models import cards
from cret_desktop.engine.sessions import Publish
from cret_desktop.errors import DownloadCancelled, ModelError
from cret_desktop.library_files import GRAPHS
from cret_desktop.model import downloads, installed
from cret_desktop.model.encoder import user_models
from cret_desktop.model.importing import import_model


class ModelService:
    def __init__(self, library: OpenLibrary, lane: WorkerLane, publish: Publish) -> None:
        self._library = library
        self._lane = lane
        self._publish = publish

    @handles(protocol.GetModels)
    def cards(self, _: protocol.GetModels, __: Call) -> tuple[protocol.ModelCard, ...]:
        requests = [call.request for call in self._lane.calls()]
        return cards(self._library, frozenset(r.name for r in requests if isinstance(r, protocol.DownloadModel)))

    @handles(protocol.DownloadModel)
    def download(self, request: protocol.DownloadModel, call: Call) -> None:
        def listen(progress: downloads.Progress) -> None:
            stage = progress.stage.value
            self._publish(protocol.DownloadProgress(request.name, stage, progress.done, progress.total))

        try:
            if call.token.cancelled:
                raise DownloadCancelled("download.not-begun")
            downloads.download(request.name, user_models(), listen, call.token)
        finally:
            self._lane.finish(call)  # before the event, so that clients do not list it as downloading
            self._publish(protocol.ModelsChanged())

    @handles(protocol.CancelDownload)
    def cancel(self, request: protocol.CancelDownload, _: Call) -> None:
        self._lane.cancel(lambda call: call.request == protocol.DownloadModel(request.name))

    @handles(protocol.ImportModel)
    def take_in(self, request: protocol.ImportModel, _: Call) -> str:
        try:
            return import_model(Path(request.path), user_models()).folder.name
        finally:
            self._publish(protocol.ModelsChanged())

    @handles(protocol.RemoveModel)
    def remove(self, request: protocol.RemoveModel, _: Call) -> None:
        try:
            self._remove(request.name)
        finally:
            self._publish(protocol.ModelsChanged())

    def _remove(self, name: str) -> None:
        manifest = installed.installed().get(name)
        if manifest is None:
            downloads.discard_partial(name, user_models())
            return
        used = {self._library.model.info.fingerprint, self._library.answering.model.info.fingerprint}
        if manifest.fingerprint in used:
            raise ModelError("model.in-use", title=manifest.config.title)
        for graph in self._library.embeddings.remove_model(manifest.fingerprint):
            self._library.paths.files.remove(f"{GRAPHS}/{graph}")
        if installed.is_removable(manifest):
            installed.remove(name)
