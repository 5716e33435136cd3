"""Prints what `downloads.OFFERS` should pin: the commit and the sha256 of each file of the models that are offered.

    python -m training.pins [NAME …]

Asks the Hugging Face hub, or HF_ENDPOINT, for descriptions, and fetches the small files, whose sha256 it does not tell.
Compare what it prints with what another network, or the hub's own pages, say before it becomes part of the program.
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
