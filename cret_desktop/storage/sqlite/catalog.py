"""The catalog in SQLite, the library's only source of truth: its connections, its roots, and its files.

One writing connection behind a lock, one reading connection a thread. Changes of files are in `scans` and
`file_changes`, annotations in `annotations`, clips in `clips` and `embeddings`. Never touches a video file.
"""

from __future__ import annotations

import hmac
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cret_desktop.domain.records import FileRow, Root, RootCounts
from cret_desktop.errors import CretError, LibraryDamaged, LibraryMissing, StorageError, StoreFault, ValueRefused
from cret_desktop.foreign import short
from cret_desktop.library_files import CATALOG, MARK, LibraryFiles
from cret_desktop.messages import Message, render
from cret_desktop.paths import is_inside
from cret_desktop.storage.flush import flush_folder
from cret_desktop.storage.sqlite import recovery
from cret_desktop.storage.sqlite.beliefs import believed, fits
from cret_desktop.storage.sqlite.connections import connect_to_read, connect_to_write, difference
from cret_desktop.storage.sqlite.damage import DamageFound, reason_of
from cret_desktop.storage.sqlite.migrations import SCHEMA_VERSION, check_version, migrate, name_sort_key
from cret_desktop.storage.sqlite.reasons import reason_in
from cret_desktop.storage.sqlite.rows import BEHIND, FILE_COLUMNS, WITH_PICTURES, file_rows, joined_path, relative_path

COMPACTED_UNASKED = 16_384  # pages (64 MiB), at most: copying them blocks all writes, for example of a tag

log = logging.getLogger(__name__)


