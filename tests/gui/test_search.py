"""Searching by every gesture: words, filters as chips, completions, pictures, what must not be seen, history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QInputDialog
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.domain.clips import LONGEST_PICTURE, Match, Picture, Sort
from cret_desktop.engine.protocol import SavedSearch, SearchAnswer
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.library.library_model import Kind
from cret_desktop.gui.search.chips import Chip
from cret_desktop.gui.search.flow_layout import FlowLayout
from cret_desktop.gui.search.history import MOST, History
from cret_desktop.gui.search.operators import choices, operator_words, token
from cret_desktop.gui.search.pictures import holds_picture, to_image, to_picture
from cret_desktop.gui.search.search_bar import SearchBar
from cret_desktop.gui.search.suggestions import Vocabulary, suggest
from cret_desktop.library.searching import query
from tests.gui.conftest import WAIT
from tests.gui.test_window import drop, moments
from tests.narrowing import found, of_type

VOCABULARY = Vocabulary(("/home/me/Holidays", "/mnt/My films"), ("family", "Summer trip"))


def answered(application: Application, qtbot: QtBot, text: str | None = None, like: bool = False) -> Any:
    """Waits for the answer to `text` or to a picture, or to whatever is wanted when it comes."""
    search = application.window.search

    def fits(answer: SearchAnswer, _: bool) -> bool:
        return (text is None or search.text == text) and (not like or (search.like is not None and not answer.browsed))

    return qtbot.waitSignal(search.answered, timeout=WAIT, check_params_cb=fits)


def names(application: Application) -> list[str]:
    return [Path(moment.path).name for moment in moments(application.window)]


def chips(bar: SearchBar) -> list[str]:
    return [chip.text() for chip in bar.findChildren(Chip) if chip.isVisible()]


@pytest.fixture
def bar(qapp: QApplication, qtbot: QtBot) -> SearchBar:
    theme = Theme(qapp, Scheme.DARK, qapp)
    bar = SearchBar(theme)
    theme.setParent(bar)
    bar.line.vocabulary = VOCABULARY
    qtbot.addWidget(bar)
    bar.resize(900, 60)
    with qtbot.waitExposed(bar):
        bar.show()
    bar.line.setFocus()
    return bar


# --- operators --------------------------------------------------------------------------------------------------------


def test_operators_become_chips_while_typing(bar: SearchBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.line, "a dog dur:<30s")
    assert chips(bar) == [], "it may go on: dur:<30s5"
    qtbot.keyClicks(bar.line, " -tag:blurred on the beach")
    assert chips(bar) == ["Under 30 seconds", "Not Tag: blurred"]
    assert bar.line.text() == "a dog on the beach"
    assert bar.text() == "dur:<30s -tag:blurred a dog on the beach"


def test_what_is_no_operator_stays_words(bar: SearchBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.line, "at 12:30 note: this ")
    assert chips(bar) == []
    qtbot.keyClicks(bar.line, "dur:soon ")
    assert chips(bar) == [], "a value that means nothing can be mended where it is"
    assert bar.text() == "at 12:30 note: this dur:soon"


def test_a_half_typed_operator_is_not_searched_by(bar: SearchBar, qtbot: QtBot) -> None:
    with qtbot.waitSignal(bar.searched, timeout=WAIT) as searched:
        qtbot.keyClicks(bar.line, "dog tag:fa")
    assert searched.args == ["dog", True]


def test_chips_go_by_click_and_by_keys(bar: SearchBar, qtbot: QtBot) -> None:
    bar.search("dog ext:mp4 is:favourite tag:family")
    assert chips(bar) == ["File type: mp4", "Favourites", "Tag: family"]
    heard: list[str] = []
    bar.searched.connect(lambda text, _: heard.append(text))
    first = next(chip for chip in bar.findChildren(Chip) if chip.text() == "File type: mp4")
    qtbot.mouseClick(first, Qt.MouseButton.LeftButton)
    assert heard == ["is:favourite tag:family dog"]
    bar.line.setCursorPosition(0)
    qtbot.keyClick(bar.line, Qt.Key.Key_Left)
    assert of_type(Chip, QApplication.focusWidget()).text() == "Tag: family"
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Left)
    assert of_type(Chip, QApplication.focusWidget()).text() == "Favourites"
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Delete)
    assert bar.text() == "tag:family dog"
    assert QApplication.focusWidget() is bar.line
    bar.line.setCursorPosition(0)
    qtbot.keyClick(bar.line, Qt.Key.Key_Backspace)
    assert (chips(bar), bar.line.text()) == ([], "tag:familydog")
    assert bar.line.cursorPosition() == len("tag:family")
    qtbot.keyClicks(bar.line, " ")
    assert bar.text() == "tag:family dog"


def test_chips_wrap_into_rows_where_the_bar_is_narrow(bar: SearchBar) -> None:
    bar.search('in:"/mnt/My films" tag:family dur:<30s res:>=1080p is:favourite ext:mp4')
    layout = found(bar.layout())
    bar.resize(420, layout.heightForWidth(420))
    QApplication.processEvents()
    assert layout.heightForWidth(420) > layout.heightForWidth(1400)
    words = found(bar.findChild(FlowLayout))
    shown = found(words.parentWidget()).rect()
    assert all(shown.contains(found(words.itemAt(i)).geometry()) for i in range(words.count()))


# --- completions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "texts"),
    [
        ("ta", ["tag:"]),
        ("a dog ta", ["tag:"]),
        ("in", []),
        ("is", []),
        ("tag:", ["tag:family", 'tag:"Summer trip"']),
        ("-tag:su", ['-tag:"Summer trip"']),
        ("in:my", ['in:"/mnt/My films"']),
        ('tag:"summer t', ['tag:"Summer trip"']),
        ("is:fav", ["is:favourite"]),
        ("dur:30", ["dur:30s-2m"]),
        ("tag:family", []),
        ("plain words", []),
        ("", []),
    ],
)
def test_what_may_be_meant(before: str, texts: list[str]) -> None:
    assert [suggestion.text for suggestion in suggest(before, VOCABULARY)] == texts


def test_every_usual_value_is_understood() -> None:
    for operator in query.OPERATORS:
        assert operator_words(operator)
        for value, _ in choices(operator):
            (parsed,) = query.tokens(query.to_text([token(operator, value)]))
            assert (parsed.operator, parsed.value, parsed.problem) == (operator, value, None)


def test_completions_are_taken_by_keys(bar: SearchBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.line, "dog ta")
    assert [s.text for s in bar.line.suggestions] == ["tag:"]
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Tab)
    assert bar.line.text() == "dog tag:"
    assert [s.text for s in bar.line.suggestions] == ["tag:family", 'tag:"Summer trip"']
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Down)
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Down)
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Return)
    assert bar.text() == 'tag:"Summer trip" dog'
    assert chips(bar) == ["Tag: Summer trip"]
    qtbot.keyClicks(bar.line, "is:f")
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Escape)
    assert bar.line.suggestions == []
    assert bar.line.text().endswith("is:f"), "Esc closes the list first"


def test_enter_searches_where_no_completion_was_chosen(bar: SearchBar, qtbot: QtBot) -> None:
    qtbot.keyClicks(bar.line, "da")
    assert bar.line.suggestions
    with qtbot.waitSignal(bar.searched, timeout=WAIT, check_params_cb=lambda _, live: not live) as searched:
        qtbot.keyClick(bar.line.popup, Qt.Key.Key_Return)
    assert searched.args == ["da", False]


def test_history_opens_by_the_down_key(bar: SearchBar, qtbot: QtBot) -> None:
    bar.search("a dog ext:mp4")
    bar.search("a cat")
    bar.clear()
    left: list[bool] = []
    bar.left_downwards.connect(lambda: left.append(True))
    qtbot.keyClick(bar.line, Qt.Key.Key_Down)
    assert [s.text for s in bar.line.suggestions] == ["a cat", "ext:mp4 a dog"]
    assert not left
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Down)
    qtbot.keyClick(bar.line.popup, Qt.Key.Key_Down)
    with qtbot.waitSignal(bar.searched, timeout=WAIT) as searched:
        qtbot.keyClick(bar.line.popup, Qt.Key.Key_Return)
    assert searched.args == ["ext:mp4 a dog", False]
    bar.history.clear()
    bar.clear()
    qtbot.keyClick(bar.line, Qt.Key.Key_Down)
    assert left == [True]


def test_history_keeps_the_newest_once() -> None:
    history = History()
    for number in range(MOST + 5):
        history.note(f"query {number}")
    history.note("query 50")
    assert history.queries[:2] == ("query 50", f"query {MOST + 4}")
    assert len(history.queries) == MOST == len(set(history.queries))
    history.enabled = False
    history.note("secret")
    assert "secret" not in history.queries


# --- pictures ---------------------------------------------------------------------------------------------------------


def picture(colour: str, width: int = 320, height: int = 180) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(colour))
    return image


def test_pictures_are_made_small_and_opaque() -> None:
    image = QImage(1024, 512, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    image.setPixelColor(0, 0, QColor(10, 20, 30))
    small = to_picture(image)
    assert (small.width, small.height) == (LONGEST_PICTURE, 256)
    assert len(small.rgb) == small.width * small.height * 3
    assert small.rgb[-3:] == b"\xff\xff\xff"
    odd = to_picture(picture("#102030", 5, 3))  # rows that Qt pads
    assert odd.rgb == b"\x10\x20\x30" * 15
    assert to_image(odd).pixelColor(4, 2) == QColor("#102030")


def test_only_pictures_are_taken_for_pictures(tmp_path: Path) -> None:
    both, words = QMimeData(), QMimeData()
    both.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.png")), QUrl.fromLocalFile(str(tmp_path / "a.mp4"))])
    words.setText("a table from an office program")
    words.setImageData(picture("red"))
    assert not holds_picture(both)
    assert not holds_picture(words)


def test_a_dropped_picture_finds_what_looks_like_it(indexed: Application, qtbot: QtBot, tmp_path: Path) -> None:
    window = indexed.window
    path = tmp_path / "green.png"
    assert picture("#1ec81e").save(str(path))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    drop(window, data, end="stay")
    assert window.drop_cover.text == "Drop to find similar moments"
    with answered(indexed, qtbot, like=True):
        drop(window, data)
    assert names(indexed)[0] == "green.mp4"
    assert chips(window.search_bar) == ["Like this"]
    assert found(window.library.status).files == 3, "it was not added to the library"
    with answered(indexed, qtbot):
        qtbot.mouseClick(window.search_bar.findChild(Chip), Qt.MouseButton.LeftButton)
    assert window.search.wish.is_unrestricted


def test_a_picture_is_pasted(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    QGuiApplication.clipboard().setImage(picture("#1e1edc"))
    window.focus_search()
    with answered(indexed, qtbot, like=True):
        qtbot.keyClick(window.search_bar.line, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert names(indexed)[0] == "red then blue.mp4"
    QGuiApplication.clipboard().setText("words")
    qtbot.keyClick(window.search_bar.line, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert window.search_bar.line.text() == "words"


def test_more_like_a_result(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    with answered(indexed, qtbot, "ext:mp4 green"):
        window.search_bar.search("green ext:mp4")
    green = moments(window)[0]
    with answered(indexed, qtbot, "ext:mp4", like=True):
        window.results.selection.like_wanted.emit(green)
    assert window.search.like == green.clip_id
    assert sorted(chips(window.search_bar)) == ["File type: mp4", "Like this"]
    assert window.search_bar.line.text() == "", "a picture takes the place of the words; filters stay"
    with answered(indexed, qtbot, "ext:mp4 red", like=True):
        qtbot.keyClicks(window.search_bar.line, "red")
    assert window.search.like == green.clip_id, "words typed afterwards are searched with it"


def test_no_empty_quotes_where_a_picture_finds_nothing_well(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    with answered(indexed, qtbot, "", like=True):
        window.searching.like_picture(Picture(2, 2, bytes([255, 0, 255] * 4)))
    assert "picture" in window.results.note.text()
    assert "\u201c" not in window.results.note.text()


# --- the whole window -------------------------------------------------------------------------------------------------


def test_an_empty_bar_browses_the_library(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    model = window.results.model
    browsed = [model.browsed]
    assert not window.start_page.isVisible()
    with answered(indexed, qtbot, "green"):
        qtbot.keyClicks(window.search_bar.line, "green")
    browsed.append(model.browsed)
    assert browsed == [True, False]
    with answered(indexed, qtbot, ""):
        qtbot.keyClick(window.search_bar.line, Qt.Key.Key_Escape)
    assert len(names(indexed)) == 3


def test_the_order_is_the_engines(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    qtbot.waitUntil(lambda: len(names(indexed)) == 3, timeout=WAIT)
    with answered(indexed, qtbot):
        window.results.sort_by(Sort.NAME, False)
    in_order = names(indexed)
    with answered(indexed, qtbot):
        window.results.sort_by(Sort.NAME, True)
    assert names(indexed) == in_order[::-1]


def test_what_must_not_be_seen(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    bar = window.search_bar
    qtbot.mouseClick(bar.without_button, Qt.MouseButton.LeftButton)
    assert bar.without.isVisible()
    assert QApplication.focusWidget() is bar.without.line
    with answered(indexed, qtbot, "red"):
        bar.search("red")
    assert names(indexed)[0] == "red then blue.mp4"
    red = moments(window)[0]
    with qtbot.waitSignal(
        window.search.answered, timeout=WAIT, check_params_cb=lambda *_: window.search.wish.without == "red"
    ):
        qtbot.keyClicks(bar.without.line, "red")
    assert red.clip_id not in [moment.clip_id for moment in moments(window) if moment.match is Match.STRONG]
    with answered(indexed, qtbot):
        qtbot.keyClick(bar.without.line, Qt.Key.Key_Escape)
    assert not bar.without.isVisible()
    assert window.search.wish.without == ""


def test_filters_are_chosen_in_the_form(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    bar, form = window.search_bar, window.searching.filters
    qtbot.mouseClick(bar.filters_button, Qt.MouseButton.LeftButton)
    assert form.isVisible()
    with answered(indexed, qtbot):
        qtbot.keyClick(form.choice("dur"), Qt.Key.Key_Down)  # the first of the usual lengths
    assert bar.text() == "dur:<30s"
    assert chips(bar) == ["Under 30 seconds"]
    with answered(indexed, qtbot):
        qtbot.mouseClick(form.state("favourite"), Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert bar.text() == "dur:<30s is:favourite"
    assert names(indexed) == []
    assert window.results.clear_filters.isVisible()
    with answered(indexed, qtbot):
        qtbot.mouseClick(form.clear_button, Qt.MouseButton.LeftButton)
    assert len(names(indexed)) == 3
    qtbot.mouseClick(form.done_button, Qt.MouseButton.LeftButton)
    assert not form.isVisible()


def test_the_form_shows_what_was_typed(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    with answered(indexed, qtbot):
        window.search_bar.search("dur:1m-7m -tag:x is:noted ext:mp4 ext:mov dog")
    form = window.searching.filters
    window.searching.open_filters()
    assert form.choice("dur").currentData() == "1m-7m"
    assert form.state("noted").isChecked()
    assert set(form.filters()) == set(window.search_bar.filters), "what has no field is kept"
    form.close()


def test_filters_are_cleared_where_nothing_fits(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    with answered(indexed, qtbot):
        window.search_bar.search("green dur:>10m")
    assert names(indexed) == []
    with answered(indexed, qtbot, "green"):
        qtbot.mouseClick(window.results.clear_filters, Qt.MouseButton.LeftButton)
    assert names(indexed)[0] == "green.mp4"


def test_a_search_is_kept_renamed_and_forgotten(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    model = window.library_panel.model
    with answered(indexed, qtbot):
        window.search_bar.search("green dur:<30s")
    qtbot.mouseClick(window.search_bar.save_button, Qt.MouseButton.LeftButton)
    dialog = found(window.findChild(QInputDialog))
    assert dialog.textValue() == "dur:<30s green"
    dialog.setTextValue("Meadows")
    with qtbot.waitSignal(indexed.bridge.library_changed, timeout=WAIT):
        qtbot.mouseClick(
            found(dialog.findChild(QDialogButtonBox)).button(QDialogButtonBox.StandardButton.Ok),
            Qt.MouseButton.LeftButton,
        )
    assert model.row_with((Kind.SAVED, "Meadows")) is not None
    window.saved.rename(window.saved.searches[0], "Grass")
    qtbot.waitUntil(lambda: [s.name for s in window.saved.searches] == ["Grass"], timeout=WAIT)
    with answered(indexed, qtbot, ""):
        window.search_bar.clear()
    window.library_panel.list.setCurrentIndex(model.index(found(model.row_with((Kind.SAVED, "Grass")))))
    with answered(indexed, qtbot, "dur:<30s green"):
        qtbot.keyClick(window.library_panel.list, Qt.Key.Key_Return)
    assert chips(window.search_bar) == ["Under 30 seconds"]
    with qtbot.waitSignal(indexed.bridge.library_changed, timeout=WAIT):
        qtbot.mouseClick(window.search_bar.save_button, Qt.MouseButton.LeftButton)  # a bookmark that is there, again
    qtbot.waitUntil(lambda: model.row_with((Kind.SAVED, "Grass")) is None, timeout=WAIT)


def test_a_saved_search_brings_all_of_itself(indexed: Application, qtbot: QtBot) -> None:
    window = indexed.window
    saved = SavedSearch("Calm", "green", "red", Sort.NAME, True)
    with answered(indexed, qtbot):
        window.searching.recall(saved)
    assert (window.search_bar.text(), window.search_bar.without.text()) == ("green", "red")
    assert window.search_bar.without.isVisible()
    assert (window.search.wish.sort, window.search.wish.reverse) == (Sort.NAME, True)
