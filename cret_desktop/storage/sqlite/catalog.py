"""The catalog in SQLite, the library's only truth: its connections, its roots, and what it knows of files.

One writing connection behind a lock, one reading connection a thread. What changes files is in `scans` and
`file_changes`, what people say of them in `annotations`, clips in `clips` and `embeddings`. Never touches a video file.
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

COMPACTED_UNASKED = 16_384  # pages (64 MiB), at most: nothing can be written, no tag kept, while they are copied

log = logging.getLogger(__name__)


class Catalog:
    """The catalog of one library. Use as a context manager or call `close`.

    Raises from `open`: LibraryTooNew, LibraryDamaged, LibraryMissing (read-only and not there), StorageError.
    Every change raises StorageError when the disk is full or read-only, LibraryDamaged when SQLite finds damage; so
    does whatever reads within `guarded`. A catalog of ours that is damaged is repaired when it is opened for writing:
    `notices` say what came of it, and what else people should know of its opening. `unclean`: the last writer did not
    close it.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection | None) -> None:
        self.path = path
        self.notices: list[Message] = []
        self._key = b""  # proves which roots were added on this computer
        self.unclean = False
        self._writer = writer
        self._lock = threading.RLock()
        self._readers = threading.local()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._files = LibraryFiles(path.parent)
        self._damaged = False
        self._retired: Message | None = None  # why nothing can be changed any more

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
                files.create(CATALOG)  # by us, since SQLite would let others read it
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
            # Before anything is written to a file that may not be ours, and whose triggers may not be.
            version = check_version(writer, path)
            if differs := difference(writer):
                raise DamageFound(differs.reason)
            if not _has_numbers_left(writer):
                raise DamageFound(Message("catalog.no-numbers"))
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("PRAGMA synchronous = NORMAL")
            writer.execute("PRAGMA foreign_keys = ON")
            writer.execute("PRAGMA secure_delete = ON")  # else deleted words stay in the file: see `forgetting`
            catalog = cls(path, writer)
            catalog._check_after_unclean_end()
            if version < SCHEMA_VERSION:
                recovery.drop_head(path)  # it is that of the older schema, whose columns stand elsewhere
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
        """Which library this is (see `engine.adoption`); '' where nobody has said yet."""
        row = self.reader().execute("SELECT id FROM library LIMIT 1").fetchone()
        return str(row[0]) if row is not None else ""

    def set_identity(self, identity: str) -> None:
        with self.write(durable=True) as db:
            db.execute("DELETE FROM library")
            db.execute("INSERT INTO library (id) VALUES (?)", (identity,))

    # --- roots ------------------------------------------------------------------------------------------------

    def add_root(self, path: str) -> Root:
        """Make `path` (absolute) part of the library; returns the root that covers it.

        Inside an existing root nothing is added; existing roots inside `path` are taken up into it. What was removed
        with a root and lies in `path` is the new one's, missing until it is seen. So is what lies in a
        root that is not followed: whoever adds a folder has not asked for all that is around it.
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
        `as_they_are`: give every followed root a proof instead. Roots that are added later get one.
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
        """Leave all folders unlooked at until they are added again; what is known of them stays."""
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
        """Take a root out of the library; returns the ids of its clips, which can no longer be found.

        All it held waits as what is missing does, until `FileChanges.purge`.
        """
        now = time.time()
        with self.write(durable=True) as db:
            gone = _live_clips(db, root_id)
            db.execute("UPDATE roots SET removed_at = ? WHERE id = ?", (now, root_id))
            db.execute("UPDATE files SET missing_since = ? WHERE root_id = ? AND missing_since IS NULL", (now, root_id))
            return gone

    def was_removed(self, path: str) -> bool:
        """Return whether a root of this path (absolute) was removed, and can still be restored."""
        rows = self.reader().execute(
            "SELECT 1 FROM roots WHERE path = ? AND removed_at IS NOT NULL", (os.fsencode(path),)
        )
        return rows.fetchone() is not None

    def restore_root(self, path: str) -> list[int] | None:
        """Bring a removed root back as it was, be it there or not; returns the ids of its clips, which can be found
        again. None where no root of this path (absolute) was removed, or all of it has been forgotten."""
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
        """Note where a root lies now, and that it is there. All its files come with it where its path has changed."""
        with self.write() as db:
            before = db.execute("SELECT path FROM roots WHERE id = ?", (root.id,)).fetchone()
            path = os.fsencode(root.path)
            db.execute(
                "UPDATE roots SET path = ?, offline = 0, volume = ?, within = ?, device = ?, inode = ? WHERE id = ?",
                (path, root.volume, os.fsencode(root.within), root.device, root.inode, root.id),
            )
            if root.followed:
                self._follow(db, root.id)
            if before != (path,):  # words of its name are its files' to be found by
                db.execute("UPDATE files SET path = path WHERE root_id = ?", (root.id,))
                db.execute(
                    "UPDATE files SET name_key = ? WHERE root_id = ? AND path = x''", (name_sort_key(path), root.id)
                )

    # --- reading ----------------------------------------------------------------------------------------------

    def files(self, root_id: int, within: str | None = None) -> dict[str, FileRow]:
        """All files of a root (or in a folder within it) by absolute path, missing ones included."""
        return files_of(self.reader(), root_id, within)

    def counts(self, model: str) -> list[RootCounts]:
        """What each root holds. `pending` waits for indexing with `model` (a fingerprint); `clips` may be another's."""
        db = self.reader()
        counts = {
            row[0]: row[1:]
            for row in db.execute(
                "SELECT f.root_id, count(*), sum(coalesce(s.state, '') = 'failed'),"
                f" sum(NOT f.away AND (coalesce(s.state, 'waiting') = 'waiting' OR {BEHIND})),"
                # Between numbers no text lies, and no blob.
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
        """(path, reason) of every stage that failed or is incomplete of a file, and of subtitle files."""
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
        """This thread's reading connection (the writer would see what is not committed)."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            with _translated(self.path):
                connection = connect_to_read(self.path, self._is_immutable())
            self._readers.connection = connection
            with self._lock:
                self._opened.append((threading.current_thread(), connection))
                ended = [opened for opened in self._opened if not opened[0].is_alive()]
                for opened in ended:  # threads come and go for as long as the engine lives
                    opened[1].close()
                    self._opened.remove(opened)
        return connection

    def _is_immutable(self) -> bool:
        """SQLite shares a log with the writer in the same folder; where that cannot be made, there is no writer."""
        log = self.path.with_name(self.path.name + "-wal")
        return self._writer is None and not log.exists() and not os.access(self.path.parent, os.W_OK)

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction on the writing connection; rolled back when anything is raised inside.

        `durable`: on the disk before this returns, for what a person typed; indexing can be done again.
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
        """Raises: StorageError where nothing can be changed."""
        if self._writer is None:
            raise StorageError("library.read-only", library=self.path.parent)
        if self._retired:
            raise StorageError(self._retired)

    @contextmanager
    def retiring(self, reason: Message) -> Iterator[None]:
        """Nothing is written meanwhile, nor afterwards, where this ends well: then changes raise StorageError with
        `reason`."""
        with self._lock:
            yield
            self._retired = reason

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Around whatever reads: SQLite's errors as CretErrors; damage that is met is repaired at the next opening.

        Raises: StoreFault for what is neither of the disk nor damage.
        """
        try:
            with _translated(self.path):
                yield
        except LibraryDamaged as error:
            if isinstance(error.__cause__, sqlite3.Error) and not _is_damage(error.__cause__):
                raise _fault(error.__cause__) from error.__cause__
            if self._writer is not None:
                self._damaged = True
                with suppress(OSError):  # on a full disk; the mark is there, and the next start looks for the damage
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
        """Give the space of what was deleted back to the disk, and leave nothing of it there: as `empty_log`."""
        with self._lock, self.guarded():
            if self._writer is None:
                return False
            self._writer.execute("VACUUM")
            emptied = self.empty_log()
            recovery.keep_head(self.path)
            return emptied

    def empty_log(self) -> bool:
        """Bring all that is written into the file itself. False where a reader held that back for too long: what was
        deleted is still in the file and its log then."""
        with self._lock, self.guarded():
            if self._writer is None:
                return False
            return not self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def compact_if_due(self, forgotten: bool = False) -> None:
        """`compact` where most of the file waits to be used again or something was forgotten, and little is to be
        copied for it."""
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
        """Write into pages that are free, and take it back: `quick_check` does not see that their list is damaged."""
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
    """As `Catalog.files`, as a connection sees them."""
    row = db.execute("SELECT path FROM roots WHERE id = ?", (root_id,)).fetchone()
    place = b"" if row is None or within is None else relative_path(within, os.fsdecode(row[0]))
    if place:
        # A range of the index on paths: a look at one folder does not read the whole root's rows.
        separator = os.sep.encode()
        rows = db.execute(
            f"{FILE_COLUMNS} WHERE f.root_id = ? AND (f.path = ? OR (f.path > ? AND f.path < ?))",
            (root_id, place, place + separator, place + bytes([separator[0] + 1])),
        )
    else:
        rows = db.execute(f"{FILE_COLUMNS} WHERE f.root_id = ?", (root_id,))
    return {row.path: row for row in file_rows(rows)}


def _has_numbers_left(db: sqlite3.Connection) -> bool:
    """Whether new rows can be numbered on from those there are: SQLite refuses them beyond 2^63."""
    for table in ("roots", "models", "files", "clips", "tags"):
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
            continue  # of a new catalog, or an older one
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
    """Make a path that no present root covers a root of its own; returns its id. What others hold of it is its own."""
    found = next((root.id for root in known if root.path == path), None)
    if found is None:
        # One of this path that could not be believed is mended by being added again.
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
        return True  # FTS5 has no code of its own for that
    # A value that is larger than any of ours is none of ours.
    return isinstance(error, DamageFound) or code in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_TOOBIG,
    )


# SQLite refuses the values that it is given.
_REFUSED = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def _fault(error: sqlite3.Error) -> StoreFault:
    """An error of SQLite's that is neither of the disk nor damage: a defect of ours."""
    return (ValueRefused if isinstance(error, _REFUSED) else StoreFault)(f"{type(error).__name__}: {error}")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Raise SQLite's and the system's errors as CretErrors that name the library."""
    try:
        yield
    except (CretError, sqlite3.IntegrityError):  # the latter is a defect of ours, not of the file
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
