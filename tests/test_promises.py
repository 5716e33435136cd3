from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "promises.md"


def test_every_test_that_the_promises_name_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or (name and not re.search(rf"^(def|class) {name}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE))
    ]
    assert missing == []


def test_every_line_of_the_tables_names_a_test_or_says_that_there_is_none() -> None:
    page = PAGE.read_text(encoding="utf-8")
    promises, hurts = page.split("## What hurt users elsewhere")
    for part, count in ((promises, 6), (hurts, 23)):
        rows = re.findall(r"^\| (\d+) \|(.*)\|$", part, re.MULTILINE)
        assert [int(number) for number, _ in rows] == list(range(1, count + 1))
        for _, row in rows:
            assert "`tests/" in row or "no test yet" in row
    assert re.findall(r"^(\d)\. ", promises, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]


def test_every_command_that_the_promises_name_is_there() -> None:
    commands = re.findall(r"python -m ([\w.]+)", PAGE.read_text(encoding="utf-8"))
    assert commands
    for module in commands:
        source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        assert '__name__ == "__main__"' in source, module
