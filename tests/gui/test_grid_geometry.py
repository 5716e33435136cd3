"""The grid's arithmetic against laying the cells out one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QRect, QSize

from cret_desktop.gui.results.grid_geometry import GridGeometry

CELL = QSize(10, 20)
grids = st.tuples(st.integers(0, 40), st.integers(1, 6)).flatmap(
    lambda size: st.builds(
        GridGeometry,
        st.just(size[0]),
        st.just(CELL),
        st.just(size[1]),
        st.none() | st.integers(0, size[0] - 1) if size[0] else st.none(),
        st.just(7),
    )
)


def laid_out(grid: GridGeometry) -> tuple[list[QRect], int]:
    """The cells one after the other, and the height of all."""
    rects, top, column = [], 0, 0
    for row in range(grid.count):
        if row == grid.divider:
            top += CELL.height() if column else 0
            rects.append(QRect(0, top, grid.columns * CELL.width(), grid.divider_height))
            top, column = top + grid.divider_height, 0
            continue
        rects.append(QRect(column * CELL.width(), top, CELL.width(), CELL.height()))
        column += 1
        if column == grid.columns:
            top, column = top + CELL.height(), 0
    return rects, top + (CELL.height() if column else 0)


@given(grids)
def test_cells_lie_where_they_were_laid(grid: GridGeometry) -> None:
    rects, height = laid_out(grid)
    assert [grid.rect(row) for row in range(grid.count)] == rects
    assert grid.height == height


@given(grids, st.integers(-10, 300), st.integers(0, 200))
def test_what_can_be_seen(grid: GridGeometry, top: int, height: int) -> None:
    rects, _ = laid_out(grid)
    seen = grid.rows_between(top, top + height)
    touched = [row for row, rect in enumerate(rects) if rect.bottom() >= top and rect.top() <= top + height]
    assert list(seen) == touched


@given(grids, st.integers(-5, 70), st.integers(-5, 300))
def test_the_cell_at_a_point(grid: GridGeometry, x: int, y: int) -> None:
    rects, _ = laid_out(grid)
    assert grid.row_at(x, y) == next((row for row, rect in enumerate(rects) if rect.contains(x, y)), None)


@given(grids.filter(lambda grid: grid.count > 0), st.data(), st.integers(-50, 50))
def test_steps_stay_inside_and_end_at_the_edges(grid: GridGeometry, data: st.DataObject, lines: int) -> None:
    row = data.draw(st.integers(0, grid.count - 1))
    reached = grid.step(row, lines)
    assert 0 <= reached < grid.count
    if lines > 0:
        assert grid.rect(reached).top() >= grid.rect(row).top()
    assert grid.step(row, -1000) in grid.rows_between(0, 0)
    assert grid.step(row, 1000) in grid.rows_between(grid.height - 1, grid.height - 1)
