"""Opens untrusted catalogs: whatever their schema could execute is forbidden before the first row is read.

SQLite stores views, triggers and expressions in the file itself, so a file can bring its own. Reading is limited to
tables: no access through a view or trigger, no recursion, no function with side effects, no other file. A catalog is
written to only if each object of its schema is the one that `storage.sqlite.migrations` creates.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cret_desktop import foreign
from cret_desktop.library_files import LibraryFiles
from cret_desktop.messages import Message, clauses
from cret_desktop.storage.sqlite.migrations import SCHEMA_VERSION, prepare

BUSY_SECONDS = 10.0
_LARGEST_VALUE = 64 * 2**20  # bytes; the longest note has 400 kB
_FORBIDDEN = {
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_RECURSIVE,
}
# FTS5 creates these itself, and their spelling varies with SQLite's version.
_SHADOW = re.compile(r"(file|subtitle)_texts_(data|idx|content|docsize|config)")


@dataclass(frozen=True, slots=True)
class Difference:
    """How a catalog's schema differs from ours of the same version: names of tables, indices, views and triggers."""

    missing: frozenset[str]
    other: frozenset[str]  # of our names, but with another definition
    added: frozenset[str]

    @property
    def is_readable(self) -> bool:
        """Whether every object that we read has our definition."""
        return not self.missing and not self.other

    def __bool__(self) -> bool:
        return bool(self.missing or self.other or self.added)

    @property
    def reason(self) -> Message:
        """The difference as a part of a sentence. There must be one."""
        parts = []
        if self.missing:
            parts.append(Message("catalog.lacks", names=_some(self.missing)))
        if self.other:
            parts.append(Message("catalog.other", names=_some(self.other)))
        if self.added:
            parts.append(Message("catalog.added", names=_some(self.added)))
        return clauses(parts)


def _some(names: frozenset[str]) -> str:
    return foreign.visible(", ".join(sorted(names)[:5]))


def connect_to_read(path: Path, immutable: bool = False, repairing: bool = False) -> sqlite3.Connection:
    """Return a connection that only reads tables. `repairing` reads a damaged schema as far as possible.

    Raises: sqlite3.Error; OSError if SQLite would open anything but a regular file.
    """
    LibraryFiles(path.parent).settle(path.name, writing=False)
    how = "mode=ro&immutable=1" if immutable else "mode=ro"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # another thread may close it
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.text_factory = _text
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            if repairing:
                connection.execute("PRAGMA writable_schema = ON")
        except sqlite3.DatabaseError:
            if not repairing:
                raise  # unreadable; a repair finds out when it queries the tables
        _forbid(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Return a connection for the only writer, who checks the schema (`difference`) before the first change.

    Raises: as `connect_to_read`.
    """
    LibraryFiles(path.parent).settle(path.name, writing=True)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    connection.text_factory = _text
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    return connection


def forbid_what_differs(connection: sqlite3.Connection, version: int) -> None:
    """Forbid reading every object that differs from our schema of a version.

    Raises: sqlite3.Error.
    """
    differs = difference(connection, version)
    _forbid(connection, differs.other | differs.added)


def difference(connection: sqlite3.Connection, version: int | None = None) -> Difference:
    """Compare a catalog's schema with ours of `version`, by default the catalog's own version.

    Raises: sqlite3.Error.
    """
    if version is None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    ours, theirs = _ours(min(version, SCHEMA_VERSION)), _objects(connection)
    return Difference(
        missing=frozenset(ours.keys() - theirs.keys()),
        other=frozenset(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]),
        added=frozenset(theirs.keys() - ours.keys()),
    )


@cache
def _ours(version: int) -> dict[str, tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:")) as model:
        prepare(model, version)
        return _objects(model)


def _objects(connection: sqlite3.Connection) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for kind, name, table, sql in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        name = str(name)
        if name.startswith("sqlite_stat"):  # created by ANALYZE for the query planner; it executes nothing
            continue
        if _SHADOW.fullmatch(name) and isinstance(sql, str):
            sql = re.sub(r"[\s'\"]", "", sql).lower()
        while name in found:
            name += "'"  # a duplicate name counts as an extra object
        found[name] = (kind, table, sql)
    return found


def _forbid(connection: sqlite3.Connection, tables: Collection[str] = ()) -> None:
    """Let a connection read only tables, except these; SQLite asks while it prepares a statement."""

    def authorize(action: int, table: str | None, column: str | None, database: str | None, within: str | None) -> int:
        # `within` is the view or trigger that causes an access.
        if action in _FORBIDDEN or within is not None or (action == sqlite3.SQLITE_READ and table in tables):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
