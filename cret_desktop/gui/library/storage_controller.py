"""The library on the disk: its size, copies, location, and annotations as a file.

One copy at a time, made by the engine; it continues when the dialog is closed. This module never touches a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal

from cret_desktop.engine import protocol
from cret_desktop.errors import CopyCancelled
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.bridge.engine_bridge import EngineBridge

if TYPE_CHECKING:
    from cret_desktop.domain.records import Contents, Merged

R = TypeVar("R")


class StorageController(QObject):
    """Attributes: `under_way`, a text for the current operation, '' if there is none.

    Signals:
        size_read(LibrarySize)
        changed()  an operation begins or has ended; another library is open
        progressed(CopyProgress)
        told(str)  a result as text
        failed(Exception)
        library_wanted(str)  switch to the library in this folder
    """

    size_read = Signal(object)
    changed = Signal()
    progressed = Signal(object)
    told = Signal(str)
    failed = Signal(object)
    library_wanted = Signal(str)

    def __init__(self, bridge: EngineBridge, parent: QObject) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.under_way = ""
        bridge.copy_progressed.connect(self.progressed)
        bridge.started.connect(self._on_started)

    @property
    def library(self) -> str:
        """The folder of the open library."""
        return str(self._bridge.client.config.library)

    def _on_started(self, _: protocol.EngineStarted) -> None:
        self.changed.emit()  # perhaps on another library

    def read_size(self) -> None:
        """Request the library's size; `size_read` follows, unless the engine is down."""
        self._bridge.request(protocol.GetLibrarySize(), self.size_read.emit, lambda _: None)

    def back_up(self, folder: str, thumbnails: bool) -> None:
        def tell(contents: Contents) -> None:
            self.told.emit(
                self.tr("Backed up to {folder}: {videos}.").format(
                    videos=formatting.videos(contents.videos), folder=formatting.shown(folder)
                )
            )

        self._do(self.tr("Backing up"), protocol.BackUpLibrary(folder, thumbnails), tell)

    def restore(self, folder: str) -> None:
        """Restore a backup. The current library is set aside; the restarted engine reports its path."""
        self._do(self.tr("Restoring"), protocol.RestoreLibrary(folder), lambda _: self._bridge.restart())

    def move(self, folder: str) -> None:
        before = self.library

        def go_there(_: Contents) -> None:
            self.library_wanted.emit(folder)
            self.told.emit(
                self.tr("The library is now in {folder}. The old one is no longer used and can be deleted: {before}")
                .format(folder=formatting.shown(folder), before=formatting.shown(before))
            )  # fmt: skip

        self._do(self.tr("Moving"), protocol.MoveLibrary(folder), go_there)

    def use(self, folder: str) -> None:
        """Switch to the library in another folder."""
        self.library_wanted.emit(folder)

    def export_tags(self, path: str) -> None:
        def tell(written: tuple[int, int]) -> None:
            words = self.tr("Tags, notes and favourites were written to {path}: {videos}.")
            self.told.emit(words.format(videos=formatting.videos(written[0]), path=formatting.shown(path)))

        self._do(self.tr("Writing"), protocol.ExportTags(path), tell)

    def import_tags(self, path: str) -> None:
        self._do(self.tr("Reading"), protocol.ImportTags(path), lambda merged: self.told.emit(self._merged(merged)))

    def cancel(self) -> None:
        self._bridge.request(protocol.CancelCopy(), lambda _: None, self.failed.emit)

    def _do(self, words: str, body: protocol.Request[R], then: Callable[[R], object]) -> None:
        if self.under_way:
            return
        self.under_way = words
        self.changed.emit()
        self._bridge.request(body, lambda outcome: self._on_done(then, outcome), self._on_failed)

    def _on_done(self, then: Callable[[R], object], outcome: R) -> None:
        self.under_way = ""
        then(outcome)
        self.changed.emit()

    def _on_failed(self, error: BaseException) -> None:
        self.under_way = ""
        self.changed.emit()
        if not isinstance(error, CopyCancelled):
            self.failed.emit(error)

    def _merged(self, merged: Merged) -> str:
        said = [self.tr("Matched: {videos}.").format(videos=formatting.videos(merged.files))]
        if merged.notes_joined:
            said.append(
                self.tr("Note appended to an existing one: {videos}.").format(
                    videos=formatting.videos(merged.notes_joined)
                )
            )
        if merged.waiting:
            said.append(
                self.tr("Not in the library yet, kept for later: {videos}.").format(
                    videos=formatting.videos(merged.waiting)
                )
            )
        if merged.unknown:
            said.append(self.tr("Unknown, and skipped: {videos}.").format(videos=formatting.videos(merged.unknown)))
        return " ".join(said)
