"""The command line: a client of the same engine as the window. Decides nothing about the library.

Answers go to standard output, all other text to standard error. Exit status: 0 done, 1 done but some files failed, 2
usage, 3 library, 4 model, 5 storage, 6 engine, 7 export (see `errors`), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from cret_desktop import paths
from cret_desktop.cli import adopt, check, copies, demo, examine, export, forget, index, models, search, window
from cret_desktop.cli.options import Device, Library
from cret_desktop.cli.terminal import err, out
from cret_desktop.engine.log_lines import guard_standard_error
from cret_desktop.errors import CretError, Defect


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit status. Errors with a message are printed as one sentence."""
    guard_standard_error()
    try:
        status = app(list(arguments), prog_name="cret-desktop", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except CretError as error:
        err.say(f"cret-desktop: {error}", "red")
        if isinstance(error, Defect):
            err.print(escape(error.details), style="dim")
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        err.print("cret-desktop: stopped; what was indexed is kept.")
        return 130
    except BrokenPipeError:  # the reader of the output has closed it
        sys.stderr.close()
        return 0
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):  # a usage error of click
            err.say(f"cret-desktop: {error.format_message()}", "red")
            return int(error.exit_code)
        raise


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"cret-desktop {paths.version()}")
        raise typer.Exit


def main(
    context: typer.Context,
    library: Library = None,
    device: Device = "",
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> int:
    """Search your videos by describing what they show. Opens the window if no command is given."""
    if context.invoked_subcommand is None:
        return window.window(library=library, device=device)
    # Options before a command apply to it: the command's own options read these variables.
    if library is not None:
        os.environ[paths.LIBRARY_VARIABLE] = str(library)
    if device:
        os.environ[paths.DEVICE_VARIABLE] = device
    return 0


app = typer.Typer(add_completion=False, no_args_is_help=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.callback(invoke_without_command=True)(main)
for _command in (  # in the order of the help
    window.window,
    index.index,
    search.search,
    examine.status,
    export.export,
    copies.backup,
    copies.restore,
    copies.move,
    adopt.adopt,
    copies.export_tags,
    copies.import_tags,
    forget.forget,
    check.check,
    examine.doctor,
    examine.self_test,
    demo.demo,
):
    app.command()(_command)
app.add_typer(models.models_app, name="models", help="List, download, import, use and remove models.")
