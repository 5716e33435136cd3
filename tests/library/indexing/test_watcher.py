from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cret_desktop.library.indexing.volumes import Mount
from cret_desktop.library.indexing.watcher import Agenda, Pace, Watchdog, Watcher
from cret_desktop.paths import is_inside

WAIT = 60  # seconds until a test gives up; nothing is asserted about time
SOON = Pace(quiet=0.05, longest=0.5, tick=0.05, poll=0.1, poll_longest=0.4)


def test_a_burst_is_one_look_when_it_has_been_quiet() -> None:
    agenda = Agenda(Pace(quiet=1, longest=15))
    for number in range(10):
        agenda.note("/r", f"/r/{number % 2}", now=number / 10)
    assert agenda.due(1.8) == []
    assert agenda.next_due() == pytest.approx(1.9)
    assert agenda.due(1.9) == [("/r", "/r/0"), ("/r", "/r/1")]
    assert (agenda.due(99), agenda.next_due()) == ([], None)


def test_events_without_end_do_not_hold_a_look_back() -> None:
    agenda = Agenda(Pace(quiet=1, longest=15))
    looks = 0
    for tenth in range(600):
        agenda.note("/r", "/r/a", tenth / 10)
        looks += len(agenda.due(tenth / 10))
    assert looks == 3


def test_a_storm_is_a_look_at_the_whole_root_and_another_one_later() -> None:
    agenda = Agenda(Pace(quiet=1, longest=15))
    for _ in range(50_000):
        agenda.note("/r", "/r/a", 0.0)
    agenda.note("/s", "/s/b", 0.0)
    assert agenda.due(1.0) == [("/r", "/r"), ("/s", "/s/b")]
    assert agenda.due(15.9) == []
    assert agenda.due(16.0) == [("/r", "/r")]
    assert agenda.next_due() is None


def test_a_storm_of_what_is_no_video_is_one_too() -> None:
    """It still fills the kernel's queue, and later events were dropped."""
    agenda = Agenda(Pace(quiet=1, longest=15))
    agenda.note("/r", None, 0.0)
    assert agenda.due(1.0) == [], "a few other files are of no interest"
    for _ in range(5000):
        agenda.note("/r", None, 2.0)
    agenda.note("/r", "/r/a", 2.0)
    assert agenda.due(3.0) == [("/r", "/r")]
    assert agenda.due(18.0) == [("/r", "/r")]


def test_a_root_that_is_let_go_is_not_looked_at() -> None:
    agenda = Agenda(Pace())
    agenda.note("/r", "/r/a", 0.0)
    agenda.later("/r", "/r/b", 5.0)
    agenda.later("/s", "/s", 9.0)
    agenda.later("/s", "/s", 7.0)
    agenda.forget(["/r"])
    assert agenda.due(8.0) == [("/s", "/s")]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=60))
def test_every_folder_noted_is_looked_at_once(folders: list[list[str]]) -> None:
    agenda = Agenda(Pace())
    noted = ["/".join(["/r", *names]) for names in folders]
    for folder in noted:
        agenda.note("/r", folder, 0.0)
    looks = [folder for _, folder in agenda.due(1.0)]
    for folder in noted:
        assert sum(is_inside(folder, look) for look in looks) == 1


class Silent:
    """A system without events; `refuses` are roots that it does not watch."""

    def __init__(self, refuses: tuple[str, ...] = (), error: int = errno.ENOSPC) -> None:
        self._refuses, self._error = refuses, error
        self.tells: dict[str, Callable[[str], None]] = {}
        self.fallen: set[str] = set()
        self.closed = False

    def watch(self, root: str, tell: Callable[[str], None]) -> None:
        if root in self._refuses:
            raise OSError(self._error, os.strerror(self._error))
        self.tells[root] = tell

    def unwatch(self, root: str) -> None:
        self.tells.pop(root, None)

    def check(self, root: str) -> None:
        if root in self.fallen:
            raise OSError("it fell")

    def close(self) -> None:
        self.closed = True


class Watching:
    """A running watcher; its calls of `look` are collected."""

    def __init__(self) -> None:
        self._looks: queue.SimpleQueue[list[tuple[str, str]]] = queue.SimpleQueue()
        self.watcher: Watcher | None = None

    def start(self, *roots: Path, **options: object) -> Watcher:
        self.watcher = Watcher(self._looks.put, **({"pace": SOON, "read_mounts": list} | options))  # type: ignore[arg-type]
        self.watcher.set_roots(map(str, roots))
        self.watcher.start()
        return self.watcher

    def until(self, root: Path, folder: Path | None = None, wait: float = WAIT) -> None:
        while (str(root), str(folder or root)) not in self._looks.get(timeout=wait):
            pass

    def until_watched(self, root: Path, folder: Path) -> None:
        """Wait until changes in `folder` cause events; a due scan of all of `root` absorbs earlier ones."""
        for number in range(10):
            (folder / f"nudge {number}.mp4").touch()
            with contextlib.suppress(queue.Empty):
                return self.until(root, folder, WAIT / 10)
        raise AssertionError(f"{folder} is not watched")

    def quiet(self) -> bool:
        """Return whether nothing is scanned for a good while."""
        try:
            self._looks.get(timeout=10 * SOON.longest / 5)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def watching() -> Iterator[Watching]:
    made = Watching()
    yield made
    if made.watcher is not None:
        made.watcher.close()


