"""Pictures of moments, cut from their sprites, scaled and rounded in workers: newest request first, bounded in bytes.

Pixmaps exist in the GUI thread only; workers produce images in device pixels, so that the GUI thread only draws them. A
sprite that cannot be read is remembered and drawn as a placeholder, without an error message, as thumbnails are a
cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PySide6.QtCore import QBuffer, QByteArray, QObject, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QImage, QImageReader, QPainter, QPixmap

from cret_desktop.domain.clips import Thumbnail
from cret_desktop.gui.bridge.background import Deliveries
from cret_desktop.library_files import read_sprite

CAPACITY = 128 * 2**20  # bytes of pixmaps: some 250 cards of 216 x 122 at 200 %
WISHES = 200  # sprites; more than a screen shows. Requests that were scrolled past are dropped
WORKERS = 2
WIDEST_STRIP, HIGHEST_STRIP = 16_384, 1024  # pixels; the app's own have a few tiles of at most 320 x 180 side by side
MOST_BYTES = 16 * 2**20  # of a sprite's file
CROPPED = 0.26  # a picture fills its place if at most this share of it is cut: 4:3 does, upright video does not


@dataclass(frozen=True, slots=True)
class Place:
    """The size of a drawn picture: logical pixels, the screen's ratio, the corners' radius in logical pixels.

    `cover` fills the place whatever is cut; otherwise a picture fills it only if little is cut.
    """

    size: QSize
    ratio: float = 1.0
    radius: int = 0
    cover: bool = False

    @property
    def key(self) -> tuple[int, int, float, int, bool]:
        return self.size.width(), self.size.height(), self.ratio, self.radius, self.cover


Rect = tuple[int, int, int, int]
Key = tuple[str, Rect, tuple[int, int, float, int, bool]]


class ThumbnailCache(QObject):
    """Signals: `ready(path)` pictures of this sprite can be drawn now; `idle()` nothing is being read."""

    ready = Signal(str)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._deliveries = Deliveries(self)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="thumbnails")
        self._pixmaps: OrderedDict[Key, QPixmap] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wishes: OrderedDict[str, dict[Key, Place]] = OrderedDict()
        self._reading: set[Key] = set()

    @property
    def is_idle(self) -> bool:
        with self._lock:
            return not self._wishes and not self._reading

    @property
    def size_in_bytes(self) -> int:
        return self._bytes

    def picture(self, thumbnail: Thumbnail, place: Place) -> QPixmap | None:
        """Return the picture, a null pixmap if it cannot be read, or None while it is being read (`ready` follows)."""
        key = (thumbnail.path, thumbnail.rect, place.key)
        pixmap = self._pixmaps.get(key)
        if pixmap is not None:
            self._pixmaps.move_to_end(key)
            return pixmap
        with self._lock:
            if key in self._reading:
                return None
            known = thumbnail.path in self._wishes
            self._wishes.setdefault(thumbnail.path, {})[key] = place
            self._wishes.move_to_end(thumbnail.path)
            if len(self._wishes) > WISHES:
                self._wishes.popitem(last=False)
        if not known:
            self._deliveries.deliver(self._pool.submit(self._read_newest), self._keep, self._raise)
        return None

    def close(self) -> None:
        """Drop the requests and end the workers; waits only for sprites that are being read."""
        with self._lock:
            self._wishes.clear()
        self._pool.shutdown(cancel_futures=True)

    def _read_newest(self) -> list[tuple[Key, QImage]]:
        with self._lock:
            if not self._wishes:
                return []
            path, wished = self._wishes.popitem()
            self._reading.update(wished)
        strip = read_strip(path)
        return [(key, prepare(strip, key[1], place)) for key, place in wished.items()]

    def _keep(self, images: list[tuple[Key, QImage]]) -> None:
        for key, image in images:
            pixmap = QPixmap.fromImage(image)
            self._pixmaps[key] = pixmap
            self._bytes += _size(pixmap)
        while self._bytes > CAPACITY and len(self._pixmaps) > 1:
            self._bytes -= _size(self._pixmaps.popitem(last=False)[1])
        if images:
            with self._lock:
                self._reading.difference_update(key for key, _ in images)
            self.ready.emit(images[0][0][0])
        if self.is_idle:
            self.idle.emit()

    @staticmethod
    def _raise(error: BaseException) -> None:
        raise error


def read_strip(path: str) -> QImage:
    """Return a sprite, or a null image if the file is not a JPEG of an allowed size, whatever its name."""
    buffer = QBuffer()
    buffer.setData(_bytes_of(path))
    reader = QImageReader(buffer)
    reader.setAutoDetectImageFormat(False)  # otherwise Qt tries all its formats, and rendering an SVG can take any time
    reader.setFormat(QByteArray(b"jpeg"))
    size = reader.size() if reader.canRead() else QSize()
    if not size.isValid() or size.width() > WIDEST_STRIP or size.height() > HIGHEST_STRIP:
        return QImage()
    return reader.read()


def _bytes_of(path: str) -> bytes:
    """Return the content of a sprite's file; empty if it cannot be read, is not in a library, or is too large."""
    try:
        return read_sprite(path, MOST_BYTES)
    except OSError:
        return b""


def prepare(strip: QImage, rect: Rect, place: Place) -> QImage:
    """Return one tile of a sprite as drawn: in device pixels, cropped or fitted to its place, with round corners."""
    # Rows are untrusted: a rectangle outside the sprite would produce a black image of any size.
    inside = all(0 <= number <= WIDEST_STRIP for number in rect)
    tile = strip.copy(QRect(*rect) & strip.rect()) if inside and QRect(*rect).intersects(strip.rect()) else QImage()
    if tile.isNull():
        return QImage()
    target = place.size * place.ratio
    shapes = sorted((tile.width() * target.height(), target.width() * tile.height()))
    fill = place.cover or (shapes[1] > 0 and 1 - shapes[0] / shapes[1] <= CROPPED)
    mode = Qt.AspectRatioMode.KeepAspectRatioByExpanding if fill else Qt.AspectRatioMode.KeepAspectRatio
    scaled = tile.scaled(target, mode, Qt.TransformationMode.SmoothTransformation)
    if fill:
        left, top = (scaled.width() - target.width()) // 2, (scaled.height() - target.height()) // 2
        scaled = scaled.copy(QRect(left, top, target.width(), target.height()))
        if place.radius:
            scaled = _rounded(scaled, place.radius * place.ratio)
    scaled.setDevicePixelRatio(place.ratio)
    return scaled


def _rounded(image: QImage, radius: float) -> QImage:
    out = QImage(image.size(), QImage.Format.Format_ARGB32_Premultiplied)
    out.fill(Qt.GlobalColor.transparent)
    painter = QPainter(out)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(image))  # a texture, because a clip path would leave the corners jagged
    painter.drawRoundedRect(QRectF(out.rect()), radius, radius)
    painter.end()
    return out


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4