class Catalog:
    """The catalog of one library. Use as a context manager or call `close`.

    Raises from `open`: LibraryTooNew, LibraryDamaged, LibraryMissing (read-only and missing), StorageError.

    Every change raises StorageError if the disk is full or read-only, LibraryDamaged if SQLite finds damage; so does
    every read within `guarded`. A damaged catalog of ours is repaired when it is opened for writing. `notices` are
    messages about the opening and any repair. `unclean`: the last writer did not close it.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection | None) -> None:
        self.path = path
        self.notices: list[Message] = []
        self._key = b""  # authenticates roots added on this computer
        self.unclean = False
        self._writer = writer
        self._lock = threading.RLock()
        self._readers = threading.local()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._files = LibraryFiles(path.parent)
        self._damaged = False
        self._retired: Message | None = None  # why changes are refused

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Catalog:
        files = LibraryFiles(path.parent)
        with _translated(path):
            if read_only:
                return cls._open_to_read(path)
            files.make_folder("")
            files.tighten()
            recovery.finish(path)
            if not files.has(CATALOG):
                files.create(CATALOG)  # by us, because SQLite would make it readable by others
            try:
                return cls._open_to_write(path)
            except sqlite3.DatabaseError as error:
                if not (_is_damage(error) and recovery.is_ours(path)):
                    raise
                log.warning("The catalog %s is damaged (%s) and is being repaired", path, error)
                notice = recovery.recover(path)
            log.warning("%s", render(notice))
            catalog = cls._open_to_write(path)
            catalog.notices.append(notice)
            catalog.unclean = True
            return catalog

    @classmethod
    def _open_to_read(cls, path: Path) -> Catalog:
        if not os.path.lexists(path):
            raise LibraryMissing("library.missing", library=path.parent)
        catalog = cls(path, None)
        try:
            version = check_version(catalog.reader(), path)
            if not (differs := difference(catalog.reader())).is_readable:
                raise LibraryDamaged("catalog.altered", catalog=path, reason=differs.reason)
            if version < SCHEMA_VERSION:
                raise LibraryDamaged("library.older", library=path.parent, found=version)
        except BaseException:
            catalog.close()
            raise
        return catalog

    @classmethod
    def _open_to_write(cls, path: Path) -> Catalog:
        writer = connect_to_write(path)
        try:
            # Before any write to a file that may not be ours, and may have foreign triggers.
            version = check_version(writer, path)
            if differs := difference(writer):
                raise DamageFound(differs.reason)
            if not _has_numbers_left(writer):
                raise DamageFound(Message("catalog.no-numbers"))
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("PRAGMA synchronous = NORMAL")
            writer.execute("PRAGMA foreign_keys = ON")
            writer.execute("PRAGMA secure_delete = ON")  # otherwise deleted text stays in the file: see `forgetting`
            catalog = cls(path, writer)
            catalog._check_after_unclean_end()
            if version < SCHEMA_VERSION:
                recovery.drop_head(path)  # it has the older schema, with other columns
            migrate(writer, path)
            writer.execute("PRAGMA wal_checkpoint(PASSIVE)")  # so that the first page is in the file itself
            recovery.keep_head(path)
        except BaseException:
            writer.close()
            raise
        return catalog

    def close(self) -> None:
        with self._lock:
            for _, connection in self._opened:
                connection.close()
            self._opened.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
                if not self._damaged:
                    self._files.remove(MARK)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- identity ----------------------------------------------------------------------------------------------

    def identity(self) -> str:
        """Return the library's identity (see `engine.adoption`); '' if none is set."""
        row = self.reader().execute("SELECT id FROM library LIMIT 1").fetchone()
        return str(row[0]) if row is not None else ""

    def set_identity(self, identity: str) -> None:
        with self.write(durable=True) as db:
            db.execute("DELETE FROM library")
            db.execute("INSERT INTO library (id) VALUES (?)", (identity,))

    # --- roots ------------------------------------------------------------------------------------------------

    def add_root(self, path: str) -> Root:
        """Add `path` (absolute) to the library; return the root that covers it.

        Inside an existing root nothing is added; existing roots inside `path` are merged into it. Files of removed
        roots that are in `path` move to the new root, missing until they are seen. So do files of a root that is not
        followed: adding a folder is no request to index its parents.
        """
        path = os.path.abspath(path)
        with self.write() as db:
            for root in self._roots(db):
                if root.followed and is_inside(path, root.path):
                    return root
            new = _place_root(db, path, self._roots(db, "TRUE"))
            self._follow(db, new)
            return Root(new, path, False)

    def _follow(self, db: sqlite3.Connection, root_id: int) -> None:
        """Mark a root as added on this computer, so that it is scanned."""
        for volume, within, path in db.execute("SELECT volume, within, path FROM roots WHERE id = ?", (root_id,)):
            proof = _proof_of_root(self._key, path, volume, within)
            db.execute("UPDATE roots SET followed = ? WHERE id = ?", (proof, root_id))

    def trust_roots(self, key: bytes, as_they_are: bool = False) -> list[str]:
        """Stop following the roots that were not added with this key; return the paths of those in the library now.

        A changed catalog cannot make this computer scan other folders, because the key is not in the catalog.
        `as_they_are` gives every followed root a proof instead. Roots that are added later get one.
        """
        self._key = key
        rows = self.reader().execute(
            "SELECT id, path, volume, within, followed, removed_at FROM roots WHERE followed <> 0"
        )
        kinds = "roots.id roots.path roots.volume roots.within roots.followed roots.removed_at"
        foreign = {
            root_id: os.fsdecode(path) if removed_at is None else ""
            for root_id, path, volume, within, followed, removed_at in believed(rows.fetchall(), kinds)
            if followed != _proof_of_root(key, path, volume, within)
        }
        if foreign:
            with self.write(durable=True) as db:
                for root_id in foreign:
                    if as_they_are:
                        self._follow(db, root_id)
                    else:
                        db.execute("UPDATE roots SET followed = 0, offline = 1 WHERE id = ?", (root_id,))
        return [] if as_they_are else [path for path in foreign.values() if path]

    def follow_nothing(self) -> None:
        """Stop scanning all folders until they are added again; their data stays."""
        with self.write(durable=True) as db:
            db.execute("UPDATE roots SET followed = 0, offline = 1")

    def roots(self) -> list[Root]:
        return self._roots(self.reader())

    @staticmethod
    def _roots(db: sqlite3.Connection, condition: str = "removed_at IS NULL") -> list[Root]:
        rows = db.execute(
            f"SELECT id, path, offline, volume, within, device, inode, followed FROM roots WHERE {condition}"
            " ORDER BY path"
        ).fetchall()
        kinds = "roots.id roots.path roots.offline roots.volume roots.within roots.device roots.inode roots.followed"
        return [
            Root(i, os.fsdecode(p), bool(o), v, os.fsdecode(w), d, n, bool(followed))
            for i, p, o, v, w, d, n, followed in believed(rows, kinds)
        ]

    def remove_root(self, root_id: int) -> list[int]:
        """Remove a root from the library; return the ids of its clips, which are no longer searchable.

        Its files are missing until `FileChanges.purge`.
        """
        now = time.time()
        with self.write(durable=True) as db:
            gone = _live_clips(db, root_id)
            db.execute("UPDATE roots SET removed_at = ? WHERE id = ?", (now, root_id))
            db.execute("UPDATE files SET missing_since = ? WHERE root_id = ? AND missing_since IS NULL", (now, root_id))
            return gone

    def was_removed(self, path: str) -> bool:
        """Return whether a root of this path (absolute) was removed and can still be restored."""
        rows = self.reader().execute(
            "SELECT 1 FROM roots WHERE path = ? AND removed_at IS NOT NULL", (os.fsencode(path),)
        )
        return rows.fetchone() is not None

    def restore_root(self, path: str) -> list[int] | None:
        """Restore a removed root, present or not; return the ids of its clips, which are searchable again.

        Return None if no root of this path (absolute) was removed, or its data has been deleted.
        """
        with self.write(durable=True) as db:
            removed = db.execute(
                "SELECT id, removed_at FROM roots WHERE path = ? AND removed_at IS NOT NULL", (os.fsencode(path),)
            ).fetchone()
            if removed is None:
                return None
            db.execute("UPDATE files SET missing_since = NULL WHERE root_id = ? AND missing_since = ?", removed)
            root_id = _place_root(db, path, self._roots(db, "TRUE"))
            self._follow(db, root_id)
            return _live_clips(db, root_id)

    def set_offline(self, root_id: int, offline: bool) -> None:
        with self.write() as db:
            db.execute("UPDATE roots SET offline = ? WHERE id = ?", (int(offline), root_id))

    def place_root(self, root: Root) -> None:
        """Record the current location of a root, and that it is present. Its files move with it."""
        with self.write() as db:
            before = db.execute("SELECT path FROM roots WHERE id = ?", (root.id,)).fetchone()
            path = os.fsencode(root.path)
            db.execute(
                "UPDATE roots SET path = ?, offline = 0, volume = ?, within = ?, device = ?, inode = ? WHERE id = ?",
                (path, root.volume, os.fsencode(root.within), root.device, root.inode, root.id),
            )
            if root.followed:
                self._follow(db, root.id)
            if before != (path,):  # the words of its name are part of its files' search text
                db.execute("UPDATE files SET path = path WHERE root_id = ?", (root.id,))
                db.execute(
                    "UPDATE files SET name_key = ? WHERE root_id = ? AND path = x''", (name_sort_key(path), root.id)
                )

    # --- reading ----------------------------------------------------------------------------------------------

    def files(self, root_id: int, within: str | None = None) -> dict[str, FileRow]:
        """Return all files of a root (or in a folder within it) by absolute path, missing ones included."""
        return files_of(self.reader(), root_id, within)

    def counts(self, model: str) -> list[RootCounts]:
        """Return each root's counts. `pending` files wait for `model` (a fingerprint); `clips` may be another's."""
        db = self.reader()
        counts = {
            row[0]: row[1:]
            for row in db.execute(
                "SELECT f.root_id, count(*), sum(coalesce(s.state, '') = 'failed'),"
                f" sum(NOT f.away AND (coalesce(s.state, 'waiting') = 'waiting' OR {BEHIND})),"
                # BETWEEN two numbers excludes text and blobs.
                " sum(CASE WHEN s.state = 'done' AND f.duration BETWEEN 0 AND 1e12 THEN f.duration ELSE 0 END)"
                f" FROM files f {WITH_PICTURES}"
                " WHERE f.missing_since IS NULL GROUP BY f.root_id",
                {"version": model},
            )
        }
        clips = dict(
            db.execute(
                "SELECT f.root_id, count(*) FROM clips c JOIN files f ON f.id = c.file_id"
                " WHERE f.missing_since IS NULL GROUP BY f.root_id"
            ).fetchall()
        )
        result = []
        for root in self.roots():
            files, failed, pending, seconds = counts.get(root.id, (0, 0, 0, 0.0))
            result.append(RootCounts(root, files, clips.get(root.id, 0), failed, pending, seconds or 0.0))
        return result

    def failures(self) -> list[tuple[str, Message]]:
        """Return (path, reason) of every failed or incomplete stage of a file, and of subtitle files."""
        db = self.reader()
        rows = db.execute(
            "SELECT r.path, f.path, s.reason FROM stages s JOIN files f ON f.id = s.file_id"
            " JOIN roots r ON r.id = f.root_id WHERE s.reason != '' AND f.missing_since IS NULL"
        )
        kinds = "roots.path files.path stages.reason"
        found = [(joined_path(root, relative), reason_in(reason)) for root, relative, reason in believed(rows, kinds)]
        beside = db.execute(
            "SELECT DISTINCT s.path, s.reason FROM sidecars s JOIN files f ON f.id = s.file_id"
            " WHERE s.reason != '' AND f.missing_since IS NULL"
        )
        told = believed(beside, "sidecars.path sidecars.reason")
        found += [(os.fsdecode(path), reason_in(reason)) for path, reason in told]
        return sorted([(path, reason) for path, reason in found if reason is not None], key=lambda item: item[0])

    # --- connections ------------------------------------------------------------------------------------------

    def reader(self) -> sqlite3.Connection:
        """Return this thread's reading connection (the writer would see uncommitted changes)."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            with _translated(self.path):
                connection = connect_to_read(self.path, self._is_immutable())
            self._readers.connection = connection
            with self._lock:
                self._opened.append((threading.current_thread(), connection))
                ended = [opened for opened in self._opened if not opened[0].is_alive()]
                for opened in ended:  # threads come and go while the engine runs
                    opened[1].close()
                    self._opened.remove(opened)
        return connection

    def _is_immutable(self) -> bool:
        """Return whether to open the file as immutable: no writer exists without a log or the right to create one."""
        log = self.path.with_name(self.path.name + "-wal")
        return self._writer is None and not log.exists() and not os.access(self.path.parent, os.W_OK)

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run one transaction on the writing connection; roll it back if the block raises.

        `durable` puts it on the disk before this returns, for user input; indexing can be repeated.
        """
        with self._lock, self.guarded():
            self.check_writable()
            assert self._writer is not None
            if durable:
                self._writer.execute("PRAGMA synchronous = FULL")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self._writer.execute("PRAGMA synchronous = NORMAL")

    def check_writable(self) -> None:
        """Raises: StorageError if changes are refused."""
        if self._writer is None:
            raise StorageError("library.read-only", library=self.path.parent)
        if self._retired:
            raise StorageError(self._retired)

    @contextmanager
    def retiring(self, reason: Message) -> Iterator[None]:
        """Refuse writes within the block, and after it if it succeeds: changes then raise StorageError(`reason`)."""
        with self._lock:
            yield
            self._retired = reason

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Translate SQLite's errors in the block to CretErrors; damage found is repaired at the next opening.

        Raises: StoreFault for an error that concerns neither the disk nor damage.
        """
        try:
            with _translated(self.path):
                yield
        except LibraryDamaged as error:
            if isinstance(error.__cause__, sqlite3.Error) and not _is_damage(error.__cause__):
                raise _fault(error.__cause__) from error.__cause__
            if self._writer is not None:
                self._damaged = True
                with suppress(OSError):  # the disk may be full; the mark exists, and the next start checks for damage
                    self._files.write(MARK, _DAMAGED)
            raise
        except sqlite3.Error as error:
            raise _fault(error) from error

    def note_damage(self) -> None:
        """Have the catalog repaired when it is next opened for writing."""
        with self._lock:
            if self._writer is not None:
                self._damaged = True
                self._files.write(MARK, _DAMAGED)

    def compact(self) -> bool:
        """Return the space of deleted rows to the disk, and leave no trace of them. Return as `empty_log`."""
        with self._lock, self.guarded():
            if self._writer is None:
                return False
            self._writer.execute("VACUUM")
            emptied = self.empty_log()
            recovery.keep_head(self.path)
            return emptied

    def empty_log(self) -> bool:
        """Move all of the log into the file itself.

        Return False if a reader blocked that for too long: then deleted rows may still be in the file and its log.
        """
        with self._lock, self.guarded():
            if self._writer is None:
                return False
            return not self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def compact_if_due(self, forgotten: bool = False) -> None:
        """Run `compact` if most of the file is free or data was `forgotten`, and little has to be copied."""
        with self._lock, self.guarded():
            if self._writer is not None:
                free, pages = self._writer.execute("SELECT * FROM pragma_freelist_count, pragma_page_count").fetchone()
                if (forgotten or free > pages / 2) and pages - free <= COMPACTED_UNASKED:
                    self.compact()

    def _check_after_unclean_end(self) -> None:
        assert self._writer is not None
        if self._files.has(MARK):
            self.unclean = True
            if self._files.peek(MARK) == _DAMAGED:
                raise DamageFound(Message("catalog.found-in-use"))
            verdict = self._writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise DamageFound(Message("reason.said", text=short(str(verdict))))
            self._try_free_pages()
        else:
            self._files.write(MARK, b"")
        flush_folder(self.path.parent)

    def _try_free_pages(self) -> None:
        """Write to free pages and roll back, because `quick_check` does not detect a damaged free list."""
        assert self._writer is not None
        free = int(self._writer.execute("PRAGMA freelist_count").fetchone()[0])
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self._writer.execute("CREATE TABLE free_pages (content BLOB)")
            self._writer.execute("INSERT INTO free_pages VALUES (zeroblob(?))", (_PAGE * min(free, _FREE_PAGES_TRIED),))
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")


_PAGE, _FREE_PAGES_TRIED = 4096, 1000
_DAMAGED = b"damaged"


def files_of(db: sqlite3.Connection, root_id: int, within: str | None = None) -> dict[str, FileRow]:
    """Return the result of `Catalog.files`, as seen by a connection."""
    row = db.execute("SELECT path FROM roots WHERE id = ?", (root_id,)).fetchone()
    place = b"" if row is None or within is None else relative_path(within, os.fsdecode(row[0]))
    if place:
        # A range of the index on paths, so that scanning one folder does not read all rows of the root.
        separator = os.sep.encode()
        rows = db.execute(
            f"{FILE_COLUMNS} WHERE f.root_id = ? AND (f.path = ? OR (f.path > ? AND f.path < ?))",
            (root_id, place, place + separator, place + bytes([separator[0] + 1])),
        )
    else:
        rows = db.execute(f"{FILE_COLUMNS} WHERE f.root_id = ?", (root_id,))
    return {row.path: row for row in file_rows(rows)}


def _has_numbers_left(db: sqlite3.Connection) -> bool:
    """Return whether ids for new rows remain: SQLite has none above 2^63."""
    for table in ("roots", "models", "files", "clips", "tags"):
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
            continue  # in a new catalog, or an older one
        last = [row[0] for row in db.execute(f"SELECT max(id) FROM {table}") if row[0] is not None]
        last += [
            row[0] for row in db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)) if row[0] != 0
        ]
        if not all(fits([number], ["id"]) for number in last):
            return False
    return True


def _proof_of_root(key: bytes, path: bytes, volume: str, within: bytes) -> int:
    """Return the proof that a root was added with `key`: 62 bits of an HMAC over its path, volume and place on it."""
    parts = (path, volume.encode("utf-8", "surrogatepass"), within)
    digest = hmac.digest(key, b"".join(b"%d:%b" % (len(part), part) for part in parts), "sha256")
    return int.from_bytes(digest[:8], "big") >> 2 | 2  # neither 0 nor 1, and within SQLite's integers


def _place_root(db: sqlite3.Connection, path: str, known: Sequence[Root]) -> int:
    """Make a path that no present root covers a root; return its id. Files of other roots in the path move to it."""
    found = next((root.id for root in known if root.path == path), None)
    if found is None:
        # Adding the path again repairs an existing row with invalid values.
        row = db.execute(
            "INSERT INTO roots (path, added_at) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET"
            " added_at = excluded.added_at, offline = 0, volume = '', within = x'', device = 0, inode = 0,"
            " removed_at = NULL, followed = 1 RETURNING id",
            (os.fsencode(path), time.time()),
        ).fetchone()
        new = int(row[0])
    else:
        new = found
        db.execute("UPDATE roots SET removed_at = NULL WHERE id = ?", (new,))
    for root in known:
        if root.id == new or not (is_inside(root.path, path) or is_inside(path, root.path)):
            continue
        rows = db.execute("SELECT id, path FROM files WHERE root_id = ?", (root.id,)).fetchall()
        for file_id, relative in believed(rows, "files.id files.path"):
            whole = joined_path(os.fsencode(root.path), relative)
            if is_inside(whole, path):
                values = (new, relative_path(whole, path), file_id)
                db.execute("UPDATE files SET root_id = ?, path = ? WHERE id = ?", values)
        if is_inside(root.path, path):
            db.execute("DELETE FROM roots WHERE id = ?", (root.id,))
    return new


def _live_clips(db: sqlite3.Connection, root_id: int) -> list[int]:
    rows = db.execute(
        "SELECT c.id FROM clips c JOIN files f ON f.id = c.file_id"
        " WHERE f.root_id = ? AND f.missing_since IS NULL ORDER BY c.id",
        (root_id,),
    )
    return [clip_id for (clip_id,) in rows]


def _is_damage(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if isinstance(error, sqlite3.OperationalError) and "invalid fts5 file format" in str(error):
        return True  # FTS5 has no error code for that
    # A value larger than any of ours is damage.
    return isinstance(error, DamageFound) or code in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_TOOBIG,
    )


# Raised when SQLite refuses a value passed to it.
_REFUSED = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def _fault(error: sqlite3.Error) -> StoreFault:
    """Return the error for a failure that concerns neither the disk nor damage: a bug of ours."""
    return (ValueRefused if isinstance(error, _REFUSED) else StoreFault)(f"{type(error).__name__}: {error}")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Raise SQLite's and the system's errors as CretErrors that name the library."""
    try:
        yield
    except (CretError, sqlite3.IntegrityError):  # the latter is a bug of ours, not a fault of the file
        raise
    except sqlite3.OperationalError as error:
        raise _from_operation(path, error) from error
    except sqlite3.DatabaseError as error:
        if recovery.is_ours(path):
            raise LibraryDamaged("catalog.damaged", catalog=path, reason=reason_of(error)) from error
        raise LibraryDamaged("catalog.not-ours", catalog=path, reason=reason_of(error)) from error
    except OSError as error:
        raise StorageError("library.folder-unusable", folder=path.parent, reason=reason_of(error)) from error


def _from_operation(path: Path, error: sqlite3.OperationalError) -> CretError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return StorageError("library.not-writable", library=path.parent, reason=reason_of(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError("library.busy", library=path.parent, reason=reason_of(error))
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StorageError("library.not-written", library=path.parent, reason=reason_of(error))
    return LibraryDamaged("catalog.unusable", catalog=path, reason=reason_of(error))
