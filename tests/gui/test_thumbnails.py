"""Pictures cut from strips: read once, scaled and rounded for the screen, bounded in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from cret_desktop.domain.clips import Thumbnail
from cret_desktop.gui.bridge import thumbnail_cache
from cret_desktop.gui.bridge.thumbnail_cache import Place, ThumbnailCache, prepare
from tests.gui.answers import TILE, thumbnails, write_strip
from tests.gui.conftest import WAIT

SMALL = Place(QSize(16, 9))


@pytest.fixture
def cache(qtbot: QtBot) -> Iterator[ThumbnailCache]:
    cache = ThumbnailCache()
    yield cache
    cache.close()


def test_pictures_are_read_once_and_broken_ones_are_null(cache: ThumbnailCache, qtbot: QtBot, tmp_path: Path) -> None:
    good = thumbnails(str(write_strip(tmp_path / "good.jpg")), 0, 8)
    bad = Thumbnail(str(tmp_path / "gone.jpg"), (0, 0, *TILE), 0.0)
    told: list[str] = []
    cache.ready.connect(told.append)
    with qtbot.waitSignal(cache.idle, timeout=WAIT):
        for picture in (*good, bad, *good):
            assert cache.picture(picture, SMALL) is None
    assert set(told) == {good[0].path, bad.path}
    assert told.count(bad.path) == 1
    broken = cache.picture(bad, SMALL)
    assert broken is not None
    assert broken.isNull()
    colours = []
    for picture in good:
        pixmap = cache.picture(picture, SMALL)
        assert pixmap is not None
        assert (pixmap.width(), pixmap.height()) == (16, 9)
        colours.append(pixmap.toImage().pixelColor(8, 4).hue() // 60)
    assert colours == [0, 2, 4, 1] or colours == [5, 1, 3, 0], "red, green, blue, yellow, each from its own tile"


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
def test_pictures_have_the_screens_own_pixels(ratio: float, tmp_path: Path) -> None:
    strip = QImage(str(write_strip(tmp_path / "strip.jpg")))
    place = Place(QSize(160, 90), ratio, 6)
    picture = prepare(strip, (0, 0, *TILE), place)
    assert (picture.width(), picture.height()) == (160 * ratio, 90 * ratio)
    assert picture.deviceIndependentSize().toSize() == place.size
    assert picture.pixelColor(0, 0).alpha() == 0, "round corners"
    assert picture.pixelColor(picture.width() // 2, 0).alpha() == 255


def test_upright_pictures_are_shown_whole_unless_they_must_fill(tmp_path: Path) -> None:
    strip = QImage(str(write_strip(tmp_path / "strip.jpg")))
    upright = (0, 0, 10, 18)
    inside = prepare(strip, upright, Place(QSize(160, 90)))
    assert (inside.width(), inside.height()) == (50, 90)
    filled = prepare(strip, upright, Place(QSize(160, 90), cover=True))
    assert (filled.width(), filled.height()) == (160, 90)


def test_memory_is_bounded_and_the_least_recently_drawn_goes(
    cache: ThumbnailCache, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnail_cache, "CAPACITY", 2 * 16 * 9 * 4)
    pictures = [thumbnails(str(write_strip(tmp_path / f"{n}.jpg")), 0, 8)[0] for n in range(3)]
    for picture in pictures:
        with qtbot.waitSignal(cache.idle, timeout=WAIT):
            cache.picture(picture, SMALL)
    assert cache.size_in_bytes == 2 * 16 * 9 * 4
    assert cache.picture(pictures[2], SMALL) is not None
    with qtbot.waitSignal(cache.idle, timeout=WAIT):
        assert cache.picture(pictures[0], SMALL) is None, "the least recently drawn one was let go"
