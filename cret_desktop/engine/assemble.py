"""Connects the real model, media and index to the library's ports. The only module that knows all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import FrameFormat, Picture, Sampling
from cret_desktop.engine import adoption
from cret_desktop.library.experts.names import Names
from cret_desktop.library.experts.subtitles import Subtitles
from cret_desktop.library.experts.visual import Visual
from cret_desktop.library.indexing.indexer import STILL_SECONDS, Indexer
from cret_desktop.library.indexing.progress import Listener
from cret_desktop.library.keeping.budget import Budget
from cret_desktop.library.keeping.shrinking import shrink_thumbnails
from cret_desktop.library.ports import Backup, Checks, Decoder, FitPicture, Model, Store, VectorSearch
from cret_desktop.library.searching.searcher import Searcher
from cret_desktop.library_files import LibraryFiles
from cret_desktop.media.decoder_pool import DecoderPool
from cret_desktop.model.encoder import open_model
from cret_desktop.model.installed import with_fingerprint
from cret_desktop.paths import LibraryPaths, resource
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.backup import FolderBackup
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.vectors.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class Answering:
    """A model and its index, used by searches."""

    model: Model
    index: VectorIndex
    searcher: Searcher


@dataclass(slots=True)
class OpenLibrary:
    """All parts of one open library. `close` closes it; the catalog is usable before any model is loaded.

    Files are indexed with `model`. While its index is incomplete, searches use the model `before`, whose embeddings the
    catalog holds.
    """

    paths: LibraryPaths
    store: SqliteStore
    index: VectorIndex
    model: Model
    searcher: Searcher
    open_decoder: Callable[[], Decoder]
    still_seconds: float = STILL_SECONDS
    before: Answering | None = None

    @property
    def catalog(self) -> Catalog:
        return self.store.catalog

    @property
    def annotations(self) -> Annotations:
        return self.store.annotations

    @property
    def changes(self) -> FileChanges:
        return self.store.queue

    @property
    def embeddings(self) -> Embeddings:
        return self.store.features

    @property
    def listing(self) -> Listing:
        return self.store.listing

    @property
    def answering(self) -> Answering:
        """The model and index that searches use."""
        return self.before or Answering(self.model, self.index, self.searcher)

    def indexer(self, listener: Listener, leave_out: Sequence[str], sampling: Sampling, budget: float) -> Indexer:
        """Return an indexer of this library. `budget`: see `library.keeping.budget`; the others: see `Indexer`."""
        return Indexer(
            self.store, self, self.model, self.open_decoder, self.paths.files, listener, leave_out,
            self.still_seconds, sampling=sampling, keeps_pace=True, budget=Budget(self.store.backup.measure, budget),
        )  # fmt: skip

    def shrink_thumbnails(self, sampling: Sampling, stop: Callable[[], bool]) -> None:
        """See `library.keeping.shrinking`. Raises: StorageError."""
        shrink_thumbnails(self.store, _shrink, sampling.tile_width, stop)

    # The index as `library.ports.VectorStore`: removed clips disappear from every search.

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self.index.add(ids, vectors)

    def remove(self, ids: NDArray[np.int64]) -> None:
        self.index.remove(ids)
        if self.before is not None:
            self.before.index.remove(ids)

    def restore(self, ids: Sequence[int]) -> None:
        """Make removed clips searchable again, with each model that has embedded them."""
        for index, model in [(self.index, self.model)] + [(b.index, b.model) for b in (self.before,) if b is not None]:
            index.add(*self.embeddings.vectors(model.info.fingerprint, model.info.width + 1, ids=ids))

    def close(self) -> None:
        self.index.close()
        if self.before is not None:
            self.before.index.close()
        self.store.close()


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """Open a library with a real model. Imports no torch and starts no process until there is work for them.

    Raises: ModelError, LibraryTooNew, LibraryDamaged, LibraryMissing, StorageError.
    """
    opened = open_model(model, device)
    decoder_format = opened.info.frame_format
    return wire(
        library,
        opened,
        lambda: DecoderPool(decoder_format),
        read_only,
        reopen=lambda fingerprint: with_fingerprint(fingerprint, device),
    )


def backup_of(library: Path) -> Backup:
    """Return the backup port of the library in a folder, which need not be open."""
    return FolderBackup(library)


@contextmanager
def open_to_check(library: Path) -> Iterator[Checks]:
    """Open a library for reading, to check what it stores; no lock is needed.

    Raises: LibraryMissing, LibraryDamaged, LibraryTooNew, StorageError.
    """
    with SqliteStore.open(library, read_only=True) as store:
        yield store.checks


def wire(
    library: Path,
    model: Model,
    open_decoder: Callable[[], Decoder],
    read_only: bool,
    still_seconds: float = STILL_SECONDS,
    reopen: Callable[[str], Model | None] = lambda _: None,
) -> OpenLibrary:
    """Open a library with a given model and decoder. `still_seconds`: see `Indexer`.

    `reopen` returns the model of a fingerprint, used for searches while `model` has embedded fewer clips.
    """
    paths = LibraryPaths(library)
    store = SqliteStore.open(library, read_only)
    catalog, embeddings = store.catalog, store.features
    texts = resource("reference_queries.txt").read_text(encoding="utf-8").splitlines()
    references = [text for text in texts if text and not text.startswith("#")]

    def answering(model: Model) -> Answering:
        info = model.info
        index = VectorIndex.open(paths.graphs, embeddings, info.fingerprint, info.width + 1, None, read_only, key)
        return Answering(model, index, make_searcher(store, index, model, paths.files, references, fit_picture))

    try:
        with catalog.guarded():
            key = adoption.key_of(catalog) if read_only else adoption.remember(catalog)
            now = answering(model)
            old = _model_before(embeddings, model.info.fingerprint, reopen)
            before = answering(old) if old is not None else None
    except BaseException:
        catalog.close()
        raise
    return OpenLibrary(
        paths, store, now.index, model, now.searcher, open_decoder, still_seconds, before
    )  # fmt: skip


def make_searcher(
    store: Store,
    index: VectorSearch,
    model: Model,
    files: LibraryFiles,
    references: Sequence[str],
    fit_picture: FitPicture,
) -> Searcher:
    """Create the searcher and its experts. A further expert is one line here.

    `references` are the queries that relevance is calibrated against; `files` caches their features.
    """
    visual = Visual(store, index, model, files, references, fit_picture)
    experts = (
        Names(store),
        Subtitles(store),
        visual,  # after those that find whole files, because it also scores the clips of these files
    )
    return Searcher(store, index, model, experts, visual)


def _model_before(embeddings: Embeddings, wanted: str, reopen: Callable[[str], Model | None]) -> Model | None:
    """Return the model that most of the library is indexed with, if `wanted` (a fingerprint) is behind it."""
    if not embeddings.count_behind(wanted):
        return None
    embedded = embeddings.count_embedded()
    for fingerprint in sorted(embedded, key=lambda fingerprint: -embedded[fingerprint]):
        if embedded[fingerprint] <= embedded.get(wanted, 0):
            return None
        model = reopen(fingerprint)
        if model is not None:
            return model
    return None


def fit_picture(picture: Picture, frame_format: FrameFormat) -> NDArray[np.uint8]:
    from cret_desktop.media.thumbnails import fit_frame  # loads OpenCV, needed only for search by picture

    pixels = np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)
    return fit_frame(pixels, frame_format)


def _shrink(jpeg: bytes, tiles: int, widest: int) -> tuple[bytes, int, int]:
    from cret_desktop.media.thumbnails import shrink_sprite  # loads OpenCV, needed only to free space

    return shrink_sprite(jpeg, tiles, widest)
