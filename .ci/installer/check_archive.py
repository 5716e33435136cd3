"""Compares a frozen app with the source: it must contain every module that the source imports, eagerly or lazily.

    python .ci/installer/check_archive.py FROZEN_FOLDER

The wanted modules and files come from the source, independently of the build's lists.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import contents
from PyInstaller.archive.readers import CArchiveReader, ZlibArchiveReader


def dropped_modules(archive: ZlibArchiveReader, files: Iterable[str]) -> list[str]:
    """Return the source's modules and lazy imports that are neither in the archive nor in the folder's files."""
    return contents.missing(_wanted(), [(name, "", "") for name in (*archive.toc, *files)])


def _wanted() -> list[str]:
    return sorted({*contents.own_modules(), *contents.lazy_imports()})


def dropped_files(folder: Path) -> list[str]:
    """Return the source's resources, and its files from other packages, that are missing in the folder."""
    wanted = [Path(place, Path(file).name) for file, place in contents.data_files()]
    return sorted(path.as_posix() for path in wanted if not (folder / path).is_file())


def main(frozen: Path) -> int:
    inside = frozen / "_internal"
    program = next(path for path in (frozen / "cret-desktop", frozen / "cret-desktop.exe") if path.is_file())
    archive = CArchiveReader(str(program)).open_embedded_archive("PYZ.pyz")
    files = [path.relative_to(inside).as_posix() for path in inside.rglob("*") if path.is_file()]
    dropped = [*dropped_modules(archive, files), *dropped_files(inside)]
    for name in dropped:
        print(f"The source needs {name}, and the frozen app does not have it.")
    print(
        f"{len(contents.own_modules())} modules, {len(contents.lazy_imports())} lazy imports, {len(dropped)} dropped."
    )
    return 1 if dropped else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1])))
