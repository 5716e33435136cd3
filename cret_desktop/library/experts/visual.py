"""The expert of pictures: segments that show what the words describe, or that resemble a picture or a clip.

Candidates from the vector index are scored in full with the CRET score, calibrated over the library, and neighbours in
one shot are merged. Never opens a video file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clip_vectors import query_vector
from cret_desktop.domain.clips import Picture, Vector
from cret_desktop.domain.records import ClipFiles
from cret_desktop.errors import PathError
from cret_desktop.library.ports import FitPicture, Model, Store, VectorSearch
from cret_desktop.library.searching.calibrator import Calibrator, QueryFeatures, ScoredClips, clip_as_query
from cret_desktop.library.searching.expert import FileIds, Ranking, SearchRequest
from cret_desktop.library.searching.moments import MOMENTS_OF_A_VIDEO, Hit, find_of, merge
from cret_desktop.library.searching.relevance import POSSIBLE, relevance
from cret_desktop.library.searching.score import center_similarities, frame_similarities, pool_frames
from cret_desktop.library.searching.steps import Steps
from cret_desktop.library_files import LibraryFiles

# Clips rescored in full: recall@10 of at least 0.99 of exhaustive scoring, at 100,000 clips (docs/benchmarks.md).
CANDIDATES = 800
NAMED_CANDIDATES = 200  # additional ones, from the files found as a whole
FEWEST_JUDGED = 200  # clips that relevance is computed for, or four per requested video if more
TEXTS_KEPT = 64  # a query repeats when the order changes, for filmstrips, and after new files
# Thresholds on the calibrated score of excluded content: clips from AVOIDED on are dropped, from DOUBTFUL on they are
# moved down. Of the benchmark's photographs that show it, a fifth to a quarter are dropped, with 1 to 3 % of the rest;
# 40 to 70 % are moved down, with 3 to 13 % of the rest.
AVOIDED, DOUBTFUL = 0.0, -1.0  # calibrated scores
WEAKENED = 0.9 * POSSIBLE  # maximum relevance of doubtful clips

_Compared = tuple[Vector, NDArray[np.int64]]  # scores [N], index of the best frame of each clip [N]


class Visual:
    """Judges clips by their embeddings of one model. Thread-safe.

    State kept between searches consists of immutable snapshots, each replaced as a whole under a lock.
    """

    name = "visual"

    def __init__(
        self,
        store: Store,
        index: VectorSearch,
        model: Model,
        files: LibraryFiles,
        references: Sequence[str],
        fit_picture: FitPicture,
    ) -> None:
        """`references` are the queries that relevance is calibrated against; `files` caches their features."""
        self._clips = store.clips
        self._features = store.features
        self._index = index
        self._model = model
        self._fit_picture = fit_picture
        self._text_features = lru_cache(TEXTS_KEPT)(self._encode_text)
        self._calibrator = Calibrator(store, model, references, files)
        self._encoding = threading.Lock()  # a model loads its weights with the first query, once
        self._reading_clips = threading.Lock()
        self._known_clips = ClipFiles(np.empty(0, np.int64), np.empty(0, np.int64))

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        """See `library.searching.expert.Expert`. Raises: PathError if the clip of `like` has left the library."""
        with steps("text"):
            wanted = self._wanted(request)
            avoided = self._text_features(request.without) if request.without else None
        if not wanted:
            return Ranking()
        with steps("candidates"):
            ids = self._candidates(wanted, allowed, max(CANDIDATES, 4 * request.reach), request.named)
            if isinstance(request.like, int):
                ids = ids[ids != request.like]
        with steps("rescore"):
            clips = self._clips_with_features(ids)
            compared = [self._compare(query, clips) for query in wanted]
        with steps("relevance"):
            rows = _worth_judging(compared, clips, request.reach, request.named)
            hits, confident = self._hits(wanted, avoided, compared, clips, rows, limit)
            finds = tuple(find_of(group) for group in merge(hits))
        return Ranking(finds, scored=True, segments=True, exclusive=avoided is not None, confident=confident)

    def relevances(self, request: SearchRequest, clip_ids: Sequence[int]) -> dict[int, float]:
        """See `library.searching.expert.ClipExpert`."""
        wanted = self._wanted(request)
        if not wanted or not len(clip_ids):
            return {}
        clips = self._clips_with_features(np.array(clip_ids, np.int64))
        if not len(clips.ids):  # all belong to another model
            return {}
        calibrated = self._calibrated(wanted, [self._compare(query, clips)[0] for query in wanted], clips)
        return dict(zip(clips.ids.tolist(), relevance(calibrated).tolist(), strict=True))

    def files_showing(self, words: str) -> tuple[int, ...]:
        """See `library.searching.expert.ClipExpert`."""
        query = self._text_features(words)
        ids, _ = self._index.search(query_vector(query.features.globals[0]), CANDIDATES)
        clips = self._clips_with_features(ids)
        if not len(clips.ids):
            return ()
        calibrated = self._calibrated([query], [self._compare(query, clips)[0]], clips)
        return tuple(np.unique(clips.file_ids[calibrated >= AVOIDED]).tolist())

    def prepare(self) -> dict[str, float]:
        """Load the text tower, the calibration and the list of clips; see `library.searching.expert.ClipExpert`."""
        began = time.perf_counter()
        with self._encoding:
            self._model.text.encode(["a video"])
        loaded = time.perf_counter()
        self._calibrator.prepare(len(self._index))
        calibrated = time.perf_counter()
        self._clip_files()
        times = {"text tower": loaded - began, "calibration": calibrated - loaded}
        times["clips"] = time.perf_counter() - calibrated
        return {part: round(seconds * 1000, 3) for part, seconds in times.items()}

    def encode_references(self) -> None:
        """See `library.searching.expert.ClipExpert`."""
        self._calibrator.references()

    # --- the query --------------------------------------------------------------------------------------------

    def _wanted(self, request: SearchRequest) -> list[QueryFeatures]:
        """Return the features of the words and of the picture, if the request has them."""
        text, like = request.query.text, request.like
        wanted = [self._text_features(text)] if text else []
        if isinstance(like, Picture):
            square = self._fit_picture(like, self._model.info.frame_format)
            frames = np.repeat(square[None, None], self._model.info.frame_format.frames, axis=1)  # [1, M, H, W, 3]
            with self._encoding:
                features = self._model.video.encode(frames)
            wanted.append(QueryFeatures(clip_as_query(features), is_text=False))
        elif like is not None:
            ids, features = self._features.features(self._model.info, [like])
            if not len(ids):
                raise PathError("library.moment-gone")
            wanted.append(QueryFeatures(clip_as_query(features), is_text=False))
        return wanted

    def _encode_text(self, text: str) -> QueryFeatures:
        with self._encoding:
            return QueryFeatures(self._model.text.encode([text]), is_text=True)

    # --- candidates and scores --------------------------------------------------------------------------------

    def _clip_files(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all known clip ids, ascending, and their files. Only new ones are read, by one thread."""
        with self._reading_clips:
            known = self._known_clips = self._clips.clip_files(self._known_clips)
        return known.ids, known.files

    def _candidates(
        self, wanted: Sequence[QueryFeatures], allowed: FileIds | None, count: int, named: Collection[int]
    ) -> NDArray[np.int64]:
        """Return the ids of the clips in allowed files nearest to each query, and of the nearest in named files."""
        allowed_clips = self._clips_in(allowed) if allowed is not None else None
        named_clips = self._clips_in(np.array(list(named), np.int64)) if named else None
        found = []
        for query in wanted:
            vector = query_vector(query.features.globals[0])
            found.append(self._index.search(vector, count, allowed_clips)[0])
            if named_clips is not None:
                found.append(self._index.search(vector, NAMED_CANDIDATES, named_clips)[0])
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def _clips_in(self, files: FileIds) -> NDArray[np.int64]:
        clip_ids, file_ids = self._clip_files()
        return clip_ids[np.isin(file_ids, files)]

    def _clips_with_features(self, ids: NDArray[np.int64]) -> ScoredClips:
        found, features = self._features.features(self._model.info, ids.tolist())
        clip_ids, file_ids = self._clip_files()
        return ScoredClips(found, file_ids[np.searchsorted(clip_ids, found)], features)

    def _compare(self, query: QueryFeatures, clips: ScoredClips) -> _Compared:
        config = self._model.info.score
        frames = frame_similarities(query.features, clips.features)[0]  # [N, M]
        scores = pool_frames(frames, config) + center_similarities(query.features, clips.features, config)[0]
        return scores, frames.argmax(axis=1)

    def _calibrated(
        self, wanted: Sequence[QueryFeatures], scores: Sequence[Vector], clips: ScoredClips
    ) -> NDArray[np.float64]:
        """Return the calibrated scores [N] of clips; the mean if there are several queries."""
        size = len(self._index)
        each = [self._calibrator.calibrated(q, s, clips, size) for q, s in zip(wanted, scores, strict=True)]
        return np.asarray(np.mean(each, axis=0))

    def _hits(
        self,
        wanted: Sequence[QueryFeatures],
        avoided: QueryFeatures | None,
        compared: Sequence[_Compared],
        clips: ScoredClips,
        rows: NDArray[np.int64],
        limit: int | None,
    ) -> tuple[list[Hit], bool]:
        """Return the clips of these rows, best first, and whether any of them is more than weak.

        Clips that show excluded content are dropped; with `limit`, only clips of the first videos are kept.
        """
        if not len(rows):
            return [], False
        clips = clips.only(rows)
        calibrated = self._calibrated(wanted, [scores[rows] for scores, _ in compared], clips)
        # One query's scores order clips as the model does; those of several are comparable only after calibration.
        scores = compared[0][0][rows] if len(compared) == 1 else calibrated
        likely, frames = relevance(calibrated), compared[0][1][rows]
        kept = np.arange(len(rows))
        if avoided is not None:
            against = self._calibrated([avoided], [self._compare(avoided, clips)[0]], clips)
            doubtful = against >= DOUBTFUL
            scores = scores - doubtful * (1.0 + float(np.ptp(scores)))  # below all others, in their order
            likely = np.where(doubtful, np.minimum(likely, WEAKENED), likely)
            kept = kept[against < AVOIDED]
        order = kept[np.argsort(-scores[kept], kind="stable")]
        if limit is not None:
            _, first = np.unique(clips.file_ids[order], return_index=True)
            order = order[np.isin(clips.file_ids[order], clips.file_ids[order[np.sort(first)[:limit]]])]
        found = self._clips.clips(clips.ids[order].tolist())
        hits = [
            Hit(found[int(clips.ids[i])], float(scores[i]), float(likely[i]), int(frames[i]))
            for i in order
            if int(clips.ids[i]) in found
        ]
        return hits, bool(np.any(likely[kept] >= POSSIBLE))


def _worth_judging(
    compared: Sequence[_Compared], clips: ScoredClips, videos: int, named: Collection[int]
) -> NDArray[np.int64]:
    """Return the rows of the best clips, limited per video, and of those in named files."""
    order = np.argsort(-np.mean([scores for scores, _ in compared], axis=0), kind="stable")
    of_video = clips.file_ids[order]
    is_named = np.isin(of_video, list(named))
    by_video = np.argsort(of_video, kind="stable")
    first = np.searchsorted(of_video[by_video], of_video[by_video])  # start of the video's clips
    place = np.empty(len(order), np.int64)
    place[by_video] = np.arange(len(order)) - first  # rank of a clip within its video
    chosen = place < 2 * MOMENTS_OF_A_VIDEO
    chosen &= np.cumsum(chosen) <= max(FEWEST_JUDGED, 4 * videos)
    return np.asarray(order[is_named | chosen])
