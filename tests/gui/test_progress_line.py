"""The line at the bottom: how many were found, how long it will take, and that nobody waits for the graph."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication, QProgressBar, QPushButton
from pytestqt.qtbot import QtBot

from cret_desktop.engine.protocol import IndexFinished, Optimising
from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.appearance.theme import Scheme, Theme
from cret_desktop.gui.library.progress_line import ProgressLine
from cret_desktop.library.indexing.progress import IndexProgress, IndexTotals, Phase
from tests.narrowing import found


@pytest.fixture
def line(qapp: QApplication, qtbot: QtBot) -> ProgressLine:
    theme = Theme(qapp, Scheme.DARK, qapp)
    line = ProgressLine(theme)
    theme.setParent(line)
    qtbot.addWidget(line)
    return line


def progress(phase: Phase, total: int, remaining: float | None = None, space: float | None = None) -> IndexProgress:
    return IndexProgress(phase, 0, total, 0, 0.0, 0, 0.0, remaining, "/videos/a.mp4", space)


def finished(files: int) -> IndexFinished:
    return IndexFinished(IndexTotals(files, files, 100.0, 0, 0, 30.0, 400, False))


def bar(line: ProgressLine) -> QProgressBar:
    return found(line.findChild(QProgressBar))


def words(line: ProgressLine) -> str:
    return " | ".join(filter(None, (line.text, line._current.text())))


def test_found_files_are_counted(line: ProgressLine) -> None:
    line.show_progress(progress(Phase.SCANNING, 0))
    assert line.text == "Looking for videos\u2026"
    line.show_progress(progress(Phase.SCANNING, 1234))
    assert line.text == "Looking for videos\u2026 1234 videos found"
    line.show_progress(progress(Phase.MEASURING, 1234))
    assert line.text == "Reading the lengths of 1234 videos\u2026"
    assert bar(line).maximum() == 0, "it cannot be told how far"


def test_an_estimate_before_the_first_file_is_done(line: ProgressLine) -> None:
    line.show_progress(progress(Phase.INDEXING, 80))
    assert "left" not in line.text, "no pace has been measured on this computer yet"
    line.show_progress(progress(Phase.INDEXING, 80, 7300.0))
    assert line.text.endswith("about 2 h left")
    line.show_progress(progress(Phase.INDEXING, 80, 7300.0, 1.44e9))
    assert line.text.endswith("about 2 h left \u00b7 needs 1.4 GB of disk space")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute"), (59, "less than a minute"), (61, "about 2 min"), (300, "about 5 min"),
        (89 * 60, "about 89 min"), (91 * 60, "about 2 h"), (35 * 3600, "about 35 h"), (60 * 3600, "about 2 days"),
    ],
)  # fmt: skip
def test_estimates_are_rough(seconds: float, said: str) -> None:
    assert formatting.roughly(seconds) == said


def test_ready_to_search_while_the_index_is_optimised(line: ProgressLine, qtbot: QtBot) -> None:
    line.show_progress(progress(Phase.INDEXING, 3))
    line.show_optimising(Optimising(True))
    assert line.text.startswith("Indexing"), "in nobody's way"
    line.show_finished(finished(3))
    assert words(line) == "3 videos, 3 clips indexed in 0:30 | Ready to search; the index is being optimised"
    line._leave.timeout.emit()
    assert words(line) == "Optimising the index; search is ready"
    assert bar(line).isHidden()
    assert [b.text() for b in line.findChildren(QPushButton) if not b.isHidden()] == ["Close"]
    line.show_optimising(Optimising(False))
    assert line.isHidden()


def test_a_run_that_finds_nothing_new_leaves_the_quiet_line(line: ProgressLine) -> None:
    line.show_optimising(Optimising(True))
    assert not line.isHidden()
    line.show_progress(progress(Phase.SCANNING, 0))
    line.show_finished(finished(0))
    assert words(line) == "Optimising the index; search is ready"
    line.show_optimising(Optimising(False))
    assert line.isHidden()
    line.show_finished(finished(0))
    assert line.isHidden()


def test_what_a_run_did_stays_when_the_graph_is_done_first(line: ProgressLine) -> None:
    line.show_progress(progress(Phase.INDEXING, 3))
    line.show_optimising(Optimising(True))
    line.show_finished(finished(3))
    line.show_optimising(Optimising(False))
    assert words(line) == "3 videos, 3 clips indexed in 0:30"
    line._leave.timeout.emit()
    assert line.isHidden()
