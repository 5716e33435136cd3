"""Entry point of the frozen programs: one script for both, because they share everything else.

It does almost nothing, because every child process runs it again.
"""

import os
import sys
from pathlib import Path

from cret_desktop.__main__ import gui_main, main

if __name__ == "__main__":
    # Windows gives a program without a terminal no streams; discard the output.
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as it runs
    # Variables for our own libraries must not reach programs that the user starts from the app, such as a player or the
    # file manager. This process has already read the first; in our children the bootloader sets it again when told
    # to reset (PyInstaller's manual, "Using sys.executable to spawn subprocesses"). Qt finds its plugins beside itself.
    if os.environ.pop("LD_LIBRARY_PATH", None) is not None:
        os.environ["PYINSTALLER_RESET_ENVIRONMENT"] = "1"
    if before := os.environ.pop("LD_LIBRARY_PATH_ORIG", None):
        os.environ["LD_LIBRARY_PATH"] = before
    for name in ("QT_PLUGIN_PATH", "QML2_IMPORT_PATH"):
        os.environ.pop(name, None)
    (gui_main if Path(sys.executable).stem.endswith("-gui") else main)()
