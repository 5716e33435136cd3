"""Answers made by hand, for tests of what the window does with them; strips of plain colours to draw."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtGui import QColor, QImage, QPainter

from cret_desktop.domain.clips import LibraryFile, Match, Moment, Reason, Thumbnail
from cret_desktop.engine.protocol import SearchAnswer

TILES = ("red", "lime", "blue", "yellow")  # of a strip, from left to right
TILE = (32, 18)


def strip_path(folder: Path, name: str) -> Path:
    """Where a library in this folder would have a strip: the window reads no other."""
    path = folder / "thumbnails" / "aa" / "aa" / f"aaaa{zlib.crc32(name.encode()):020x}-1.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_strip(path: Path, tiles: Sequence[str] = TILES) -> Path:
    """Draw a strip, as a library in the path's folder has them; returns where it lies."""
    path = strip_path(path.parent, path.name)
    image = QImage(TILE[0] * len(tiles), TILE[1], QImage.Format.Format_RGB32)
    painter = QPainter(image)
    for number, colour in enumerate(tiles):
        painter.fillRect(number * TILE[0], 0, *TILE, QColor(colour))
    painter.end()
    assert image.save(str(path), quality=95)
    return path


def thumbnails(strip: str, start: float, end: float, count: int = len(TILES)) -> tuple[Thumbnail, ...]:
    step = (end - start) / count
    return tuple(Thumbnail(strip, (i * TILE[0], 0, *TILE), start + (i + 0.5) * step) for i in range(count))


def library_file(number: int, **changes: object) -> LibraryFile:
    values: dict[str, object] = {
        "id": number, "path": f"/videos/Holidays/film {number}.mp4", "size": 1000 * (number + 1),
        "modified": 1.7e9 + 86400 * number, "state": "indexed", "reason": "", "duration": 60.0, "width": 1920,
        "height": 1080, "frame_rate": 25.0, "clips": 4, "offline": False, "missing": False, "favourite": False,
        "tags": (), "note": "",
    }  # fmt: skip
    return LibraryFile(**(values | changes))  # type: ignore[arg-type]


def moment(
    file: LibraryFile, place: int = 0, match: Match = Match.STRONG, score: float = 1.0, strip: str = "",
    reasons: tuple[Reason, ...] = (),
) -> Moment:  # fmt: skip
    start = 10.0 * place
    pictures = thumbnails(strip, start, start + 8) if strip else ()
    return Moment(file.id, 100 * file.id + place, file.path, start, start + 8, score, 0.5, match, pictures, 0, reasons)


def answer(
    *moments: Moment, files: Sequence[LibraryFile] | None = None, query: str = "a dog", confident: bool = True
) -> SearchAnswer:
    """An answer to a query. `files` where they are not plain ones."""
    ids = dict.fromkeys(moment.file_id for moment in moments)
    described = tuple(files) if files is not None else tuple(library_file(number) for number in ids)
    return SearchAnswer(query, "colours", 1.0, moments, confident, searched=9, files=described, total=len(described))


def browsed(files: Sequence[LibraryFile], total: int | None = None, strip: str = "") -> SearchAnswer:
    """A page of the library."""
    moments = tuple(
        Moment(
            file.id, 0, file.path, 0.0, file.duration or 0.0, 0.0, 0.0, Match.BROWSED,
            thumbnails(strip, 0, file.duration) if strip and file.duration else (), 0,
        )
        for file in files
    )  # fmt: skip
    total = len(files) if total is None else total
    return SearchAnswer("", "colours", 1.0, moments, True, searched=9, files=tuple(files), browsed=True, total=total)
