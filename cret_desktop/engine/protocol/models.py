"""The models of this computer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cret_desktop.engine.protocol.base import Lane, Request


class ModelState(StrEnum):
    READY = "ready"
    DOWNLOADING = "downloading"
    PARTIAL = "partial"  # some of it has been downloaded
    DOWNLOADABLE = "downloadable"
    IMPORTABLE = "importable"  # nobody has published its weights: train it, or import one that was trained


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model, and what this library has of it.

    `size` in bytes, about right until it is here; `fetched` of them by a download that has not come to its end.
    `languages` is en, many, or '' where nobody has said. `clips` are indexed with it, in `index_bytes`. `wanted`:
    chosen by the person; `answers`: searches use it, which the one before does until the wanted one's index is made.
    `removable`: a person has brought it here.
    """

    name: str
    title: str
    state: ModelState
    size: int = 0
    fetched: int = 0
    licence: str = ""
    languages: str = ""
    clips: int = 0
    index_bytes: int = 0
    wanted: bool = False
    answers: bool = False
    removable: bool = False


@dataclass(frozen=True, slots=True)
class GetModels(Request[tuple[ModelCard, ...]], lane=Lane.CONTROL):
    """List the models, those that ship with the app first. Loads no weights, asks no network."""


@dataclass(frozen=True, slots=True)
class DownloadModel(Request[None], lane=Lane.MODELS):
    """Download a model, or resume its download. The reply comes once the model can be used.

    DownloadProgress events come meanwhile. Raises: DownloadCancelled, ModelError, StorageError; what came is kept.
    """

    name: str


@dataclass(frozen=True, slots=True)
class CancelDownload(Request[None], lane=Lane.CONTROL):
    """Stop a download, under way or waiting. What came is kept. The reply comes at once."""

    name: str


@dataclass(frozen=True, slots=True)
class ImportModel(Request[str], lane=Lane.MODELS):
    """Import a model from its folder, or from a zip of one. The reply is its name.

    Raises: ModelError, StorageError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class RemoveModel(Request[None], lane=Lane.MODELS):
    """Delete a model that a person brought here, its partial download, and its index in this library.

    Raises: ModelError for a model in use, StorageError.
    """

    name: str
