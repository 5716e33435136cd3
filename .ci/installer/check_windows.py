"""Installs the Windows installer for the current user, runs the app, reinstalls over it, and uninstalls it.

    python .ci/installer/check_windows.py INSTALLER.exe FROZEN_FOLDER

The folder's name contains a space and a non-English letter. The first failure prints a sentence and exits with
status 1. On Linux it runs in Wine, which does not start the app itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from windows import files_of

UNINSTALL_SECONDS = 300.0
WINE = [] if sys.platform == "win32" else ["wine"]


def main(installer: Path, frozen: Path) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        place = Path(work, "Prögramme of mine", "CRET Desktop")
        wanted = {*files_of(frozen), Path("uninstall.exe")}
        program = Path(work, "installer.exe")
        shutil.copy(installer, program)
        # NSIS takes everything after /D= as the folder, including spaces, without quotes.
        install = f"{_windows(program)} /S /D={_windows(place)}"

        _run(install)
        _expect(place, wanted, "after installing")
        if sys.platform == "win32":
            subprocess.run([place / "cret-desktop.exe", "self-test"], check=True)

        theirs = place / "_internal" / "a note of mine.txt"
        theirs.write_text("mine", encoding="utf-8")
        (place / "cret-desktop.exe").write_bytes(b"of an older version")
        _run(install)
        _expect(place, {*wanted, theirs.relative_to(place)}, "after installing again")
        if (place / "cret-desktop.exe").read_bytes() != (frozen / "cret-desktop.exe").read_bytes():
            raise SystemExit("A file of the older version stayed.")

        subprocess.run([*WINE, _windows(place / "uninstall.exe"), "/S"], check=True)
        until = time.monotonic() + UNINSTALL_SECONDS  # the uninstaller continues as a copy of itself
        while (place / "uninstall.exe").exists() and time.monotonic() < until:
            time.sleep(0.5)
        _expect(place, {theirs.relative_to(place)}, "after removing")
    print(f"{installer.name}: {len(wanted)} files installed, upgraded and removed.")


def _run(line: str) -> None:
    """Run a Windows command line unchanged: a list of arguments would be quoted."""
    subprocess.run([*WINE, "cmd", "/c", line] if WINE else line, check=True)


def _windows(path: Path) -> str:
    return str(path) if sys.platform == "win32" else "Z:" + str(path).replace("/", "\\")


def _expect(place: Path, wanted: set[Path], when: str) -> None:
    found = set(files_of(place))
    if found != wanted:
        some = [str(path) for path in sorted(found ^ wanted)[:5]]
        raise SystemExit(f"{when}: {len(found - wanted)} files too many, {len(wanted - found)} missing, as {some}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
