"""The catalog's schema, as a list of migration steps. A released step is never edited."""

from __future__ import annotations

import os
import re
import sqlite3
import unicodedata
from pathlib import Path

from cret_desktop.errors import LibraryTooNew
from cret_desktop.library_files import LibraryFiles
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite.copying import copy_catalog
from cret_desktop.storage.sqlite.damage import BadCatalog
from cret_desktop.storage.sqlite.reasons import from_sentence

_BACKUP = re.compile(r"catalog\.v\d+\.backup\.sqlite")
APPLICATION_ID = 0x43524554  # "CRET"; distinguishes our catalogs from other SQLite files

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
    """
    ALTER TABLE files ADD COLUMN favourite INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE files ADD COLUMN note TEXT NOT NULL DEFAULT '';
    ALTER TABLE files ADD COLUMN name_key TEXT NOT NULL DEFAULT '';  -- orders files as people order names
    UPDATE files SET name_key = name_sort_key(
        CASE WHEN length(path) THEN path ELSE (SELECT r.path FROM roots r WHERE r.id = root_id) END
    );
    CREATE INDEX files_by_name ON files(name_key) WHERE missing_since IS NULL;
    CREATE INDEX files_by_date ON files(mtime_ns) WHERE missing_since IS NULL;
    CREATE INDEX files_by_length ON files(duration) WHERE missing_since IS NULL;
    CREATE INDEX files_by_size ON files(size) WHERE missing_since IS NULL;
    CREATE INDEX files_by_inode ON files(inode);

    CREATE TABLE tags (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        name   TEXT NOT NULL,                       -- as it was first typed
        folded TEXT NOT NULL UNIQUE                 -- index.filters.fold_tag
    );
    CREATE TABLE file_tags (
        file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
        tag_id  INTEGER NOT NULL REFERENCES tags(id) ON DELETE CASCADE,
        PRIMARY KEY (file_id, tag_id)
    ) WITHOUT ROWID;
    CREATE INDEX file_tags_by_tag ON file_tags(tag_id);
    CREATE TABLE saved_searches (
        name    TEXT PRIMARY KEY,
        text    TEXT NOT NULL,
        without TEXT NOT NULL,
        sort    TEXT NOT NULL,
        reverse INTEGER NOT NULL
    );
    -- What people said of files whose folder they took out of the library, for when the files come back.
    CREATE TABLE kept_annotations (
        fingerprint BLOB PRIMARY KEY,
        favourite   INTEGER NOT NULL,
        note        TEXT NOT NULL,
        tags        TEXT NOT NULL                   -- a JSON list of names
    );

    CREATE TABLE sidecars (
        file_id  INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
        path     BLOB NOT NULL,                     -- os.fsencode, absolute
        size     INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        PRIMARY KEY (file_id, path)
    ) WITHOUT ROWID;
    CREATE TABLE subtitle_lines (
        id      INTEGER PRIMARY KEY,
        file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
        start   REAL NOT NULL,
        end     REAL NOT NULL,
        text    TEXT NOT NULL
    );
    CREATE INDEX subtitle_lines_by_file ON subtitle_lines(file_id);

    CREATE VIRTUAL TABLE file_texts USING fts5(
        name, folders, tags, note, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    CREATE VIRTUAL TABLE subtitle_texts USING fts5(
        text, content = 'subtitle_lines', content_rowid = 'id',
        tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    );
    -- A file's words: its name, the folders from its root's name down, its tags, its note. What follows the last
    -- separator of a path is found by stripping from its end all that is no separator.
    CREATE VIEW file_words AS
    SELECT id, substr(whole, length(above) + 1) AS name, above AS folders, tags, note FROM (
        SELECT id, whole, rtrim(whole, replace(replace(whole, '/', ''), '\\', '')) AS above, tags, note FROM (
            SELECT f.id AS id, f.note AS note,
                substr(r.path, length(rtrim(r.path, replace(replace(r.path, '/', ''), '\\', ''))) + 1)
                    || CASE WHEN length(f.path) THEN '/' || CAST(f.path AS TEXT) ELSE '' END AS whole,
                coalesce((
                    SELECT group_concat(g.name, char(10)) FROM file_tags t JOIN tags g ON g.id = t.tag_id
                    WHERE t.file_id = f.id
                ), '') AS tags
            FROM files f JOIN (SELECT id, CAST(path AS TEXT) AS path FROM roots) r ON r.id = f.root_id
        )
    );
    INSERT INTO file_texts (rowid, name, folders, tags, note) SELECT id, name, folders, tags, note FROM file_words;
    CREATE TRIGGER file_texts_insert AFTER INSERT ON files BEGIN
        INSERT INTO file_texts (rowid, name, folders, tags, note)
        SELECT id, name, folders, tags, note FROM file_words WHERE id = new.id;
    END;
    CREATE TRIGGER file_texts_update AFTER UPDATE OF root_id, path, note ON files BEGIN
        UPDATE file_texts SET (name, folders, tags, note) =
            (SELECT name, folders, tags, note FROM file_words WHERE id = new.id) WHERE rowid = new.id;
    END;
    CREATE TRIGGER file_texts_delete AFTER DELETE ON files BEGIN
        DELETE FROM file_texts WHERE rowid = old.id;
    END;
    CREATE TRIGGER file_texts_tag AFTER INSERT ON file_tags BEGIN
        UPDATE file_texts SET tags = (SELECT tags FROM file_words WHERE id = new.file_id) WHERE rowid = new.file_id;
    END;
    CREATE TRIGGER file_texts_untag AFTER DELETE ON file_tags BEGIN
        UPDATE file_texts SET tags = coalesce((SELECT tags FROM file_words WHERE id = old.file_id), '')
        WHERE rowid = old.file_id;
    END;
    CREATE TRIGGER subtitle_texts_insert AFTER INSERT ON subtitle_lines BEGIN
        INSERT INTO subtitle_texts (rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER subtitle_texts_delete AFTER DELETE ON subtitle_lines BEGIN
        INSERT INTO subtitle_texts (subtitle_texts, rowid, text) VALUES ('delete', old.id, old.text);
    END;
    """,
    """
    -- What a root is known by when its path is not there, or something else is (see library.indexing.volumes).
    ALTER TABLE roots ADD COLUMN volume TEXT NOT NULL DEFAULT '';       -- '' where it cannot be told
    ALTER TABLE roots ADD COLUMN within BLOB NOT NULL DEFAULT x'';      -- os.fsencode, from where the volume is mounted
    ALTER TABLE roots ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE roots ADD COLUMN inode INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX clips_by_sprite ON clips(sprite);                      -- copies share their thumbnails
    CREATE INDEX files_by_absence ON files(missing_since) WHERE missing_since IS NOT NULL;
    """,
    """
    -- What cannot be made again is in the catalog twice, on pages of its own each time, so that one damaged page loses
    -- none of it (see index.recovery). Tags and the notes of files are there twice already.
    CREATE INDEX files_by_favourite ON files(favourite) WHERE favourite;
    CREATE INDEX saved_searches_again ON saved_searches(name, text, without, sort, reverse);
    CREATE INDEX kept_annotations_again ON kept_annotations(fingerprint, favourite, note, tags);
    CREATE INDEX models_again ON models(fingerprint, name, width, centers);
    """,
    """
    -- A file that is not gone and cannot be reached: on a drive within its root that is unplugged, say.
    ALTER TABLE files ADD COLUMN away INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- When a person took it out of the library. Until it is purged it can be brought back, with all that it held.
    ALTER TABLE roots ADD COLUMN removed_at REAL;
    CREATE INDEX roots_again ON roots(path, added_at, offline, volume, within, device, inode, removed_at);
    """,
    """
    -- Which library this is, for who made or adopted it (`engine.adoption`); on two pages, as what people said.
    CREATE TABLE library (id TEXT NOT NULL);
    CREATE UNIQUE INDEX library_again ON library(id);
    -- Whether its owner wants the folder looked at: not before he was asked, where somebody else added it.
    ALTER TABLE roots ADD COLUMN followed INTEGER NOT NULL DEFAULT 1;
    -- HMAC of all else that is said of a graph, under the library's key (index.vector_index). Older graphs have none.
    ALTER TABLE graphs ADD COLUMN proof TEXT NOT NULL DEFAULT '';
    -- Why the lines of a subtitle file could not be read.
    ALTER TABLE sidecars ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    """,
    """
    -- CRC-32 of what is stored, by which a changed bit is noticed (storage.sqlite.checks). NULL until it is taken.
    ALTER TABLE embeddings ADD COLUMN checksum INTEGER;
    ALTER TABLE clips ADD COLUMN sprite_checksum INTEGER;
    ALTER TABLE subtitle_lines ADD COLUMN checksum INTEGER;
    -- `followed` is a proof that the root was added on this computer (storage.sqlite.catalog): it is there twice, too.
    DROP INDEX roots_again;
    CREATE INDEX roots_again ON roots(path, added_at, offline, volume, within, device, inode, removed_at, followed);
    """,
    """
    -- Reasons are messages from here on: JSON of their code and parameters (storage.sqlite.reasons).
    UPDATE files SET reason = reason_from_sentence(CAST(reason AS BLOB)) WHERE reason != '';
    UPDATE sidecars SET reason = reason_from_sentence(CAST(reason AS BLOB)) WHERE reason != '';
    """,
    """
    -- How far each stage of indexing is with each file. A file without a row of a stage waits for it.
    CREATE TABLE stages (
        file_id INTEGER NOT NULL REFERENCES files(id) ON DELETE CASCADE,
        stage   TEXT NOT NULL,
        version TEXT,                               -- what did it last, a model's fingerprint, say; or NULL
        state   TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
        reason  TEXT NOT NULL DEFAULT '',           -- why it failed, or what is missing though it is done
        owner   TEXT,                               -- who is at it, until `lease` (seconds since the epoch)
        lease   REAL,
        PRIMARY KEY (file_id, stage)
    ) WITHOUT ROWID;
    INSERT INTO stages (file_id, stage, version, state, reason)
    SELECT f.id, 'pictures', m.fingerprint,
        CASE f.state WHEN 'indexed' THEN 'done' WHEN 'failed' THEN 'failed' ELSE 'waiting' END, f.reason
    FROM files f LEFT JOIN models m ON m.id = f.model_id
    WHERE f.state != 'pending' OR m.fingerprint IS NOT NULL OR f.reason != '';
    CREATE INDEX stages_by_state ON stages(stage, state, version);
    ALTER TABLE files DROP COLUMN state;
    ALTER TABLE files DROP COLUMN reason;
    ALTER TABLE files DROP COLUMN model_id;
    -- CRC-32 of what decoding found out (storage.sqlite.checksums). NULL until it is taken.
    ALTER TABLE files ADD COLUMN checksum INTEGER;
    ALTER TABLE clips ADD COLUMN checksum INTEGER;
    """,
)

