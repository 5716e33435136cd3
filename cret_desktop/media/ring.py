"""The shared memory between a decoder and its parent: slots, each with a clip's frames and its JPEG.

On Linux it has no name: its pages belong to the two processes and are freed with them, however they end. Its size is
sealed, so that a decoder cannot remove pages under its reader. Elsewhere it has a name, and its owner removes it.
"""

from __future__ import annotations

import mmap
import os
import sys
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from cret_desktop.domain.clips import DecodedClip, FrameFormat
from cret_desktop.media.sprites import MAX_TILE_HEIGHT, MAX_TILE_WIDTH


class Memory:
    """Pages shared by two processes, identified by `name`, or by `descriptor` if they have no name.

    `buffer` is the memory. `close` releases this process's mapping; the owner's also deletes named memory.
    """

    def __init__(self, name: str, descriptor: int | None) -> None:
        self.name = name
        self.descriptor = descriptor

    @property
    def buffer(self) -> memoryview:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def make_memory(size: int) -> Memory:
    """Return new memory owned by this process."""
    if sys.platform != "linux":
        return _NamedMemory(SharedMemory(create=True, size=size), owned=True)
    import fcntl  # Unix only

    descriptor = os.memfd_create("cret-decoder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return _NamelessMemory(descriptor)


def open_memory(name: str, descriptor: int | None) -> Memory:
    """Return another process's memory, by its name or by a descriptor, whose ownership it takes."""
    return _NamedMemory(SharedMemory(name), owned=False) if descriptor is None else _NamelessMemory(descriptor)


class _NamelessMemory(Memory):
    def __init__(self, descriptor: int) -> None:
        super().__init__("", descriptor)
        self._pages = mmap.mmap(descriptor, 0)
        self._view = memoryview(self._pages)

    @property
    def buffer(self) -> memoryview:
        return self._view

    def close(self) -> None:
        self._view.release()
        self._pages.close()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class _NamedMemory(Memory):
    def __init__(self, memory: SharedMemory, owned: bool) -> None:
        super().__init__(memory.name, None)
        self._memory, self._owned = memory, owned

    @property
    def buffer(self) -> memoryview:
        buffer = self._memory.buf
        assert buffer is not None
        return buffer

    def close(self) -> None:
        self._memory.close()
        if self._owned:
            self._memory.unlink()


class Ring:
    """Slots of shared memory: a clip's frames, then its JPEG."""

    def __init__(self, memory: Memory, frame_format: FrameFormat) -> None:
        self._memory = memory
        self._shape = (frame_format.frames, frame_format.size, frame_format.size, 3)
        self._frame_bytes = int(np.prod(self._shape))
        self._slot_bytes = self.slot_bytes(frame_format)

    @staticmethod
    def slot_bytes(frame_format: FrameFormat) -> int:
        # A JPEG of our quality takes at most about one byte a pixel even for pure noise.
        tile = MAX_TILE_WIDTH * MAX_TILE_HEIGHT * 3 // 2
        return frame_format.frames * (frame_format.size**2 * 3 + tile)

    def write(self, slot: int, clip: DecodedClip) -> None:
        start = slot * self._slot_bytes
        self._frames(start)[:] = clip.frames
        jpeg = start + self._frame_bytes
        if len(clip.sprite.jpeg) > self._slot_bytes - self._frame_bytes:
            raise ValueError(f"sprite of {len(clip.sprite.jpeg)} bytes")
        self._memory.buffer[jpeg : jpeg + len(clip.sprite.jpeg)] = clip.sprite.jpeg

    def read(self, slot: int, jpeg_bytes: int) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], bytes]:
        """Return copies of a slot's frames and JPEG, so that the slot is free afterwards."""
        start = slot * self._slot_bytes
        jpeg = start + self._frame_bytes
        return self._frames(start).copy(), bytes(self._memory.buffer[jpeg : jpeg + jpeg_bytes])

    def _frames(self, start: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.frombuffer(self._memory.buffer, np.uint8, self._frame_bytes, start).reshape(self._shape)
