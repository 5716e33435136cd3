"""The origin of a library: made here, adopted, or foreign; the requirements and effects of adopting."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from cret_desktop import paths
from cret_desktop.engine import adoption, protocol
from cret_desktop.engine.adoption import Origin, Standing, adopt, remember, require_ours, standing, take_restored
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import LibraryDamaged, LibraryMissing, LibraryStrange, LibraryTooNew, StorageError
from cret_desktop.library_files import CATALOG, GRAPHS, LibraryFiles
from cret_desktop.storage.sqlite import migrations
from cret_desktop.storage.sqlite.annotations import Annotations
from cret_desktop.storage.sqlite.backup import copy_library, take_in
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.clips import Clips
from cret_desktop.storage.sqlite.connections import connect_to_read, difference
from cret_desktop.storage.sqlite.listing import Listing
from tests.engine.test_engine import Events
from tests.said import said
from tests.storage.sqlite.test_catalog import indexed
from tests.videos import write_colours

WAIT = 60


@pytest.fixture(autouse=True)
def _person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own person, who has no library yet."""
    move_to(tmp_path / "here", monkeypatch)


def move_to(computer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(computer / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(computer / "data"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library from another computer, with two videos, a note, a tag and all its caches."""
    move_to(tmp_path / "elsewhere", monkeypatch)
    library = make(tmp_path / "library")
    move_to(tmp_path / "here", monkeypatch)
    return library


def make(library: Path) -> Path:
    with Catalog.open(library / CATALOG) as catalog:
        remember(catalog)
        (first, _), _ = indexed(catalog, "a.mp4", 2), indexed(catalog, "b.mp4", 1)
        Annotations(catalog).set_note(first, "said of the first")
        Annotations(catalog).change_tags([first], ["beach"], [])
        sprite = Clips(catalog).clips_of(first)[0].sprite
        with catalog.write() as db:
            db.execute(
                "INSERT INTO graphs (generation, model, file, size, digest, last_clip_id, count, width, space, m,"
                " ef_construction, library_version, proof) VALUES (1, 'print-1', '0123456789ab-1.hnsw', 5, '', 1, 1, 9,"
                " 'ip', 16, 200, '', '')"
            )
    files = LibraryFiles(library)
    for name in (f"thumbnails/{sprite}", f"{GRAPHS}/0123456789ab-1.hnsw", "calibration/print-1.npz", "pace.json"):
        files.write(name, b"made elsewhere")
    return library


def origin(library: Path) -> Origin:
    return standing(library).origin


def notes(library: Path) -> list[str]:
    with Catalog.open(library / CATALOG, read_only=True) as catalog:
        ids = [row.id for root in catalog.roots() for row in catalog.files(root.id).values()]
        return sorted(file.note for file in Listing(catalog).files(ids).values())


def records() -> dict[str, dict[str, object]]:
    return dict(json.loads(paths.libraries_file().read_text())["libraries"])


# --- origin -----------------------------------------------------------------------------------------------------------


def test_a_library_that_is_made_here_is_ones_own_from_then_on(tmp_path: Path) -> None:
    library = tmp_path / "library"
    assert standing(library) == Standing(Origin.NEW)
    library.mkdir()
    (library / CATALOG).touch()
    assert origin(library) is Origin.NEW
    (library / CATALOG).unlink()
    make(library)
    found = standing(library)
    assert (found.origin, len(found.key)) == (Origin.OURS, 32)
    assert require_ours(library) == found
    ((identity, record),) = records().items()
    assert (record["folders"], bytes.fromhex(str(record["key"]))) == ([str(library)], found.key)
    with Catalog.open(library / CATALOG) as catalog:
        assert catalog.identity() == identity
        assert remember(catalog) == found.key == adoption.key_of(catalog)
    assert len(records()) == 1
    if os.name != "nt":
        assert stat.S_IMODE(paths.libraries_file().stat().st_mode) == 0o600
        assert stat.S_IMODE(paths.libraries_file().parent.stat().st_mode) == 0o700


def test_a_library_of_another_computer_is_read_and_not_changed(elsewhere: Path) -> None:
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    assert standing(elsewhere) == Standing(Origin.STRANGE)
    with pytest.raises(LibraryStrange, match=r"made on another computer .* `cret-desktop adopt") as refused:
        require_ours(elsewhere)
    assert "\n" not in str(refused.value)
    assert notes(elsewhere) == ["", "said of the first"]
    now = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    assert {path.name for path in now.keys() - before.keys()} <= {f"{CATALOG}-wal", f"{CATALOG}-shm"}  # SQLite's
    assert {path: now[path] for path in before} == before


def test_it_is_asked_about_once(elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Catalog.open(elsewhere / CATALOG, read_only=True) as catalog:
        theirs = catalog.identity()
    adopt(elsewhere, follow=False)
    assert origin(elsewhere) is Origin.OURS
    with Catalog.open(elsewhere / CATALOG) as catalog:
        assert catalog.identity() not in ("", theirs)  # its author cannot make another one with that identity
    require_ours(elsewhere)
    moved = elsewhere.rename(tmp_path / "moved")
    assert origin(moved) is Origin.OURS, "on this computer it may lie anywhere"
    copied = shutil.copytree(moved, tmp_path / "copied")
    assert origin(copied) is Origin.OURS
    copy_library(moved, tmp_path / "backup")
    assert origin(tmp_path / "backup") is Origin.OURS
    move_to(tmp_path / "third", monkeypatch)
    assert {origin(place) for place in (moved, copied, tmp_path / "backup")} == {Origin.STRANGE}


def test_an_older_library_is_known_by_the_numbers_of_its_files(tmp_path: Path) -> None:
    library, video = tmp_path / "library", tmp_path / "videos" / "a.mp4"
    video.parent.mkdir()
    video.write_bytes(b"of this disk")
    (tmp_path / "here" / "config").mkdir(parents=True)
    older(library, video, video.stat().st_ino)
    assert origin(library) is Origin.OURS
    older(library, video, video.stat().st_ino + 1)
    assert origin(library) is Origin.STRANGE
    older(library, video, 0)
    assert origin(library) is Origin.STRANGE
    usual = paths.data_folder() / "library"
    older(usual, video, 0)
    assert origin(usual) is Origin.OURS
    shutil.copytree(library, usual / "restored")
    assert "was restored" in said(take_restored(usual))
    assert origin(usual) is Origin.STRANGE, "what was put there by a restoring says nothing of who made it"
    adopt(usual, follow=False)
    assert origin(usual) is Origin.OURS


def older(library: Path, video: Path, inode: int) -> None:
    shutil.rmtree(library, ignore_errors=True)
    library.mkdir(parents=True)
    status = video.stat()
    with closing(sqlite3.connect(library / CATALOG, isolation_level=None)) as db:
        migrations.prepare(db, migrations.IDENTITY_SINCE - 1)
        db.execute("INSERT INTO roots (id, path, added_at) VALUES (1, ?, 0)", (os.fsencode(video.parent),))
        db.execute(
            "INSERT INTO files (root_id, path, size, mtime_ns, device, inode, state)"
            " VALUES (1, ?, ?, ?, 0, ?, 'pending')",
            (os.fsencode(video.name), status.st_size, status.st_mtime_ns, inode),
        )


@pytest.mark.parametrize("in_place", [True, False])
def test_a_damaged_library_is_known_by_its_place(tmp_path: Path, elsewhere: Path, in_place: bool) -> None:
    library = make(tmp_path / "own") if in_place else elsewhere
    with (library / CATALOG).open("r+b") as stream:
        stream.write(os.urandom(4096))
    assert origin(library) is (Origin.OURS if in_place else Origin.STRANGE)
    if in_place:
        with Catalog.open(library / CATALOG) as catalog:
            assert "was repaired" in said(catalog.notices)
            assert remember(catalog) == standing(library).key
        assert len(records()) == 1
        return
    with pytest.raises(LibraryStrange):
        require_ours(library)
    assert "taken over" in said(adopt(library, follow=False))
    assert notes(library) == ["", "said of the first"]


def test_a_known_identity_in_a_catalog_of_somebody_elses(tmp_path: Path) -> None:
    """The identity is in every copy that was shared. Additions to our schema are not opened without adoption."""
    library = make(tmp_path / "library")
    forged = shutil.copytree(library, tmp_path / "forged")
    with closing(sqlite3.connect(forged / CATALOG)) as db, db:
        db.execute("CREATE TRIGGER evil AFTER UPDATE ON roots BEGIN DELETE FROM files; END")
    assert origin(forged) is Origin.STRANGE
    with pytest.raises(LibraryStrange):
        require_ours(forged)
    adopt(forged, follow=False)
    with closing(connect_to_read(forged / CATALOG)) as db:
        assert not difference(db)
    assert notes(forged) == ["", "said of the first"]
    assert len(records()) == 2


def test_a_restored_library_is_its_makers(elsewhere: Path, tmp_path: Path) -> None:
    own = make(tmp_path / "own")
    copy_library(own, tmp_path / "backup")
    take_in(own, tmp_path / "backup")
    assert take_restored(own)
    assert origin(own) is Origin.OURS
    take_in(own, elsewhere)
    assert take_restored(own)
    assert origin(own) is Origin.STRANGE
    with pytest.raises(LibraryStrange):
        require_ours(own)
    adopt(own, follow=False)
    assert origin(own) is Origin.OURS


# --- the records ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"5", b"null", b"\xff\xfe", b"[" * 100_000, b'{"libraries": []}', b'{"libraries": {"a": 5}}',
        b'{"libraries": {"a": {"key": "00", "folders": []}}}', b'{"libraries": {"a": {"key": "xx", "folders": []}}}',
        b'{"libraries": {"a": {"key": 5, "folders": 7}}}', b'{"libraries": {}, "unproven": 5}', b"9" * 5000,
    ],
)  # fmt: skip
def test_records_that_cannot_be_read_count_for_nothing(tmp_path: Path, content: bytes) -> None:
    library = make(tmp_path / "library")
    paths.libraries_file().write_bytes(content)
    assert origin(library) is Origin.STRANGE
    adopt(library, follow=True)
    assert origin(library) is Origin.OURS
    assert len(records()) == 1


def test_where_nothing_can_be_remembered_no_library_is_made(tmp_path: Path) -> None:
    """Otherwise it would be foreign the next time."""
    paths.libraries_file().mkdir(parents=True)
    with (
        pytest.raises(StorageError, match=r"libraries\.json cannot be written") as refused,
        Catalog.open(tmp_path / "library" / CATALOG) as catalog,
    ):
        remember(catalog)
    assert "\n" not in str(refused.value)


def test_programs_that_change_the_records_together_lose_none(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from cret_desktop.engine.adoption import remember\n"
        "from cret_desktop.storage.sqlite.catalog import Catalog\n"
        "for number in range(5):\n"
        "    with Catalog.open(Path(sys.argv[1], f'{sys.argv[2]}-{number}', 'catalog.sqlite')) as catalog:\n"
        "        remember(catalog)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "libraries"), name], stderr=subprocess.PIPE)
        for name in "abc"
    ]
    assert [(one.communicate(timeout=WAIT)[1], one.returncode) for one in running] == [(b"", 0)] * 3
    assert len(records()) == 15
    assert {origin(library) for library in (tmp_path / "libraries").iterdir()} == {Origin.OURS}


# --- adopting ---------------------------------------------------------------------------------------------------------


def test_what_people_said_is_kept_and_what_can_be_made_again_is_not_believed(elsewhere: Path) -> None:
    told = said(adopt(elsewhere, follow=False))
    assert "2 videos, 1 tag and 1 note taken over" in told
    assert notes(elsewhere) == ["", "said of the first"]
    left = {path.relative_to(elsewhere).as_posix() for path in elsewhere.rglob("*") if path.is_file()}
    left = {name for name in left if not name.endswith(("-wal", "-shm"))}
    (kept,) = [name for name in left if name.startswith("catalog.foreign-")]
    assert kept in told
    assert {name.partition("/")[0] for name in left} == {kept, CATALOG, "catalog.head", "thumbnails", "pace.json"}
    with closing(connect_to_read(elsewhere / CATALOG)) as db:
        assert not difference(db)
        assert db.execute("SELECT count(*) FROM graphs").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM embeddings").fetchone() == (3,)
    with closing(connect_to_read(elsewhere / kept)) as db:
        assert db.execute("SELECT note FROM files WHERE id = 1").fetchone() == ("said of the first",)


@pytest.mark.parametrize("follow", [True, False])
def test_folders_are_looked_at_where_their_new_owner_wants_it(elsewhere: Path, follow: bool) -> None:
    adopt(elsewhere, follow)
    with Catalog.open(elsewhere / CATALOG) as catalog:
        (root,) = catalog.roots()
        assert (root.followed, root.offline) == (follow, not follow)
        assert catalog.add_root("/videos").followed
        assert catalog.roots()[0].followed


def test_folders_of_somebody_elses_are_neither_scanned_nor_watched(elsewhere: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "diary.mp4").write_bytes(b"nobody's business")
    with closing(sqlite3.connect(elsewhere / CATALOG)) as db, db:
        db.execute("INSERT INTO roots (path, added_at) VALUES (?, 0)", (os.fsencode(private),))
    config = EngineConfig(elsewhere, factory="tests.fakes:open_library", watch=True, read_only=True)
    os.utime(private, ns=(10**18, 10**18))
    read = private.stat().st_atime_ns
    with EngineClient(config) as client:
        assert client.is_strange
        assert "adopt" in said(client.notice)
        assert {folder.path for folder in client.request(protocol.GetStatus()).result(WAIT).folders} >= {str(private)}
        with pytest.raises(StorageError, match="for reading only"):
            client.request(protocol.SetNote(1, "x")).result(WAIT)
    adopting = EngineConfig(elsewhere, factory="tests.fakes:open_library", watch=True, adopt=True)
    with EngineClient(adopting) as client:
        assert "was adopted" in said(client.notice)
        client.request(protocol.Refresh()).result(WAIT)
        status = client.request(protocol.GetStatus()).result(WAIT)
        assert {folder.path: folder.files for folder in status.folders}[str(private)] == 0
    assert private.stat().st_atime_ns == read
    with EngineClient(adopting) as client:
        assert not client.is_strange
        assert "adopted" not in said(client.notice)


@pytest.mark.parametrize("at", ["set_identity", "follow_nothing"])
def test_adopting_that_was_cut_short_is_done_again(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, at, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            adopt(elsewhere, follow=False)
    assert origin(elsewhere) is Origin.STRANGE
    adopt(elsewhere, follow=False)
    assert origin(elsewhere) is Origin.OURS
    assert notes(elsewhere) == ["", "said of the first"]
    with Catalog.open(elsewhere / CATALOG) as catalog:
        assert not any(root.followed for root in catalog.roots())


def test_what_is_no_library_or_a_newer_one_is_left_alone(elsewhere: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryDamaged, match="no catalog"):
        adopt(tmp_path / "nowhere", follow=False)
    with closing(sqlite3.connect(elsewhere / CATALOG)) as db, db:
        db.execute("PRAGMA user_version = 999")
    before = (elsewhere / CATALOG).read_bytes()
    with pytest.raises(LibraryTooNew):
        adopt(elsewhere, follow=False)
    assert (elsewhere / CATALOG).read_bytes() == before
    with pytest.raises(LibraryMissing):
        Catalog.open(tmp_path / "nowhere" / CATALOG, read_only=True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("name", ["thumbnails", "graphs", "calibration"])
def test_linked_folders_are_unlinked_and_what_they_lead_to_is_left(elsewhere: Path, tmp_path: Path, name: str) -> None:
    shutil.move(elsewhere / name, tmp_path / "disk")
    (elsewhere / name).symlink_to(tmp_path / "disk")
    before = sorted(path.name for path in (tmp_path / "disk").rglob("*"))
    adopt(elsewhere, follow=False)
    assert not (elsewhere / name).is_symlink()
    assert sorted(path.name for path in (tmp_path / "disk").rglob("*")) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("name", [CATALOG, f"{CATALOG}-wal", f"{CATALOG}-journal"])
def test_a_pipe_for_a_catalog_is_one_sentence(elsewhere: Path, name: str) -> None:
    (elsewhere / name).unlink(missing_ok=True)
    os.mkfifo(elsewhere / name)
    assert origin(elsewhere) is Origin.STRANGE
    with pytest.raises((StorageError, LibraryDamaged)) as refused:
        adopt(elsewhere, follow=False)
    assert "\n" not in str(refused.value)
    with pytest.raises(StorageError, match="no regular file"):
        Catalog.open(elsewhere / CATALOG, read_only=True)


def test_folders_that_somebody_wrote_into_ones_own_library_are_left_alone(tmp_path: Path) -> None:
    """A shared copy returns modified and replaces the library, whose identity is known."""
    library, videos, private = tmp_path / "library", tmp_path / "videos", tmp_path / "private"
    for folder, name in ((videos, "a"), (private, "b")):
        folder.mkdir()
        write_colours(folder / f"{name}.mp4", ["red"])
    config = EngineConfig(library, factory="tests.fakes:open_library")

    def files(client: EngineClient, *adding: Path) -> dict[str, int]:
        events = Events(client)
        adds = protocol.AddFolders(tuple(map(str, adding)))
        client.request(adds if adding else protocol.Refresh()).result(WAIT)
        events.finished()
        return {folder.path: folder.files for folder in client.request(protocol.GetStatus()).result(WAIT).folders}

    with EngineClient(config) as client:
        assert files(client, videos) == {str(videos): 1}
    with closing(sqlite3.connect(library / CATALOG)) as db, db:
        ((proof,),) = db.execute("SELECT followed FROM roots").fetchall()
        db.execute("INSERT INTO roots (path, added_at, followed) VALUES (?, 0, ?)", (os.fsencode(private), proof))
    with EngineClient(config) as client:
        assert str(private) in said(client.notice)
        assert str(videos) not in said(client.notice)
        assert files(client) == {str(videos): 1, str(private): 0}
        assert files(client, private) == {str(videos): 1, str(private): 1}  # its owner adds it
    with EngineClient(config) as client:
        assert client.notice == ()
        assert files(client) == {str(videos): 1, str(private): 1}


def test_a_root_is_followed_where_it_was_added_with_the_key_and_nowhere_else(tmp_path: Path) -> None:
    with Catalog.open(tmp_path / CATALOG) as catalog:
        assert catalog.trust_roots(b"k" * 32) == []
        root = catalog.add_root("/videos")
        catalog.place_root(replace(root, path="/media/videos", volume="disk", within="videos"))
        assert catalog.trust_roots(b"k" * 32) == []
    for change in ("path = x'2f'", "volume = 'another'", "within = x'2e2e'", "followed = followed + 1", "followed = 1"):
        other = tmp_path / str(abs(hash(change)))
        other.mkdir()
        shutil.copy(tmp_path / CATALOG, other)
        with closing(sqlite3.connect(other / CATALOG)) as db, db:
            db.execute(f"UPDATE roots SET {change}")
        with Catalog.open(other / CATALOG) as catalog:
            (changed,) = catalog.roots()
            assert catalog.trust_roots(b"k" * 32) == [changed.path], change
            assert [root.followed for root in catalog.roots()] == [False]
    with Catalog.open(tmp_path / CATALOG) as catalog:
        assert catalog.trust_roots(b"m" * 32) == ["/media/videos"]
