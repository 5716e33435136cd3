"""Keeps the vector index and the thumbnails in step with the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cret_desktop.domain.clips import ModelInfo
from cret_desktop.domain.records import ScanResult
from cret_desktop.library.ports import Store, VectorStore


class IndexUpdates:
    """Applies changes to index and thumbnails. `writing`: thumbnails of files in flight, unknown to the catalog."""

    def __init__(self, store: Store, index: VectorStore, model: ModelInfo) -> None:
        self.writing: set[str] = set()
        self._features = store.features
        self._blobs = store.blobs
        self._index = index
        self._model = model

    def add(self, clips: Sequence[int]) -> None:
        self._index.add(*self._features.vectors(self._model.fingerprint, self._model.width + 1, ids=clips))

    def remove(self, clips: Sequence[int]) -> None:
        if clips:
            self._index.remove(np.asarray(clips, np.int64))

    def drop_sprites(self, names: Iterable[str]) -> None:
        # A file in flight with the same content has written its own thumbnails by these names.
        self._blobs.remove(set(names) - self.writing)

    def take(self, result: ScanResult) -> None:
        """Apply the changes of a scan or of a copy."""
        self.remove(result.dropped_clips)
        if result.restored_clips:
            self.add(result.restored_clips)
        self.drop_sprites(result.stale_sprites)
