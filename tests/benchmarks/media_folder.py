"""The format of a media folder with descriptions for the benchmarks: `media.tsv` beside the files.

Columns: path, description, kind (photo, video), background (opaque, plain), group (animals, food, …). Photographs are
split into halves A and B by a hash of their file names: choices are made on A, and B is measured once, at the end.
"""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cret_desktop.media.pan_and_zoom import write_pan_and_zoom


@dataclass(frozen=True)
class Item:
    """One described photograph or video."""

    path: Path
    description: str
    group: str

    @property
    def half(self) -> str:
        return "AB"[hashlib.sha256(self.path.name.encode()).digest()[0] % 2]


def photographs(folder: Path, opaque: bool = True) -> list[Item]:
    """Return the photographs on an opaque background, or the cut-outs on a plain one, by path."""
    return [item for item, row in _rows(folder) if row["kind"] == "photo" and (row["background"] == "opaque") == opaque]


def videos(folder: Path) -> list[Item]:
    return [item for item, row in _rows(folder) if row["kind"] == "video"]


def _rows(folder: Path) -> list[tuple[Item, dict[str, str]]]:
    with (folder / "media.tsv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file, delimiter="\t"), key=lambda row: row["path"])
    return [(Item(folder / row["path"], row["description"], row["group"].removeprefix("tux:")), row) for row in rows]


def make_clips(items: Sequence[Item], folder: Path) -> dict[str, Item]:
    """Make a 4-second pan-and-zoom clip of each photograph in `folder`, keeping existing ones; return them by path.

    Clips are named by a hash: a search also finds words in file names, and the photographs' names describe them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = {}
    for item in items:
        name = hashlib.sha256(f"{item.path.parent.name}_{item.path.stem}".encode()).hexdigest()
        clip = folder / f"{name[:16]}.mp4"
        if not clip.exists():
            part = clip.with_name("unfinished_" + clip.name)
            write_pan_and_zoom(item.path, part)
            part.replace(clip)
        clips[str(clip)] = item
    return clips


def index(library: Path, *places: Path) -> dict[str, Any]:
    """Run `cret-desktop index --json` and return its totals."""
    return dict(json.loads(_cret("index", *map(str, places), "--json", "--library", str(library)).splitlines()[-1]))


def search(library: Path, queries: Sequence[str], limit: int = 200) -> list[dict[str, Any]]:
    """Run `cret-desktop search --json --from FILE` and return one answer per query."""
    source = library / "queries.txt"
    source.write_text("\n".join(queries) + "\n", encoding="utf-8")
    printed = _cret("search", "--from", str(source), "--json", "--limit", str(limit), "--library", str(library))
    return [json.loads(line) for line in printed.splitlines()]


def _cret(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "cret_desktop", *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"cret-desktop {' '.join(arguments)} ended with status {done.returncode}")
    return done.stdout
