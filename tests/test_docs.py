"""Every command that the pages on training show is taken by the program it names, and says what its settings say."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pytest
import typer

from cret_desktop import cli
from training import recipes

ROOT = Path(__file__).parents[2]
PAGES = ("docs/reproducing.md", "docs/synthetic.md")
PROGRAM = re.compile(r"(?:python|torchrun .*?) -m ((?:training|tests)\.[\w.]+) ?(.*)")


def commands(page: str) -> list[str]:
    """Lines of code, joined where they go on in the next, without what explains them."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    inline = [found for found in re.findall(r"`([^`\n]+)`", text) if " " in found]
    found = [re.split(r"\s+#|\s{3,}(?=[a-z])", line)[0] for line in lines] + inline
    return [line for line in found if re.match(r"(python|torchrun|cret-desktop) ", line)]


class Parsed(Exception):
    """Thrown once a parser has taken its arguments, so that nothing runs."""


def stopping(parse: Callable[..., argparse.Namespace]) -> Callable[..., None]:
    def stop(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> None:
        raise Parsed(parse(parser, words))

    return stop


def parsed(module: str, arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """What the module's own parser makes of a command line."""
    for name in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, stopping(getattr(argparse.ArgumentParser, name)))
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(Parsed) as taken:
        importlib.import_module(module).main()
    namespace: argparse.Namespace = taken.value.args[0]
    return namespace


@pytest.mark.parametrize("command", [command for page in PAGES for command in commands(page)])
def test_a_command_of_the_docs_is_taken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if command.startswith("cret-desktop "):
        application = typer.main.get_command(cli.app)
        taken_by(application, shlex.split(command)[1:])
        return
    match = PROGRAM.fullmatch(command)
    assert match, command
    options = parsed(match[1], shlex.split(match[2]), monkeypatch)
    if "settings" in options:
        recipes.recipe(options.recipe).changed(options.settings)


def taken_by(command: click.Command, words: list[str]) -> None:
    """Parses without running, down to the command that the words name."""
    context = command.make_context(command.name, words)
    if isinstance(command, click.Group):
        _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None
        taken_by(inner, rest)


def test_the_pages_show_commands() -> None:
    assert all(len(commands(page)) >= 4 for page in PAGES)
