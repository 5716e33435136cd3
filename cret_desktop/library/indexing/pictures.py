"""The picture stage: decodes files into clips, encodes the clips, and commits each file in one transaction."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import (
    ClipDecoded,
    DecodedClip,
    DecodeEvent,
    FileDecoded,
    FileOpened,
    Sampling,
    VideoFile,
    VideoInfo,
)
from cret_desktop.domain.records import PICTURES, NewClip
from cret_desktop.errors import BadFile
from cret_desktop.foreign import is_text
from cret_desktop.library.indexing.batches import Batches
from cret_desktop.library.indexing.file_faults import faults_of, note
from cret_desktop.library.indexing.in_flight import InFlight, OpenFile
from cret_desktop.library.indexing.index_updates import IndexUpdates
from cret_desktop.library.indexing.looking import Looking
from cret_desktop.library.indexing.progress import FileIndexed, FilesMeasured, Phase
from cret_desktop.library.indexing.stability import has_changed, is_as_seen
from cret_desktop.library.indexing.stage import StageRun, bounded
from cret_desktop.library.keeping.budget import Budget
from cret_desktop.library.ports import Decoder, Model, Store
from cret_desktop.messages import Message

MEASURE_SECONDS = 10.0  # before indexing begins; the other lengths are read when each file's turn comes
TELL_LENGTHS_SECONDS = 1.0
_LATEST = 1e9  # seconds into a video, before or after its zero: thirty years
_LAST_ORDINAL = 10**9  # of a clip or a shot
_LARGEST = 10**12  # of any number in a header: the catalog stores no larger one; infinity and NaN fail the comparison


@dataclass(frozen=True, slots=True)
class PictureParts:
    """The dependencies of the picture stage."""

    store: Store
    updates: IndexUpdates
    looking: Looking
    model: Model
    open_decoder: Callable[[], Decoder]
    sampling: Sampling
    budget: Budget | None


class PictureStage:
    """Makes files searchable by their pictures. Its version is the model's fingerprint."""

    name = PICTURES
    priority = 10

    def __init__(self, parts: PictureParts) -> None:
        self.version = parts.model.info.fingerprint
        self._parts = parts

    def work(self, run: StageRun) -> None:
        """See `Stage.work`. The decoder is opened and the model loaded only here. Raises: StorageError, ModelError."""
        if self._parts.budget is not None:
            self._parts.budget.spend(0)
        model_id = self._parts.store.features.record_model(self._parts.model.info)
        decoder = self._parts.open_decoder()
        try:
            _Pictures(self._parts, run, decoder, model_id).index()
        finally:
            decoder.close()
            self._parts.model.video.release()


