"""Signals when the library's folders need rescanning. A signal is only a hint: the scan decides what changed.

File system events (watchdog) are collected until none has come for a moment; a storm of them becomes one scan. Without
events (network shares, watches used up, an observer that died), folders are polled every minute, less often if nothing
changes. The watcher also notices drives that come and go, and a computer that wakes up. It never reads a video, the
catalog or the index.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from cret_desktop.library.indexing.subtitles import SUFFIXES as SUBTITLE_SUFFIXES
from cret_desktop.library.indexing.volumes import Mount, Volumes, mounts
from cret_desktop.media.scan import VIDEO_SUFFIXES
from cret_desktop.paths import is_inside

log = logging.getLogger(__name__)

# Reading a file must not look like a change: without these classes inotify does not report opened files at all.
_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
    FileCreatedEvent, FileDeletedEvent, FileMovedEvent, FileClosedEvent,
]  # fmt: skip
if os.name == "nt" or os.uname().sysname == "Darwin":
    _EVENTS.append(FileModifiedEvent)  # only Linux reports that a file was closed after writing


@dataclass(frozen=True, slots=True)
class Pace:
    """Delays and intervals in seconds; tests use shorter ones."""

    quiet: float = 1.0  # without another event, before a folder is scanned
    longest: float = 15.0  # from the first event, however many follow
    tick: float = 2.0  # between two checks of drives, observers and the clock
    poll: float = 60.0  # between two scans of a folder without events, initially
    poll_longest: float = 1800.0
    woken: float = 30.0  # a clock this far ahead of the last tick means that the computer has slept


@dataclass(slots=True)
class _Burst:
    """Events of one root that have not led to a scan yet."""

    first: float
    last: float
    folders: set[str] = field(default_factory=set)
    events: int = 0


class Agenda:
    """The places to scan, and when. Pure: the time is a parameter; not thread-safe."""

    LARGEST_SET = 16  # folders of one root; more count as the whole root
    STORM = 4000  # events; the kernel queues 16,384 and drops any that follow, whichever folder they concern

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._bursts: dict[str, _Burst] = {}
        self._later: dict[tuple[str, str], float] = {}

    def note(self, root: str, folder: str | None, now: float) -> bool:
        """Record an event in a folder of a root, None if it needs no scan. Return whether it is the first."""
        burst = self._bursts.get(root)
        first = burst is None
        if burst is None:
            burst = self._bursts[root] = _Burst(now, now)
        burst.last = now
        burst.events += 1
        if folder is not None and burst.folders != {root}:
            burst.folders.add(folder)
            if len(burst.folders) > self.LARGEST_SET:
                burst.folders = {root}
        return first

    def later(self, root: str, folder: str, when: float) -> None:
        """Schedule a scan of a folder at `when` or earlier."""
        self._later[root, folder] = min(when, self._later.get((root, folder), when))

    def forget(self, roots: Iterable[str]) -> None:
        for root in roots:
            self._bursts.pop(root, None)
            self._later = {place: when for place, when in self._later.items() if place[0] != root}

    def due(self, now: float) -> list[tuple[str, str]]:
        """Remove and return the due places as (root, folder); no folder is inside another."""
        places: set[tuple[str, str]] = set()
        for root, burst in list(self._bursts.items()):
            if now >= self._when(burst):
                del self._bursts[root]
                if burst.events > self.STORM:
                    # Events may be lost, and with them the watches of new folders: scan the whole root, and again
                    # later.
                    places.add((root, root))
                    self.later(root, root, now + self._pace.longest)
                else:
                    places |= {(root, folder) for folder in burst.folders}
        for place, when in list(self._later.items()):
            if now >= when:
                del self._later[place]
                places.add(place)
        return [
            (root, folder)
            for root, folder in sorted(places)
            if not any(root == r and folder != f and is_inside(folder, f) for r, f in places)
        ]

    def next_due(self) -> float | None:
        times = [self._when(burst) for burst in self._bursts.values()] + list(self._later.values())
        return min(times, default=None)

    def _when(self, burst: _Burst) -> float:
        return min(burst.last + self._pace.quiet, burst.first + self._pace.longest)


class Native(Protocol):
    """The operating system's file system events, as far as the watcher needs them."""

    def watch(self, root: str, tell: Callable[[str | None], None]) -> None:
        """Call `tell` with every folder below a root in which something changes, and with None for other events.

        Raises: OSError if the root cannot be watched.
        """
        ...

    def unwatch(self, root: str) -> None: ...

    def check(self, root: str) -> None:
        """Check that a root is still watched. Raises: OSError if some or all of its events are no longer delivered."""
        ...

    def close(self) -> None: ...


