"""The shown videos and moments as an item model of flat rows: moments, grouped by video, and one divider.

An answer to a query is complete; of a browsed library only the pages that have been visible are loaded, and the other
rows are empty until `put` fills them. Visible rows keep their identity if a new answer has the same files. This module
never loads a picture and never sends a request to the engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple

from PySide6.QtCore import QAbstractTableModel, QMimeData, QModelIndex, QObject, Qt

from cret_desktop.domain.clips import LibraryFile, Match, Moment
from cret_desktop.engine.protocol import SearchAnswer
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.bridge.model_index import Index
from cret_desktop.gui.shell import other_programs

PAGE = 100  # videos of a browsed library per request


class Role(IntEnum):
    MOMENT = Qt.ItemDataRole.UserRole + 1
    FILE = Qt.ItemDataRole.UserRole + 2


class Column(IntEnum):
    """The columns of the list view; the other views show all of a row at once."""

    PICTURE = 0
    NAME = 1
    FOLDER = 2
    TIME = 3
    LENGTH = 4
    RESOLUTION = 5
    SIZE = 6
    DATE = 7
    MATCH = 8
    TAGS = 9


@dataclass(frozen=True, slots=True)
class Video:
    """One video with the moments found in it, best first."""

    file: LibraryFile
    moments: tuple[Moment, ...]

    @property
    def match(self) -> Match:
        return self.moments[0].match


class Card(NamedTuple):
    """The content of one row. `place`: index of the moment in its video; `others`: number of folded moments."""

    file: LibraryFile
    moment: Moment
    place: int
    others: int
    is_open: bool


class Fold(NamedTuple):
    """The divider above the videos that match only weakly."""

    videos: int
    is_open: bool


class _Row(NamedTuple):
    video: int
    moment: int


_DIVIDER = _Row(-1, -1)


class ResultsModel(QAbstractTableModel):
    """Attributes: `browsed` whether files are listed without a query; `total` the number of videos."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.browsed = False
        self.confident = True
        self.total = 0
        self._videos: list[Video | None] = []
        self._rows: list[_Row] = []  # of an answer to a query; a browsed list has one row per video
        self._open: set[int] = set()  # ids of files whose moments are all shown
        self._weak: list[int] = []  # videos below the divider
        self._fold_open = False
        self._fresh: set[int] = set()  # pages of a browsed list that are up to date
        self._asked: set[int] = set()

    # --- answers ----------------------------------------------------------------------------------------------

    def show(self, answer: SearchAnswer, keep: bool = False) -> bool:
        """Show an answer. Return whether the rows changed in place; otherwise the model was reset.

        `keep`: the answer is for the same query, so opened videos stay open, and pages stay until reloaded. Rows change
        in place if they show the same files as before.
        """
        videos: list[Video | None] = list(_by_video(answer))
        if answer.browsed:
            rest = max(answer.total - len(videos), 0)
            kept = self._videos[len(videos) :] if keep and self.browsed and self.total == answer.total else []
            videos += kept or [None] * rest
        if not keep:
            self._open.clear()
            self._fold_open = False
        weak = self._weak_of(videos, answer)
        rows = [] if answer.browsed else self._flatten(videos, weak)
        same = keep and self.browsed == answer.browsed and len(videos) == len(self._videos) and rows == self._rows
        same = same and all(old is None or new is None or old.file.id == new.file.id
                            for old, new in zip(self._videos, videos, strict=True))  # fmt: skip
        if not same:
            self.beginResetModel()
        self.browsed, self.confident, self.total = answer.browsed, answer.confident, answer.total
        self._videos, self._rows, self._weak = videos, rows, weak
        self._asked.clear()
        self._fresh = set(range(len(answer.files) // PAGE)) if answer.browsed else set()
        if len(answer.files) == len(videos):
            self._fresh = set(range(-(-len(videos) // PAGE)))
        if not same:
            self.endResetModel()
        elif answer.moments:
            self._changed(0, (len(answer.files) if answer.browsed else len(rows)) - 1)
        return same

    def put(self, answer: SearchAnswer, offset: int) -> None:
        """Fill in a page of a browsed list."""
        page = offset // PAGE
        self._asked.discard(page)
        videos = _by_video(answer)
        if not self.browsed or offset >= len(self._videos):
            return
        last = min(offset + len(videos), len(self._videos)) - 1
        self._videos[offset : last + 1] = videos[: last + 1 - offset]
        self._fresh.update(range(page, page + -(-len(videos) // PAGE)))
        if last >= offset:
            self._changed(offset, last)

    def clear(self) -> None:
        self.beginResetModel()
        self._videos, self._rows, self._weak = [], [], []
        self.browsed, self.total = False, 0
        self._fresh.clear()
        self._asked.clear()
        self.endResetModel()

    def update_files(self, files: Iterable[LibraryFile]) -> None:
        """Show changes of files (a tag, a favourite) before the engine reports them."""
        new = {file.id: file for file in files}
        for number, video in enumerate(self._videos):
            if video is not None and video.file.id in new:
                self._videos[number] = replace(video, file=new[video.file.id])
        if self.rowCount():
            self._changed(0, self.rowCount() - 1)

    def missing_pages(self, first: int, last: int) -> list[int]:
        """Return the pages that rows `first` to `last` of a browsed list need; each only once until it has arrived."""
        if not self.browsed or last < first:
            return []
        pages = [page for page in range(first // PAGE, last // PAGE + 1) if page not in self._fresh | self._asked]
        self._asked.update(pages)
        return pages

    # --- folding ----------------------------------------------------------------------------------------------

    def toggle(self, row: int) -> None:
        """Open or close the divider, or the other moments of the row's video."""
        if self.fold(row) is not None:
            self._fold_open = not self._fold_open
            self._refold(row + 1)
            return
        card = self.card(row)
        if card is None or not (card.others or card.is_open):
            return
        self._open ^= {card.file.id}
        self._refold(row - card.place + 1)

    def close_all(self) -> None:
        """Show one moment per video."""
        for row in range(self.rowCount() - 1, -1, -1):
            if (card := self.card(row)) is not None and card.is_open and card.place == 0:
                self.toggle(row)

    def _refold(self, at: int) -> None:
        """Insert or remove the rows from `at` on that folding shows or hides; the selection stays."""
        rows = self._flatten(self._videos, self._weak)
        count = len(rows) - len(self._rows)
        if count > 0:
            self.beginInsertRows(QModelIndex(), at, at + count - 1)
            self._rows = rows
            self.endInsertRows()
        else:
            self.beginRemoveRows(QModelIndex(), at, at - count - 1)
            self._rows = rows
            self.endRemoveRows()
        self._changed(at - 1, at - 1)

    def _flatten(self, videos: Sequence[Video | None], weak: Sequence[int]) -> list[_Row]:
        below = set(weak)
        rows = self._rows_of(videos, [number for number in range(len(videos)) if number not in below])
        if weak:
            rows.append(_DIVIDER)
        if self._fold_open:
            rows += self._rows_of(videos, weak)
        return rows

    def _rows_of(self, videos: Sequence[Video | None], numbers: Iterable[int]) -> list[_Row]:
        rows = []
        for number in numbers:
            video = videos[number]
            assert video is not None  # only browsed lists have gaps, and those are not flattened
            count = _shown(video) if video.file.id in self._open else 1
            rows += [_Row(number, moment) for moment in range(count)]
        return rows

    @staticmethod
    def _weak_of(videos: Sequence[Video | None], answer: SearchAnswer) -> list[int]:
        if answer.browsed or not answer.confident:  # if all are weak, no divider is needed
            return []
        return [number for number, video in enumerate(videos) if video is not None and video.match is Match.WEAK]

    # --- rows -------------------------------------------------------------------------------------------------

    def card(self, row: int) -> Card | None:
        """Return the content of a row; None for the divider and for rows that are not loaded."""
        if self.browsed:
            video = self._videos[row]
            return None if video is None else Card(video.file, video.moments[0], 0, 0, False)
        place = self._rows[row]
        if place is _DIVIDER:
            return None
        video = self._videos[place.video]
        assert video is not None
        is_open = video.file.id in self._open
        others = 0 if is_open or place.moment else _shown(video) - 1
        return Card(video.file, video.moments[place.moment], place.moment, others, is_open)

    def fold(self, row: int) -> Fold | None:
        """Return the divider if the row is the divider, else None."""
        if self.browsed or self._rows[row] is not _DIVIDER:
            return None
        return Fold(len(self._weak), self._fold_open)

    @property
    def divider(self) -> int | None:
        """The divider's row, None without one."""
        return self._rows.index(_DIVIDER) if self._weak else None

    def row_of(self, moment: Moment) -> int | None:
        """Return the row that shows the same moment, or else the same file."""
        numbers = [n for n, video in enumerate(self._videos) if video is not None and video.file.id == moment.file_id]
        if self.browsed or not numbers:
            return numbers[0] if numbers else None
        rows = [row for row, place in enumerate(self._rows) if place.video == numbers[0]]
        same = [row for row in rows if (card := self.card(row)) and card.moment.clip_id == moment.clip_id]
        return next(iter(same or rows), None)

    def rows_of(self, moments: Iterable[Moment]) -> list[int]:
        """Return the rows of all that still exist, in order."""
        moments = list(moments)
        wanted = {moment.file_id for moment in moments}
        if self.browsed:
            return [n for n, video in enumerate(self._videos) if video is not None and video.file.id in wanted]
        return sorted({row for moment in moments if (row := self.row_of(moment)) is not None})

    def has_come(self, row: int) -> bool:
        """Return whether a row is a loaded result."""
        return self._videos[row] is not None if self.browsed else self._rows[row] is not _DIVIDER

    def videos_shown(self) -> int:
        return sum(video is not None for video in self._videos)

    def moments_shown(self) -> int:
        return sum(_shown(video) for video in self._videos if video is not None)

    # --- Qt ---------------------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid():
            return 0
        return len(self._videos) if self.browsed else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(Column)

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        card = self.card(index.row())
        if card is None:
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        card = self.card(index.row())
        if card is None:
            fold = self.fold(index.row())
            words = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole)
            return formatting.weaker_matches(fold.videos) if fold is not None and role in words else None
        match role:
            case Role.MOMENT:
                return card.moment
            case Role.FILE:
                return card.file
            case Qt.ItemDataRole.DisplayRole:
                return self._words(card, index.column())
            case Qt.ItemDataRole.ToolTipRole:
                return formatting.tooltip(self._described(card))
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._read_out(card) if index.column() == 0 else self._words(card, index.column())
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation is not Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return {
            Column.PICTURE: "",
            Column.NAME: self.tr("Name"),
            Column.FOLDER: self.tr("Folder"),
            Column.TIME: self.tr("Time"),
            Column.LENGTH: self.tr("Length"),
            Column.RESOLUTION: self.tr("Resolution"),
            Column.SIZE: self.tr("Size"),
            Column.DATE: self.tr("Date"),
            Column.MATCH: self.tr("Match"),
            Column.TAGS: self.tr("Tags"),
        }[Column(section)]

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list", "text/plain"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """Return the files of the rows, each once, for other programs."""
        cards = [self.card(row) for row in sorted({index.row() for index in indexes})]
        paths = list(dict.fromkeys(card.file.path for card in cards if card is not None))
        data = QMimeData()
        data.setUrls([other_programs.file_url(path) for path in paths])
        data.setText("\n".join(formatting.shown(path) for path in paths))
        return data

    def supportedDragActions(self) -> Qt.DropAction:
        return Qt.DropAction.CopyAction  # never a move: dragged files stay where they are

    def _words(self, card: Card, column: int) -> str:
        file, moment = card.file, card.moment
        match column:
            case Column.NAME:
                return formatting.file_name(file.path)
            case Column.FOLDER:
                return formatting.shown(os.path.dirname(file.path))
            case Column.TIME:
                return "" if moment.match is Match.BROWSED else formatting.span(moment.start, moment.end)
            case Column.LENGTH:
                return "" if file.duration is None else formatting.clock(file.duration)
            case Column.RESOLUTION:
                return formatting.resolution(file)
            case Column.SIZE:
                return formatting.size(file.size)
            case Column.DATE:
                return formatting.date(file.modified)
            case Column.MATCH:
                return "" if moment.match is Match.BROWSED else formatting.match(moment.match)
            case Column.TAGS:
                return ", ".join(file.tags)
        return ""

    def _described(self, card: Card) -> str:
        """Return the tool tip: details that do not fit on a card, one per line."""
        file, moment = card.file, card.moment
        lines = [formatting.shown(file.path), formatting.about(file)]
        if moment.match is not Match.BROWSED:
            lines.append(f"{formatting.span(moment.start, moment.end)} \u00b7 {formatting.match(moment.match)}")
        lines += [formatting.reason(reason) for reason in moment.reasons]
        lines += [
            formatting.state(file),
            i18n.said(file.reason) if file.reason is not None else "",
            ", ".join(file.tags),
            file.note,
        ]
        return "\n".join(line for line in lines if line)

    def _read_out(self, card: Card) -> str:
        file, moment = card.file, card.moment
        name = formatting.file_name(file.path)
        if moment.match is Match.BROWSED:
            parts = [name, formatting.about(file)]
        else:
            words = self.tr("{name}, {start} to {end}, {match} match")
            parts = [words.format(name=name, start=formatting.clock(moment.start), end=formatting.clock(moment.end),
                                  match=formatting.match(moment.match))]  # fmt: skip
        parts += [formatting.state(file), self.tr("favourite") if file.favourite else ""]
        return ", ".join(part for part in parts if part)

    def _changed(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(Column) - 1))


def _by_video(answer: SearchAnswer) -> list[Video]:
    """Return the videos of an answer in order of first appearance, each with its moments, best first."""
    files = {file.id: file for file in answer.files}
    moments: dict[int, list[Moment]] = {}
    for moment in answer.moments:
        moments.setdefault(moment.file_id, []).append(moment)
    return [
        Video(files[file_id], tuple(sorted(found, key=lambda moment: -moment.score)))
        for file_id, found in moments.items()
    ]


def _shown(video: Video) -> int:
    """Return the number of moments of an opened video: weak ones count only if it has no better."""
    if video.match is Match.WEAK:
        return len(video.moments)
    return sum(moment.match is not Match.WEAK for moment in video.moments)
