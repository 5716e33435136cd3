"""The only access to the files of a library's folder: by names of the app's own pattern, and never through a link.

A library may come from another person, and a name in its catalog may be any text. So a name is checked against a strict
pattern, and every part of its path is opened without following links; nothing absolute, no `..`, no drive. Writing puts
a new file in the name's place, so that a file which has another name as well keeps its content.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cret_desktop.atomic_write import flush_to_disk, put_in_place

CATALOG, LOCK, HOLDER, LOG, PACE = "catalog.sqlite", "writer.lock", "writer.pid", "engine.log", "pace.json"
THUMBNAILS, GRAPHS, CALIBRATION = "thumbnails", "graphs", "calibration"
# Beside a catalog: a mark that exists while a writer has it open, and stays if the writer did not close it; its first
# pages.
MARK, HEAD = f"{CATALOG}.open", "catalog.head"
RESTORED, ARRIVING = "restored", "arriving"  # a restored library that waits, or is being moved into place

FILE_MODE, FOLDER_MODE = 0o600, 0o700  # a library shows what people film and note: for its owner only

_SPRITE = (  # two levels of folders, a content digest, and milliseconds (some clocks begin below 0)
    r"(?P<first>[0-9a-f]{2})/(?P<second>[0-9a-f]{2})/(?P=first)(?P=second)[0-9a-f]{20}(\.\d{1,5})?--?\d{1,12}"
    r"\.(jpg(\.part)?|part)"
)
_GRAPH = r"[0-9a-f]{12}-\d{1,20}"
_MOMENT = r"\d{4}-\d{2}-\d{2}-\d{6}(-\d{3})?"
_SQLITE = r"\.sqlite(\.part)?(-wal|-shm|-journal)?"
# The names that move with a whole library when another one takes its place.
_PART = rf"({THUMBNAILS}|{GRAPHS}|{CALIBRATION}|catalog(\.recovered)?{_SQLITE}|catalog\.head|catalog\.sqlite\.open)"
_OURS = re.compile(
    rf"{THUMBNAILS}(/[0-9a-f]{{2}}){{0,2}}|{THUMBNAILS}/{_SPRITE}"
    rf"|{GRAPHS}|{GRAPHS}/{_GRAPH}(\.hnsw|\.damaged|\.build(/(ids|vectors|graph))?)"
    rf"|{CALIBRATION}|{CALIBRATION}/[0-9A-Za-z_-]{{1,64}}\.npz(\.part)?"
    rf"|catalog({_SQLITE}|\.sqlite\.open|\.head(\.part)?)"
    rf"|catalog\.(recovering|recovered|mended|v\d{{1,4}}\.backup|(damaged|foreign)-{_MOMENT}){_SQLITE}"
    rf"|writer\.(lock|pid(\.part)?)|engine\.log(\.\d)?|pace\.json(\.part)?"
    rf"|\.{RESTORED}\.unfinished|({RESTORED}|{ARRIVING}|set-aside-{_MOMENT})(/{_PART})?",
    re.ASCII,
)
_SPRITE_NAME = re.compile(_SPRITE, re.ASCII)

# Beside a catalog, with its name: SQLite finds them by that name. The logs come first: SQLite would apply old ones to a
# new catalog.
_BESIDE = ("-journal", "-wal", "-shm", "")
CATALOG_FILES = tuple(CATALOG + suffix for suffix in _BESIDE)

_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # at the beginning of each, and at the end of one that names another file
_WINDOWS = sys.platform == "win32"
_LARGEST = 1 << 28  # bytes; the largest file that is read whole is a catalog's kept pages
_TRIES = 3


def is_sprite_name(name: object) -> bool:
    """Return whether a value of the catalog is a sprite name as the indexer gives them."""
    return isinstance(name, str) and _SPRITE_NAME.fullmatch(name) is not None and name.endswith(".jpg")


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file of the library: its name, its size in bytes, and its number of hard links."""

    name: str
    size: int
    links: int


def read_sprite(path: str, most: int) -> bytes:
    """Return the content of a sprite, by the path that `LibraryFiles.sprite_path` returned. Raises: OSError."""
    root, folder, name = "", "", path
    if path.count(os.sep) >= 4:
        root, folder, *parts = path.rsplit(os.sep, 4)
        name = "/".join(parts)
    if folder != THUMBNAILS or not is_sprite_name(name):
        raise OSError(errno.EINVAL, f"{path!r} is no strip of a library's", path)
    return LibraryFiles(root).read(f"{THUMBNAILS}/{name}", most)


