"""The page of results under the hands: keys, clicks, hovering, folding, dragging out, and what keeps its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QDrag, QGuiApplication, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from cret_desktop.domain.clips import Match, Moment, Sort, Stretch
from cret_desktop.engine.protocol import GetFilmstrip
from cret_desktop.errors import Defect, EngineError
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.bridge.thumbnail_cache import ThumbnailCache
from cret_desktop.gui.results.filmstrip_view import FilmstripDelegate
from cret_desktop.gui.results.results_delegate import USUAL, CardDelegate, CellDelegate, check_rect
from cret_desktop.gui.results.results_model import PAGE, Column
from cret_desktop.gui.results.results_page import ResultsPage
from cret_desktop.gui.results.results_view import ResultsView
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import Shortcuts
from cret_desktop.gui.shell import drops, other_programs
from cret_desktop.messages import Message
from tests.gui.answers import answer, browsed, library_file, moment, thumbnails, write_strip
from tests.gui.conftest import WAIT

FILES = [library_file(number) for number in range(12)]


class ScriptedBridge:
    """Stands in for EngineBridge: the test answers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Callable[[Any], object], Callable[[BaseException], object]]] = []

    def request(self, body: Any, then: Callable[[Any], object], otherwise: Callable[[BaseException], object]) -> None:
        self.asked.append((body, then, otherwise))


@pytest.fixture
def strip(tmp_path: Path) -> str:
    return str(write_strip(tmp_path / "strip.jpg"))


@pytest.fixture
def bridge() -> ScriptedBridge:
    return ScriptedBridge()


@pytest.fixture
def page(qtbot: QtBot, qapp: QApplication, bridge: ScriptedBridge) -> Iterator[ResultsPage]:
    theme = Theme(qapp, Scheme.DARK, qapp)
    thumbnails = ThumbnailCache()
    page = ResultsPage(bridge, theme, thumbnails, Shortcuts(Preferences(), theme))  # type: ignore[arg-type]
    page.thumbnails = thumbnails  # type: ignore[attr-defined]
    qtbot.addWidget(page)
    page.resize(900, 600)
    with qtbot.waitExposed(page):
        page.show()
    page.activateWindow()
    yield page
    thumbnails.close()
    theme.deleteLater()


def painted(page: ResultsPage, qtbot: QtBot) -> None:
    """Wait until what is in sight has its pictures."""
    page.grab()
    qtbot.waitUntil(lambda: page.thumbnails.is_idle, timeout=WAIT)  # type: ignore[attr-defined]


def picture(page: ResultsPage, row: int) -> Any:
    view = page.view
    assert isinstance(view, ResultsView)
    delegate = view.itemDelegate()
    assert isinstance(delegate, CellDelegate)
    return delegate.picture_rect(row, view.row_rect(row))


def colour(page: ResultsPage, point: QPoint) -> str:
    """What a point of the view shows, as the name of the nearest tile."""
    shown = page.view.viewport().grab().toImage().pixelColor(point)
    parts = (shown.red() > 128, shown.green() > 128, shown.blue() > 128)
    return {(True, False, False): "red", (False, True, False): "lime", (False, False, True): "blue",
            (True, True, False): "yellow"}.get(parts, "other")  # fmt: skip


def chosen(page: ResultsPage) -> list[int]:
    return sorted(index.row() for index in page.rows.selectedRows())


