"""Keeps the vector index and the thumbnails at what the catalog has just been made to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from cret_desktop.domain.clips import ModelInfo
from cret_desktop.domain.records import ScanResult
from cret_desktop.library.ports import Store, VectorStore


class IndexUpdates:
    """`writing`: names of the thumbnails of files on their way, which the catalog does not know yet."""

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
        # A file of the same content that is on its way has written its own by these names.
        self._blobs.remove(set(names) - self.writing)

    def take(self, result: ScanResult) -> None:
        """Follow what a scan, or a copy, has changed."""
        self.remove(result.dropped_clips)
        if result.restored_clips:
            self.add(result.restored_clips)
        self.drop_sprites(result.stale_sprites)
