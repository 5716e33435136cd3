"""Decides which libraries are this person's own: made here or adopted. Any other library is opened read-only.

A person's configuration holds the identity, a secret key and the known folders of each library of theirs. The identity
is also in the catalog; the key never leaves this computer, and proves that a graph file was built here. Adopting
rebuilds the catalog in our own schema from valid rows, and keeps the old one.
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
    NEW = "new"  # no catalog yet
    OURS = "ours"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True)
class Standing:
    """The origin of a library, and the key that authenticates its graphs; empty if it has none."""

    origin: Origin
    key: bytes = b""


def standing(library: Path) -> Standing:
    """Return the origin of a library without opening it. Raises: StorageError, LibraryTooNew."""
    records, path = _Records.read(), library / CATALOG
    files = LibraryFiles(library)
    if not os.path.lexists(path) or (files.has(CATALOG) and files.entry(CATALOG).size == 0):
        return Standing(Origin.NEW)
    try:
        found = provenance.look(library)
    except StorageError:
        return Standing(Origin.STRANGE)  # opening it reports the reason
    except LibraryDamaged:  # identified by its folder alone, and repaired when opened
        key = records.key_in(library)
        usual = _is_usual(library) and not records.is_unproven(library)
        return Standing(Origin.OURS if key or usual else Origin.STRANGE, key)
    if found.identity is None:
        ours = not records.is_unproven(library) and (_is_usual(library) or _has_our_files(found.files))
        return Standing(Origin.OURS if ours else Origin.STRANGE)
    key = records.key_of(found.identity)
    return Standing(Origin.OURS if key and not found.is_altered else Origin.STRANGE, key)


def require_ours(library: Path) -> Standing:
    """Return the origin of a library. Raises: LibraryStrange if it must be adopted before any change, StorageError."""
    found = standing(library)
    # A file that is not a catalog at all is passed on: opening it reports that, and leaves it alone.
    if found.origin is Origin.STRANGE and recovery.is_ours(library / CATALOG):
        raise LibraryStrange(strange(library))
    with _Records.changed():
        pass  # check that the records can be written: otherwise a new library would be strange the next time
    return found


def strange(library: Path) -> Message:
    """Return the message about a library that is not ours, with the remedy."""
    return Message("library.strange", library=library)


def key_of(catalog: Catalog) -> bytes:
    """Return the key of a library that is open for reading; empty if it is not this person's own."""
    return _Records.read().key_of(catalog.identity())


def key_in(library: Path) -> bytes:
    """Return the key of the library last open for writing in a folder; empty if unknown."""
    records = _Records.read()
    return records.key_in(library) or records.key_in(library.resolve())


def remember(catalog: Catalog, adopted: bool = False) -> bytes:
    """Record a library that is open for writing as this person's own; return its key. Raises: StorageError.

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
    """Make a library this person's own; return a message about it. The caller holds the writer's lock.

    `follow`: index the folders listed in it, at their paths on this computer; otherwise they are ignored until they are
    added again. Raises: LibraryTooNew, LibraryDamaged, StorageError.
    """
    files, path = LibraryFiles(library), library / CATALOG
    if not recovery.is_ours(path):
        raise LibraryDamaged("library.no-catalog", library=library)
    try:
        provenance.require_known_version(path)
        for folder in (THUMBNAILS, GRAPHS, CALIBRATION):
            files.free_folder(folder)
        for name in [*files.walk(GRAPHS), *files.walk(CALIBRATION)]:  # both are rebuilt
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
    """Finish a restore (`backup.finish`). A restored library's folder does not prove that it is this person's."""
    files = LibraryFiles(library)
    if files.has_folder(RESTORED) or files.has_folder(ARRIVING):
        with _Records.changed() as records:
            records.doubt(library)
    notice = backup.finish(library)
    try:
        recovery.finish(library / CATALOG)  # before the origin of the catalog is checked
    except OSError as error:
        raise StorageError("library.folder-unusable", folder=library, reason=reason_of(error)) from error
    return notice


def _is_usual(library: Path) -> bool:
    """Return whether a library is in the default folder, or in the folder that a person moved it to."""
    with suppress(StorageError):
        settings, _ = load(Settings, paths.settings_file())
        return library.absolute() in (paths.data_folder() / "library", Path(settings.library or library.anchor))
    return False


def _has_our_files(files: Sequence[VideoFile]) -> bool:
    """Return whether a library of an older version, without identity, was made here, judging by its files.

    The inode and mtime of a file on this computer's own disk are not known elsewhere.
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
    """The file of this person's libraries: {identity: {key, folders}}, and the folders of unproven libraries."""

    def __init__(self, libraries: dict[str, dict[str, Any]], unproven: list[str]) -> None:
        self._libraries = libraries
        self._unproven = unproven

    @classmethod
    def read(cls) -> _Records:
        """Read the records. An unreadable file counts as empty: libraries then have to be adopted again."""
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
        """Yield the records and write back changes, atomically and readable by the owner only. Raises: StorageError."""
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
        """Return the identity of the library last open in a folder, '' if unknown."""
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
        """Stop trusting a library by its folder."""
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
