"""Keeps the folder of thumbnails to what the catalog's clips show: removes what none shows, draws what is missing.

Thumbnails are a cache: a missing one is drawn from its video again, and nothing is encoded for it. Never touches one
that is whole and that a clip shows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from cret_desktop.clips import ClipDecoded, FileDecoded, FileFailed, Sampling, VideoFile
from cret_desktop.index.catalog import Catalog
from cret_desktop.index.file_changes import FileChanges
from cret_desktop.index.rows import ThumbnailRow
from cret_desktop.library.ports import Decoder

log = logging.getLogger(__name__)

_JPEG_END = b"\xff\xd9"


def drop(folder: Path, names: Iterable[str]) -> None:
    """Remove these pictures, and the folders that they leave empty; one that cannot be removed stays, and is logged.

    For the indexing thread: nobody else may be about to write into such a folder.
    """
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.warning("The thumbnail %s could not be removed: %s", folder / name, error)
        for place in list(PurePosixPath(name).parents)[:-1]:
            with suppress(OSError):  # mostly others lie there still
                (folder / place).rmdir()


class ThumbnailFolder:
    """Of one library. For the indexing thread, while nothing is indexed."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self._catalog = catalog
        self._folder = folder
        self._missing: dict[str, dict[str, ThumbnailRow]] = {}  # by the path of the video, by name
        self._files: dict[str, tuple[int, VideoFile]] = {}

    def sweep(self) -> int:
        """Remove what no clip shows, left by a process that was killed or a catalog that was repaired; how many."""
        shown = {row.sprite for row in self._catalog.thumbnails()}
        removed = 0
        for place, _, names in os.walk(self._folder):
            for name in names:
                path = Path(place, name)
                if path.relative_to(self._folder).as_posix() not in shown:
                    try:
                        path.unlink(missing_ok=True)
                        removed += 1
                    except OSError as error:
                        log.warning("The thumbnail %s could not be removed: %s", path, error)
        return removed

    def look(self, closely: bool) -> int:
        """Note which thumbnails are missing; `closely`, also those that were cut short. Returns of how many videos.

        Videos that cannot be reached now are left for another start.
        """
        self._missing, self._files = {}, {}
        for row in self._catalog.thumbnails():
            if not _is_whole(self._folder / row.sprite, closely) and not row.missing:
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
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(sprite.jpeg)
        part.replace(path)
        del wanted[name]
        return True


def _is_whole(path: Path, closely: bool) -> bool:
    try:
        if not closely:
            return path.stat().st_size > 0
        with path.open("rb") as stream:
            stream.seek(-len(_JPEG_END), os.SEEK_END)
            return stream.read() == _JPEG_END
    except OSError:
        return False
