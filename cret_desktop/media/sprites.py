"""The geometry of thumbnail strips.

Shared by the decoders that draw strips and the window that shows single tiles. This module never touches pixels and
imports no image library.
"""

from __future__ import annotations

MAX_TILE_WIDTH = 320
MAX_TILE_HEIGHT = 180


def fit_inside(width: float, height: float, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the largest (width, height) in whole pixels of the same aspect that fits, at most the picture's own."""
    scale = min(max_width / width, max_height / height, 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))


def tile_size(width: int, height: int, widest: int = MAX_TILE_WIDTH) -> tuple[int, int]:
    """Return the tile size for a picture of this displayed size. `widest` may be smaller than MAX_TILE_WIDTH."""
    return fit_inside(width, height, widest, widest * MAX_TILE_HEIGHT // MAX_TILE_WIDTH)


def tile_rect(index: int, tile_width: int, tile_height: int) -> tuple[int, int, int, int]:
    """Return (x, y, width, height) of a tile in its strip."""
    return index * tile_width, 0, tile_width, tile_height
