"""A file is written whole or not at all, whatever fails, and nothing is left beside it."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cret_desktop.atomic_write import atomic_path, atomic_write
from cret_desktop.library_files import CALIBRATION, LibraryFiles
from cret_desktop.media.pan_and_zoom import write_video
from cret_desktop.model import bounded_json
from cret_desktop.settings import Settings, save

only_posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and signals of POSIX")
OLD, NEW = b"old content", b"new content " * 10_000
LEAF = "pace.json"


def by_stream(path: Path) -> None:
    with atomic_write(path, flush=True) as stream:
        stream.write(NEW)


def by_path(path: Path) -> None:
    with atomic_path(path) as part:
        part.write_bytes(NEW)


def by_the_door(path: Path) -> None:
    LibraryFiles(path.parent).write(path.name, NEW, flush=True)


@pytest.fixture(params=[by_stream, by_path, by_the_door])
def write(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    writer: Callable[[Path], None] = request.param
    return writer


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("there", [True, False])
def test_the_target_is_the_new_file_and_nothing_else_is_there(
    tmp_path: Path, write: Callable[[Path], None], there: bool
) -> None:
    if there:
        (tmp_path / LEAF).write_bytes(OLD)
    write(tmp_path / LEAF)
    assert content(tmp_path) == {LEAF: NEW}


class Stopped(BaseException):
    """As a Ctrl-C in the middle."""


@pytest.mark.parametrize("error", [ValueError("a defect"), OSError(errno.EIO, "a disk"), Stopped()])
@pytest.mark.parametrize("opened", [atomic_write, atomic_path])
def test_an_error_in_the_block_keeps_the_target(tmp_path: Path, error: BaseException, opened: Any) -> None:
    (tmp_path / LEAF).write_bytes(OLD)

    def block() -> None:
        with opened(tmp_path / LEAF):
            raise error

    with pytest.raises(type(error)) as raised:
        block()
    assert raised.value is error
    assert content(tmp_path) == {LEAF: OLD}


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("write", "call"),
    # What is written by a path is not flushed.
    [
        (by_stream, "fsync"),
        (by_the_door, "fsync"),
        (by_stream, "replace"),
        (by_path, "replace"),
        (by_the_door, "replace"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_keeps_the_target(
    tmp_path: Path, write: Callable[[Path], None], call: str, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there:
        (tmp_path / LEAF).write_bytes(OLD)
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError) as raised:  # noqa: PT011 - its number is looked at
        write(tmp_path / LEAF)
    monkeypatch.undo()
    assert raised.value.errno == errno.ENOSPC
    assert content(tmp_path) == ({LEAF: OLD} if there else {})
    if write is not by_the_door:  # which raises what the system does; its callers name the library
        assert str(raised.value) == f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}: '{tmp_path / LEAF}'"


@only_posix
def test_a_disk_that_fills_while_writing_keeps_the_target(tmp_path: Path) -> None:
    """A bound of the system on the size of files fails the write itself, in the middle of the content."""
    (tmp_path / LEAF).write_bytes(OLD)
    script = f"""
import resource, signal, sys
from pathlib import Path
from cret_desktop.atomic_write import atomic_write
from cret_desktop.library_files import LibraryFiles
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
place = Path({str(tmp_path)!r})
def whole(): LibraryFiles(place).write({LEAF!r}, bytes(200_000))
def in_pieces():
    with atomic_write(place / {LEAF!r}) as stream:
        for _ in range(200):
            stream.write(bytes(1000))
for write in (whole, in_pieces):
    try:
        write()
    except OSError as error:
        print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(errno.EFBIG)] * 2
    assert content(tmp_path) == {LEAF: OLD}


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    target = tmp_path / "missing" / LEAF
    with pytest.raises(FileNotFoundError) as raised, atomic_write(target):
        pytest.fail("there is nothing to write into")
    assert raised.value.filename == str(target)


def test_a_folder_in_the_targets_place_stays(tmp_path: Path) -> None:
    (tmp_path / LEAF).mkdir()
    with pytest.raises(OSError, match=LEAF) as raised, atomic_write(tmp_path / LEAF) as stream:
        stream.write(NEW)
    assert raised.value.filename == str(tmp_path / LEAF)
    assert [path.name for path in tmp_path.iterdir()] == [LEAF]


@only_posix
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, write: Callable[[Path], None]) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / LEAF).symlink_to(victim)
    write(tmp_path / "folder" / LEAF)
    assert victim.read_bytes() == OLD
    assert not (tmp_path / "folder" / LEAF).is_symlink()


@only_posix
@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o640)])
def test_modes_are_private_or_the_usual_ones(tmp_path: Path, private: bool, mode: int) -> None:
    before = os.umask(0o027)
    try:
        (tmp_path / LEAF).write_bytes(OLD)
        (tmp_path / LEAF).chmod(0o777)
        with atomic_write(tmp_path / LEAF, private=private) as stream:
            assert [stat.S_IMODE(os.fstat(stream.fileno()).st_mode)] == [mode]
            stream.write(NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / LEAF).stat().st_mode) == mode


def test_the_content_is_flushed_before_it_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        happened.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def named(old: Any, new: Any, **folders: Any) -> None:
        happened.append(("replace", os.stat(old).st_size))
        replace(old, new, **folders)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", named)
    by_stream(tmp_path / LEAF)
    assert happened == [("fsync", len(NEW)), ("replace", len(NEW))]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with atomic_write(tmp_path / LEAF) as first, atomic_write(tmp_path / LEAF) as second:
        first.write(OLD)
        second.write(NEW)
        first.flush()
    assert content(tmp_path) == {LEAF: OLD}, "the one that ended last"


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    by_stream(tmp_path / ("n" * 255))
    by_path(tmp_path / ("m" * 255))
    assert sorted(len(name) for name in content(tmp_path)) == [255, 255]


def test_what_cannot_be_written_as_json_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        bounded_json.replace(tmp_path / LEAF, {"value": object()})
    assert content(tmp_path) == {}


def test_a_video_without_frames_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_video([], tmp_path / "film.mp4")
    assert content(tmp_path) == {}


@only_posix
def test_a_kill_leaves_the_target_whole(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    save(Settings(theme="dark"), path)
    before = path.read_bytes()
    script = f"""
import os, signal
from cret_desktop.atomic_write import atomic_write
with atomic_write({str(path)!r}) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode < 0
    assert path.read_bytes() == before
    save(Settings(theme="light"), path)
    assert json.loads(path.read_bytes())["theme"] == "light"


def test_the_door_leaves_no_unfinished_file_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = LibraryFiles(tmp_path)
    name = f"{CALIBRATION}/model.npz"
    files.write(name, OLD)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(name, NEW)
    monkeypatch.undo()
    assert content(tmp_path / CALIBRATION) == {"model.npz": OLD}