class Watchdog:
    """`Native` by watchdog: inotify, FSEvents, ReadDirectoryChanges. One observer a root, so that each fails alone."""

    def __init__(self) -> None:
        self._observers: dict[str, tuple[BaseObserver, _Handler]] = {}

    def watch(self, root: str, tell: Callable[[str | None], None]) -> None:
        observer, handler = Observer(), _Handler(tell)
        try:
            observer.start()
            observer.schedule(handler, root, recursive=True, event_filter=_EVENTS)
            _try_another_watch(observer, root)
        except BaseException:
            _stop(observer)
            raise
        self._observers[root] = observer, handler

    def unwatch(self, root: str) -> None:
        observer, _ = self._observers.pop(root, (None, None))
        if observer is not None:
            _stop(observer)

    def check(self, root: str) -> None:
        observer, handler = self._observers[root]
        if not all(thread.is_alive() for thread in (observer, *observer.emitters, *_readers(observer))):
            raise OSError("the observer has ended")
        if handler.has_new_folders:
            handler.has_new_folders = False
            _try_another_watch(observer, root)

    def close(self) -> None:
        for root in list(self._observers):
            self.unwatch(root)


class _Handler(FileSystemEventHandler):
    """Reports the folder of an event: a folder itself, or the one that contains a video or subtitle file."""

    def __init__(self, tell: Callable[[str | None], None]) -> None:
        self._tell = tell
        self.has_new_folders = False  # each needs a watch of its own

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, DirCreatedEvent | DirMovedEvent):
            self.has_new_folders = True
        told = False
        for path in (os.fsdecode(event.src_path), os.fsdecode(event.dest_path)):
            if path and (event.is_directory or _matters(path)):
                self._tell(path if event.is_directory else os.path.dirname(path))
                told = True
        if not told:
            self._tell(None)  # it took up space in the system's event queue


def _try_another_watch(observer: BaseObserver, root: str) -> None:
    """Check that a further watch can be added, because watchdog silently skips folders that it cannot watch.

    The watch is on the parent of the root, which this observer does not watch otherwise. Raises: OSError.
    """
    observer.unschedule(observer.schedule(_Handler(_nothing), os.path.dirname(root), event_filter=_EVENTS))


def _readers(observer: BaseObserver) -> list[threading.Thread]:
    """Return the thread that reads the kernel's events on Linux. If it ends, the others live on without events."""
    if sys.platform != "linux":
        return []
    from watchdog.observers.inotify import InotifyObserver  # loads only on Linux

    return [observer._inotify_fd] if isinstance(observer, InotifyObserver) else []


def _stop(observer: BaseObserver) -> None:
    observer.stop()
    if observer.is_alive():
        observer.join()


def _nothing(path: str | None) -> None:
    """Ignore an event of a trial watch."""


def _matters(path: str) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    return suffix[1:] in VIDEO_SUFFIXES or suffix in SUBTITLE_SUFFIXES


@dataclass(slots=True)
class _Watched:
    """A watched root. It is scanned `every` seconds, 0.0 if the system reports its changes.

    `folder` is the (device, inode) at its path, None if nothing exists there: a drive mounted over it, or another
    folder in its place, is not the watched one.
    """

    folder: tuple[int, int] | None
    every: float = 0.0
    due: float = 0.0  # time of the next scan, if polled

    def is_of(self, folder: tuple[int, int] | None) -> bool:
        if self.every and self.folder and folder:
            return self.folder[0] == folder[0]  # shares renumber their folders at will
        return self.folder == folder


