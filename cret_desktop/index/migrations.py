"""The catalog's schema, as the list of steps that lead to it. A step that was released is never edited again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cret_desktop.errors import LibraryTooNew

APPLICATION_ID = 0x43524554  # "CRET"; tells our catalogs from other people's SQLite files

STEPS = (
    """
    CREATE TABLE roots (
        id       INTEGER PRIMARY KEY AUTOINCREMENT,
        path     BLOB NOT NULL UNIQUE,              -- os.fsencode: names need not be UTF-8
        added_at REAL NOT NULL,
        offline  INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE models (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint TEXT NOT NULL UNIQUE,
        name        TEXT NOT NULL,
        width       INTEGER NOT NULL,
        centers     INTEGER NOT NULL
    );
    CREATE TABLE files (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        root_id       INTEGER NOT NULL REFERENCES roots(id) ON DELETE CASCADE,
        path          BLOB NOT NULL,                -- relative to the root; empty where the root is the file
        size          INTEGER NOT NULL,             -- -1: not a regular file
        mtime_ns      INTEGER NOT NULL,
        device        INTEGER NOT NULL,
        inode         INTEGER NOT NULL,
        fingerprint   BLOB,
        state         TEXT NOT NULL CHECK (state IN ('pending', 'indexed', 'failed')),
        reason        TEXT NOT NULL DEFAULT '',     -- why it failed, or what is missing of an indexed one
        model_id      INTEGER REFERENCES models(id),-- the model that indexed it last
        duration      REAL,
        width         INTEGER,
        height        INTEGER,
        frame_rate    REAL,
        codec         TEXT,
        container     TEXT,
        missing_since REAL,
        UNIQUE (root_id, path)
    );
    CREATE INDEX files_by_fingerprint ON files(fingerprint) WHERE fingerprint IS NOT NULL;
    CREATE TABLE clips (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: the vector index's labels
        file_id     INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
        ordinal     INTEGER NOT NULL,
        shot        INTEGER NOT NULL,
        start       REAL NOT NULL,
        end         REAL NOT NULL,
        sprite      TEXT NOT NULL,                      -- file name under thumbnails/, or ''
        tile_width  INTEGER NOT NULL,
        tile_height INTEGER NOT NULL,
        poster      INTEGER NOT NULL,
        times       BLOB NOT NULL,                      -- float64, seconds, one a frame
        UNIQUE (file_id, ordinal)
    );
    CREATE TABLE embeddings (
        clip_id  INTEGER NOT NULL REFERENCES clips(id) ON DELETE CASCADE,
        model_id INTEGER NOT NULL REFERENCES models(id) ON DELETE CASCADE,
        globals  BLOB NOT NULL,                         -- float16 [M, D]
        centers  BLOB NOT NULL,                         -- float16 [C, D], empty where the model has none
        PRIMARY KEY (model_id, clip_id)
    );
    CREATE INDEX embeddings_by_clip ON embeddings(clip_id);
    CREATE TABLE graphs (
        generation      INTEGER PRIMARY KEY,
        model           TEXT NOT NULL,                  -- fingerprint
        file            TEXT NOT NULL,
        size            INTEGER NOT NULL,
        digest          TEXT NOT NULL,
        last_clip_id    INTEGER NOT NULL,
        count           INTEGER NOT NULL,
        width           INTEGER NOT NULL,
        space           TEXT NOT NULL,
        m               INTEGER NOT NULL,
        ef_construction INTEGER NOT NULL,
        library_version TEXT NOT NULL
    );
    """,
)

SCHEMA_VERSION = len(STEPS)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the catalog to SCHEMA_VERSION, one transaction a step, with a backup beside it before the first.

    Raises: LibraryTooNew. sqlite3.Error as it comes (the catalog translates).
    """
    version = check_version(connection, path)
    if 0 < version < SCHEMA_VERSION:
        backup = path.with_name(f"{path.stem}.v{version}.backup{path.suffix}")
        target = sqlite3.connect(backup)
        try:
            connection.backup(target)
        finally:
            target.close()
    for number in range(version, SCHEMA_VERSION):
        # executescript would commit first; the step and its version must be one transaction.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{STEPS[number]}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number + 1};\nCOMMIT;"
        )


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The catalog's version, 0 for a new file. Raises: LibraryTooNew, sqlite3.DatabaseError for a foreign file."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if tables and application != APPLICATION_ID:
        raise sqlite3.DatabaseError("a database of another program")
    if version > SCHEMA_VERSION:
        raise LibraryTooNew(
            f"The library {path.parent} was made by a newer version of CRET Desktop (schema {version}, this version "
            f"knows {SCHEMA_VERSION}). Update the app; nothing was changed."
        )
    return version
