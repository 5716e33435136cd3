"""`cret-desktop models`: list, download, import, use and remove models."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cret_desktop import paths
from cret_desktop.cli.options import Device, Library, engine_config
from cret_desktop.cli.terminal import bar, cell, err, out
from cret_desktop.errors import DownloadCancelled, ModelError
from cret_desktop.messages import render
from cret_desktop.settings import Settings, load, save

models_app = typer.Typer(rich_markup_mode=None)


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    library: Library = None,
    device: Device = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> int:
    """List, download, import, use and remove models."""
    if context.invoked_subcommand is not None:
        return 0
    engine_config(library, device)  # every command refuses an unavailable device
    return list_models(as_json)


@models_app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False) -> int:
    """List the installed models and those that can be downloaded. Works offline."""
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
        table.add_row(
            cell(card.name), cell(card.title), size, cell(card.languages), cell(card.licence), card.state.value
        )
    out.print(table)
    return 0


@models_app.command("download")
def download_model(name: Annotated[str, typer.Argument(help="A name from the list.")]) -> int:
    """Download a model from the Hugging Face hub, or resume it. HF_ENDPOINT names a mirror; Ctrl-C stops."""
    from cret_desktop.model.downloads import Progress as Fetched
    from cret_desktop.model.downloads import download
    from cret_desktop.model.encoder import user_models

    with bar() as show:

        def tell(progress: Fetched) -> None:
            text = f"{progress.stage.value} {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB"
            show(progress.done, progress.total or None, text)

        try:
            manifest = download(name, user_models(), tell)
        except KeyboardInterrupt:
            raise DownloadCancelled("command.download-stopped", name=name) from None
    out.say(f"{manifest.config.title} is ready. Use it with `cret-desktop models use {name}`.")
    return 0


@models_app.command("use")
def use_model(name: Annotated[str, typer.Argument(help="A name from the list, or a model's folder.")]) -> int:
    """Switch to a model, in the window too. Searches use the old one until indexing with the new one is done."""
    from cret_desktop.model.encoder import open_model

    model = open_model(name)
    model.check_files()
    settings, problem = load(Settings, paths.settings_file())
    if problem:
        err.say(render(problem), "yellow")
    save(dataclasses.replace(settings, model=name), paths.settings_file())
    out.say(f"{model.info.title} is in use now. Index your folders with it: cret-desktop index PATH…")
    return 0


@models_app.command("remove")
def remove_model(name: Annotated[str, typer.Argument(help="A name from the list.")]) -> int:
    """Delete a downloaded or imported model, or a partial download. Libraries are not changed."""
    from cret_desktop.model import downloads, installed
    from cret_desktop.model.encoder import user_models

    if load(Settings, paths.settings_file())[0].model == name:
        raise ModelError("command.model-in-use", name=name)
    if name not in installed.installed() and downloads.partial_bytes(name, user_models()):
        downloads.discard_partial(name, user_models())
    else:
        installed.remove(name)
    out.say(f"{name} was removed.")
    return 0


@models_app.command("import")
def import_model(
    source: Annotated[
        Path, typer.Argument(help="A model's folder, or a zip of one (see `python -m training.export`).")
    ],
    name: Annotated[str | None, typer.Option(help="The model's new name; its own name if omitted.")] = None,
) -> int:
    """Import a model, after testing it in a separate process."""
    from cret_desktop.model.encoder import user_models
    from cret_desktop.model.importing import import_model as checked_import

    manifest = checked_import(source, user_models(), name)
    out.say(f"Imported {manifest.config.title} as {manifest.folder.name}.")
    return 0
