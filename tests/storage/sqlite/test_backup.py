"""Copies of a whole library: taken during writes, restored after a crash at any point, never overwriting anything."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cret_desktop.domain.records import Contents
from cret_desktop.engine import adoption
from cret_desktop.errors import (
    CopyCancelled,
    LibraryDamaged,
    LibraryMissing,
    LibraryTooNew,
    PathError,
    StorageError,
)
from cret_desktop.library_files import LibraryFiles
from cret_desktop.messages import Message
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite import backup
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.backup import check, copy_library, finish, take_in
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.listing import Listing
from tests.said import said
from tests.storage.samples import sprite
from tests.storage.sqlite.test_catalog import indexed

GRAPH, CALIBRATION = "0123456789ab-1.hnsw", "calibration/print-1.npz"


def make_library(folder: Path, note: str = "mine", videos: int = 3) -> Path:
    """Create a library with thumbnails of its clips, a graph and a calibration, whose contents depend on `note`."""
    paths = LibraryPaths(folder)
    with Catalog.open(paths.catalog) as catalog:
        adoption.remember(catalog)
        ids = [indexed(catalog, f"{note} {number}.mp4", 1)[0] for number in range(videos)]
        Annotations(catalog).set_note(ids[0], note)
        with catalog.write() as db:
            db.execute(f"INSERT INTO graphs VALUES (1, 'print-1', '{GRAPH}', 1, '', 1, 1, 9, '', 1, 1, '', '')")
        for name in {row.sprite for file_id in ids for row in Clips(catalog).clips_of(file_id)}:
            write(paths.thumbnails / name, note)
    write(paths.thumbnails / sprite(99), note)
    write(paths.graphs / GRAPH, note)
    write(paths.graphs / "0123456789ab-7.hnsw", note)
    write(paths.root / CALIBRATION, note)
    write(paths.log, "private")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def notes(library: Path) -> list[str]:
    with Catalog.open(LibraryPaths(library).catalog) as catalog:
        ids = [row.id for root in catalog.roots() for row in catalog.files(root.id).values()]
        return [file.note for file in Listing(catalog).files(ids).values() if file.note]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("links", [True, False])
def test_a_copy_is_a_library_with_what_belongs_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    library = make_library(tmp_path / "library")
    told: list[tuple[int, int]] = []
    contents = copy_library(library, tmp_path / "a place" / "copy", lambda *progress: told.append(progress))
    copy = tmp_path / "a place" / "copy"
    assert contents == check(copy) == Contents(3, 3)
    assert files(copy) == {"catalog.sqlite", f"thumbnails/{sprite(0)}", f"graphs/{GRAPH}", CALIBRATION}
    assert notes(copy) == ["mine"]
    assert told == sorted(told)
    assert told[-1] == (told[0][1], told[0][1])
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]
    copy_library(library, tmp_path / "small", thumbnails=False)
    assert not (tmp_path / "small" / "thumbnails").exists()


def no_links(*_: object, **__: object) -> None:
    raise OSError("this disk knows no links")


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    (tmp_path / "taken").mkdir()
    with pytest.raises(PathError, match="exists already"):
        copy_library(library, tmp_path / "taken")
    with pytest.raises(LibraryMissing):
        copy_library(tmp_path / "nowhere", tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["library", "taken"]


def test_what_is_written_meanwhile_leaves_the_copy_whole(tmp_path: Path) -> None:
    """The copy is a snapshot: it has all of a transaction or nothing."""
    library = make_library(tmp_path / "library", videos=40)
    stop = threading.Event()
    with Catalog.open(LibraryPaths(library).catalog) as catalog:

        def write(number: int) -> None:
            with catalog.write() as db:
                db.execute("UPDATE files SET note = ?", (f"{number} " + "x" * 3000,))
                db.execute("UPDATE roots SET added_at = ?", (number,))

        def write_on() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                write(number)

        write(0)
        writer = threading.Thread(target=write_on)
        writer.start()
        try:
            for number in range(5):
                copy_library(library, tmp_path / f"copy {number}")
        finally:
            stop.set()
            writer.join()
    for number in range(5):
        with sqlite3.connect(tmp_path / f"copy {number}" / "catalog.sqlite") as db:
            ((note,),) = db.execute("SELECT DISTINCT note FROM files").fetchall()
            (added_at,) = db.execute("SELECT added_at FROM roots").fetchone()
        db.close()
        assert note.startswith(f"{added_at:.0f} ")


def test_a_move_holds_changes_until_it_is_done_and_takes_none_after(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    with Catalog.open(LibraryPaths(library).catalog) as catalog:
        late = library / "thumbnails" / sprite(1)

        def index_on(done: int, total: int) -> None:
            """Index once, while the first files are copied."""
            if not late.exists():
                write(late, "late")
                indexed(catalog, "late.mp4", 2)

        with pytest.raises(CopyCancelled):
            copy_library(
                library, tmp_path / "moved", stopped, hold=catalog.retiring(Message("library.moved", folder="/there"))
            )
        copy_library(
            library, tmp_path / "moved", index_on, hold=catalog.retiring(Message("library.moved", folder="/there"))
        )
        assert (tmp_path / "moved" / "thumbnails" / sprite(1)).read_text() == "late"
        assert check(tmp_path / "moved") == Contents(4, 5)
        with pytest.raises(StorageError, match="was moved to /there"):
            Annotations(catalog).set_favourite([1], True)


def stopped(done: int, total: int) -> None:
    raise CopyCancelled("Stopped.")


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_a_copy_that_is_stopped_leaves_nothing(tmp_path: Path, at: float) -> None:
    library = make_library(tmp_path / "library")

    def stop(done: int, total: int) -> None:
        if done >= at * total:
            raise CopyCancelled("Stopped.")

    with pytest.raises(CopyCancelled):
        copy_library(library, tmp_path / "copy", stop)
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = make_library(tmp_path / "library")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(StorageError, match="choose another disk"):
        copy_library(library, tmp_path / "copy")
    monkeypatch.undo()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(StorageError, match="no space left"):
        copy_library(library, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


def test_a_restored_library_sets_the_present_one_aside(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library", "old")
    copy_library(library, tmp_path / "copy")
    shutil.rmtree(library)
    make_library(library, "new", videos=2)
    assert take_in(library, tmp_path / "copy") == Contents(3, 3)
    assert notes(library) == ["new"], "it waits"
    sentence = said(finish(library))
    (aside,) = library.glob("set-aside-*")
    assert str(aside) in sentence
    assert (notes(library), notes(aside), notes(tmp_path / "copy")) == (["old"], ["new"], ["old"])
    assert (library / "thumbnails" / sprite(0)).read_text() == "old"
    assert (aside / "thumbnails" / sprite(0)).read_text() == "new"
    assert finish(library) is None
    copy_library(aside, tmp_path / "and back")


@pytest.mark.parametrize("crash", range(1, 10))
def test_a_crash_on_the_way_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    library = make_library(tmp_path / "library", "old")
    copy_library(library, tmp_path / "copy")
    shutil.rmtree(library)
    make_library(library, "new")
    take_in(library, tmp_path / "copy")
    renames = 0
    rename = LibraryFiles.rename

    def rename_until(files: LibraryFiles, old: str, new: str) -> None:
        nonlocal renames
        rename(files, old, new)  # raises if a file is missing
        renames += 1
        if renames == crash:
            raise KeyboardInterrupt

    monkeypatch.setattr(LibraryFiles, "rename", rename_until)
    with pytest.raises(KeyboardInterrupt):
        finish(library)
    monkeypatch.undo()
    assert "was restored" in said(finish(library))
    (aside,) = library.glob("set-aside-*")
    assert (notes(library), notes(aside)) == (["old"], ["new"])
    assert not (library / "restored").exists()
    assert not (library / "arriving").exists()


def _newer(catalog: Path) -> None:
    with sqlite3.connect(catalog) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()


def _overwrite(catalog: Path) -> None:
    with catalog.open("r+b") as stream:
        stream.seek(3 * 4096)
        stream.write(b"\xff" * 4096 * 3)


def _foreign(catalog: Path) -> None:
    catalog.write_bytes(b"not a database at all" * 1000)


@pytest.mark.parametrize(
    ("harm", "error"), [(_newer, LibraryTooNew), (_overwrite, LibraryDamaged), (_foreign, LibraryDamaged)]
)
def test_what_cannot_be_used_is_refused_before_anything_changes(
    tmp_path: Path, harm: Callable[[Path], None], error: type[Exception]
) -> None:
    library = make_library(tmp_path / "library")
    copy_library(library, tmp_path / "copy")
    harm(tmp_path / "copy" / "catalog.sqlite")
    before = files(library)
    with pytest.raises(error, match="copy"):
        take_in(library, tmp_path / "copy")
    with pytest.raises(PathError, match="the library itself"):
        take_in(library, library)
    with pytest.raises(LibraryMissing):
        take_in(library, tmp_path)
    assert files(library) == before
    assert finish(library) is None


def test_a_backup_cannot_reach_out_of_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "secret.txt", "taken from beside the backup")
    backup_made_up = make_library(tmp_path / "a" / "b" / "backup")
    with Catalog.open(LibraryPaths(backup_made_up).catalog) as catalog, catalog.write() as db:
        db.execute("UPDATE clips SET sprite = '../../secret.txt'")
        db.execute("UPDATE graphs SET file = '../../secret.txt'")
    copy_library(backup_made_up, tmp_path / "copy")
    assert files(tmp_path / "copy") == {"catalog.sqlite", CALIBRATION}
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("secret.txt")] == ["a/b/secret.txt"]


def test_what_a_kill_has_left_goes_with_the_next_start(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    before = files(library)
    write(library / ".restored.unfinished" / "catalog.sqlite", "half")
    assert finish(library) is None
    assert files(library) == before


def test_sizes(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    size = backup.measure(library)
    assert size.thumbnails == 2 * len("mine")
    assert size.graphs == 3 * len("mine")
    assert size.whole - size.thumbnails - size.graphs == size.catalog > 4096
    assert size.free > 0
