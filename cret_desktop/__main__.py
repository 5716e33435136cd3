"""Entry points: `python -m cret_desktop`, `cret-desktop` and the windowed `cret-desktop-gui`.

Nearly empty on purpose: every child process imports this module again, so it imports nothing heavy at the top.
"""

import os
import sys

if __name__ == "__main__" and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
    # `python -m` searches the current folder before all others and passes it on to children. Remove it here, unless the
    # package itself is in it. Everything imported above was already loaded by the interpreter. Imports that runpy made
    # before this line (importlib, contextlib, warnings …) are out of reach; `cret-desktop` has no such gap.
    del sys.path[0]


def main() -> None:
    """Run the command line; open the window if no command is given."""
    _support_frozen_children()
    sys.exit(_command_line(sys.argv[1:]) if sys.argv[1:] else _window([]))


def gui_main() -> None:
    """Open the window, for launchers that have no terminal."""
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
    """Open the window without loading the command line, which takes longer to load than the window."""
    import gc

    gc.disable()  # until the window is shown: objects made by then stay, and each collection would scan them again
    from cret_desktop.app import launch

    return launch(places)


if __name__ == "__main__":
    main()