def test_a_root_is_looked_at_when_its_watch_begins_and_again_when_it_goes_and_comes(
    watching: Watching, tmp_path: Path
) -> None:
    root = tmp_path / "videos"
    root.mkdir()
    native = Silent()
    watching.start(root, native=native)
    watching.until(root)
    root.rename(tmp_path / "away")
    watching.until(root)
    assert str(root) not in native.tells
    (tmp_path / "away").rename(root)
    watching.until(root)
    native.tells[str(root)](str(root / "new"))
    watching.until(root, root / "new")
    native.tells[str(root)](str(root / ".cache" / "new"))
    assert watching.quiet()


def test_a_network_share_is_polled_ever_less_often_while_nothing_changes(watching: Watching, tmp_path: Path) -> None:
    native = Silent()
    made = watching.start(tmp_path, native=native, read_mounts=lambda: [Mount(str(tmp_path), "//server/share", True)])
    watching.until(tmp_path)
    intervals = [made.every(str(tmp_path))]
    for _ in range(3):
        watching.until(tmp_path)
        made.looked(str(tmp_path), changed=False)
        intervals.append(made.every(str(tmp_path)))
    assert intervals == [0.1, 0.2, 0.4, 0.4]
    watching.until(tmp_path)
    made.looked(str(tmp_path), changed=True)
    assert made.every(str(tmp_path)) == 0.1
    assert not native.tells


