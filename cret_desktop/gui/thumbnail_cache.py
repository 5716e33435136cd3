"""Sprite strips as pixmaps: read in workers, newest wish first, the least recently drawn ones let go.

Pixmaps exist in the GUI thread only; workers make images. A strip that cannot be read is remembered as such and drawn
as a placeholder; nobody is told, because thumbnails are a cache.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QByteArray, QObject, Signal
from PySide6.QtGui import QImage, QImageReader, QPixmap

from cret_desktop.gui.background import Deliveries

CAPACITY = 192 * 2**20  # bytes of pixmaps
WISHES = 200  # more than a screen shows; what was scrolled past is forgotten
WORKERS = 2


class ThumbnailCache(QObject):
    """Signals: `ready(path)` a strip can be drawn now; `idle()` nothing is being read."""

    ready = Signal(str)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._deliveries = Deliveries(self)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="thumbnails")
        self._pixmaps: OrderedDict[str, QPixmap] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wishes: OrderedDict[str, None] = OrderedDict()
        self._reading: set[str] = set()

    @property
    def is_idle(self) -> bool:
        with self._lock:
            return not self._wishes and not self._reading

    def strip(self, path: str) -> QPixmap | None:
        """The strip, a null pixmap where it cannot be read, or None while it is being read (`ready` follows)."""
        pixmap = self._pixmaps.get(path)
        if pixmap is not None:
            self._pixmaps.move_to_end(path)
            return pixmap
        with self._lock:
            if path in self._reading:
                return None
            known = path in self._wishes
            self._wishes[path] = None
            self._wishes.move_to_end(path)
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

    def _read_newest(self) -> tuple[str, QImage] | None:
        with self._lock:
            if not self._wishes:
                return None
            path, _ = self._wishes.popitem()
            self._reading.add(path)
        reader = QImageReader()
        reader.setFileName(os.fsencode(path).decode("utf-8", "replace"))
        reader.setFormat(QByteArray(b"jpeg"))
        return path, reader.read()

    def _keep(self, strip: tuple[str, QImage] | None) -> None:
        if strip is not None:
            path, image = strip
            pixmap = QPixmap.fromImage(image)
            self._pixmaps[path] = pixmap
            self._bytes += _size(pixmap)
            while self._bytes > CAPACITY and len(self._pixmaps) > 1:
                self._bytes -= _size(self._pixmaps.popitem(last=False)[1])
            with self._lock:
                self._reading.discard(path)
            self.ready.emit(path)
        if self.is_idle:
            self.idle.emit()

    @staticmethod
    def _raise(error: BaseException) -> None:
        raise error


def _size(pixmap: QPixmap) -> int:
    return pixmap.width() * pixmap.height() * 4
