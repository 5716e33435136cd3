"""Bounds what a decoder's process may allocate, where the system can: a codec that asks for more is refused at once.

Watching from outside (`decoder_pool`) holds everywhere, but only looks now and then. This module watches nothing.
"""

from __future__ import annotations

import sys

import psutil


def bound_memory(more: int) -> None:
    """Refuses this process, for the rest of its life, more than `more` bytes beside what it has. Linux only."""
    if sys.platform != "linux":
        return
    import resource

    # Not the address space, which threads and mapped files reserve freely, but what may be written to.
    limit = psutil.Process().memory_info().data + more
    _, hardest = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hardest))
