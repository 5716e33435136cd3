"""Thumbnails and copies of the whole library, whatever the back end."""

from __future__ import annotations

from pathlib import Path

import pytest

from cret_desktop.domain.records import Contents
from cret_desktop.errors import CopyCancelled, LibraryMissing, PathError
from cret_desktop.library.ports import Store
from tests.storage.samples import indexed, sprite

JPEG = b"\xff\xd8 a strip \xff\xd9"


def test_a_strip_is_read_as_it_was_written_and_removed_by_its_name(store: Store) -> None:
    for number in range(3):
        store.blobs.write(sprite(number), JPEG)
    assert store.blobs.read(sprite(1)) == JPEG
    assert Path(store.blobs.sprite_path(sprite(1))).read_bytes() == JPEG
    assert store.blobs.remove([sprite(1), sprite(9), "../catalog.sqlite"]) == 1
    with pytest.raises(OSError, match=sprite(1).rpartition("/")[2]):
        store.blobs.read(sprite(1))
    assert store.blobs.sweep([sprite(0)]) == 1
    assert store.blobs.read(sprite(0)) == JPEG
    assert store.blobs.sprite_path("../elsewhere.jpg") == ""


@pytest.mark.parametrize(("content", "whole", "closely"), [(JPEG, True, True), (JPEG[:-1], True, False), (b"", 0, 0)])
def test_a_strip_that_was_cut_short_is_seen_by_a_close_look(
    store: Store, content: bytes, whole: bool, closely: bool
) -> None:
    store.blobs.write(sprite(0), content)
    assert store.blobs.is_whole(sprite(0), closely=False) == whole
    assert store.blobs.is_whole(sprite(0), closely=True) == closely
    assert not store.blobs.is_whole(sprite(1), closely=False)


def test_a_copy_holds_what_the_library_does(store: Store, tmp_path: Path) -> None:
    indexed(store, "a.mp4", 2)
    store.blobs.write(sprite(0), JPEG)
    told: list[tuple[int, int]] = []
    contents = store.backup.copy(tmp_path / "copy", lambda done, total: told.append((done, total)))
    assert contents == Contents(1, 2)
    assert told[-1][0] == told[-1][1] > 0
    assert store.backup.take_in(tmp_path / "copy", lambda done, total: None) == contents
    assert store.backup.measure().whole > len(JPEG)


def test_nothing_is_copied_over_and_nothing_of_a_cancelled_copy_is_left(store: Store, tmp_path: Path) -> None:
    indexed(store, "a.mp4", 1)
    (tmp_path / "taken").mkdir()
    with pytest.raises(PathError, match="exists already"):
        store.backup.copy(tmp_path / "taken", lambda done, total: None)

    def stop(done: int, total: int) -> None:
        raise CopyCancelled("Stopped.")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(CopyCancelled):
        store.backup.copy(tmp_path / "copy", stop)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(LibraryMissing):
        store.backup.take_in(tmp_path / "taken", lambda done, total: None)
