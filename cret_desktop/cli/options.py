"""Options shared by many commands, and the configuration built from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cret_desktop import paths
from cret_desktop.cli.terminal import err
from cret_desktop.engine.client import EngineClient, EngineConfig, chosen_config
from cret_desktop.messages import render
from cret_desktop.settings import Settings, load

Library = Annotated[
    Path | None,
    typer.Option("--library", envvar=paths.LIBRARY_VARIABLE, help="The library's folder.", show_default=False),
]
# The defaults of these two are the settings of the window.
Device = Annotated[
    str,
    typer.Option(
        "--device",
        envvar=paths.DEVICE_VARIABLE,
        help="auto, cuda, mps or cpu; the setting if omitted.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", help="A model's name (see `models`) or its folder; the setting if omitted.", show_default=False
    ),
]


def engine_config(library: Path | None, device: str, model: str = "", read_only: bool = False) -> EngineConfig:
    """Return the configuration of the command line; omitted values come from the user's settings."""
    settings, problem = load(Settings, paths.settings_file())
    if problem:
        err.say(render(problem), "yellow")
    return chosen_config(settings, library, device, model, read_only)


@contextmanager
def reading(library: Path | None, device: str = "", model: str = "") -> Iterator[EngineClient]:
    """Yield a client of a read-only engine. Notices about the library go to standard error."""
    with EngineClient(engine_config(library, device, model, read_only=True)) as engine:
        for message in engine.notice:
            err.say(render(message), "yellow")
        yield engine
