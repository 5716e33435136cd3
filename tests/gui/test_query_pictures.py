"""Pictures that strangers have made, searched by: what is none is a sentence, and nothing of it is decoded here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QByteArray, QMimeData, QUrl
from PySide6.QtGui import QColor, QImage, QImageReader
from pytestqt.qtbot import QtBot

from cret_desktop.app import Application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.gui.bridge.thumbnail_cache import Place, prepare, read_strip
from cret_desktop.gui.search.pictures import holds_picture, picture_paths
from cret_desktop.gui.shell import drops
from tests.gui.answers import strip_path, write_strip
from tests.gui.conftest import WAIT
from tests.gui.test_search import answered, chips, names
from tests.gui.test_window import drop, mime
from tests.media.test_still_picture import BOMB, PDF, REACHING, png_header

BANNER = "cannot be used as a query picture"


def refused(application: Application, qtbot: QtBot, act: Callable[[], object]) -> str:
    """What the window says of what cannot be read."""
    with qtbot.waitSignal(application.window.searching.failed, timeout=WAIT):
        act()
    assert application.window.banner.isVisible()
    assert chips(application.window.search_bar) == []
    return application.window.banner.text


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt reads no picture in this process."""
    for name in ("read", "size", "canRead", "setFileName", "setDevice"):
        monkeypatch.setattr(QImageReader, name, lambda *_: pytest.fail("a picture was read in the window"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("bomb.svg", BOMB), ("bomb.png", BOMB), ("reaching.svg", REACHING), ("a.pdf", PDF), ("a.jpg", b"no picture")],
)
def test_what_is_no_picture_is_said(
    application: Application, qtbot: QtBot, tmp_path: Path, name: str, content: bytes, no_reading: None
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    began = time.monotonic()
    assert refused(application, qtbot, lambda: drop(application.window, mime(path))).startswith(
        f"\u201c{name}\u201d {BANNER}"
    )
    assert time.monotonic() - began < 10


def test_what_says_it_is_enormous(application: Application, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "enormous.png"
    path.write_bytes(png_header(60_000, 60_000))
    assert "too large" in refused(application, qtbot, lambda: drop(application.window, mime(path)))


class _FromAnotherProgram(QMimeData):
    """As X11 gives it: what another program offers, and an image that Qt would make of it in this process."""

    def __init__(self, **offered: bytes) -> None:
        super().__init__()
        self._offered = {f"image/{kind}": content for kind, content in offered.items()}

    def formats(self) -> list[str]:
        return [*self._offered, "application/x-qt-image"]

    def hasFormat(self, kind: str) -> bool:
        return kind in self.formats()

    def retrieveData(self, kind: str, wanted: Any) -> Any:
        assert kind != "application/x-qt-image", "Qt would decode it here"
        return QByteArray(self._offered.get(kind, b""))


def test_a_copied_vector_graphic_is_not_drawn(application: Application, qtbot: QtBot) -> None:
    data = _FromAnotherProgram(**{"svg+xml": BOMB})
    assert holds_picture(data)
    said = refused(application, qtbot, lambda: application.window.searching.take_picture(data))
    assert said == "The copied picture cannot be read. Copy it as JPEG or PNG."
    data = _FromAnotherProgram(**{"svg+xml": BOMB, "png": b"no picture"})
    assert refused(application, qtbot, lambda: application.window.searching.take_picture(data)) == said


def test_a_copied_picture_is_read_by_the_engine(indexed: Application, qtbot: QtBot, tmp_path: Path) -> None:
    image = QImage(64, 36, QImage.Format.Format_RGB32)
    image.fill(QColor("#1ec81e"))
    path = tmp_path / "green.png"
    assert image.save(str(path))
    with answered(indexed, qtbot, like=True):
        indexed.window.searching.take_picture(_FromAnotherProgram(**{"svg+xml": BOMB, "png": path.read_bytes()}))
    assert names(indexed)[0] == "green.mp4"


# --- a picture that takes for ever ------------------------------------------------------------------------------------


class TestForEver:
    @pytest.fixture
    def config(self, tmp_path: Path) -> EngineConfig:
        return EngineConfig(tmp_path / "library", factory="tests.fakes:open_library_slow_pictures")

    def test_the_next_one_takes_its_place_and_ends_in_time(
        self, application: Application, qtbot: QtBot, tmp_path: Path
    ) -> None:
        """Each child here is given two seconds; `test_still_picture` holds what it is given in life."""
        failed: list[str] = []
        application.window.searching.failed.connect(lambda error: failed.append(str(error)))
        for name in ("first.png", "second.png"):
            (tmp_path / name).write_bytes(png_header(9, 9))
            drop(application.window, mime(tmp_path / name))
        qtbot.waitUntil(lambda: bool(failed), timeout=WAIT)
        assert failed == ["Reading the picture \u201csecond.png\u201d takes too long. Try it as a JPEG or PNG file."]

    def test_the_window_closes_meanwhile(self, application: Application, qtbot: QtBot, tmp_path: Path) -> None:
        failed: list[object] = []
        application.window.searching.failed.connect(failed.append)
        (tmp_path / "slow.png").write_bytes(png_header(9, 9))
        drop(application.window, mime(tmp_path / "slow.png"))
        qtbot.wait(500)  # its child is on its way by then
        application.close_and_wait()
        assert failed == [], "nobody waited for it"


# --- drops from elsewhere -------------------------------------------------------------------------------------------


def urls(*addresses: str) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl(address) for address in addresses])
    return data


