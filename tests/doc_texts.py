"""What the tests of the documentation read: pages, docstrings and comments, and the code that they name."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cret_desktop", "training")
PROGRAM_LINE = re.compile(
    r"(?:python|python3|torchrun|cret-desktop|make|pip|sudo|pyinstaller|ruff|mypy|lint-imports)\b"
)
# Code in Markdown: fenced, indented by four spaces, or between backticks.
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@cache
def pages() -> dict[str, str]:
    """Return every page of the documentation: its path below the project's folder, and its text."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(found)}


@cache
def remarks() -> dict[str, str]:
    """Return the docstrings and comments of every module of the packages: its path, and their text."""
    return {path: "\n".join(_remarks(source)) for path, source in sources().items() if path.startswith(PACKAGES)}


@cache
def sources() -> dict[str, str]:
    """Return every Python file of the project: its path, and its source."""
    files = [path for folder in (*PACKAGES, "tests", ".ci") for path in ROOT.glob(f"{folder}/**/*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(files)}


def _remarks(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# ")


def commands(text: str) -> list[str]:
    """Return the command lines in Markdown or a docstring: those of `blocks`, and those within a sentence."""
    return blocks(text) + _lines(code for code in INLINE.findall(FENCE.sub("", text)) if " " in code)


def blocks(text: str) -> list[str]:
    """Return the command lines that stand alone: continued lines joined, explanations after them removed."""
    text = text.replace("\\\n", " ")
    fenced = [code for language, code in FENCE.findall(text) if language in ("", "sh", "bash")]
    indented = [line for line in FENCE.sub("", text).split("\n") if line.startswith("    ")]
    return _lines([*"\n".join(fenced).split("\n"), *indented])


def _lines(lines: Iterable[str]) -> list[str]:
    plain = (re.split(r"\s+#\s|\s{3,}(?=[a-z])", line.strip())[0].strip() for line in lines)
    return [command for line in plain for command in line.split(" && ") if PROGRAM_LINE.match(command)]


def as_typed(command: str) -> str:
    """Return a command with what stands for optional and repeated parts written out: `[--half A|B] FILE …`."""
    command = re.sub(r"(?<=\w)\|[\w|]+", "", command)  # the first of several choices
    command = re.sub(r"\s(?:…|\.\.\.)|(?<=\w)…", "", command)
    return re.sub(r"(?<=\s)\[|\[(?=--)|\](?=\s|$)", "", command)
