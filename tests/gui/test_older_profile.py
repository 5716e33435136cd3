"""The question about an older build's library, and what each of its answers does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from cret_desktop.engine.older_profile import OlderProfile
from cret_desktop.gui.shell.older_profile import OlderProfileQuestion, offer


@pytest.fixture
def profile(tmp_path: Path) -> OlderProfile:
    old = tmp_path / "old place" / "library"
    old.mkdir(parents=True)
    return OlderProfile(((old, tmp_path / "new" / "library"),))


def test_moving(qapp: QApplication, profile: OlderProfile) -> None:
    QTimer.singleShot(0, lambda: _question().move_button.click())
    assert offer(profile)
    assert not profile.library.exists()
    assert profile.moves[0][1].is_dir()


def test_beginning_anew_leaves_it(qapp: QApplication, profile: OlderProfile) -> None:
    QTimer.singleShot(0, lambda: _question().begin_anew.click())
    assert offer(profile)
    assert profile.library.is_dir()
    assert not profile.moves[0][1].exists()


def test_closing_the_question_ends_the_start(qapp: QApplication, profile: OlderProfile) -> None:
    QTimer.singleShot(0, lambda: _question().reject())
    assert not offer(profile)
    assert profile.library.is_dir()


def test_what_failed_is_said_and_asked_again(
    qapp: QApplication, profile: OlderProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    def second() -> None:
        said.append(_question().text())
        _question().quit.click()

    def first() -> None:
        QTimer.singleShot(0, second)
        _question().move_button.click()

    monkeypatch.setattr(os, "rename", refuse)
    QTimer.singleShot(0, first)
    assert not offer(profile)
    assert "could not be moved" in said[0]
    assert profile.library.is_dir()


def _question() -> OlderProfileQuestion:
    question = QApplication.activeModalWidget()
    assert isinstance(question, OlderProfileQuestion)
    return question
