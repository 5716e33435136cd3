"""Puts the real model, media and index behind the library's ports. The one place that knows all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import FrameFormat, Picture
from cret_desktop.index.annotations import Annotations
from cret_desktop.index.catalog import Catalog
from cret_desktop.index.listing import Listing
from cret_desktop.index.vector_index import VectorIndex
from cret_desktop.library.indexer import Indexer
from cret_desktop.library.ports import Decoder, Model
from cret_desktop.library.progress import Listener
from cret_desktop.library.searcher import Searcher
from cret_desktop.media.decoder_pool import DecoderPool
from cret_desktop.model.encoder import open_model
from cret_desktop.paths import LibraryPaths, resource


@dataclass(frozen=True, slots=True)
class OpenLibrary:
    """Everything of one library, wired. `close` ends it; the catalog is usable before any model is loaded."""

    paths: LibraryPaths
    catalog: Catalog
    annotations: Annotations
    listing: Listing
    index: VectorIndex
    model: Model
    searcher: Searcher
    open_decoder: Callable[[], Decoder]

    def indexer(self, listener: Listener, leave_out: Sequence[str]) -> Indexer:
        return Indexer(
            self.catalog, self.index, self.model, self.open_decoder, self.paths.thumbnails, listener, leave_out
        )

    def close(self) -> None:
        self.index.close()
        self.catalog.close()


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """Open a library with a real model. Imports no torch and starts no process until there is work for them.

    Raises: ModelError, LibraryTooNew, LibraryDamaged, LibraryMissing, StorageError.
    """
    opened = open_model(model, device)
    decoder_format = opened.info.frame_format
    return wire(library, opened, lambda: DecoderPool(decoder_format), read_only)


def wire(library: Path, model: Model, open_decoder: Callable[[], Decoder], read_only: bool) -> OpenLibrary:
    """Open a library around a given model and decoder."""
    paths = LibraryPaths(library)
    catalog = Catalog.open(paths.catalog, read_only)
    try:
        index = VectorIndex.open(
            paths.graphs, catalog, model.info.fingerprint, model.info.width + 1, read_only=read_only
        )
        texts = resource("reference_queries.txt").read_text(encoding="utf-8").splitlines()
        references = [text for text in texts if text and not text.startswith("#")]
        searcher = Searcher(catalog, index, model, paths.thumbnails, references, paths.calibration, fit_picture)
    except BaseException:
        catalog.close()
        raise
    return OpenLibrary(paths, catalog, Annotations(catalog), Listing(catalog), index, model, searcher, open_decoder)


def fit_picture(picture: Picture, frame_format: FrameFormat) -> NDArray[np.uint8]:
    from cret_desktop.media.thumbnails import fit_frame  # OpenCV, only where a picture is searched by

    pixels = np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)
    return fit_frame(pixels, frame_format)
