"""Folder in, clips in the index: scan, difference, decode, encode, one transaction a file.

Unchanged files cost a stat. What is committed is never done again; a run that was killed goes on where it stopped.
Never raises for one bad file, whatever comes of it (`one_file`): that is a line in the failures list. Programs against
`library.ports` only.
"""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import (
    USUAL_SAMPLING,
    ClipDecoded,
    DecodedClip,
    FileDecoded,
    FileFailed,
    FileOpened,
    Sampling,
    VideoFile,
    VideoInfo,
)
from cret_desktop.domain.records import PICTURES, NewClip, Root, Sidecar
from cret_desktop.errors import BadFile, ModelError
from cret_desktop.foreign import is_text, reason_of, visible
from cret_desktop.library.indexing import subtitles
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.estimate import SOON, Estimate, keep_pace, read_pace
from cret_desktop.library.indexing.exclude import left_out
from cret_desktop.library.indexing.file_faults import faults_of, is_of_a_file, note
from cret_desktop.library.indexing.identity import apply_scan, may_be_known
from cret_desktop.library.indexing.progress import (
    FileIndexed,
    FilesMeasured,
    FolderScanned,
    IndexProgress,
    IndexTotals,
    Listener,
    Phase,
)
from cret_desktop.library.indexing.stability import age, has_changed, is_being_written
from cret_desktop.library.indexing.volumes import Volumes, unseen_volumes
from cret_desktop.library.keeping.budget import Budget
from cret_desktop.library.ports import Decoder, Model, Store, VectorStore
from cret_desktop.library_files import LibraryFiles
from cret_desktop.media.scan import ScanProblem, fingerprint, kept_number, scan
from cret_desktop.messages import Message
from cret_desktop.paths import is_inside

log = logging.getLogger(__name__)

FILES_IN_FLIGHT = 8  # files begun and not committed, at most: what a kill can cost to do again
BATCH_SECONDS = 0.1  # a query that comes in the middle of a batch waits no longer than this on a CPU
LARGEST_BATCH = 64  # clips
PROGRESS_SECONDS = 0.2
MEASURE_SECONDS = 10.0  # before indexing begins, for lengths; of what is left over they are read in its turn
TELL_LENGTHS_SECONDS = 1.0
_LONGEST_REASON = 500  # characters
_LATEST = 1e9  # seconds into a video, before or after its zero: thirty years
_LAST_ORDINAL = 10**9  # of a clip or a shot
_LARGEST = 10**12  # of any number in a header: no catalog believes a larger one; infinity and NaN are not below it
STILL_SECONDS = 2.0  # without a change between two looks, after which a file is taken to be whole


@dataclass(slots=True)
class _OpenFile:
    """A file on its way through decoder and encoder."""

    id: int
    file: VideoFile
    fingerprint: bytes
    info: VideoInfo | None = None
    clips: list[NewClip] = field(default_factory=list)
    decoded: FileDecoded | None = None
    waiting: int = 0  # clips decoded, not yet encoded
    failed: bool = False  # on the way: what its decoder still says of it is passed over


_Decoded = tuple[_OpenFile, DecodedClip]
_Encoded = tuple[_OpenFile, DecodedClip, NDArray[np.float32], NDArray[np.float32]]  # with globals and centers


