"""The rows of results: grouping, folding, browsing by pages, and what keeps its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from cret_desktop.domain.clips import Match, Reason
from cret_desktop.gui.results.results_model import PAGE, Column, ResultsModel, Role
from cret_desktop.gui.shell import drops
from cret_desktop.messages import Message
from tests.gui.answers import answer, browsed, library_file, moment


@pytest.fixture
def model(qapp: QApplication) -> ResultsModel:
    model = ResultsModel()
    model.tester = QAbstractItemModelTester(model)  # type: ignore[attr-defined] # complains through Qt's log
    return model


def names(model: ResultsModel) -> list[str]:
    """Each row as 'file/place', the divider as '--', what has not come as '..'."""
    rows = []
    for row in range(model.rowCount()):
        card = model.card(row)
        rows.append(f"{card.file.id}/{card.place}" if card else "--" if model.fold(row) else "..")
    return rows


FILES = [library_file(number) for number in range(6)]
MIXED = answer(
    moment(FILES[0], 0, score=5), moment(FILES[1], 0, score=4.5), moment(FILES[0], 1, score=6),
    moment(FILES[0], 2, Match.POSSIBLE, score=4), moment(FILES[0], 3, Match.WEAK, score=1),
    moment(FILES[2], 0, Match.WEAK, score=0.9), moment(FILES[3], 0, Match.WEAK, score=0.8),
    moment(FILES[3], 1, Match.WEAK, score=0.7),
)  # fmt: skip


def test_moments_are_grouped_by_video_best_first(model: ResultsModel) -> None:
    model.show(MIXED)
    assert names(model) == ["0/0", "1/0", "--"]
    best = model.card(0)
    assert best is not None
    assert best.moment.score == 6
    assert best.others == 2, "weak moments of a video with better ones are not offered"
    fold = model.fold(2)
    assert fold is not None
    assert (fold.videos, fold.is_open) == (2, False)


def test_a_video_opens_in_place_and_closes(model: ResultsModel) -> None:
    model.show(MIXED)
    second = QPersistentModelIndex(model.index(1, 0))
    model.toggle(0)
    assert names(model) == ["0/0", "0/1", "0/2", "1/0", "--"]
    assert second.row() == 3, "what is below moves, and stays what it is"
    model.toggle(2)  # from any of its rows
    assert names(model) == ["0/0", "1/0", "--"]
    assert second.row() == 1
    model.toggle(1)
    assert names(model) == ["0/0", "1/0", "--"], "a single moment has nothing to open"


def test_weak_matches_fold(model: ResultsModel) -> None:
    model.show(MIXED)
    model.toggle(2)
    assert names(model) == ["0/0", "1/0", "--", "2/0", "3/0"]
    assert model.divider == 2
    model.toggle(4)
    assert names(model)[-2:] == ["3/0", "3/1"], "a video that has only weak moments offers them"
    model.show(MIXED, keep=True)
    assert names(model)[-2:] == ["3/0", "3/1"], "the same query again keeps what was opened"
    model.show(MIXED)
    assert names(model) == ["0/0", "1/0", "--"]
    model.toggle(0)
    model.close_all()
    assert names(model) == ["0/0", "1/0", "--"]


def test_where_all_are_weak_nothing_folds(model: ResultsModel) -> None:
    model.show(answer(*(moment(file, 0, Match.WEAK) for file in FILES), confident=False))
    assert names(model) == [f"{number}/0" for number in range(6)]
    assert model.divider is None


def test_browsing_asks_for_what_comes_in_sight_only(model: ResultsModel) -> None:
    library = [library_file(number) for number in range(3 * PAGE)]
    model.show(browsed(library[:PAGE], total=500))
    assert model.rowCount() == 500
    assert model.missing_pages(0, 20) == []
    assert model.card(PAGE) is None
    assert model.missing_pages(PAGE - 5, PAGE + 5) == [1]
    assert model.missing_pages(PAGE - 5, PAGE + 5) == [], "asked once"
    model.put(browsed(library[PAGE : 2 * PAGE], total=500), PAGE)
    assert names(model)[PAGE - 1 : PAGE + 2] == [f"{PAGE - 1}/0", f"{PAGE}/0", f"{PAGE + 1}/0"]
    assert model.missing_pages(450, 499) == [499 // PAGE]


def test_a_repeated_answer_changes_rows_in_place(model: ResultsModel, qtbot: QtBot) -> None:
    waiting = library_file(1, state="pending", duration=None, clips=0)
    model.show(browsed([FILES[0], waiting, *FILES[2:]], total=2 * PAGE))
    model.put(browsed([library_file(PAGE)], total=2 * PAGE), PAGE)
    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignal(model.dataChanged):
        model.show(browsed(FILES, total=2 * PAGE), keep=True)
    card = model.card(1)
    assert card is not None
    assert card.file.state == "indexed"
    assert model.card(PAGE) is not None, "pages that have come stay to be seen"
    assert model.missing_pages(PAGE, PAGE) == [1], "and are asked for again"
    with qtbot.waitSignal(model.modelReset):
        model.show(browsed(FILES[1:], total=2 * PAGE), keep=True)


def test_a_page_that_comes_too_late_is_dropped(model: ResultsModel) -> None:
    model.show(MIXED)
    model.put(browsed(FILES), 0)
    assert names(model) == ["0/0", "1/0", "--"]
    model.show(browsed(FILES[:2]))
    model.put(browsed(FILES), PAGE)
    assert model.rowCount() == 2


def test_files_change_before_the_engine_says_so(model: ResultsModel, qtbot: QtBot) -> None:
    model.show(MIXED)
    with qtbot.waitSignal(model.dataChanged):
        model.update_files([library_file(1, favourite=True, tags=("sea", "sun"))])
    assert model.index(1, 0).data(Role.FILE).favourite
    assert model.index(1, Column.TAGS).data() == "sea, sun"


def test_columns_tell_what_is_known(model: ResultsModel) -> None:
    upright = library_file(0, width=1080, height=1920, duration=3725.0, size=5 * 10**6)
    model.show(answer(moment(upright, 1, reasons=(Reason("subtitle", "<b>at the harbour</b>"),)), files=[upright]))
    said = {column: model.index(0, column).data() for column in Column}
    assert said[Column.NAME] == "film 0.mp4"
    assert said[Column.FOLDER] == "/videos/Holidays"
    assert said[Column.TIME] == "0:10\u20130:18"
    assert said[Column.LENGTH] == "1:02:05"
    assert said[Column.RESOLUTION] == "1080p"
    assert said[Column.MATCH] == "Strong"
    tip = model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "Subtitle: &lt;b&gt;at the harbour&lt;/b&gt;" in tip
    read_out = model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert read_out.startswith("film 0.mp4, 0:10 to 0:18, Strong match")
    model.show(
        browsed([library_file(1, state="failed", reason=Message("file.damaged", seconds=3.0), width=None, height=None)])
    )
    assert "only the first 3 s" in model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "Could not be read" in model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert model.index(0, Column.RESOLUTION).data() == ""
    assert model.index(0, Column.MATCH).data() == ""


def test_what_is_dragged_are_files_each_once(model: ResultsModel) -> None:
    odd = library_file(5, path=os.fsdecode(b"/videos/\xff.mp4") if os.name != "nt" else "C:/videos/x.mp4")
    model.show(answer(moment(FILES[0], 0), moment(FILES[0], 1), moment(odd, 0), files=[FILES[0], odd]))
    model.toggle(0)
    data = model.mimeData([model.index(row, column) for row in range(3) for column in (0, 1)])
    assert drops.local_paths(data) == [FILES[0].path, odd.path]
    assert model.supportedDragActions() == Qt.DropAction.CopyAction


def test_the_divider_is_no_result(model: ResultsModel) -> None:
    model.show(MIXED)
    divider = model.index(2, 0)
    assert divider.data() == "2 weaker matches"
    assert divider.data(Role.MOMENT) is None
    assert not model.flags(divider) & (Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsDragEnabled)
    assert model.rowCount(model.index(0, 0)) == 0
    assert model.data(QModelIndex()) is None
    assert model.row_of(moment(FILES[0], 2)) == 0, "a folded moment is found at its video"
    assert model.row_of(moment(library_file(99))) is None


def test_nothing_is_read_from_disk(model: ResultsModel, tmp_path: Path) -> None:
    gone = library_file(0, path=str(tmp_path / "gone.mp4"))
    model.show(browsed([gone], strip=str(tmp_path / "gone.jpg")))
    assert names(model) == ["0/0"]
