"""The geometry of a grid: columns that fill the width, and at most one divider across all of them.

Pure arithmetic over row numbers, so that a grid of a hundred thousand cells costs no more than one of ten. Positions
are in logical pixels of the whole grid, not of its visible part. This module never touches a widget.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize


@dataclass(frozen=True, slots=True)
class GridGeometry:
    """`count` rows of a model, including the divider's; cells of one size in `columns` columns."""

    count: int = 0
    cell: QSize = QSize(1, 1)  # noqa: RUF009 - never changed
    columns: int = 1
    divider: int | None = None
    divider_height: int = 0

    @property
    def height(self) -> int:
        if self.divider is None:
            return self._lines(self.count) * self.cell.height()
        return self._below() + self._lines(self.count - self.divider - 1) * self.cell.height()

    def rect(self, row: int) -> QRect:
        if self.divider is None or row < self.divider:
            line, column = divmod(row, self.columns)
            top = line * self.cell.height()
        elif row == self.divider:
            top = self._below() - self.divider_height
            return QRect(0, top, self.columns * self.cell.width(), self.divider_height)
        else:
            line, column = divmod(row - self.divider - 1, self.columns)
            top = self._below() + line * self.cell.height()
        return QRect(column * self.cell.width(), top, self.cell.width(), self.cell.height())

    def row_at(self, x: int, y: int) -> int | None:
        """Return the row at a point, None between and outside the cells."""
        for row in self.rows_between(y, y):
            if self.rect(row).contains(x, y):
                return row
        return None

    def rows_between(self, top: int, bottom: int) -> range:
        """Return the rows visible between two heights, both included, in order."""
        if not self.count or bottom < 0 or top >= self.height:
            return range(0)
        return range(self._first_from(max(top, 0)), self._end_at(bottom))

    def step(self, row: int, lines: int) -> int:
        """Return the row `lines` lines below (above if negative), in the same column if it exists."""
        while lines:
            row = self._next(row) if lines > 0 else self._previous(row)
            lines -= 1 if lines > 0 else -1
        return row

    def _next(self, row: int) -> int:
        place = self.rect(row)
        below = self.rows_between(place.bottom() + 1, place.bottom() + 1)
        return self._nearest(below, place) if below else row

    def _previous(self, row: int) -> int:
        place = self.rect(row)
        above = self.rows_between(place.top() - 1, place.top() - 1) if place.top() > 0 else range(0)
        return self._nearest(above, place) if above else row

    def _nearest(self, rows: range, place: QRect) -> int:
        column = place.left() // self.cell.width()
        return rows[min(column, len(rows) - 1)]

    def _first_from(self, y: int) -> int:
        if self.divider is None or y < self._below() - self.divider_height:
            row = y // self.cell.height() * self.columns
            return min(row, self.count if self.divider is None else self.divider)
        if y < self._below():
            return self.divider
        return self.divider + 1 + (y - self._below()) // self.cell.height() * self.columns

    def _end_at(self, y: int) -> int:
        if self.divider is None or y < self._below() - self.divider_height:
            row = (y // self.cell.height() + 1) * self.columns
            return min(row, self.count if self.divider is None else self.divider)
        if y < self._below():
            return self.divider + 1
        return min(self.divider + 1 + ((y - self._below()) // self.cell.height() + 1) * self.columns, self.count)

    def _lines(self, cells: int) -> int:
        return -(-cells // self.columns)

    def _below(self) -> int:
        """Return the height at which the divider ends."""
        assert self.divider is not None
        return self._lines(self.divider) * self.cell.height() + self.divider_height
