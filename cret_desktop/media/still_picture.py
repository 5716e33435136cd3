"""Decodes a still picture to search by: one of a fixed list of formats, in a child process that gets only its bytes.

The first bytes decide the format, never the name. Vector graphics and documents are excluded, because drawing them can
take for ever and reads other files. The child is killed after `SECONDS`, may take `MEMORY_BYTES`, and ends with its
parent. It answers in JSON and plain pixels, which are checked: its messages are never unpickled.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from cret_desktop.child_process import ChildProcess, bound_memory, end_with_parent
from cret_desktop.confinement import confine
from cret_desktop.domain.clips import LONGEST_PICTURE, Picture
from cret_desktop.errors import CretError, DecoderFailed, PathError
from cret_desktop.foreign import Unusable, reason_of
from cret_desktop.messages import Message

MOST_BYTES = 64 << 20
MOST_PIXELS = 1 << 27  # more than cameras take; four bytes each are half a gigabyte
MEMORY_BYTES = 2 << 30
SECONDS = 8.0  # to decode; ten with the child's start
_START_SECONDS = 60.0  # to import the decoder, on a slow disk and a busy computer
_END_SECONDS = 2.0
_MOST_SAID = 1 << 12  # bytes; ours have a few dozen
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes, by version

# Why there is no picture: the child's codes, which `_refusal` turns into messages.
_FOREIGN, _TOO_LARGE, _TOO_SLOW, _BROKEN = "foreign", "too large", "too slow", "broken"


def kind_of(data: bytes) -> str:
    """Return the format of a picture by its first bytes; '' if it is not supported."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "tiff"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    return ""


class PictureReader:
    """Reads one picture at a time in the thread that calls `read`; `stop` may be called from any other."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def read_file(self, path: str, wanted: Callable[[], bool] = lambda: True) -> Picture:
        """Return a picture from a file, upright, at most `LONGEST_PICTURE` pixels a side, composited on white.

        Raises: PathError with the reason. DecoderFailed if it was stopped, or is not `wanted` any more when its
        decoding begins.
        """
        name = os.fsencode(os.path.basename(path)).decode("utf-8", "replace")
        try:
            data = _bytes_of(path)
        except (OSError, Unusable) as error:
            raise PathError("picture.not-opened", name=name, reason=reason_of(error)) from error
        return self.read(data, name, wanted)

    def read(self, data: bytes, name: str = "", wanted: Callable[[], bool] = lambda: True) -> Picture:
        """Return a picture from its bytes. `name` is for messages, '' if it was copied. Raises: as `read_file`."""
        if len(data) > MOST_BYTES:
            raise _refusal(_TOO_LARGE, name)
        if not kind_of(data):
            raise _refusal(_FOREIGN, name)
        child = _Child()
        with self._lock:
            self._child = child
        try:
            if not wanted():
                child.stop()
            found = child.decode(data, self._seconds)
        finally:
            with self._lock:
                self._child = None
            child.end()
        if isinstance(found, str):
            raise _refusal(found, name)
        return found

    def stop(self) -> None:
        """Abort the current picture, if any."""
        with self._lock:
            if self._child is not None:
                self._child.stop()


def _bytes_of(path: str) -> bytes:
    """Return the content of a regular file, up to one byte more than the limit. Raises: OSError, Unusable."""
    # Non-blocking: a pipe that nobody writes to would never open.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unusable(Message("reason.not-regular"))
        return file.read(MOST_BYTES + 1)


def _refusal(why: str, name: str) -> CretError:
    if not name:
        return PathError("picture.copied")
    if why == _FOREIGN:
        return PathError("picture.unknown-type", name=name)
    if why == _TOO_LARGE:
        return PathError("picture.too-large", name=name, pixels=MOST_PIXELS // 10**6, megabytes=MOST_BYTES >> 20)
    if why == _TOO_SLOW:
        return PathError("picture.slow", name=name)
    return PathError("picture.unreadable", name=name)


class _Child:
    """One process for one picture, on the parent's side."""

    def __init__(self) -> None:
        self.process = ChildProcess("cret-picture", _run_child)
        self._stopped = False

    def decode(self, data: bytes, seconds: float) -> Picture | str:
        """Return the picture or the reason of failure. Raises: DecoderFailed if the child is missing or was stopped."""
        if self._next(_START_SECONDS) is None:
            raise self._why_gone()
        with self.process.killed_after(seconds) as late:
            try:
                self.process.send(data)
                outcome = json.loads(self.process.receive(_MOST_SAID))
                return self._picture(outcome)
            except (EOFError, OSError, LookupError, TypeError, ValueError, RecursionError):
                # The child is gone, or its message is invalid.
                if self._stopped:
                    raise self._why_gone() from None
                return _TOO_SLOW if late.is_set() else _BROKEN

    def _picture(self, outcome: dict[str, Any]) -> Picture | str:
        if "failed" in outcome:
            return _TOO_LARGE if outcome["failed"] == _TOO_LARGE else _BROKEN
        width, height = outcome["width"], outcome["height"]
        if (
            type(width) is not int
            or type(height) is not int
            or not 0 < min(width, height) <= max(width, height) <= LONGEST_PICTURE
        ):
            raise ValueError(f"a picture of {width} x {height}")
        rgb = self.process.receive(3 * LONGEST_PICTURE * LONGEST_PICTURE)
        if len(rgb) != 3 * width * height:
            raise ValueError(f"{len(rgb)} bytes for {width} x {height}")
        return Picture(width, height, rgb)

    def _next(self, seconds: float) -> bytes | None:
        try:
            return self.process.receive(_MOST_SAID) if self.process.poll(seconds) else None
        except (EOFError, OSError):
            return None

    def _why_gone(self) -> DecoderFailed:
        if self._stopped:
            return DecoderFailed("picture.stopped")
        return DecoderFailed("picture.decoder-missing")

    def stop(self) -> None:
        self._stopped = True
        self.process.kill()

    def end(self) -> None:
        self.process.close(_END_SECONDS)


# The child's side


def _run_child(pipe: Connection) -> None:
    confine()  # before any thread; no file is needed, because the picture comes through the pipe
    end_with_parent()  # a hung codec does not notice the end of its pipe
    # OpenCV checks the header's size against this before it allocates a single pixel.
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MOST_PIXELS)
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"  # errors of a picture become messages
    # Imported here so that the parent never loads a decoder.
    from cret_desktop.media.still_decoder import decode

    bound_memory(MEMORY_BYTES)
    try:
        pipe.send_bytes(b"{}")
        picture = decode(pipe.recv_bytes())
        if isinstance(picture, str):
            pipe.send_bytes(json.dumps({"failed": picture}).encode())
        else:
            pipe.send_bytes(json.dumps({"width": picture.width, "height": picture.height}).encode())
            pipe.send_bytes(picture.rgb)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent closed the pipe or is gone: the normal end
