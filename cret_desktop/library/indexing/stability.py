"""Detects files that are still being copied, downloaded or recorded, so that only whole files are indexed.

Asks the system for sizes and times, and on Linux whether the file is open for writing. Reads no content.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

from cret_desktop.domain.clips import VideoFile
from cret_desktop.media.scan import video_file

HELD_SECONDS = 600.0  # without a change, after which a file that is open for writing is taken anyway


def has_changed(file: VideoFile) -> bool:
    """Return whether a file changed since the scan. Raises: OSError."""
    now = video_file(file.path)
    return (now.size, now.mtime_ns) != (file.size, file.mtime_ns)


def is_as_seen(file: VideoFile) -> bool:
    """Return whether a file is where the scan saw it, unchanged. Not so where its drive is gone."""
    try:
        return not has_changed(file)
    except OSError:
        return False


def age(path: str) -> float:
    """Return the seconds since a file's content or name changed. Copies keep their source's mtime, but not its ctime.

    A time in the future, from another clock, counts as 0. Raises: OSError.
    """
    status = os.stat(path)
    return max(0.0, time.time() - max(status.st_mtime, status.st_ctime))


def is_being_written(path: str) -> bool:
    """Return whether a file is open for writing and was written to within `HELD_SECONDS`, if that can be detected.

    A recorder, or a copy over a slow line, may pause for longer than the interval between two checks. Detection does
    not work for other people's files, on shares, and on systems other than Linux. Raises: OSError.
    """
    if sys.platform != "linux" or age(path) > HELD_SECONDS:
        return False
    import fcntl

    with open(path, "rb") as handle:
        try:
            # The kernel grants a read lease only while nobody writes. A process that opens the file before the lease is
            # returned waits until then, and we get a signal: the default one ends the process, SIGURG does not.
            fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
    return False