def test_keys_walk_and_act(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed(FILES))
    page.focus_results()
    columns = page.grid.viewport().width() // USUAL
    QTest.keyClick(page.grid, Qt.Key.Key_Right)
    QTest.keyClick(page.grid, Qt.Key.Key_Down)
    assert chosen(page) == [1 + columns]
    QTest.keyClick(page.grid, Qt.Key.Key_End)
    assert chosen(page) == [11]
    QTest.keyClick(page.grid, Qt.Key.Key_Up)
    QTest.keyClick(page.grid, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert chosen(page) == [10 - columns, 11 - columns]
    file = FILES[10 - columns]
    for key, signal in (
        (Qt.Key.Key_Return, page.selection.opened),
        (Qt.Key.Key_Space, page.selection.preview_wanted),
        (Qt.Key.Key_L, page.selection.like_wanted),
    ):
        with qtbot.waitSignal(signal, timeout=WAIT) as told:
            QTest.keyClick(page.grid, key)
        assert told.args is not None
        assert told.args[0].file_id == file.id
    with qtbot.waitSignal(page.selection.favourite_wanted, timeout=WAIT) as told:
        QTest.keyClick(page.grid, Qt.Key.Key_F)
    assert told.args == [(FILES[10 - columns], FILES[11 - columns]), True]
    with qtbot.waitSignal(page.selection.tags_wanted, timeout=WAIT) as told:
        QTest.keyClick(page.grid, Qt.Key.Key_T)
    assert told.args is not None
    assert len(told.args[0]) == 2
    QTest.keyClick(page.grid, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert chosen(page) == list(range(12))
    assert "12 selected" in page.line.text()
    QTest.keyClick(page.grid, Qt.Key.Key_Delete)
    assert page.model.rowCount() == 12, "nothing is ever deleted"


def test_hovering_scrubs_and_a_click_opens_there(page: ResultsPage, qtbot: QtBot, strip: str) -> None:
    page.show_answer(answer(*(moment(file, 1, strip=strip) for file in FILES[:3])))
    painted(page, qtbot)
    place = picture(page, 1)
    seen = []
    for share in (0.1, 0.4, 0.6, 0.9):
        point = QPoint(place.left() + round(share * place.width()), place.center().y())
        qtbot.mouseMove(page.grid.viewport(), point)
        painted(page, qtbot)
        seen.append(colour(page, place.center() - QPoint(0, 20)))
    assert seen == ["red", "lime", "blue", "yellow"]
    with qtbot.waitSignal(page.selection.opened, timeout=WAIT) as opened:
        qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert opened.args is not None
    assert opened.args[0].file_id == 1
    assert opened.args[1] == pytest.approx(10 + 8 * 3.5 / 4), "at the picture that was shown"
    qtbot.mouseMove(page.grid.viewport(), QPoint(place.left() + 5, place.bottom() + 300))
    painted(page, qtbot)
    assert colour(page, place.center() - QPoint(0, 20)) == "red", "away from it, the best picture is back"


def test_words_and_circles_choose_without_opening(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed(FILES))
    opened: list[object] = []
    page.selection.opened.connect(lambda *what: opened.append(what))
    viewport, left = page.grid.viewport(), Qt.MouseButton.LeftButton
    words = picture(page, 2).bottomLeft() + QPoint(20, 14)
    qtbot.mouseClick(viewport, left, pos=words)
    assert chosen(page) == [2]
    for row in (0, 4):
        qtbot.mouseClick(viewport, left, pos=check_rect(picture(page, row)).center())
    assert chosen(page) == [0, 2, 4]
    qtbot.mouseClick(viewport, left, pos=check_rect(picture(page, 2)).center())
    assert chosen(page) == [0, 4]
    qtbot.mouseClick(viewport, left, Qt.KeyboardModifier.ControlModifier, picture(page, 1).center())
    assert chosen(page) == [0, 1, 4]
    qtbot.mouseClick(viewport, left, pos=words)
    qtbot.mouseClick(viewport, left, Qt.KeyboardModifier.ShiftModifier, picture(page, 5).center())
    assert chosen(page) == [2, 3, 4, 5], "all between, over the ends of lines"
    assert opened == []
    qtbot.mouseDClick(viewport, left, pos=words)
    assert len(opened) == 1


def test_a_rubber_band_chooses(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed(FILES))
    viewport = page.grid.viewport()
    start = picture(page, 0).topLeft() - QPoint(6, 6)  # the gap before the first card
    end = picture(page, 5).center()
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        qtbot.mouseMove(viewport, start + (end - start) * step / 5)
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=end)
    columns = viewport.width() // USUAL
    assert chosen(page) == [row for row in range(6) if row % columns <= 5 % columns]
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=start)
    assert chosen(page) == []


