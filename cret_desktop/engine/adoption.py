"""Which libraries are this person's own: made here, or adopted. What anybody else made is opened for reading alone.

A person's configuration holds, for each library of theirs, its identity, a secret key and the folders that it was seen
in. The identity stands in the catalog as well; the key never leaves this computer, and proves that a graph file was
built here. Adopting makes the catalog anew, of our own schema and of rows that can be ones, and keeps the old one.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from filelock import FileLock

from cret_desktop import paths
from cret_desktop.atomic_write import atomic_write
from cret_desktop.domain.clips import VideoFile
from cret_desktop.errors import LibraryDamaged, LibraryStrange, StorageError, StoreFault
from cret_desktop.foreign import reason_of, visible
from cret_desktop.library_files import ARRIVING, CALIBRATION, CATALOG, GRAPHS, RESTORED, THUMBNAILS, LibraryFiles
from cret_desktop.messages import Message, clauses
from cret_desktop.settings import Settings, load, make_private_folder
from cret_desktop.storage.sqlite import backup, provenance, recovery
from cret_desktop.storage.sqlite.catalog import Catalog

log = logging.getLogger(__name__)

_KEY_BYTES = 32


class Origin(Enum):
    NEW = "new"  # there is no catalog yet
    OURS = "ours"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a library comes from, and the key that its graphs are proved with: empty where there is none."""

    origin: Origin
    key: bytes = b""


def standing(library: Path) -> Standing:
    """Look where a library comes from, without opening it. Raises: StorageError, LibraryTooNew."""
    records, path = _Records.read(), library / CATALOG
    files = LibraryFiles(library)
    if not os.path.lexists(path) or (files.has(CATALOG) and files.entry(CATALOG).size == 0):
        return Standing(Origin.NEW)
    try:
        found = provenance.look(library)
    except StorageError:
        return Standing(Origin.STRANGE)  # whoever opens it says why that cannot be
    except LibraryDamaged:  # it can only be known by where it lies, and is repaired there
        key = records.key_in(library)
        usual = _is_usual(library) and not records.is_unproven(library)
        return Standing(Origin.OURS if key or usual else Origin.STRANGE, key)
    if found.identity is None:
        ours = not records.is_unproven(library) and (_is_usual(library) or _has_our_files(found.files))
        return Standing(Origin.OURS if ours else Origin.STRANGE)
    key = records.key_of(found.identity)
    return Standing(Origin.OURS if key and not found.is_altered else Origin.STRANGE, key)


def require_ours(library: Path) -> Standing:
    """Raises: LibraryStrange where a library must not be changed before it is adopted, StorageError."""
    found = standing(library)
    # A file that is no catalog of anybody's is opened for what it is: that says so, and leaves it alone.
    if found.origin is Origin.STRANGE and recovery.is_ours(library / CATALOG):
        raise LibraryStrange(strange(library))
    with _Records.changed():
        pass  # where nothing could be remembered of it, no library is made that would be strange the next time
    return found


def strange(library: Path) -> Message:
    """Return the message on a library that is not ours, with what to do."""
    return Message("library.strange", library=library)


def key_of(catalog: Catalog) -> bytes:
    """The key of a library that is open for reading; empty where it is not this person's own."""
    return _Records.read().key_of(catalog.identity())


def key_in(library: Path) -> bytes:
    """The key of the library that was last open for writing in a folder; empty where none is known."""
    records = _Records.read()
    return records.key_in(library) or records.key_in(library.resolve())


def remember(catalog: Catalog, adopted: bool = False) -> bytes:
    """Count a library that is open for writing among this person's own; returns its key. Raises: StorageError.

    Folders are scanned if they were added on this computer, or if the library is `adopted` with them. A library of an
    older version, recognised by its place or its files, keeps its folders.
    """
    library = catalog.path.parent
    with _Records.changed() as records:
        known = catalog.identity() or records.identity_in(library)
        identity = known or secrets.token_hex(16)
        if catalog.identity() != identity:
            catalog.set_identity(identity)
        key = records.add(identity, library)
    if foreign := catalog.trust_roots(key, as_they_are=adopted or not known):
        named = ", ".join(visible(path) for path in foreign[:3]) + (" …" if len(foreign) > 3 else "")
        catalog.notices.append(Message("place.not-followed", folders=named))
    return key


def adopt(library: Path, follow: bool) -> Message:
    """Make a library this person's own; returns a message about it. The caller holds the writer's lock.

    `follow`: index the folders that it names, where they are on this computer; otherwise they stay as they are until
    they are added again. Raises: LibraryTooNew, LibraryDamaged, StorageError.
    """
    files, path = LibraryFiles(library), library / CATALOG
    if not recovery.is_ours(path):
        raise LibraryDamaged("library.no-catalog", library=library)
    try:
        provenance.require_known_version(path)
        for folder in (THUMBNAILS, GRAPHS, CALIBRATION):
            files.free_folder(folder)
        for name in [*files.walk(GRAPHS), *files.walk(CALIBRATION)]:  # both are made again
            files.remove(name)
        rows, aside = provenance.remake(path)
        kept = aside.name.replace(".damaged-", ".foreign-")
        for beside in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                files.rename(aside.name + beside, kept + beside)
    except (OSError, StoreFault) as error:
        raise StorageError("library.not-adopted", library=library, reason=reason_of(error)) from error
    with Catalog.open(path) as catalog:
        catalog.set_identity(secrets.token_hex(16))
        if not follow:
            catalog.follow_nothing()
        with _Records.changed() as records:
            records.proven(library)
        remember(catalog, adopted=True)
    found = clauses([Message("recovery.taken-over", rows=rows.copied), *rows.remarks])
    return Message("library.adopted", found=found, kept=library / kept)


