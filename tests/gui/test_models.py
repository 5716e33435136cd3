"""The model page in a real window: a download from a hub on this computer, its use, the offer of a better one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.protocol import ModelCard, ModelState
from cret_desktop.gui.models.model_dialog import ModelDialog, ModelFrame
from tests.gui.conftest import WAIT
from tests.hub import Hub, serve
from tests.model import tiny

NAME = "tiny-published"


@pytest.fixture
def config(tmp_path: Path, hub: Hub) -> EngineConfig:
    return EngineConfig(tmp_path / "library", "colours", "cpu", factory="tests.fakes:open_library_with_models")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    tiny.write_published(tmp_path / "published")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with serve(Hub()) as hub:
        hub.add("tiny/aligned", tmp_path / "published")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def page(application: Application, qtbot: QtBot) -> ModelDialog:
    """The page, with what there is."""
    window = application.window
    with qtbot.waitSignal(window.models.changed, timeout=WAIT):
        window.actions_by_command["models"].trigger()
    found = window.findChild(ModelDialog)
    assert found is not None
    return found


def press(button: QAbstractButton) -> None:
    assert button.isVisible(), button.text()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def until(qtbot: QtBot, page: ModelDialog, state: ModelState) -> ModelFrame:
    qtbot.waitUntil(lambda: page.frames[NAME].card.state is state, timeout=WAIT)
    return page.frames[NAME]


def test_download_cancel_go_on_use(application: Application, page: ModelDialog, hub: Hub, qtbot: QtBot) -> None:
    frame = page.frames[NAME]
    assert "Apache-2.0" in frame.facts.text()
    assert hub.asked == []
    hub.hold = 6000
    press(frame.download)
    until(qtbot, page, ModelState.DOWNLOADING)
    qtbot.waitUntil(lambda: frame.bar.value() > 0, timeout=WAIT)
    assert " of " in frame.state.text()
    press(frame.cancel)
    until(qtbot, page, ModelState.PARTIAL)
    assert (frame.download.text(), page.problem.isVisible()) == ("Resume", False)
    hub.hold = None
    press(frame.download)
    until(qtbot, page, ModelState.READY)
    with qtbot.waitSignal(application.bridge.started, timeout=WAIT):
        press(frame.use)
    assert application.preferences.settings.model == NAME
    qtbot.waitUntil(lambda: page.frames[NAME].card.wanted, timeout=WAIT)
    assert frame.state.text() == "In use"
    assert not frame.use.isVisible()
    assert not frame.remove.isVisible()


def test_a_download_that_fails_says_why(page: ModelDialog, hub: Hub, qtbot: QtBot) -> None:
    hub.files.clear()
    press(page.frames[NAME].download)
    qtbot.waitUntil(page.problem.isVisible, timeout=WAIT)
    assert "no longer available" in page.problem.text()
    until(qtbot, page, ModelState.DOWNLOADABLE)


def test_import_and_remove(page: ModelDialog, hub: Hub, tmp_path: Path, qtbot: QtBot) -> None:
    press(page.frames[NAME].download)
    frame = until(qtbot, page, ModelState.READY)
    kept = tmp_path / "elsewhere"
    (tmp_path / "data" / "CRET Desktop" / "models" / NAME).rename(kept)
    with qtbot.waitSignal(page._controller.changed, timeout=WAIT):
        page._controller.read()
    assert frame.card.state is ModelState.DOWNLOADABLE
    page.from_folder.trigger()
    chooser = page.findChild(QFileDialog)
    assert chooser is not None
    chooser.fileSelected.emit(str(kept))
    chooser.close()
    until(qtbot, page, ModelState.READY)
    press(frame.remove)
    question = page.findChild(QMessageBox)
    assert question is not None
    assert "Tiny" in question.text()
    press(next(button for button in question.buttons() if button.text() == "Remove"))
    until(qtbot, page, ModelState.DOWNLOADABLE)


def test_a_better_model_is_offered_once(application: Application, page: ModelDialog, hub: Hub) -> None:
    window = application.window
    assert "Perception Encoder S16, about 349" in window.model_offer.text
    assert not window.model_offer.isHidden()  # it stands above the results, which an empty library does not show
    window.model_offer.close_button.click()
    assert window.model_offer.isHidden()
    assert not application.preferences.settings.offer_models
    assert hub.asked == []


def test_what_a_card_says(qtbot: QtBot) -> None:
    frame = ModelFrame(ModelCard("mine", "Mine", ModelState.READY, clips=3, index_bytes=2_000_000, removable=True), "")
    qtbot.addWidget(frame)
    assert frame.state.text() == "3 clips indexed with it, 2 MB"
    assert (frame.use.isHidden(), frame.remove.isHidden()) == (False, False)
    frame.show_card(ModelCard("mine", "Mine", ModelState.READY, wanted=True), "Starter")
    assert frame.state.text().endswith("searches use Starter until that is done.")
    assert (frame.use.isHidden(), frame.remove.isHidden()) == (True, True)
    frame.show_card(ModelCard("mine", "Mine", ModelState.READY, answers=True, clips=3, removable=True), "Mine")
    assert "until" in frame.state.text()
    assert frame.remove.isHidden()
