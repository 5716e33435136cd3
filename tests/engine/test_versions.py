"""Libraries of other versions: an older one is migrated with a backup, a newer one is refused and unchanged."""

from __future__ import annotations

import queue
import sqlite3
from pathlib import Path

import pytest

from cret_desktop.engine import adoption, protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import LibraryTooNew
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.reasons import written
from tests.videos import write_colours

WAIT = 60.0
WITH_SENTENCES = 8  # the last schema with English sentences as reasons
# Files left by an engine that opens nothing: its lock and its log.
OF_EVERY_START = {"writer.lock", "writer.pid", "engine.log"}


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path / "library", factory="tests.fakes:open_library")


def contents(library: Path) -> dict[str, bytes]:
    files = {path.relative_to(library).as_posix(): path for path in library.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in OF_EVERY_START}


def test_a_downgrade_is_refused_before_anything_is_touched(config: EngineConfig, tmp_path: Path) -> None:
    video = write_colours(tmp_path / "red.mp4", ["red"])
    with EngineClient(config) as client:
        done: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        client.subscribe(lambda event: done.put(event) if isinstance(event, protocol.IndexFinished) else None)
        client.request(protocol.AddFolders((str(video),))).result(WAIT)
        done.get(timeout=WAIT)
    with sqlite3.connect(config.library / "catalog.sqlite") as db:
        db.execute(f"PRAGMA user_version = {migrations.SCHEMA_VERSION + 1}")
    db.close()
    before = contents(config.library)
    with pytest.raises(LibraryTooNew, match=r"newer version .* Update the app; nothing was changed"):
        EngineClient(config).start()
    assert contents(config.library) == before


@pytest.mark.parametrize("schema", range(1, migrations.SCHEMA_VERSION))
def test_a_library_of_each_earlier_version_opens(config: EngineConfig, schema: int) -> None:
    """On the computer that made it, without a question: only there are the inodes of its files known."""
    config.library.mkdir()
    catalog, video = config.library / "catalog.sqlite", config.library.with_name("Córdoba.mp4")
    video.write_bytes(b"no video, but a file of this disk")
    there = video.stat()
    with sqlite3.connect(catalog) as db:
        migrations.prepare(db, schema)
        db.execute("INSERT INTO roots (id, path, added_at) VALUES (1, ?, 0)", (bytes(video.parent),))
        db.execute(
            "INSERT INTO files (root_id, path, size, mtime_ns, device, inode, state, reason)"
            " VALUES (1, ?, ?, ?, 1, ?, 'failed', ?)",
            (
                "Córdoba.mp4".encode(),
                there.st_size,
                there.st_mtime_ns,
                there.st_ino,
                written(Message("file.no-video")) if schema > WITH_SENTENCES else "The file holds no video.",
            ),
        )
        if schema >= migrations.IDENTITY_SINCE:
            db.execute("INSERT INTO library VALUES ('of this computer')")
    db.close()
    if schema >= migrations.IDENTITY_SINCE:
        with adoption._Records.changed() as records:
            records.add("of this computer", config.library)
    with EngineClient(config) as client:
        status = client.request(protocol.GetStatus()).result(WAIT)
        (failed,) = client.request(protocol.GetFailures()).result(WAIT)
    assert (failed.path, failed.reason) == (str(video), Message("file.no-video"))
    assert [folder.path for folder in status.folders] == [str(video.parent)]
    with sqlite3.connect(catalog) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (migrations.SCHEMA_VERSION,)
    db.close()
    (backup,) = config.library.glob("*backup*")
    with sqlite3.connect(backup) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema,)
        assert db.execute("SELECT count(*) FROM files").fetchone() == (1,)
    db.close()