def test_only_this_computers_files_are_taken() -> None:
    data = urls(
        "file:///videos/a.mp4", "file://localhost/videos/b.mp4", "file://nas/videos/c.mp4", "https://x.org/d.mp4"
    )
    assert drops.local_paths(data) == ["/videos/a.mp4", "/videos/b.mp4"]
    assert drops.other_computer(data) == "nas"
    assert drops.local_paths(urls("file:////videos/a.mp4")) == ["/videos/a.mp4"]
    assert drops.local_paths(urls("file://nas/videos/", "file://10.0.0.1/x", "file://[::1]/x", "smb://nas/x")) == []
    assert picture_paths(urls("file://nas/pictures/a.png")) == []


def test_a_drop_from_another_computer_is_answered(
    application: Application, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[list[str]] = []
    monkeypatch.setattr(application.window.library, "add", added.append)
    drop(application.window, urls("file://nas/videos/"))
    assert added == []
    assert application.window.banner.text == (
        "Files on another computer (nas) cannot be dropped here. Use \u201cAdd folder\u201d in the Library menu."
    )
    drop(application.window, urls("file:///videos", "file://nas/videos/"))
    assert added == [["/videos"]]


def test_windows_takes_no_path_of_another_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    for address in ("file://nas/share/a.mp4", "file:////nas/share/a.mp4", "file://localhost/c$/a.mp4"):
        assert drops.local_paths(urls(address)) == []
        assert drops.other_computer(urls(address)) in ("nas", "localhost")


# --- thumbnails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [BOMB, REACHING, PDF, b"", b"GIF89a", png_header(9, 9)])
def test_a_strip_is_a_jpeg_or_nothing(content: bytes, tmp_path: Path) -> None:
    path = strip_path(tmp_path, "strip")
    path.write_bytes(content)
    assert read_strip(str(path)).isNull()


def test_a_strip_is_read_by_the_librarys_door_alone(tmp_path: Path) -> None:
    good = write_strip(tmp_path / "good.jpg")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(good.read_bytes())
    linked = strip_path(tmp_path, "linked")
    linked.symlink_to(photo)
    assert not read_strip(str(good)).isNull()
    assert [read_strip(path).isNull() for path in (str(photo), str(linked), "", "x.jpg")] == [True] * 4


def test_a_strip_is_bounded(tmp_path: Path) -> None:
    good = write_strip(tmp_path / "good.jpg")
    assert not read_strip(str(good)).isNull()
    high = QImage(8, 2000, QImage.Format.Format_RGB32)
    high.fill(QColor("red"))
    assert high.save(str(strip_path(tmp_path, "high")))
    assert read_strip(str(strip_path(tmp_path, "high"))).isNull()
    data = bytearray(good.read_bytes())
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = b"\xff\xdc\xff\xdc"  # 65500 x 65500
    strip_path(tmp_path, "liar").write_bytes(data)
    assert read_strip(str(strip_path(tmp_path, "liar"))).isNull()


@pytest.mark.parametrize(
    "rect", [(0, 0, 30_000, 30_000), (2**40, 0, 9, 9), (-5, 0, 9, 9), (0, 0, 0, 0), (500, 500, 9, 9), (0, 0, -9, 9)]
)
def test_a_tile_outside_of_its_strip_costs_nothing(rect: Any, tmp_path: Path) -> None:
    strip = read_strip(str(write_strip(tmp_path / "strip.jpg")))
    tile = prepare(strip, rect, Place(strip.size()))
    assert tile.isNull() or max(tile.width(), tile.height()) <= max(strip.width(), strip.height())
