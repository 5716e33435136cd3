"""Updates the translations from the window's texts: `python .ci/translations.py [FOLDER]`.

lupdate copies the texts of cret_desktop/gui into every .ts of resources/translations (or of FOLDER), and lrelease
compiles the .qm files that the app loads. Missing translations are listed; people translate them (see
docs/translating.md). To add a language, name a new .ts file as the second argument.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "resources" / "translations"
WORDS = ROOT / "cret_desktop" / "gui"


def update(ts: Path) -> None:
    """Update a .ts from the sources: obsolete texts are removed, matching translations are kept."""
    # No line numbers: they would change with every edit of the sources. Sorted for the same reason. No guesses from
    # similar texts: an unreviewed near miss is worse than a reported gap.
    options = ["-silent", "-no-obsolete", "-locations", "none", "-sort-messages"]
    guessing = ["-disable-heuristic", "similartext"]
    sources = sorted(str(path) for path in WORDS.rglob("*.py"))
    _run("pyside6-lupdate", *options, *guessing, *sources, "-ts", str(ts))


def release(ts: Path) -> None:
    """Compile a .ts to the .qm beside it."""
    _run("pyside6-lrelease", "-silent", str(ts), "-qm", str(ts.with_suffix(".qm")))


def gaps(ts: Path) -> list[str]:
    """Return the texts, with their context, without a finished translation in a .ts."""
    missing = []
    for context in ET.parse(ts).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            assert translation is not None
            forms = [form.text for form in translation.iter("numerusform")] or [translation.text]
            if translation.get("type") == "unfinished" or not all(forms):
                missing.append(f"{context.findtext('name')}: {message.findtext('source')}")
    return missing


def _run(tool: str, *arguments: str) -> None:
    program = Path(sysconfig.get_path("scripts"), tool)
    subprocess.run([str(program), *arguments], cwd=ROOT, check=True)


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]).resolve() if arguments else TRANSLATIONS
    files = sorted({*folder.glob("*.ts"), *(folder / name for name in arguments[1:])})
    for ts in files:
        update(ts)
        release(ts)
        missing = gaps(ts)
        print(f"{ts.name}: {f'{len(missing)} without translation' if missing else 'complete'}")
        for words in missing:
            print(f"  {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
