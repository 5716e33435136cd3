"""The indexing pipeline: scan the folders, find the changes, then run each stage over its waiting files.

An unchanged file costs one stat. Committed work is never repeated; a run resumes after a kill. A bad file never raises
(`file_faults`): it becomes a line in the failures list. This module knows `library.ports` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cret_desktop.domain.clips import USUAL_SAMPLING, Sampling, VideoFile
from cret_desktop.domain.records import PICTURES
from cret_desktop.library.indexing.control import Control
from cret_desktop.library.indexing.estimate import SOON, Estimate, keep_pace, read_pace
from cret_desktop.library.indexing.index_updates import IndexUpdates
from cret_desktop.library.indexing.looking import Looking, Place
from cret_desktop.library.indexing.pictures import PictureParts, PictureStage
from cret_desktop.library.indexing.progress import IndexTotals, Listener
from cret_desktop.library.indexing.run_report import RunReport
from cret_desktop.library.indexing.stage import Stage, StageRun, due
from cret_desktop.library.indexing.volumes import Volumes
from cret_desktop.library.keeping.budget import Budget
from cret_desktop.library.ports import Decoder, Model, Store, VectorStore
from cret_desktop.library_files import LibraryFiles

STILL_SECONDS = 2.0  # a file unchanged between two checks this far apart is taken to be whole


class Indexer:
    """Indexes roots of one library: scans them, then runs the stages in order of priority."""

    def __init__(
        self,
        store: Store,
        index: VectorStore,
        model: Model,
        open_decoder: Callable[[], Decoder],
        files: LibraryFiles,
        listener: Listener = lambda event: None,
        leave_out: Sequence[str] = (),
        still_seconds: float = STILL_SECONDS,
        volumes: Callable[[], Volumes] = Volumes,
        sampling: Sampling = USUAL_SAMPLING,
        keeps_pace: bool = False,
        budget: Budget | None = None,
        more_stages: Sequence[Stage] = (),
    ) -> None:
        """`leave_out`: patterns to exclude (see `exclude`). `keeps_pace`: whether to save the pace for later runs.

        A file that changed less than `still_seconds` ago is checked twice, that far apart, before it is taken.
        `more_stages` are run besides the picture stage.
        """
        updates = IndexUpdates(store, index, model.info)
        self._looking = Looking(store, updates, listener, leave_out, still_seconds, volumes)
        pictures = PictureStage(PictureParts(store, updates, self._looking, model, open_decoder, sampling, budget))
        self._stages: list[Stage] = sorted([pictures, *more_stages], key=lambda stage: stage.priority)
        self._store = store
        self._files = files
        self._listener = listener
        self._keeps_pace = keeps_pace
        self._report = RunReport(listener, Control())

    @property
    def totals(self) -> IndexTotals:
        """The totals of the last run, also if it raised."""
        return self._report.totals()

    def run(self, roots: Sequence[Place], control: Control, only_new: bool = False) -> IndexTotals:
        """Index new files under each (root, folder within it). Decoder and model are only opened if there is work.

        `only_new`: skip files that were waiting before this run.

        Raises: StorageError (disk full, or budget used up; committed work stays), ModelError.
        """
        report = self._report = RunReport(self._listener, control)
        before = {stage.name: self._waiting(stage) if only_new else set() for stage in self._stages}
        places = self._looking.look(roots, report, control)
        report.skipped = report.seen
        number, is_counted, is_begun = 0, False, False
        while number < len(self._stages):
            stage = self._stages[number]
            left = before[stage.name]
            waiting = {i: file for i, file in due(self._store, stage, places).items() if i not in left}
            if stage.name == PICTURES and not is_counted:
                report.skipped, is_counted = report.skipped - len(waiting), True
            looked: list[Place] = []
            if waiting and not control.cancelled:
                looked = self._do(stage, waiting, left, report, control, is_first=number == 0 and not is_begun)
                is_begun = True
            places += looked
            # Files that changed during this stage also wait for the stages before it, and a stage ends early for them.
            # The picture stage takes them in.
            number = 0 if looked and (number or stage.name != PICTURES) else number + 1
        return report.totals()

    def _waiting(self, stage: Stage) -> set[int]:
        return set(due(self._store, stage, [(root, root.path) for root in self._store.catalog.roots()]))

    def _do(
        self,
        stage: Stage,
        waiting: dict[int, VideoFile],
        left: set[int],
        report: RunReport,
        control: Control,
        is_first: bool,
    ) -> list[Place]:
        """Run a stage over its waiting files; return the places that were rescanned during it."""
        kept_as = stage.version if stage.name == PICTURES else f"{stage.name} {stage.version}"
        estimate = Estimate(read_pace(self._files, kept_as) if self._keeps_pace else None)
        run = StageRun(stage, waiting, left, self._store, self._looking, report, control, estimate)
        report.begin_stage(len(waiting), estimate, is_first)
        try:
            stage.work(run)
        finally:
            if self._keeps_pace and report.worked() >= SOON and estimate.done:
                keep_pace(self._files, kept_as, estimate.pace(report.worked()))
        return run.looked
