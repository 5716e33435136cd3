"""Finds the video files under a folder and tells one file from another.

Looks at names and `stat` only: whether a file really holds video is decided by the decoders, from its content.
This module never opens a file to decode it and never follows a name out of `os.scandir` by string concatenation
that could lose its bytes: names travel as `os.fsdecode` gives them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cret_desktop.domain.clips import VideoFile
from cret_desktop.foreign import reason_of
from cret_desktop.messages import Message

VIDEO_SUFFIXES = frozenset(
    "3g2 3gp asf avi f4v flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv ts vob webm wmv".split()
)
# Browsers, downloaders and editors write under such names until a file is whole.
_UNFINISHED_SUFFIXES = (".part", ".crdownload", ".download", ".partial", ".tmp", ".temp", ".!qb", ".!ut", ".opdownload")
_UNFINISHED_INFIXES = (".part.", ".tmp.", ".temp.", ".partial.")
_FINGERPRINT_PIECE = 64 * 1024
_MPEG_TS_SYNC = 0x47
_NUMBERS = 2**64  # so many whole numbers SQLite knows, half of them negative


@dataclass(frozen=True, slots=True)
class ScanProblem:
    """Something that carries a video's name, or a folder, that cannot be read.

    `hides`: a folder that could not be looked into; nothing is known of what lies in it.
    """

    path: str
    reason: Message
    hides: bool = False


def scan(root: str, leaves_out: Callable[[str], bool] = lambda path: False) -> Iterator[VideoFile | ScanProblem]:
    """Everything under `root` that carries a video's suffix, in the order of names; `root` may be a single file.

    Hidden entries, `._*` and unfinished downloads are passed over in silence. Links are followed; a folder is
    visited once, whatever links lead to it. A root that does not exist is a problem, not an exception. `leaves_out`
    tells of a path below the root whether it is to be passed over, with all that lies in it.
    """
    try:
        status = os.stat(root)
    except OSError as error:
        yield ScanProblem(root, _os_reason(error))
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _scan_folder(root, {(status.st_dev, status.st_ino)}, leaves_out)
    else:
        yield _examine(root)


def video_file(path: str) -> VideoFile:
    """The file at `path` as a scan sees it. Raises: OSError."""
    return _from_status(path, os.stat(path))


def fingerprint(path: str) -> bytes:
    """16 bytes that follow a file through renames and moves: size and BLAKE2b of head, middle and tail.

    Raises: OSError.
    """
    digest = hashlib.blake2b(digest_size=16)
    # Not waiting: the file may have given way to a pipe since it was seen.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        size = status.st_size
        digest.update(size.to_bytes(8, "little"))
        if not size:  # what the kernel writes when it is read, as /proc/kmsg, is empty and has no end
            return digest.digest()
        last = max(0, size - _FINGERPRINT_PIECE)
        for offset in (0, last // 2, last):
            handle.seek(offset)
            digest.update(handle.read(_FINGERPRINT_PIECE))
    return digest.digest()


def _scan_folder(
    root: str, visited: set[tuple[int, int]], leaves_out: Callable[[str], bool]
) -> Iterator[VideoFile | ScanProblem]:
    opened = [_listed(root)]  # the folders on the way to where we are: a stack of our own, for there may be thousands
    while opened:
        entry = next(opened[-1], None)
        if entry is None:
            opened.pop()
        elif isinstance(entry, ScanProblem):
            yield entry
        elif entry.name.startswith(".") or leaves_out(entry.path):
            continue
        elif _is_folder(entry):
            try:
                status = entry.stat()
            except OSError as error:
                yield ScanProblem(entry.path, _os_reason(error), hides=True)
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in visited:
                continue
            visited.add(identity)
            # A folder with a video's suffix is more likely a slip worth telling than a folder of videos; it is both
            # listed as a problem and searched.
            if _carries_video_suffix(entry.name):
                yield ScanProblem(entry.path, Message("file.is-folder"))
            opened.append(_listed(entry.path))
        elif _carries_video_suffix(entry.name):
            yield from _examine_named(entry.path)


def _listed(folder: str) -> Iterator[os.DirEntry[str] | ScanProblem]:
    """What lies in a folder, in the order of names; one problem where it cannot be listed."""
    try:
        with os.scandir(folder) as listing:
            return iter(sorted(listing, key=lambda entry: entry.name))
    except OSError as error:
        reason = Message("file.folder-not-listed", reason=reason_of(error))
        return iter([ScanProblem(folder, reason, hides=True)])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # an unreadable link: `_examine` will say why
        return False


def _carries_video_suffix(name: str) -> bool:
    lower = name.lower()
    if lower.endswith(_UNFINISHED_SUFFIXES) or any(infix in lower for infix in _UNFINISHED_INFIXES):
        return False
    return os.path.splitext(lower)[1][1:] in VIDEO_SUFFIXES


def _examine_named(path: str) -> Iterator[VideoFile | ScanProblem]:
    found = _examine(path)
    # `.ts` and `.mts` are also TypeScript: sources outnumber broadcasts on a programmer's disk.
    if (
        isinstance(found, VideoFile)
        and found.size
        and path.lower().endswith((".ts", ".mts"))
        and not _is_transport_stream(path)
    ):
        return
    yield found


def _examine(path: str) -> VideoFile | ScanProblem:
    try:
        status = os.stat(path)
    except OSError as error:
        return ScanProblem(path, _os_reason(error))
    if not stat.S_ISREG(status.st_mode):
        return ScanProblem(path, Message("file.not-regular"))
    if not os.access(path, os.R_OK):
        return ScanProblem(path, Message("file.not-opened", reason=Message("os.permission-denied")))
    return _from_status(path, status)


def _from_status(path: str, status: os.stat_result) -> VideoFile:
    return VideoFile(path, status.st_size, kept_time(status), kept_number(status.st_dev), kept_number(status.st_ino))


def kept_time(status: os.stat_result) -> int:
    """When a file was changed, in nanoseconds, as SQLite can keep it: no later than 2262."""
    return max(-_NUMBERS // 2, min(_NUMBERS // 2 - 1, status.st_mtime_ns))


def kept_number(number: int) -> int:
    """A device's or file's number as SQLite can keep it: some systems count from the largest one down."""
    return (number + _NUMBERS // 2) % _NUMBERS - _NUMBERS // 2


def _is_transport_stream(path: str) -> bool:
    try:
        with open(path, "rb") as handle:
            head = handle.read(4 + 1)
    except OSError:
        return True  # let the decoder say what is wrong
    # A Blu-ray packet has four bytes of time before the sync byte; an empty file is a video's, cut short.
    return not head or _MPEG_TS_SYNC in (head[0], head[-1])


def _os_reason(error: OSError) -> Message:
    if isinstance(error, FileNotFoundError):
        return Message("file.dangling")
    return Message("file.not-opened", reason=reason_of(error))