def test_dragging_out_gives_the_files(page: ResultsPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    dragged: list[tuple[list[str], bool]] = []

    def drop(drag: QDrag, allowed: Qt.DropAction) -> Qt.DropAction:
        assert allowed == Qt.DropAction.CopyAction
        dragged.append((drops.local_paths(drag.mimeData()), drag.pixmap().isNull()))
        return allowed

    monkeypatch.setattr(QDrag, "exec", drop)
    page.show_answer(browsed(FILES))
    opened: list[object] = []
    page.selection.opened.connect(lambda *what: opened.append(what))
    for name in ("grid", "list"):
        page.show_view(name)
        page.rows.clear()
        page.rows.select(page.model.index(0, 0), page.rows.SelectionFlag.Select | page.rows.SelectionFlag.Rows)
        page.rows.select(page.model.index(1, 0), page.rows.SelectionFlag.Select | page.rows.SelectionFlag.Rows)
        start = page.view.row_rect(1).center() - QPoint(0, 4)
        qtbot.mousePress(page.view.viewport(), Qt.MouseButton.LeftButton, pos=start)
        for step in range(1, 6):
            qtbot.mouseMove(page.view.viewport(), start + QPoint(8 * step, 0))
        qtbot.mouseRelease(page.view.viewport(), Qt.MouseButton.LeftButton, pos=start)
        assert dragged.pop() == ([FILES[0].path, FILES[1].path], False), name
    assert opened == [], "a drag is no click"


def test_other_moments_and_weak_ones_open_by_click_and_key(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(
        answer(moment(FILES[0], 0), moment(FILES[0], 1, score=0.5), moment(FILES[1], 0, Match.WEAK, score=0.1))
    )
    assert page.line.text() == "2 videos \u00b7 3 moments"
    assert page.model.rowCount() == 2
    fold = picture(page, 0).bottomRight() + QPoint(-10, 30)
    qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, pos=fold)
    assert page.model.rowCount() == 3
    page.focus_results()
    QTest.keyClick(page.grid, Qt.Key.Key_M)
    assert page.model.rowCount() == 2
    qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, pos=page.grid.row_rect(1).center())
    assert page.model.rowCount() == 3
    QTest.keyClick(page.grid, Qt.Key.Key_Down)
    assert page.rows.currentIndex().row() == 1, "the divider can be reached by keys"
    QTest.keyClick(page.grid, Qt.Key.Key_Return)
    assert page.model.rowCount() == 2
    page.show_view("list")
    qtbot.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=page.list.row_rect(1).center())
    assert page.model.rowCount() == 3


