"""`python -m cret_desktop`, `cret-desktop` and the windowed `cret-desktop-gui`.

Nearly empty on purpose: every child process imports this module again, so nothing heavy may stand at its top.
"""

from __future__ import annotations

import multiprocessing
import sys


def main() -> None:
    """The command line; without a command it opens the window."""
    multiprocessing.freeze_support()
    from cret_desktop.cli import run

    sys.exit(run(sys.argv[1:]))


def gui_main() -> None:
    """The window, for launchers that have no terminal."""
    multiprocessing.freeze_support()
    from cret_desktop.cli import run

    sys.exit(run(["window", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
