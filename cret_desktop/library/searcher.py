"""Query in, moments out: candidates from the vector index, the whole CRET score, relevance, neighbours merged.

Reads only; any number of searches may run beside indexing. Never opens a video file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cret_desktop.clips import Features, Match, Moment, Thumbnail, Vector
from cret_desktop.index.catalog import Catalog, ClipRow, query_vector
from cret_desktop.library import query as query_language
from cret_desktop.library.ports import Model
from cret_desktop.library.relevance import SAMPLE_CLIPS, Calibration, classify, standing
from cret_desktop.library.score import center_similarities, frame_similarities, pool_frames, score

log = logging.getLogger(__name__)

# Clips rescored in full: recall@10 of at least 0.99 of exhaustive scoring, at 100,000 clips (docs/benchmarks.md).
CANDIDATES = 800
REFIT_GROWTH = 1.25  # the calibration is made anew when the library has grown or shrunk by this factor


class SearchIndex(Protocol):
    """What the searcher needs of `index.vector_index.VectorIndex`."""

    def __len__(self) -> int: ...
    def search(
        self, query: Vector, k: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], Vector]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """Moments best first; `parts` in milliseconds. Not `confident`: nothing in the library matches well."""

    query: str
    moments: tuple[Moment, ...]
    confident: bool
    searched: int  # clips that are indexed with this model
    took_ms: float
    parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Hit:
    clip: ClipRow
    score: float
    relevance: float
    best_frame: int


class Searcher:
    """Answers queries over one library with one model."""

    def __init__(
        self,
        catalog: Catalog,
        index: SearchIndex,
        model: Model,
        thumbnails: Path,
        references: Sequence[str],
        calibration: Path,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._model = model
        self._thumbnails = thumbnails
        self._reference_texts = tuple(references)
        self._reference_file = calibration / f"{model.info.fingerprint[:32]}.npz"
        self._references: Features | None = None
        self._calibration: tuple[int, Calibration] | None = None

    def search(self, typed: str, limit: int) -> Answer:
        """The best `limit` moments for a query. Raises: QueryError, ModelError."""
        began = time.perf_counter()
        parts: dict[str, float] = {}
        config = self._model.info.score
        with _timed(parts, "text"):
            parsed = query_language.parse(typed)
            text = self._model.text.encode([parsed.text])
        with _timed(parts, "candidates"):
            ids, _ = self._index.search(query_vector(text.globals[0]), max(CANDIDATES, 4 * limit))
        with _timed(parts, "rescore"):
            ids, features = self._catalog.embeddings(self._model.info, [int(i) for i in ids])
            frames = frame_similarities(text, features)[0]  # [K, M]
            scores = pool_frames(frames, config) + center_similarities(text, features, config)[0]
            order = np.argsort(-scores, kind="stable")[: 4 * limit]
        with _timed(parts, "relevance"):
            if len(order):
                kept = Features(features.globals[order], features.centers[order])
                references = self.references()
                heights = standing(scores[order], score(references, kept, config))
                relevance = self._calibrate(references).relevance(heights)
            else:
                relevance = np.empty(0)
        with _timed(parts, "moments"):
            rows = self._catalog.clips([int(ids[i]) for i in order])
            hits = [
                _Hit(rows[int(ids[i])], float(scores[i]), float(r), int(frames[i].argmax()))
                for i, r in zip(order, relevance, strict=True)
                if int(ids[i]) in rows
            ]
            moments = tuple(self._moment(group) for group in _merge(hits)[:limit])
        confident = any(moment.match is not Match.WEAK for moment in moments)
        took = (time.perf_counter() - began) * 1000
        return Answer(parsed.text, moments, confident, len(self._index), took, parts)

    def prepare(self) -> dict[str, float]:
        """Load the text tower and the calibration; returns what each took, in milliseconds. Raises: ModelError."""
        parts: dict[str, float] = {}
        with _timed(parts, "text tower"):
            self._model.text.encode(["a video"])
        with _timed(parts, "calibration"):
            references = self.references()
            if len(self._index):
                self._calibrate(references)
        return parts

    def references(self) -> Features:
        """The bank's features: encoded once a model, then kept in a file beside the catalog (a cache)."""
        if self._references is None:
            self._references = self._load_references() or self._encode_references()
        return self._references

    def _load_references(self) -> Features | None:
        try:
            with np.load(self._reference_file, allow_pickle=False) as stored:
                if stored["texts"].tolist() != list(self._reference_texts):
                    return None
                return Features(stored["globals"].astype(np.float32), stored["centers"].astype(np.float32))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            log.warning(
                "The reference features in %s cannot be read and are made anew: %s", self._reference_file, error
            )
            return None

    def _encode_references(self) -> Features:
        features = self._model.text.encode(self._reference_texts)
        try:
            self._reference_file.parent.mkdir(parents=True, exist_ok=True)
            part = self._reference_file.with_suffix(".part.npz")
            np.savez(part, texts=np.array(self._reference_texts), globals=features.globals, centers=features.centers)
            part.replace(self._reference_file)
        except OSError as error:  # a library that may only be read is searched all the same
            log.info("The reference queries' features are not kept: %s", error)
        return features

    def _calibrate(self, references: Features) -> Calibration:
        size = len(self._index)
        if self._calibration is not None:
            fitted, calibration = self._calibration
            if fitted / REFIT_GROWTH <= size <= fitted * REFIT_GROWTH:
                return calibration
        ids = self._catalog.sample_clips(SAMPLE_CLIPS)
        _, clips = self._catalog.embeddings(self._model.info, ids)
        calibration = Calibration.fit(references, clips, self._model.info.score)
        self._calibration = (size, calibration)
        return calibration

    def _moment(self, group: Sequence[_Hit]) -> Moment:
        """One moment of hits that touch; the best hit leads, the thumbnails run in time order."""
        best = group[0]
        in_order = sorted(group, key=lambda hit: hit.clip.ordinal)
        thumbnails: list[Thumbnail] = []
        chosen = 0
        for hit in in_order:
            clip = hit.clip
            if hit is best:
                chosen = len(thumbnails) + hit.best_frame
            path = str(self._thumbnails / clip.sprite)
            w, h = clip.tile_width, clip.tile_height
            thumbnails += [Thumbnail(path, (i * w, 0, w, h), t) for i, t in enumerate(clip.times)]
        return Moment(
            file_id=best.clip.file_id,
            clip_id=best.clip.id,
            path=best.clip.path,
            start=in_order[0].clip.start,
            end=in_order[-1].clip.end,
            score=best.score,
            relevance=best.relevance,
            match=classify(best.relevance),
            thumbnails=tuple(thumbnails),
            best=chosen,
        )


def _merge(hits: Sequence[_Hit]) -> list[list[_Hit]]:
    """Hits best first -> groups best first. Clips that follow each other in one shot and match alike are one moment.

    Cuts are never merged over: the moment a person means is the shot. Weak hits stay apart: most clips are weak, and
    the best of them would be hidden in a moment as long as its shot.
    """
    by_place = {(hit.clip.file_id, hit.clip.ordinal): hit for hit in hits}
    taken: set[int] = set()
    groups: list[list[_Hit]] = []
    for hit in hits:
        if hit.clip.id in taken:
            continue
        group = [hit]
        for step in (1, -1):
            at = hit.clip.ordinal + step
            while (
                (next_hit := by_place.get((hit.clip.file_id, at))) is not None
                and next_hit.clip.id not in taken
                and next_hit.clip.shot == hit.clip.shot
                and classify(next_hit.relevance) is classify(hit.relevance) is not Match.WEAK
            ):
                group.append(next_hit)
                at += step
        taken.update(member.clip.id for member in group)
        groups.append(group)
    return groups


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    parts[name] = round((time.perf_counter() - began) * 1000, 3)
