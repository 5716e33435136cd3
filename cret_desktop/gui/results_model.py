"""The moments that are shown, as an item model. Keeps what is on the screen where a new answer holds the same.

This module never loads a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from cret_desktop.clips import Moment
from cret_desktop.gui import wording

Index = QModelIndex | QPersistentModelIndex


class Role(IntEnum):
    MOMENT = Qt.ItemDataRole.UserRole + 1


class ResultsModel(QAbstractListModel):
    """One row a moment, best first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._moments: tuple[Moment, ...] = ()

    def set_moments(self, moments: Sequence[Moment]) -> None:
        if tuple(moments) != self._moments:
            self.beginResetModel()
            self._moments = tuple(moments)
            self.endResetModel()

    def row_of(self, moment: Moment) -> int | None:
        """The row that shows the same clip."""
        return next((row for row, other in enumerate(self._moments) if other.clip_id == moment.clip_id), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._moments)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        moment = self._moments[index.row()]
        match role:
            case Role.MOMENT:
                return moment
            case Qt.ItemDataRole.DisplayRole:
                return wording.file_name(moment.path)
            case Qt.ItemDataRole.ToolTipRole:
                return wording.tooltip(wording.shown(moment.path))
            case Qt.ItemDataRole.AccessibleTextRole:
                return self.tr("{name}, {start} to {end}, {match} match").format(
                    name=wording.file_name(moment.path),
                    start=wording.clock(moment.start),
                    end=wording.clock(moment.end),
                    match=wording.match(moment.match),
                )
        return None
