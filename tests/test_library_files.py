"""The door to a library's files: whatever name is asked for and whatever lies in it, nothing outside is touched."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import string
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop import library_files
from cret_desktop.engine.library_log import LibraryLog
from cret_desktop.engine.lock import WriterLock
from cret_desktop.library_files import LibraryFiles, is_sprite_name, read_sprite

SPRITE = "ab/cd/abcd00000000000000000000-123.jpg"
STRIP = f"thumbnails/{SPRITE}"
EARLY = "thumbnails/ab/cd/abcd00000000000000000000--40.jpg"  # begins before the zero of its video
SECRET = b"somebody's, and nobody's business"
FILES = (
    STRIP, f"{STRIP}.part", EARLY, "graphs/0123456789ab-1.hnsw", "graphs/0123456789ab-1.build/ids",
    "calibration/print.npz", "catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite.open", "catalog.head",
    "catalog.head.part", "catalog.recovered.sqlite", "catalog.damaged-2026-01-01-000000.sqlite", "writer.lock",
    "writer.pid", "engine.log", "engine.log.1", "pace.json", "arriving/catalog.sqlite",
)  # fmt: skip
FOLDERS = ("", "thumbnails", "thumbnails/ab", "thumbnails/ab/cd", "graphs", "calibration", "restored", "arriving")
NOT_OURS = (
    "/etc/passwd", "..", "../outside/secret", f"thumbnails/ab/../../../outside/{SPRITE}", "thumbnails//ab",
    "./catalog.head", "thumbnails/holiday.jpg", "catalog.sqlite/..", "catalog.sqlite\n", "CATALOG.SQLITE",
    "C:\\secret", "\\\\host\\share", "catalog.head:stream", "catalog.head\0", "graphs/..", "con",
    "thumbnails/\u0661\u0662", f"{STRIP}/..", "engine.log.\u0661",
    "catalog.sqlite ", "thumbnails/ab/cd/abcd00000000000000000000-123.jpg.exe", "graphs/0123456789ab-1.hnsw/ids",
)  # fmt: skip

windows = pytest.mark.parametrize("windows", [False, True], ids=["by descriptors", "by paths, as on Windows"])


# --- nothing outside, whatever is asked -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """What lies at a name of the library: a link to a file or a folder, another name of a file, a pipe, …"""

    name: str
    kind: str


planted = st.builds(
    Planted,
    st.sampled_from([name for name in FILES + FOLDERS if name]),
    st.sampled_from(["link", "link to a folder", "dangling link", "hard link", "pipe", "folder", "file", "loop"]),
)
names = st.one_of(
    st.sampled_from(FILES),
    st.sampled_from(FOLDERS),
    st.sampled_from(NOT_OURS),
    st.text(st.sampled_from("./\\:\0ab0-catlogs.hqienjpth" + string.digits), max_size=60),
    st.text(max_size=20),
    st.tuples(st.sampled_from(FILES), st.sampled_from(["/..", "/.", "/", "\n", "\0", ".part", ":x", "\\..", " "])).map(
        "".join
    ),
    st.tuples(st.sampled_from(["../", "/", "./", "thumbnails/../", "~/"]), st.sampled_from(FILES)).map("".join),
)


def ask_everything(files: LibraryFiles, other: LibraryFiles, name: str, second: str) -> list[bytes]:
    """Every method once; returns all content that was read."""
    read: list[bytes] = []

    def opened() -> None:
        with files.opened(name) as stream:
            read.append(stream.read())

    actions: list[Callable[[], object]] = [
        lambda: files.path(name), lambda: files.entry(name), lambda: files.has(name), lambda: files.has_folder(name),
        lambda: read.append(files.read(name)), opened, lambda: files.size(name), lambda: list(files.walk(name)),
        lambda: read.append(read_sprite(files.sprite_path(name) or str(files.root / name), 1000)),
        lambda: files.copy(name, other), lambda: files.own(name), lambda: files.write(name, b"ours", flush=True),
        lambda: files.make_folder(name), lambda: files.create(name), lambda: files.rename(name, second),
        lambda: files.rename(second, name), lambda: files.remove_folder(name), lambda: files.remove(second),
        lambda: files.remove(name), lambda: files.remove_tree(name), lambda: files.listed(name), files.tighten,
    ]  # fmt: skip
    for action in actions:
        with suppress(OSError):  # nothing else is ever raised
            action()
    return read


@windows
@settings(max_examples=80, deadline=None)
@given(lying=st.lists(planted, max_size=4), name=names, second=st.sampled_from(FILES + FOLDERS))
def test_nothing_outside_is_read_written_renamed_or_removed(
    windows: bool, lying: list[Planted], name: str, second: str
) -> None:
    with tempfile.TemporaryDirectory() as folder, by_paths(windows):
        base = Path(folder)
        outside = make_outside(base)
        library = make_library(base / "library")
        for lies in lying:
            plant(library, outside, lies)
        before = digest(outside)
        read = ask_everything(LibraryFiles(library), LibraryFiles(base / "other"), name, second)
        assert digest(outside) == before
        assert SECRET not in read
        assert {path.name for path in base.iterdir()} <= {"outside", "library", "other"}


def make_library(library: Path) -> Path:
    for name in (STRIP, "graphs/0123456789ab-1.hnsw", "catalog.sqlite", "catalog.head", "engine.log"):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_bytes(b"ours")
    return library


def make_outside(base: Path) -> Path:
    """Somebody's folder; everything that a library has lies in it by the same name. `hard` may have other names."""
    outside = base / "outside"
    for name in (*FILES, SPRITE, "ab/cd/x", "secret", "nothing/here"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_bytes(SECRET)
    (outside / "hard").write_bytes(b"of two names")
    (outside / "hard").chmod(0o644)
    return outside


def plant(library: Path, outside: Path, lies: Planted) -> None:
    path = library / lies.name
    with suppress(OSError):  # in a pipe, say, nothing can be planted
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            path.rename(library / f"away {len(list(library.iterdir()))}")
        path.unlink(missing_ok=True)
        match lies.kind:
            case "link":
                path.symlink_to(outside / "secret")
            case "link to a folder":
                path.symlink_to(outside / ("ab" if path.name == "cd" else "."))
            case "dangling link":
                path.symlink_to(outside / "not there")
            case "hard link":
                os.link(outside / "hard", path)
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "file":
                path.write_bytes(b"a file")
            case _:
                path.symlink_to(path)


def digest(folder: Path) -> dict[str, tuple[int, int, str]]:
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@contextmanager
def by_paths(windows: bool) -> Iterator[None]:
    """Go as on Windows, where folders have no descriptors: as far as that goes on another system."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library_files, "_WINDOWS", windows)
        yield


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOT_OURS)
def test_a_name_that_is_none_of_ours_is_refused_before_anything_is_looked_at(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="no name of a library") as refused:
        LibraryFiles(tmp_path / "not there").entry(name)
    assert refused.value.errno == errno.EINVAL


@given(st.one_of(st.none(), st.integers(), st.floats(), st.binary(), st.text(), st.sampled_from(FILES), names))
def test_a_sprite_is_shown_by_its_name_alone(name: object) -> None:
    files = LibraryFiles("/library")
    path = files.sprite_path(name)  # type: ignore[arg-type]
    assert bool(path) == is_sprite_name(name)
    if path:
        assert path == f"/library/thumbnails/{name}"
        assert os.path.normpath(path) == path
        assert isinstance(name, str)
        assert name.isascii()


def test_names_of_ours_are_reached(tmp_path: Path) -> None:
    files = LibraryFiles(tmp_path / "library")
    for name in FILES:
        files.write(name, b"ours")
        assert files.read(name) == b"ours"
        assert files.entry(name).size == 4
        assert files.path(name) == tmp_path / "library" / name
    assert read_sprite(files.sprite_path(SPRITE), 100) == b"ours"
    listed = {name for name, is_folder in files.listed("") if not is_folder}
    assert listed == {name for name in FILES if "/" not in name}
    assert set(files.walk("thumbnails")) == {STRIP, f"{STRIP}.part", EARLY}
    for name in FILES:
        assert files.remove(name)
        assert not files.remove(name)


# --- links ------------------------------------------------------------------------------------------------------------


@windows
def test_a_link_is_named_and_refused_and_only_itself_removed(tmp_path: Path, windows: bool) -> None:
    outside = make_outside(tmp_path)
    files = LibraryFiles(make_library(tmp_path / "library"))
    files.remove_tree("thumbnails")
    (files.root / "thumbnails").symlink_to(outside)
    (files.root / "pace.json").symlink_to(outside / "secret")
    with by_paths(windows):
        for action in (files.entry, files.read, files.path):
            for name in (STRIP, "pace.json"):
                with pytest.raises(OSError, match="is a link") as refused:
                    action(name)
                assert refused.value.errno == errno.ELOOP
        assert list(files.walk("")) == ["catalog.head", "catalog.sqlite", "engine.log", "graphs/0123456789ab-1.hnsw"]
        assert not files.has_folder("thumbnails")
        assert files.size("thumbnails") == 0
        files.remove_tree("thumbnails")
        files.write("pace.json", b"ours")
    assert (outside / "secret").read_bytes() == SECRET
    assert not (files.root / "pace.json").is_symlink()
    assert {path.name for path in files.root.iterdir()} == {
        "catalog.head",
        "catalog.sqlite",
        "engine.log",
        "graphs",
        "pace.json",
    }


def test_the_library_itself_may_be_a_link(tmp_path: Path) -> None:
    """A person keeps it on a larger disk."""
    make_library(tmp_path / "disk")
    (tmp_path / "library").symlink_to(tmp_path / "disk")
    files = LibraryFiles(tmp_path / "library")
    assert files.read(STRIP) == b"ours"
    files.write("pace.json", b"{}")
    assert (tmp_path / "disk" / "pace.json").exists()


def test_what_has_two_names_is_written_under_one(tmp_path: Path) -> None:
    """A copy of a library that is made of links keeps what it was."""
    files = LibraryFiles(make_library(tmp_path / "library"))
    (tmp_path / "copy").mkdir()
    for name in ("catalog.sqlite", "engine.log", "catalog.head"):
        os.link(files.root / name, tmp_path / "copy" / name)
        files.own(name)
        assert files.entry(name).links == 1
        with (files.root / name).open("ab") as stream:
            stream.write(b" and more")
        assert (tmp_path / "copy" / name).read_bytes() == b"ours"
        assert files.read(name) == b"ours and more"
    files.own("pace.json")  # not there: nothing to do


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_holds_nobody(tmp_path: Path) -> None:
    files = LibraryFiles(make_library(tmp_path / "library"))
    os.mkfifo(files.root / "pace.json")
    for action in (files.entry, files.read, files.own):
        with pytest.raises(OSError, match="no regular file"):
            action("pace.json")
    assert not files.has("pace.json")
    assert files.size("") == 4 * 5
    files.write("pace.json", b"ours")
    assert files.read("pace.json") == b"ours"


def test_a_mounted_folder_of_windows_is_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Junctions are no symbolic links to Python: it is their attribute that tells."""
    attribute = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0x400)
    monkeypatch.setattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", attribute, raising=False)
    junction = SimpleNamespace(st_mode=stat.S_IFDIR | 0o755, st_file_attributes=attribute | 0x10)
    with pytest.raises(OSError, match="is a link"):
        library_files._refuse_link(junction, Path("C:/library/thumbnails"))  # type: ignore[arg-type]
    folder = SimpleNamespace(st_mode=stat.S_IFDIR | 0o755, st_file_attributes=0x10)
    library_files._refuse_link(folder, Path("C:/library/thumbnails"))  # type: ignore[arg-type]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_lock_and_a_log_empty_nobodys_file(tmp_path: Path) -> None:
    """A lock is emptied where it is opened, and a log begun anew where it is full."""
    files, outside = LibraryFiles(make_library(tmp_path / "library")), tmp_path / "thesis.txt"
    outside.write_bytes(SECRET)
    for name in ("writer.lock", "engine.log"):
        files.remove(name)
        os.link(outside, files.root / name)
    with WriterLock(files.root / "writer.lock").held():
        assert files.entry("writer.lock").links == 1
    log = LibraryLog(files)
    log.maxBytes = 100
    for _ in range(9):
        log.emit(logging.LogRecord("cret_desktop", logging.WARNING, "", 0, "x" * 30, None, None))
    log.close()
    assert outside.read_bytes() == SECRET
    assert (files.root / "engine.log.1").exists()
    if os.name != "nt":
        assert {stat.S_IMODE(path.stat().st_mode) for path in files.root.glob("engine.log*")} == {0o600}


