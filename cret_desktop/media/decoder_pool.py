"""Decodes several files at once in child processes, so that one bad file costs one process and one line.

Implements `library.ports.Decoder`. Children are spawned for the first file, load no torch, take one file at a time, and
end when their pipe does. They are restarted after a number of files, and killed when they make no progress, take too
much memory or send invalid messages; their file is tried once more, in a new child, then it has failed.

The interface: JSON by `send_bytes` in both directions, and a ring of shared memory per child, owned by this side, for
frames and JPEGs. On Linux this side also opens each file, without reading it, and passes the descriptor on: a child is
confined and can open no file by itself (`decoder_child`). A child without a free slot waits, so a slow reader slows the
decoders and nothing piles up. Messages of a child are never unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import stat
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from cret_desktop import confinement
from cret_desktop.child_process import ChildLimits, ChildProcess, RestartLimit, listen
from cret_desktop.domain.clips import (
    USUAL_SAMPLING,
    ClipDecoded,
    DecodedClip,
    DecodeEvent,
    FileDecoded,
    FileFailed,
    FileOpened,
    FrameFormat,
    Sampling,
    Sprite,
    VideoFile,
    VideoInfo,
)
from cret_desktop.errors import BadFile, DecoderFailed
from cret_desktop.foreign import Unusable, reason_of
from cret_desktop.media.decoder_child import HANDED_OVER
from cret_desktop.media.decoder_child import run as _run_child
from cret_desktop.media.ring import Ring, make_memory
from cret_desktop.messages import Message

MAX_WORKERS = 4
FILES_IN_FLIGHT_PER_WORKER = 1  # per worker, the most that a kill can lose
TRIES = 2
_RING_BYTES = 16 << 20  # of all workers together: containers often have 64 MB of shared memory
_MAX_SLOTS = 8
_LISTEN_SECONDS = 0.5
_END_SECONDS = 2.0  # a child's time to exit by itself
_LONGEST_MESSAGE = 1 << 16  # bytes; ours have a few hundred
_STARTS = 2  # consecutive children that may die before they are ready


def default_workers() -> int:
    return min(MAX_WORKERS, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """When a child is given up. The seconds count silence only while the pool listens: a busy caller stalls no child.

    `memory_bytes` is checked from here, and also enforced by the system where possible.
    """

    stall_seconds: float = 60.0
    memory_bytes: int = 2 << 30
    files_per_child: int = 200


class DecoderPool:
    """Decodes files in child processes (`library.ports.Decoder`), one `decode` at a time.

    Events of different files interleave, those of one file are in order; each ends with FileDecoded or FileFailed.
    After `close` the pool can be used again: children start with the next file.
    """

    def __init__(
        self, frame_format: FrameFormat, workers: int | None = None, limits: PoolLimits = PoolLimits()
    ) -> None:
        self._frame_format = frame_format
        self._workers = workers or default_workers()
        self._limits = limits
        self._slots = max(1, min(_MAX_SLOTS, _RING_BYTES // self._workers // Ring.slot_bytes(frame_format)))
        self._children: list[_Child] = []
        self._starts = RestartLimit(_STARTS - 1)

    @property
    def files_in_flight(self) -> int:
        """The maximum number of files decoded at once."""
        return self._workers * FILES_IN_FLIGHT_PER_WORKER

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        """Yield the events of decoding files. Raises: DecoderFailed if children cannot even be started."""
        return self._work(_Job(file, sampling) for file in files)

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        """Yield headers as `library.ports.Decoder` does. Raises: DecoderFailed if children cannot even be started."""
        for event in self._work((_Job(file) for file in files), time.monotonic() + seconds):
            if isinstance(event, FileOpened):
                yield event

    def _work(self, jobs: Iterator[_Job], deadline: float = math.inf) -> Iterator[DecodeEvent]:
        """Yield the events of jobs. After the deadline no job is started, and unfinished ones are soon given up."""
        again: deque[_Job] = deque()
        exhausted = False
        try:
            while True:
                while len(busy := [child for child in self._children if child.job]) < self._workers:
                    job = again.popleft() if again else next(jobs, None)
                    if job is None or time.monotonic() > deadline:
                        exhausted = True
                        break
                    self._idle_child().take(job)
                if (exhausted and not busy) or time.monotonic() > deadline + _END_SECONDS:
                    return
                yield from self._listen(busy, again)
        finally:
            for child in [child for child in self._children if child.job]:
                self._dismiss(child, kill=True)

    def close(self) -> None:
        """End the children. Safe to call twice."""
        for child in list(self._children):
            self._dismiss(child, kill=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _idle_child(self) -> _Child:
        idle = next((child for child in self._children if not child.job), None)
        if idle is None:
            idle = _Child(self._frame_format, self._slots, self._limits)
            self._children.append(idle)
        return idle

    def _dismiss(self, child: _Child, kill: bool) -> None:
        self._children.remove(child)
        child.end(kill)

    def _listen(self, busy: list[_Child], again: deque[_Job]) -> Iterator[DecodeEvent]:
        ready = listen([child.process for child in busy], _LISTEN_SECONDS)
        for child in busy:
            event: DecodeEvent | None = None
            if child.process in ready:
                try:
                    event = child.receive()
                except Exception:  # noqa: BLE001
                    # The child is gone, or its message is invalid in any way, as after memory corruption.
                    yield from self._lost(child, BadFile("file.decoder-crashed"), again)
                    continue
                self._starts.reset()
            if event is not None:
                yield event
            if not child.job:
                if child.files_done >= self._limits.files_per_child:
                    self._dismiss(child, kill=False)
            elif child.process.has_stalled:
                stalled = BadFile("file.decoder-stalled", seconds=self._limits.stall_seconds)
                yield from self._lost(child, stalled, again)
            elif child.started and child.process.is_oversized:
                gigabytes = self._limits.memory_bytes / (1 << 30)
                yield from self._lost(child, BadFile("file.decoder-memory", gigabytes=gigabytes), again)

    def _lost(self, child: _Child, why: BadFile, again: deque[_Job]) -> Iterator[DecodeEvent]:
        """Give up a child; retry its file or report it as failed."""
        job = child.job
        assert job is not None
        self._dismiss(child, kill=True)
        if not child.started:
            if not self._starts.fell():
                raise DecoderFailed("file.decoder-missing", status=str(child.process.exit_status))
            again.append(job)
            return
        job.tries += 1
        if job.tries < TRIES and job.sampling is not None:
            again.append(job)
        else:
            yield FileFailed(job.file, why.message)


@dataclass(slots=True)
class _Job:
    """A file and the events already yielded for it: a second try yields only new ones.

    Without `sampling` it is only probed, which is cheap and not worth a second try.
    """

    file: VideoFile
    sampling: Sampling | None = None
    tries: int = 0
    opened: bool = False
    clips: int = 0


class _Child:
    """One process and its ring. `job` is the current file; `started` is set once it has imported the decoders."""

    def __init__(self, frame_format: FrameFormat, slots: int, limits: PoolLimits) -> None:
        self._memory = make_memory(slots * Ring.slot_bytes(frame_format))
        self._ring = Ring(self._memory, frame_format)
        given = (self._memory.name, slots, frame_format, limits.memory_bytes)
        bounds = ChildLimits(stall_seconds=limits.stall_seconds, memory_bytes=limits.memory_bytes)
        try:
            self.process = ChildProcess("cret-decoder", _run_child, *given, limits=bounds)
        except BaseException:
            self._memory.close()
            raise
        if self._memory.descriptor is not None:
            self._hand_over(self._memory.descriptor)
        self.job: _Job | None = None
        self.started = False
        self.files_done = 0

    def take(self, job: _Job) -> None:
        self.job = job
        self.process.expect()
        sampling = None if job.sampling is None else dataclasses.asdict(job.sampling)
        message = {"file": dataclasses.asdict(job.file), "sampling": sampling, "handed": False, "refusal": None}
        if not HANDED_OVER:
            self._send(message)
            return
        try:
            descriptor = _open_regular(job.file.path)
        except (OSError, Unusable) as error:
            self._send({**message, "refusal": reason_of(error).to_json()})
            return
        try:
            self._send({**message, "handed": True})
            self._hand_over(descriptor)
        finally:
            os.close(descriptor)

    def _hand_over(self, descriptor: int) -> None:
        try:
            self.process.hand_over(descriptor)
        except OSError:
            return  # as in `_send`

    def receive(self) -> DecodeEvent | None:
        """Return the next event, None for a sign of life.

        Raises: EOFError, OSError if the child is gone; for an invalid message, any error.
        """
        message = json.loads(self.process.receive(_LONGEST_MESSAGE))
        job = self.job
        assert job is not None
        match message["kind"]:
            case "ready":
                self.started = True
                confinement.report(str(message.get("unconfined", "")))
            case "opened" if not job.opened:
                opened = FileOpened(job.file, VideoInfo(**message["info"]))
                job.opened = True
                return opened
            case "clip":
                clip = self._clip(message)
                self._send({"free": message["slot"]})
                if clip.ordinal >= job.clips:
                    job.clips = clip.ordinal + 1
                    return ClipDecoded(job.file, clip)
            case "decoded":
                partial = None if message["partial"] is None else Message.from_json(message["partial"])
                self._rest(job)
                return FileDecoded(job.file, partial, message["frames_decoded"])
            case "failed":
                reason = Message.from_json(message["reason"])
                self._rest(job)
                return FileFailed(job.file, reason)
        return None

    def _rest(self, job: _Job) -> None:
        self.job = None
        self.files_done += job.sampling is not None

    def end(self, kill: bool) -> None:
        self.process.close(0.0 if kill else _END_SECONDS)
        self._memory.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self.process.send(json.dumps(message).encode())
        except OSError:
            # The child is gone: reading its pipe reports that, where it is handled.
            return

    def _clip(self, message: dict[str, Any]) -> DecodedClip:
        frames, jpeg = self._ring.read(message["slot"], message["jpeg_bytes"])
        sprite = Sprite(jpeg, message["tile_width"], message["tile_height"], tuple(message["times"]), message["poster"])
        return DecodedClip(
            message["ordinal"],
            message["shot"],
            message["start"],
            message["end"],
            tuple(message["times"]),
            frames,
            sprite,
        )


def _open_regular(path: str) -> int:
    """Return a descriptor for reading a regular file; never block as for the other end of a pipe.

    Raises: OSError, Unusable.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise Unusable(Message("reason.not-regular"))
