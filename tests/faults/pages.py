"""Overwrites every page of a catalog in turn with noise, with zeros, and half of it with noise.

    python -m tests.faults.pages

Whatever is lost, the damaged catalog is kept, and all user data is recovered (see `test_recovery`).
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from pathlib import Path

from tests.storage.sqlite.test_recovery import CONTENTS, check_any_page, make_sound, pages


def main() -> None:
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="cret-pages-") as place:
        sound = make_sound(Path(place, "sound"))
        for kind, content in CONTENTS.items():
            seen = 0
            for page in range(pages(sound)):
                seen += check_any_page(sound, Path(place, "damaged"), page, content(page))
                shutil.rmtree(Path(place, "damaged"))
            sys.stdout.write(
                f"{kind}: {pages(sound)} pages, {seen} found damaged and repaired; nothing said was lost\n"
            )


if __name__ == "__main__":
    main()
