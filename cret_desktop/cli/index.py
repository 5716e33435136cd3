"""`cret-desktop index`: its progress, live on a terminal and as plain lines in a pipe, and its totals."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from cret_desktop.cli.options import Device, Library, Model, engine_config
from cret_desktop.cli.terminal import clock, err, out
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient
from cret_desktop.errors import CretError, EngineError, PathError
from cret_desktop.library.indexing.progress import FileIndexed, IndexProgress, IndexTotals
from cret_desktop.messages import render
from cret_desktop.paths import is_inside

log = logging.getLogger(__name__)

PAUSED = "Another program that has the library open has paused indexing. Resume it there."


def index(
    places: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or video files.")],
    library: Library = None,
    device: Device = "",
    model: Model = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the totals as one JSON line at the end.")] = False,
) -> int:
    """Index new and changed videos in folders, or single files."""
    wanted = tuple(os.path.abspath(place) for place in places)
    with EngineClient(engine_config(library, device, model)) as engine, watching(engine, wanted) as finished:
        engine.request(protocol.AddFolders(wanted)).result()
        try:
            outcome = finished()
        except KeyboardInterrupt:
            if engine.is_joined:
                err.print("The program that has the library open continues indexing.")
            raise
    return report(outcome, as_json)


def report(outcome: protocol.IndexFinished, as_json: bool) -> int:
    totals = outcome.totals
    nothing = totals.files + totals.skipped + totals.failed == 0
    if not outcome.error and not totals.offline and not totals.unsettled and nothing:
        raise PathError("command.no-video-found")
    if as_json:
        print(json.dumps(_totals_json(totals)), flush=True)
    else:
        out.print(
            f"{totals.files} files indexed ({totals.clips} clips, {clock(totals.video_seconds)} of video) in "
            f"{totals.wall_seconds:.1f} s; {totals.skipped} unchanged, {totals.failed} failed."
        )
    for place in totals.offline:
        err.say(f"{place} is not available now; its index stays searchable.", "yellow")
    for file in totals.unsettled:
        err.say(f"{file} changed or disappeared during indexing; run the command again.", "yellow")
    if totals.failed and not as_json:
        err.print("Run `cret-desktop status --failures` to see which files failed and why.")
    if outcome.error:
        err.say(f"cret-desktop: {render(outcome.error)}", "red")
        return outcome.exit_status
    return 1 if totals.failed else 0


def _totals_json(totals: IndexTotals) -> dict[str, Any]:
    return {
        "files": totals.files,
        "clips": totals.clips,
        "seconds": round(totals.video_seconds, 3),
        "failed": totals.failed,
        "skipped": totals.skipped,
        "wall_seconds": round(totals.wall_seconds, 3),
        "frames_decoded": totals.frames_decoded,
    }


@contextmanager
def watching(engine: EngineClient, places: Sequence[str]) -> Iterator[Callable[[], protocol.IndexFinished]]:
    """Show indexing's progress: a live line on a terminal, plain lines in a pipe. Yield a wait function.

    It waits for the end of a run over `places`, absolute paths, even if the engine indexes more for other programs.
    """
    done = threading.Event()  # set once there is an outcome and no graph is being built
    outcome: list[protocol.IndexFinished | protocol.EngineLost] = []
    bar = Progress(
        TextColumn("{task.fields[phase]}"), BarColumn(), TextColumn("{task.description}"), console=err, transient=True
    )
    task = bar.add_task("", total=None, phase="starting")
    last_line = 0.0
    optimising = False  # waited for too: a program that exits aborts the building of the graph

    def listen(event: protocol.Event) -> None:
        nonlocal last_line, optimising
        if isinstance(event, FileIndexed) and event.reason:
            err.say(f"{event.path}: {render(event.reason)}", "yellow")
        elif isinstance(event, IndexProgress):
            text = _progress_words(event)
            if err.is_terminal:
                total = event.files_total or None
                bar.update(task, total=total, completed=event.files_done, description=text, phase=event.phase.value)
            elif time.monotonic() - last_line > 2:
                last_line = time.monotonic()
                err.say(f"{event.phase.value}: {text}")
        elif isinstance(event, protocol.Optimising):
            optimising = event.running
            if not optimising and outcome:
                done.set()
        elif isinstance(event, protocol.IndexFinished):
            outcome.append(event)
            if optimising:
                bar.update(task, total=None, description="", phase="optimising the index")
            else:
                done.set()
        elif isinstance(event, protocol.EngineLost) and event.final:
            outcome.append(event)
            done.set()
        elif isinstance(event, protocol.EngineLost | protocol.DeviceLost):
            optimising = optimising and isinstance(event, protocol.DeviceLost)
            err.say(render(event.message), "yellow")
        elif isinstance(event, protocol.PauseChanged) and event.paused:
            err.say(PAUSED, "yellow")

    def is_over() -> bool:
        """Return whether a run over the places has ended, or none can follow."""
        if not done.wait(0.5):  # in steps, so that Ctrl-C works on every system
            return False
        if any(isinstance(event, protocol.EngineLost) for event in outcome):
            return True
        if sum(_covers(event, places) for event in outcome) > runs_before:
            return True
        try:
            return not engine.request(protocol.GetStatus()).result().indexing
        except EngineError as error:  # between two engines; its end is an outcome of its own
            log.debug("the engine could not be asked: %s", error)
            return False

    def wait() -> protocol.IndexFinished:
        while not is_over():
            if done.is_set():
                time.sleep(0.2)
        event = outcome[-1]
        if isinstance(event, protocol.EngineLost):
            raise CretError(event.message)
        return event

    # A run that is under way may already have passed these places; the requested one follows it.
    runs_before = int(engine.is_joined and engine.request(protocol.GetStatus()).result().indexing)
    unsubscribe = engine.subscribe(listen)
    for message in engine.notice:
        err.say(render(message), "yellow")
    if engine.paused:
        err.say(PAUSED, "yellow")
    try:
        if err.is_terminal:
            with bar:
                yield wait
        else:
            yield wait
    finally:
        unsubscribe()


def _covers(finished: protocol.IndexFinished | protocol.EngineLost, places: Sequence[str]) -> bool:
    """Return whether a run covered all of these places and was completed."""
    if isinstance(finished, protocol.EngineLost) or finished.totals.cancelled:
        return False
    return all(any(is_inside(place, around) for around in finished.places) for place in places)


def _progress_words(event: IndexProgress) -> str:
    words = f"{event.files_done}/{event.files_total} files, {event.clips_done} clips"
    if event.rate:
        words += f", {event.rate:.1f} x real time"
    if event.remaining is not None:
        words += f", {clock(event.remaining)} left"
        if event.space is not None:
            words += f", needs {event.space / 1e9:.1f} GB of disk"
    return words
