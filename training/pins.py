"""Prints the pins for `downloads.OFFERS`: the commit and the sha256 of each file of the offered models.

    python -m training.pins [NAME …]

Queries the Hugging Face hub, or HF_ENDPOINT, and downloads the small files, whose sha256 the hub does not report.
Compare the output with that of another network, or with the hub's own pages, before adding it to the program.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cret_desktop.errors import CretError
from cret_desktop.model import downloads
from cret_desktop.model.presets import preset


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; all that are offered without this")
    names = parser.parse_args(arguments).names or list(downloads.OFFERS)
    for name in names:
        if name not in downloads.OFFERS:
            parser.error(f"“{name}” is not offered; there are {', '.join(downloads.OFFERS)}")
    status = 0
    for name in names:
        try:
            print(line(name), flush=True)
        except CretError as error:
            print(error, file=sys.stderr)
            status = error.exit_status
    return status


def line(name: str) -> str:
    """Return the entry of `downloads.OFFERS`. Raises: ModelError, StorageError."""
    offer = downloads.OFFERS[name]
    with tempfile.TemporaryDirectory(prefix="cret-pins-") as folder:
        pin = downloads.ask_for_pin(preset(name), offer, Path(folder))
    files = ", ".join(f'"{source}": "{digest}"' for source, digest in sorted(pin.files.items()))
    return (
        f'    "{name}": Offer({offer.parameters:_}, "{offer.licence}", "{offer.languages}", '
        f'"{pin.commit}", {{{files}}}),'
    )


if __name__ == "__main__":
    sys.exit(main())
