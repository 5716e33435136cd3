"""`cret-desktop check`: compare the library's stored data with its checksums."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cret_desktop.cli.options import Library, engine_config
from cret_desktop.cli.terminal import err, out
from cret_desktop.errors import LibraryDamaged, UsageError

_NAMES = {
    "catalog": "Catalog",
    "video": "Video details",
    "clip": "Clips",
    "embedding": "Embeddings",
    "thumbnail": "Thumbnails",
    "subtitle": "Subtitle lines",
    "graph": "Search graphs",
    "calibration": "Calibrations",
}


def check(
    subset: Annotated[str, typer.Option(metavar="SHARE", help="Check only a share of the data, such as 5%.")] = "100%",
    library: Library = None,
) -> int:
    """Check the library's stored data for damage. Changes nothing; the library may be in use.

    The window checks a twentieth of the data each day and rebuilds damaged items.
    """
    from cret_desktop.engine.assemble import open_to_check

    share = _share(subset)
    with open_to_check(engine_config(library, "").library) as checks:
        report = checks.check(share, turn=int(time.time()))
    for kind, count in report.checked.items():
        out.print(f"{_NAMES[kind]:<16} {count}")
    if report.unknown:
        out.say(f"{report.unknown} of these have no checksum yet: they were stored by an older version.")
    for damage in report.damaged:
        err.say(f"Damaged: {damage.kind} of {damage.owner}", "red")
    if report.damaged:
        raise LibraryDamaged("command.damage", count=len(report.damaged))
    out.say("No damage found.")
    return 0


def _share(subset: str) -> float:
    """Return a share such as "5%" as a fraction. Raises: UsageError."""
    try:
        percent = float(subset.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise UsageError("command.not-a-share", share=subset)
    return percent / 100
