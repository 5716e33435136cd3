"""Damaged catalogs are set aside, and annotations are recovered whichever page is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cret_desktop.domain.clips import Sort
from cret_desktop.domain.filters import Filters
from cret_desktop.domain.records import SavedSearch
from cret_desktop.errors import LibraryDamaged, StorageError
from cret_desktop.library_files import MARK
from cret_desktop.storage.sqlite import migrations, recovery
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.file_changes import FileChanges
from cret_desktop.storage.sqlite.listing import Listing
from tests.said import said
from tests.storage.samples import MODEL
from tests.storage.sqlite.test_catalog import indexed, old_catalog

PAGE = 4096
FILES = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sound(tmp_path_factory.mktemp("sound"))


def make_sound(folder: Path) -> Path:
    """Create a library's folder with a catalog of many pages, cleanly closed."""
    with Catalog.open(folder / "catalog.sqlite") as catalog:
        said = Annotations(catalog)
        for number in range(FILES):
            file_id, _ = indexed(catalog, f"{number:03} {'long name ' * 8}.mp4", 1 + number % 5)
            if number % 3 == 0:
                said.change_tags([file_id], [f"Tag {number % 9}", "Ünïcode"], [])
            if number % 4 == 0:
                said.set_note(file_id, f"note {number}: " + "words " * 40)
            if number % 5 == 0:
                said.set_favourite([file_id], True)
        for number in range(30):
            said.save_search(SavedSearch(f"search {number}", "a red car " * 6, "trees", Sort.NAME, number % 2 == 0))
        gone = catalog.add_root("/gone")
        with catalog.write() as db:
            db.execute("UPDATE files SET root_id = ? WHERE path IN (SELECT path FROM files LIMIT 10)", (gone.id,))
        catalog.remove_root(gone.id)
        FileChanges(catalog).purge(time.time() + 1)  # so that some annotations are kept for files that have left
        catalog.remove_root(catalog.add_root("/removed").id)
        catalog.add_root("/more")
    return folder


def what_was_said(catalog: Catalog) -> dict[str, object]:
    (db, files) = catalog.reader(), Listing(catalog)
    ids = [i for (i,) in db.execute("SELECT id FROM files")]
    return {
        "roots": db.execute("SELECT * FROM roots ORDER BY id").fetchall(),
        "files": {f.path: (f.tags, f.favourite, f.note) for f in files.files(ids).values()},
        "searches": Annotations(catalog).saved_searches(),
        "kept": db.execute("SELECT * FROM kept_annotations ORDER BY fingerprint").fetchall(),
        "models": db.execute("SELECT * FROM models").fetchall(),
    }


def pages(folder: Path) -> int:
    return (folder / "catalog.sqlite").stat().st_size // PAGE


def damaged_copy(sound: Path, folder: Path, page: int, content: bytes) -> Path:
    """Return a library whose catalog has other content at a page (from 0), as after an unclean exit."""
    shutil.copytree(sound, folder)
    path = folder / "catalog.sqlite"
    with path.open("r+b") as stream:
        stream.seek(page * PAGE)
        stream.write(content)
    path.with_name(MARK).touch()
    return path


def check_any_page(sound: Path, folder: Path, page: int, content: bytes) -> bool:
    """Check that no annotation is lost and every clip is intact or requeued; return whether damage was detected."""
    with Catalog.open(sound / "catalog.sqlite", read_only=True) as catalog:
        before = what_was_said(catalog)
        clips = len(Embeddings(catalog).clip_ids(MODEL.fingerprint))
    path = damaged_copy(sound, folder, page, content)
    damaged = path.read_bytes()
    with Catalog.open(path) as catalog:
        assert what_was_said(catalog) == before
        ids = Embeddings(catalog).clip_ids(MODEL.fingerprint)
        waiting = sum(count.pending for count in catalog.counts(MODEL.fingerprint))
        assert len(ids) == clips or waiting
        _, vectors = Embeddings(catalog).vectors(MODEL.fingerprint, MODEL.width + 1, ids=ids.tolist())
        assert np.isfinite(vectors).all()
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        new, _ = indexed(catalog, "one more.mp4", 1)
        assert new > FILES, "ids are never used again"
        notice = said(catalog.notices)
    aside = list(folder.glob("catalog.damaged-*.sqlite"))
    assert [a.read_bytes() for a in aside] == [damaged] * bool(notice)
    assert all(a.name in notice for a in aside)
    with Catalog.open(path) as catalog:
        assert (catalog.notices, catalog.unclean) == ([], False)
    return bool(notice)


