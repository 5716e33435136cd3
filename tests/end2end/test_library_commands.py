"""The commands that maintain a library: backup, restore, move, export and import of tags. Real processes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from cret_desktop import paths
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, chosen_config
from cret_desktop.engine.lock import WriterLock
from cret_desktop.settings import Settings, load
from tests.end2end.test_commands import WAIT, cret
from tests.storage.sqlite.test_backup import make_library, notes
from tests.videos import write_colours


def test_backup_and_restore(tmp_path: Path) -> None:
    library, copy = make_library(tmp_path / "library", "old"), tmp_path / "copy"
    assert "(3 videos, 3 clips)" in cret("backup", str(copy), library=library).stdout
    assert "exists already" in cret("backup", str(copy), library=library, status=2).stderr
    shutil.rmtree(library)
    make_library(library, "new", videos=2)
    restored = cret("restore", str(copy), library=library).stdout
    (aside,) = library.glob("set-aside-*")
    assert str(aside) in restored
    assert (notes(library), notes(aside)) == (["old"], ["new"])
    # A backup must also work if the library cannot be opened at all.
    (library / "catalog.sqlite").write_text("no catalog of ours")
    cret("restore", str(copy), library=library)
    assert notes(library) == ["old"]

    lock = WriterLock(paths.LibraryPaths(library).lock)
    lock.acquire()
    try:
        cret("backup", str(tmp_path / "while it is in use"), library=library)
        assert "another program" in cret("restore", str(copy), library=library, status=3).stderr
    finally:
        lock.release()
    with sqlite3.connect(copy / "catalog.sqlite") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    assert "newer version" in cret("restore", str(copy), library=library, status=3).stderr
    assert notes(library) == ["old"]


def test_a_move_is_remembered_by_every_command(tmp_path: Path) -> None:
    usual, disk = paths.data_folder() / "library", tmp_path / "disk"
    make_library(usual)
    try:
        moved = cret("move", str(disk / "library")).stdout
        assert "used from there now" in moved
        assert str(usual) in moved
        assert load(Settings, paths.settings_file())[0].library == str(disk / "library")
        assert json.loads(cret("status", "--json").stdout)["library"] == str(disk / "library")
        assert json.loads(cret("status", "--json", library=usual).stdout)["library"] == str(usual)
        disk.rename(tmp_path / "unplugged")
        assert "Plug in its drive" in cret("import-tags", "tags.json", status=3).stderr
        assert "Connect its drive" in cret("restore", str(usual), status=3).stderr
        assert not disk.exists()
    finally:
        paths.settings_file().unlink()
        shutil.rmtree(usual)
    elsewhere = make_library(tmp_path / "elsewhere")
    assert "--library" in cret("move", str(tmp_path / "moved"), library=elsewhere).stdout
    assert not paths.settings_file().exists()


def test_tags_go_out_and_come_in(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library", "one")
    file = tmp_path / "tags.json"
    cret("export-tags", str(file), library=library)
    other = make_library(tmp_path / "other", "two", videos=1)
    content = file.read_text().replace("/videos/one 0.mp4", "/videos/two 0.mp4")
    entry = json.loads(content)
    entry["files"][0]["fingerprint"] = ""
    file.write_text(json.dumps(entry))
    said = cret("import-tags", str(file), library=other).stdout
    assert "Matched videos               1" in said
    assert "Notes appended               1" in said
    assert notes(other) == ["two\n\none"]
    assert os.listdir(tmp_path).count("tags.json") == 1


def test_what_has_left_is_forgotten_and_every_copy_is_named(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library", "secret")
    assert "--all" in cret("forget", library=library, status=2).stderr
    assert "still in the library (3 videos)" in cret("forget", "/videos", library=library, status=2).stderr
    with sqlite3.connect(library / "catalog.sqlite") as db:
        db.execute("UPDATE files SET missing_since = 1e10")  # due in years: not yet automatic
    db.close()
    copy = library / "catalog.v1.backup.sqlite"
    shutil.copy(library / "catalog.sqlite", copy)
    done = cret("forget", "/videos", library=library).stdout
    assert "(videos: 3," in done
    assert str(copy) in done
    assert b"secret" not in (library / "catalog.sqlite").read_bytes()
    again = cret("forget", "--all", "--copies", library=library)
    assert "Nothing was left" in again.stderr
    assert str(copy) not in again.stdout
    assert not copy.exists()


def test_a_check_names_what_is_damaged_and_changes_nothing(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library", "old")
    for cache in ("graphs", "calibration"):
        shutil.rmtree(library / cache)  # with nonsense
    sound = cret("check", library=library)
    assert "No damage found." in sound.stdout
    assert "Embeddings       3" in sound.stdout
    assert "is not a share" in cret("check", "--subset", "half", library=library, status=2).stderr
    with sqlite3.connect(library / "catalog.sqlite") as db:
        ((blob,),) = db.execute("SELECT globals FROM embeddings WHERE rowid = 2").fetchall()
        db.execute("UPDATE embeddings SET globals = ? WHERE rowid = 2", (bytes([blob[0] ^ 1]) + blob[1:],))
    db.close()
    found = cret("check", library=library, status=3).stderr
    assert "Damaged: embedding of /videos/old 1.mp4" in found
    assert "Damaged items found: 1" in found
    assert cret("check", library=library, status=3).stderr == found, "it has changed nothing"
    parts = [cret("check", "--subset", "50%", library=library, status=None) for _ in range(2)]
    assert all(part.returncode in (0, 3) for part in parts)


def test_commands_share_the_engine_that_is_there(tmp_path: Path) -> None:
    """A program with the library open and commands beside it share one engine process with one model."""
    library, videos, tags = tmp_path / "library", tmp_path / "videos", tmp_path / "tags.json"
    videos.mkdir()
    write_colours(videos / "red.mp4", ["red"])
    with EngineClient(chosen_config(Settings(), library)) as window:
        heard: list[protocol.Event] = []
        window.subscribe(heard.append)
        totals = json.loads(cret("index", str(videos), "--json", library=library).stdout)
        assert (totals["files"], totals["failed"]) == (1, 0)
        assert any(isinstance(event, protocol.IndexFinished) for event in heard), "this engine has done it"
        assert json.loads(cret("status", "--json", library=library).stdout)["files"] == 1
        window.request(protocol.Prepare()).result(WAIT)
        before = json.loads(cret("search", "red", "--json", library=library).stdout)
        (file,) = window.request(protocol.Search("")).result(WAIT).files
        window.request(protocol.ChangeTags((file.id,), add=("Zoo",))).result(WAIT)
        cret("export-tags", str(tags), library=library)
        tags.write_text(tags.read_text().replace("Zoo", "Farm"))
        cret("import-tags", str(tags), library=library)
        assert [name for name, _ in window.request(protocol.GetTags()).result(WAIT)] == ["Farm", "Zoo"]
        assert window.pid is not None
        assert psutil.Process(window.pid).is_running()
        # Another model does not fit this engine: the command starts its own, read-only.
        assert "another program" in cret("index", str(videos), "--device", "cpu", library=library, status=3).stderr
        assert json.loads(cret("status", "--json", "--device", "cpu", library=library).stdout)["files"] == 1
    assert json.loads(cret("search", "red", "--json", library=library).stdout)["results"] == before["results"]


def test_a_search_starts_no_engine_where_one_runs(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library", "one")
    with EngineClient(chosen_config(Settings(), library)):
        command = [sys.executable, "-m", "cret_desktop", "search", "red", "--json", "--library", str(library)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            children: set[int] = set()
            while running.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    children |= {child.pid for child in psutil.Process(running.pid).children(recursive=True)}
                time.sleep(0.01)
            assert running.stdout is not None
            assert json.loads(running.stdout.read())["query"] == "red"
        assert running.returncode == 0
        assert children == set()
