"""Each part of the window reads again what has changed of the library and is shown there, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from cret_desktop.engine import protocol
from cret_desktop.engine.protocol import LibraryChanged, LibraryPart, Request
from cret_desktop.gui.annotations.annotations import Annotations
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.library.library_controller import LibraryController
from cret_desktop.gui.search.saved_searches import SavedSearches
from cret_desktop.gui.search.search_controller import SearchController
from tests.gui.answers import answer
from tests.gui.conftest import WAIT


class Asked(EngineBridge):
    """Notes what is asked, and answers searches alone."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.kinds: list[type[Request[Any]]] = []

    def request(self, body: Request[Any], then: Any, otherwise: Any) -> None:
        self.kinds.append(type(body))
        if isinstance(body, protocol.Search):
            then(answer())

    def close(self) -> None:
        self._worker.shutdown()


@pytest.fixture
def bridge(qtbot: QtBot) -> Iterator[Asked]:
    bridge = Asked()
    yield bridge
    bridge.close()


FILES, TAGS = {protocol.GetStatus, protocol.GetTags, protocol.Search}, {protocol.GetTags, protocol.Search}


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        (LibraryPart.FILES, FILES), (LibraryPart.FOLDERS, FILES), (LibraryPart.THUMBNAILS, {protocol.Search}),
        (LibraryPart.TAGS, TAGS), (LibraryPart.NOTES, {protocol.Search}), (LibraryPart.FAVOURITES, {protocol.Search}),
        (LibraryPart.SAVED_SEARCHES, {protocol.GetSavedSearches}),
        (LibraryPart.MODEL, {protocol.GetStatus, protocol.Search}),
    ],
)  # fmt: skip
def test_what_has_changed_is_read_again_and_nothing_else(
    bridge: Asked, qtbot: QtBot, part: LibraryPart, kinds: set[type[Request[Any]]]
) -> None:
    from PySide6.QtGui import QUndoStack

    stack = QUndoStack(bridge)
    library, saved = LibraryController(bridge, stack, bridge), SavedSearches(bridge, bridge)
    annotations, search = Annotations(bridge, bridge), SearchController(bridge, bridge)
    search.search("a dog")
    bridge.kinds.clear()
    bridge.library_changed.emit(LibraryChanged.of(part))
    qtbot.waitUntil(lambda: set(bridge.kinds) >= kinds, timeout=WAIT)
    timers = [library._status_timer, annotations._read_timer, search._again]
    assert not any(timer.isActive() for timer in timers), "nothing else is read a little later"
    assert set(bridge.kinds) == kinds
    assert saved.searches == ()


def test_all_parts_are_covered() -> None:
    (mark,) = test_what_has_changed_is_read_again_and_nothing_else.pytestmark
    assert {part for part, _ in mark.args[1]} == set(LibraryPart)
