"""Copies of the library, and exports of its annotations, one after the other.

Copying runs in parallel with searching and indexing, and can be stopped at any moment. This module never replaces the
library by a copy: the next start of the engine does.
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from cret_desktop.atomic_write import atomic_write
from cret_desktop.domain.records import Contents, LibrarySize, Merged
from cret_desktop.engine import protocol
from cret_desktop.engine.assemble import OpenLibrary
from cret_desktop.engine.handlers import Call, handles
from cret_desktop.engine.lanes import WorkerLane
from cret_desktop.engine.protocol import LibraryChanged, LibraryPart
from cret_desktop.engine.sessions import Publish
from cret_desktop.errors import CopyCancelled, StorageError, UsageError
from cret_desktop.foreign import reason_of
from cret_desktop.library.keeping import annotation_file
from cret_desktop.library.ports import CopyProgress
from cret_desktop.messages import Message

_TELL_SECONDS = 0.1
_ANNOTATED = frozenset({LibraryPart.TAGS, LibraryPart.NOTES, LibraryPart.FAVOURITES, LibraryPart.SAVED_SEARCHES})


class CopyService:
    def __init__(self, library: OpenLibrary, lane: WorkerLane, publish: Publish) -> None:
        self._library = library
        self._backup = library.store.backup
        self._lane = lane
        self._publish = publish

    @handles(protocol.GetLibrarySize)
    def measure(self, _: protocol.GetLibrarySize, __: Call) -> LibrarySize:
        return self._backup.measure()

    @handles(protocol.BackUpLibrary)
    def back_up(self, request: protocol.BackUpLibrary, call: Call) -> Contents:
        return self._backup.copy(Path(request.folder), self._progress(call), request.thumbnails)

    @handles(protocol.RestoreLibrary)
    def restore(self, request: protocol.RestoreLibrary, call: Call) -> Contents:
        self._library.catalog.check_writable()
        return self._backup.take_in(Path(request.folder), self._progress(call))

    @handles(protocol.MoveLibrary)
    def move(self, request: protocol.MoveLibrary, call: Call) -> Contents:
        self._library.catalog.check_writable()
        hold = self._library.catalog.retiring(Message("library.moved", folder=request.folder))
        return self._backup.copy(Path(request.folder), self._progress(call), hold=hold)

    @handles(protocol.CancelCopy)
    def cancel(self, _: protocol.CancelCopy, call: Call) -> None:
        self._lane.cancel(lambda other: other.session is call.session)

    def _progress(self, call: Call) -> CopyProgress:
        """Return a listener that publishes the progress of a call, and ends its copying once it is cancelled."""
        told = -math.inf

        def listen(done: int, total: int) -> None:
            nonlocal told
            if call.token.cancelled:
                raise CopyCancelled("backup.stopped")
            if time.monotonic() - told > _TELL_SECONDS or done == total:
                told = time.monotonic()
                self._publish(protocol.CopyProgress(done, total))

        return listen

    @handles(protocol.ExportTags)
    def export_tags(self, request: protocol.ExportTags, _: Call) -> tuple[int, int]:
        path = request.path
        said, searches = self._library.annotations.records()
        written = annotation_file.as_json if annotation_file.form_of(path) == "json" else annotation_file.as_csv
        content = written(said, searches)
        try:
            with atomic_write(path) as stream:
                stream.write(content)
        except OSError as error:
            raise StorageError("tags.not-written", path=path, reason=reason_of(error)) from error
        return len(said), len(searches)

    @handles(protocol.ImportTags)
    def import_tags(self, request: protocol.ImportTags, _: Call) -> Merged:
        path = request.path
        try:
            with open(path, "rb") as stream:
                content = stream.read(annotation_file.LARGEST + 1)
        except (OSError, ValueError) as error:
            raise UsageError("tags.not-read", path=path, reason=reason_of(error)) from error
        if len(content) > annotation_file.LARGEST:
            raise UsageError("tags.not-read", path=path, reason=Message("tags.too-large"))
        said, searches = annotation_file.read(content, os.path.basename(path))
        merged = self._library.annotations.merge(said, searches)
        self._publish(LibraryChanged(_ANNOTATED))
        return merged
