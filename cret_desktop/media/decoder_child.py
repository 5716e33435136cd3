"""The decoder process: takes one file at a time, sends events, and waits for a free slot before each clip.

It is confined before it imports the decoding libraries (`confinement`): from then on it reads the program's own files
and, on Linux, the one file whose descriptor it receives, and writes only to its ring. The top of this module must
therefore import nothing heavy.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections import deque
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from cret_desktop.child_process import bound_memory, end_with_parent, receive_descriptor
from cret_desktop.confinement import confine
from cret_desktop.domain.clips import (
    ClipDecoded,
    DecodeEvent,
    FileDecoded,
    FileFailed,
    FileOpened,
    FrameFormat,
    Sampling,
    VideoFile,
)
from cret_desktop.messages import Message

if TYPE_CHECKING:
    from cret_desktop.media.ring import Ring

TICK_SECONDS = 0.5
HANDED_OVER = sys.platform == "linux"  # files and the ring's memory, as descriptors; else they are opened by name


def run(pipe: Connection, memory_name: str, slots: int, frame_format: FrameFormat, memory_bytes: int) -> None:
    """Run a decoder process."""
    unconfined = confine()
    end_with_parent()  # a hung codec does not notice the end of its pipe
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no matrix is multiplied here
    from cret_desktop.media.ring import Ring, open_memory

    try:
        memory = open_memory(memory_name, receive_descriptor(pipe) if HANDED_OVER else None)
        try:
            _Loop(pipe, Ring(memory, frame_format), slots, frame_format).run(memory_bytes, unconfined)
        finally:
            memory.close()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent closed the pipe or is gone: the normal end


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """A file to decode; without `sampling` it is only probed. `refusal`: why the parent could not open it."""

    file: VideoFile
    sampling: Sampling | None
    descriptor: int | None
    refusal: Message | None


class _Loop:
    def __init__(self, pipe: Connection, ring: Ring, slots: int, frame_format: FrameFormat) -> None:
        self._pipe = pipe
        self._ring = ring
        self._free = list(range(slots))
        self._jobs: deque[_Job] = deque()
        self._frame_format = frame_format
        self._told = 0.0

    def run(self, memory_bytes: int, unconfined: str) -> None:
        import cv2

        from cret_desktop.media.decoder import decode_file, probe_file
        from cret_desktop.media.probe import Source

        cv2.setNumThreads(1)  # files are decoded in parallel; the pictures are small
        os.environ.pop("QT_QPA_PLATFORM_PLUGIN_PATH", None)
        bound_memory(memory_bytes)
        self._tell("ready", unconfined=unconfined)
        while True:
            while not self._jobs:
                self._hear()
            job = self._jobs.popleft()
            try:
                source = Source(job.file.path, job.descriptor, job.refusal)
                if job.sampling is None:
                    events = probe_file(job.file, source)
                else:
                    events = decode_file(job.file, self._frame_format, self._tick, job.sampling, source)
                for event in events:
                    self._pass_on(event)
            finally:
                if job.descriptor is not None:
                    os.close(job.descriptor)

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
                self._tell(
                    "decoded", partial=event.partial and event.partial.to_json(), frames_decoded=event.frames_decoded
                )
            case FileFailed():
                self._tell("failed", reason=event.reason.to_json())

    def _tick(self) -> None:
        if time.monotonic() - self._told > TICK_SECONDS:
            self._tell("tick")

    def _tell(self, kind: str, **content: Any) -> None:
        # Messages are too small for a pipe's write to stop half way: a stalled child never stalls the reader.
        self._pipe.send_bytes(json.dumps({"kind": kind, **content}).encode())
        self._told = time.monotonic()

    def _hear(self) -> None:
        message = json.loads(self._pipe.recv_bytes())
        if "free" in message:
            self._free.append(message["free"])
        else:
            sampling = None if message["sampling"] is None else Sampling(**message["sampling"])
            descriptor = receive_descriptor(self._pipe) if message["handed"] else None
            refusal = None if message["refusal"] is None else Message.from_json(message["refusal"])
            self._jobs.append(_Job(VideoFile(**message["file"]), sampling, descriptor, refusal))
