"""The models of this computer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cret_desktop.engine.protocol.base import Lane, Request


class ModelState(StrEnum):
    READY = "ready"
    DOWNLOADING = "downloading"
    PARTIAL = "partial"  # partly downloaded
    DOWNLOADABLE = "downloadable"
    IMPORTABLE = "importable"  # no published weights: train it, or import a trained one


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model, and its use in this library.

    `size` in bytes, approximate until installed; `fetched` is the part of it that an unfinished download has.
    `languages` is en, many, or '' if unknown. `clips` are indexed with it, in `index_bytes`. `wanted`: chosen by the
    person; `answers`: used by searches, which keep the previous model until the index of the wanted one is complete.
    `removable`: added by the person.
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
    """List the models, those that ship with the app first. Loads no weights and does not access the network."""


@dataclass(frozen=True, slots=True)
class DownloadModel(Request[None], lane=Lane.MODELS):
    """Download a model, or resume its download. The reply comes once the model is usable.

    DownloadProgress events are sent meanwhile. Raises: DownloadCancelled, ModelError, StorageError; partial data is
    kept.
    """

    name: str


@dataclass(frozen=True, slots=True)
class CancelDownload(Request[None], lane=Lane.CONTROL):
    """Stop a download, under way or waiting. Partial data is kept. The reply comes at once."""

    name: str


@dataclass(frozen=True, slots=True)
class ImportModel(Request[str], lane=Lane.MODELS):
    """Import a model from its folder, or from a zip of one. The reply is its name.

    Raises: ModelError, StorageError.
    """

    path: str


@dataclass(frozen=True, slots=True)
class RemoveModel(Request[None], lane=Lane.MODELS):
    """Delete a model added by the person, its partial download, and its index in this library.

    Raises: ModelError for a model in use, StorageError.
    """

    name: str
