"""Keeps the thumbnails' folder equal to the catalog's clips: removes unused sprites, redraws missing ones.

Thumbnails are a cache: a missing one is redrawn from its video, without encoding. A whole sprite that a clip uses is
never touched.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from cret_desktop.domain.clips import ClipDecoded, FileDecoded, FileFailed, Sampling, VideoFile
from cret_desktop.domain.records import ThumbnailRow
from cret_desktop.library.indexing.file_faults import faults_of, note
from cret_desktop.library.ports import Decoder, Store

log = logging.getLogger(__name__)


class ThumbnailFolder:
    """The thumbnails of one library. For the indexing thread, while indexing is idle."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._missing: dict[str, dict[str, ThumbnailRow]] = {}  # by the path of the video, by name
        self._files: dict[str, tuple[int, VideoFile]] = {}

    def sweep(self) -> int:
        """Remove sprites without a clip, left by a killed process or a repaired catalog. Return their number."""
        return self._store.blobs.sweep(row.sprite for row in self._store.clips.thumbnails())

    def look(self, closely: bool) -> int:
        """Record the missing thumbnails; `closely`, also truncated ones. Return the number of their videos.

        Videos that are unreachable now are left for another start.
        """
        self._missing, self._files = {}, {}
        for row in self._store.clips.thumbnails():
            if not row.missing and not self._store.blobs.is_whole(row.sprite, closely):
                self._missing.setdefault(row.file.path, {})[row.sprite] = row
                self._files[row.file.path] = (row.file_id, row.file)
        return len(self._missing)

    def redraw(self, open_decoder: Callable[[], Decoder], sampling: Sampling, stop: Callable[[], bool]) -> int:
        """Draw the recorded thumbnails until all are done or `stop`. Return the number drawn.

        A video whose clips differ now (other cuts, or a changed file) is indexed again.
        """
        if not self._files or stop():
            return 0
        drawn = 0
        otherwise: list[int] = []
        decoder = open_decoder()
        try:
            for event in decoder.decode(self._until(stop), sampling):
                if isinstance(event, ClipDecoded):
                    # A clip that is not drawn is indexed again, which reports the file's problem.
                    with faults_of(event.file.path, partial(note, logging.INFO, "%s: %s", event.file.path)):
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
            self._store.queue.index_again(otherwise)
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
        self._store.blobs.write(name, sprite.jpeg)
        self._store.clips.record_sprite(name, zlib.crc32(sprite.jpeg))
        del wanted[name]
        return True
