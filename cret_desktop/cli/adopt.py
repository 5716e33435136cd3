"""`cret-desktop adopt`: make a library that somebody else has made, or another computer, one's own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import typer

from cret_desktop.cli.options import Library, engine_config
from cret_desktop.cli.terminal import out
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient
from cret_desktop.errors import LibraryDamaged


def adopt(
    library: Library = None,
    follow: Annotated[
        bool | None,
        typer.Option("--follow/--no-follow", help="Index the folders that it names, or leave them; else asks."),
    ] = None,
) -> int:
    """Make a library from elsewhere your own, so that it can be changed. Its catalog is checked, and kept as it was."""
    config = engine_config(library, "", read_only=True)
    folders: tuple[protocol.Folder, ...] = ()
    with suppress(LibraryDamaged), EngineClient(config) as engine:  # what is left of a damaged one can be adopted
        if not engine.is_strange:
            out.say(f"The library {config.library} is your own already.")
            return 0
        folders = engine.request(protocol.GetStatus()).result().folders
    if follow is None and folders:
        out.say("It names these folders of a computer:")
        for folder in folders:
            out.say(f"  {folder.path}")
        follow = typer.confirm("Index them where they are on this one?", default=False)
    with EngineClient(replace(config, read_only=False, adopt=True, follow=bool(follow))) as engine:
        out.say(engine.notice)
        if folders and not follow:
            out.say("Its folders are left alone. Name those to index: cret-desktop index FOLDER")
    return 0