class Indexer:
    """Indexes roots of one library with one model."""

    def __init__(
        self,
        store: Store,
        index: VectorStore,
        model: Model,
        open_decoder: Callable[[], Decoder],
        files: LibraryFiles,
        listener: Listener = lambda event: None,
        leave_out: Sequence[str] = (),
        still_seconds: float = STILL_SECONDS,
        volumes: Callable[[], Volumes] = Volumes,
        sampling: Sampling = USUAL_SAMPLING,
        keeps_pace: bool = False,
        budget: Budget | None = None,
    ) -> None:
        """`leave_out`: patterns of what is not indexed (see `exclude`). `keeps_pace`: for the next runs.

        A file that changed less than `still_seconds` ago is looked at twice, that far apart, before it is taken.
        """
        self._catalog = store.catalog
        self._scans = store.scans
        self._stages = store.stages
        self._queue = store.queue
        self._features = store.features
        self._texts = store.texts
        self._blobs = store.blobs
        self._leave_out = tuple(leave_out)
        self._index = index
        self._model = model
        self._open_decoder = open_decoder
        self._library = files
        self._listener = listener
        self.still_seconds = still_seconds
        self._volumes = volumes
        self._shares: tuple[str, ...] = ()
        self._sampling = sampling
        self._keeps_pace = keeps_pace
        self._budget = budget
        self._run: _Run | None = None

    @property
    def totals(self) -> IndexTotals:
        """Of the last run, also when it raised."""
        return self._run.totals() if self._run is not None else IndexTotals(0, 0, 0.0, 0, 0, 0.0, 0, False)

    def run(self, roots: Sequence[tuple[Root, str]], control: Control, only_new: bool = False) -> IndexTotals:
        """Index what is new under each (root, folder within it). Decoder and model are touched only if there is work.

        `only_new`: leave what has been waiting since before.
        Raises: StorageError (disk full, or the budget is used up; what is committed stays), ModelError.
        """
        run = self._run = _Run(self, control)
        before = self._waiting() if only_new else set()
        pending = {i: file for i, file in self.look(roots, run).items() if i not in before}
        run.skipped = run.seen - len(pending)
        if pending and not control.cancelled:
            run.index(pending)
        return run.totals()

    def _waiting(self) -> set[int]:
        model = self._model.info.fingerprint
        return {i for root in self._catalog.roots() for i, _ in self._stages.due(PICTURES, model, root.id)}

    def look(self, places: Iterable[tuple[Root, str]], run: _Run) -> dict[int, VideoFile]:
        """Bring the catalog to what lies in these places now; returns what waits for indexing there."""
        present = self._find_roots()
        pending: dict[int, VideoFile] = {}
        for known, within in places:
            if not known.followed:
                continue
            root = present.get(known.id)
            if root is not None:
                within = self._place(root, within if root.path == known.path else root.path)
                run.tell(Phase.SCANNING, within)
            if root is None or not self._scan(root, within, run):
                run.offline.append(known.path)
            elif not run.control.cancelled:
                pending.update(self._stages.due(PICTURES, self._model.info.fingerprint, root.id, within))
            if run.control.cancelled:
                break
        return pending

    def is_fresh(self, path: str) -> bool:
        """Whether a file changed a moment ago, so that it is to be looked at twice. Raises: OSError."""
        if any(is_inside(path, share) for share in self._shares):
            return self.still_seconds > 0  # by a clock that may not be ours
        return age(path) < self.still_seconds

    def _find_roots(self) -> dict[int, Root]:
        """The roots that are there, by id, where they are now; the catalog learns which are not and which went."""
        volumes = self._volumes()
        roots = [root for root in self._catalog.roots() if root.followed]
        self._shares = tuple(root.path for root in roots if volumes.is_network(root.path))
        present: dict[int, Root] = {}
        for root in roots:
            now = volumes.find(root, partial(self._catalog.files, root.id), roots)
            if now is None:
                if not root.offline:
                    self._catalog.set_offline(root.id, True)
            else:
                present[root.id] = now
                if now != root:
                    self._catalog.place_root(now)
            if root.offline != (now is None) or (now is not None and now.path != root.path):
                self._listener(FolderScanned(root.path, 1))
        return present

    def _place(self, root: Root, within: str) -> str:
        """Where to look for a change in `within`: there, or in the nearest folder around it that is not left out."""
        leaves_out = left_out(root.path, self._leave_out)
        place = root.path
        if is_inside(within, root.path):
            for name in os.path.relpath(within, root.path).split(os.sep) if within != root.path else ():
                below = os.path.join(place, name)
                if name.startswith(".") or leaves_out(below) or not os.path.lexists(below):
                    break
                place = below
        return place

    def _scan(self, root: Root, within: str, run: _Run) -> bool:
        """Bring the catalog to what lies on the disk; False where the root has just gone."""
        known = self._catalog.files(root.id, within)
        files: list[VideoFile] = []
        problems: list[tuple[str, Message]] = []
        unseen: set[str] = set()
        for entry in scan(within, left_out(root.path, self._leave_out)) if self._leave_out else scan(within):
            if isinstance(entry, ScanProblem):
                problems.append((entry.path, entry.reason))
                if entry.hides:
                    unseen.add(entry.path)
            else:
                files.append(entry)
                run.found += 1
                run.tell(Phase.SCANNING, entry.path)
            if run.control.cancelled:
                return True  # half a scan would make the rest look missing
        if not _is_there(root):  # unplugged while it was looked at
            self._catalog.set_offline(root.id, True)
            return False
        unseen |= unseen_volumes(known, {file.path for file in files})
        contents = _fingerprints(may_be_known(files, known, self._scans.content_sizes()))
        result = apply_scan(self._scans, root, files, problems, within, contents, unseen)
        if result.dropped_clips:
            self._index.remove(np.asarray(result.dropped_clips, np.int64))
        if result.restored_clips:
            info = self._model.info
            self._index.add(*self._features.vectors(info.fingerprint, info.width + 1, ids=result.restored_clips))
        run.drop_sprites(result.stale_sprites)
        run.failed += result.new_problems
        run.seen += len(files)
        changed = result.added + result.changed + result.moved + result.missing + result.restored + result.new_problems
        changed += result.away + result.back
        changed += self._read_subtitles(root, files)
        self._listener(FolderScanned(within, changed))
        return True

    def _read_subtitles(self, root: Root, files: Sequence[VideoFile]) -> int:
        """Bring the subtitle lines of these files to what lies beside them; returns how many files' have changed."""
        now = subtitles.beside(file.path for file in files)
        changed = 0
        for path, (file_id, before) in self._texts.sidecars(root.id, [file.path for file in files]).items():
            sidecars = now.get(path, set())
            if sidecars != before:
                with faults_of(path, partial(note, logging.WARNING, "The subtitles of %s are not kept: %s", path)):
                    self._keep_subtitles(file_id, sorted(sidecars, key=lambda sidecar: sidecar.path))
                    changed += 1
        return changed

    def _keep_subtitles(self, file_id: int, sidecars: Sequence[Sidecar]) -> None:
        """One that cannot be read is in the failures list; its video is indexed all the same."""
        reasons: dict[str, Message] = {}
        lines = []
        for sidecar in sidecars:
            lines += subtitles.read(sidecar, partial(reasons.__setitem__, sidecar.path))
        self._texts.set_subtitles(file_id, sidecars, lines, reasons)
        for path, reason in reasons.items():
            self._listener(FileIndexed(path, 0, reason))