def test_the_menu_does_what_it_says(page: ResultsPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    page.show_answer(browsed([*FILES[:3], library_file(3, offline=True)]))
    page.grid.customContextMenuRequested.emit(page.grid.row_rect(1).center())
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert chosen(page) == [1], "a right click chooses what it is on"
    assert [action.text() for action in menu.actions() if action.objectName() == "action_reveal"]
    menu.close()
    qtbot.mouseClick(page.grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier,
                     picture(page, 2).center())  # fmt: skip
    page.selection["copy_paths"].trigger()
    assert QGuiApplication.clipboard().text() == f"{FILES[1].path}\n{FILES[2].path}"
    assert drops.local_paths(QGuiApplication.clipboard().mimeData()) == [FILES[1].path, FILES[2].path]
    with qtbot.waitSignal(page.selection.search_wanted, timeout=WAIT) as searched:
        page.selection["search_folder"].trigger()
    assert searched.args == ["in:/videos/Holidays"]
    with qtbot.waitSignal(page.selection.export_wanted, timeout=WAIT) as exported:
        page.selection["export"].trigger()
    assert exported.args is not None
    assert [(wanted.file_id, wanted.start, wanted.end) for wanted in exported.args[0]] == [(1, 0, 60), (2, 0, 60)]
    shown: list[str] = []
    monkeypatch.setattr(other_programs, "reveal", shown.append)
    page.selection["reveal"].trigger()
    assert shown == [FILES[2].path], "the one that was chosen last"
    page.step(1)
    assert not page.selection["play_elsewhere"].isEnabled(), "its drive is not there"
    assert page.step(1) is None


def test_nothing_chosen_nothing_to_do(page: ResultsPage) -> None:
    page.show_answer(browsed(FILES))
    page.rows.clear()
    assert not any(action.isEnabled() for action in page.selection.actions.values())
    page.selection.show_menu(QPoint(0, 0))
    assert QApplication.activePopupWidget() is None


def test_a_folder_with_spaces_is_quoted(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed([library_file(0, path="/my films/a.mp4")]))
    page.focus_results()
    with qtbot.waitSignal(page.selection.search_wanted, timeout=WAIT) as searched:
        page.selection["search_folder"].trigger()
    assert searched.args == ['in:"/my films"']


def test_indexing_does_not_move_what_is_looked_at(page: ResultsPage, qtbot: QtBot) -> None:
    library = [library_file(number) for number in range(PAGE)]
    page.show_answer(browsed(library[10:], total=PAGE - 10))
    page.grid.verticalScrollBar().setValue(1234)
    first = page.grid.rows_in_sight().start
    page.rows.setCurrentIndex(page.model.index(first + 1, 0), page.rows.SelectionFlag.ClearAndSelect)
    seen, top = page.model.card(first), page.grid.row_rect(first).top()
    current = page.current_moment()
    page.show_answer(browsed(library), keep_place=True)  # ten newer files came in front
    assert seen is not None
    assert current is not None
    row = page.model.row_of(seen.moment)
    assert row == first + 10
    assert page.current_moment() == current
    assert chosen(page) == [first + 11]
    columns = page.grid.viewport().width() // USUAL
    assert abs(page.grid.row_rect(row).top() - top) < page.grid.row_rect(0).height(), f"{columns} columns"
    page.show_answer(browsed(library))
    assert page.grid.verticalScrollBar().value() == 0, "another query begins at its top"


def test_what_waits_becomes_a_picture_in_its_place(page: ResultsPage, qtbot: QtBot, strip: str) -> None:
    waiting = [library_file(number, state="pending", duration=None, clips=0) for number in range(3)]
    page.show_answer(browsed(waiting))
    painted(page, qtbot)
    centre = picture(page, 1).center() - QPoint(30, 20)
    assert colour(page, centre) == "other"
    page.show_answer(browsed(FILES[:3], strip=strip), keep_place=True)
    painted(page, qtbot)
    assert colour(page, centre) == "red"


def test_a_large_library_is_asked_for_by_pages(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed([library_file(number) for number in range(PAGE)], total=100_000))
    assert page.line.text() == "100000 videos"
    with qtbot.waitSignal(page.part_wanted, timeout=WAIT) as wanted:
        page.grid.verticalScrollBar().setValue(page.grid.verticalScrollBar().maximum())
    assert wanted.args == [100_000 - PAGE, PAGE]
    page.show_part(browsed([library_file(number) for number in range(99_900, 100_000)], total=100_000), 99_900)
    last = page.model.card(99_999)
    assert last is not None
    assert last.file.id == 99_999
    page.show_view("list")
    with qtbot.waitSignal(page.part_wanted, timeout=WAIT):
        page.list.verticalScrollBar().setValue(page.list.verticalScrollBar().maximum() // 2)
    QTest.keyClick(page.list, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(page.selection.files()) == 2 * PAGE, "only what has come can be chosen"


@pytest.mark.parametrize("name", ["list", "filmstrip"])
def test_a_view_is_built_when_first_looked_at_and_shows_what_was_there_before(page: ResultsPage, name: str) -> None:
    page.zoom(1)
    page.show_answer(browsed([library_file(number) for number in range(60)]))
    page.focus_results()
    QTest.keyClick(page.grid, Qt.Key.Key_End)
    assert "list" not in page.__dict__
    assert "filmstrip" not in page.__dict__
    page.show_view(name)
    QApplication.processEvents()
    view = page.view
    assert view.hasFocus()
    assert 59 in view.rows_in_sight()
    assert chosen(page) == [59]
    if isinstance(view, ResultsView):
        mine, grid = view.itemDelegate(), page.grid.itemDelegate()
        assert isinstance(mine, CardDelegate | FilmstripDelegate)
        assert isinstance(grid, CardDelegate)
        assert mine.width == grid.width > USUAL
    else:
        assert view.isColumnHidden(Column.MATCH)
        assert view.horizontalHeader().sortIndicatorSection() == Column.DATE


def test_views_share_rows_and_what_is_chosen(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed(FILES))
    page.focus_results()
    QTest.keyClick(page.grid, Qt.Key.Key_Right)
    for name, view in (("list", page.list), ("filmstrip", page.filmstrip), ("grid", page.grid)):
        QTest.keyClick(page.view, {"grid": Qt.Key.Key_1, "list": Qt.Key.Key_2, "filmstrip": Qt.Key.Key_3}[name],
                       Qt.KeyboardModifier.ControlModifier)  # fmt: skip
        assert page.view is view
        assert view.hasFocus()
        assert view.currentIndex().row() == 1
        assert chosen(page) == [1]
    QTest.keyClick(page.grid, Qt.Key.Key_Down)
    state = page.save_state()
    page.show_view("list")
    page.restore_state("grid", 300, "name", True)
    assert page.save_state() == {"view": "grid", "thumbnail": 300, "sort": "name", "reverse": True}
    page.restore_state("a view of tomorrow", 0, "", False)
    assert page.save_state()["view"] == "grid"
    assert state["thumbnail"] == USUAL


def test_pictures_grow_and_shrink_by_key_and_wheel(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed(FILES))
    page.focus_results()
    before = page.grid.row_rect(0).width()
    for _ in range(3):
        QTest.keyClick(page.grid, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    larger = page.grid.row_rect(0).width()
    assert larger > before
    for _ in range(9):
        QTest.keyClick(page.grid, Qt.Key.Key_Minus, Qt.KeyboardModifier.ControlModifier)
    assert page.grid.row_rect(0).width() < before
    page.grid.zoom_wanted.emit(1)
    assert page.save_state()["thumbnail"] == 168


def test_orders(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(answer(moment(FILES[0])))
    button = next(b for b in page.findChildren(QToolButton) if b.accessibleName() == "Sort by")
    entries = {action.objectName(): action for action in button.menu().actions()}
    assert entries["action_sort_relevance"].isVisible()
    assert entries["action_sort_relevance"].isChecked()
    with qtbot.waitSignal(page.sort_changed, timeout=WAIT) as changed:
        entries["action_sort_length"].trigger()
    assert changed.args == [Sort.LENGTH, False]
    with qtbot.waitSignal(page.sort_changed, timeout=WAIT) as changed:
        entries["action_sort_reverse"].trigger()
    assert changed.args == [Sort.LENGTH, True]
    page.show_view("list")
    heading = page.list.horizontalHeader()
    for column, wanted in ((4, [Sort.LENGTH, False]), (1, [Sort.NAME, False]), (1, [Sort.NAME, True])):
        with qtbot.waitSignal(page.sort_changed, timeout=WAIT) as changed:
            middle = heading.sectionViewportPosition(column) + heading.sectionSize(column) // 2
            qtbot.mouseClick(heading.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(middle, 10))
        assert changed.args == wanted
    page.show_sort(Sort.RELEVANCE, False)
    page.show_answer(browsed(FILES))
    assert not entries["action_sort_relevance"].isVisible(), "without a query there is no match"
    assert entries["action_sort_date"].isChecked()


def test_empty_answers_say_why(page: ResultsPage, qtbot: QtBot) -> None:
    page.set_query("dur:>2h", None)
    page.show_answer(browsed([]))
    assert page.empty_title.text() == "No video matches these filters"
    with qtbot.waitSignal(page.clear_filters_wanted, timeout=WAIT):
        qtbot.mouseClick(page.clear_filters, Qt.MouseButton.LeftButton)
    page.set_query("a dog", None)
    page.show_answer(answer(files=[FILES[0]]))
    assert page.empty_title.text() == "Nothing found"
    assert not page.clear_filters.isVisible()
    page.show_answer(answer(moment(FILES[0], match=Match.WEAK), confident=False))
    assert page.note.isVisible()
    assert "Nothing matches \u201ca dog\u201d well" in page.note.text()
    page.show_failed("Not a query.")
    assert page.empty_title.text() == "Not a query."
    assert not page.note.isVisible()
    page.show_answer(browsed(FILES))
    assert page.grid.isVisible()


def stretches(strip: str, relevance: float | None) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(n, 15.0 * n, 15.0 * (n + 1), n, thumbnails(strip, 15.0 * n, 15.0 * (n + 1), 1), relevance)
        for n in range(4)
    )


def test_filmstrips_show_the_whole_video(page: ResultsPage, bridge: ScriptedBridge, qtbot: QtBot, strip: str) -> None:
    page.set_query("a dog", None)
    page.show_answer(answer(moment(FILES[0], 0), moment(FILES[0], 1, score=0.5), moment(FILES[1], 0)))
    page.model.toggle(0)
    page.show_view("filmstrip")
    assert page.model.rowCount() == 2, "one row a video"
    page.grab()
    asked = [body for body, _, _ in bridge.asked]
    assert asked == [GetFilmstrip(0, "a dog"), GetFilmstrip(1, "a dog")]
    for _, then, _ in bridge.asked:
        then(stretches(strip, 0.5))
    painted(page, qtbot)
    assert len(bridge.asked) == 2, "asked once"
    place = picture(page, 0)
    assert colour(page, QPoint(place.left() + 40, place.center().y())) == "red"
    half = QPoint(place.left() + place.width() // 2, place.center().y())
    qtbot.mouseMove(page.filmstrip.viewport(), half)
    with qtbot.waitSignal(page.selection.opened, timeout=WAIT) as opened:
        qtbot.mouseClick(page.filmstrip.viewport(), Qt.MouseButton.LeftButton, pos=half)
    assert opened.args is not None
    assert opened.args[1] == pytest.approx(30, abs=0.5), "half of a minute's video"
    page.set_query("a cat", None)
    page.show_answer(answer(moment(FILES[0], 0)))
    page.grab()
    assert bridge.asked[-1][0] == GetFilmstrip(0, "a cat"), "relevance is to the new query"


def test_a_filmstrip_that_cannot_be_had_is_told_unless_the_engine_is_lost(
    page: ResultsPage, bridge: ScriptedBridge, qtbot: QtBot
) -> None:
    told: list[object] = []
    page.failed.connect(told.append)
    page.show_view("filmstrip")
    page.show_answer(answer(moment(FILES[0], 0)))
    page.grab()
    bridge.asked.pop()[2](EngineError("engine.stopped", code=1))
    assert told == []
    page.grab()
    defect = Defect(Message("engine.defect", kind="KeyError", text="x"), "Traceback")
    bridge.asked.pop()[2](defect)
    assert told == [defect]


def test_tool_tips_and_names(page: ResultsPage, qtbot: QtBot) -> None:
    page.show_answer(browsed(FILES))
    for widget in (*page.findChildren(QToolButton), page.grid, page.list, page.filmstrip):
        assert isinstance(widget, QWidget)
        assert widget.accessibleName(), widget
    point = page.grid.row_rect(0).center()
    help_event = QHelpEvent(QEvent.Type.ToolTip, point, page.grid.viewport().mapToGlobal(point))
    assert QApplication.sendEvent(page.grid.viewport(), help_event)


def test_previous_and_next_skip_the_divider(page: ResultsPage) -> None:
    page.show_answer(answer(moment(FILES[0]), moment(FILES[1], match=Match.WEAK, score=0.1)))
    page.focus_results()
    assert page.step(1) is None
    page.model.toggle(1)
    after: Moment | None = page.step(1)
    assert after is not None
    assert after.file_id == 1
    before = page.step(-1)
    assert before is not None
    assert before.file_id == 0
