"""`python -m cret_desktop`, `cret-desktop` and the windowed `cret-desktop-gui`.

Nearly empty on purpose: every child process imports this module again, so nothing heavy may stand at its top.
"""

import os
import sys

if __name__ == "__main__" and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
    # `python -m` looks for modules in the current folder before all others, and hands it down to children. Removed here
    # unless the package itself lies there: nothing is imported above but what the interpreter has loaded by itself.
    # Its own imports before this line (runpy's: importlib, contextlib, warnings …) are beyond us; `cret-desktop` has
    # no such gap.
    del sys.path[0]


def main() -> None:
    """The command line; without a command it opens the window."""
    _support_frozen_children()
    sys.exit(_command_line(sys.argv[1:]) if sys.argv[1:] else _window([]))


def gui_main() -> None:
    """The window, for launchers that have no terminal."""
    _support_frozen_children()
    given = sys.argv[1:]
    has_options = any(argument.startswith("-") for argument in given)
    sys.exit(_command_line(["window", *given]) if has_options else _window(given))


def _support_frozen_children() -> None:
    import multiprocessing

    multiprocessing.freeze_support()


def _command_line(arguments: list[str]) -> int:
    from cret_desktop.cli import run

    return run(arguments)


def _window(places: list[str]) -> int:
    """As the command `window` opens it, without the command line: that alone takes longer to load than the window."""
    import gc

    gc.disable()  # until the window stands: what is made by then stays, and would be looked through again and again
    from cret_desktop.app import launch

    return launch(places)


if __name__ == "__main__":
    main()
