"""Catalogs as earlier versions of the app wrote them, with the rows of a present one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from cret_desktop.messages import render
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.beliefs import COLUMNS
from cret_desktop.storage.sqlite.reasons import reason_in

_SENTENCES_UNTIL = 8  # the last schema in which reasons were English sentences
_OF_STAGES = "FROM newer.stages s WHERE s.file_id = files.id AND s.stage = 'pictures'"
# What the columns held that schemas before `STAGES_SINCE` had of files.
_FORMER = {
    "state": f"coalesce((SELECT CASE s.state WHEN 'done' THEN 'indexed' WHEN 'failed' THEN 'failed' END {_OF_STAGES}),"
    " 'pending')",
    "reason": f"coalesce((SELECT as_written(s.reason) {_OF_STAGES}), '')",
    "model_id": f"(SELECT m.id FROM newer.models m WHERE m.fingerprint = (SELECT s.version {_OF_STAGES}))",
}


def rewrite_in(schema: int, path: Path, tables: Sequence[str] = tuple(COLUMNS), *statements: str) -> None:
    """Put a catalog of an older schema in a catalog's place: the rows of these tables, then changed by statements."""

    def as_written(reason: str) -> str:
        message = reason_in(reason)
        return reason if schema > _SENTENCES_UNTIL or message is None else render(message)

    newer = path.rename(path.with_name("newer"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.prepare(db, schema)
        db.create_function("as_written", 1, as_written)
        db.execute("ATTACH ? AS newer", (str(newer),))
        for table in tables:
            columns = [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]
            if columns:
                given = [_FORMER.get(column, column) if table == "files" else column for column in columns]
                db.execute(
                    f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(given)} FROM newer.{table}"
                )
        for statement in statements:
            db.execute(statement)
    newer.unlink()
