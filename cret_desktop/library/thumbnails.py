"""Keeps the folder of thumbnails to what the catalog's clips show: removes what none shows, draws what is missing.

Thumbnails are a cache: a missing one is drawn from its video again, and nothing is encoded for it. Never touches one
that is whole and that a clip shows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from cret_desktop.clips import ClipDecoded, FileDecoded, FileFailed, Sampling, VideoFile
from cret_desktop.errors import StorageError
from cret_desktop.index.catalog import Catalog
from cret_desktop.index.file_changes import FileChanges
from cret_desktop.library.one_file import faults_of
from cret_desktop.library.ports import Decoder
from cret_desktop.library_files import THUMBNAILS, LibraryFiles, is_sprite_name
from cret_desktop.records import ThumbnailRow

log = logging.getLogger(__name__)

_JPEG_END = b"\xff\xd9"


def file_of(sprite: str) -> str:
    """The name in the library of a strip that a clip shows; what is no name of ours is refused where it is used."""
    return f"{THUMBNAILS}/{sprite}"


def drop(files: LibraryFiles, names: Iterable[str]) -> None:
    """Remove these pictures, and the folders that they leave empty; one that cannot be removed stays, and is logged.

    For the indexing thread: nobody else may be about to write into such a folder.
    """
    for name in filter(is_sprite_name, names):
        try:
            files.remove(file_of(name))
        except OSError as error:
            log.warning("The thumbnail %s could not be removed: %s", name, error)
        inner = file_of(name).rpartition("/")[0]
        if files.remove_folder(inner):  # mostly others lie there still
            files.remove_folder(inner.rpartition("/")[0])


class ThumbnailFolder:
    """Of one library. For the indexing thread, while nothing is indexed."""

    def __init__(self, catalog: Catalog, files: LibraryFiles) -> None:
        self._catalog = catalog
        self._library = files
        self._missing: dict[str, dict[str, ThumbnailRow]] = {}  # by the path of the video, by name
        self._files: dict[str, tuple[int, VideoFile]] = {}

    def sweep(self) -> int:
        """Remove what no clip shows, left by a process that was killed or a catalog that was repaired; how many."""
        shown = {file_of(row.sprite) for row in self._catalog.thumbnails()}
        removed = 0
        for name in list(self._library.walk(THUMBNAILS)):
            if name not in shown:
                try:
                    removed += self._library.remove(name)
                except OSError as error:
                    log.warning("The thumbnail %s could not be removed: %s", name, error)
        return removed

    def look(self, closely: bool) -> int:
        """Note which thumbnails are missing; `closely`, also those that were cut short. Returns of how many videos.

        Videos that cannot be reached now are left for another start.
        """
        self._missing, self._files = {}, {}
        for row in self._catalog.thumbnails():
            if not row.missing and not self._is_whole(row.sprite, closely):
                self._missing.setdefault(row.file.path, {})[row.sprite] = row
                self._files[row.file.path] = (row.file_id, row.file)
        return len(self._missing)

    def redraw(self, open_decoder: Callable[[], Decoder], sampling: Sampling, stop: Callable[[], bool]) -> int:
        """Draw what `look` has noted until all is done or `stop`; returns how many thumbnails were drawn.

        A video that does not give them as they were (it is cut differently now, or has changed) is indexed again.
        """
        if not self._files or stop():
            return 0
        drawn = 0
        otherwise: list[int] = []
        decoder = open_decoder()
        try:
            for event in decoder.decode(self._until(stop), sampling):
                if isinstance(event, ClipDecoded):
                    # What is not drawn is indexed again, which tells what is wrong with the file.
                    with faults_of(event.file.path, partial(log.info, "%s: %s", event.file.path)):
                        drawn += self._draw(event)
                elif isinstance(event, FileDecoded | FileFailed):
                    file_id, _ = self._files.pop(event.file.path)
                    if self._missing.pop(event.file.path):
                        otherwise.append(file_id)
                if stop():
                    break
        finally:
            decoder.close()
        if otherwise:
            log.info("%d videos are indexed again for their thumbnails", len(otherwise))
            FileChanges(self._catalog).index_again(otherwise)
        return drawn

    def _until(self, stop: Callable[[], bool]) -> Iterator[VideoFile]:
        for _, file in list(self._files.values()):
            if stop():
                return
            yield file

    def _draw(self, event: ClipDecoded) -> bool:
        sprite, wanted = event.clip.sprite, self._missing[event.file.path]
        stem = f"-{round(event.clip.start * 1000)}.jpg"
        name = next((name for name in wanted if name.endswith(stem)), "")
        if not name or (wanted[name].tile_width, wanted[name].tile_height) != (sprite.tile_width, sprite.tile_height):
            return False
        try:
            self._library.write(file_of(name), sprite.jpeg)
        except OSError as error:
            raise StorageError(
                f"Thumbnails cannot be written to {self._library.root}: {error.strerror or error}. Free some space or "
                "check its permissions; what was indexed so far is kept."
            ) from error
        del wanted[name]
        return True

    def _is_whole(self, sprite: str, closely: bool) -> bool:
        try:
            if not closely:
                return self._library.entry(file_of(sprite)).size > 0
            with self._library.opened(file_of(sprite)) as stream:
                stream.seek(-len(_JPEG_END), os.SEEK_END)
                return stream.read() == _JPEG_END
        except OSError:
            return False
