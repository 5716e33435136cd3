"""Failure reasons in the catalog: messages come back equal, and sentences of older versions become messages."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cret_desktop.messages import Message
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.reasons import reason_in, written

BEFORE = 8  # the last version that stored sentences


@pytest.mark.parametrize(
    "reason",
    [
        None,
        Message("file.empty"),
        Message("file.not-opened", reason=Message("os.permission-denied")),
        Message("file.damaged", seconds=1.5),
        Message("file.said", text="\ud800 “a”\n"),
    ],
)
def test_a_reason_comes_back_equal(reason: Message | None) -> None:
    assert reason_in(written(reason)) == reason
    assert written(reason).isascii()


@pytest.mark.parametrize("text", ["The file is empty.", "{", "[]", '{"code":3}', "[" * 100_000, '{"code":"\x1b"}'])
def test_what_is_no_message_is_quoted(text: str) -> None:
    assert reason_in(text) == Message("file.said", text=text)


SENTENCES = {
    "The file is empty.": Message("file.empty"),
    "The file cannot be read: RuntimeError: a kernel failed.": Message(
        "file.unreadable", reason="RuntimeError: a kernel failed"
    ),
    "The folder cannot be listed: permission denied.": Message(
        "file.folder-not-listed", reason=Message("os.permission-denied")
    ),
    "The times of this file's pictures are damaged.": Message("file.bad-times"),
    "The file holds no video.": Message("file.no-video"),
    "The file is damaged or incomplete: it could be read up to 12 s only.": Message("file.damaged", seconds="12"),
    "Nobody has ever said this.": Message("file.said", text="Nobody has ever said this."),
}
BESIDE = {
    "The subtitles “a.srt” cannot be read: 9000000 bytes are too many.": Message(
        "file.subtitles-unreadable", name="a.srt", reason=Message("file.too-many-bytes", size="9000000")
    )
}


def test_sentences_of_an_older_version_become_messages(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with sqlite3.connect(path) as db:
        migrations.prepare(db, BEFORE)
        db.execute("INSERT INTO roots (id, path, added_at) VALUES (1, CAST('/videos' AS BLOB), 0)")
        for number, sentence in enumerate(["", *SENTENCES, b"The file is \xff."]):
            db.execute(
                "INSERT INTO files (id, root_id, path, size, mtime_ns, device, inode, state, reason)"
                " VALUES (?, 1, ?, 1, 1, 1, 1, 'failed', CAST(? AS TEXT))",
                (number + 1, b"%02d.mp4" % number, sentence),
            )
        for sentence in BESIDE:
            db.execute(
                "INSERT INTO sidecars (file_id, path, size, mtime_ns, reason) VALUES (1, x'61', 1, 1, ?)", (sentence,)
            )
    db.close()
    with Catalog.open(path) as catalog:
        reasons = [reason for _, reason in catalog.failures()]
        torn = Message("file.said", text="The file is \ufffd.")
        assert reasons == [*SENTENCES.values(), torn, *BESIDE.values()]
        assert [row.reason for row in catalog.files(1).values()] == [None, *SENTENCES.values(), torn]
    (kept,) = tmp_path.glob(f"catalog.v{BEFORE}.backup.sqlite")
    with sqlite3.connect(kept) as db:
        assert db.execute("SELECT reason FROM files WHERE id = 2").fetchone() == ("The file is empty.",)
    db.close()