def _bounded(reason: Message) -> Message:
    """Return a reason that can be kept and shown: a decoder's words may be of the file's making."""
    return reason.mapped(lambda text: visible(text[:_LONGEST_REASON]))


def _files_of(batch: Iterable[_Decoded]) -> list[_OpenFile]:
    return list({id(open_file): open_file for open_file, _ in batch}.values())


def _is_there(root: Root) -> bool:
    try:
        status = os.stat(root.path)
    except OSError:
        return False
    # Not the inode: some shares and sticks number them anew as they like.
    return kept_number(status.st_dev) == root.device


def _fingerprints(files: Iterable[VideoFile]) -> dict[str, bytes]:
    """Of those that can be read; what is wrong with the others is told when their turn comes."""
    found: dict[str, bytes] = {}
    for file in files:
        with faults_of(file.path, partial(note, logging.INFO, "%s: %s", file.path)):
            found[file.path] = fingerprint(file.path)
    return found


def _checked(info: VideoInfo) -> VideoInfo:
    """What a header tells, where the catalog can hold it and an estimate reckon with it. Raises: BadFile."""
    numbers = (info.duration, info.width, info.height, info.frame_rate)
    if not all(isinstance(number, int | float) and abs(number) < _LARGEST for number in numbers):
        raise BadFile("file.bad-header")
    if not (is_text(info.codec) and is_text(info.container)):
        raise BadFile("file.bad-header")
    return info


def _checked_clip(clip: DecodedClip) -> DecodedClip:
    """A clip whose place in its video the catalog and the name of its thumbnails can hold. Raises: BadFile."""
    whole = all(type(number) is int and 0 <= number <= _LAST_ORDINAL for number in (clip.ordinal, clip.shot))
    times = isinstance(clip.times, tuple) and (clip.start, clip.end, *clip.times)
    if not (whole and times and all(isinstance(time, int | float) and abs(time) <= _LATEST for time in times)):
        raise BadFile("file.bad-times")
    return clip


