"""Shrinks existing thumbnails to free disk space: without the videos, and no clip loses its own.

A picture is removed only once the smaller one is in the catalog. Never enlarges one, and never touches a video.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence

from cret_desktop.domain.records import ShownSprite
from cret_desktop.library.ports import Store
from cret_desktop.media.sprites import tile_size

log = logging.getLogger(__name__)

AT_ONCE = 100  # pictures per transaction

Shrink = Callable[[bytes, int, int], tuple[bytes, int, int]]


def shrink_thumbnails(store: Store, shrink: Shrink, widest: int, stop: Callable[[], bool]) -> None:
    """Shrink tiles that are wider than `widest` pixels to that width. For the indexing thread, while indexing is idle.

    `shrink` maps (a sprite's JPEG, its number of tiles, `widest`) to (JPEG, tile width, tile height); it raises
    ValueError for an invalid picture. Raises: StorageError.
    """
    larger = [
        sprite
        for sprite in store.clips.shown_sprites()
        if tile_size(sprite.tile_width, sprite.tile_height, widest) != (sprite.tile_width, sprite.tile_height)
    ]
    for at in range(0, len(larger), AT_ONCE):
        if stop():
            return
        _replace(store, larger[at : at + AT_ONCE], shrink, widest)


def _replace(store: Store, sprites: Sequence[ShownSprite], shrink: Shrink, widest: int) -> None:
    smaller = []
    for sprite in sprites:
        try:
            jpeg, width, height = shrink(store.blobs.read(sprite.name), sprite.tiles, widest)
        except (OSError, ValueError) as error:
            log.info("%s is left as it is: %s", sprite.name, error)  # missing or no picture: nothing to gain
            continue
        # The end of the name, a clip's position, stays: it identifies a lost picture when it is redrawn.
        content, _, place = sprite.name.rpartition("-")
        name = f"{content.rpartition('.')[0] or content}.{width}-{place}"
        store.blobs.write(name, jpeg)
        smaller.append((sprite.name, ShownSprite(name, width, height, sprite.tiles, zlib.crc32(jpeg))))
    store.clips.swap_sprites(smaller)
    store.blobs.remove([old for old, _ in smaller])
