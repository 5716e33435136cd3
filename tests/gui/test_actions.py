"""Other programs are started by their whole names, in the environment that we were given."""

from __future__ import annotations

import os
import sys

import pytest
from PySide6.QtCore import QProcess, QUrl
from PySide6.QtGui import QDesktopServices

from cret_desktop import GIVEN_SAFE_PATH
from cret_desktop.gui.shell import other_programs


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that were started; each with the environment of other programs."""
    programs: list[str] = []

    def record(program: str) -> bool:
        assert os.environ.get("PYTHONSAFEPATH") == GIVEN_SAFE_PATH
        programs.append(program)
        return True

    monkeypatch.setattr(QProcess, "startDetached", lambda program, arguments: (record(program), 1))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: record(url.toString()))
    return programs


def test_explorer_is_the_one_in_the_folder_of_windows(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SystemRoot", "D:\\somebody's")
    monkeypatch.setattr(other_programs, "_windows_folder", lambda: "C:\\Windows")
    monkeypatch.setattr(sys, "platform", "win32")
    assert other_programs.reveal("C:/Videos/a.mp4")
    assert started == ["C:\\Windows\\explorer.exe"]


def test_the_finder_is_asked_by_a_program_of_the_system(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert other_programs.reveal("/Videos/a.mp4")
    assert other_programs.open_with("/Videos/a.mp4", "/Applications/Player.app")
    assert started == ["/usr/bin/open", "/usr/bin/open"]


def test_players_and_pages_get_the_environment_that_we_were_given(started: list[str]) -> None:
    assert other_programs.open_with("/videos/a.mp4", "/usr/bin/a player")
    assert other_programs.open_file("/videos/a.mp4")
    assert other_programs.open_url(QUrl("https://example.org/"))
    assert started == ["/usr/bin/a player", "file:///videos/a.mp4", "https://example.org/"]
    assert os.environ["PYTHONSAFEPATH"] == "1"
