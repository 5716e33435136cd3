"""`cret-desktop forget`: erase what was removed from the library, and list copies that may still contain it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cret_desktop import paths
from cret_desktop.cli.options import Library, engine_config
from cret_desktop.cli.terminal import err, out
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient
from cret_desktop.errors import PathError, UsageError


def forget(
    path: Annotated[Path | None, typer.Argument(metavar="[PATH]", help="A removed folder or deleted video.")] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="All removed folders and deleted videos, with the tags and notes kept for their return."
        ),
    ] = False,
    copies: Annotated[
        bool, typer.Option("--copies", help="Also delete libraries that were set aside, and empty the log.")
    ] = False,
    library: Library = None,
) -> int:
    """Erase everything known of removed folders and deleted videos: names, tags, notes, subtitles and thumbnails.

    Otherwise removed folders are kept for 30 days. Video files are never touched.
    """
    if (path is None) != everything:
        raise UsageError("command.name-forgotten")
    place = "" if path is None else str(path.absolute())
    with EngineClient(engine_config(library, "")) as engine:
        done = engine.request(protocol.Forget(place, copies)).result()
    nothing = done.videos + done.folders + done.kept == 0
    if nothing and place and done.staying:
        raise PathError("command.still-there", path=place, videos=done.staying)
    out.say(f"Erased (videos: {done.videos}, removed folders: {done.folders}, kept notes and tags: {done.kept}).")
    if nothing:
        err.say(f"Nothing{f' of {place}' * bool(place)} was left to erase.", "yellow")
    if place and done.staying:
        err.say(f"{done.staying} other videos of {place} are still in the library.", "yellow")
    if done.log_held:
        err.say(
            "Another program was reading the library, so its catalog still contains some of it. Close that program and "
            "give the same command again.",
            "yellow",
        )
    if done.copies:
        out.say(
            "These were not deleted:"
            if copies
            else "These may still contain names and words of it; --copies deletes them:"
        )
        for copy in done.copies:
            out.say(f"  {copy}")
    if paths.window_state_file().exists():
        out.say(f"The window's search history is in {paths.window_state_file()}; the settings can turn it off.")
    out.say("Delete backups and exported tags elsewhere yourself.")
    return 0