class LibraryFiles:
    """The files of one library by their names within it, with `/` between the parts.

    Every method raises OSError: FileNotFoundError for a missing file, ELOOP if a part is a link, EINVAL for a name
    outside the library's pattern. The folder itself is the user's choice, and may be reached through links.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def sprite_path(self, name: str) -> str:
        """Return the path by which a window requests a sprite (`read_sprite`), '' for any other name. Pure."""
        return os.path.join(self.root, THUMBNAILS, *name.split("/")) if is_sprite_name(name) else ""

    def path(self, name: str) -> Path:
        """Return the path of a name, for SQLite, hnswlib and messages. Raise ELOOP if any part of it is a link."""
        with suppress(FileNotFoundError), self._at(name) as (folder, leaf):
            _refuse_link(os.stat(leaf, dir_fd=folder, follow_symlinks=False), self.root / name)
        return self.root / name

    def entry(self, name: str) -> Entry:
        """Return the regular file of a name."""
        with self._at(name) as (folder, leaf):
            status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        _refuse_link(status, self.root / name)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, f"{self.root / name} is no regular file", str(self.root / name))
        return Entry(name, status.st_size, status.st_nlink)

    def has(self, name: str) -> bool:
        """Return whether a regular file of this name exists."""
        try:
            self.entry(name)
        except OSError:
            return False
        return True

    def has_folder(self, name: str) -> bool:
        """Return whether a folder of this name exists; a link to a folder does not count."""
        try:
            with self._at(name) as (folder, leaf):
                status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return stat.S_ISDIR(status.st_mode) and not _is_reparse_point(status)

    def read(self, name: str, most: int = _LARGEST) -> bytes:
        """Return the content of a file of at most `most` bytes. Raise EFBIG for a larger one."""
        with self.opened(name) as stream:
            content = stream.read(most + 1)
        if len(content) > most:
            raise OSError(errno.EFBIG, f"{self.root / name} is too large", str(self.root / name))
        return content

    def peek(self, name: str, most: int = _LARGEST) -> bytes:
        """Return the content of a file of at most `most` bytes; empty if it cannot be read."""
        try:
            return self.read(name, most)
        except OSError:
            return b""

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open a regular file for reading."""
        with self._at(name) as (folder, leaf):
            # Non-blocking: a FIFO of this name must not block its reader for ever.
            flags = os.O_RDONLY | _flag("O_NOFOLLOW") | _flag("O_NONBLOCK") | _flag("O_BINARY") | _flag("O_CLOEXEC")
            _refuse_link(os.stat(leaf, dir_fd=folder, follow_symlinks=False), self.root / name)
            descriptor = os.open(leaf, flags, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, f"{self.root / name} is no regular file", str(self.root / name))
            yield stream

    def write(self, name: str, content: bytes, flush: bool = False) -> None:
        """Put a new file with this content in the name's place, whole or not at all; create its folders.

        `flush`: write the content to the disk before the file gets its name.
        """
        self.make_folder(name.rpartition("/")[0])
        with self._at(name) as (folder, leaf):
            part = f"{leaf}.part"
            descriptor = _created(part, folder)
            with put_in_place(part, leaf, folder):
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    if flush:
                        flush_to_disk(stream)
                _put_aside_folder(leaf, folder)

    def create(self, name: str) -> Path:
        """Create an empty file in place of any file of this name. Return its path."""
        with self._at(name) as (folder, leaf):
            os.close(_created(leaf, folder))
        return self.root / name

    def create_catalog(self, name: str) -> Path:
        """Create an empty file for SQLite, in place of any catalog of this name with its journals. Return its path."""
        self.remove_catalog(name)
        return self.create(name)

    def remove_catalog(self, name: str) -> None:
        """Delete a catalog that no process has open, with the files that SQLite keeps beside it."""
        for suffix in _BESIDE:
            self.remove(name + suffix)

    def settle(self, name: str, writing: bool) -> None:
        """Ensure that SQLite may open a catalog by its path: it and the files beside it are regular or missing.

        Files that SQLite writes into have no other hard link afterwards. SQLite also writes into the index of its log
        when it reads. A journal that names another file is moved aside, as SQLite would delete that file. The app never
        makes such a journal.
        """
        journal = f"{name}-journal"
        if self._names_another(journal):
            with self._at(journal) as (folder, leaf):
                _put_aside(leaf, folder)
        for suffix in _BESIDE:
            if writing or suffix == "-shm":
                self.own(name + suffix)
            else:
                with suppress(FileNotFoundError):
                    self.entry(name + suffix)

    def _names_another(self, journal: str) -> bool:
        """Return whether a journal names a super-journal (https://sqlite.org/atomiccommit.html)."""
        try:
            with self.opened(journal) as stream:
                stream.seek(-len(_JOURNAL), os.SEEK_END)
                return stream.read() == _JOURNAL
        except OSError:  # missing or too short
            return False

    def make_folder(self, name: str) -> None:
        """Create a folder and those above it, if missing; '' is the library's own.

        A file of its name is renamed and a link is removed. The exception is a link in the library's own folder, which
        the user may have made: it raises ELOOP (see `free_folder`).
        """
        self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        parts = name.split("/") if name else []
        for depth in range(1, len(parts) + 1):
            place = "/".join(parts[:depth])
            if depth > 1 or not self._is_link(place):
                self.free_folder(place)
            with self._at(place) as (folder, leaf), suppress(FileExistsError):
                os.mkdir(leaf, FOLDER_MODE, dir_fd=folder)

    def free_folder(self, name: str) -> None:
        """Ensure that a folder can have this name: remove a link of that name, and rename a file."""
        with suppress(FileNotFoundError), self._at(name) as (folder, leaf):
            status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
            if _is_reparse_point(status) or not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
                os.unlink(leaf, dir_fd=folder)
            elif stat.S_ISREG(status.st_mode):
                _put_aside(leaf, folder)

    def remove(self, name: str) -> bool:
        """Delete a file, or a link but not its target. Return whether it existed.

        A folder of that name is not the app's: it is renamed.
        """
        try:
            with self._at(name) as (folder, leaf):
                _clear(leaf, folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _is_link(self, name: str) -> bool:
        try:
            with self._at(name) as (folder, leaf):
                status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISLNK(status.st_mode) or _is_reparse_point(status)

    def remove_folder(self, name: str) -> bool:
        """Delete a folder if it is empty. Return whether it was deleted."""
        try:
            with self._at(name) as (folder, leaf):
                os.rmdir(leaf, dir_fd=folder)
        except OSError:
            return False
        return True

    def remove_tree(self, name: str) -> None:
        """Delete a folder with all its contents; links in it are removed and not followed."""
        try:
            with self._at(name) as (folder, leaf):
                status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode) or _is_reparse_point(status):
                    os.unlink(leaf, dir_fd=folder)
                    return
                shutil.rmtree(leaf, dir_fd=folder)
        except FileNotFoundError:
            return

    def rename(self, old: str, new: str) -> None:
        """Rename a file or folder, in place of any file of the new name."""
        with self._at(old) as (folder, leaf), self._at(new) as (other, other_leaf):
            if stat.S_ISREG(os.stat(leaf, dir_fd=folder, follow_symlinks=False).st_mode):
                _put_aside_folder(other_leaf, other)
            os.replace(leaf, other_leaf, src_dir_fd=folder, dst_dir_fd=other)

    def walk(self, name: str) -> Iterator[str]:
        """Yield the regular files below a folder whose names match the pattern. Links are skipped."""
        for below, is_folder in self.listed(name):
            if is_folder:
                yield from self.walk(below)
            else:
                yield below

    def listed(self, name: str) -> list[tuple[str, bool]]:
        """Return (name, is a folder) for the entries of a folder ('' for the root) whose names match the pattern."""
        if name:
            _require_ours(name)
        try:
            with self._folder(name.split("/") if name else []) as (folder, place):
                names = os.listdir(place if folder is None else folder)
                found = []
                for leaf in names:
                    below = f"{name}/{leaf}" if name else leaf
                    if not _OURS.fullmatch(below):
                        continue
                    with suppress(FileNotFoundError):
                        where = leaf if folder is not None else os.path.join(place, leaf)
                        status = os.stat(where, dir_fd=folder, follow_symlinks=False)
                        if not _is_reparse_point(status) and (
                            stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
                        ):
                            found.append((below, stat.S_ISDIR(status.st_mode)))
        except FileNotFoundError:
            return []
        return sorted(found)

    def size(self, name: str) -> int:
        """Return the bytes of all regular files of the library below a folder; 0 if it is missing or a link."""
        total = 0
        with suppress(OSError):
            for below in self.walk(name):
                with suppress(FileNotFoundError):
                    total += self.entry(below).size
        return total

    def copy(self, name: str, to: LibraryFiles) -> None:
        """Copy a file under its name into another library's folder, which has no such file yet.

        On the same disk both are one file: thumbnails and graphs are only ever replaced, never written into.
        """
        to.make_folder(name.rpartition("/")[0])
        self.entry(name)
        with self._at(name) as (folder, leaf), to._at(name) as (other, other_leaf):
            try:
                os.link(leaf, other_leaf, src_dir_fd=folder, dst_dir_fd=other, follow_symlinks=False)
                return
            except FileNotFoundError:
                raise
            except (OSError, NotImplementedError):  # another disk, or one without hard links
                pass
            with self.opened(name) as source, os.fdopen(_created(other_leaf, other), "wb") as target:
                shutil.copyfileobj(source, target)

    def own(self, name: str) -> None:
        """Ensure that a file to be written into is regular and has one hard link; a link raises ELOOP.

        A file with several names, from a copy made of links or from an attacker, is replaced by a copy of itself.
        """
        try:
            entry = self.entry(name)
        except FileNotFoundError:
            return
        if entry.links > 1:
            with self._at(name) as (folder, leaf), self.opened(name) as source:
                part = f"{leaf}.part" if _OURS.fullmatch(f"{leaf}.part") else f"{CATALOG}.part"
                descriptor = _created(part, folder)
                with put_in_place(part, leaf, folder), os.fdopen(descriptor, "wb") as target:
                    shutil.copyfileobj(source, target)
                    flush_to_disk(target)

    def tighten(self) -> None:
        """Make the folder and its files readable by their owner alone. Best effort: some disks have no permissions."""
        if _WINDOWS:
            return  # a user's own folders are private there
        with suppress(OSError), self._folder([]) as (folder, _):
            assert folder is not None
            if os.fstat(folder).st_uid == os.geteuid():
                os.fchmod(folder, FOLDER_MODE)
        for name, is_folder in self.listed(""):
            with suppress(OSError), self._at(name) as (folder, leaf):
                descriptor = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
                try:
                    status = os.fstat(descriptor)
                    mode = FOLDER_MODE if is_folder else FILE_MODE
                    # A file with several names, and its permissions, may be another user's.
                    alone = is_folder or status.st_nlink == 1
                    if alone and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077:
                        os.fchmod(descriptor, mode)
                finally:
                    os.close(descriptor)

    @contextmanager
    def _at(self, name: str) -> Iterator[tuple[int | None, str]]:
        """Yield (descriptor of the folder that contains a name, its last part); on Windows (None, the whole path)."""
        _require_ours(name)
        *above, leaf = name.split("/")
        with self._folder(above) as (folder, place):
            yield folder, (leaf if folder is not None else os.path.join(place, leaf))

    @contextmanager
    def _folder(self, parts: list[str]) -> Iterator[tuple[int | None, str]]:
        """Yield (descriptor, path) of a folder within the library, each part opened without following a link."""
        place = str(self.root)
        if _WINDOWS:  # no descriptors of folders there: each part is checked instead
            for part in parts:
                place = os.path.join(place, part)
                _refuse_link(os.lstat(place), Path(place))
            yield None, place
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        descriptor = os.open(place, flags)
        try:
            for part in parts:
                place = os.path.join(place, part)
                try:
                    inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
                except OSError as error:
                    if error.errno in (errno.ENOTDIR, errno.ELOOP):
                        _refuse_link(os.stat(part, dir_fd=descriptor, follow_symlinks=False), Path(place))
                    raise
                os.close(descriptor)
                descriptor = inner
            yield descriptor, place
        finally:
            os.close(descriptor)


