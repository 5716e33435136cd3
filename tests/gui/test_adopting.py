"""A library of somebody else's in the window: it is searched, the window offers to adopt it, and then it is changed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.client import EngineConfig
from tests.gui.conftest import WAIT
from tests.gui.test_search import names


@pytest.fixture
def strange(closed_application: Application, config: EngineConfig, indexed_library: Path, qtbot: QtBot) -> Application:
    """A window on a library that nobody here has made, at rest."""
    shutil.copytree(indexed_library, config.library)
    with closing(sqlite3.connect(config.library / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("UPDATE library SET id = 'another computer''s'")
    with qtbot.waitSignal(closed_application.window.library.status_changed, timeout=WAIT):
        closed_application.open()
    qtbot.waitUntil(lambda: len(names(closed_application)) == 3, timeout=WAIT)
    return closed_application


def asked(application: Application, qtbot: QtBot) -> QMessageBox:
    """The question that the banner's button opens."""
    banner = application.window.banner
    assert "made on another computer or by another person" in banner.text
    qtbot.mouseClick(banner.findChild(QPushButton), Qt.MouseButton.LeftButton)
    (question,) = application.window.findChildren(QMessageBox)
    return question


def answer(question: QMessageBox, words: str, qtbot: QtBot) -> None:
    button = next(button for button in question.buttons() if button.text() == words)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_question_that_is_declined_can_be_asked_again(strange: Application, videos: Path, qtbot: QtBot) -> None:
    question = asked(strange, qtbot)
    assert str(videos) in question.informativeText()
    assert not question.checkBox().isChecked(), "nobody's folders are indexed unasked"
    answer(question, "Only search", qtbot)
    assert strange.window.banner.isVisible()
    assert strange.bridge.client.config.read_only


@pytest.mark.parametrize("follow", [False, True])
def test_an_adopted_library_is_changed_and_its_folders_followed_only_if_wanted(
    strange: Application, follow: bool, qtbot: QtBot
) -> None:
    question = asked(strange, qtbot)
    question.checkBox().setChecked(follow)
    answer(question, "Adopt", qtbot)
    qtbot.waitUntil(lambda: "The library was adopted" in strange.window.banner.text, timeout=WAIT)

    def is_settled() -> bool:
        status = strange.window.library.status
        return status is not None and [folder.offline for folder in status.folders] == [not follow]

    qtbot.waitUntil(is_settled, timeout=WAIT)
    assert not strange.bridge.client.config.read_only
    assert not strange.bridge.client.is_strange
    qtbot.waitUntil(lambda: len(names(strange)) == 3, timeout=WAIT)
