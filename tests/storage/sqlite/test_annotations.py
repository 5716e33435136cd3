from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.clips import LibraryFile, Sort
from cret_desktop.errors import PathError, QueryError, StorageError
from cret_desktop.library.identity import apply_scan
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.scans import Scans
from cret_desktop.storage.sqlite.texts import Texts
from cret_desktop.tags import LONGEST_TAG
from tests.storage.sqlite.test_catalog import MODEL, indexed, video


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library" / "catalog.sqlite") as opened:
        yield opened


def told(catalog: Catalog, file_id: int) -> tuple[bool, tuple[str, ...], str]:
    file: LibraryFile = Listing(catalog).files([file_id])[file_id]
    return file.favourite, file.tags, file.note


def annotate(catalog: Catalog, file_id: int) -> None:
    annotations = Annotations(catalog)
    annotations.set_favourite([file_id], True)
    annotations.change_tags([file_id], ["Family", "Zoo"], [])
    annotations.set_note(file_id, "grandma waves at 0:12")


ANNOTATED = (True, ("Family", "Zoo"), "grandma waves at 0:12")


def test_tags_are_one_whatever_their_case_and_spaces(catalog: Catalog) -> None:
    (a, _), (b, _) = indexed(catalog, "a.mp4", 1), indexed(catalog, "b.mp4", 1)
    annotations = Annotations(catalog)
    annotations.change_tags([a, b, 999], ["Summer  2024", "éclair"], [])
    annotations.change_tags([b], ["summer 2024", "Éclair", "beach"], [])
    assert annotations.tags() == (("beach", 1), ("Summer 2024", 2), ("éclair", 2))
    annotations.change_tags([a, b], [], ["SUMMER 2024", "not there"])
    assert annotations.tags() == (("beach", 1), ("éclair", 2))
    annotations.change_tags([a], ["summer 2024"], [])
    assert told(catalog, a)[1] == ("summer 2024", "éclair"), "a tag that nothing had is spelt anew"


@pytest.mark.parametrize("bad", ["", "  ", "x" * (LONGEST_TAG + 1)])
def test_bad_tags_change_nothing(catalog: Catalog, bad: str) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 1)
    with pytest.raises(QueryError, match="characters"):
        Annotations(catalog).change_tags([file_id], ["good", bad], [])
    assert Annotations(catalog).tags() == ()


def test_a_note_for_a_file_that_is_gone_is_not_lost_in_silence(catalog: Catalog) -> None:
    with pytest.raises(PathError, match="left the library"):
        Annotations(catalog).set_note(7, "hello")


def test_annotations_live_through_indexing_again_absence_and_changes(catalog: Catalog) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 2)
    annotate(catalog, file_id)
    root = catalog.roots()[0]
    apply_scan(Scans(catalog), root, [], [])
    assert told(catalog, file_id) == ANNOTATED
    assert Annotations(catalog).tags() == (), "what is not there is not counted"
    apply_scan(Scans(catalog), root, [video("/videos/a.mp4", size=777)], [])
    assert told(catalog, file_id) == ANNOTATED
    ((again, file),) = FileChanges(catalog).pending(root.id, MODEL.fingerprint)
    FileChanges(catalog).fail_file(again, file, "It will not decode.")
    assert (again, told(catalog, again)) == (file_id, ANNOTATED)


def test_annotations_move_with_a_file_that_was_never_indexed(catalog: Catalog) -> None:
    root = catalog.add_root("/videos")
    apply_scan(Scans(catalog), root, [video("/videos/old.mp4")], [])
    ((file_id, old),) = FileChanges(catalog).pending(root.id, MODEL.fingerprint)
    annotate(catalog, file_id)
    apply_scan(Scans(catalog), root, [], [])
    assert told(catalog, file_id) == ANNOTATED
    moved = type(old)("/videos/new/name.mp4", old.size, old.mtime_ns, old.device, old.inode)
    assert apply_scan(Scans(catalog), root, [moved], []).moved == 1
    assert Listing(catalog).files([file_id])[file_id].path == moved.path
    assert told(catalog, file_id) == ANNOTATED


def test_annotations_wait_for_a_folder_that_was_removed(catalog: Catalog) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 1, content=b"the same")
    annotate(catalog, file_id)
    catalog.remove_root(catalog.roots()[0].id)
    assert Annotations(catalog).tags() == ()
    FileChanges(catalog).purge(time.time() + 1)
    other, _ = indexed(catalog, "b.mp4", 1, content=b"another")
    again, _ = indexed(catalog, "renamed meanwhile.mp4", 1, content=b"the same")
    assert told(catalog, other) == (False, (), "")
    assert told(catalog, again) == ANNOTATED
    annotations = Annotations(catalog)
    annotations.set_note(again, "")
    indexed(catalog, "c.mp4", 1, content=b"the same")
    assert told(catalog, again)[2] == "", "given back once, and then the person's to change"


def test_saved_searches(catalog: Catalog) -> None:
    annotations = Annotations(catalog)
    annotations.save_search("Holidays  in France", "beach in:France", "rain", Sort.DATE, True)
    annotations.save_search("birthdays", "cake", "", Sort.RELEVANCE, False)
    annotations.save_search("birthdays", "candles", "", Sort.RELEVANCE, False)
    assert annotations.saved_searches() == [
        ("birthdays", "candles", "", Sort.RELEVANCE, False),
        ("Holidays in France", "beach in:France", "rain", Sort.DATE, True),
    ]
    annotations.forget_search("birthdays")
    assert [search[0] for search in annotations.saved_searches()] == ["Holidays in France"]
    with pytest.raises(QueryError, match="name"):
        annotations.save_search(" ", "x", "", Sort.NAME, False)


def test_what_people_say_is_flushed_and_indexing_is_not(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 1)
    levels = []
    assert catalog._writer is not None
    catalog._writer.set_trace_callback(
        lambda sql: (
            levels.append(catalog._writer.execute("PRAGMA synchronous").fetchone()[0])
            if sql.startswith("UPDATE files SET favourite")
            else None
        )
    )
    Annotations(catalog).set_favourite([file_id], True)
    catalog._writer.set_trace_callback(None)
    assert levels == [2], "FULL"
    assert catalog._writer.execute("PRAGMA synchronous").fetchone() == (1,)


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
def test_the_full_text_index_agrees_with_the_files(tmp_path_factory: pytest.TempPathFactory, actions: list) -> None:
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
