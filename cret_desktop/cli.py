"""The commands. A client of the same engine as the window: one writer, one wiring. Decides nothing about the library.

Answers go to standard output, everything said on the way to standard error. Exit status: 0 done, 1 done but some files
failed, 2 usage, 3 library, 4 model, 5 storage, 6 engine, 7 export (see `errors`), 130 interrupted.
"""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.segment import Segment
from rich.table import Table

from cret_desktop import paths
from cret_desktop.clips import Picture, Sort
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig, chosen_config
from cret_desktop.errors import (
    BadFile,
    CopyCancelled,
    CretError,
    DownloadCancelled,
    LibraryMissing,
    ModelError,
    PathError,
    QueryError,
    UsageError,
)
from cret_desktop.library.progress import FileIndexed, IndexProgress, IndexTotals
from cret_desktop.settings import Settings, load, save

if TYPE_CHECKING:
    from cret_desktop.index.annotation_records import Merged
    from cret_desktop.library.backup import Contents

# Each but the last is answered by one of the demo's clips; the last by none, and the table says so.
DEMO_QUERIES = (
    "a cat looking into the camera",
    "an espresso in a red cup on a wooden table",
    "a motorbike parked in a garage",
    "a rocket on the launch pad at night",
    "a photographer with a tripod",
    "people riding bicycles in the city",
    "a plate of sushi",
)

app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Terminal(Console):
    """Shows what cannot be printed as a mark: a file's name could command the terminal, or be no text at all."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_printable(segment.text), segment.style)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


out = Terminal(soft_wrap=True, highlight=False)
err = Terminal(stderr=True, soft_wrap=True, highlight=False)

Library = Annotated[
    Path | None,
    typer.Option("--library", envvar=paths.LIBRARY_VARIABLE, help="The library's folder.", show_default=False),
]
# Without these two, what was chosen in the window's settings.
Device = Annotated[
    str,
    typer.Option(
        "--device", envvar=paths.DEVICE_VARIABLE, help="auto, cuda, mps or cpu; else as set.", show_default=False
    ),
]
Model = Annotated[
    str,
    typer.Option("--model", help="A model's name (see `models`) or its folder; else as set.", show_default=False),
]


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit status. Errors meant for people become one sentence."""
    try:
        status = app(list(arguments), prog_name="cret-desktop", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except CretError as error:
        err.print(f"cret-desktop: {escape(str(error))}", style="red")
        for note in getattr(error, "__notes__", ()):
            err.print(escape(note), style="dim")
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        err.print("cret-desktop: stopped; what was indexed is kept.")
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return 0
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # click's own, about usage
            err.print(f"cret-desktop: {escape(error.format_message())}", style="red")
            return int(error.exit_code)
        raise


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"cret-desktop {paths.version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    library: Library = None,
    device: Device = "",
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> int:
    """Search your videos by what they show. Without a command, opens the window."""
    if context.invoked_subcommand is None:
        return window(library=library, device=device)
    # What stands before a command counts for it: the command's own options read these variables.
    if library is not None:
        os.environ[paths.LIBRARY_VARIABLE] = str(library)
    if device:
        os.environ[paths.DEVICE_VARIABLE] = device
    return 0


@app.command()
def window(
    places: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH...]", help="Folders or videos to add.", show_default=False)
    ] = None,
    library: Library = None,
    device: Device = "",
    model: Model = "",
    query: Annotated[str, typer.Option(help="Search for this at once.")] = "",
    screenshot: Annotated[Path | None, typer.Option(help="Write a picture of the window and end.")] = None,
) -> int:
    """Open the window."""
    from cret_desktop import app as window_app  # Qt only where a window is wanted

    config = _config(library, device, model)
    if screenshot is not None:
        window_app.screenshot(config, query, screenshot)
        err.print(f"The window was written to {screenshot.absolute()}")
        return 0
    return window_app.run(config, query, [str(place.absolute()) for place in places or ()])