def test_watches_that_are_used_up_and_observers_that_fall_are_polled_for(
    watching: Watching, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    native = Silent(refuses=(str(one),))
    with caplog.at_level(logging.WARNING):
        made = watching.start(one, two, native=native)
        watching.until(one)
        assert (made.every(str(one)), made.every(str(two))) == (0.1, 0.0)
        native.fallen.add(str(two))
        watching.until(two)
        watching.until(two)
    assert made.every(str(two)) == 0.1
    assert ["all watches are used up" in record.message for record in caplog.records] == [True, False]


def test_all_roots_are_looked_at_when_the_computer_wakes_or_a_drive_comes(watching: Watching, tmp_path: Path) -> None:
    clock, mounted = [1000.0], [Mount("/", "uuid-1", False)]
    watching.start(tmp_path, native=Silent(), wall_clock=lambda: clock[0], read_mounts=lambda: list(mounted))
    watching.until(tmp_path)
    assert watching.quiet()
    clock[0] += 3600
    watching.until(tmp_path)
    assert watching.quiet()
    mounted.append(Mount("/media/stick", "uuid-2", False))
    watching.until(tmp_path)
    mounted.append(Mount("/run/container/1", "", False))
    assert watching.quiet(), "containers come and go"


def test_closing_ends_the_thread_and_the_watches(tmp_path: Path) -> None:
    native = Silent()
    made = Watcher(lambda places: None, native=native, read_mounts=list, pace=SOON)
    made.set_roots([str(tmp_path)])
    made.start()
    made.close()
    assert native.closed
    Watcher(lambda places: None, native=native, read_mounts=list).close()  # never started


# --- the system's own events ----------------------------------------------------------------------------------------


# watchdog warns of a folder that left the root and came back, because the system still has its old watch. Harmless.
@pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
def test_files_and_folders_are_told_of_wherever_they_are(watching: Watching, tmp_path: Path) -> None:
    root = tmp_path / "videos"
    (root / "old").mkdir(parents=True)
    made = watching.start(root)
    watching.until(root)
    assert made.every(str(root)) == 0.0
    (root / "old" / "a.mp4").write_text("one")
    watching.until(root, root / "old")
    (root / "new" / "deep").mkdir(parents=True)
    watching.until(root, root / "new")
    (root / "new" / "deep" / "b.mkv").write_text("two")
    watching.until(root, root / "new" / "deep")
    (root / "old" / "a.mp4").unlink()
    watching.until(root, root / "old")
    (root / "old" / "notes.txt").write_text("of no interest")
    (root / "new" / "deep" / "b.mkv").read_text()
    assert watching.quiet(), "reading is no change"
    shutil.move(root / "new", tmp_path / "out")
    watching.until(root, root / "new")
    shutil.move(tmp_path / "out", root / "in")
    watching.until(root, root / "in")
    (root / "in" / "deep" / "c.srt").write_text("three")
    watching.until(root, root / "in" / "deep")


def test_a_storm_of_thousands_is_few_looks(watching: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agenda, "STORM", 2000)
    root = tmp_path / "videos"
    root.mkdir()
    pace = Pace(quiet=0.5, longest=60, tick=0.1)
    watching.start(root, pace=pace)
    watching.until(root)
    for number in range(3000):
        (root / f"{number}.mp4").touch()
    looks = watching._looks.get(timeout=WAIT)
    assert looks == [(str(root), str(root))]
    assert watching._looks.empty()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_died_is_noticed_and_the_root_watched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

    died = threading.Event()
    handle = InotifyFD.handle_event

    def dies(reader: InotifyFD, event: InotifyEvent) -> None:
        if event.is_create:  # no events caused by watching itself, also not in the other root
            died.set()
            raise KeyError(event)
        handle(reader, event)

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    native, told = Watchdog(), queue.SimpleQueue[str | None]()
    native.watch(str(tmp_path / "a"), told.put)
    native.watch(str(tmp_path / "b"), told.put)
    with monkeypatch.context() as patch:
        patch.setattr(InotifyFD, "handle_event", dies)
        (tmp_path / "a" / "1.mp4").touch()
        assert died.wait(WAIT)
    reader = native._observers[str(tmp_path / "a")][0]._inotify_fd  # type: ignore[attr-defined]  # Linux's has one
    reader.join(WAIT)
    with pytest.raises(OSError, match="ended"):
        native.check(str(tmp_path / "a"))
    native.check(str(tmp_path / "b"))  # a root fails alone
    native.unwatch(str(tmp_path / "a"))
    native.watch(str(tmp_path / "a"), told.put)
    (tmp_path / "a" / "2.mp4").touch()
    while told.get(timeout=WAIT) != str(tmp_path / "a"):
        pass
    native.close()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_watches_that_run_out_below_a_root_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    from watchdog.observers import inotify_c

    for number in range(20):
        (tmp_path / "videos" / str(number)).mkdir(parents=True)
    add, left = inotify_c.inotify_add_watch, [40]

    def runs_out(*arguments: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return int(add(*arguments))

    monkeypatch.setattr(inotify_c, "inotify_add_watch", runs_out)
    native, told = Watchdog(), queue.SimpleQueue[str | None]()
    root = tmp_path / "videos"
    native.watch(str(root), told.put)
    native.check(str(root))
    for number in range(40):
        (root / "new" / str(number)).mkdir(parents=True)
    (root / "last.mp4").touch()
    while told.get(timeout=WAIT) != str(root):
        pass
    with pytest.raises(OSError, match="watch limit"):  # later, because of new folders
        native.check(str(root))
    native.unwatch(str(root))
    with pytest.raises(OSError, match="watch limit") as raised:  # from the beginning
        native.watch(str(root), told.put)
    assert raised.value.errno == errno.ENOSPC
    native.close()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_events_that_the_system_had_to_drop_are_made_up_for(
    watching: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers import inotify, inotify_c

    gate = threading.Event()
    gate.set()
    read = inotify_c.InotifyFD.read_events

    def held_up(self: inotify_c.InotifyFD) -> list[inotify_c.InotifyEvent]:
        gate.wait(WAIT)
        return read(self)

    monkeypatch.setattr(inotify_c.InotifyFD, "read_events", held_up)
    rebuilt = threading.Event()
    rebuild = inotify.InotifyWatchGroup.on_queue_overflow

    def then_tell(self: inotify.InotifyWatchGroup) -> None:
        rebuild(self)
        rebuilt.set()

    monkeypatch.setattr(inotify.InotifyWatchGroup, "on_queue_overflow", then_tell)
    queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if queued > 40_000:
        pytest.skip("it would take too long to fill this system's queue")
    root = tmp_path / "videos"
    root.mkdir()
    watching.start(root, pace=Pace(quiet=0.5, longest=1, tick=0.1))
    watching.until(root)
    (root / "first.mp4").touch()  # the reader already waits for this event; it is blocked at the next ones
    gate.clear()
    for number in range(queued // 3 + 1000):  # created, closed and deleted
        (root / f"{number}.mp4").touch()
        (root / f"{number}.mp4").unlink()
    (root / "dropped").mkdir()
    while not watching._looks.empty():
        watching._looks.get()
    gate.set()
    assert rebuilt.wait(WAIT)
    watching.until(root)
    watching.until_watched(root, root / "dropped")
