"""A folder of somebody's videos in which every name that a program imports is a program of somebody else's."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Collection
from pathlib import Path

TRAP = """
import sys
with open({marks!r}, "a") as marks:
    marks.write({name!r} + " in " + " ".join(sys.orig_argv[1:3]) + chr(10))
raise ImportError("a trap was imported")
"""


class TrappedFolder:
    """`path` holds a trap for each module of the standard library, of the packages installed here, and of ours."""

    def __init__(self, path: Path, marks: Path, without: Collection[str] = ()) -> None:
        self.path = path
        self._marks = marks
        path.mkdir()
        installed = importlib.metadata.packages_distributions()
        customs = ("sitecustomize", "usercustomize", "cret_desktop", "tests")
        for name in {*sys.stdlib_module_names, *installed, *customs} - set(without):
            if name.isidentifier():
                (path / f"{name}.py").write_text(TRAP.format(marks=str(marks), name=name))

    def sprung(self) -> list[str]:
        """The traps that were imported, and by which command."""
        return self._marks.read_text().splitlines() if self._marks.exists() else []
