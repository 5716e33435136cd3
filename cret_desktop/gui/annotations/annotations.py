"""Tags, favourites and notes: a change is shown at once, can be undone, and is sent to the engine.

The engine's client keeps every change until the engine has acknowledged it, so that one made while the engine is down
is not lost; here a failed change is reverted. This module never touches a widget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from cret_desktop.domain.clips import LibraryFile
from cret_desktop.domain.tags import fold_tag
from cret_desktop.engine import protocol
from cret_desktop.engine.protocol import ChangeTags, LibraryPart, SetFavourite, SetNote
from cret_desktop.gui.bridge.engine_bridge import EngineBridge, engine_is_lost

READ_MS = 150  # several changes at once cause one new reading of the tags
MOST_UNDO = 100

Edit = ChangeTags | SetFavourite | SetNote


class _Edited(QUndoCommand):
    """One edit of some files, with its inverse."""

    def __init__(
        self,
        words: str,
        apply: Callable[[_Edited, Sequence[Edit], tuple[LibraryFile, ...]], None],
        before: tuple[LibraryFile, ...],
        after: tuple[LibraryFile, ...],
        forth: Sequence[Edit],
        back: Sequence[Edit],
    ) -> None:
        super().__init__(words)
        self._apply = apply
        self.before, self.after = before, after
        self._forth, self._back = forth, back

    def redo(self) -> None:
        self._apply(self, self._forth, self.after)

    def undo(self) -> None:
        self._apply(self, self._back, self.before)


class Annotations(QObject):
    """Attributes: `stack` (QUndoStack), `tags`, every tag with its number of files.

    Signals:
        files_changed(tuple[LibraryFile, ...])  their new values, before the engine has acknowledged them
        tags_changed(tuple[tuple[str, int], ...])
        failed(Exception)  a change did not reach the library and has been reverted
    """

    files_changed = Signal(object)
    tags_changed = Signal(object)
    failed = Signal(object)

    def __init__(self, bridge: EngineBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(MOST_UNDO)
        self.tags: tuple[tuple[str, int], ...] = ()
        self._known: dict[int, LibraryFile] = {}  # files changed here, until an answer contains them again
        self._under_way: Counter[int] = Counter()  # changes by file that the engine has not acknowledged
        self._read_timer = QTimer(self, singleShot=True, interval=READ_MS)
        self._connect_signals()

    def _connect_signals(self) -> None:
        self._read_timer.timeout.connect(self._read_tags)
        self._bridge.started.connect(self._read_tags)
        self._bridge.library_changed.connect(self._on_library_changed)

    def learn(self, files: Sequence[LibraryFile]) -> tuple[LibraryFile, ...]:
        """Take files from the engine's answer. Return those with unacknowledged changes, with the changes applied."""
        for file in files:
            if not self._under_way[file.id]:
                self._known.pop(file.id, None)
        return tuple(self._known[file.id] for file in files if file.id in self._known)

    def set_favourite(self, files: Sequence[LibraryFile], favourite: bool) -> None:
        before = tuple(file for file in map(self._current, files) if file.favourite != favourite)
        if not before:
            return
        ids = tuple(file.id for file in before)
        words = self.tr("Favourite") if favourite else self.tr("No favourite")
        after = tuple(replace(file, favourite=favourite) for file in before)
        self._push(words, before, after, [SetFavourite(ids, favourite)], [SetFavourite(ids, not favourite)])

    def change_tags(self, files: Sequence[LibraryFile], add: Sequence[str], remove: Sequence[str]) -> None:
        """Add the tags `add` to all `files` and remove the tags `remove`. Undo restores each file's own tags."""
        before = tuple(map(self._current, files))
        after = tuple(replace(file, tags=_changed(file.tags, add, remove)) for file in before)
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if old.tags != new.tags]
        if not pairs:
            return
        before, after = tuple(old for old, _ in pairs), tuple(new for _, new in pairs)
        ids = tuple(file.id for file in before)
        back = [ChangeTags(tuple(f.id for f in before if not _has(f, tag)), remove=(tag,)) for tag in add]
        back += [ChangeTags(tuple(f.id for f in before if _has(f, tag)), add=(tag,)) for tag in remove]
        forth = [ChangeTags(ids, tuple(add), tuple(remove))]
        self._push(self.tr("Tags"), before, after, forth, [edit for edit in back if edit.file_ids])

    def set_note(self, file: LibraryFile, note: str) -> None:
        before, note = self._current(file), note.strip()
        if before.note != note:
            after = replace(before, note=note)
            forth, back = SetNote(file.id, note), SetNote(file.id, before.note)
            self._push(self.tr("Note"), (before,), (after,), [forth], [back])

    def current(self, files: Sequence[LibraryFile]) -> tuple[LibraryFile, ...]:
        """Return the files with the changes that the engine has not reported yet."""
        return tuple(map(self._current, files))

    def _current(self, file: LibraryFile) -> LibraryFile:
        return self._known.get(file.id, file)

    def _push(
        self,
        words: str,
        before: tuple[LibraryFile, ...],
        after: tuple[LibraryFile, ...],
        forth: Sequence[Edit],
        back: Sequence[Edit],
    ) -> None:
        self.stack.push(_Edited(words, self._apply, before, after, forth, back))

    def _apply(self, edited: _Edited, edits: Sequence[Edit], files: tuple[LibraryFile, ...]) -> None:
        self._show(files)
        ids = [file.id for file in files]
        for edit in edits:
            self._under_way.update(ids)
            self._bridge.request(
                edit,
                lambda _: self._under_way.subtract(ids),
                lambda error: self._on_failure(edited, files, error),
            )

    def _on_failure(self, edited: _Edited, shown: tuple[LibraryFile, ...], error: BaseException) -> None:
        self._under_way.subtract(file.id for file in shown)
        edited.setObsolete(True)  # the stack drops it, since there is nothing to undo
        self._show(edited.before if shown is edited.after else edited.after)
        self.failed.emit(error)

    def _show(self, files: tuple[LibraryFile, ...]) -> None:
        self._known.update((file.id, file) for file in files)
        self.files_changed.emit(files)

    def _on_library_changed(self, changed: protocol.LibraryChanged) -> None:
        # Tags are counted over the present files.
        if changed.touches(LibraryPart.TAGS, LibraryPart.FILES, LibraryPart.FOLDERS):
            self._read_timer.start()

    def _read_tags(self) -> None:
        self._bridge.request(protocol.GetTags(), self._on_tags, self._on_unread)

    def _on_unread(self, error: BaseException) -> None:
        if not engine_is_lost(error):  # otherwise they are read again once the engine is back
            self.failed.emit(error)

    def _on_tags(self, tags: tuple[tuple[str, int], ...]) -> None:
        if tags != self.tags:
            self.tags = tags
            self.tags_changed.emit(tags)


def _has(file: LibraryFile, tag: str) -> bool:
    return fold_tag(tag) in map(fold_tag, file.tags)


def _changed(tags: tuple[str, ...], add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...]:
    gone = {fold_tag(tag) for tag in remove}
    kept = {fold_tag(tag): tag for tag in tags if fold_tag(tag) not in gone}
    for tag in add:
        kept.setdefault(fold_tag(tag), " ".join(tag.split()))
    return tuple(sorted(kept.values(), key=str.casefold))
