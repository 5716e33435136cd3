"""`cret-desktop adopt`: make a library that somebody else has made, or another computer, one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cret_desktop.cli.options import Library, engine_config
from cret_desktop.cli.terminal import out
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient


def adopt(
    library: Library = None,
    follow: Annotated[
        bool | None,
        typer.Option("--follow/--no-follow", help="Index the folders that it names, or leave them; else asks."),
    ] = None,
) -> int:
    """Make a library from elsewhere your own, so that it can be changed. Its catalog is checked, and kept as it was."""
    config = engine_config(library, "", read_only=True)
    with EngineClient(config) as engine:
        if not engine.is_strange:
            out.print(f"The library {config.library} is your own already.", markup=False)
            return 0
        status: protocol.LibraryStatus = engine.request(protocol.GetStatus()).result()
    if follow is None and status.folders:
        out.print("It names these folders of a computer:", markup=False)
        for folder in status.folders:
            out.print(f"  {folder.path}", markup=False)
        follow = typer.confirm("Index them where they are on this one?", default=False)
    with EngineClient(replace(config, read_only=False, adopt=True, follow=bool(follow))) as engine:
        out.print(engine.notice, markup=False)
        if status.folders and not follow:
            out.print("Its folders are left alone. Name those to index: cret-desktop index FOLDER", markup=False)
    return 0
