"""The window's parts that need no engine: words, colours, pictures, and which answers are stale."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any, get_args

import pytest
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from cret_desktop.domain.clips import Reason, ReasonKind
from cret_desktop.engine.client import Superseded
from cret_desktop.engine.protocol import SearchAnswer
from cret_desktop.errors import QueryError
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import DARK, LIGHT, Colors, Scheme, Theme
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.search.search_bar import SearchBar
from cret_desktop.gui.search.search_controller import SearchController
from cret_desktop.gui.shell import drops, other_programs
from tests.gui.conftest import WAIT


class ScriptedClient:
    """Stands in for EngineClient where the order of answers is the matter: the test settles the futures."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Future[Any]]] = []

    def request(self, body: Any) -> Future[Any]:
        self.asked.append((body, Future()))
        return self.asked[-1][1]

    def close(self) -> None:
        pass


def answer(query: str) -> SearchAnswer:
    return SearchAnswer(query, "a model", 1.0, (), True)


def contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(name: str) -> float:
        parts = [QColor(name).redF(), QColor(name).greenF(), QColor(name).blueF()]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [DARK, LIGHT])
def test_text_is_readable_on_every_ground(colors: Colors) -> None:
    for text in (colors.text, colors.muted, colors.danger):
        for ground in (colors.window, colors.panel, colors.raised):
            assert contrast(text, ground) >= 4.5, (text, ground)
    assert contrast(colors.on_accent, colors.accent) >= 4.5
    for mark in (colors.strong, colors.possible, colors.weak, colors.accent):
        assert contrast(mark, colors.window) >= 3


def test_the_theme_follows_a_choice(qapp: QApplication) -> None:
    theme = Theme(qapp, Scheme.DARK, qapp)
    assert theme.colors is DARK
    theme.set_scheme(Scheme.LIGHT)
    assert theme.colors is LIGHT
    assert qapp.palette().window().color() == QColor(LIGHT.window)
    theme.deleteLater()


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [(42, 49, "0:42–0:49"), (0, 4.0, "0:00–0:04"), (3.2, 3.9, "0:03–0:04"), (3661, 3671.5, "1:01:01–1:01:12")],
)
def test_times(start: float, end: float, said: str) -> None:
    assert formatting.span(start, end) == said


def test_every_kind_of_reason_has_words_of_its_own() -> None:
    kinds = get_args(ReasonKind)
    words = {kind: formatting.reason(Reason(kind, "volcano")) for kind in kinds}
    assert all("volcano" in said and said != "volcano" for said in words.values())
    assert len(set(words.values())) == len(kinds)


def test_names_are_never_markup_and_always_drawable() -> None:
    assert formatting.file_name("/videos/a\nb.mp4") == "a\ufffdb.mp4"
    assert formatting.file_name(os.fsdecode(b"/videos/\xff.mp4")).endswith(".mp4")
    assert "&lt;img" in formatting.tooltip("/videos/<img src=x>.mp4")
    assert formatting.file_name("/videos/Holidays/") == "Holidays"


@pytest.mark.parametrize("name", [b"plain.mp4", "Größe 100% #1?.mp4".encode(), b"\xff not utf-8.mp4"])
@pytest.mark.skipif(os.name == "nt", reason="paths are text on Windows")
def test_a_path_survives_the_way_through_a_url(name: bytes) -> None:
    path = os.fsdecode(b"/tmp/" + name)
    data = QMimeData()
    data.setUrls([other_programs.file_url(path), QUrl("https://example.org/video.mp4")])
    assert drops.local_paths(data) == [path]


@pytest.fixture
def scripted(qtbot: QtBot) -> Any:
    client = ScriptedClient()
    bridge = EngineBridge(client)  # type: ignore[arg-type]
    controller = SearchController(bridge)
    yield client, controller
    with qtbot.waitSignal(bridge.closed, timeout=WAIT):
        bridge.close()


def test_stale_answers_are_dropped(scripted: tuple[ScriptedClient, SearchController], qtbot: QtBot) -> None:
    client, controller = scripted
    shown: list[str] = []
    controller.answered.connect(lambda a: shown.append(a.query))
    controller.search("re", live=True)
    controller.search("red", live=True)
    qtbot.waitUntil(lambda: len(client.asked) == 2, timeout=WAIT)
    client.asked[1][1].set_result(answer("red"))
    client.asked[0][1].set_result(answer("re"))
    controller.search("green", live=False)
    qtbot.waitUntil(lambda: len(client.asked) == 3, timeout=WAIT)
    client.asked[2][1].set_result(answer("green"))
    qtbot.waitUntil(lambda: "green" in shown, timeout=WAIT)
    assert "re" not in shown


def test_an_answer_that_comes_after_clearing_is_dropped(
    scripted: tuple[ScriptedClient, SearchController], qtbot: QtBot
) -> None:
    client, controller = scripted
    shown: list[object] = []
    controller.answered.connect(shown.append)
    controller.failed.connect(shown.append)
    controller.search("red", live=True)
    qtbot.waitUntil(lambda: len(client.asked) == 1, timeout=WAIT)
    controller.search("", live=False)
    client.asked[0][1].set_result(answer("red"))
    controller.search("blue", live=True)
    qtbot.waitUntil(lambda: len(client.asked) == 2, timeout=WAIT)
    client.asked[1][1].set_exception(Superseded("engine.superseded"))
    controller.search("?", live=False)
    qtbot.waitUntil(lambda: len(client.asked) == 3, timeout=WAIT)
    client.asked[2][1].set_exception(QueryError("query.empty-name"))
    qtbot.waitUntil(lambda: bool(shown), timeout=WAIT)
    assert [str(item) for item in shown] == ["There are no words between the quotes to search names for."]


def test_typing_is_debounced_and_enter_is_not(qtbot: QtBot, qapp: QApplication) -> None:
    theme = Theme(qapp, Scheme.DARK, qapp)
    bar = SearchBar(theme)
    qtbot.addWidget(bar)
    heard: list[tuple[str, bool]] = []
    bar.searched.connect(lambda text, live: heard.append((text, live)))
    with qtbot.waitSignal(bar.searched, timeout=WAIT):
        qtbot.keyClicks(bar.line, "red")
    assert heard == [("red", True)]
    bar.search("red car")
    assert heard[-1] == ("red car", False)
    with qtbot.waitSignal(bar.cleared, timeout=WAIT):
        bar.clear()
    assert len(heard) == 2, "one search, not one for each thing that went"
    theme.deleteLater()
