"""Builds the Windows installer from the frozen folder, with NSIS' makensis (which also runs on Linux).

    python .ci/installer/windows.py FROZEN_FOLDER OUT_FOLDER

The installer lists every file of the folder, so that uninstalling removes exactly these. NSIS packs at most 2 GB; a
larger folder (a build with CUDA) becomes a zip instead.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PureWindowsPath

import contents

SCRIPT = contents.ROOT / "resources" / "windows" / "cret-desktop.nsi"
LARGEST = 2_000_000_000  # bytes before compression; NSIS cannot address more
VERBOSITY = "-V2"  # warnings and errors


def files_of(frozen: Path) -> list[Path]:
    """Return the files relative to the folder, sorted, so that files of one folder are adjacent."""
    return sorted(path.relative_to(frozen) for path in frozen.rglob("*") if path.is_file())


def payload(frozen: Path) -> str:
    """Return the NSIS instructions that install each file."""
    lines, folder = [], None
    for file in files_of(frozen):
        if file.parent != folder:
            folder = file.parent
            lines.append(f'SetOutPath "{_in_place(folder)}"')
        lines.append(f'File "{frozen / file}"')
    return "\n".join(lines) + "\n"


def removal(frozen: Path) -> str:
    """Return the NSIS instructions that delete each file, then each folder if empty, the deepest first."""
    files = files_of(frozen)
    folders = {parent for file in files for parent in file.parents if parent != Path()}
    deepest_first = sorted(folders, key=lambda folder: (-len(folder.parts), folder))
    return "".join(
        [f'Delete "{_in_place(file)}"\n' for file in files]
        + [f'RMDir "{_in_place(folder)}"\n' for folder in deepest_first]
    )


def _in_place(path: Path) -> str:
    return "\\".join(["$INSTDIR", *(_quoted(part) for part in PureWindowsPath(path).parts)])


def _quoted(text: str) -> str:
    """Escape text for NSIS' double quotes. Raises: ValueError for a quotation mark; no package ships such a file."""
    if '"' in text:
        raise ValueError(f"A file's name holds a quotation mark: {text}")
    return text.replace("$", "$$")


def main(frozen: Path, out: Path) -> Path:
    project = contents.project()
    version = project["version"]
    numbers = [*re.findall(r"\d+", version), "0", "0", "0", "0"][:4]
    out.mkdir(parents=True, exist_ok=True)
    size = sum((frozen / file).stat().st_size for file in files_of(frozen))
    name = f"{project['name']}-{version}-windows-x86_64"
    if size > LARGEST:
        made = out / f"{name}-cuda.zip"
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for file in files_of(frozen):
                archive.write(frozen / file, Path(name, file))
        return made
    made = out / f"{name}.exe"
    with tempfile.TemporaryDirectory() as work:
        lists = {"PAYLOAD": payload(frozen), "REMOVAL": removal(frozen)}
        for what, text in lists.items():
            Path(work, what).write_text(text, encoding="utf-8-sig")  # with the mark, or NSIS reads it as ANSI
        given = {what: str(Path(work, what)) for what in lists} | {
            "VERSION": version,
            "VERSION4": ".".join(numbers),
            "OUTFILE": str(made),
            "ICON": str(contents.icon(Path(work), ".ico")),
            "LICENCE": str(contents.ROOT / "resources" / "licences" / "BUNDLE.md"),
            "KILOBYTES": str(size // 1024),
        }
        definitions = [f"-D{name}={value}" for name, value in given.items()]
        command = ["makensis", VERBOSITY, "-WX", "-INPUTCHARSET", "UTF8", *definitions, str(SCRIPT)]
        subprocess.run(command, check=True)
    return made


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    installer = main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
    print(f"{installer}: {installer.stat().st_size / 1e6:,.0f} MB")