def take_restored(library: Path) -> Message | None:
    """As `backup.finish`, for a library that may not be this person's: its place says nothing of it then."""
    files = LibraryFiles(library)
    if files.has_folder(RESTORED) or files.has_folder(ARRIVING):
        with _Records.changed() as records:
            records.doubt(library)
    notice = backup.finish(library)
    try:
        recovery.finish(library / CATALOG)  # before anybody looks whose catalog it is
    except OSError as error:
        raise StorageError("library.folder-unusable", folder=library, reason=reason_of(error)) from error
    return notice


def _is_usual(library: Path) -> bool:
    """Whether a library lies where this program keeps it, or where a person has moved it to."""
    with suppress(StorageError):
        settings, _ = load(Settings, paths.settings_file())
        return library.absolute() in (paths.data_folder() / "library", Path(settings.library or library.anchor))
    return False


def _has_our_files(files: Sequence[VideoFile]) -> bool:
    """Whether a library of an older version, which knows no identity, was made here, by what it knows of files.

    Nobody elsewhere knows what number a file has on this computer's own disk, and when it was last written.
    """
    try:
        own = os.stat(paths.settings_file().parent if paths.settings_file().parent.exists() else Path.home()).st_dev
    except (OSError, RuntimeError, StorageError):
        return False
    for file in files:
        with suppress(OSError):
            status = os.stat(file.path)
            now = (status.st_dev, status.st_size, status.st_mtime_ns, status.st_ino)
            if now == (own, file.size, file.mtime_ns, file.inode):
                return True
    return False


class _Records:
    """The file of this person's libraries: {identity: {key, folders}}, and folders that an unproven one was put in."""

    def __init__(self, libraries: dict[str, dict[str, Any]], unproven: list[str]) -> None:
        self._libraries = libraries
        self._unproven = unproven

    @classmethod
    def read(cls) -> _Records:
        """What cannot be read counts for nothing: then libraries are adopted once more."""
        try:
            written = json.loads(paths.libraries_file().read_bytes())
            libraries = {
                str(identity): {"key": record["key"], "folders": [str(folder) for folder in record["folders"]]}
                for identity, record in written["libraries"].items()
                if len(bytes.fromhex(record["key"])) == _KEY_BYTES
            }
            return cls(libraries, [str(folder) for folder in written.get("unproven", [])])
        except FileNotFoundError:
            return cls({}, [])
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            log.warning("%s cannot be read, so libraries are asked about again: %s", paths.libraries_file(), error)
            return cls({}, [])

    @classmethod
    @contextmanager
    def changed(cls) -> Iterator[_Records]:
        """The records, written back in the end: whole, and for their owner alone. Raises: StorageError."""
        file = paths.libraries_file()
        try:
            make_private_folder(file.parent)
            with FileLock(file.with_suffix(".lock"), timeout=10, mode=0o600):
                records = cls.read()
                before = json.dumps([records._libraries, records._unproven])
                yield records
                if json.dumps([records._libraries, records._unproven]) != before:
                    content = json.dumps({"libraries": records._libraries, "unproven": records._unproven}, indent=1)
                    with atomic_write(file, private=True, flush=True) as stream:
                        stream.write(content.encode())
        except OSError as error:
            raise StorageError("library.records-not-written", file=file, reason=reason_of(error)) from error

    def key_of(self, identity: str) -> bytes:
        record = self._libraries.get(identity)
        return bytes.fromhex(record["key"]) if record else b""

    def identity_in(self, library: Path) -> str:
        """Of the library that lay in a folder when it was last open, '' where none is known."""
        place = str(library.absolute())
        return next((i for i, record in self._libraries.items() if place in record["folders"]), "")

    def key_in(self, library: Path) -> bytes:
        return self.key_of(self.identity_in(library))

    def is_unproven(self, library: Path) -> bool:
        return str(library.absolute()) in self._unproven

    def add(self, identity: str, library: Path) -> bytes:
        record = self._libraries.setdefault(identity, {"key": secrets.token_hex(_KEY_BYTES), "folders": []})
        place = str(library.absolute())
        if place not in record["folders"]:
            self._leave(place)
            record["folders"].append(place)
        return bytes.fromhex(record["key"])

    def doubt(self, library: Path) -> None:
        """From now on its place says nothing of the library in it."""
        place = str(library.absolute())
        self._leave(place)
        if place not in self._unproven:
            self._unproven.append(place)

    def proven(self, library: Path) -> None:
        place = str(library.absolute())
        self._unproven = [folder for folder in self._unproven if folder != place]

    def _leave(self, place: str) -> None:
        for record in self._libraries.values():
            record["folders"] = [folder for folder in record["folders"] if folder != place]
