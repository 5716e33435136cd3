"""The clips of one catalog, for display: their places in videos, and the names of their thumbnails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cret_desktop.domain.clips import VideoFile
from cret_desktop.domain.records import ClipFiles, ClipRow, ShownSprite, ThumbnailRow
from cret_desktop.storage.sqlite.beliefs import MOST_FRAMES, believed
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.checksums import seal_clips
from cret_desktop.storage.sqlite.rows import CLIP_COLUMNS, INDEXED, clip_rows, joined_path, parts


class Clips:
    """Reads the clips of one catalog (`library.ports.ClipStore`). Raises: as every method of the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def clips(self, ids: Sequence[int]) -> dict[int, ClipRow]:
        """Return clips by id; unknown ids are left out."""
        found: dict[int, ClipRow] = {}
        for part in parts(ids):
            rows = self._catalog.reader().execute(f"{CLIP_COLUMNS} WHERE c.id IN ({','.join('?' * len(part))})", part)
            found.update((row.id, row) for row in clip_rows(rows))
        return found

    def clips_of(self, file_id: int) -> list[ClipRow]:
        """Return all clips of a file, in order."""
        return self._clips_where("c.file_id = ? ORDER BY c.ordinal", (file_id,))

    def clip_at(self, file_id: int, seconds: float) -> ClipRow | None:
        """Return the last clip of a file that begins at or before a time, else its first; None if it has none."""
        found = self._clips_where(
            "c.file_id = ? AND c.start <= ? ORDER BY c.ordinal DESC LIMIT 1", (file_id, max(0.0, seconds))
        ) or self._clips_where("c.file_id = ? ORDER BY c.ordinal LIMIT 1", (file_id,))
        return found[0] if found else None

    def spread_clips(self, file_id: int, count: int) -> list[ClipRow]:
        """Return at most `count` clips of a file, evenly spread over it, in order."""
        query = (
            "SELECT max(ordinal) FROM clips WHERE file_id = ? AND typeof(ordinal) = 'integer' AND ordinal < 1000000000"
        )
        last = self._catalog.reader().execute(query, (file_id,)).fetchone()[0]
        if last is None or last < 0:
            return []
        ordinals = sorted({round(o) for o in np.linspace(0, last, min(count, last + 1))})
        return self._clips_where(
            f"c.file_id = ? AND c.ordinal IN ({','.join('?' * len(ordinals))}) ORDER BY c.ordinal",
            (file_id, *ordinals),
        )

    def _clips_where(self, condition: str, parameters: tuple[object, ...]) -> list[ClipRow]:
        return list(clip_rows(self._catalog.reader().execute(f"{CLIP_COLUMNS} WHERE {condition}", parameters)))

    def thumbnails(self) -> Iterator[ThumbnailRow]:
        """Yield one row per clip that has thumbnails, those of waiting or missing files included."""
        rows = self._catalog.reader().execute(
            "SELECT c.sprite, c.tile_width, c.tile_height, f.id, r.path, f.path, f.size, f.mtime_ns, f.device, f.inode,"
            f" f.missing_since IS NOT NULL OR r.offline OR NOT {INDEXED}"
            " FROM clips c JOIN files f ON f.id = c.file_id JOIN roots r ON r.id = f.root_id WHERE c.sprite != ''"
        )
        kinds = (
            "clips.sprite clips.tile_width clips.tile_height files.id roots.path files.path files.size files.mtime_ns"
            " files.device files.inode integer"
        )
        for sprite, width, height, file_id, root, relative, size, mtime_ns, device, inode, missing in believed(
            rows, kinds
        ):
            file = VideoFile(joined_path(root, relative), size, mtime_ns, device, inode)
            yield ThumbnailRow(sprite, width, height, file_id, file, bool(missing))

    def clip_files(self, known: ClipFiles) -> ClipFiles:
        """Return the clips `known` and those added since. The only writer's ids ascend: the last one is the cursor."""
        query = "SELECT id, file_id FROM clips WHERE id > ? AND typeof(file_id) = 'integer' ORDER BY id"
        rows = self._catalog.reader().execute(query, (known.cursor or 0,)).fetchall()
        if not rows:
            return known
        pairs = np.array(rows, np.int64).reshape(-1, 2)
        ids, files = np.concatenate([known.ids, pairs[:, 0]]), np.concatenate([known.files, pairs[:, 1]])
        return ClipFiles(ids, files, int(ids[-1]))

    def sample_clips(self, count: int) -> list[tuple[int, int]]:
        """Return (clip id, file id) of at most `count` live clips, evenly spread over the library."""
        rows = (
            self._catalog.reader()
            .execute(
                "SELECT c.id, c.file_id FROM clips c JOIN files f ON f.id = c.file_id"
                " WHERE f.missing_since IS NULL ORDER BY c.id"
            )
            .fetchall()
        )
        return rows[:: max(1, -(-len(rows) // count))]

    def shown_sprites(self) -> list[ShownSprite]:
        """Return each strip that has tiles once, even if copies of a file share it."""
        rows = self._catalog.reader().execute(
            "SELECT sprite, tile_width, tile_height, length(times) / 8, sprite_checksum FROM clips"
            " WHERE sprite != '' GROUP BY sprite"
        )
        kinds = "clips.sprite clips.tile_width clips.tile_height integer clips.sprite_checksum"
        shown = [ShownSprite(*row) for row in believed(rows, kinds)]
        return [s for s in shown if s.tile_width and s.tile_height and 0 < s.tiles <= MOST_FRAMES]

    def swap_sprites(self, pairs: Iterable[tuple[str, ShownSprite]]) -> None:
        """Replace the strips of these names by others, in one transaction."""
        pairs = list(pairs)
        with self._catalog.write() as db:
            db.executemany(
                "UPDATE clips SET sprite = ?, tile_width = ?, tile_height = ?, sprite_checksum = ? WHERE sprite = ?",
                [(new.name, new.tile_width, new.tile_height, new.checksum, old) for old, new in pairs],
            )
            for _, new in pairs:
                seal_clips(db, "sprite = ?", new.name)

    def record_sprite(self, name: str, checksum: int) -> None:
        """Store the checksum (CRC-32) of a strip that was redrawn."""
        with self._catalog.write() as db:
            db.execute("UPDATE clips SET sprite_checksum = ? WHERE sprite = ?", (checksum, name))
