"""The library's list as an item model: all videos, favourites, folders, tags, saved searches, with headings.

A heading folds its section. This module never sends a request to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, Qt

from cret_desktop.engine.protocol import Folder, FolderState, LibraryStatus, SavedSearch
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.bridge.model_index import Index


class Kind(Enum):
    HEADING = "heading"
    EVERYTHING = "everything"
    FAVOURITES = "favourites"
    FOLDER = "folder"
    TAG = "tag"
    SAVED = "saved"


class Section(Enum):
    FOLDERS = "folders"
    TAGS = "tags"
    SAVED = "saved"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `operator` and `value` narrow a search to it; `thing` is the Folder, SavedSearch or Section."""

    kind: Kind
    text: str
    count: int | None = None
    operator: str = ""
    value: str = ""
    thing: Folder | SavedSearch | Section | None = None

    @property
    def key(self) -> tuple[Kind, str]:
        return self.kind, self.value or self.text


class Role(IntEnum):
    ENTRY = Qt.ItemDataRole.UserRole + 1
    STATE = Qt.ItemDataRole.UserRole + 2  # a muted second line, '' for none
    DONE = Qt.ItemDataRole.UserRole + 3  # the indexed share of a folder during indexing, else None
    ACTIVE = Qt.ItemDataRole.UserRole + 4  # whether the search is narrowed to it
    FOLDED = Qt.ItemDataRole.UserRole + 5


class LibraryModel(QAbstractListModel):
    """Rows are updated in place if their keys stay the same, so that the selection survives."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._status: LibraryStatus | None = None
        self._tags: tuple[tuple[str, int], ...] = ()
        self._saved: tuple[SavedSearch, ...] = ()
        self._active: frozenset[tuple[str, str]] = frozenset()
        self._folded: set[Section] = set()
        self._entries: list[Entry] = []

    def set_status(self, status: LibraryStatus) -> None:
        self._status = status
        self._renew()

    def set_tags(self, tags: tuple[tuple[str, int], ...]) -> None:
        self._tags = tags
        self._renew()

    def set_saved(self, saved: tuple[SavedSearch, ...]) -> None:
        self._saved = saved
        self._renew()

    def set_active(self, filters: frozenset[tuple[str, str]]) -> None:
        """Set the operators (with their values) that narrow the search."""
        self._active = filters
        self._renew()

    def fold(self, section: Section) -> None:
        """Fold a section, or unfold it."""
        self._folded ^= {section}
        self._renew()

    def row_with(self, key: tuple[Kind, str]) -> int | None:
        """Return the row of an entry by its `Entry.key`, None if it is not listed."""
        return next((row for row, entry in enumerate(self._entries) if entry.key == key), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._entries)

    def flags(self, index: Index) -> Qt.ItemFlag:
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        entry = self._entries[index.row()]
        match role:
            case Role.ENTRY:
                return entry
            case Role.STATE:
                return self._state_of(entry.thing) if isinstance(entry.thing, Folder) else ""
            case Role.DONE:
                return self._done(entry.thing) if isinstance(entry.thing, Folder) else None
            case Role.ACTIVE:
                everything = entry.kind is Kind.EVERYTHING and not self._active
                return everything or (entry.operator, entry.value) in self._active
            case Role.FOLDED:
                return entry.thing in self._folded
            case Qt.ItemDataRole.DisplayRole:
                return entry.text
            case Qt.ItemDataRole.ToolTipRole:
                return self._tooltip(entry)
            case Qt.ItemDataRole.AccessibleTextRole:
                said = [entry.text, self._state_of(entry.thing) if isinstance(entry.thing, Folder) else ""]
                if entry.count is not None:
                    said.append(formatting.videos(entry.count))
                return ", ".join(filter(None, said))
        return None

    def _renew(self) -> None:
        entries = list(self._make_entries())
        same = [entry.key for entry in entries] == [entry.key for entry in self._entries]
        if not same:
            self.beginResetModel()
        self._entries = entries
        if not same:
            self.endResetModel()
        elif entries:
            self.dataChanged.emit(self.index(0), self.index(len(entries) - 1))

    def _make_entries(self) -> Iterator[Entry]:
        status = self._status
        if status is None or not status.folders:
            return
        yield Entry(Kind.EVERYTHING, self.tr("All videos"), status.files)
        yield Entry(Kind.FAVOURITES, self.tr("Favourites"), None, "is", "favourite")
        yield Entry(Kind.HEADING, self.tr("Folders"), thing=Section.FOLDERS)
        if Section.FOLDERS not in self._folded:
            for folder in status.folders:
                yield Entry(Kind.FOLDER, formatting.file_name(folder.path), None, "in", folder.path, folder)
        if self._tags:
            yield Entry(Kind.HEADING, self.tr("Tags"), thing=Section.TAGS)
            if Section.TAGS not in self._folded:
                for tag, count in self._tags:
                    yield Entry(Kind.TAG, formatting.shown(tag), count, "tag", tag)
        if self._saved:
            yield Entry(Kind.HEADING, self.tr("Saved searches"), thing=Section.SAVED)
            if Section.SAVED not in self._folded:
                for saved in self._saved:
                    yield Entry(Kind.SAVED, saved.name, thing=saved)

    def _state_of(self, folder: Folder) -> str:
        """Return the state of a folder as text, the most urgent first."""
        paused = self._status is not None and self._status.paused
        state = {
            FolderState.OFFLINE: self.tr("Offline"),
            FolderState.INDEXING: self.tr("Paused") if paused else self.tr("Indexing"),
            FolderState.WAITING: self.tr("Waiting"),
            FolderState.FAILED: self.tr("Could not be read"),
            FolderState.READY: "",
        }[folder.state]
        parts = [state] if state else []
        videos = formatting.videos(folder.files)
        if folder.pending:  # both numbers in one text: the panel is narrow
            videos = self.tr("{done} of {videos}").format(done=folder.files - folder.pending, videos=videos)
        parts.append(videos)
        if folder.failed and folder.state is not FolderState.FAILED:
            parts.append(self.tr("{count} failed").format(count=folder.failed))
        return " \u00b7 ".join(parts)

    @staticmethod
    def _done(folder: Folder) -> float | None:
        if folder.state is not FolderState.INDEXING or not folder.pending:
            return None
        return 1 - folder.pending / max(folder.files, 1)

    def _tooltip(self, entry: Entry) -> str | None:
        if isinstance(entry.thing, Folder):
            lines = [formatting.shown(entry.thing.path), self._state_of(entry.thing)]
            if entry.thing.looked_at_every and not entry.thing.offline:
                minutes = max(1, round(entry.thing.looked_at_every / 60))
                lines.append(
                    self.tr("No change notifications here: rescanned every {minutes} min").format(minutes=minutes)
                )
            return formatting.tooltip("\n".join(lines))
        if isinstance(entry.thing, SavedSearch):
            parts = [entry.thing.text]
            if entry.thing.without:
                parts.append(self.tr("Without: {words}").format(words=entry.thing.without))
            return formatting.tooltip("\n".join(parts))
        return None
