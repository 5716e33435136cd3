"""The state of each file in each stage of indexing: waiting, claimed, done or failed.

A file without a row for a stage waits for it, so that a new stage needs no rows and a lost row costs only work.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Literal

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import PICTURES, StageCounts
from cret_desktop.messages import Message
from cret_desktop.paths import is_inside
from cret_desktop.storage.sqlite.beliefs import believed
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.reasons import written
from cret_desktop.storage.sqlite.rows import BEHIND, joined_path

_OF_ANOTHER_VERSION = "(s.state = 'done' AND s.version IS NOT :version)"
# A row `s` that is done but outdated for `:version`. Clips that a model has embedded are not embedded again.
_OUTDATED = {PICTURES: BEHIND}
_IS_FREE = "(s.owner IS NULL OR s.owner IS :owner OR coalesce(s.lease, 0) <= :now)"
_IN_REACH = "f.missing_since IS NULL AND NOT f.away"


class Stages:
    """The stages of one catalog's files (`library.ports.StageQueue`). Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def due(
        self, stage: str, version: str, root_id: int, within: str | None = None, owner: str | None = None
    ) -> list[tuple[int, VideoFile]]:
        rows = self._catalog.reader().execute(
            "SELECT f.id, r.path, f.path, f.size, f.mtime_ns, f.device, f.inode FROM files f"
            " JOIN roots r ON r.id = f.root_id WHERE f.id IN ("
            f"  SELECT s.file_id FROM stages s WHERE s.stage = :stage AND s.state = 'waiting' AND {_IS_FREE}"
            f"  UNION ALL SELECT s.file_id FROM stages s WHERE s.stage = :stage AND {_outdated(stage)} AND {_IS_FREE}"
            "  UNION ALL SELECT n.id FROM files n WHERE n.root_id = :root"
            "   AND NOT EXISTS (SELECT 1 FROM stages s WHERE s.file_id = n.id AND s.stage = :stage)"
            f" ) AND f.root_id = :root AND f.size >= 0 AND {_IN_REACH} ORDER BY f.path",
            {"stage": stage, "version": version, "root": root_id, "owner": owner, "now": time.time()},
        )
        kinds = "files.id roots.path files.path files.size files.mtime_ns files.device files.inode"
        found = [
            (file_id, VideoFile(joined_path(root, relative), size, mtime_ns, device, inode))
            for file_id, root, relative, size, mtime_ns, device, inode in believed(rows, kinds)
        ]
        return [(i, f) for i, f in found if within is None or is_inside(f.path, within)]

    def claim(self, stage: str, version: str, file_ids: Sequence[int], owner: str, seconds: float) -> list[int]:
        now = time.time()
        claimed: list[int] = []
        with self._catalog.write() as db:
            for file_id in file_ids:
                claimed += [
                    i
                    for (i,) in db.execute(
                        "INSERT INTO stages AS s (file_id, stage, state, owner, lease)"
                        " SELECT id, :stage, 'waiting', :owner, :lease FROM files WHERE id = :file"
                        " ON CONFLICT (file_id, stage) DO UPDATE SET owner = excluded.owner, lease = excluded.lease"
                        f" WHERE (s.state = 'waiting' OR {_outdated(stage)}) AND {_IS_FREE} RETURNING file_id",
                        {
                            "stage": stage, "version": version, "file": file_id, "owner": owner, "now": now,
                            "lease": now + seconds,
                        },
                    )
                ]  # fmt: skip
        return claimed

    def release(self, owner: str) -> int:
        with self._catalog.write() as db:
            return db.execute("UPDATE stages SET owner = NULL, lease = NULL WHERE owner = ?", (owner,)).rowcount

    def finish(
        self, stage: str, version: str, file_id: int, reason: Message | None = None, owner: str | None = None
    ) -> bool:
        with self._catalog.write() as db:
            is_ours = _may_end(db, stage, file_id, owner)
            if is_ours:
                end_stage(db, file_id, stage, "done", reason, version)
            return is_ours

    def fail(self, stage: str, file_id: int, reason: Message, owner: str | None = None) -> bool:
        with self._catalog.write() as db:
            is_ours = _may_end(db, stage, file_id, owner)
            if is_ours:
                end_stage(db, file_id, stage, "failed", reason)
            return is_ours

    def retry(self, stage: str) -> int:
        with self._catalog.write() as db:
            return wait_again(db, "s.state = 'failed' AND s.stage = ?", (stage,))

    def counts(self, stage: str, version: str) -> StageCounts:
        row = self._catalog.reader().execute(
            "SELECT sum(due), sum(NOT due AND state = 'done'), sum(state = 'failed'),"
            # BETWEEN two numbers excludes text and blobs.
            " sum(CASE WHEN due AND duration BETWEEN 0 AND 1e12 THEN duration ELSE 0 END) FROM ("
            "  SELECT coalesce(s.state, 'waiting') AS state, f.duration AS duration,"
            f"   coalesce(s.state, 'waiting') = 'waiting' OR {_outdated(stage)} AS due"
            "  FROM files f LEFT JOIN stages s ON s.file_id = f.id AND s.stage = :stage"
            f"  WHERE {_IN_REACH} LIMIT -1)",  # LIMIT keeps SQLite from evaluating `due` three times
            {"stage": stage, "version": version},
        )
        waiting, done, failed, seconds = row.fetchone()
        return StageCounts(waiting or 0, done or 0, failed or 0, float(seconds or 0))


def _outdated(stage: str) -> str:
    return _OUTDATED.get(stage, _OF_ANOTHER_VERSION)


def _may_end(db: sqlite3.Connection, stage: str, file_id: int, owner: str | None) -> bool:
    """Return whether a file still exists and no other owner claims its stage."""
    found = db.execute(
        "SELECT 1 FROM files f LEFT JOIN stages s ON s.file_id = f.id AND s.stage = ?"
        " WHERE f.id = ? AND (s.owner IS NULL OR s.owner IS ?)",
        (stage, file_id, owner),
    ).fetchone()
    return found is not None


def end_stage(
    db: sqlite3.Connection,
    file_id: int,
    stage: str,
    state: Literal["done", "failed"],
    reason: Message | None,
    version: str | None = None,
) -> None:
    """Record the result of a stage, within the transaction of a change. `version` None keeps the recorded version."""
    db.execute(
        "INSERT INTO stages AS s (file_id, stage, version, state, reason) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (file_id, stage) DO UPDATE SET version = coalesce(excluded.version, s.version),"
        " state = excluded.state, reason = excluded.reason, owner = NULL, lease = NULL",
        (file_id, stage, version, state, written(reason)),
    )


def wait_again(db: sqlite3.Connection, condition: str, values: Sequence[object] = ()) -> int:
    """Requeue stages `s` of files `f` that match an SQL condition, regular files only; return the number of files."""
    chosen = (
        f"SELECT s.file_id, s.stage FROM stages s JOIN files f ON f.id = s.file_id WHERE f.size >= 0 AND {condition}"
    )
    (files,) = db.execute(f"SELECT count(DISTINCT file_id) FROM ({chosen})", values).fetchone()
    db.execute(f"UPDATE stages SET state = 'waiting', reason = '' WHERE (file_id, stage) IN ({chosen})", values)
    return int(files)
