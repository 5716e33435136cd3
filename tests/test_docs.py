"""The documentation builds as a site that needs no network; the program that a command names takes its arguments."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import typer

from cret_desktop import cli
from tests.benchmarks import page as benchmarks
from tests.doc_texts import ROOT, as_typed, blocks, commands, pages, sources
from training import recipes

MODULE = re.compile(r"(?:python3?|torchrun .*?) -m ([\w.]+) ?(.*)")
# Modules whose docstrings show commands of their own.
TOOLS = (
    "cret_desktop/",
    "training/",
    "tests/benchmarks/",
    "tests/faults/",
    "tests/hostile/",
    "tests/gui/screenshots.py",
)
FOREIGN = ("mkdocs", "pytest")  # modules whose options are not checked


# --- the site ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Fetched(HTMLParser):
    """The addresses that a browser fetches to show a page; links to follow are not among them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        names = ("src", "srcset", "poster", "data") + (("href",) if tag == "link" else ())
        self.addresses += [value for name in names if (value := values.get(name))]


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    assert Fetched('<link href="https://a/x.css"><img src="//b/c.png"><a href="https://d">').addresses == [
        "https://a/x.css",
        "//b/c.png",
    ]
    built = list(site.rglob("*.html"))
    assert len(built) > len(pages()), "every page, and the one for what is not found"
    for path in built:
        for address in Fetched(path.read_text(encoding="utf-8")).addresses:
            assert not re.match(r"\w+:|//", address) or address.startswith("data:"), f"{path.name}: {address}"
            if path.name != "404.html":  # which names its parts from the site's root
                assert (path.parent / address.split("?")[0]).resolve().is_file(), f"{path.name}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_page_is_in_the_site(site: Path) -> None:
    names = {"README.md": "index", "resources/licences/NOTICES.md": "licences/notices"}
    for page in pages():
        name = names.get(page) or page.removesuffix(".md").removeprefix("docs/")
        name = name if page.startswith("docs/") else name.lower()
        assert (site / f"{name}.html").is_file(), page


def test_the_figures_page_is_what_the_results_say() -> None:
    figures = json.loads(benchmarks.FIGURES.read_text(encoding="utf-8"))
    assert benchmarks.PAGE.read_text(encoding="utf-8") == benchmarks.page(figures), (
        "run python -m tests.benchmarks.page"
    )
    first = figures["groups"][0]
    first["rows"][0] = first["rows"][0][1:]
    with pytest.raises(ValueError, match="cells"):
        benchmarks.page(figures)


def test_every_group_of_figures_has_a_command_a_day_and_a_machine() -> None:
    figures = json.loads(benchmarks.FIGURES.read_text(encoding="utf-8"))
    for group in figures["groups"]:
        table = dict.fromkeys(group["columns"])
        assert group["commands"] or "command" in table, group["title"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", group["recorded"]) or "recorded" in table, group["title"]
        assert group["machine"] in figures["machines"], group["title"]


# --- commands ----------------------------------------------------------------------------------------------------


def shown(find: Callable[[str], list[str]] = commands) -> list[str]:
    """Every command of the pages, and of the docstrings of programs."""
    programs = [ast.parse(source) for path, source in sources().items() if path.startswith(TOOLS)]
    texts = [*pages().values(), *(ast.get_docstring(program) or "" for program in programs)]
    return sorted({as_typed(command) for text in texts for command in find(text)})


SHOWN, COMPLETE = shown(), shown(blocks)  # a sentence may name a command without its arguments, a block may not


class Parsed(Exception):
    """Thrown once a parser has taken its arguments, so that nothing runs."""


def stopping(parse: Callable[..., argparse.Namespace]) -> Callable[..., None]:
    def stop(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> None:
        raise Parsed(parse(parser, words))

    return stop


def refusing_all_but_gaps(parser: argparse.ArgumentParser, message: str) -> None:
    if message.startswith("the following arguments are required"):
        raise Parsed(argparse.Namespace())
    raise AssertionError(message)


def parsed(
    module: str, arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, complete: bool = True
) -> argparse.Namespace:
    """What the module's own parser makes of a command line; of an incomplete one, a namespace without values."""
    for name in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, stopping(getattr(argparse.ArgumentParser, name)))
    if not complete:
        monkeypatch.setattr(argparse.ArgumentParser, "error", refusing_all_but_gaps)
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    program = importlib.import_module(module)
    main = getattr(program, "main", lambda: runpy.run_path(str(program.__file__), run_name="__main__"))
    with pytest.raises(Parsed) as taken:
        main()
    namespace: argparse.Namespace = taken.value.args[0]
    return namespace


@pytest.mark.parametrize("command", [command for command in SHOWN if MODULE.fullmatch(command)])
def test_a_module_takes_its_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    match = MODULE.fullmatch(command)
    assert match
    module, arguments = match[1], shlex.split(match[2])
    if module in FOREIGN:
        for place in arguments:
            assert not place.startswith(("tests/", "docs/")) or (ROOT / place).exists()
        return
    if module == "cret_desktop":
        taken_by(typer.main.get_command(cli.app), arguments)
        return
    source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in source
    if "ArgumentParser" not in source:
        assert not any(word.startswith("-") for word in arguments), "it has no options"
        return
    options = parsed(module, arguments, monkeypatch, complete=command in COMPLETE)
    if "settings" in options and "field=value" not in options.settings:
        recipes.recipe(options.recipe).changed(options.settings)


@pytest.mark.parametrize("command", [command for command in SHOWN if command.startswith("cret-desktop ")])
def test_the_app_takes_its_command(command: str) -> None:
    try:
        taken_by(typer.main.get_command(cli.app), shlex.split(command)[1:])
    except Exception as error:
        if command in COMPLETE or "Missing parameter" not in str(error):
            raise


def taken_by(command: Any, words: list[str]) -> None:
    """Parse without running, down to the command that the words name. typer has a click of its own: no isinstance."""
    if words in (["--help"], ["COMMAND", "--help"]):
        return
    context = command.make_context(command.name, words)
    rest = [*getattr(context, "_protected_args", ()), *context.args]
    if hasattr(command, "resolve_command") and rest:
        _, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        taken_by(inner, rest)


def test_what_is_not_taken_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    application = typer.main.get_command(cli.app)
    for words in (["serch", "a dog"], ["search", "a dog", "--fast"], ["models", "delete", "x"]):
        with pytest.raises(Exception, match="No such"):
            taken_by(application, words)
    with pytest.raises(SystemExit):
        parsed("training.evaluate", ["runs/dry", "synthetic", "--quick"], monkeypatch)


def test_targets_scripts_and_extras_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    seen = set()
    for command in SHOWN:
        words = shlex.split(command)
        words = words[1:] if words[0] == "sudo" else words
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), command
        elif words[0] == "pip" and (wanted := re.search(r"\[([\w,]+)\]", command)):
            assert set(wanted[1].split(",")) <= set(extras), command
        scripts = [word for word in words[:2] if re.search(r"\.(py|sh|spec)$", word)]
        assert all((ROOT / script).is_file() for script in scripts), command
        seen |= {words[0], *(Path(script).suffix for script in scripts)}
    assert {"make", "pip", ".py", ".sh", ".spec"} <= seen


def test_the_pages_show_commands() -> None:
    counts = {name: len(commands(text)) for name, text in pages().items()}
    least = {
        "README.md": 4,
        "CONTRIBUTING.md": 6,
        "docs/using.md": 15,
        "docs/reproducing.md": 20,
        "docs/synthetic.md": 4,
    }
    assert {name: counts[name] for name in least if counts[name] < least[name]} == {}
