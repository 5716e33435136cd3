"""Which thumbnails the catalog shows, and others in their place. Never looks at the disk."""

from __future__ import annotations

from collections.abc import Iterable

from cret_desktop.index.beliefs import MOST_FRAMES, believed
from cret_desktop.index.catalog import Catalog
from cret_desktop.records import ShownSprite


def shown_sprites(catalog: Catalog) -> list[ShownSprite]:
    """Each that has tiles once, also where copies of a file share it. Raises: as every method of the catalog."""
    rows = catalog.reader().execute(
        "SELECT sprite, tile_width, tile_height, length(times) / 8 FROM clips WHERE sprite != '' GROUP BY sprite"
    )
    shown = [ShownSprite(*row) for row in believed(rows, "clips.sprite clips.tile_width clips.tile_height integer")]
    return [sprite for sprite in shown if sprite.tile_width and sprite.tile_height and 0 < sprite.tiles <= MOST_FRAMES]


def swap_sprites(catalog: Catalog, pairs: Iterable[tuple[str, ShownSprite]]) -> None:
    """Show other strips in place of those of these names, in one transaction."""
    with catalog.write() as db:
        db.executemany(
            "UPDATE clips SET sprite = ?, tile_width = ?, tile_height = ? WHERE sprite = ?",
            [(new.name, new.tile_width, new.tile_height, old) for old, new in pairs],
        )