@app.command()
def index(
    places: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or video files.")],
    library: Library = None,
    device: Device = "",
    model: Model = "",
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line of totals.")] = False,
) -> int:
    """Index folders or files: what is new or changed since the last time."""
    with EngineClient(_config(library, device, model)) as engine, _watching(engine) as finished:
        engine.request(protocol.AddFolders(tuple(str(place.absolute()) for place in places))).result()
        outcome = finished()
    return _report(outcome, as_json)


def _report(outcome: protocol.IndexFinished, as_json: bool) -> int:
    totals = outcome.totals
    nothing = totals.files + totals.skipped + totals.failed == 0
    if not outcome.error and not totals.offline and not totals.unsettled and nothing:
        raise PathError("No video was found there. Looked for mp4, mov, mkv, webm, avi and other video files.")
    if as_json:
        print(json.dumps(_totals_json(totals)), flush=True)
    else:
        out.print(
            f"{totals.files} files indexed ({totals.clips} clips, {_clock(totals.video_seconds)} of video) in "
            f"{totals.wall_seconds:.1f} s; {totals.skipped} unchanged, {totals.failed} failed."
        )
    for place in totals.offline:
        err.print(f"{escape(place)} is not there now; what is known of it stays searchable.", style="yellow")
    for file in totals.unsettled:
        err.print(f"{escape(file)} was being written or taken away meanwhile; index once more.", style="yellow")
    if totals.failed and not as_json:
        err.print("Run `cret-desktop status --failures` to see which files failed and why.")
    if outcome.error:
        err.print(f"cret-desktop: {escape(outcome.error)}", style="red")
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


@app.command()
def search(
    query: Annotated[
        str | None,
        typer.Argument(help="What the moment shows; in:FOLDER ext:mp4 dur:<30s res:4k date:2024 tag:NAME limit it."),
    ] = None,
    library: Library = None,
    device: Device = "",
    model: Model = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many moments.")] = 20,
    source: Annotated[Path | None, typer.Option("--from", help="Take one query a line from this file.")] = None,
    without: Annotated[str, typer.Option(help="What the moment must not show.")] = "",
    like: Annotated[Path | None, typer.Option(help="A picture to find similar moments by.")] = None,
    sort: Annotated[Sort, typer.Option(help="The order of the answers.")] = Sort.RELEVANCE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a query.")] = False,
) -> int:
    """Find the moments that match a description. Reads only, so it also works while another program indexes."""
    if (query is None) == (source is None) and (like is None or source is not None):
        raise UsageError('Give one query, or a file of queries: cret-desktop search "a dog on a beach".')
    queries = _lines(source) if source is not None else [query or ""]
    picture = _picture(like) if like is not None else None
    status = 0
    began = time.perf_counter()
    with EngineClient(_config(library, device, model, read_only=True)) as engine:
        loading = {"engine": round((time.perf_counter() - began) * 1000, 3)}
        loading |= engine.request(protocol.Prepare()).result()
        for text in queries:
            try:
                if not text.strip() and picture is None:  # the window lists all files then; nobody asks that here
                    raise QueryError("The query is empty. Type what the moment shows, for example: a dog on a beach.")
                asked = protocol.Search(text, limit, without=without, like=picture, sort=sort)
                answer = engine.request(asked).result()
            except QueryError as error:
                if source is None:
                    raise
                status = error.exit_status
                err.print(f"cret-desktop: {escape(str(error))}", style="red")
                if as_json:
                    print(json.dumps({"query": text, "error": str(error), "results": []}), flush=True)
                continue
            if as_json:
                print(json.dumps(_answer_json(text, answer, limit)), flush=True)
            else:
                _print_answer(answer, limit)
    if not as_json:
        parts = ", ".join(f"{name} {milliseconds / 1000:.1f} s" for name, milliseconds in loading.items())
        err.print(f"Before the first answer: {parts}.", style="dim")
    return status


def _picture(path: Path) -> Picture:
    from cret_desktop.media.pan_and_zoom import read_photograph  # OpenCV, only where a picture is searched by

    try:
        pixels = read_photograph(path)
    except BadFile as error:
        raise UsageError(str(error)) from error
    return Picture(pixels.shape[1], pixels.shape[0], pixels.tobytes())


