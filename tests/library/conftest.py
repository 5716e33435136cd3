"""A small library around fakes at the ports only: real catalog, real vector index, real scan of real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cret_desktop.engine.assemble import make_searcher
from cret_desktop.library.experts.visual import Visual
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.indexer import Indexer
from cret_desktop.library.indexing.progress import IndexTotals
from cret_desktop.library.ports import Decoder
from cret_desktop.library.searching.query import parse
from cret_desktop.library.searching.searcher import Searcher
from cret_desktop.library_files import LibraryFiles
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.vectors.vector_index import VectorIndex
from tests.fakes import COLOURS, KEY, ColourModel, FakeDecoder, fit_picture

# As in practice, most queries match nothing in the library; now and then one names a colour.
NOUNS = "street river talk kitchen night snow train child crowd guitar forest market window bridge concert".split()
REFERENCES = [f"a {noun}" for noun in NOUNS] + [
    f"{c} {n} in the {m}" for c, n, m in zip(COLOURS, NOUNS, NOUNS[3:], strict=False)
]


def visual_of(searcher: Searcher) -> Visual:
    """Return the expert that judges a searcher's clips."""
    assert isinstance(searcher._pictures, Visual)
    return searcher._pictures


@dataclass
class Bench:
    """One library on the workbench; `videos` is the folder it indexes."""

    folder: Path
    videos: Path
    store: SqliteStore
    index: VectorIndex
    model: ColourModel
    searcher: Searcher
    decoders: list[FakeDecoder]
    events: list[object]

    @property
    def catalog(self) -> Catalog:
        return self.store.catalog

    def write(self, name: str, words: str) -> Path:
        path = self.videos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words, encoding="utf-8")
        return path

    def run(
        self,
        control: Control | None = None,
        within: Path | None = None,
        open_decoder: Callable[[], Decoder] | None = None,
        leave_out: Sequence[str] = (),
        only_new: bool = False,
    ) -> IndexTotals:
        def fake() -> FakeDecoder:
            self.decoders.append(FakeDecoder())
            return self.decoders[-1]

        root = self.catalog.add_root(str(self.videos))
        indexer = Indexer(
            self.store, self.index, self.model, open_decoder or fake, LibraryFiles(self.folder),
            self.events.append, leave_out, still_seconds=0.0,
        )  # fmt: skip
        return indexer.run([(root, str(within or self.videos))], control or Control(), only_new)

    def found(self, query: str, limit: int = 10) -> list[str]:
        return [Path(m.path).name for m in self.searcher.search(parse(query), limit).moments]

    @property
    def decoded(self) -> list[str]:
        """Return the names of the files decoded in the last run."""
        return [Path(path).name for path in self.decoders[-1].taken] if self.decoders else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


@contextmanager
def open_bench(place: Path) -> Iterator[Bench]:
    """Return the fixture's bench, for each example of a property."""
    folder, videos = place / "library", place / "videos"
    videos.mkdir()
    model = ColourModel()
    with SqliteStore.open(folder) as store:
        index = VectorIndex.open(
            folder / "graphs", store.features, model.info.fingerprint, model.info.width + 1, key=KEY
        )
        searcher = make_searcher(store, index, model, LibraryFiles(folder), REFERENCES, fit_picture)
        yield Bench(folder, videos, store, index, model, searcher, [], [])
        index.close()
