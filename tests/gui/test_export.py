"""Exports from the window: asked for with the keys, written by the real engine, told in a line at the bottom."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QRadioButton
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.protocol import ExportClips, Exported, ExportList, Passage
from cret_desktop.gui.export.export_dialog import ExportChoice, ExportDialog
from cret_desktop.gui.export.export_line import ExportLine
from cret_desktop.gui.shell import other_programs
from cret_desktop.messages import Message
from tests.gui.conftest import WAIT

MOMENTS = (Passage("/films/A walk.mp4", 1.0, 2.0), Passage("/films/A walk.mp4", 5.0, 7.5))


def ask(qtbot: QtBot, form: str = "copy", folder: str = "/tmp", handles: float = 0.0) -> ExportDialog:
    dialog = ExportDialog(MOMENTS, ExportChoice(form, folder, handles))
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def radio(dialog: ExportDialog, form: str) -> QRadioButton:
    button = dialog.findChild(QRadioButton, f"form_{form}")
    assert isinstance(button, QRadioButton)
    return button


def test_clips_are_asked_for_with_handles(qtbot: QtBot) -> None:
    dialog = ask(qtbot, handles=1.5)
    assert dialog.handles.isVisible()
    assert not dialog.name.isVisible()
    radio(dialog, "exact").click()
    with qtbot.waitSignal(dialog.chosen) as chosen:
        QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert chosen.args == [ExportClips(MOMENTS, "/tmp", "exact", 1.5), ExportChoice("exact", "/tmp", 1.5)]
    assert not dialog.isVisible()


@pytest.mark.parametrize("form", ["fcpxml", "edl", "csv"])
def test_lists_are_asked_for_with_a_name(qtbot: QtBot, form: str) -> None:
    dialog = ask(qtbot)
    radio(dialog, form).click()
    assert not dialog.handles.isVisible()
    assert dialog.name.text() == "A walk", "the one video they are all of"
    dialog.name.selectAll()
    QTest.keyClicks(dialog.name, "best/of: 2.0")
    with qtbot.waitSignal(dialog.chosen) as chosen:
        dialog.export.click()
    assert chosen.args[0] == ExportList(MOMENTS, f"/tmp/bestof 2.0.{form}", form, "bestof 2.0")  # type: ignore[arg-type]


def test_without_a_name_or_a_whole_folder_nothing_is_exported(qtbot: QtBot) -> None:
    dialog = ask(qtbot, "edl")
    dialog.name.setText(" . ")
    assert not dialog.export.isEnabled()
    dialog.name.setText("x")
    dialog.folder.setText("not/whole")
    assert not dialog.export.isEnabled()
    dialog.folder.setText("/tmp")
    assert dialog.export.isEnabled()


def test_everything_has_a_name_and_a_key(qtbot: QtBot) -> None:
    dialog = ask(qtbot)
    for widget in (*dialog.forms.buttons(), dialog.handles, dialog.name, dialog.folder, dialog.export):
        assert widget.accessibleName() or (hasattr(widget, "text") and widget.text())
    titles = [button.text() for button in dialog.forms.buttons()]
    assert all("&" in title for title in titles)
    assert len({title[title.index("&") + 1].lower() for title in titles}) == len(titles)


def test_chosen_moments_are_exported_by_keys_alone(
    indexed: Application, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = indexed.window
    with qtbot.waitSignal(window.search.answered, timeout=WAIT):
        window.search_bar.search("green")
    window.results.focus_results()
    view = window.results.view
    qtbot.waitUntil(lambda: view.currentIndex().isValid(), timeout=WAIT)
    QTest.keyClick(view, Qt.Key.Key_E)
    dialog = window.findChild(ExportDialog)
    assert isinstance(dialog, ExportDialog)
    qtbot.waitUntil(dialog.isActiveWindow, timeout=WAIT)  # until then keys are the window's
    radio(dialog, "exact").setFocus()
    QTest.keyClick(radio(dialog, "exact"), Qt.Key.Key_Space)
    dialog.folder.setFocus()
    dialog.folder.selectAll()
    QTest.keyClicks(dialog.folder, str(tmp_path / "out"))
    with qtbot.waitSignal(window.exports.exported, timeout=WAIT) as done:
        QTest.keyClick(dialog.folder, Qt.Key.Key_Return)
        assert window.exports.busy
        assert window.export_line.isVisible()
    exported = done.args[0]
    assert [Path(path).name for path in exported.paths] == ["green 0m00s-0m02s.mp4"]
    assert Path(exported.paths[0]).stat().st_size
    assert "green 0m00s-0m02s.mp4" in window.export_line.text
    assert indexed.preferences.settings.export_mode == "exact"
    shown: list[str] = []
    monkeypatch.setattr(other_programs, "open_file", shown.append)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    window.export_line.reveal.click()
    window.export_line.done.click()
    assert not window.export_line.isVisible()


def test_an_export_can_be_cancelled(indexed: Application, qtbot: QtBot, videos: Path, tmp_path: Path) -> None:
    exports, line = indexed.window.exports, indexed.window.export_line
    many = tuple(Passage(str(videos / "red then blue.mp4"), 0.0, 4.0) for _ in range(200))
    with qtbot.waitSignal(indexed.bridge.export_progressed, timeout=WAIT):
        exports._start(ExportClips(many, str(tmp_path / "out"), "exact"), ExportChoice("exact", str(tmp_path / "out")))
    line.cancel.click()
    qtbot.waitUntil(lambda: not exports.busy, timeout=WAIT)
    assert not line.isVisible()
    assert not indexed.window.banner.isVisible(), "who cancels need not be told"
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_what_failed_is_one_sentence(indexed: Application, qtbot: QtBot, videos: Path, tmp_path: Path) -> None:
    window = indexed.window
    request = ExportClips((Passage(str(videos / "&amp; broken.mp4"), 0.0, 1.0),), str(tmp_path))
    with qtbot.waitSignal(window.exports.failed, timeout=WAIT):
        window.exports._start(request, ExportChoice("copy", str(tmp_path)))
    assert "“&amp; broken.mp4” could not be exported" in window.banner.text
    assert not window.export_line.isVisible()


NOTES = tuple(Message("reason.said", text=f"Note {n}.") for n in range(5))


def test_notes_are_told_and_kept_short(closed_application: Application) -> None:
    line: ExportLine = closed_application.window.export_line
    line.show_finished(Exported(("/a/1.mp4", "/a/2.mp4"), NOTES, (Message("export.crashed"),)))
    assert line.text.startswith("2 files")
    assert line.notes.splitlines() == [
        "A codec crashed on this video.",
        "Note 0.",
        "Note 1.",
        "… and 3 more like this.",
    ]


def test_a_name_with_a_line_break_is_one_line(qtbot: QtBot) -> None:
    dialog = ExportDialog((Passage("/a/<b>x\n.mp4", 0, 1),), ExportChoice("csv", "/tmp"))
    qtbot.addWidget(dialog)
    with qtbot.waitSignal(dialog.chosen) as chosen:
        dialog.export.click()
    assert chosen.args[0].path == "/tmp/bx\ufffd.csv"
