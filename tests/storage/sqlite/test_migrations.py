"""Libraries of every older schema open, list and search as before, and are recovered if damaged."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cret_desktop.domain.records import PICTURES, StageCounts
from cret_desktop.engine.assemble import make_searcher
from cret_desktop.library.searching.query import parse
from cret_desktop.library_files import CATALOG, HEAD, LibraryFiles
from cret_desktop.messages import Message
from cret_desktop.storage.sqlite import migrations, recovery
from cret_desktop.storage.sqlite.catalog import Catalog
from cret_desktop.storage.sqlite.connections import difference
from cret_desktop.storage.sqlite.embeddings import Embeddings
from cret_desktop.storage.sqlite.store import SqliteStore
from cret_desktop.storage.vectors.vector_index import VectorIndex
from tests.fakes import KEY, ColourModel, fit_picture
from tests.library.conftest import REFERENCES, open_bench
from tests.older_schemas import rewrite_in
from tests.storage.samples import MODEL
from tests.storage.sqlite.test_recovery import CONTENTS, damaged_copy, make_sound, pages, what_was_said

OLDER = range(1, migrations.SCHEMA_VERSION)


def answers(library: Path) -> dict[str, Any]:
    """Return all of a library that people see."""
    model = ColourModel()
    with SqliteStore.open(library) as store:
        index = VectorIndex.open(
            library / "graphs", store.features, model.info.fingerprint, model.info.width + 1, key=KEY
        )
        searcher = make_searcher(store, index, model, LibraryFiles(library), REFERENCES, fit_picture)
        ids = [i for (i,) in store.catalog.reader().execute("SELECT id FROM files")]
        found: dict[str, Any] = {
            words: [(m.path, m.start, round(m.score, 4)) for m in searcher.search(parse(words), 9).moments]
            for words in ("red", "green", "is:pending", "is:failed")
        }
        found["files by state"] = [
            [file.path for file in searcher.search(parse(words), 9).files] for words in ("is:pending", "is:failed")
        ]
        index.close()
        return {
            **found,
            "files": {f.path: (f.state, f.reason, f.duration, f.clips) for f in store.listing.files(ids).values()},
            "failures": store.catalog.failures(),
            "counts": [(c.files, c.clips, c.failed, c.pending) for c in store.catalog.counts(model.info.fingerprint)],
            "stage": store.stages.counts(PICTURES, model.info.fingerprint),
            "due": [file.path for _, file in store.stages.due(PICTURES, model.info.fingerprint, 1)],
            "behind another model": store.features.count_behind("another"),
        }


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the current schema with an indexed, a failed and a waiting video, and an entry that is no file."""
    with open_bench(tmp_path_factory.mktemp("present")) as bench:
        for name, words in (("a.mp4", "red blue"), ("b.mp4", "green"), ("c.mp4", "red"), ("broken.mp4", "broken")):
            bench.write(name, words)
        (bench.videos / "folder.mp4").mkdir()
        bench.run()
        bench.store.queue.index_again([row.id for row in bench.catalog.files(1).values() if "c.mp4" in row.path])
        return bench.folder


def test_what_is_compared_is_there(present: Path, tmp_path: Path) -> None:
    found = answers(Path(shutil.copytree(present, tmp_path / "library")))
    assert [len(found[key]) for key in ("red", "green", "files by state")] == [4, 4, 2]
    assert found["counts"] == [(5, 4, 2, 1)]
    assert found["stage"] == StageCounts(1, 2, 2, 4.0)
    assert found["behind another model"] == 2
    assert [reason for _, reason in found["failures"]] == [
        Message("file.not-a-video"), Message("file.is-folder"),
    ]  # fmt: skip


@pytest.mark.parametrize("schema", OLDER)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_library_of_each_older_schema_is_seen_as_before(
    present: Path, tmp_path: Path, schema: int, damaged: bool
) -> None:
    """It is migrated with a backup; if it is damaged, its readable rows are migrated."""
    library = Path(shutil.copytree(present, tmp_path / "library"))
    before = answers(Path(shutil.copytree(present, tmp_path / "same")))
    rewrite_in(schema, library / CATALOG)
    if damaged:
        recovery.remake(library / CATALOG)
    assert answers(library) == before
    (kept,) = library.glob("catalog.damaged-*" if damaged else f"catalog.v{schema}.backup.sqlite")
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema,)
    with closing(sqlite3.connect(library / CATALOG)) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert not difference(db), "as a catalog that was made today"


def test_whatever_page_an_older_catalog_lost_what_was_said_comes_back(tmp_path: Path) -> None:
    sound = make_sound(tmp_path / "sound")
    rewrite_in(migrations.STAGES_SINCE - 1, sound / CATALOG)
    recovery.keep_head(sound / CATALOG)
    same = Path(shutil.copytree(sound, tmp_path / "same"))
    with Catalog.open(same / CATALOG) as catalog:
        before = what_was_said(catalog)
        clips = len(Embeddings(catalog).clip_ids(MODEL.fingerprint))
    repaired = 0
    for page in range(0, pages(sound), 5):
        path = damaged_copy(sound, tmp_path / str(page), page, CONTENTS["noise"](page))
        with Catalog.open(path) as catalog:
            assert what_was_said(catalog) == before
            waiting = sum(count.pending for count in catalog.counts(MODEL.fingerprint))
            assert len(Embeddings(catalog).clip_ids(MODEL.fingerprint)) == clips or waiting
            assert np.all(Embeddings(catalog).clip_ids(MODEL.fingerprint) > 0)
            repaired += bool(catalog.notices)
    assert repaired > 5


def test_a_migration_that_was_cut_off_leaves_no_copy_of_the_older_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a lost first page would be replaced by one with the older schema's columns."""
    library = make_sound(tmp_path / "library")
    rewrite_in(migrations.STAGES_SINCE - 1, library / CATALOG)
    recovery.keep_head(library / CATALOG)

    class CutOff(BaseException):
        pass

    def cut_off(path: Path) -> None:
        raise CutOff

    with monkeypatch.context() as patched:
        patched.setattr(recovery, "keep_head", cut_off)
        with pytest.raises(CutOff):
            Catalog.open(library / CATALOG)
    assert not (library / HEAD).exists()
    Catalog.open(library / CATALOG).close()
    assert (library / HEAD).exists()
