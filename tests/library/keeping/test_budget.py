"""The disk budget: indexing stops there, finished work stays, and a larger budget lets it continue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from cret_desktop.domain.clips import USUAL_SAMPLING, ClipDecoded, DecodeEvent, Sampling, VideoFile
from cret_desktop.domain.records import LibrarySize, Root
from cret_desktop.errors import StorageError
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.in_flight import FILES_IN_FLIGHT
from cret_desktop.library.indexing.indexer import Indexer
from cret_desktop.library.indexing.progress import IndexTotals
from cret_desktop.library.keeping.budget import Budget
from cret_desktop.library_files import LibraryFiles
from cret_desktop.storage.sqlite.backup import FolderBackup
from tests.fakes import FakeDecoder
from tests.library.conftest import Bench

STRIP = 1_000_000  # bytes of a thumbnail: large compared with the catalog and its log
FILES = 24


class LargeStrips(FakeDecoder):
    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for event in super().decode(files, sampling):
            if isinstance(event, ClipDecoded):
                clip = event.clip
                event = replace(event, clip=replace(clip, sprite=replace(clip.sprite, jpeg=bytes(STRIP))))
            yield event


@pytest.fixture
def root(bench: Bench) -> Root:
    for number in range(FILES):
        bench.write(f"{number}.mp4", "red" + " " * number)  # different contents
    return bench.catalog.add_root(str(bench.videos))


def run(bench: Bench, root: Root, most: float) -> IndexTotals:
    indexer = Indexer(
        bench.store, bench.index, bench.model, LargeStrips, LibraryFiles(bench.folder),
        still_seconds=0.0, budget=Budget(FolderBackup(bench.folder).measure, most),
    )  # fmt: skip
    return indexer.run([(root, root.path)], Control())


def test_indexing_stops_at_the_budget_and_goes_on_with_a_larger_one(bench: Bench, root: Root) -> None:
    most = (FolderBackup(bench.folder).measure().whole + STRIP * FILES / 2) / 1e9
    with pytest.raises(StorageError, match=r"limit of 0\.0\d+ GB"):
        run(bench, root, most)
    taken = FolderBackup(bench.folder).measure()
    assert most * 1e9 <= taken.whole < most * 1e9 + STRIP * FILES_IN_FLIGHT + 5e6
    done = len(bench.index)
    assert 0 < done < FILES
    with pytest.raises(StorageError, match="reached its limit"):
        run(bench, root, most)
    assert (FolderBackup(bench.folder).measure().thumbnails, len(bench.index)) == (taken.thumbnails, done), (
        "nothing was begun"
    )
    assert run(bench, root, 1.0).files == FILES - done
    assert run(bench, root, most).skipped == FILES, "where nothing waits, nothing is amiss"


def test_the_disk_is_looked_at_seldom() -> None:
    written = looks = 0

    def look() -> LibrarySize:
        nonlocal looks
        looks += 1
        return LibrarySize(0, written, 0, 0)

    of_a_gigabyte = Budget(look, 1.0)
    of_a_gigabyte.spend(0)
    for _ in range(99_999):
        written += 10_000
        of_a_gigabyte.spend(10_000)
    assert looks < 25
    written += 10_000
    with pytest.raises(StorageError, match="limit of 1 GB"):
        of_a_gigabyte.spend(10_000)


def test_without_a_budget_nobody_looks() -> None:
    def look() -> LibrarySize:
        pytest.fail("somebody looked")

    Budget(look, 0.0).spend(10**15)
