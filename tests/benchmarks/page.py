"""Write docs/benchmarks.md from docs/results/benchmarks.json.

    python -m tests.benchmarks.page

The JSON contains the headline figures, each group with its command, date and machine. To renew a figure, run its
command, change the JSON and run this. tests/test_docs.py fails while page and JSON disagree.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES = DOCS / "results" / "benchmarks.json"
PAGE = DOCS / "benchmarks.md"

HEAD = """\
# Benchmarks

Headline figures, generated from [benchmarks.json](results/benchmarks.json) by `python -m tests.benchmarks.page`. Each
section names its command, which is run from a copy of the repository. Times are comparable within a section; on another
machine, compare ratios. *Recorded* is the day on which the figures entered the repository. Earlier figures are in the
history of this page in git. The figures of the synthetic world have [a page of their own](results/synthetic.md).
"""


def page(figures: Mapping[str, Any]) -> str:
    """Return the page as Markdown. Raises: KeyError for a group that lacks a part or names an unknown machine."""
    parts = [HEAD, *(_group(group, figures["machines"]) for group in figures["groups"])]
    missing = [[entry["what"], f"`{entry['command']}`"] for entry in figures["not_measured"]]
    parts.append("## Not measured\n\n" + _table(["what", "command"], missing))
    return "\n".join(parts)


def _group(group: Mapping[str, Any], machines: Mapping[str, str]) -> str:
    commands = "".join(f"    {command}\n" for command in group["commands"])
    provenance = f"{machines[group['machine']]}. Recorded: {group['recorded']}.\n"
    about = textwrap.fill(group["about"], 120, break_long_words=False, break_on_hyphens=False)
    table = _table(group["columns"], group["rows"])
    return "\n".join(part for part in (f"## {group['title']}\n", f"{about}\n", commands, provenance, table) if part)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose intervals do not break over lines.

    Raises: ValueError for a row without exactly one cell per column.
    """
    lines = [columns, ["---"] * len(columns)]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{len(columns)} columns, but this row has {len(row)} cells: {row}")
        lines.append([re.sub(r"\[.*?\]", lambda interval: interval[0].replace(" ", "\u00a0"), cell) for cell in row])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")