def _require_ours(name: str) -> None:
    if not _OURS.fullmatch(name):
        raise OSError(errno.EINVAL, f"{name!r} is no name of a library's files", name)


def _created(leaf: str, folder: int | None) -> int:
    """Return a descriptor of a new file; a file or link of its name is removed, never followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flag("O_NOFOLLOW") | _flag("O_BINARY") | _flag("O_CLOEXEC")
    for _ in range(_TRIES):
        try:
            return os.open(leaf, flags, FILE_MODE, dir_fd=folder)
        except FileExistsError:
            with suppress(FileNotFoundError):
                _clear(leaf, folder)
    return os.open(leaf, flags, FILE_MODE, dir_fd=folder)


def _clear(leaf: str, folder: int | None) -> None:
    """Free a file's name. Raises: FileNotFoundError if it is free."""
    if not _put_aside_folder(leaf, folder):
        os.unlink(leaf, dir_fd=folder)


def _put_aside_folder(leaf: str, folder: int | None) -> bool:
    """Rename a folder that has a file's name, since its contents may be anyone's. Return whether there was one."""
    try:
        status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode) or _is_reparse_point(status):
        return False
    _put_aside(leaf, folder)
    return True


def _put_aside(leaf: str, folder: int | None) -> None:
    os.rename(leaf, f"{leaf}.in-the-way-{time.time_ns()}", src_dir_fd=folder, dst_dir_fd=folder)


def _refuse_link(status: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(status.st_mode) or _is_reparse_point(status):
        raise OSError(
            errno.ELOOP,
            f"{path} is a link, and a library's files are never reached through links: delete it, and move the whole "
            "library where there is room",
            str(path),
        )


def _is_reparse_point(status: os.stat_result) -> bool:
    """Return whether Windows redirects from here, by a link, a junction or a mounted folder."""
    return bool(getattr(status, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0))


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))
