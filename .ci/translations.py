"""Brings the translations up to date with the window's words: `python .ci/translations.py [FOLDER]`.

Reads the words of cret_desktop/gui into every .ts of resources/translations (or of FOLDER) with lupdate, and makes the
.qm that the app loads with lrelease. What has no translation yet is named; translating is a person's work (see
docs/translating.md). A new language begins as a .ts that does not exist yet: name the file as the second argument.
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
    """Bring the words of the sources into a .ts; words that are gone leave it, translations that fit stay."""
    # No line numbers: they would change with every edit of the sources. Sorted for the same reason. No guessing from
    # similar words either: a near miss that nobody looked at is worse than a gap that is named.
    options = ["-silent", "-no-obsolete", "-locations", "none", "-sort-messages"]
    guessing = ["-disable-heuristic", "similartext"]
    sources = sorted(str(path) for path in WORDS.rglob("*.py"))
    _run("pyside6-lupdate", *options, *guessing, *sources, "-ts", str(ts))


def release(ts: Path) -> None:
    """Make the .qm beside a .ts."""
    _run("pyside6-lrelease", "-silent", str(ts), "-qm", str(ts.with_suffix(".qm")))


def gaps(ts: Path) -> list[str]:
    """The words, with their context, that a .ts has no finished translation for."""
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
