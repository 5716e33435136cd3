"""Stores a library's thumbnails as files beside its catalog, in two levels of folders by content."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from cret_desktop.errors import StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.library_files import THUMBNAILS, LibraryFiles, is_sprite_name

log = logging.getLogger(__name__)

_JPEG_END = b"\xff\xd9"


class ThumbnailFiles:
    """The strips of one library by name (`library.ports.BlobStore`)."""

    def __init__(self, files: LibraryFiles) -> None:
        self._files = files

    def sprite_path(self, name: str) -> str:
        return self._files.sprite_path(name)

    def read(self, name: str) -> bytes:
        return self._files.read(file_of(name))

    def write(self, name: str, content: bytes) -> None:
        try:
            self._files.write(file_of(name), content)
        except OSError as error:
            raise StorageError("thumbnails.not-written", folder=self._files.root, reason=reason_of(error)) from error

    def remove(self, names: Iterable[str]) -> int:
        removed = 0
        for name in filter(is_sprite_name, names):
            removed += self._remove(file_of(name))
            inner = file_of(name).rpartition("/")[0]
            if self._files.remove_folder(inner):  # rarely succeeds: others are in it
                self._files.remove_folder(inner.rpartition("/")[0])
        return removed

    def sweep(self, shown: Iterable[str]) -> int:
        kept = {file_of(name) for name in shown}
        return sum(self._remove(name) for name in list(self._files.walk(THUMBNAILS)) if name not in kept)

    def is_whole(self, name: str, closely: bool) -> bool:
        try:
            if not closely:
                return self._files.entry(file_of(name)).size > 0
            with self._files.opened(file_of(name)) as stream:
                stream.seek(-len(_JPEG_END), os.SEEK_END)
                return stream.read() == _JPEG_END
        except OSError:
            return False

    def _remove(self, name: str) -> bool:
        try:
            return self._files.remove(name)
        except OSError as error:
            log.warning("The thumbnail %s could not be removed: %s", name, error)
            return False


def file_of(sprite: str) -> str:
    """Return a strip's name in the library; an invalid name is refused where it is used."""
    return f"{THUMBNAILS}/{sprite}"
