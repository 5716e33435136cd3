"""`cret-desktop adopt`: take over a library that was made by another user or on another computer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cret_desktop.cli.options import Library, engine_config
from cret_desktop.cli.terminal import out
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import LibraryDamaged, StorageError
from cret_desktop.messages import render


def adopt(
    library: Library = None,
    follow: Annotated[
        bool | None,
        typer.Option("--follow/--no-follow", help="Index the library's folders or not; asks if omitted."),
    ] = None,
) -> int:
    """Take over a library from another computer or person, so that you can change it. Its old catalog is kept."""
    config = engine_config(library, "", read_only=True)
    folders = _folders_of(config)
    if folders is None:
        out.say(f"The library {config.library} is already your own.")
        return 0
    if follow is None and folders:
        out.say("The library contains these folders:")
        for folder in folders:
            out.say(f"  {folder}")
        follow = typer.confirm("Index them on this computer?", default=False)
    with EngineClient(replace(config, read_only=False, adopt=True, follow=bool(follow))) as engine:
        for message in engine.notice:
            out.say(render(message))
        if not follow:
            out.say("Its folders will not be indexed. To index one: cret-desktop index FOLDER")
    return 0


def _folders_of(config: EngineConfig) -> list[str] | None:
    """Return the folders named by a library that is not the user's own; None for the user's own.

    Empty for a library that only a writer can open, such as one of an older version.
    """
    from cret_desktop.engine.adoption import Origin, standing

    if standing(config.library).origin is Origin.OURS:
        return None
    try:
        with EngineClient(config) as engine:
            status = engine.request(protocol.GetStatus()).result()
    except (LibraryDamaged, StorageError):
        return []
    return [folder.path for folder in status.folders]
