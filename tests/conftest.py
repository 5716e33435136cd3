"""What every test runs in: no screen, no network, no home of a person, and nothing left behind.

The environment is set while this module is imported, before any test imports Qt, and child processes inherit it.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

_HOME = tempfile.TemporaryDirectory(prefix="cret-desktop-tests-", ignore_cleanup_errors=True)
os.environ |= {
    "QT_QPA_PLATFORM": "offscreen",
    "HF_HUB_OFFLINE": "1",
    "HOME": _HOME.name,
    "XDG_CACHE_HOME": str(Path(_HOME.name, "cache")),
    "XDG_CONFIG_HOME": str(Path(_HOME.name, "config")),
    "XDG_DATA_HOME": str(Path(_HOME.name, "data")),
    "XDG_STATE_HOME": str(Path(_HOME.name, "state")),
    "LC_ALL": "C.UTF-8",  # the window speaks the system's language; tests look for English words
}
for name in ("CRET_DESKTOP_LIBRARY", "CRET_DESKTOP_DEVICE", "LANGUAGE"):
    os.environ.pop(name, None)
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores already: threads inside each only get in each other's way.
    os.environ["OMP_NUM_THREADS"] = "1"

SECONDS_TO_END = 10.0


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fails the test that leaves a thread or a process behind, by name; fixtures of a wider scope may keep theirs."""
    threads_before = set(threading.enumerate())
    processes_before = set(_processes())
    yield
    deadline = time.monotonic() + SECONDS_TO_END
    threads = [thread for thread in threading.enumerate() if thread not in threads_before and not thread.daemon]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [f"thread {thread.name}" for thread in threads if thread.is_alive()]
    multiprocessing.active_children()  # reaps those that have ended
    processes = [process for process in _processes() if process not in processes_before]
    _, alive = psutil.wait_procs(processes, max(0.0, deadline - time.monotonic()))
    left += [f"process {' '.join(_command_line(process))}" for process in alive]
    assert not left, f"left running: {', '.join(left)}"


def _processes() -> list[psutil.Process]:
    """Our descendants, without the one process that Python itself starts to look after shared memory."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if not any("resource_tracker" in word for word in _command_line(process))
    ]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