class Watcher:
    """Watches roots in its own thread, from `start` to `close`; calls `look` there with (root, folder) pairs."""

    def __init__(
        self,
        look: Callable[[list[tuple[str, str]]], None],
        native: Native | None = None,
        read_mounts: Callable[[], list[Mount]] = mounts,
        pace: Pace | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._look = look
        self._native = native or Watchdog()
        self._read_mounts = read_mounts
        self._pace = pace or Pace()
        self._wall_clock = wall_clock
        self._agenda = Agenda(self._pace)
        self._wake = threading.Condition()
        self._wanted: tuple[str, ...] = ()
        self._roots: dict[str, _Watched] = {}
        self._closing = False
        # A share that does not answer can block this thread for ever; the process must still be able to end.
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def set_roots(self, roots: Iterable[str]) -> None:
        """Watch exactly these roots from now on."""
        with self._wake:
            self._wanted = tuple(roots)
            self._wake.notify()

    def look_later(self, root: str, folder: str, seconds: float) -> None:
        with self._wake:
            self._agenda.later(root, folder, time.monotonic() + seconds)
            self._wake.notify()

    def looked(self, root: str, changed: bool) -> None:
        """Record that a root was scanned. A polled root is scanned again soon after a change, later after none."""
        with self._wake:
            watched = self._roots.get(root)
            if watched is not None and watched.every:
                watched.every = self._pace.poll if changed else min(watched.every * 2, self._pace.poll_longest)
                watched.due = time.monotonic() + watched.every

    def every(self, root: str) -> float:
        """Return the seconds between two scans of a root; 0.0 if the system reports changes, or it is not watched."""
        with self._wake:
            watched = self._roots.get(root)
            return watched.every if watched is not None else 0.0

    def _run(self) -> None:
        mounted = _known_volumes(self._read_mounts())
        next_tick, slept = 0.0, self._wall_clock()
        while True:
            with self._wake:
                if self._closing:
                    break
                now = time.monotonic()
                due = self._agenda.due(now)
                changed = set(self._wanted) != set(self._roots)
                if not due and not changed and now < next_tick:
                    self._wake.wait(min(next_tick, self._agenda.next_due() or next_tick) - now)
                    continue
            if changed or now >= next_tick:
                before, mounted = mounted, _known_volumes(self._read_mounts())
                clock = self._wall_clock()
                woken = clock - slept > self._pace.tick + self._pace.woken
                slept, next_tick = clock, time.monotonic() + self._pace.tick
                due += self._tend(Volumes(partial(list, mounted)), all_of_them=woken or before != mounted)
            if due:
                self._look(sorted(set(due)))
        self._native.close()

    def _tend(self, volumes: Volumes, all_of_them: bool) -> list[tuple[str, str]]:
        """Watch new roots, unwatch removed ones, check folders and observers; return the (root, folder)s to scan."""
        with self._wake:
            wanted = self._wanted
            roots = dict(self._roots)
        for root in roots.keys() - set(wanted):
            self._native.unwatch(root)
            del roots[root]
        due: list[tuple[str, str]] = []
        for root in wanted:
            folder = _folder_at(root)
            watched = roots.get(root)
            new = watched is None
            if watched is None or not watched.is_of(folder):
                self._native.unwatch(root)
                roots[root] = watched = self._begin(root, folder, volumes)
                # Changes between the library's own first scan and the beginning of the watch would be missed.
                due.append((root, root))
            elif folder and not watched.every:
                try:
                    self._native.check(root)
                except OSError as error:
                    log.warning(
                        "Changes in %s are no longer told (%s); it is looked at now and then.", root, _why(error)
                    )
                    self._native.unwatch(root)
                    roots[root] = watched = _Watched(folder, self._pace.poll)
            now = time.monotonic()
            if all_of_them and not new:
                due.append((root, root))
            elif folder and watched.every and now >= watched.due:
                watched.due = now + watched.every  # until `looked` sets it
                due.append((root, root))
        with self._wake:
            self._agenda.forget(self._roots.keys() - roots.keys())
            self._roots = roots
        return due

    def _begin(self, root: str, folder: tuple[int, int] | None, volumes: Volumes) -> _Watched:
        if folder is None:
            return _Watched(None)
        if not volumes.is_network(root):
            try:
                self._native.watch(root, partial(self._tell, root))
                return _Watched(folder)
            except OSError as error:
                log.warning("Changes in %s are not told (%s); it is looked at now and then.", root, _why(error))
        return _Watched(folder, self._pace.poll, time.monotonic() + self._pace.poll)

    def _tell(self, root: str, folder: str | None) -> None:
        if folder is not None and not is_inside(folder, root):
            folder = root  # the root is a file, or has itself been moved
        elif folder is not None and folder != root and _is_hidden(folder, root):
            folder = None
        with self._wake:
            if self._agenda.note(root, folder, time.monotonic()):
                self._wake.notify()  # later events only postpone the scan


def _is_hidden(folder: str, root: str) -> bool:
    return any(name.startswith(".") for name in os.path.relpath(folder, root).split(os.sep))


def _why(error: OSError) -> str:
    return "all watches are used up" if error.errno in (errno.ENOSPC, errno.EMFILE) else str(error)


def _known_volumes(mounted: Iterable[Mount]) -> list[Mount]:
    """Return the mounts that can identify a root. Other mounts come and go by the minute if containers are running."""
    return [mount for mount in mounted if mount.volume or mount.network]


def _folder_at(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
