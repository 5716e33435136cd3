"""Where things lie: resources that ship with the app, and the files of a library. Never creates anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from cret_desktop import library_files
from cret_desktop.errors import StorageError
from cret_desktop.library_files import LibraryFiles

APP_NAME = "CRET Desktop"
LIBRARY_VARIABLE, DEVICE_VARIABLE = "CRET_DESKTOP_LIBRARY", "CRET_DESKTOP_DEVICE"  # in the environment
LIBRARIES_VARIABLE = "CRET_DESKTOP_LIBRARIES"  # of the self-test, which leaves nothing behind


def version() -> str:
    """The installed version, or a word that this is a source tree nobody installed."""
    import importlib.metadata  # here, because it takes long to load and is seldom asked

    try:
        return importlib.metadata.version("cret-desktop")
    except importlib.metadata.PackageNotFoundError:
        return "(source tree, not installed)"


def releases_page() -> str:
    """Where newer versions are to be had: the project's URL of the name Releases, or '' where it has none."""
    import importlib.metadata

    try:
        urls = importlib.metadata.metadata("cret-desktop").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    named = dict(str(url).split(", ", 1) for url in urls)
    return named.get("Releases", "")


def resource(*parts: str) -> Path:
    """A file that ships with the app: inside the package in a wheel, beside it in the source tree."""
    package = Path(__file__).resolve().parent
    inside = package / "resources"
    return (inside if inside.is_dir() else package.parent / "resources").joinpath(*parts)


def default_library() -> Path:
    """The folder named by CRET_DESKTOP_LIBRARY, else `library` in the user's data folder. Raises: StorageError."""
    named = os.environ.get(LIBRARY_VARIABLE)
    return Path(named) if named else data_folder() / "library"


def data_folder() -> Path:
    """The user's own: the library and the models brought here. Raises: StorageError for an account without a home."""
    return _users(platformdirs.user_data_dir)


def settings_file() -> Path:
    """What a person has chosen."""
    return _users(platformdirs.user_config_dir) / "settings.json"


def libraries_file() -> Path:
    """Which libraries are this person's own, with their keys (`engine.adoption`), unless the variable names another."""
    named = os.environ.get(LIBRARIES_VARIABLE)
    return Path(named) if named else _users(platformdirs.user_config_dir) / "libraries.json"


def window_state_file() -> Path:
    """How the window was left: its size, its view, what was searched."""
    return _users(platformdirs.user_state_dir) / "window.json"


def instance_folder() -> Path:
    """Where a running app can be found by a second start of the same person."""
    return _users(platformdirs.user_cache_dir) / "running"


def _users(place: Callable[..., str]) -> Path:
    try:
        return Path(place(APP_NAME, appauthor=False))
    except RuntimeError as error:  # platformdirs found neither HOME nor an entry for this account
        raise StorageError("place.no-home") from error


def names_another_computer(path: str, platform: str = sys.platform) -> bool:
    """Whether Windows asks another computer for this path, and introduces the person to it by name and password's hash.

    By the path's words alone: looking would be asking. Not to be touched unless the person has named the place.
    """
    if platform != "win32":
        return False
    plain = path.replace("/", "\\")
    if plain.startswith(("\\\\?\\", "\\\\.\\", "\\??\\")):
        device = plain.lstrip("\\?.").upper()
        return not (len(device) > 1 and device[1] == ":") and not device.startswith("VOLUME{")
    return plain.startswith("\\\\")


@dataclass(frozen=True, slots=True)
class LibraryPaths:
    """The files of one library. The catalog is the truth; all but it and the lock can be made again."""

    root: Path

    @property
    def files(self) -> LibraryFiles:
        """The door to all of them; what is a path below is for messages, and for who opens it by that door."""
        return LibraryFiles(self.root)

    @property
    def catalog(self) -> Path:
        return self.root / library_files.CATALOG

    @property
    def lock(self) -> Path:
        return self.root / library_files.LOCK

    @property
    def log(self) -> Path:
        return self.root / library_files.LOG

    @property
    def thumbnails(self) -> Path:
        return self.root / library_files.THUMBNAILS

    @property
    def graphs(self) -> Path:
        return self.root / library_files.GRAPHS

    @property
    def calibration(self) -> Path:
        return self.root / library_files.CALIBRATION

    @property
    def pace(self) -> Path:
        return self.root / library_files.PACE


def is_inside(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
