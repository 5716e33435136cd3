"""What a run of indexing takes on its way is not lost with the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cret_desktop.domain.records import Root
from cret_desktop.engine.client import EngineConfig
from cret_desktop.engine.jobs import JobQueue, Look, Run
from cret_desktop.engine.services.indexing import IndexingService
from cret_desktop.engine.watching import Watching
from cret_desktop.library.indexing.control import Conditions, Control
from cret_desktop.library.indexing.progress import IndexTotals

ROOTS = [Root(1, "/a", False), Root(2, "/b", False)]


class Indexer:
    """Takes what has changed, and is cancelled thereupon or not."""

    def __init__(self, during: Callable[[], object]) -> None:
        self._during = during

    def run(self, places: Sequence[tuple[Root, str]], control: Control, only_new: bool) -> IndexTotals:
        assert control.take_looks() == [(ROOTS[1], "/b/new")]
        self._during()
        return IndexTotals(0, 0, 0.0, 0, 0, 0.0, 0, control.cancelled)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_what_changed_during_a_run_that_gives_way_is_looked_at_again(tmp_path: Path, is_cancelled: bool) -> None:
    jobs = JobQueue()
    catalog = SimpleNamespace(roots=lambda: ROOTS, guarded=nullcontext)
    watching = Watching(cast(Any, catalog), lambda: jobs.put(Look()))
    first = Run(((ROOTS[0], "/a"),))
    indexer = Indexer(lambda: jobs.put_first(first) if is_cancelled else None)
    library = SimpleNamespace(catalog=catalog, indexer=lambda *_: indexer, before=None)
    graphs = SimpleNamespace(build_if_due=lambda: None)
    service = IndexingService(
        cast(Any, library), EngineConfig(tmp_path), jobs, Conditions(), watching, cast(Any, graphs),
        lambda event: None, lambda error: None, lambda: None,
    )  # fmt: skip
    jobs.put(Run(((ROOTS[0], "/a"),)))
    run = jobs.take(0.0)
    assert isinstance(run, Run)
    watching._note([("/b", "/b/new")])
    service.run(run)
    assert watching.take() == ([(ROOTS[1], "/b/new")] if is_cancelled else [])
    waiting = [type(jobs.take(0.0)) for _ in range(4)]
    assert waiting == ([Look, Run, Run, Look] if is_cancelled else [Look, *3 * [type(None)]])
