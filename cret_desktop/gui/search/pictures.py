"""Pictures to search by: out of a file, the clipboard, a drop or a frame into what the engine takes.

Files are read in a worker, at the size that is needed. This module never touches a widget.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QMimeData, QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageReader, QPainter

from cret_desktop.clips import Picture
from cret_desktop.errors import PathError
from cret_desktop.gui import actions, wording
from cret_desktop.gui.background import Deliveries

LONGEST = 512  # pixels; every model looks at less


def to_picture(image: QImage) -> Picture:
    """An image as the engine takes it: RGB, the longer side at most 512 pixels. What is transparent becomes white."""
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
    ).copy()  # its own memory: the bytes may be gone before the image is


def picture_paths(data: QMimeData) -> list[str]:
    """The files of a drop or a clipboard, where all of them are pictures by their names; otherwise none."""
    kinds = {bytes(kind.data()).decode("ascii") for kind in QImageReader.supportedImageFormats()}
    files = actions.dropped_paths(data)
    pictures = [path for path in files if os.path.splitext(path)[1][1:].lower() in kinds - {"gif"}]
    return pictures if len(pictures) == len(files) else []


def holds_picture(data: QMimeData) -> bool:
    """Whether a drop or the clipboard is a picture, or files of pictures, and not words that also have a look."""
    return bool(picture_paths(data)) or (data.hasImage() and not data.hasText() and not data.hasUrls())


class PictureLoader(QObject):
    """Reads pictures beside the window.

    Signals: `loaded(QImage)`, at most 512 pixels a side, upright; `failed(Exception)`.
    """

    loaded = Signal(QImage)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._deliveries = Deliveries(self)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    def load(self, path: str) -> None:
        self._deliveries.deliver(self._worker.submit(_read, path), self.loaded.emit, self.failed.emit)

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)


def _read(path: str) -> QImage:
    reader = QImageReader(actions.file_url(path).toLocalFile())
    reader.setAutoTransform(True)
    if reader.size().isValid():
        reader.setScaledSize(_bounded(reader.size()))
    image = reader.read()
    if image.isNull():
        raise PathError(f"The picture {wording.file_name(path)} cannot be read. Try it as a JPEG or PNG file.")
    return image


def _bounded(size: QSize) -> QSize:
    if max(size.width(), size.height()) <= LONGEST:
        return size
    return size.scaled(LONGEST, LONGEST, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))