SCHEMA_VERSION = len(STEPS)
IDENTITY_SINCE = 7  # the first version whose catalogs have an identity
STAGES_SINCE = 10  # the first version that keeps a file's state in its stages


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrate the catalog to SCHEMA_VERSION, after a backup beside it; only the last backup is kept.

    Raises: LibraryTooNew; OSError and sqlite3.Error untranslated (the catalog translates them).
    """
    version = check_version(connection, path)
    if 0 < version < SCHEMA_VERSION:
        backup = path.with_name(f"{path.stem}.v{version}.backup{path.suffix}")
        copy_catalog(connection, backup)
        files = LibraryFiles(path.parent)
        for name, _ in files.listed(""):
            if _BACKUP.fullmatch(name) and name != backup.name:
                files.remove(name)
    prepare(connection)


def prepare(connection: sqlite3.Connection, version: int = SCHEMA_VERSION) -> None:
    """Run the steps up to a version, one transaction each. Raises: sqlite3.Error."""
    connection.create_function("name_sort_key", 1, name_sort_key, deterministic=True)
    connection.create_function("reason_from_sentence", 1, from_sentence, deterministic=True)
    for number in range(int(connection.execute("PRAGMA user_version").fetchone()[0]), version):
        # executescript would commit first; the step and its version must be one transaction.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{STEPS[number]}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number + 1};\nCOMMIT;"
        )


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the catalog's version, 0 if new. Raises: LibraryTooNew, sqlite3.DatabaseError for a foreign file."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if tables and application != APPLICATION_ID:
        raise BadCatalog(Message("catalog.foreign"))
    if version > SCHEMA_VERSION:
        raise LibraryTooNew("library.too-new", library=path.parent, found=version, known=SCHEMA_VERSION)
    return version


def name_sort_key(path: bytes) -> str:
    """Return a key for natural sorting by name: "clip 2" before "Clip 10", "Ärger" beside "Arger"."""
    name = unicodedata.normalize("NFKD", os.fsdecode(os.path.basename(path))).casefold()
    letters = "".join(c for c in name if not unicodedata.combining(c))
    padded = re.sub(r"\d+", lambda digits: digits[0].zfill(12), letters)
    return padded.encode("utf-8", "replace").decode("utf-8")
