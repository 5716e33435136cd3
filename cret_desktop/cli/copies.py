"""Copies of the library and of its annotations: `backup`, `restore`, `move`, `export-tags`, `import-tags`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cret_desktop import paths
from cret_desktop.cli.options import Library, engine_config, reading
from cret_desktop.cli.terminal import bar, out
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient
from cret_desktop.errors import CopyCancelled, LibraryMissing
from cret_desktop.settings import Settings, load, save

if TYPE_CHECKING:
    from cret_desktop.domain.records import Contents


def backup(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    library: Library = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--without-thumbnails", help="Include thumbnails, or make a smaller backup.")
    ] = True,
) -> int:
    """Back up the library, even while it is in use. The backup is a library: --library FOLDER opens it."""
    from cret_desktop.engine.assemble import backup_of

    place = engine_config(library, "").library
    with _copying() as progress:
        contents = backup_of(place).copy(target.absolute(), progress, thumbnails)
    out.say(f"Backed up to {target.absolute()} {_held(contents)}.")
    return 0


def restore(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup made by `backup`.")],
    library: Library = None,
) -> int:
    """Replace the library with a backup. The current library is set aside, not deleted."""
    from cret_desktop.engine.adoption import take_restored
    from cret_desktop.engine.assemble import backup_of
    from cret_desktop.engine.lock import WriterLock

    config = engine_config(library, "")
    place = config.library
    if config.moved and not place.exists():
        raise LibraryMissing("command.library-away", place=place)
    with WriterLock(paths.LibraryPaths(place).lock).held():
        with _copying() as progress:
            contents = backup_of(place).take_in(source.absolute(), progress)
        said = take_restored(place)
    out.say(f"{said} {_held(contents)}")
    return 0


def move(
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")],
    library: Library = None,
) -> int:
    """Move the library to another folder. The old one is kept until you delete it."""
    from cret_desktop.engine.assemble import backup_of
    from cret_desktop.engine.lock import WriterLock

    place, usual = engine_config(library, "").library, engine_config(None, "").library
    with WriterLock(paths.LibraryPaths(place).lock).held():
        with _copying() as progress:
            backup_of(place).copy(target.absolute(), progress)
        if place == usual and paths.LIBRARY_VARIABLE not in os.environ:
            settings, _ = load(Settings, paths.settings_file())
            save(dataclasses.replace(settings, library=str(target.absolute())), paths.settings_file())
            told = "It is used from there now."
        else:
            told = "Use --library or CRET_DESKTOP_LIBRARY to open it."
    out.say(f"The library is at {target.absolute()}. {told}")
    out.say(f"The old one can be deleted: {place}")
    return 0


def export_tags(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A .json or .csv file; an existing one is replaced.")],
    library: Library = None,
) -> int:
    """Export all tags, notes, favourites and saved searches to a JSON or CSV file."""
    with reading(library) as engine:
        files, searches = engine.request(protocol.ExportTags(str(target.absolute()))).result()
    out.say(f"Wrote {target.absolute()} (videos: {files}, saved searches: {searches}).")
    return 0


def import_tags(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file written by `export-tags`.")],
    library: Library = None,
) -> int:
    """Import tags, notes, favourites and saved searches from a file. Overwrites nothing."""
    with EngineClient(engine_config(library, "")) as engine:
        merged = engine.request(protocol.ImportTags(str(source.absolute()))).result()
    for what, count in (
        ("Matched videos", merged.files),
        ("Notes appended", merged.notes_joined),
        ("Saved searches added", merged.searches),
        ("Kept for later videos", merged.waiting),
        ("Unknown, skipped", merged.unknown),
    ):
        out.print(f"{what:<28} {count}")
    return 0


def _held(contents: Contents) -> str:
    return f"({contents.videos} videos, {contents.clips} clips)"


@contextmanager
def _copying() -> Iterator[Callable[[int, int], None]]:
    """Show the progress of a copy on a terminal."""
    with bar() as show:
        try:
            yield lambda done, total: show(done, total, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")
        except KeyboardInterrupt:
            raise CopyCancelled("command.copying-stopped") from None