# --- sizes and rights -------------------------------------------------------------------------------------------------


def test_what_is_larger_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    files = LibraryFiles(make_library(tmp_path / "library"))
    with (files.root / "pace.json").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(OSError, match="too large") as refused:
        files.read("pace.json", most=1000)
    assert refused.value.errno == errno.EFBIG
    assert files.read("catalog.head", most=4) == b"ours"


@pytest.mark.skipif(os.name == "nt", reason="rights are Unix's")
def test_files_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files, other = LibraryFiles(tmp_path / "library"), LibraryFiles(tmp_path / "other")
        for name in FILES:
            files.write(name, b"ours")
        files.create("writer.lock")
        os.link(files.root / "engine.log", tmp_path / "elsewhere")
        files.own("engine.log")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "link", no_links)
            files.copy(STRIP, other)
    finally:
        os.umask(before)
    for folder in (files.root, other.root):
        for path in [folder, *folder.rglob("*")]:
            assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def no_links(*_: object, **__: object) -> None:
    raise OSError("this disk knows no links")


@pytest.mark.skipif(os.name == "nt", reason="rights are Unix's")
def test_an_older_library_is_tightened_and_what_is_not_its_own_is_left(tmp_path: Path) -> None:
    files = LibraryFiles(make_library(tmp_path / "library"))
    for path in [files.root, *files.root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    outside = tmp_path / "outside.txt"
    outside.write_text("somebody's")
    outside.chmod(0o644)
    os.link(outside, files.root / "pace.json")
    (files.root / "calibration").symlink_to(tmp_path)
    (files.root / "notes.txt").write_text("a person's own")
    (files.root / "notes.txt").chmod(0o644)
    tmp_path.chmod(0o755)
    files.tighten()
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files.root.iterdir()}
    assert rights == {
        "thumbnails": 0o700, "graphs": 0o700, "catalog.sqlite": 0o600, "catalog.head": 0o600, "engine.log": 0o600,
        "pace.json": 0o644, "calibration": 0o755, "notes.txt": 0o644,
    }  # fmt: skip
    assert stat.S_IMODE(files.root.stat().st_mode) == 0o700