CONTENTS: dict[str, Callable[[int], bytes]] = {
    "noise": lambda page: np.random.default_rng(page).bytes(PAGE),
    "zeros": lambda page: bytes(PAGE),
    "half": lambda page: np.random.default_rng(page).bytes(PAGE // 2),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_no_page_that_is_overwritten_loses_what_was_said(sound: Path, tmp_path: Path, kind: str) -> None:
    """A sample of the pages; for all, run `python -m tests.faults.pages`."""
    count = pages(sound)
    chosen = [0, *range(1 + list(CONTENTS).index(kind), count, max(1, count // 12))]
    seen = [check_any_page(sound, tmp_path / str(page), page, CONTENTS[kind](page)) for page in chosen]
    assert seen[0], "without its first page SQLite can read nothing"
    assert sum(seen) > len(seen) // 2


def test_damage_that_is_met_in_use_is_repaired_at_the_next_opening(sound: Path, tmp_path: Path) -> None:
    path = damaged_copy(sound, tmp_path / "library", 0, b"")
    path.with_name(MARK).unlink()
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'saved_searches'").fetchone()
    with path.open("r+b") as stream:
        stream.seek((root - 1) * PAGE)
        stream.write(os.urandom(PAGE))
    with Catalog.open(path) as catalog:
        assert catalog.notices == [], "after a clean end nothing is looked for"
        with pytest.raises(LibraryDamaged, match="is repaired when"), catalog.guarded():
            Annotations(catalog).saved_searches()
    with Catalog.open(path) as catalog:
        assert "30 saved searches" in said(catalog.notices)
        assert len(Annotations(catalog).saved_searches()) == 30


def test_a_damaged_catalog_of_an_older_schema_is_repaired_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    old_catalog(path)
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size - PAGE)
        stream.write(bytes(PAGE))
    path.with_name(MARK).touch()
    with Catalog.open(path) as catalog:
        assert "3 videos" in said(catalog.notices)
        assert len(catalog.roots()) == 2


def test_nothing_but_a_first_page_is_left_of_it(sound: Path, tmp_path: Path) -> None:
    path = damaged_copy(sound, tmp_path / "library", 0, b"")
    os.truncate(path, PAGE)
    with Catalog.open(path) as catalog:
        assert "0 videos came back; not all of these could be read: folders" in said(catalog.notices)
        assert catalog.roots() == []
    assert len(list(path.parent.glob("catalog.damaged-*.sqlite"))) == 1


def test_kept_pages_that_are_torn_are_of_no_use_and_do_no_harm(sound: Path, tmp_path: Path) -> None:
    path = damaged_copy(sound, tmp_path / "library", 0, os.urandom(PAGE))
    os.truncate(path.with_suffix(".head"), 100)
    with Catalog.open(path) as catalog:
        assert "0 videos came back" in said(catalog.notices)
    assert path.with_suffix(".head").stat().st_size > PAGE, "kept anew"


def test_a_repair_that_is_cut_short_is_finished(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted at each rename: the next opening resumes from any state."""
    for allowed in range(6):
        path = damaged_copy(sound, tmp_path / str(allowed), 0, os.urandom(PAGE))
        path.with_name("catalog.sqlite-wal").write_bytes(b"a log of the damaged one")
        left = iter([True] * allowed)
        with monkeypatch.context() as patch:
            for name in ("rename", "replace"):
                patch.setattr(Path, name, _until(left, getattr(Path, name)))
            try:
                Catalog.open(path).close()
            except KeyboardInterrupt:
                assert allowed < 4
        with Catalog.open(path) as catalog:
            assert len(Listing(catalog).page(Filters(), Sort.NAME, False, FILES, 0)) == FILES - 10
        assert len(list(path.parent.glob("catalog.damaged-*.sqlite"))) == 1
        assert not list(path.parent.glob("catalog.reco*"))


def _until(left: Iterator[bool], original: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    def call(self: Path, target: Path) -> Path:
        if not next(left, False):
            raise KeyboardInterrupt
        return original(self, target)

    return call


def test_where_no_repair_can_be_written_the_damaged_one_stays(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damaged_copy(sound, tmp_path / "library", 0, os.urandom(PAGE))
    damaged = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(StorageError, match="no space left"):
            Catalog.open(path)
    assert path.read_bytes() == damaged
    Catalog.open(path).close()


def test_one_backup_is_kept_and_only_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalog.sqlite"
    old_catalog(path)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "SCHEMA_VERSION", 2)
        with closing(sqlite3.connect(path)) as db:
            migrations.prepare(db, 2)
    path.with_name("catalog.v1.backup.sqlite").write_bytes(b"of the step before")
    path.with_name("catalog.v2.backup.sqlite.part").write_bytes(b"cut short")
    Catalog.open(path).close()
    assert [p.name for p in tmp_path.glob("*backup*")] == ["catalog.v2.backup.sqlite"]
    with closing(sqlite3.connect(path.with_name("catalog.v2.backup.sqlite"))) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_one_value_that_can_be_none_loses_no_other(tmp_path: Path) -> None:
    """Python reads a row ahead: the row before the unreadable one must not be lost with it."""
    path = make_sound(tmp_path) / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        rows = [i for (i,) in db.execute("SELECT id FROM clips ORDER BY id")]
        db.execute("UPDATE clips SET times = zeroblob(?) WHERE id = ?", (70 * 2**20, rows[5]))
    with Catalog.open(path) as catalog, pytest.raises(LibraryDamaged), catalog.guarded():
        Clips(catalog).clips(rows)
    with Catalog.open(path) as catalog:
        assert set(rows) - set(Clips(catalog).clips(rows)) == {rows[5]}


def test_what_a_row_can_do_without_is_left_out_of_it(tmp_path: Path) -> None:
    path = make_sound(tmp_path) / "catalog.sqlite"
    with Catalog.open(path) as catalog:
        before = what_was_said(catalog)
    with closing(sqlite3.connect(path)) as db, db:
        db.create_function("name_sort_key", 1, migrations.name_sort_key, deterministic=True)
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE roots SET offline = 'x', inode = x'00', added_at = 9e999, volume = 5")
        db.execute("UPDATE files SET duration = 'long', frame_rate = 9e999, size = 'x'")
        db.execute("UPDATE stages SET version = x'00', lease = 'x', owner = 5")
        db.execute("UPDATE stages SET state = 'evil' WHERE file_id % 2")
        db.execute("UPDATE clips SET sprite = '../../photo.jpg', tile_width = 30000, poster = 'x'")
    recovery.remake(path)
    with Catalog.open(path) as catalog:
        assert what_was_said(catalog)["files"] == before["files"]
        clips = [clip for i in range(1, FILES + 1) for clip in Clips(catalog).clips_of(i)]
        assert len(clips) > FILES
        assert {(clip.sprite, clip.tile_width, clip.poster) for clip in clips} == {("", 0, 0)}
        assert not any(root.followed is None for root in catalog.roots())


@pytest.mark.parametrize("content", [b"", b"somebody's", b"SQLite format 3\0" + bytes(4080)])
def test_what_is_named_as_recovered_and_is_no_catalog_takes_no_ones_place(tmp_path: Path, content: bytes) -> None:
    path = make_sound(tmp_path) / "catalog.sqlite"
    with Catalog.open(path) as catalog:
        before = what_was_said(catalog)
    path.with_name("catalog.recovered.sqlite").write_bytes(content)
    with Catalog.open(path) as catalog:
        assert what_was_said(catalog) == before
        assert catalog.notices == []
    (aside,) = tmp_path.glob("catalog.foreign-*.sqlite")
    assert aside.read_bytes() == content
