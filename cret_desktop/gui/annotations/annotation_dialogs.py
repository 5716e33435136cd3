"""Opens the editors of tags and notes and passes their results to `Annotations`. Nothing here blocks."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.gui.annotations.annotations import Annotations


class AnnotationDialogs(QObject):
    def __init__(self, annotations: Annotations, window: QWidget) -> None:
        super().__init__(window)
        self._annotations = annotations
        self._window = window

    # The editors are imported on demand: most runs of the app never need one.

    def edit_tags(self, files: Sequence[LibraryFile]) -> None:
        from cret_desktop.gui.annotations.tags_editor import TagsEditor

        files = self._annotations.current(files)
        editor = TagsEditor(files, self._annotations.tags, self._window)
        editor.changed.connect(lambda add, remove: self._annotations.change_tags(files, add, remove))
        editor.open()

    def edit_note(self, file: LibraryFile) -> None:
        from cret_desktop.gui.annotations.note_editor import NoteEditor

        (file,) = self._annotations.current([file])
        editor = NoteEditor(file, self._window)
        editor.written.connect(lambda note: self._annotations.set_note(file, note))
        editor.open()
