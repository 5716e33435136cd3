"""Copies of the library and of what people said in it, by request: one after the other, in a thread of their own.

Copying goes on beside searching and indexing, and can be stopped at any moment. Never puts a copy in the library's
place: that is done before a catalog is opened.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.worker import Answer, Worker
from cret_desktop.errors import CopyCancelled, StorageError, UsageError
from cret_desktop.foreign import why
from cret_desktop.library import annotation_file
from cret_desktop.records import Merged

_TELL_SECONDS = 0.1

Request = (
    protocol.GetLibrarySize
    | protocol.BackUpLibrary
    | protocol.RestoreLibrary
    | protocol.MoveLibrary
    | protocol.ExportTags
    | protocol.ImportTags
)
COPIES = (
    protocol.GetLibrarySize,
    protocol.BackUpLibrary,
    protocol.RestoreLibrary,
    protocol.MoveLibrary,
    protocol.ExportTags,
    protocol.ImportTags,
)


class Copies:
    """`send` is the engine's way to tell of an event."""

    def __init__(self, library: OpenLibrary, answer: Answer, send: Callable[[protocol.Event], None]) -> None:
        self._library = library
        self._send = send
        self._worker = Worker("copies", answer, self._run)
        self._cancelled = threading.Event()
        self._told = 0.0

    def submit(self, number: int, request: Request) -> None:
        self._cancelled.clear()
        self._worker.submit(number, request)

    def cancel(self) -> None:
        """Stop the copying under way and what waits behind it."""
        self._cancelled.set()

    def close(self) -> None:
        """Stop, and wait until the thread has ended."""
        self._cancelled.set()
        self._worker.close()

    def _run(self, request: Request) -> object:
        backup = self._library.store.backup
        match request:
            case protocol.GetLibrarySize():
                return backup.measure()
            case protocol.BackUpLibrary(folder, thumbnails):
                return backup.copy(Path(folder), self._progress, thumbnails)
            case protocol.RestoreLibrary(folder):
                self._library.catalog.check_writable()
                return backup.take_in(Path(folder), self._progress)
            case protocol.MoveLibrary(folder):
                self._library.catalog.check_writable()
                moved = f"The library was moved to {folder}, and takes no more changes here. Try again in a moment."
                hold = self._library.catalog.retiring(moved)
                return backup.copy(Path(folder), self._progress, hold=hold)
            case protocol.ExportTags(path):
                return self._export_tags(path)
            case protocol.ImportTags(path):
                return self._import_tags(path)

    def _progress(self, done: int, total: int) -> None:
        if self._cancelled.is_set():
            raise CopyCancelled("The copying was stopped; nothing of the copy is left.")
        if time.monotonic() - self._told > _TELL_SECONDS or done == total:
            self._told = time.monotonic()
            self._send(protocol.CopyProgress(done, total))

    def _export_tags(self, path: str) -> tuple[int, int]:
        said, searches = self._library.annotations.records()
        written = annotation_file.as_json if annotation_file.form_of(path) == "json" else annotation_file.as_csv
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_bytes(written(said, searches))
            os.replace(part, target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(
                f"{path} cannot be written: {(error.strerror or str(error)).lower()}. Choose another place."
            ) from error
        return len(said), len(searches)

    def _import_tags(self, path: str) -> Merged:
        try:
            with open(path, "rb") as stream:
                content = stream.read(annotation_file.LARGEST + 1)
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {why(error)}.") from error
        if len(content) > annotation_file.LARGEST:
            raise UsageError(f"{path} cannot be read: it is larger than any export of tags.")
        said, searches = annotation_file.read(content, os.path.basename(path))
        merged = self._library.annotations.merge(said, searches)
        self._send(protocol.LibraryChanged())
        return merged
