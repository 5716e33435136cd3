"""Query pictures: from a file, the clipboard, a drop or a frame to the engine's `Picture`.

The engine reads them in a child process; here, only the name or MIME type identifies a picture. This module never
touches a widget, and never decodes untrusted data.
"""

from __future__ import annotations

import os

from PySide6.QtCore import QMimeData, QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter

from cret_desktop.domain.clips import LONGEST_PICTURE, Picture
from cret_desktop.engine.client import Superseded
from cret_desktop.engine.protocol import ReadPicture
from cret_desktop.errors import PathError
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.shell import drops

# Extensions of pictures, also of unsupported formats: dropping one means to search by it, and the error says why not.
ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .tif .tiff .svg .svgz .pdf .eps .ps .heic .heif .avif .jxl .jp2 .ico "
    ".icns .cur .tga .pbm .pgm .ppm .xbm .xpm .psd".split()
)
TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/tiff", "image/gif")  # supported, best first


def to_picture(image: QImage) -> Picture:
    """Return an image as a `Picture`: RGB, the longer side at most 512 pixels, transparency on white."""
    size = _bounded(image.size())
    image = image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    if image.hasAlphaChannel():
        paper = QImage(size, QImage.Format.Format_RGB32)
        paper.fill(Qt.GlobalColor.white)
        painter = QPainter(paper)
        painter.drawImage(0, 0, image)
        painter.end()
        image = paper
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    lines = bytes(image.constBits())
    row, step = 3 * image.width(), image.bytesPerLine()  # Qt pads rows to four bytes
    rgb = b"".join(lines[y * step : y * step + row] for y in range(image.height()))
    return Picture(image.width(), image.height(), rgb)


def to_image(picture: Picture) -> QImage:
    return QImage(
        picture.rgb, picture.width, picture.height, 3 * picture.width, QImage.Format.Format_RGB888
    ).copy()  # its own memory: the bytes may be freed before the image


def picture_paths(data: QMimeData) -> list[str]:
    """Return the files of a drop or a clipboard if all are pictures by their names, else none."""
    files = drops.local_paths(data)
    pictures = [path for path in files if os.path.splitext(path)[1].lower() in ENDINGS]
    return pictures if len(pictures) == len(files) else []


def holds_picture(data: QMimeData) -> bool:
    """Return whether a drop or the clipboard is a picture or files of pictures, and not text with a picture of it."""
    return bool(picture_paths(data)) or (data.hasImage() and not data.hasText() and not data.hasUrls())


class PictureLoader(QObject):
    """Loads pictures through the engine: the window decodes no untrusted data.

    Signals: `loaded(Picture)`; `failed(Exception)`.
    """

    loaded = Signal(object)
    failed = Signal(object)

    def __init__(self, bridge: EngineBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge

    def load(self, path: str) -> None:
        self._ask(ReadPicture(path))

    def load_copied(self, data: QMimeData) -> None:
        """Load the picture data of the clipboard or a drag."""
        kinds = [kind for kind in data.formats() if kind.startswith("image/")]
        known = next((kind for kind in TYPES if kind in kinds), None)
        if known is not None:
            self._ask(ReadPicture(data=bytes(data.data(known).data())))
            return
        # Pixels from the system or this app. With any image format beside them they are not: Qt would decode that
        # format in this process.
        image = QImage() if kinds else QImage(data.imageData())
        if image.isNull():
            self.failed.emit(PathError("picture.copied"))
        else:
            self.loaded.emit(to_picture(image))

    def _ask(self, body: ReadPicture) -> None:
        self._bridge.request(body, self.loaded.emit, self._on_failed)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, Superseded):
            self.failed.emit(error)


def _bounded(size: QSize) -> QSize:
    if max(size.width(), size.height()) <= LONGEST_PICTURE:
        return size
    return size.scaled(LONGEST_PICTURE, LONGEST_PICTURE, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
