"""What the engine says, in the person's language: errors, events and reasons of failures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from cret_desktop.engine.protocol import FailedFile
from cret_desktop.errors import PathError, StorageError
from cret_desktop.gui.appearance import i18n
from cret_desktop.gui.library.failures_dialog import FailuresModel
from cret_desktop.messages import Message


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    translators = i18n.install(qapp, "de")
    yield
    i18n.remove(qapp, translators)


def test_errors_speak_german(german: None) -> None:
    assert i18n.said(PathError("library.video-gone")) == "Das Video ist nicht mehr in der Bibliothek."
    error = StorageError("demo.not-written", folder="/a", reason=Message("os.disk-full"))
    expected = "Die Demo-Clips können nicht nach /a geschrieben werden: kein Platz mehr auf dem Datenträger."
    assert i18n.said(error) == expected


def test_values_are_carried_over_as_they_are(german: None) -> None:
    path = "/videos/{a} (b).*\nc. Check the name, or plug in its drive"
    shown = i18n.said(PathError("library.no-such-path", path=path))
    assert path in shown
    assert "There is" not in shown


def test_failures_speak_german(german: None) -> None:
    model = FailuresModel((FailedFile("/videos/a.mp4", Message("file.not-a-video")),))
    assert model.index(0, 1).data().startswith("Das ist kein Video")


def test_reasons_inside_of_reasons_speak_german(german: None) -> None:
    rows = Message("list.last", first=Message("count.videos", count=3), last=Message("count.note", count=1))
    repaired = Message("recovery.repaired", found=Message("recovery.back", rows=rows), kept="/a")
    assert "3 Videos und 1 Notiz zurückgeholt" in i18n.said(repaired)