def _answer_json(query: str, answer: protocol.SearchAnswer, limit: int) -> dict[str, Any]:
    return {
        "query": query,
        "model": answer.model,
        "took_ms": round(answer.took_ms, 2),
        "confident": answer.confident,
        "results": [moment.to_json() for moment in answer.moments[:limit]],
    }


def _print_answer(answer: protocol.SearchAnswer, limit: int) -> None:
    out.print(f"\n{answer.query}", style="bold", markup=False)
    if not answer.moments:
        if answer.searched:
            out.print("  No moment is left under these conditions.")
        else:
            out.print("  Nothing is indexed with this model yet. Run `cret-desktop index FOLDER`.")
        return
    if not answer.confident:
        out.print("  Nothing matches well. The nearest moments:")
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=True, header_style="dim")
    for column in ("match", "from", "to"):
        table.add_column(column, no_wrap=True, justify="left" if column == "match" else "right")
    table.add_column("video", overflow="fold")
    for moment in answer.moments[:limit]:
        found = "".join(f"\n{reason.kind}: {reason.text}" for reason in moment.reasons)
        table.add_row(moment.match.value, _clock(moment.start), _clock(moment.end), escape(moment.path + found))
    out.print(table)
    steps = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in answer.parts.items())
    out.print(f"  {answer.took_ms:.0f} ms ({steps})", style="dim")


