"""Query in, moments out: candidates from the vector index, the whole CRET score, relevance, words, neighbours merged.

Reads only; any number of searches may run beside indexing. Never opens a video file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clip_vectors import query_vector
from cret_desktop.domain.clips import LibraryFile, Match, Moment, Picture, Reason, SearchAnswer, Sort, Stretch, Vector
from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import ClipFiles
from cret_desktop.errors import PathError, QueryError
from cret_desktop.library.ports import FitPicture, Model, Store, VectorSearch
from cret_desktop.library.searching import fusion
from cret_desktop.library.searching.calibrator import Calibrator, Judged, Probe, clip_as_query
from cret_desktop.library.searching.moments import Hit, clip_thumbnails, merge, moment_of, spoken_moment, whole_file
from cret_desktop.library.searching.query import Query, parse
from cret_desktop.library.searching.relevance import POSSIBLE, relevance
from cret_desktop.library.searching.score import center_similarities, frame_similarities, pool_frames
from cret_desktop.library_files import LibraryFiles

# Clips rescored in full: recall@10 of at least 0.99 of exhaustive scoring, at 100,000 clips (docs/benchmarks.md).
CANDIDATES = 800
NAMED_CANDIDATES = 200  # besides, of the files that the words were found at
FEWEST_JUDGED = 200  # clips that the relevance is told of, or four a video that is asked for
MOMENTS_OF_A_VIDEO = 20
POSTERS = 12  # of a file that is listed
TEXTS_KEPT = 64  # a query is asked again when the order changes, for filmstrips, when files have come in
# From where on a clip shows what it must not, and goes away, or may show it, and goes down. Of the benchmark's
# photographs a fifth to a quarter of what is meant goes away, with 1 to 3 % of the rest; 40 to 70 % go down, with 3 to
# 13 % of the rest.
AVOIDED_STEPS, DOUBTFUL_STEPS = 0.0, -1.0
WEAKENED = 0.9 * POSSIBLE  # the relevance of the doubtful, at most

_NO_QUERY = Query("")


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Searcher:
    """Answers queries over one library with one model, in any number of threads.

    What it keeps between queries are immutable snapshots, each swapped as a whole under a lock.
    """

    def __init__(
        self,
        store: Store,
        index: VectorSearch,
        model: Model,
        files: LibraryFiles,
        references: Sequence[str],
        fit_picture: FitPicture,
    ) -> None:
        self._clips = store.clips
        self._features = store.features
        self._listing = store.listing
        self._texts = store.texts
        self._blobs = store.blobs
        self._index = index
        self._model = model
        self._fit_picture = fit_picture
        self._text_probe = lru_cache(TEXTS_KEPT)(self._encoded)
        self._calibrator = Calibrator(store, model, references, files)
        self._encoding = threading.Lock()  # a model loads its weights with the first query, once
        self._reading_clips = threading.Lock()
        self._known_clips = ClipFiles(np.empty(0, np.int64), np.empty(0, np.int64))

    def search(
        self,
        query: Query,
        limit: int,
        *,
        without: str = "",
        like: Picture | int | None = None,
        sort: Sort = Sort.RELEVANCE,
        reverse: bool = False,
        offset: int = 0,
        wanted_still: Callable[[], bool] = lambda: True,
    ) -> SearchAnswer:
        """The best `limit` videos with their moments, from the `offset`-th on; see `engine.protocol.searching.Search`.

        Raises: QueryError, ModelError, PathError where the clip to be like has left the library, Abandoned between two
        of its steps once it is not `wanted_still`.
        """
        began = time.perf_counter()
        parts: dict[str, float] = {}
        unwanted = _plain_words(without)

        @contextmanager
        def step(name: str) -> Iterator[None]:
            if not wanted_still():
                raise Abandoned
            with _timed(parts, name):
                yield

        with step("text"):
            wanted = self._probes(query.text, like)
            avoided = self._text_probe(unwanted) if unwanted else None
        if not wanted:
            return self._browse(query.filters, avoided, sort, reverse, limit, offset, began, parts)
        with step("filter"):
            admitted, allowed = self._admitted(query.filters)
            total = self._listing.count(query.filters) if admitted is None else len(admitted)
        with step("words"):
            everything = total if admitted is None else self._listing.count(Filters())
            among = None if admitted is None else set(admitted.tolist())
            evidence = fusion.find(self._texts, query.text, everything, among)
        with step("candidates"):
            reach = limit + offset
            ids = self._candidates(wanted, allowed, max(CANDIDATES, 4 * reach), evidence)
            if isinstance(like, int):
                ids = ids[ids != like]
        with step("rescore"):
            clips = self._judged(ids)
            raw = [self._compared(probe, clips) for probe in wanted]
        said = bool(evidence.files or evidence.lines)
        with step("relevance"):
            rows = _worth_judging(raw, clips, reach, evidence)
            # What is found by its words, or in another order, may be shown from any place of the list.
            as_seen = sort is Sort.RELEVANCE and not reverse and not said
            hits, confident = self._hits(wanted, avoided, raw, clips, rows, reach if as_seen else None)
        with step("moments"):
            moments = [moment_of(group, self._blobs) for group in merge(hits)]
            if said:
                moments = self._fused(moments, evidence, only_seen=avoided is not None)
                confident = any(moment.match is not Match.WEAK for moment in moments)
            shown = _page(self._ordered(moments, sort, reverse), limit, offset)
        with step("files"):
            files = self._listing.files([moment.file_id for moment in shown])
            shown = [moment for moment in shown if moment.file_id in files]  # none that was removed meanwhile
            described = tuple(files[i] for i in dict.fromkeys(moment.file_id for moment in shown))
        took = (time.perf_counter() - began) * 1000
        return SearchAnswer(
            query.text,
            self._model.info.title,
            took,
            tuple(shown),
            confident,
            parts,
            searched=len(self._index),
            files=described,
            total=total,
        )

    def filmstrip(
        self, file_id: int, query: Query = _NO_QUERY, like: Picture | int | None = None
    ) -> tuple[Stretch, ...]:
        """All clips of a file in order, with their relevance to a query. Raises: as `search`; PathError."""
        clips = self._clips.clips_of(file_id)
        if not clips and file_id not in self._listing.files([file_id]):
            raise PathError("library.video-gone")
        found: dict[int, float] = {}
        wanted = self._probes(query.text, like)
        if wanted and clips:
            judged = self._judged(np.array([clip.id for clip in clips], np.int64))
            if len(judged.ids):  # none of them, where all are another model's
                steps = self._steps(wanted, [self._compared(probe, judged)[0] for probe in wanted], judged)
                found = dict(zip(judged.ids.tolist(), relevance(steps).tolist(), strict=True))
        return tuple(
            Stretch(clip.id, clip.start, clip.end, clip.shot, clip_thumbnails(clip, self._blobs), found.get(clip.id))
            for clip in clips
        )

    def prepare(self) -> dict[str, float]:
        """Load the text tower and the calibration; returns what each took, in milliseconds. Raises: ModelError."""
        parts: dict[str, float] = {}
        with _timed(parts, "text tower"), self._encoding:
            self._model.text.encode(["a video"])
        with _timed(parts, "calibration"):
            self._calibrator.prepare(len(self._index))
        with _timed(parts, "clips"):
            self._clip_files()
        return parts

    def encode_references(self) -> None:
        """After indexing: have the reference queries encoded, so that the first search need not."""
        self._calibrator.references()

    # --- what is asked ----------------------------------------------------------------------------------------

    def _probes(self, text: str, like: Picture | int | None) -> list[Probe]:
        probes = [self._text_probe(text)] if text else []
        if isinstance(like, Picture):
            square = self._fit_picture(like, self._model.info.frame_format)
            frames = np.repeat(square[None, None], self._model.info.frame_format.frames, axis=1)  # [1, M, H, W, 3]
            with self._encoding:
                features = self._model.video.encode(frames)
            probes.append(Probe(clip_as_query(features), is_text=False))
        elif like is not None:
            ids, features = self._features.features(self._model.info, [like])
            if not len(ids):
                raise PathError("library.moment-gone")
            probes.append(Probe(clip_as_query(features), is_text=False))
        return probes

    def _encoded(self, text: str) -> Probe:
        with self._encoding:
            return Probe(self._model.text.encode([text]), is_text=True)

    def _admitted(self, filters: Filters) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
        """-> (files, clips ascending) that the operators admit; None for all."""
        if filters == Filters():
            return None, None
        files = self._listing.admitted(filters)
        clip_ids, file_ids = self._clip_files()
        return files, clip_ids[np.isin(file_ids, files)]

    def _clip_files(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return all clip ids there have been, ascending, and their files. Only new ones are read, by one thread."""
        with self._reading_clips:
            known = self._known_clips = self._clips.clip_files(self._known_clips)
        return known.ids, known.files

    # --- candidates and scores --------------------------------------------------------------------------------

    def _candidates(
        self, wanted: Sequence[Probe], allowed: NDArray[np.int64] | None, count: int, evidence: fusion.Evidence
    ) -> NDArray[np.int64]:
        found = []
        for probe in wanted:
            vector = query_vector(probe.features.globals[0])
            found.append(self._index.search(vector, count, allowed)[0])
            if evidence.files:
                clip_ids, file_ids = self._clip_files()
                named = clip_ids[np.isin(file_ids, [hit.file_id for hit in evidence.files])]
                found.append(self._index.search(vector, NAMED_CANDIDATES, named)[0])
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def _judged(self, ids: NDArray[np.int64]) -> Judged:
        found, features = self._features.features(self._model.info, ids.tolist())
        clip_ids, file_ids = self._clip_files()
        return Judged(found, file_ids[np.searchsorted(clip_ids, found)], features)

    def _compared(self, probe: Probe, clips: Judged) -> tuple[Vector, NDArray[np.int64]]:
        """-> (scores [K], the frame of each clip that matched best [K])."""
        config = self._model.info.score
        frames = frame_similarities(probe.features, clips.features)[0]  # [K, M]
        scores = pool_frames(frames, config) + center_similarities(probe.features, clips.features, config)[0]
        return scores, frames.argmax(axis=1)

    def _steps(self, wanted: Sequence[Probe], scores: Sequence[Vector], clips: Judged) -> NDArray[np.float64]:
        """Where clips stand between possible (0) and strong (1): of several probes the mean."""
        size = len(self._index)
        steps = [self._calibrator.steps(p, s, clips, size) for p, s in zip(wanted, scores, strict=True)]
        return np.asarray(np.mean(steps, axis=0))

    def _hits(
        self,
        wanted: Sequence[Probe],
        avoided: Probe | None,
        raw: Sequence[tuple[Vector, NDArray[np.int64]]],
        clips: Judged,
        rows: NDArray[np.int64],
        videos: int | None,
    ) -> tuple[list[Hit], bool]:
        """The clips of these rows, judged, best first, and whether any of them is more than weak.

        Those that show what is to be avoided are left out; with `videos`, so are all of others than the first so many.
        """
        if not len(rows):
            return [], False
        clips = clips.only(rows)
        steps = self._steps(wanted, [scores[rows] for scores, _ in raw], clips)
        # One probe's scores order as the model says; those of several are only comparable as steps.
        scores = raw[0][0][rows] if len(raw) == 1 else steps
        likely, frames = relevance(steps), raw[0][1][rows]
        kept = np.arange(len(rows))
        if avoided is not None:
            against = self._steps([avoided], [self._compared(avoided, clips)[0]], clips)
            doubtful = against >= DOUBTFUL_STEPS
            scores = scores - doubtful * (1.0 + float(np.ptp(scores)))  # below all others, in their order
            likely = np.where(doubtful, np.minimum(likely, WEAKENED), likely)
            kept = kept[against < AVOIDED_STEPS]
        order = kept[np.argsort(-scores[kept], kind="stable")]
        if videos is not None:
            _, first = np.unique(clips.file_ids[order], return_index=True)
            order = order[np.isin(clips.file_ids[order], clips.file_ids[order[np.sort(first)[:videos]]])]
        found = self._clips.clips(clips.ids[order].tolist())
        hits = [
            Hit(found[int(clips.ids[i])], float(scores[i]), float(likely[i]), int(frames[i]))
            for i in order
            if int(clips.ids[i]) in found
        ]
        return hits, bool(np.any(likely[kept] >= POSSIBLE))

    # --- what is shown ----------------------------------------------------------------------------------------

    def _fused(self, moments: Sequence[Moment], evidence: fusion.Evidence, only_seen: bool) -> list[Moment]:
        """`only_seen`: words bring back nothing that was taken away for what it shows."""
        files = self._listing.files([hit.file_id for hit in evidence.files])
        of_video: dict[int, list[Moment]] = {}
        for moment in moments:
            of_video.setdefault(moment.file_id, []).append(moment)
        ranked = fusion.Fusion(moments)
        for hit in evidence.files:
            if hit.file_id not in files:  # removed meanwhile
                continue
            file = files[hit.file_id]
            reasons = fusion.reasons(hit, file, evidence.words)
            known = of_video.get(hit.file_id)
            if only_seen and file.clips and not known:
                continue
            moment = known[0] if known else self._whole_file(file, evidence.file_relevance)
            ranked.add(moment, evidence.file_weight, evidence.file_relevance, reasons)
        ranked.next_list()
        for line in evidence.lines:
            shown = (m for m in of_video.get(line.file_id, ()) if m.match is not Match.WEAK)
            spoken = next((m for m in shown if m.start <= line.start < m.end), None)
            clip = self._clips.clip_at(line.file_id, line.start)
            if spoken is None and clip is not None and not (only_seen and line.file_id not in of_video):
                spoken = spoken_moment(clip, line.start, line.end, evidence.line_relevance, self._blobs)
            if spoken is not None:  # without clips the video waits to be indexed, and there is nothing to point at yet
                ranked.add(spoken, evidence.line_weight, evidence.line_relevance, (Reason("subtitle", line.text),))
        return ranked.moments()

    def _ordered(self, moments: Sequence[Moment], sort: Sort, reverse: bool) -> list[Moment]:
        """Relevance as it is. Any other order is that of the videos, those with more than weak moments first."""
        if sort is Sort.RELEVANCE:
            return list(moments)[:: -1 if reverse else 1]
        of_video: dict[int, list[Moment]] = {}
        for moment in moments:
            of_video.setdefault(moment.file_id, []).append(moment)
        matching = {i for i, found in of_video.items() if any(m.match is not Match.WEAK for m in found)}
        order = self._listing.ordered(matching, sort, reverse)
        order += self._listing.ordered(of_video.keys() - matching, sort, reverse)
        return [moment for file_id in order for moment in of_video[file_id]]

    def _browse(
        self,
        filters: Filters,
        avoided: Probe | None,
        sort: Sort,
        reverse: bool,
        limit: int,
        offset: int,
        began: float,
        parts: dict[str, float],
    ) -> SearchAnswer:
        """No query: the files themselves, without those that show what is to be avoided."""
        with _timed(parts, "filter"):
            without = self._files_showing(avoided) if avoided is not None else ()
            total = self._listing.count(filters, without)
            ids = self._listing.page(filters, sort, reverse, limit, offset, without)
        with _timed(parts, "files"):
            files = self._listing.files(ids)
            described = tuple(files[i] for i in ids if i in files)
        with _timed(parts, "moments"):
            moments = tuple(self._whole_file(file) for file in described)
        took = (time.perf_counter() - began) * 1000
        return SearchAnswer(
            "",
            self._model.info.title,
            took,
            moments,
            True,
            parts,
            searched=len(self._index),
            files=described,
            browsed=True,
            total=total,
        )

    def _files_showing(self, probe: Probe) -> tuple[int, ...]:
        ids, _ = self._index.search(query_vector(probe.features.globals[0]), CANDIDATES)
        clips = self._judged(ids)
        if not len(clips.ids):
            return ()
        steps = self._steps([probe], [self._compared(probe, clips)[0]], clips)
        return tuple(np.unique(clips.file_ids[steps >= AVOIDED_STEPS]).tolist())

    def _whole_file(self, file: LibraryFile, likely: float | None = None) -> Moment:
        return whole_file(file, self._clips.spread_clips(file.id, POSTERS), self._blobs, likely)


