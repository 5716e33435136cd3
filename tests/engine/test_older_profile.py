"""An older build's profile is found, and moved completely or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import appdirs
import pytest

from cret_desktop import paths
from cret_desktop.engine import older_profile
from cret_desktop.engine.lock import WriterLock
from cret_desktop.errors import LibraryLocked, StorageError
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite.catalog import Catalog


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate home folder, with a space and non-English letters."""
    place = tmp_path / "Ånn von Tëst"
    for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(place / kind.lower()))
    return place


@pytest.fixture
def old() -> Path:
    """Return the data folder of an early build: a library, a model, settings."""
    data, config = Path(appdirs.user_data_dir("cret-desktop")), Path(appdirs.user_config_dir("cret-desktop"))
    assert data != paths.data_folder()
    with Catalog.open(LibraryPaths(data / "library").catalog):
        pass
    (data / "models" / "mine").mkdir(parents=True)
    config.mkdir(parents=True)
    (config / "settings.json").write_text('{"theme": "dark"}')
    return data


def test_nothing_is_found_where_nothing_is(home: Path) -> None:
    assert older_profile.find() is None
    assert older_profile.older_libraries() == []
    assert not home.exists(), "looking makes nothing"


def test_all_of_it_is_moved(old: Path) -> None:
    catalog = (old / "library" / "catalog.sqlite").read_bytes()
    profile = older_profile.find()
    assert profile is not None
    assert profile.library == old / "library"
    profile.move()
    assert (paths.default_library() / "catalog.sqlite").read_bytes() == catalog
    assert (paths.data_folder() / "models" / "mine").is_dir()
    assert paths.settings_file().read_text() == '{"theme": "dark"}'
    assert not old.exists()
    assert older_profile.find() is None


def test_what_is_here_already_is_not_replaced(old: Path) -> None:
    paths.settings_file().parent.mkdir(parents=True)
    paths.settings_file().write_text("{}")
    profile = older_profile.find()
    assert profile is not None
    profile.move()
    assert paths.settings_file().read_text() == "{}"


def test_a_library_of_this_build_ends_the_offer_but_not_the_mention(old: Path) -> None:
    paths.default_library().mkdir(parents=True)
    assert older_profile.find() is None
    assert older_profile.older_libraries() == [old / "library"]


def test_a_library_that_is_open_stays(old: Path) -> None:
    profile = older_profile.find()
    assert profile is not None
    lock = WriterLock(LibraryPaths(old / "library").lock)
    lock.acquire()
    try:
        with pytest.raises(LibraryLocked, match="another program"):
            profile.move()
    finally:
        lock.release()
    assert (old / "library" / "catalog.sqlite").exists()
    assert not paths.default_library().exists()


@pytest.mark.parametrize(("number", "words"), [(errno.EXDEV, "cross-device link"), (errno.EACCES, "permission denied")])
def test_a_move_that_fails_half_way_leaves_all_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    profile = older_profile.find()
    assert profile is not None
    rename = os.rename

    def fail_on_models(source: Path, target: Path) -> None:
        if source.name == "models":
            raise OSError(number, os.strerror(number))
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_on_models)
    with pytest.raises(StorageError, match=words):
        profile.move()
    assert (old / "library" / "catalog.sqlite").exists()
    assert not paths.default_library().exists()
