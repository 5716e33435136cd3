"""`cret-desktop demo`: a small library of real clips, indexed and searched."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cret_desktop import errors, paths
from cret_desktop.child_process import ChildProcess, end_with_parent
from cret_desktop.cli.index import report, watching
from cret_desktop.cli.options import Device, Library, engine_config
from cret_desktop.cli.terminal import cell, clock, err, out
from cret_desktop.cli.window import window
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient
from cret_desktop.errors import CretError
from cret_desktop.messages import Message

# Each but the last is answered by one of the demo's clips; none matches the last, and the table says so.
DEMO_QUERIES = (
    "a cat looking into the camera",
    "an espresso in a red cup on a wooden table",
    "a motorbike parked in a garage",
    "a rocket on the launch pad at night",
    "a photographer with a tripod",
    "people riding bicycles in the city",
    "a plate of sushi",
)


def demo(
    folder: Annotated[Path | None, typer.Argument(help="The folder for the demo.", show_default=False)] = None,
    library: Library = None,
    device: Device = "",
    screenshot: Annotated[Path | None, typer.Option(help="Save a screenshot instead of opening the window.")] = None,
) -> int:
    """Build a small library of real clips, run a few searches, and open the window on it."""
    place = (folder or paths.default_library().with_name("demo")).absolute()
    videos, config = place / "videos", engine_config(library or place / "library", device, "starter")
    err.say(f"Creating the demo clips in {videos}")
    _make_demo_videos(videos)
    err.say("Indexing them")
    with EngineClient(config) as engine:
        with watching(engine, [str(videos)]) as finished:
            engine.request(protocol.AddFolders((str(videos),))).result()
            status = report(finished(), as_json=False)
        answers = [engine.request(protocol.Search(text, 3)).result() for text in DEMO_QUERIES]
    _print_demo(answers)
    if screenshot is None and _has_display():
        return window(library=config.library, device=device) or status
    target = (screenshot or place / "window.png").absolute()
    window(library=config.library, device=device, query=DEMO_QUERIES[0], screenshot=target)
    return status


def _make_demo_videos(folder: Path) -> None:
    """Make the videos in a child process: decoders and painters must not share one with the window."""
    with ChildProcess("cret-demo", _demo_child, folder, only_answers=True) as child:
        try:
            failure = json.loads(child.receive())
        except EOFError:
            child.wait()
            raise CretError("command.demo-failed", status=str(child.exit_status)) from None
    if failure is not None:
        message = Message.from_json(failure["message"])
        raise errors.of_kind(failure["error"], message) or CretError(message)


def _demo_child(pipe: Connection, folder: Path) -> None:
    end_with_parent()  # it makes many videos and does not look at its pipe
    from cret_desktop.media.demo import make_demo_videos

    failure = None
    try:
        make_demo_videos(folder)
    except CretError as error:
        failure = {"error": type(error).__name__, "message": error.message.to_json()}
    pipe.send_bytes(json.dumps(failure).encode())


def _print_demo(answers: Sequence[protocol.SearchAnswer]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("query", "best answer", "from", "to", "match", "ms"):
        table.add_column(column, justify="right" if column == "ms" else "left")
    for answer in answers:
        best = answer.moments[0]
        table.add_row(
            cell(answer.query), cell(Path(best.path).name), clock(best.start), clock(best.end), best.match.value,
            f"{answer.took_ms:.0f}",
        )  # fmt: skip
    out.print()
    out.print(table)
    out.print()


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
