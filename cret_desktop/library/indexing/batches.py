"""Encodes the clips of several files together, in batches short enough for a query to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import DecodedClip
from cret_desktop.errors import BadFile, ModelError
from cret_desktop.foreign import reason_of
from cret_desktop.library.indexing.file_faults import is_of_a_file
from cret_desktop.library.indexing.in_flight import OpenFile
from cret_desktop.library.indexing.progress import Phase
from cret_desktop.library.indexing.stage import StageRun
from cret_desktop.library.ports import Model
from cret_desktop.messages import Message

BATCH_SECONDS = 0.1  # a query that arrives during a batch waits no longer than this on a CPU
LARGEST_BATCH = 64  # clips

Decoded = tuple[OpenFile, DecodedClip]
Encoded = tuple[OpenFile, DecodedClip, NDArray[np.float32], NDArray[np.float32]]  # with globals and centers


class Batches:
    """Collects clips until a batch is full. `faults_of` returns the context for work on one file."""

    def __init__(
        self, model: Model, run: StageRun, faults_of: Callable[[OpenFile], AbstractContextManager[None]]
    ) -> None:
        self._model = model
        self._run = run
        self._faults_of = faults_of
        self._batch: list[Decoded] = []
        self._size = 4
        self._has_encoded = False

    @property
    def is_full(self) -> bool:
        return len(self._batch) >= self._size

    def add(self, open_file: OpenFile, clip: DecodedClip) -> None:
        open_file.waiting += 1
        self._batch.append((open_file, clip))

    def drop(self, open_file: OpenFile) -> None:
        """Remove the clips of a failed file."""
        self._batch = [(file, clip) for file, clip in self._batch if file is not open_file]

    def encode(self) -> tuple[list[OpenFile], list[Encoded]]:
        """Encode the collected clips; return their files and the clips with their features. Raises: ModelError."""
        if not self._batch:
            return [], []
        batch, self._batch = self._batch, []
        self._run.wait_turn()
        if not self._has_encoded:
            self._run.report.tell(Phase.LOADING_MODEL, batch[0][0].file.path, now=True)
        began = time.monotonic()
        features = self._features(batch)
        took = time.monotonic() - began
        if self._has_encoded:  # the first batch pays for loading the weights
            self._size = int(np.clip(len(batch) * BATCH_SECONDS / max(took, 1e-4), 1, LARGEST_BATCH))
        else:
            self._run.report.idle(took)
        self._has_encoded = True
        return _files_of(batch), features

    def _features(self, batch: Sequence[Decoded]) -> list[Encoded]:
        """Return the clips with their features. If the batch fails, encode file by file: one file can spoil a batch."""
        try:
            return self._encoded(batch)
        except BaseException as error:
            if not is_of_a_file(error):
                raise
            self._try_model()
        features: list[Encoded] = []
        for open_file in _files_of(batch):
            with self._faults_of(open_file):
                features += self._encoded([(file, clip) for file, clip in batch if file is open_file])
        return features

    def _encoded(self, batch: Sequence[Decoded]) -> list[Encoded]:
        """Encode the clips together. Raises: BadFile if a feature is not finite; any error of the model."""
        features = self._model.video.encode(np.stack([clip.frames for _, clip in batch]))
        if not np.isfinite(features.globals).all() or not np.isfinite(features.centers).all():
            raise BadFile("file.no-features")
        each = zip(batch, features.globals, features.centers, strict=True)
        return [(open_file, clip, frames, centers) for (open_file, clip), frames, centers in each]

    def _try_model(self) -> None:
        """Check whether the model works at all: encode a plain grey clip.

        Raises: ModelError if that fails too; otherwise a file caused the failure.
        """
        info = self._model.info
        shape = (1, info.frame_format.frames, info.frame_format.size, info.frame_format.size, 3)
        try:
            features = self._model.video.encode(np.full(shape, 128, np.uint8))
            if np.isfinite(features.globals).all() and np.isfinite(features.centers).all():
                return
            reason = Message("model.not-finite")
        except BaseException as error:
            if not is_of_a_file(error):
                raise
            reason = reason_of(error)
        raise ModelError("model.unusable", title=info.title, reason=reason)


def _files_of(batch: Iterable[Decoded]) -> list[OpenFile]:
    return list({id(open_file): open_file for open_file, _ in batch}.values())
