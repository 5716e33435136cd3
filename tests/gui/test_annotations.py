"""Tags, favourites and notes: seen at once, undone one by one, kept while the engine is down."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.domain.clips import LibraryFile
from cret_desktop.engine.protocol import ChangeTags, EngineLost, GetFile, SetFavourite, SetNote
from cret_desktop.errors import StorageError
from cret_desktop.gui.annotations.annotations import Annotations
from cret_desktop.gui.annotations.note_editor import NoteEditor
from cret_desktop.gui.annotations.tags_editor import TagsEditor
from cret_desktop.gui.bridge.engine_bridge import EngineBridge
from cret_desktop.gui.shell.main_window import MainWindow
from tests.gui.conftest import WAIT
from tests.narrowing import found

CHECKED, PARTLY, UNCHECKED = Qt.CheckState.Checked, Qt.CheckState.PartiallyChecked, Qt.CheckState.Unchecked


def file(id: int, tags: tuple[str, ...] = (), favourite: bool = False, note: str = "") -> LibraryFile:
    return LibraryFile(
        id, f"/videos/{id}.mp4", 1, 0.0, "indexed", None, 1.0, 16, 9, 25.0, 1, False, False, favourite, tags, note
    )


def file_named(window: MainWindow, name: str) -> LibraryFile:
    cards = (window.results.model.card(row) for row in range(window.results.model.rowCount()))
    return next(card.file for card in cards if card is not None and Path(card.file.path).name == name)


def stored(application: Application, qtbot: QtBot, id: int) -> LibraryFile:
    """A file as the engine has it."""
    got: list[LibraryFile] = []
    application.bridge.request(GetFile(id), got.append, lambda error: pytest.fail(str(error)))
    qtbot.waitUntil(lambda: bool(got), timeout=WAIT)
    return got[0]


class ScriptedClient:
    def __init__(self) -> None:
        self.asked: list[tuple[Any, Future[Any]]] = []

    def request(self, body: Any) -> Future[Any]:
        self.asked.append((body, Future()))
        return self.asked[-1][1]

    def close(self) -> None:
        pass


@pytest.fixture
def scripted(qtbot: QtBot) -> Iterator[tuple[ScriptedClient, Annotations]]:
    client = ScriptedClient()
    bridge = EngineBridge(client)  # type: ignore[arg-type]
    yield client, Annotations(bridge, bridge)
    with qtbot.waitSignal(bridge.closed, timeout=WAIT):
        bridge.close()


def asked(client: ScriptedClient, qtbot: QtBot, count: int) -> list[Any]:
    qtbot.waitUntil(lambda: len(client.asked) == count, timeout=WAIT)
    return [body for body, _ in client.asked]


def test_bulk_tagging_is_undone_file_by_file(scripted: tuple[ScriptedClient, Annotations], qtbot: QtBot) -> None:
    client, annotations = scripted
    shown: list[tuple[LibraryFile, ...]] = []
    annotations.files_changed.connect(shown.append)
    files = [file(1, ("Sea",)), file(2), file(3, ("sea", "winter"))]
    annotations.change_tags(files, ["sea"], ["winter"])
    assert [f.tags for f in shown[-1]] == [("sea",), ("sea",)]  # the first had it, however it is spelled
    assert [f.id for f in shown[-1]] == [2, 3]
    annotations.stack.undo()
    assert [f.tags for f in shown[-1]] == [(), ("sea", "winter")]
    annotations.stack.redo()
    forth = ChangeTags((2, 3), ("sea",), ("winter",))
    back = [ChangeTags((2,), remove=("sea",)), ChangeTags((3,), add=("winter",))]
    assert asked(client, qtbot, 4) == [forth, *back, forth]
    annotations.change_tags(files, ["sea"], [])
    assert annotations.stack.count() == 1, "nothing was different"


def test_favourites_and_notes_are_undone(scripted: tuple[ScriptedClient, Annotations], qtbot: QtBot) -> None:
    client, annotations = scripted
    annotations.set_favourite([file(1), file(2, favourite=True)], True)
    annotations.set_note(file(3, note="old"), " new ")
    annotations.stack.undo()
    annotations.stack.undo()
    assert asked(client, qtbot, 4) == [
        SetFavourite((1,), True),
        SetNote(3, "new"),
        SetNote(3, "old"),
        SetFavourite((1,), False),
    ]


def test_changes_build_on_each_other_before_the_engine_answers(
    scripted: tuple[ScriptedClient, Annotations], qtbot: QtBot
) -> None:
    client, annotations = scripted
    seen = file(1)  # as it was when the results were shown
    annotations.change_tags([seen], ["sea"], [])
    annotations.set_favourite([seen], True)
    assert annotations.current([seen]) == (replace(seen, tags=("sea",), favourite=True),)
    asked(client, qtbot, 2)
    client.asked[0][1].set_result(None)
    changed = replace(seen, tags=("sea",), favourite=True)
    assert annotations.learn([replace(seen, tags=("sea",))]) == (changed,), "it does not know of the second change yet"
    client.asked[1][1].set_result(None)
    qtbot.waitUntil(lambda: annotations.learn([changed]) == (), timeout=WAIT)


def test_a_change_that_fails_is_taken_back(scripted: tuple[ScriptedClient, Annotations], qtbot: QtBot) -> None:
    client, annotations = scripted
    shown: list[tuple[LibraryFile, ...]] = []
    annotations.files_changed.connect(shown.append)
    annotations.set_favourite([file(1)], True)
    asked(client, qtbot, 1)
    with qtbot.waitSignal(annotations.failed, timeout=WAIT):
        client.asked[0][1].set_exception(StorageError("library.read-only", library="/a"))
    assert [f.favourite for change in shown for f in change] == [True, False]
    annotations.stack.undo()
    assert len(client.asked) == 1, "there is nothing to undo"


# --- the editors ------------------------------------------------------------------------------------------------------


def test_tags_of_several_files(qtbot: QtBot) -> None:
    files = [file(1, ("sea", "winter")), file(2, ("Sea",)), file(3, ("sea", "dog"))]
    editor = TagsEditor(files, (("Cat", 4), ("sea", 3), ("winter", 1)))
    qtbot.addWidget(editor)
    editor.show()
    assert [editor.state_of(tag) for tag in ("sea", "winter", "dog", "cat")] == [CHECKED, PARTLY, PARTLY, UNCHECKED]
    model = editor.list.model()
    assert [model.index(row, 0).data() for row in range(4)] == ["dog", "sea", "winter", "Cat"]
    editor.list.setCurrentIndex(model.index(0, 0))
    qtbot.keyClick(editor.list, Qt.Key.Key_Space)  # all have it now
    editor.list.setCurrentIndex(model.index(1, 0))
    qtbot.keyClick(editor.list, Qt.Key.Key_Space)  # none has it any more
    qtbot.keyClicks(editor.line, "  on the   beach ")
    qtbot.keyClick(editor.line, Qt.Key.Key_Return)
    assert editor.isVisible(), "Enter took the tag"
    with qtbot.waitSignal(editor.changed, timeout=WAIT) as changed:
        qtbot.keyClick(editor.line, Qt.Key.Key_Return)
    assert changed.args == [("dog", "on the beach"), ("sea",)]


def test_closing_the_tags_as_they_were_changes_nothing(qtbot: QtBot) -> None:
    editor = TagsEditor([file(1, ("sea",))], (("sea", 1),))
    qtbot.addWidget(editor)
    with qtbot.assertNotEmitted(editor.changed):
        editor.add("SEA")
        editor.accept()


def test_a_note_is_saved_by_keys(qtbot: QtBot) -> None:
    editor = NoteEditor(file(1, note="old"))
    qtbot.addWidget(editor)
    editor.show()
    editor.text.setPlainText("two\nlines")
    with qtbot.waitSignal(editor.written, timeout=WAIT) as written:
        qtbot.keyClick(editor.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert written.args == ["two\nlines"]


# --- the whole window -------------------------------------------------------------------------------------------------


@pytest.fixture
def browsing(indexed: Application, qtbot: QtBot) -> Application:
    qtbot.waitUntil(lambda: indexed.window.results.model.rowCount() == 3, timeout=WAIT)
    return indexed


def test_a_tag_goes_all_the_way_and_back(browsing: Application, qtbot: QtBot) -> None:
    window = browsing.window
    green = file_named(window, "green.mp4")
    window.results.selection.tags_wanted.emit((green,))
    editor = found(window.findChild(TagsEditor))
    editor.add("meadow")
    with qtbot.waitSignals([browsing.bridge.library_changed, window.annotations.tags_changed], timeout=WAIT):
        box = found(editor.findChild(QDialogButtonBox))
        qtbot.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
        assert file_named(window, "green.mp4").tags == ("meadow",), "seen before the engine has it"
    assert stored(browsing, qtbot, green.id).tags == ("meadow",)
    assert window.annotations.tags == (("meadow", 1),)
    assert "meadow" in window.search_bar.line.vocabulary.tags
    with qtbot.waitSignal(window.annotations.tags_changed, timeout=WAIT):
        window.actions_by_command["undo"].trigger()
    assert stored(browsing, qtbot, green.id).tags == ()
    assert window.actions_by_command["redo"].isEnabled()


def test_a_note_is_found_by_its_words(browsing: Application, qtbot: QtBot) -> None:
    window = browsing.window
    green = file_named(window, "green.mp4")
    with qtbot.waitSignal(browsing.bridge.library_changed, timeout=WAIT):
        window.annotations.set_note(green, "Where we met Kasimir")
    with qtbot.waitSignal(window.search.answered, timeout=WAIT, check_params_cb=lambda a, _: a.query == "kasimir"):
        window.search_bar.search("kasimir")
    card = found(window.results.model.card(0))
    assert Path(card.file.path).name == "green.mp4"
    assert [reason.kind for reason in card.moment.reasons] == ["note"]


def test_a_tag_given_while_the_engine_is_down_is_kept(browsing: Application, qtbot: QtBot) -> None:
    window = browsing.window
    green = file_named(window, "green.mp4")
    pid = browsing.bridge.client.pid
    assert pid is not None
    given: list[EngineLost] = []

    def give(lost: EngineLost) -> None:
        given.append(lost)
        window.annotations.change_tags([green], ["meanwhile"], [])

    browsing.bridge.lost.connect(give)
    with qtbot.waitSignals([browsing.bridge.lost, browsing.bridge.started], timeout=WAIT):
        os.kill(pid, signal.SIGKILL)
    assert len(given) == 1
    assert stored(browsing, qtbot, green.id).tags == ("meanwhile",)
    assert file_named(window, "green.mp4").tags == ("meanwhile",)