@app.command()
def status(
    library: Library = None,
    device: Device = "",
    failures: Annotated[bool, typer.Option("--failures", help="List the files that failed, with the reason.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> int:
    """Tell what the library holds."""
    with EngineClient(_config(library, device, read_only=True)) as engine:
        found: protocol.LibraryStatus = engine.request(protocol.GetStatus()).result()
        failed: tuple[protocol.FailedFile, ...] = engine.request(protocol.GetFailures()).result() if failures else ()
    if as_json:
        print(json.dumps(_status_json(found, failed if failures else None)))
        return 0
    out.print(f"Library  {found.library}\nModel    {found.model}", markup=False)
    out.print(f"Holds    {found.files} files, {found.clips} clips, {_clock(found.seconds)} of video")
    out.print(f"Waiting  {found.pending} files\nFailed   {found.failed} files")
    for folder in found.folders:
        state = "  (not there now)" if folder.offline else ""
        out.print(f"  {folder.path}: {folder.files} files, {folder.clips} clips{state}", markup=False)
    for item in failed:
        out.print(f"{item.path}: {item.reason}", markup=False)
    return 0


def _status_json(found: protocol.LibraryStatus, failed: Iterable[protocol.FailedFile] | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "library": found.library,
        "model": found.model,
        "files": found.files,
        "clips": found.clips,
        "seconds": round(found.seconds, 3),
        "failed": found.failed,
        "pending": found.pending,
        "folders": [
            {"path": f.path, "files": f.files, "clips": f.clips, "failed": f.failed, "offline": f.offline}
            for f in found.folders
        ],
    }
    if failed is not None:
        result["failures"] = [{"path": item.path, "reason": item.reason} for item in failed]
    return result


models_app = typer.Typer(rich_markup_mode=None)
app.add_typer(models_app, name="models", help="List, download, import, use and remove models.")


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    library: Library = None,
    device: Device = "",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON list.")] = False,
) -> int:
    """List, download, import, use and remove models."""
    if context.invoked_subcommand is not None:
        return 0
    _config(library, device)  # every command refuses a device that there is not
    return list_models(as_json)


@models_app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="As one JSON list.")] = False) -> int:
    """List the models: which can be used, which can be downloaded. No network is asked."""
    from cret_desktop.engine.models import cards

    found = cards()
    if as_json:
        keys = ("name", "title", "state", "size", "fetched", "licence", "languages")
        print(json.dumps([{key: getattr(card, key) for key in keys} for card in found]))
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("name", "title", "size", "languages", "licence", "state"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for card in found:
        size = f"{card.size / 1e6:.0f} MB" if card.size else ""
        table.add_row(card.name, card.title, size, card.languages, card.licence, card.state.value)
    out.print(table)
    return 0


@models_app.command("download")
def download_model(name: Annotated[str, typer.Argument(help="As in the list.")]) -> int:
    """Fetch a model from the Hugging Face hub (HF_ENDPOINT names a mirror), or go on with it; Ctrl-C stops."""
    from cret_desktop.model.downloads import Progress as Fetched
    from cret_desktop.model.downloads import download
    from cret_desktop.model.encoder import user_models

    words = TextColumn("{task.description}")
    with Progress(BarColumn(), words, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def tell(progress: Fetched) -> None:
            text = f"{progress.stage.value} {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB"
            bar.update(task, total=progress.total or None, completed=progress.done, description=text)

        try:
            manifest = download(name, user_models(), tell)
        except KeyboardInterrupt:
            raise DownloadCancelled(f"Stopped; `cret-desktop models download {name}` goes on from there.") from None
    out.print(f"{manifest.config.title} is ready. Use it with `cret-desktop models use {name}`.", markup=False)
    return 0


@models_app.command("use")
def use_model(name: Annotated[str, typer.Argument(help="As in the list, or a model's folder.")]) -> int:
    """Index and search with a model from now on, in the window as well; until all is indexed, searches use the old."""
    from cret_desktop.model.encoder import open_model

    model = open_model(name)
    model.check_files()
    settings, problem = load(Settings, paths.settings_file())
    if problem:
        err.print(problem, style="yellow", markup=False)
    save(dataclasses.replace(settings, model=name), paths.settings_file())
    out.print(
        f"{model.info.title} is used from now on. Index your folders with it: cret-desktop index PATH…", markup=False
    )
    return 0


@models_app.command("remove")
def remove_model(name: Annotated[str, typer.Argument(help="As in the list.")]) -> int:
    """Delete a model that was downloaded or imported, or what is there of a download. Libraries stay as they are."""
    from cret_desktop.model import downloads, installed
    from cret_desktop.model.encoder import user_models

    if load(Settings, paths.settings_file())[0].model == name:
        raise ModelError(f"“{name}” is in use. Use another model first: cret-desktop models use starter")
    if name not in installed.installed() and downloads.partial_bytes(name, user_models()):
        downloads.discard_partial(name, user_models())
    else:
        installed.remove(name)
    out.print(f"{name} was removed.", markup=False)
    return 0


@models_app.command("import")
def import_model(
    source: Annotated[
        Path, typer.Argument(help="A model's folder, or a zip of one (see `python -m training.export`).")
    ],
    name: Annotated[str | None, typer.Option(help="The name to give it; its own without this.")] = None,
) -> int:
    """Copy a model, checked, to where the app finds it by name; nothing in it is run."""
    from cret_desktop.model.encoder import user_models
    from cret_desktop.model.importing import import_model as checked_import

    manifest = checked_import(source, user_models(), name)
    out.print(f"Imported {manifest.config.title} as {manifest.folder.name}.", markup=False)
    return 0


class ExportForm(StrEnum):
    CLIPS = "clips"
    CSV = "csv"
    EDL = "edl"
    FCPXML = "fcpxml"


@app.command()
def export(
    form: Annotated[ExportForm, typer.Argument(help="Clips of their own, or a list for other programs.")],
    moments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH@START-END...", help="Seconds or H:MM:SS.mmm: walk.mp4@12.5-20 or walk.mp4@1:02-1:09."
        ),
    ] = None,
    target: Annotated[
        Path, typer.Option("--to", help="The folder for clips, the file for a list. Nothing there is overwritten.")
    ] = Path(),
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Take the moments that `search --json` printed from this file; - reads them."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Clips right to the frame, encoded anew.")] = False,
    handles: Annotated[float, typer.Option(min=0, max=600, help="Seconds added before and after each clip.")] = 0.0,
) -> int:
    """Write moments as clips (the source's own packets, from the keyframe before), or as a CSV, EDL or FCPXML list."""
    from cret_desktop.engine.exports import Exporter

    if (not moments) == (source is None):
        raise UsageError("Name moments, as in walk.mp4@12.5-20, or a file of answers with --from.")
    passages = tuple(_passage(text) for text in moments or ()) if source is None else _found_passages(source)
    place = str(target.absolute())
    request: protocol.ExportClips | protocol.ExportList
    if form is ExportForm.CLIPS:
        request = protocol.ExportClips(passages, place, "exact" if exact else "copy", handles)
    else:
        if target.is_dir():
            place = os.path.join(place, f"Moments.{form.value}")
        request = protocol.ExportList(passages, place, cast(Literal["csv", "edl", "fcpxml"], form.value))
    words = TextColumn("{task.description}")
    with Progress(BarColumn(), words, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        exported = Exporter(
            lambda event: bar.update(task, completed=event.done, description=escape(os.path.basename(event.path)))
        ).run(request)
    for path in exported.paths:
        out.print(path, markup=False)
    for sentence in exported.notes:
        err.print(sentence, style="dim", markup=False)
    for sentence in exported.failed:
        err.print(sentence, style="yellow", markup=False)
    return 1 if exported.failed else 0


def _passage(text: str) -> protocol.Passage:
    path, _, span = text.rpartition("@")
    start, _, end = span.partition("-")
    try:
        passage = protocol.Passage(os.path.abspath(path), _to_seconds(start), _to_seconds(end))
    except ValueError:
        path = ""
    if not path or passage.end <= passage.start:
        raise UsageError(f"{text!r} is no moment. Write it as in walk.mp4@12.5-20 or walk.mp4@1:02-1:09.")
    return passage


def _to_seconds(text: str) -> float:
    """Of '12.5', '1:02' or '1:02:03.5'. Raises: ValueError."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def _found_passages(source: Path) -> tuple[protocol.Passage, ...]:
    """The moments of all answers, in their order."""
    try:
        lines = (sys.stdin.read() if source == Path("-") else source.read_text(encoding="utf-8")).splitlines()
        answers = [json.loads(line) for line in lines if line.strip()]
        found = [
            protocol.Passage(moment["path"], float(moment["start"]), float(moment["end"]))
            for answer in answers
            for moment in answer["results"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{source} does not hold what `cret-desktop search --json` prints: {error}.") from error
    if not found:
        raise UsageError(f"{source} holds no moments.")
    return tuple(found)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is not there yet.")],
    library: Library = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--without-thumbnails", help="With the pictures of the videos, or smaller.")
    ] = True,
) -> int:
    """Copy the library, also while it is in use. The copy is a library: --library FOLDER opens it."""
    from cret_desktop.library.backup import copy_library

    place = _config(library, "").library
    with _copying() as progress:
        contents = copy_library(place, target.absolute(), progress, thumbnails)
    out.print(f"The copy is in {target.absolute()} {_held(contents)}.", markup=False)
    return 0


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `backup` has made.")],
    library: Library = None,
) -> int:
    """Put a copy in the library's place. The library that is there now is set aside, never deleted."""
    from cret_desktop.engine.lock import WriterLock
    from cret_desktop.library.backup import finish, take_in

    config = _config(library, "")
    place = config.library
    if config.moved and not place.exists():
        raise LibraryMissing(
            f"The library was moved to {place}, and is not there now. Plug in its drive, or name another place with "
            "--library."
        )
    lock = WriterLock(paths.LibraryPaths(place).lock)
    lock.acquire()
    try:
        with _copying() as progress:
            contents = take_in(place, source.absolute(), progress)
        said = finish(place)
    finally:
        lock.release()
    out.print(f"{said} {_held(contents)}", markup=False)
    return 0


@app.command()
def move(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is not there yet.")],
    library: Library = None,
) -> int:
    """Copy the library to another place, and use it there from now on. The old one stays until you delete it."""
    from cret_desktop.engine.lock import WriterLock
    from cret_desktop.library.backup import copy_library

    place, usual = _config(library, "").library, _config(None, "").library
    lock = WriterLock(paths.LibraryPaths(place).lock)
    lock.acquire()
    try:
        with _copying() as progress:
            copy_library(place, target.absolute(), progress)
        if place == usual and paths.LIBRARY_VARIABLE not in os.environ:
            settings, _ = load(Settings, paths.settings_file())
            save(dataclasses.replace(settings, library=str(target.absolute())), paths.settings_file())
            told = "It is used there from now on."
        else:
            told = "Name it with --library or CRET_DESKTOP_LIBRARY from now on."
    finally:
        lock.release()
    out.print(f"The library is at {target.absolute()}. {told}\nThe old one can be deleted: {place}", markup=False)
    return 0


@app.command("export-tags")
def export_tags(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Ending in .json or .csv; replaced if it is there.")],
    library: Library = None,
) -> int:
    """Write all tags, notes, favourites and saved searches to a file that can be read without this program."""
    with EngineClient(_config(library, "", read_only=True)) as engine:
        files, searches = engine.request(protocol.ExportTags(str(target.absolute()))).result()
    out.print(f"Wrote {target.absolute()} (videos: {files}, saved searches: {searches}).", markup=False)
    return 0


@app.command("import-tags")
def import_tags(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `export-tags` has written.")],
    library: Library = None,
) -> int:
    """Add the tags, notes, favourites and saved searches of a file to the library. Nothing in it is replaced."""
    with EngineClient(_config(library, "")) as engine:
        merged: Merged = engine.request(protocol.ImportTags(str(source.absolute()))).result()
    for what, count in (
        ("Videos known again", merged.files),
        ("Notes put below another", merged.notes_joined),
        ("Saved searches added", merged.searches),
        ("Kept for videos to come", merged.waiting),
        ("Left out, as not known", merged.unknown),
    ):
        out.print(f"{what:<28} {count}")
    return 0


def _held(contents: Contents) -> str:
    return f"({contents.videos} videos, {contents.clips} clips)"


@contextmanager
def _copying() -> Iterator[Callable[[int, int], None]]:
    """Show how far a copy is, on a terminal."""
    words = TextColumn("{task.description}")
    with Progress(BarColumn(), words, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, total=total, completed=done, description=f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

        try:
            yield tell
        except KeyboardInterrupt:
            raise CopyCancelled("Stopped; nothing of the copy is left.") from None


@app.command()
def doctor(library: Library = None, device: Device = "") -> int:
    """Print what a bug report needs: versions, devices, codecs, models, the library's state. Nothing private."""
    from cret_desktop.engine import doctor as examiner

    config = _config(library, device)
    for what, finding in examiner.report(config.library, config.device):
        out.print(f"{what:<20} {finding}", markup=False)
    return 0


@app.command("self-test")
def self_test(
    device: Device = "",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> int:
    """Try every part of the app on clips that it makes, and tell which work. Leaves nothing behind; takes a minute."""
    from cret_desktop import self_test as trial

    found = []
    for finding in trial.run(_config(None, device).device):
        found.append(finding)
        if not as_json:
            state = "ok" if finding.ok else "FAILED"
            out.print(f"{state:<7}{finding.part:<20}{finding.words}", markup=False)
    failed = [finding.part for finding in found if not finding.ok]
    if as_json:
        parts = [dataclasses.asdict(finding) for finding in found]
        print(json.dumps({"version": paths.version(), "ok": not failed, "parts": parts}))
    else:
        out.print(f"{', '.join(failed)} failed." if failed else "Everything works.", markup=False)
    return 1 if failed else 0


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Argument(help="Where to put it.", show_default=False)] = None,
    library: Library = None,
    device: Device = "",
    screenshot: Annotated[
        Path | None, typer.Option(help="Write a picture of the window instead of opening it.")
    ] = None,
) -> int:
    """Make a small library of real clips, index it, ask it a few things, and open the window on it."""
    place = (folder or paths.default_library().with_name("demo")).absolute()
    videos, config = place / "videos", _config(library or place / "library", device, "starter")
    err.print(f"Making the demo clips in {videos}", markup=False)
    _make_demo_videos(videos)
    err.print("Indexing them", markup=False)
    with EngineClient(config) as engine:
        with _watching(engine) as finished:
            engine.request(protocol.AddFolders((str(videos),))).result()
            status = _report(finished(), as_json=False)
        answers = [engine.request(protocol.Search(text, 3)).result() for text in DEMO_QUERIES]
    _print_demo(answers)
    if screenshot is None and _has_display():
        return window(library=config.library, device=device) or status
    target = (screenshot or place / "window.png").absolute()
    window(library=config.library, device=device, query=DEMO_QUERIES[0], screenshot=target)
    return status


def _make_demo_videos(folder: Path) -> None:
    """In a child process: what decodes and paints pictures must not share one with the window."""
    context = multiprocessing.get_context("spawn")
    result = context.SimpleQueue()
    child = context.Process(target=_demo_child, args=(folder, result))
    child.start()
    child.join()
    failure = result.get() if child.exitcode == 0 else CretError(f"Making the demo clips failed ({child.exitcode}).")
    if failure is not None:
        raise failure


def _demo_child(folder: Path, result: Any) -> None:
    from cret_desktop.media.demo import make_demo_videos

    try:
        make_demo_videos(folder)
    except CretError as error:
        result.put(error)
    else:
        result.put(None)


def _print_demo(answers: Sequence[protocol.SearchAnswer]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("query", "best answer", "from", "to", "match", "ms"):
        table.add_column(column, justify="right" if column == "ms" else "left")
    for answer in answers:
        best = answer.moments[0]
        table.add_row(
            answer.query, Path(best.path).name, _clock(best.start), _clock(best.end), best.match.value,
            f"{answer.took_ms:.0f}",
        )  # fmt: skip
    out.print()
    out.print(table)
    out.print()


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# --- shared ---------------------------------------------------------------------------------------------------------


def _config(library: Path | None, device: str, model: str = "", read_only: bool = False) -> EngineConfig:
    """What was given on the command line, the rest as a person has set it in the window."""
    settings, problem = load(Settings, paths.settings_file())
    if problem:
        err.print(problem, style="yellow", markup=False)
    return chosen_config(settings, library, device, model, read_only)


def _lines(source: Path | None) -> list[str]:
    assert source is not None
    try:
        return source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The queries in {source} cannot be read: {error}.") from error


@contextmanager
def _watching(engine: EngineClient) -> Iterator[Any]:
    """Show indexing's progress: a live line on a terminal, plain lines in a pipe. Yields a wait for its end."""
    done = threading.Event()
    outcome: list[protocol.IndexFinished | protocol.EngineLost] = []
    bar = Progress(
        TextColumn("{task.fields[phase]}"), BarColumn(), TextColumn("{task.description}"), console=err, transient=True
    )
    task = bar.add_task("", total=None, phase="starting")
    last_line = 0.0
    optimising = False  # waited for too: a program that ends takes the building of the graph with it

    def listen(event: protocol.Event) -> None:
        nonlocal last_line, optimising
        if isinstance(event, FileIndexed) and event.reason:
            bar.console.print(f"{escape(event.path)}: {escape(event.reason)}", style="yellow")
        elif isinstance(event, IndexProgress):
            text = _progress_words(event)
            if err.is_terminal:
                total = event.files_total or None
                bar.update(task, total=total, completed=event.files_done, description=text, phase=event.phase.value)
            elif time.monotonic() - last_line > 2:
                last_line = time.monotonic()
                err.print(f"{event.phase.value}: {text}", markup=False)
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
            err.print(escape(event.message), style="yellow")

    def wait() -> protocol.IndexFinished:
        while not done.wait(0.5):  # in steps, so that Ctrl-C is heard on every system
            pass
        event = outcome[0]
        if isinstance(event, protocol.EngineLost):
            raise CretError(event.message)
        return event

    unsubscribe = engine.subscribe(listen)
    if engine.notice:
        err.print(escape(engine.notice), style="yellow")
    try:
        if err.is_terminal:
            with bar:
                yield wait
        else:
            yield wait
    finally:
        unsubscribe()


def _progress_words(event: IndexProgress) -> str:
    words = f"{event.files_done}/{event.files_total} files, {event.clips_done} clips"
    if event.rate:
        words += f", {event.rate:.1f} x real time"
    if event.remaining is not None:
        words += f", {_clock(event.remaining)} left"
    return words


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
