"""Describes the installed and the available models. The configuration decides which one indexes a library."""

from __future__ import annotations

from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.protocol import ModelCard, ModelState
from cret_desktop.model import downloads, installed
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.encoder import user_models
from cret_desktop.model.presets import PRESETS

SHIPPED = {"starter": downloads.Offer(0, "Apache-2.0", "en")}  # facts about models that need no download


def cards(library: OpenLibrary | None = None, downloading: frozenset[str] = frozenset()) -> tuple[ModelCard, ...]:
    """Return every installed or available model, installed ones first; without a library, with no facts about one.

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
