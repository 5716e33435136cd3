from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.errors import StorageError
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.texts import Texts
from tests.narrowing import found
from tests.storage.sqlite.test_catalog import indexed


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library" / "catalog.sqlite") as opened:
        yield opened


def test_what_people_say_is_flushed_and_indexing_is_not(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 1)
    levels = []
    writer = found(catalog._writer)
    writer.set_trace_callback(
        lambda sql: (
            levels.append(writer.execute("PRAGMA synchronous").fetchone()[0])
            if sql.startswith("UPDATE files SET favourite")
            else None
        )
    )
    Annotations(catalog).set_favourite([file_id], True)
    writer.set_trace_callback(None)
    assert levels == [2], "FULL"
    assert writer.execute("PRAGMA synchronous").fetchone() == (1,)


def test_reading_only_says_so(catalog: Catalog) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 1)
    with Catalog.open(catalog.path, read_only=True) as reader:
        assert Annotations(reader).tags() == ()
        with pytest.raises(StorageError, match="reading only"):
            Annotations(reader).set_favourite([file_id], True)


WORD = st.sampled_from(["alpha", "beta", "gamma"])
ACTION = st.one_of(
    st.tuples(st.just("tag"), st.integers(0, 2), WORD),
    st.tuples(st.just("untag"), st.integers(0, 2), WORD),
    st.tuples(st.just("note"), st.integers(0, 2), WORD),
    st.tuples(st.just("rename"), st.integers(0, 2), WORD),
    st.tuples(st.just("remove"), st.integers(0, 2), WORD),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ACTION, max_size=12))
def test_the_full_text_index_agrees_with_the_files(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, str]]
) -> None:
    with Catalog.open(tmp_path_factory.mktemp("library") / "catalog.sqlite") as catalog:
        names = ["a.mp4", "b.mp4", "c.mp4"]
        ids = [indexed(catalog, name, 1)[0] for name in names]
        annotations = Annotations(catalog)
        for what, which, word in actions:
            if what == "tag":
                annotations.change_tags([ids[which]], [word], [])
            elif what == "untag":
                annotations.change_tags([ids[which]], [], [word])
            elif what == "note":
                if ids[which] in Listing(catalog).files(ids):
                    annotations.set_note(ids[which], word)
            elif what == "rename":
                with catalog.write() as db:
                    db.execute("UPDATE files SET path = ? WHERE id = ?", (f"{word}/{which}.mp4".encode(), ids[which]))
            else:
                with catalog.write() as db:
                    db.execute("DELETE FROM files WHERE id = ?", (ids[which],))
        for word in ("alpha", "beta", "gamma"):
            files = Listing(catalog).files(ids).values()
            expected = {f.id for f in files if word in f.tags or word in f.note or f"/{word}/" in f.path}
            assert {hit.file_id for hit in Texts(catalog).files([word], 10)} == expected
    with sqlite3.connect(catalog.path) as db:
        db.execute("INSERT INTO file_texts (file_texts) VALUES ('integrity-check')")
        db.execute("INSERT INTO subtitle_texts (subtitle_texts) VALUES ('integrity-check')")
    db.close()
