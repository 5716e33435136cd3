"""Where the frozen programs begin: one script for both, since everything else of them is shared.

Nearly empty on purpose: every child process runs it again.
"""

import sys
from pathlib import Path

from cret_desktop.__main__ import gui_main, main

if __name__ == "__main__":
    (gui_main if Path(sys.executable).stem.endswith("-gui") else main)()