class _Run:
    """The state of one run: counters, the batch being gathered, the files under way."""

    def __init__(self, indexer: Indexer, control: Control) -> None:
        self._i = indexer
        self.control = control
        self._started = time.monotonic()
        self._work_started = self._started
        self._told = 0.0
        self._open: dict[str, _OpenFile] = {}
        self._twins: dict[bytes, dict[int, VideoFile]] = {}  # files of a content that is under way already
        self._batch: list[tuple[_OpenFile, DecodedClip]] = []
        self._batch_size = 4
        self._clips_seen = 0.0
        self.files = self.clips = self.failed = self.seen = self.skipped = self.frames = 0
        self.found = 0
        self._total = 0
        self._idle = 0.0  # seconds of the work's time in which others went first, or nobody wanted it
        pace = read_pace(indexer._library, indexer._model.info.fingerprint) if indexer._keeps_pace else None
        self._estimate = Estimate(pace)
        self.seconds = 0.0
        self.offline: list[str] = []
        self.unsettled: dict[str, None] = {}  # in order, each once

    def index(self, pending: dict[int, VideoFile]) -> None:
        self._total = len(pending)
        self._spend(0)
        self._model_id = self._i._features.record_model(self._i._model.info)
        decoder = self._i._open_decoder()
        try:
            self._measure(decoder, pending)
            self._work_started = time.monotonic()
            self.tell(Phase.INDEXING, "", now=True)  # with the estimate
            while pending:
                for event in decoder.decode(self._feed(pending), self._i._sampling):
                    if self.control.cancelled:
                        break
                    self._take(event)
                    self._wait_turn()
                else:
                    self._encode()
                # What waited for a file of its own content is that one's copy now; or does its own, where that failed.
                twins, self._twins = self._twins, {}
                pending = {} if self.control.cancelled else {i: f for same in twins.values() for i, f in same.items()}
        finally:
            decoder.close()
            self._i._model.video.release()
            if self._i._keeps_pace and self._worked() >= SOON and self._estimate.done:
                keep_pace(self._i._library, self._i._model.info.fingerprint, self._estimate.pace(self._worked()))

    def _measure(self, decoder: Decoder, pending: dict[int, VideoFile]) -> None:
        """Read the lengths of what waits, as far as there is time, for the estimate and for who looks at the files."""
        lengths = self._i._queue.lengths(list(pending))
        unknown = {file.path: file_id for file_id, file in pending.items() if file_id not in lengths}
        infos: dict[int, VideoInfo] = {}
        told = time.monotonic()
        self.tell(Phase.MEASURING, "", now=True)
        for event in decoder.probe([pending[file_id] for file_id in unknown.values()], MEASURE_SECONDS):
            # What is wrong with a file is told when its turn comes.
            with faults_of(event.file.path, partial(note, logging.INFO, "%s: %s", event.file.path)):
                file_id = unknown[event.file.path]
                infos[file_id] = _checked(event.info)
                lengths[file_id] = event.info.duration
            if time.monotonic() - told > TELL_LENGTHS_SECONDS:
                told = time.monotonic()
                self._record(infos)
            if self.control.cancelled or self.control.conditions.paused:
                break
        self._record(infos)
        for file_id, file in pending.items():
            self._estimate.add(file_id, file.size, lengths.get(file_id))

    def _record(self, infos: dict[int, VideoInfo]) -> None:
        if infos:
            self._i._queue.record_infos(infos)
            self._i._listener(FilesMeasured(len(infos)))
            infos.clear()

    def _wait_turn(self) -> None:
        began = time.monotonic()
        self.control.wait_turn(lambda: self.tell(Phase.INDEXING, "", now=True))
        self._idle += time.monotonic() - began

    def _worked(self) -> float:
        return time.monotonic() - self._work_started - self._idle

    def _feed(self, pending: dict[int, VideoFile]) -> Iterator[VideoFile]:
        waiting = dict(pending)
        fresh: dict[int, tuple[VideoFile, float]] = {}  # changed a moment ago, and when they were looked at
        while (waiting or fresh) and not self.control.cancelled:
            self._look_around(waiting, fresh)
            for content in self._twins.keys() - {open_file.fingerprint for open_file in self._open.values()}:
                waiting.update(self._twins.pop(content))
            looked = None
            if waiting:
                file_id = self._next_of(waiting)
                file = waiting.pop(file_id)
            else:
                file_id = next(iter(fresh))
                file, looked = fresh.pop(file_id)
                self._encode()
                self.control.rest(looked + self._i.still_seconds - time.monotonic())
            if len(self._open) >= FILES_IN_FLIGHT:
                self._encode()  # files that are decoded wait only for their batch
            if self._is_to_be_decoded(file_id, file, looked, fresh):
                self.tell(Phase.INDEXING, file.path)
                yield file

    def _is_to_be_decoded(
        self, file_id: int, file: VideoFile, looked: float | None, fresh: dict[int, tuple[VideoFile, float]]
    ) -> bool:
        """Look at a file whose turn has come; it is open then, or waits, is done as a copy, or has failed."""
        with self._faults_of(file_id, file):
            try:
                if has_changed(file) or file.path in self._open:  # the one before it under this name
                    self.unsettled[file.path] = None
                    return False
                if looked is None and self._i.is_fresh(file.path):
                    fresh[file_id] = file, time.monotonic()
                    return False
                if is_being_written(file.path):
                    self.unsettled[file.path] = None
                    return False
                content = fingerprint(file.path)
            except FileNotFoundError:
                self.unsettled[file.path] = None  # deleted or moved since it was seen, which the next look tells
                return False
            if any(open_file.fingerprint == content for open_file in self._open.values()):
                self._twins.setdefault(content, {})[file_id] = file
            elif not self._index_as_copy(file_id, file, content):
                self._open[file.path] = _OpenFile(file_id, file, content)
                return True
        return False

    def _index_as_copy(self, file_id: int, file: VideoFile, content: bytes) -> bool:
        copied = self._i._queue.index_as_copy(file_id, file, content, self._model_id)
        ids = copied.restored_clips
        if ids:
            if copied.dropped_clips:
                self._i._index.remove(np.asarray(copied.dropped_clips, np.int64))
            self.drop_sprites(copied.stale_sprites)
            info = self._i._model.info
            self._i._index.add(*self._i._features.vectors(info.fingerprint, info.width + 1, ids=ids))
            self.files += 1
            self.clips += len(ids)
            self._estimate.drop(file_id)
            self._i._listener(FileIndexed(file.path, len(ids)))
            self.tell(Phase.INDEXING, file.path)
        return bool(ids)

    def _look_around(self, waiting: dict[int, VideoFile], fresh: dict[int, tuple[VideoFile, float]]) -> None:
        """Take up what has changed in the library's folders since the run began."""
        for root, within in self.control.take_looks():
            now = self._i.look([(root, within)], self)
            for open_file in self._open.values():
                now.pop(open_file.id, None)
            for twins in self._twins.values():
                waiting.update(twins)
            self._twins.clear()
            for file_id, (file, _) in list(fresh.items()):
                if now.get(file_id) == file:
                    del now[file_id]  # its second look is still to come
                elif is_inside(file.path, within):
                    waiting[file_id] = fresh.pop(file_id)[0]
            before = {i: file for i, file in waiting.items() if is_inside(file.path, within)}
            for file_id in before:
                del waiting[file_id]
            waiting.update(now)
            self._total += len(now) - len(before)
            lengths = self._i._queue.lengths(list(now))
            for file_id in before:
                self._estimate.drop(file_id)
            for file_id, file in now.items():
                self._estimate.add(file_id, file.size, lengths.get(file_id))

    def _next_of(self, waiting: dict[int, VideoFile]) -> int:
        first = self.control.first
        if first is not None:
            prefix = first.rstrip(os.sep) + os.sep
            for file_id, file in waiting.items():
                if file.path == first or file.path.startswith(prefix):
                    return file_id
            self.control.first = None  # all of it is done
        return next(iter(waiting))

    def _take(self, event: FileOpened | ClipDecoded | FileDecoded | FileFailed) -> None:
        open_file = self._open.get(event.file.path)
        assert open_file is not None, f"the decoder speaks of {event.file.path}, which it was not given"
        if open_file.failed:
            if isinstance(event, FileDecoded | FileFailed):
                del self._open[event.file.path]
            return
        with self._faults_of_open(open_file):
            if isinstance(event, FileOpened):
                open_file.info = _checked(event.info)
                self._estimate.learn(open_file.id, event.info.duration)
            elif isinstance(event, ClipDecoded):
                clip = _checked_clip(event.clip)
                open_file.waiting += 1
                self._batch.append((open_file, clip))
            elif isinstance(event, FileDecoded):
                open_file.decoded = event
                self.frames += event.frames_decoded
                self._commit_if_complete(open_file)
            else:
                self._batch = [(f, c) for f, c in self._batch if f is not open_file]
                del self._open[event.file.path]
                if self._stands_still(open_file.file):
                    self._fail(open_file.id, open_file.file, event.reason)
        if len(self._batch) >= self._batch_size:
            self._encode()

    def _faults_of(self, file_id: int, file: VideoFile) -> AbstractContextManager[None]:
        """Around all that is done with one file: what it raises is that file's failure."""
        return faults_of(file.path, partial(self._fail, file_id, file))

    def _faults_of_open(self, open_file: _OpenFile) -> AbstractContextManager[None]:
        """As `_faults_of`, for a file on its way: it is there until its decoder has ended, and what it gave is not."""

        def fail(reason: Message) -> None:
            open_file.failed = True
            self._batch = [(f, c) for f, c in self._batch if f is not open_file]
            if open_file.decoded is not None:
                self._open.pop(open_file.file.path, None)
            self._fail(open_file.id, open_file.file, reason)

        return faults_of(open_file.file.path, fail)

    def _encode(self) -> None:
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        self._wait_turn()
        if self._clips_seen == 0:
            self.tell(Phase.LOADING_MODEL, batch[0][0].file.path, now=True)
        began = time.monotonic()
        features = self._features(batch)
        took = time.monotonic() - began
        if self._clips_seen:  # the first batch pays for loading the weights
            self._batch_size = int(np.clip(len(batch) * BATCH_SECONDS / max(took, 1e-4), 1, LARGEST_BATCH))
        else:
            self._idle += took
        self._clips_seen += len(batch)
        written = 0
        for open_file, clip, frames, centers in features:
            if not open_file.failed:
                with self._faults_of_open(open_file):
                    open_file.clips.append(self._store_sprite(open_file, clip, frames, centers))
                    open_file.waiting -= 1
                    # The catalog keeps features in half their precision, the graph one vector.
                    taken = len(clip.sprite.jpeg) + (frames.nbytes + centers.nbytes) // 2 + frames[0].nbytes
                    self._estimate.advance(open_file.id, clip.end - clip.start, taken)
                    written += taken
        for open_file in _files_of(batch):
            if not open_file.failed:
                with self._faults_of_open(open_file):
                    self._commit_if_complete(open_file)
        self._spend(written)

    def _features(self, batch: Sequence[_Decoded]) -> list[_Encoded]:
        """What the model makes of clips. Where it fails on them each file is tried alone: one may spoil a batch."""
        try:
            return self._encoded(batch)
        except BaseException as error:
            if not is_of_a_file(error):
                raise
            self._try_model()
        features: list[_Encoded] = []
        for open_file in _files_of(batch):
            with self._faults_of_open(open_file):
                features += self._encoded([(f, clip) for f, clip in batch if f is open_file])
        return features

    def _encoded(self, batch: Sequence[_Decoded]) -> list[_Encoded]:
        """Raises: BadFile where what the model makes of the clips is no features; else as the model does."""
        features = self._i._model.video.encode(np.stack([clip.frames for _, clip in batch]))
        if not np.isfinite(features.globals).all() or not np.isfinite(features.centers).all():
            raise BadFile("file.no-features")
        each = zip(batch, features.globals, features.centers, strict=True)
        return [(open_file, clip, frames, centers) for (open_file, clip), frames, centers in each]

    def _try_model(self) -> None:
        """After a failure, tell a file's from the model's: one that fails on plain grey, too, is of no use.

        Raises: ModelError.
        """
        info = self._i._model.info
        shape = (1, info.frame_format.frames, info.frame_format.size, info.frame_format.size, 3)
        try:
            features = self._i._model.video.encode(np.full(shape, 128, np.uint8))
            if np.isfinite(features.globals).all() and np.isfinite(features.centers).all():
                return
            reason = Message("model.not-finite")
        except BaseException as error:
            if not is_of_a_file(error):
                raise
            reason = reason_of(error)
        raise ModelError("model.unusable", title=info.title, reason=reason)

    def _spend(self, written: int) -> None:
        if self._i._budget is not None:
            self._i._budget.spend(written)

    def _store_sprite(
        self, open_file: _OpenFile, clip: DecodedClip, frames: NDArray[np.float32], centers: NDArray[np.float32]
    ) -> NewClip:
        """Write the clip's thumbnails: two levels of folders by content, named by content and time."""
        content = open_file.fingerprint.hex()[:24]
        name = f"{content[:2]}/{content[2:4]}/{content}-{round(clip.start * 1000)}.jpg"
        self._i._blobs.write(name, clip.sprite.jpeg)
        return NewClip(
            clip.ordinal, clip.shot, clip.start, clip.end, name, clip.sprite.tile_width, clip.sprite.tile_height,
            clip.sprite.poster, clip.times, frames, centers, zlib.crc32(clip.sprite.jpeg),
        )  # fmt: skip

    def _commit_if_complete(self, open_file: _OpenFile) -> None:
        if open_file.decoded is None or open_file.waiting:
            return
        assert open_file.info is not None, "a decoder opens a file before it ends it"
        del self._open[open_file.file.path]
        if not self._stands_still(open_file.file):
            return
        clips = sorted(open_file.clips, key=lambda clip: clip.ordinal)
        ids, gone, stale = self._i._queue.commit_file(
            open_file.id, open_file.file, open_file.info, open_file.fingerprint, clips, self._model_id,
            open_file.decoded.partial,
        )  # fmt: skip
        if gone:
            self._i._index.remove(np.asarray(gone, np.int64))
        if clips and not ids:  # a look has taken the file off the catalog meanwhile
            self.unsettled[open_file.file.path] = None
            self.drop_sprites(stale)
            return
        info = self._i._model.info
        self._i._index.add(*self._i._features.vectors(info.fingerprint, info.width + 1, ids=ids))
        self.drop_sprites(stale)
        self.files += 1
        self.clips += len(clips)
        self.seconds += open_file.info.duration
        self._estimate.drop(open_file.id)
        self._i._listener(FileIndexed(open_file.file.path, len(clips), open_file.decoded.partial))
        self.tell(Phase.INDEXING, open_file.file.path)

    def _stands_still(self, file: VideoFile) -> bool:
        """Whether a file that was decoded is the one that was seen; else it waits, and is to be looked at again."""
        try:
            if not has_changed(file):
                return True
        except OSError:
            return True  # gone or moved meanwhile: what was read of it is good
        self.unsettled[file.path] = None
        return False

    def _fail(self, file_id: int, file: VideoFile, reason: Message) -> None:
        reason = _bounded(reason)
        gone, stale = self._i._queue.fail_file(file_id, file, reason)
        if gone:
            self._i._index.remove(np.asarray(gone, np.int64))
        self.drop_sprites(stale)
        self.failed += 1
        self._estimate.drop(file_id)
        self._i._listener(FileIndexed(file.path, 0, reason))
        self.tell(Phase.INDEXING, file.path)

    def drop_sprites(self, names: Iterable[str]) -> None:
        # A file of the same content that is on its way has written its own by these names; the catalog does not know.
        being_written = {clip.sprite for open_file in self._open.values() for clip in open_file.clips}
        self._i._blobs.remove(set(names) - being_written)

    def tell(self, phase: Phase, current: str, now: bool = False) -> None:
        moment = time.monotonic()
        if not now and moment - self._told < PROGRESS_SECONDS:
            return
        self._told = moment
        worked = self._worked()
        self._i._listener(
            IndexProgress(
                phase=Phase.ON_BATTERY if self.control.conditions.on_battery else phase,
                files_done=self.files + self.failed,
                files_total=self.found if phase is Phase.SCANNING else self._total,
                clips_done=self.clips,
                video_seconds=self.seconds,
                failed=self.failed,
                rate=self._estimate.rate(worked),
                remaining=self._estimate.remaining(worked) if phase is Phase.INDEXING else None,
                space=self._estimate.space() if phase is Phase.INDEXING else None,
                current=current,
            )
        )

    def totals(self) -> IndexTotals:
        return IndexTotals(
            files=self.files,
            clips=self.clips,
            video_seconds=self.seconds,
            failed=self.failed,
            skipped=self.skipped,
            wall_seconds=time.monotonic() - self._started,
            frames_decoded=self.frames,
            cancelled=self.control.cancelled,
            offline=tuple(self.offline),
            unsettled=tuple(self.unsettled),
        )
