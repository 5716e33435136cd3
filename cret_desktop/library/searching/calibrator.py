"""The reference data for relevance: the references' features and the library's calibration, computed on demand.

Words and pictures are calibrated separately (see `relevance`), since texts are far from pictures in any model's space.
"""

from __future__ import annotations

import io
import logging
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import Features, Vector
from cret_desktop.library.keeping.caches import read_cache
from cret_desktop.library.ports import Model, Store
from cret_desktop.library.searching.relevance import SAMPLE_CLIPS, Calibration, Likeness, z_scores
from cret_desktop.library.searching.score import score, unit
from cret_desktop.library_files import CALIBRATION, LibraryFiles

log = logging.getLogger(__name__)

REFIT_GROWTH = 1.25  # a calibration is recomputed when the library has grown or shrunk by this factor
_LONGEST = 1e4  # upper bound for a value of a text's features: a model's own are near 1
_ABOUT_AN_ARRAY = 4096  # upper bound in bytes for the overhead of an array in an .npz
LIKENESS_CLIPS = 300  # compared with each other to estimate the likeness of unrelated pictures


@dataclass(frozen=True, slots=True)
class QueryFeatures:
    """The features of one query that clips are compared with: globals [1, D], centers [1, C, D]."""

    features: Features
    is_text: bool


@dataclass(frozen=True, slots=True)
class ScoredClips:
    """Clips [N] that a search scores: their ids, their files' ids, and their features."""

    ids: NDArray[np.int64]
    file_ids: NDArray[np.int64]
    features: Features

    def only(self, rows: NDArray[np.int64]) -> ScoredClips:
        features = Features(self.features.globals[rows], self.features.centers[rows])
        return ScoredClips(self.ids[rows], self.file_ids[rows], features)


def clip_as_query(clip: Features) -> Features:
    """Return one clip's features (globals [1, M, D]) as a query's: the direction of its frames' mean."""
    return Features(unit(clip.globals.mean(axis=1)), clip.centers)


class Calibrator:
    """Calibrates scores over one library with one model. Thread-safe; one thread computes each calibration."""

    def __init__(self, store: Store, model: Model, references: Sequence[str], files: LibraryFiles) -> None:
        self._store = store
        self._model = model
        self._texts = tuple(references)
        self._library = files
        self._file = f"{CALIBRATION}/{model.info.fingerprint[:32]}.npz"
        self._lock = threading.RLock()  # held while the fields below are computed; `_compared` is read without it
        self._references: Features | None = None
        self._text_calibration: tuple[int, Calibration] | None = None
        self._likeness: tuple[int, Likeness] | None = None
        self._compared: tuple[ScoredClips, Vector] | None = None  # the references' scores of the clips scored last

    def calibrated(self, query: QueryFeatures, scores: Vector, clips: ScoredClips, library: int) -> NDArray[np.float64]:
        """Return the scores [N] on the scale from possible (0) to strong (1) for a library of `library` clips."""
        if not query.is_text:
            return self._calibrate_likeness(library).calibrated(scores)
        calibration = self._calibrate_texts(library)
        compared = self._compared
        if compared is None or compared[0] is not clips:
            compared = self._compared = clips, score(self.references(), clips.features, self._model.info.score)
        return calibration.calibrated(z_scores(scores, compared[1]))

    def prepare(self, library: int) -> None:
        """Load everything that a query in words needs."""
        self.references()
        if library:
            self._calibrate_texts(library)

    def references(self) -> Features:
        """Return the references' features: encoded once per model, then cached in a file beside the catalog."""
        with self._lock:
            if self._references is None:
                self._references = self._load_references() or self._encode_references()
            return self._references

    def _load_references(self) -> Features | None:
        info, count = self._model.info, len(self._texts)
        texts = np.array(self._texts)
        wanted = {
            "texts": texts,
            "globals": np.empty((count, info.width), np.float32),
            "centers": np.empty((count, info.centers, info.width), np.float32),
        }
        largest = sum(array.nbytes for array in wanted.values()) + len(wanted) * _ABOUT_AN_ARRAY

        def read(content: bytes) -> Features | None:
            stored = _arrays(content, wanted)
            if stored is None or not np.array_equal(stored["texts"], texts):
                return None  # from another version's references
            features = Features(stored["globals"], stored["centers"])
            if not all(np.abs(values).max(initial=0.0) <= _LONGEST for values in (features.globals, features.centers)):
                raise ValueError("it holds values that no model gives")  # also true for NaN
            return features

        return read_cache(self._library, self._file, largest, read)

    def _encode_references(self) -> Features:
        features = self._model.text.encode(self._texts)
        try:
            content = io.BytesIO()
            np.savez(content, texts=np.array(self._texts), globals=features.globals, centers=features.centers)
            self._library.write(self._file, content.getvalue())
        except OSError as error:  # a read-only library can still be searched
            log.info("The reference queries' features are not kept: %s", error)
        return features

    def _calibrate_texts(self, library: int) -> Calibration:
        with self._lock:
            if self._text_calibration is None or not _near(self._text_calibration[0], library):
                clips = self._sample(SAMPLE_CLIPS)
                calibration = Calibration.fit(score(self.references(), clips.features, self._model.info.score))
                self._text_calibration = library, calibration
            return self._text_calibration[1]

    def _calibrate_likeness(self, library: int) -> Likeness:
        with self._lock:
            if self._likeness is None or not _near(self._likeness[0], library):
                config, clips = self._model.info.score, self._sample(LIKENESS_CLIPS)
                scores = score(clip_as_query(clips.features), clips.features, config)
                first = Features(clips.features.globals[:, 0], clips.features.centers)
                own = np.diagonal(score(first, clips.features, config))
                self._likeness = library, Likeness.fit(scores, clips.file_ids[:, None] != clips.file_ids, own)
            return self._likeness[1]

    def _sample(self, count: int) -> ScoredClips:
        wanted = self._store.clips.sample_clips(count)
        ids, features = self._store.features.features(self._model.info, [i for i, _ in wanted])
        files = dict(wanted)
        return ScoredClips(ids, np.array([files[int(i)] for i in ids], np.int64), features)


def _arrays(content: bytes, wanted: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of an .npz written by `np.savez`, or None if their shapes or types differ from `wanted`.

    Headers are checked before the data is read, and compressed members are refused, as a few bytes could expand to any
    size. Raises: errors of zipfile and numpy.
    """
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        for name, like in wanted.items():
            member = packed.getinfo(f"{name}.npy")
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > like.nbytes + _ABOUT_AN_ARRAY:
                return None
            stored = io.BytesIO(packed.read(member))
            if np.lib.format.read_magic(stored) != (1, 0):
                return None
            shape, in_columns, kind = np.lib.format.read_array_header_1_0(stored, max_header_size=_ABOUT_AN_ARRAY)
            if (shape, kind) != (like.shape, like.dtype) or (in_columns and like.ndim > 1):
                return None
            stored.seek(0)
            found[name] = np.lib.format.read_array(stored, allow_pickle=False)
    return found


def _near(fitted: int, library: int) -> bool:
    return fitted / REFIT_GROWTH <= library <= fitted * REFIT_GROWTH
