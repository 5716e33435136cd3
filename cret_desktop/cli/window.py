"""`cret-desktop window`, the default command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cret_desktop.cli.options import Device, Library, Model, engine_config
from cret_desktop.cli.terminal import err


def window(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH...]", help="Folders or videos to add to the library.", show_default=False),
    ] = None,
    library: Library = None,
    device: Device = "",
    model: Model = "",
    query: Annotated[str, typer.Option(help="A query to start with.")] = "",
    screenshot: Annotated[Path | None, typer.Option(help="Save a screenshot of the window and quit.")] = None,
) -> int:
    """Open the window."""
    from cret_desktop import app as window_app  # load Qt only if a window is needed

    config = engine_config(library, device, model)
    if screenshot is not None:
        window_app.screenshot(config, query, screenshot)
        err.say(f"Saved the screenshot {screenshot.absolute()}")
        return 0
    return window_app.run(config, query, [str(place.absolute()) for place in places or ()])
