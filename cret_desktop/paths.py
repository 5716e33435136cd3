"""The paths of resources that ship with the app and of the files of a library. Never creates anything."""

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
LIBRARY_VARIABLE, DEVICE_VARIABLE = "CRET_DESKTOP_LIBRARY", "CRET_DESKTOP_DEVICE"  # environment variables
LIBRARIES_VARIABLE = "CRET_DESKTOP_LIBRARIES"  # for the self-test, which leaves nothing behind


def version() -> str:
    """Return the installed version, or a note that this is a source tree that is not installed."""
    import importlib.metadata  # slow to load and rarely needed

    try:
        return importlib.metadata.version("cret-desktop")
    except importlib.metadata.PackageNotFoundError:
        return "(source tree, not installed)"


def releases_page() -> str:
    """Return the page with newer versions: the project's URL named Releases, or '' if it has none."""
    import importlib.metadata

    try:
        urls = importlib.metadata.metadata("cret-desktop").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    named = dict(str(url).split(", ", 1) for url in urls)
    return named.get("Releases", "")


def resource(*parts: str) -> Path:
    """Return the path of a bundled file: inside the package in a wheel, beside it in the source tree."""
    package = Path(__file__).resolve().parent
    inside = package / "resources"
    return (inside if inside.is_dir() else package.parent / "resources").joinpath(*parts)


def default_library() -> Path:
    """Return the folder in CRET_DESKTOP_LIBRARY, else `library` in the user's data folder. Raises: StorageError."""
    named = os.environ.get(LIBRARY_VARIABLE)
    return Path(named) if named else data_folder() / "library"


def data_folder() -> Path:
    """Return the user's folder for the library and added models. Raises: StorageError for an account without a home."""
    return _users(platformdirs.user_data_dir)


def settings_file() -> Path:
    """Return the path of the user's settings."""
    return _users(platformdirs.user_config_dir) / "settings.json"


def libraries_file() -> Path:
    """Return the path of the user's list of libraries and keys (`engine.adoption`), or CRET_DESKTOP_LIBRARIES."""
    named = os.environ.get(LIBRARIES_VARIABLE)
    return Path(named) if named else _users(platformdirs.user_config_dir) / "libraries.json"


def window_state_file() -> Path:
    """Return the path of the window's state: its size, its view, the recent searches."""
    return _users(platformdirs.user_state_dir) / "window.json"


def instance_folder() -> Path:
    """Return the folder in which a second start of the same user finds a running app."""
    return _users(platformdirs.user_cache_dir) / "running"


def _users(place: Callable[..., str]) -> Path:
    try:
        return Path(place(APP_NAME, appauthor=False))
    except RuntimeError as error:  # platformdirs found neither HOME nor an entry for this account
        raise StorageError("place.no-home") from error


def names_another_computer(path: str, platform: str = sys.platform) -> bool:
    """Return whether opening this path makes Windows contact another computer, with the user's name and password hash.

    Decided by the text of the path alone: opening it would be the contact. Open such a path only if the user has named
    it.
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
    """The files of one library. The catalog is the source of truth; all others but the lock can be rebuilt."""

    root: Path

    @property
    def files(self) -> LibraryFiles:
        """Access to all of them. The paths below are for messages and for code that opens them through this."""
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
    """Return whether an absolute path is `folder` or is below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