def _worth_judging(
    raw: Sequence[tuple[Vector, NDArray[np.int64]]], clips: Judged, videos: int, evidence: fusion.Evidence
) -> NDArray[np.int64]:
    """Rows of the best clips, not all of them of one video, and of those whose video the words were found at."""
    order = np.argsort(-np.mean([scores for scores, _ in raw], axis=0), kind="stable")
    of_video = clips.file_ids[order]
    named = np.isin(of_video, [hit.file_id for hit in evidence.files])
    by_video = np.argsort(of_video, kind="stable")
    first = np.searchsorted(of_video[by_video], of_video[by_video])  # where the video's clips begin
    place = np.empty(len(order), np.int64)
    place[by_video] = np.arange(len(order)) - first  # of a clip among those of its video
    chosen = place < 2 * MOMENTS_OF_A_VIDEO
    chosen &= np.cumsum(chosen) <= max(FEWEST_JUDGED, 4 * videos)
    return np.asarray(order[named | chosen])


def _plain_words(without: str) -> str:
    """What must not be shown, as words. Raises: QueryError."""
    parsed = parse(without)
    if parsed.filters != Filters():
        raise QueryError("query.operator-excluded")
    return parsed.text


def _page(moments: Sequence[Moment], limit: int, offset: int) -> list[Moment]:
    """The moments of `limit` videos from the `offset`-th on, counted by first appearance; of each only the first."""
    videos = list(dict.fromkeys(moment.file_id for moment in moments))[offset : offset + limit]
    room = dict.fromkeys(videos, MOMENTS_OF_A_VIDEO)
    shown = []
    for moment in moments:
        if room.get(moment.file_id):
            room[moment.file_id] -= 1
            shown.append(moment)
    return shown


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    parts[name] = round((time.perf_counter() - began) * 1000, 3)
