"""Whether a file is whole: what is still being copied, downloaded or recorded is not taken.

Asks the system for sizes and times, and on Linux whether somebody has the file open for writing. Reads no content.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

from cret_desktop.domain.clips import VideoFile
from cret_desktop.media.scan import video_file

HELD_SECONDS = 600.0  # without a change, after which a file that is open for writing is taken all the same


def has_changed(file: VideoFile) -> bool:
    """Whether a file is another one than was seen. Raises: OSError."""
    now = video_file(file.path)
    return (now.size, now.mtime_ns) != (file.size, file.mtime_ns)


def age(path: str) -> float:
    """Seconds since a file's content or name changed; copies keep their source's time, but not of the change of it.

    A time that is still to come, of another clock than ours, tells nothing: 0. Raises: OSError.
    """
    status = os.stat(path)
    return max(0.0, time.time() - max(status.st_mtime, status.st_ctime))


def is_being_written(path: str) -> bool:
    """Whether somebody has a file open for writing and has written a while ago at most, as far as it can be told.

    A recorder may pause for longer than two looks are apart, and a copy over a slow line. It cannot be told of other
    people's files, on shares, and on other systems than Linux. Raises: OSError.
    """
    if sys.platform != "linux" or age(path) > HELD_SECONDS:
        return False
    import fcntl

    with open(path, "rb") as handle:
        try:
            # The kernel grants a lease for reading while nobody writes. Whoever opens the file before it is given back
            # waits that long, and we are sent a signal: by default one that ends the process, here one that does not.
            fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
    return False
