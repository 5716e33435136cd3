"""Where things lie: resources that ship with the app, and the files of a library. Never creates anything."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP_NAME = "CRET Desktop"
LIBRARY_VARIABLE = "CRET_DESKTOP_LIBRARY"


def version() -> str:
    """The installed version, or a word that this is a source tree nobody installed."""
    import importlib.metadata  # here, because it takes long to load and is seldom asked

    try:
        return importlib.metadata.version("cret-desktop")
    except importlib.metadata.PackageNotFoundError:
        return "(source tree, not installed)"


def resource(*parts: str) -> Path:
    """A file that ships with the app: inside the package in a wheel, beside it in the source tree."""
    package = Path(__file__).resolve().parent
    inside = package / "resources"
    return (inside if inside.is_dir() else package.parent / "resources").joinpath(*parts)


def default_library() -> Path:
    """The folder named by CRET_DESKTOP_LIBRARY, else `library` in the user's data folder."""
    named = os.environ.get(LIBRARY_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_data_dir(APP_NAME, appauthor=False)) / "library"


def settings_file() -> Path:
    """What a person has chosen."""
    return Path(platformdirs.user_config_dir(APP_NAME, appauthor=False)) / "settings.json"


def window_state_file() -> Path:
    """How the window was left: its size, its view, what was searched."""
    return Path(platformdirs.user_state_dir(APP_NAME, appauthor=False)) / "window.json"


def instance_folder() -> Path:
    """Where a running app can be found by a second start of the same person."""
    return Path(platformdirs.user_cache_dir(APP_NAME, appauthor=False)) / "running"


@dataclass(frozen=True, slots=True)
class LibraryPaths:
    """The files of one library. The catalog is the truth; thumbnails, graphs and calibration can be made again."""

    root: Path

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.sqlite"

    @property
    def lock(self) -> Path:
        return self.root / "writer.lock"

    @property
    def log(self) -> Path:
        return self.root / "engine.log"

    @property
    def thumbnails(self) -> Path:
        return self.root / "thumbnails"

    @property
    def graphs(self) -> Path:
        return self.root / "graphs"

    @property
    def calibration(self) -> Path:
        return self.root / "calibration"
