"""Deleted words are in no byte of the library's folder, except in files that the answer lists."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.records import Line, SavedSearch, Sidecar
from cret_desktop.library.keeping import forgetting
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.forgetting import drop_forgotten_words, forget_gone
from cret_desktop.storage.sqlite.listing import Listing
from cret_desktop.storage.sqlite.migrations import name_sort_key
from cret_desktop.storage.sqlite.texts import Texts
from tests.storage.sqlite.test_catalog import indexed

WINDOW = 5  # characters: FTS5 stores only the part of a word that differs from its neighbour


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog.open(tmp_path / "library" / "catalog.sqlite") as opened:
        yield opened


def traces(library: Path, words: Iterable[str]) -> dict[str, str]:
    """Return parts of these words in any stored form, each with a file of the library that contains it."""
    named = {str(copy) for copy in forgetting.copies(library)}
    kept = [p for p in library.rglob("*") if p.is_file() and not any(str(q) in named for q in (p, *p.parents))]
    found = {}
    for path in kept:
        content = path.read_bytes()
        for word in words:
            for form in {word, word.casefold(), name_sort_key(word.encode()), json.dumps(word)[1:-1]}:
                for at in range(len(form) - WINDOW + 1):
                    if form[at : at + WINDOW].encode() in content:
                        found[form[at : at + WINDOW]] = path.name
    return found


def forget(catalog: Catalog, path: str) -> None:
    forget_gone(catalog, path)
    drop_forgotten_words(catalog)
    assert catalog.compact()


# Letter sequences that occur neither in our schema nor in the names of remaining files.
WORD = st.text(alphabet="qxzjkWẅź", min_size=WINDOW + 3, max_size=14)
KEPT = "a holiday in may"


def speak(catalog: Catalog, file_id: int, number: int, word: str) -> None:
    Annotations(catalog).set_note(file_id, f"{word} {word}")
    Annotations(catalog).change_tags([file_id], [word], [])
    Texts(catalog).set_subtitles(file_id, [Sidecar(f"/videos/{word}.srt", 1, 1)], [Line(number, number + 1, word)] * 40)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(WORD, st.sampled_from(["gone", "removed", "purged", "changed"])),
        unique_by=lambda w: w[0],
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_no_byte_of_what_was_forgotten_is_left(
    tmp_path_factory: pytest.TempPathFactory, left: list[tuple[str, str]], by_path: bool
) -> None:
    library = tmp_path_factory.mktemp("library")
    words = [word for word, _ in left]
    with Catalog.open(library / "catalog.sqlite") as catalog:
        changes, annotations = FileChanges(catalog), Annotations(catalog)
        staying, _ = indexed(catalog, f"{KEPT}.mp4", 2, content=b"stays")
        for number, (word, how) in enumerate(left):
            named = how != "changed"
            name = f"{word}/{word}.mp4" if named else f"{number}.mp4"
            file_id, _ = indexed(catalog, name, 2, content=b"%d" % number)
            speak(catalog, file_id, number, word)
            annotations.save_search(SavedSearch(word, word, word, Sort.NAME, False))
            indexed(catalog, f"may {number}.mp4", 1, content=b"may %d" % number)
            if not named:
                speak(catalog, file_id, number, KEPT)
                annotations.change_tags([file_id], [], [word])
            annotations.forget_search(word)
            with catalog.write() as db:
                if named:
                    db.execute(
                        "UPDATE files SET missing_since = ? WHERE id = ?", (2.0 if how == "purged" else 5.0, file_id)
                    )
                if how == "removed":
                    root = db.execute(
                        "INSERT INTO roots (path, added_at, removed_at) VALUES (?, 0, 5)",
                        (f"/{word}{number}".encode(),),
                    )
                    db.execute("UPDATE files SET root_id = ? WHERE id = ?", (root.lastrowid, file_id))
            if how == "purged":
                changes.purge(3.0)
        speak(catalog, staying, 0, KEPT)
        assert traces(library, words), "the test sees what is there"
        if by_path and all(how in ("gone", "changed") for _, how in left):
            forget(catalog, "/videos")
        else:
            forget(catalog, "")
        assert traces(library, words) == {}
        assert [hit.file_id for hit in Texts(catalog).files(["holiday"], 10)].count(staying) == 1
        assert Listing(catalog).files([staying])[staying].note == f"{KEPT} {KEPT}"
    assert traces(library, words) == {}
    with closing(sqlite3.connect(library / "catalog.sqlite")) as db:
        db.execute("INSERT INTO file_texts (file_texts) VALUES ('integrity-check')")
        db.execute("INSERT INTO subtitle_texts (subtitle_texts) VALUES ('integrity-check')")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_moving_rows_leaves_within_pages_is_gone_too(catalog: Catalog) -> None:
    root = catalog.add_root("/videos")
    with catalog.write() as db:
        for number in range(400):
            path, note = (
                (f"qxzjk{number}/qxzjk.mp4", "qxzjk " * (number % 60)) if number % 2 else (f"{number}.mp4", KEPT)
            )
            db.execute(
                "INSERT INTO files (root_id, path, size, mtime_ns, device, inode, note, missing_since)"
                " VALUES (?, ?, 1, 1, 1, 1, ?, ?)",
                (root.id, path.encode(), note, 5.0 if number % 2 else None),
            )
    forget(catalog, "")
    assert traces(catalog.path.parent, ["qxzjk"]) == {}


def test_only_what_has_left_from_there_is_forgotten(catalog: Catalog) -> None:
    ids = {name: indexed(catalog, name, 1, content=name.encode())[0] for name in ("a/1.mp4", "a/2.mp4", "ab/3.mp4")}
    away, _ = indexed(catalog, "a/4.mp4", 1, content=b"4")
    for file_id in (*ids.values(), away):
        Annotations(catalog).set_note(file_id, "said")
    Annotations(catalog).change_tags([ids["a/1.mp4"]], ["lonely", "shared"], [])
    Annotations(catalog).change_tags([away], ["shared"], [])
    with catalog.write() as db:
        db.execute("UPDATE files SET missing_since = 5 WHERE id IN (?, ?)", (ids["a/1.mp4"], ids["ab/3.mp4"]))
        db.execute("UPDATE files SET away = 1 WHERE id = ?", (away,))
    gone = forget_gone(catalog, "/videos/a")
    assert (gone.videos, gone.folders, gone.kept, gone.staying) == (1, 0, 0, 2)
    assert (len(gone.clips), gone.sprites) == (1, ()), "others show the same picture"
    left = Listing(catalog).files([*ids.values(), away])
    assert set(left) == {ids["a/2.mp4"], ids["ab/3.mp4"], away}
    assert [name for name, _ in Annotations(catalog).tags()] == ["shared"]
    assert forget_gone(catalog, "/videos/ab").videos == 1
    assert forget_gone(catalog, "/videos/ab").videos == 0, "safe to repeat"


def test_what_is_forgotten_is_not_kept_for_its_return(catalog: Catalog) -> None:
    def lost(name: str, content: bytes) -> None:
        file_id, _ = indexed(catalog, name, 1, content=content)
        Annotations(catalog).set_note(file_id, "mine")
        with catalog.write() as db:
            db.execute("UPDATE files SET missing_since = 5 WHERE id = ?", (file_id,))

    def note_of(name: str, content: bytes) -> str:
        file_id, _ = indexed(catalog, name, 1, content=content)
        return Listing(catalog).files([file_id])[file_id].note

    lost("forgotten.mp4", b"1")
    forget_gone(catalog, "/videos/forgotten.mp4")
    assert note_of("back.mp4", b"1") == ""
    lost("long ago.mp4", b"2")
    FileChanges(catalog).purge(time.time())
    assert forget_gone(catalog, "/videos").kept == 0, "nobody knows any more where that was"
    assert forget_gone(catalog, "").kept == 1
    assert note_of("long ago.mp4", b"2") == ""


def test_a_purge_forgets_tags_that_no_file_has(catalog: Catalog) -> None:
    file_id, _ = indexed(catalog, "a.mp4", 1)
    Annotations(catalog).change_tags([file_id], ["lonely"], [])
    catalog.remove_root(catalog.roots()[0].id)
    FileChanges(catalog).purge(time.time() + 1)
    assert catalog.reader().execute("SELECT count(*) FROM tags").fetchone() == (0,)
    again, _ = indexed(catalog, "b.mp4", 1, content=b"a.mp4")
    assert Listing(catalog).files([again])[again].tags == ("lonely",)


def test_what_is_deleted_is_overwritten_whatever_this_sqlite_is_built_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def careless(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **more)
        connection.execute("PRAGMA secure_delete = OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", careless)
    library = tmp_path / "library"
    words = [letter * 8 for letter in "qxzjk"]
    with Catalog.open(library / "catalog.sqlite") as catalog:
        for word in words:
            Annotations(catalog).save_search(SavedSearch("one", word * 50, "", Sort.NAME, False))
        assert catalog.empty_log()
        assert traces(library, words).keys() == {"kkkkk"}
        Annotations(catalog).forget_search("one")
        assert catalog.empty_log()
        assert traces(library, words) == {}


def test_a_reader_that_holds_the_log_is_told_of(catalog: Catalog) -> None:
    indexed(catalog, "a.mp4", 1)
    assert catalog._writer is not None
    catalog._writer.execute("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(catalog.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM files").fetchone()
        assert not catalog.compact()
        reader.execute("ROLLBACK")
    assert catalog.compact()


def test_copies_are_named_and_deleted_only_where_they_are_ours(tmp_path: Path) -> None:
    library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
    Catalog.open(library / "catalog.sqlite").close()
    assert forgetting.copies(library) == ()
    elsewhere.mkdir()
    (elsewhere / "photo.jpg").write_text("dear")
    ours = {"catalog.damaged-2026-01-02-030405.sqlite", "catalog.damaged-2026-01-02-030405.sqlite-wal",
            "catalog.v3.backup.sqlite", "engine.log.1"}  # fmt: skip
    theirs = {"letter.txt", "set-aside-mine", "catalog.damaged-mine.sqlite"}
    for name in ours | theirs | {"engine.log"}:
        (library / name).write_text("words")
    aside = library / "set-aside-2026-01-02-030405-678"
    aside.mkdir()
    (aside / "catalog.sqlite").write_text("words")
    (aside / "thumbnails").symlink_to(elsewhere, target_is_directory=True)
    links = {"set-aside-2026-01-02-030405": elsewhere, "catalog.v2.backup.sqlite": elsewhere / "photo.jpg"}
    for name, target in links.items():
        (library / name).symlink_to(target)
    assert {copy.name for copy in forgetting.copies(library)} == ours | theirs | links.keys() | {
        "engine.log",
        aside.name,
    }
    forgetting.delete_copies(library)
    assert {copy.name for copy in forgetting.copies(library)} == theirs | links.keys()
    assert (library / "engine.log").read_text() == ""
    (library / "engine.log").unlink()
    (library / "engine.log").symlink_to(elsewhere / "photo.jpg")
    forgetting.delete_copies(library)
    assert (elsewhere / "photo.jpg").read_text() == "dear"


def test_merging_ends_and_is_done_once(catalog: Catalog) -> None:
    for number in range(12):
        file_id, _ = indexed(catalog, f"{number}.mp4", 1)
        Texts(catalog).set_subtitles(file_id, [], [Line(0, 1, f"word{n} {number}") for n in range(50)])
    assert drop_forgotten_words(catalog)
    assert not drop_forgotten_words(catalog)
    for table in ("file_texts", "subtitle_texts"):
        segments = catalog.reader().execute(f"SELECT count(DISTINCT segid) FROM {table}_idx").fetchone()[0]
        assert segments <= 1
    assert list(itertools.islice(Texts(catalog).lines(["word7"], 99), 99))
