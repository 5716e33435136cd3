"""Pictures of moments, cut from their strips, scaled and rounded in workers: newest wish first, bounded in bytes.

Pixmaps exist in the GUI thread only; workers make images, at the size of the screen's own pixels, so that the GUI
thread has nothing left to do but to draw them. A strip that cannot be read is remembered as such and drawn as a
placeholder; nobody is told, because thumbnails are a cache.
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
WISHES = 200  # strips; more than a screen shows. What was scrolled past is forgotten
WORKERS = 2
WIDEST_STRIP, HIGHEST_STRIP = 16_384, 1024  # pixels; ours have some tiles of 320 x 180 at most side by side
MOST_BYTES = 16 * 2**20  # of a strip's file
CROPPED = 0.26  # a picture fills its place where at most this share of it is cut: 4:3 does, upright video does not


@dataclass(frozen=True, slots=True)
class Place:
    """What a picture is prepared for: logical pixels, the screen's ratio, the corners' radius in logical pixels.

    `cover` fills the place, whatever is cut; otherwise only where little is.
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
    """Signals: `ready(path)` pictures of this strip can be drawn now; `idle()` nothing is being read."""

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
        """The picture, a null pixmap where it cannot be read, or None while it is being read (`ready` follows)."""
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
        """Forget the wishes and end the workers; at most the strips under way are waited for."""
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
    """A strip of thumbnails, a null image where it is no JPEG of such a size, whatever its name says."""
    buffer = QBuffer()
    buffer.setData(_bytes_of(path))
    reader = QImageReader(buffer)
    reader.setAutoDetectImageFormat(False)  # else Qt asks its other formats: one draws SVG, for as long as that takes
    reader.setFormat(QByteArray(b"jpeg"))
    size = reader.size() if reader.canRead() else QSize()
    if not size.isValid() or size.width() > WIDEST_STRIP or size.height() > HIGHEST_STRIP:
        return QImage()
    return reader.read()


def _bytes_of(path: str) -> bytes:
    """What a strip holds; nothing where it cannot be read, is none of a library's, or is larger than any."""
    try:
        return read_sprite(path, MOST_BYTES)
    except OSError:
        return b""


def prepare(strip: QImage, rect: Rect, place: Place) -> QImage:
    """One tile of a strip as it is drawn: in device pixels, cut to its place or inside it, with round corners."""
    # Rows can say anything: what lies outside of the strip would be made, black, and however large.
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
