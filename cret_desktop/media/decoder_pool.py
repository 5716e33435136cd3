"""Decodes several files at once in child processes, so that one bad file costs one process and one line.

Implements `library.ports.Decoder`. Children are spawned on the first file, hold no torch, take one file at a time, and
end when their pipe does. They are restarted after a number of files, and killed when they make no progress, take too
much memory or talk nonsense; the file they were at is tried once more, in a new child, then it has failed.

What crosses the border: JSON by `send_bytes` in both directions, and a ring of shared memory per child, owned by this
side, for frames and JPEGs. A child that has no free slot waits, so a slow reader slows the decoders and nothing piles
up. Nothing that a child says is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil

from cret_desktop.clips import (
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
from cret_desktop.errors import DecoderFailed
from cret_desktop.media.memory import bound_memory
from cret_desktop.media.sprites import MAX_TILE_HEIGHT, MAX_TILE_WIDTH

MAX_WORKERS = 4
FILES_IN_FLIGHT_PER_WORKER = 1  # what is lost at most, per worker, when everything is killed
TRIES = 2
_RING_BYTES = 16 << 20  # of all workers together: containers often have 64 MB of shared memory
_MAX_SLOTS = 8
_LISTEN_SECONDS = 0.5
_TICK_SECONDS = 0.5
_END_SECONDS = 2.0  # a child's time to end by itself
_START_SECONDS = 120.0  # to import the decoders, on a slow disk and a busy machine
_LONGEST_MESSAGE = 1 << 16  # bytes; ours have a few hundred
_STARTS = 2  # children that die before they are ready, one after another, before we give up


def default_workers() -> int:
    return min(MAX_WORKERS, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """When a child is given up. The seconds are of silence while we listen: a caller who is busy stalls nobody.

    `memory_bytes` are watched from here, and where the system can do so it refuses the child more by itself.
    """

    stall_seconds: float = 60.0
    memory_bytes: int = 2 << 30
    files_per_child: int = 200


class DecoderPool:
    """Events of different files interleave, those of one file are in order; each ends with FileDecoded or FileFailed.

    One `decode` at a time. After `close` the pool can be used again: children start when a file comes.
    """

    def __init__(
        self, frame_format: FrameFormat, workers: int | None = None, limits: PoolLimits = PoolLimits()
    ) -> None:
        self._frame_format = frame_format
        self._workers = workers or default_workers()
        self._limits = limits
        self._slots = max(1, min(_MAX_SLOTS, _RING_BYTES // self._workers // _Ring.slot_bytes(frame_format)))
        self._children: list[_Child] = []
        self._starts_failed = 0

    @property
    def files_in_flight(self) -> int:
        """How many files are being decoded at most."""
        return self._workers * FILES_IN_FLIGHT_PER_WORKER

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        """Raises: DecoderFailed if children cannot even be started."""
        return self._work(_Job(file, sampling) for file in files)

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        """As `library.ports.Decoder`. Raises: DecoderFailed if children cannot even be started."""
        for event in self._work((_Job(file) for file in files), time.monotonic() + seconds):
            if isinstance(event, FileOpened):
                yield event

    def _work(self, jobs: Iterator[_Job], deadline: float = math.inf) -> Iterator[DecodeEvent]:
        """No job is taken after the deadline, and who is still at one soon after it is given up."""
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
        """Ends the children. Calling it again does nothing."""
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
            idle = _Child(self._frame_format, self._slots, self._limits.memory_bytes)
            self._children.append(idle)
        return idle

    def _dismiss(self, child: _Child, kill: bool) -> None:
        self._children.remove(child)
        child.end(kill)

    def _listen(self, busy: list[_Child], again: deque[_Job]) -> Iterator[DecodeEvent]:
        began = time.monotonic()
        ready = connection.wait([child.pipe for child in busy], _LISTEN_SECONDS)
        listened = time.monotonic() - began
        for child in busy:
            event: DecodeEvent | None = None
            child.silent += listened
            if child.pipe in ready:
                child.silent = 0.0
                try:
                    event = child.receive()
                except (EOFError, OSError, LookupError, TypeError, ValueError):
                    # Gone, or what it says makes no sense, as after damage to its memory.
                    yield from self._lost(child, "crashed the decoder", again)
                    continue
                self._starts_failed = 0
            if event is not None:
                yield event
            if not child.job:
                if child.files_done >= self._limits.files_per_child:
                    self._dismiss(child, kill=False)
            elif child.silent > (self._limits.stall_seconds if child.started else _START_SECONDS):
                yield from self._lost(child, f"made no progress for {self._limits.stall_seconds:.0f} s", again)
            elif child.started and child.memory() > self._limits.memory_bytes:
                gigabytes = self._limits.memory_bytes / (1 << 30)
                yield from self._lost(child, f"took more than {gigabytes:.1f} GB of memory", again)

    def _lost(self, child: _Child, what: str, again: deque[_Job]) -> Iterator[DecodeEvent]:
        """A child is given up; its file is tried again or has failed."""
        job = child.job
        assert job is not None
        self._dismiss(child, kill=True)
        if not child.started:
            self._starts_failed += 1
            if self._starts_failed >= _STARTS:
                raise DecoderFailed(
                    f"The video decoder does not start (exit status {child.exit_status}). Please install the app again."
                )
            again.append(job)
            return
        job.tries += 1
        if job.tries < TRIES and job.sampling is not None:
            again.append(job)
        else:
            yield FileFailed(job.file, f"Decoding {what}, twice.")


@dataclass(slots=True)
class _Job:
    """A file and what has already been given of it: a second try gives only what is new.

    Without `sampling` it is only probed: it costs a child little, and is not worth a second try.
    """

    file: VideoFile
    sampling: Sampling | None = None
    tries: int = 0
    opened: bool = False
    clips: int = 0


class _Ring:
    """Slots of shared memory: a clip's frames, then its JPEG."""

    def __init__(self, memory: SharedMemory, frame_format: FrameFormat) -> None:
        self._memory = memory
        self._shape = (frame_format.frames, frame_format.size, frame_format.size, 3)
        self._frame_bytes = int(np.prod(self._shape))
        self._slot_bytes = self.slot_bytes(frame_format)

    @staticmethod
    def slot_bytes(frame_format: FrameFormat) -> int:
        # A JPEG of our quality takes at most about one byte a pixel even of pure noise.
        tile = MAX_TILE_WIDTH * MAX_TILE_HEIGHT * 3 // 2
        return frame_format.frames * (frame_format.size**2 * 3 + tile)

    def write(self, slot: int, clip: DecodedClip) -> None:
        start = slot * self._slot_bytes
        self._frames(start)[:] = clip.frames
        jpeg = start + self._frame_bytes
        if len(clip.sprite.jpeg) > self._slot_bytes - self._frame_bytes:
            raise ValueError(f"sprite of {len(clip.sprite.jpeg)} bytes")
        self._buffer[jpeg : jpeg + len(clip.sprite.jpeg)] = clip.sprite.jpeg

    def read(self, slot: int, jpeg_bytes: int) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], bytes]:
        """Copies: the slot is free again afterwards."""
        start = slot * self._slot_bytes
        jpeg = start + self._frame_bytes
        return self._frames(start).copy(), bytes(self._buffer[jpeg : jpeg + jpeg_bytes])

    def _frames(self, start: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.frombuffer(self._buffer, np.uint8, self._frame_bytes, start).reshape(self._shape)

    @property
    def _buffer(self) -> memoryview:
        buffer = self._memory.buf
        assert buffer is not None
        return buffer


class _Child:
    """One process as the parent sees it. `job` is the file under way; `silent` seconds were listened to in vain."""

    def __init__(self, frame_format: FrameFormat, slots: int, memory_bytes: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._memory = SharedMemory(create=True, size=slots * _Ring.slot_bytes(frame_format))
        self._ring = _Ring(self._memory, frame_format)
        self.pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(
            target=_run_child,
            args=(theirs, self._memory.name, slots, frame_format, memory_bytes),
            name="cret-decoder",
            daemon=True,
        )
        self._process.start()
        theirs.close()  # else the pipe would not end with the child
        self.job: _Job | None = None
        self.silent = 0.0
        self.started = False
        self.files_done = 0

    @property
    def exit_status(self) -> int | None:
        return self._process.exitcode

    def take(self, job: _Job) -> None:
        self.job, self.silent = job, 0.0
        sampling = None if job.sampling is None else dataclasses.asdict(job.sampling)
        self._send({"file": dataclasses.asdict(job.file), "sampling": sampling})

    def receive(self) -> DecodeEvent | None:
        """The next event, or None for what only shows life.

        Raises: EOFError, OSError when the child is gone; LookupError, TypeError, ValueError for nonsense.
        """
        message = json.loads(self.pipe.recv_bytes(_LONGEST_MESSAGE))
        job = self.job
        assert job is not None
        match message["kind"]:
            case "ready":
                self.started = True
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
                self._rest(job)
                return FileDecoded(job.file, message["partial"], message["frames_decoded"])
            case "failed":
                self._rest(job)
                return FileFailed(job.file, message["reason"])
        return None

    def _rest(self, job: _Job) -> None:
        self.job = None
        self.files_done += job.sampling is not None

    def memory(self) -> int:
        """Resident bytes; 0 when the process is gone, which its pipe will tell."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def end(self, kill: bool) -> None:
        self.pipe.close()
        if kill:
            self._process.kill()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._memory.close()
        self._memory.unlink()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self.pipe.send_bytes(json.dumps(message).encode())
        except OSError:
            # The child is gone: its pipe will tell when it is read, where a death is dealt with.
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


# The child's side


def _run_child(
    pipe: connection.Connection, memory_name: str, slots: int, frame_format: FrameFormat, memory_bytes: int
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us by closing the pipe
    memory = SharedMemory(memory_name)
    try:
        _ChildLoop(pipe, _Ring(memory, frame_format), slots, frame_format).run(memory_bytes)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent closed the pipe or is gone: that is how we end
    finally:
        memory.close()


class _ChildLoop:
    """Takes files, sends events. Waits for a free slot whenever the parent has not yet read."""

    def __init__(self, pipe: connection.Connection, ring: _Ring, slots: int, frame_format: FrameFormat) -> None:
        self._pipe = pipe
        self._ring = ring
        self._free = list(range(slots))
        self._jobs: deque[tuple[VideoFile, Sampling | None]] = deque()
        self._frame_format = frame_format
        self._told = 0.0

    def run(self, memory_bytes: int) -> None:
        # Imported here so that the parent, which imports this module, never loads a decoder.
        import cv2

        from cret_desktop.media.decoder import decode_file, probe_file

        cv2.setNumThreads(1)  # files are decoded side by side; the pictures are small
        os.environ.pop("QT_QPA_PLATFORM_PLUGIN_PATH", None)
        bound_memory(memory_bytes)
        self._tell("ready")
        while True:
            while not self._jobs:
                self._hear()
            file, sampling = self._jobs.popleft()
            if sampling is None:
                events = probe_file(file)
            else:
                events = decode_file(file, self._frame_format, self._tick, sampling)
            for event in events:
                self._pass_on(event)

    def _pass_on(self, event: DecodeEvent) -> None:
        match event:
            case FileOpened():
                self._tell("opened", info=dataclasses.asdict(event.info))
            case ClipDecoded(clip=clip):
                while not self._free:
                    self._hear()
                slot = self._free.pop()
                self._ring.write(slot, clip)
                self._tell(
                    "clip",
                    slot=slot,
                    ordinal=clip.ordinal,
                    shot=clip.shot,
                    start=clip.start,
                    end=clip.end,
                    times=clip.times,
                    tile_width=clip.sprite.tile_width,
                    tile_height=clip.sprite.tile_height,
                    poster=clip.sprite.poster,
                    jpeg_bytes=len(clip.sprite.jpeg),
                )
            case FileDecoded():
                self._tell("decoded", partial=event.partial, frames_decoded=event.frames_decoded)
            case FileFailed():
                self._tell("failed", reason=event.reason)

    def _tick(self) -> None:
        if time.monotonic() - self._told > _TICK_SECONDS:
            self._tell("tick")

    def _tell(self, kind: str, **content: Any) -> None:
        # Far below the size at which a pipe's write could stop half way: a stalled child never stalls the reader.
        self._pipe.send_bytes(json.dumps({"kind": kind, **content}).encode())
        self._told = time.monotonic()

    def _hear(self) -> None:
        message = json.loads(self._pipe.recv_bytes())
        if "free" in message:
            self._free.append(message["free"])
        else:
            sampling = None if message["sampling"] is None else Sampling(**message["sampling"])
            self._jobs.append((VideoFile(**message["file"]), sampling))