class _Pictures:
    """The picture stage of one run."""

    def __init__(self, parts: PictureParts, run: StageRun, decoder: Decoder, model_id: int) -> None:
        self._parts = parts
        self._queue = parts.store.queue
        self._updates = parts.updates
        self._run = run
        self._decoder = decoder
        self._model_id = model_id
        self._in_flight = InFlight(run, parts.looking, self._index_as_copy, self._fail, self._encode)
        self._batches = Batches(parts.model, run, self._faults_of)

    def index(self) -> None:
        pending = self._run.waiting
        self._measure(pending)
        self._run.report.begin_work()
        self._run.report.tell(Phase.INDEXING, "", now=True)  # with the estimate
        while pending:
            for event in self._decoder.decode(self._in_flight.begin(pending), self._parts.sampling):
                if self._run.control.cancelled:
                    break
                self._take(event)
                self._run.wait_turn()
            else:
                self._encode()
            # A file that waited for its twin becomes a copy of it now, or is decoded itself if the twin failed.
            twins = self._in_flight.take_twins()
            pending = {} if self._run.control.cancelled else twins

    # --- lengths -------------------------------------------------------------------------------------------------

    def _measure(self, pending: dict[int, VideoFile]) -> None:
        """Read the lengths of waiting files within `MEASURE_SECONDS`, for the estimate and for the file list."""
        lengths = self._queue.lengths(list(pending))
        unknown = {file.path: file_id for file_id, file in pending.items() if file_id not in lengths}
        infos: dict[int, VideoInfo] = {}
        told = time.monotonic()
        self._run.report.tell(Phase.MEASURING, "", now=True)
        for event in self._decoder.probe([pending[file_id] for file_id in unknown.values()], MEASURE_SECONDS):
            # A file's fault is reported when its turn comes.
            with faults_of(event.file.path, partial(note, logging.INFO, "%s: %s", event.file.path)):
                file_id = unknown[event.file.path]
                infos[file_id] = _checked(event.info)
                lengths[file_id] = event.info.duration
            if time.monotonic() - told > TELL_LENGTHS_SECONDS:
                told = time.monotonic()
                self._record(infos)
            if self._run.control.cancelled or self._run.control.conditions.paused:
                break
        self._record(infos)
        for file_id, file in pending.items():
            self._run.estimate.add(file_id, file.size, lengths.get(file_id))

    def _record(self, infos: dict[int, VideoInfo]) -> None:
        if infos:
            self._queue.record_infos(infos)
            self._run.report.listener(FilesMeasured(len(infos)))
            infos.clear()

    # --- decoder events ------------------------------------------------------------------------------------------

    def _take(self, event: DecodeEvent) -> None:
        open_file = self._in_flight.get(event.file.path)
        assert open_file is not None, f"the decoder speaks of {event.file.path}, which it was not given"
        if open_file.failed:
            if not isinstance(event, FileOpened | ClipDecoded):
                self._close(open_file)
            return
        with self._faults_of(open_file):
            if isinstance(event, FileOpened):
                open_file.info = _checked(event.info)
                self._run.estimate.learn(open_file.id, event.info.duration)
            elif isinstance(event, ClipDecoded):
                self._batches.add(open_file, _checked_clip(event.clip))
            elif isinstance(event, FileDecoded):
                open_file.decoded = event
                self._run.report.frames += event.frames_decoded
                self._commit_if_complete(open_file)
            else:
                self._batches.drop(open_file)
                self._close(open_file)
                if is_as_seen(open_file.file):
                    self._fail(open_file.id, open_file.file, event.reason)
                else:
                    self._run.unsettled(open_file.id, open_file.file)
        if self._batches.is_full:
            self._encode()

    def _encode(self) -> None:
        files, features = self._batches.encode()
        if not files:
            return
        written = 0
        for open_file, clip, frames, centers in features:
            if not open_file.failed:
                with self._faults_of(open_file):
                    open_file.clips.append(self._store_sprite(open_file, clip, frames, centers))
                    open_file.waiting -= 1
                    # The catalog keeps features at half precision, the graph one vector.
                    taken = len(clip.sprite.jpeg) + (frames.nbytes + centers.nbytes) // 2 + frames[0].nbytes
                    self._run.estimate.advance(open_file.id, clip.end - clip.start, taken)
                    written += taken
        for open_file in files:
            if not open_file.failed:
                with self._faults_of(open_file):
                    self._commit_if_complete(open_file)
        if self._parts.budget is not None:
            self._parts.budget.spend(written)

    def _store_sprite(
        self, open_file: OpenFile, clip: DecodedClip, frames: NDArray[np.float32], centers: NDArray[np.float32]
    ) -> NewClip:
        """Write the clip's thumbnails, named by content and time, in two levels of folders by content."""
        content = open_file.fingerprint.hex()[:24]
        name = f"{content[:2]}/{content[2:4]}/{content}-{round(clip.start * 1000)}.jpg"
        self._parts.store.blobs.write(name, clip.sprite.jpeg)
        self._updates.writing.add(name)
        return NewClip(
            clip.ordinal, clip.shot, clip.start, clip.end, name, clip.sprite.tile_width, clip.sprite.tile_height,
            clip.sprite.poster, clip.times, frames, centers, zlib.crc32(clip.sprite.jpeg),
        )  # fmt: skip

    # --- results of a file ---------------------------------------------------------------------------------------

    def _commit_if_complete(self, open_file: OpenFile) -> None:
        if open_file.decoded is None or open_file.waiting:
            return
        assert open_file.info is not None, "a decoder opens a file before it ends it"
        self._close(open_file)
        if not self._stands_still(open_file.file):
            return
        clips = sorted(open_file.clips, key=lambda clip: clip.ordinal)
        ids, gone, stale = self._queue.commit_file(
            open_file.id, open_file.file, open_file.info, open_file.fingerprint, clips, self._model_id,
            open_file.decoded.partial,
        )  # fmt: skip
        self._updates.remove(gone)
        if clips and not ids:  # a scan has removed the file from the catalog meanwhile
            self._run.report.unsettled[open_file.file.path] = None
            self._updates.drop_sprites(stale)
            return
        self._updates.add(ids)
        self._updates.drop_sprites(stale)
        self._run.report.seconds += open_file.info.duration
        self._tell_indexed(open_file.id, open_file.file, len(clips), open_file.decoded.partial)

    def _index_as_copy(self, file_id: int, file: VideoFile, content: bytes) -> bool:
        copied = self._queue.index_as_copy(file_id, file, content, self._model_id)
        if copied.restored_clips:
            self._updates.take(copied)
            self._tell_indexed(file_id, file, len(copied.restored_clips), None)
        return bool(copied.restored_clips)

    def _tell_indexed(self, file_id: int, file: VideoFile, clips: int, partial: Message | None) -> None:
        self._run.report.files += 1
        self._run.report.clips += clips
        self._run.report.listener(FileIndexed(file.path, clips, partial))
        self._run.settle(file_id, file)

    def _stands_still(self, file: VideoFile) -> bool:
        """Return whether a file is unchanged since the scan; mark it for a rescan otherwise."""
        try:
            if not has_changed(file):
                return True
        except OSError:
            return True  # gone or moved meanwhile: the content read from it is still valid
        self._run.report.unsettled[file.path] = None
        return False

    def _faults_of(self, open_file: OpenFile) -> AbstractContextManager[None]:
        """Return the context for work on a file in flight. A failed file stays open until its decoder has ended."""

        def fail(reason: Message) -> None:
            open_file.failed = True
            self._batches.drop(open_file)
            if open_file.decoded is not None:
                self._close(open_file)
            self._fail(open_file.id, open_file.file, reason)

        return faults_of(open_file.file.path, fail)

    def _fail(self, file_id: int, file: VideoFile, reason: Message) -> None:
        reason = bounded(reason)
        gone, stale = self._queue.fail_file(file_id, file, reason)
        self._updates.remove(gone)
        self._updates.drop_sprites(stale)
        self._run.tell_failed(file_id, file, reason)

    def _close(self, open_file: OpenFile) -> None:
        self._in_flight.close(open_file)
        self._updates.writing.difference_update(_sprites(open_file.clips))


def _sprites(clips: Iterable[NewClip]) -> set[str]:
    return {clip.sprite for clip in clips}


def _checked(info: VideoInfo) -> VideoInfo:
    """Return a header if the catalog can store it and an estimate can use it. Raises: BadFile."""
    numbers = (info.duration, info.width, info.height, info.frame_rate)
    if not all(isinstance(number, int | float) and abs(number) < _LARGEST for number in numbers):
        raise BadFile("file.bad-header")
    if not (is_text(info.codec) and is_text(info.container)):
        raise BadFile("file.bad-header")
    return info


def _checked_clip(clip: DecodedClip) -> DecodedClip:
    """Return a clip if the catalog and the name of its thumbnails can hold its place in its video. Raises: BadFile."""
    whole = all(type(number) is int and 0 <= number <= _LAST_ORDINAL for number in (clip.ordinal, clip.shot))
    times = isinstance(clip.times, tuple) and (clip.start, clip.end, *clip.times)
    if not (whole and times and all(isinstance(time, int | float) and abs(time) <= _LATEST for time in times)):
        raise BadFile("file.bad-times")
    return clip
