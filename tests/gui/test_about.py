"""A newer version is looked for only when asked: by a button that opens a page, where the project names one."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from cret_desktop import paths
from cret_desktop.gui.shell.about_dialog import AboutDialog


def buttons(dialog: AboutDialog) -> dict[str, QPushButton]:
    return {button.text(): button for button in dialog.findChildren(QPushButton)}


def test_without_a_page_there_is_no_button(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "releases_page", lambda: "")
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    assert "Check for a newer version" not in buttons(dialog)


def test_the_page_is_opened_when_asked_and_not_before(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(paths, "releases_page", lambda: "https://example.org/releases")
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    assert opened == []
    buttons(dialog)["Check for a newer version"].click()
    assert opened == ["https://example.org/releases"]
