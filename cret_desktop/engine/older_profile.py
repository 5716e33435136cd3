"""Finds a profile that an older build kept elsewhere, and moves it to this build's folders: whole, or not at all.

Early builds got their folders from `appdirs`, with the program's name also as its author, or under the name of the
command. This module never copies, never merges two libraries and never touches a profile that a program has open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import appdirs

from cret_desktop import paths
from cret_desktop.engine.lock import WriterLock
from cret_desktop.errors import StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.paths import LibraryPaths

OLD_NAMES = ("CRET Desktop", "cret-desktop")


@dataclass(frozen=True, slots=True)
class OlderProfile:
    """`moves` are (current path, path in this build) of the profile's parts, the library first."""

    moves: tuple[tuple[Path, Path], ...]

    @property
    def library(self) -> Path:
        return self.moves[0][0]

    def move(self) -> None:
        """Move the profile. Raises: LibraryLocked if a program has it open, StorageError; then nothing has moved."""
        with WriterLock(LibraryPaths(self.library).lock).held():
            pass  # nobody writes to it; released before the move, because Windows cannot move an open file
        done: list[tuple[Path, Path]] = []
        try:
            for old, new in self.moves:
                new.parent.mkdir(parents=True, exist_ok=True)
                os.rename(old, new)
                done.append((old, new))
        except OSError as error:
            for old, new in reversed(done):
                os.rename(new, old)
            target = self.moves[0][1]
            raise StorageError(
                "library.not-moved", library=self.library, target=target, reason=reason_of(error)
            ) from error
        with suppress(OSError):  # a remaining empty folder is harmless
            self.library.parent.rmdir()


def find() -> OlderProfile | None:
    """Return the first older profile, None if there is none or this build already has a library. Only checks names."""
    new_library = paths.data_folder() / "library"
    if new_library.exists():
        return None
    for old_data, old_settings in _old_places():
        wanted = [
            (old_data / "library", new_library),
            (old_data / "models", paths.data_folder() / "models"),
            (old_settings / "settings.json", paths.settings_file()),
        ]
        return OlderProfile(tuple((old, new) for old, new in wanted if old.exists() and not new.exists()))
    return None


def older_libraries() -> list[Path]:
    """Return the libraries in the folders of older builds, used or not."""
    return [data / "library" for data, _ in _old_places()]


def _old_places() -> Iterator[tuple[Path, Path]]:
    """Yield (data folder, settings folder) of older builds that have a library, excluding this build's own."""
    seen = {paths.data_folder()}
    for name in OLD_NAMES:
        for roaming in (False, True):
            data = Path(appdirs.user_data_dir(name, roaming=roaming))
            if data not in seen and LibraryPaths(data / "library").catalog.exists():
                yield data, Path(appdirs.user_config_dir(name, roaming=roaming))
            seen.add(data)
