"""Every module, class, file, option, setting, variable, key and word of the window that the documentation names exists.

Read are the pages, and the docstrings and comments of the packages.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import re
import tomllib
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from cret_desktop.gui.settings.shortcuts import COMMANDS, Scope
from cret_desktop.settings import Settings
from tests.doc_texts import FENCE, INLINE, PACKAGES, ROOT, pages, remarks, sources
from training.config import TrainConfig

DOTTED = re.compile(r"(?<!`)`_?([A-Za-z_]\w*(?:\.\w+)+)(?:\(.*?\))?(?:=[^`]*)?`(?!`)")
CODE_FILES = ("py", "sh", "md", "toml", "txt", "yml", "spec", "ts", "qm")
DATA_FILES = ("avi", "csv", "gz", "json", "mp4", "safetensors", "srt", "vtt")
# Where a person of the pages is: words of the window stand there in bold.
WINDOW_PAGES = ("docs/using.md", "docs/backup.md", "docs/installing.md")
FOREIGN_OPTIONS = {"--help", "--requeue"}  # typer's, and the cluster's
SHORT = {"np": "numpy", "nn": "torch.nn", "F": "torch.nn.functional"}


def texts() -> dict[str, str]:
    """The pages that are about the present state, and the remarks of the code. A changelog tells of the past."""
    return {name: text for name, text in (pages() | remarks()).items() if name != "CHANGELOG.md"}


# --- what there is -----------------------------------------------------------------------------------------------


class Members(ast.NodeVisitor):
    """The names that a module and each of its classes define, whatever the depth."""

    def __init__(self, source: str) -> None:
        self.module: set[str] = set()
        self.classes: dict[str, set[str]] = defaultdict(set)
        self._in: list[str] = []
        self.visit(ast.parse(source))

    def _add(self, name: str) -> None:
        self.module.add(name)
        for owner in self._in:
            self.classes[owner].add(name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._add(node.name)
        self._in.append(node.name)
        self.generic_visit(node)
        self._in.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._add(node.name)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store):
            self._add(node.attr)
        self.generic_visit(node)


@cache
def modules() -> dict[str, Members]:
    """The dotted name of every module of the project, with what it defines."""
    found = {}
    for path, source in sources().items():
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        found[name] = Members(source)
    return found


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, something in one, a member of a class, or a field of the configuration."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        head, rest = ".".join(parts[:cut]), parts[cut:]
        for module, members in modules().items():
            if module != head and not module.endswith(f".{head}"):
                continue
            if not rest or (rest[0] in members.module and is_member(rest[1:], members.classes.get(rest[0]))):
                return True
    owners = [
        members
        for module in modules().values()
        for name, members in module.classes.items()
        if is_called(parts[0], name)
    ]
    if any(is_member(parts[1:], owner) for owner in owners):
        return True
    return is_field(parts, TrainConfig) or is_foreign(parts)


def is_called(name: str, kind: str) -> bool:
    """Whether a class goes by this name: its own, without an underscore, or an instance's (`bridge`: EngineBridge)."""
    return kind.lstrip("_") == name or (name.islower() and kind.lower().endswith(name.replace("_", "")))


def is_member(parts: list[str], owner: set[str] | None) -> bool:
    return not parts or (owner is not None and parts[0] in owner)


def is_field(parts: list[str], record: type) -> bool:
    fields = {field.name: field for field in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else {}
    if parts[0] not in fields:
        return False
    kinds = [kind for kind in CONFIGS if kind.__name__ in str(fields[parts[0]].type)]
    return len(parts) == 1 or any(is_field(parts[1:], kind) for kind in kinds)


def configs() -> Iterator[type]:
    for module in ("cret_desktop.model.config", "training.config"):
        for value in vars(importlib.import_module(module)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                yield value


CONFIGS = tuple(configs())


def is_foreign(parts: list[str]) -> bool:
    """Whether it is something of the standard library or of an installed package."""
    top, *rest = [*SHORT.get(parts[0], parts[0]).split("."), *parts[1:]]
    if (ROOT / top).exists() or importlib.util.find_spec(top) is None:
        return False
    value, name = importlib.import_module(top), top
    for part in rest:
        name = f"{name}.{part}"
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True


# --- what is named -----------------------------------------------------------------------------------------------


def test_every_dotted_name_is_there() -> None:
    named = {name: page for page, text in texts().items() for name in DOTTED.findall(text)}
    assert len(named) > 60
    written = "\n".join(sources().values())
    product = "\n".join(source for path, source in sources().items() if path.startswith(PACKAGES))
    missing = []
    for name, page in named.items():
        kind = name.rpartition(".")[2]
        if kind in CODE_FILES:
            there = any(ROOT.glob(f"**/{name}")) if kind != "md" else f'"{name}"' in written
        elif kind in DATA_FILES:
            there = name in written or page.startswith("docs/")
        else:
            there = name.startswith("self.") or f'"{name}"' in product or resolves(name)  # codes are strings
        if not there:
            missing.append(f"{page}: {name}")
    assert missing == []


@pytest.mark.parametrize(
    "name", ["gui.no_such_dialog", "Catalog.no_such", "library.no_such", "os.no_such", "data.no_such"]
)
def test_a_name_that_is_not_there_is_found(name: str) -> None:
    assert not resolves(name)


@pytest.mark.parametrize(
    "name", ["cret_desktop.settings", "cret_desktop.settings.Settings", "settings.load", "Settings.theme", "os.stat"]
)
def test_a_name_that_is_there_is_believed(name: str) -> None:
    assert resolves(name)


def test_every_path_is_there() -> None:
    start = r"(?:cret_desktop|training|tests|docs|resources|gui|engine|library|media|model|storage|index|\.ci|\.github)"
    missing = []
    count = 0
    for page, text in texts().items():
        for path in re.findall(rf"(?<![\w/~.%{{-])({start}/[\w./*-]*\w)", text):
            count += 1
            wanted = path.replace("_CODE.", "_de.")
            places = [wanted, f"cret_desktop/{wanted}", f"{wanted}.md"]
            if not any(any(ROOT.glob(place)) for place in places):
                missing.append(f"{page}: {path}")
        for name in re.findall(r"(?<![\w/.])([\w-]+\.md)\b", text):
            if not any(ROOT.glob(f"**/{name}")) and f'"{name}"' not in "\n".join(sources().values()):
                missing.append(f"{page}: {name}")
    assert count > 80
    assert missing == []


def test_every_module_in_a_list_of_the_map_is_there() -> None:
    """ARCHITECTURE.md lists modules between middle dots."""
    listed = set()
    for line in pages()["ARCHITECTURE.md"].replace("\n" + " " * 28, " ").split("\n"):
        plain = re.sub(r"\([^()]*\)", "", line)
        for part in re.split(r" · ", plain) if " · " in plain else []:
            listed |= {word for word in [part.strip().strip("`:;,.")] if re.fullmatch(r"[a-z][a-z_0-9]*", word)}
    assert len(listed) > 60
    known = {part for module in modules() for part in module.split(".")}
    assert sorted(listed - known - {"release"}) == []


def test_every_option_is_there() -> None:
    taken = {option for source in sources().values() for option in re.findall(r"[\"'/](--[a-z][a-z-]*[a-z])\b", source)}
    taken |= {f"--{name.replace('_', '-')}" for name in functions_arguments()} | FOREIGN_OPTIONS
    ours = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z])\b")
    missing = []
    for page, text in texts().items():
        for code in INLINE.findall(text):
            if re.match(r"--|cret-desktop |python -m |\w+ --", code):
                missing += [f"{page}: {option}" for option in ours.findall(code) if option not in taken]
    assert missing == []


def functions_arguments() -> set[str]:
    """Parameters of the commands: typer makes options of them."""
    trees = [ast.parse(source) for path, source in sources().items() if path.startswith("cret_desktop/cli/")]
    return {
        argument.arg
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
    }


def test_every_variable_of_the_environment_is_there() -> None:
    code = "\n".join(source for path, source in sources().items() if path.startswith(("cret_desktop/", ".ci/")))
    named = {name for text in texts().values() for name in re.findall(r"\bCRET_DESKTOP_[A-Z_]+", text)}
    assert {"CRET_DESKTOP_LIBRARY", "CRET_DESKTOP_DEVICE"} <= named
    assert [name for name in named if f'"{name}"' not in code] == []


def test_every_setting_is_documented_where_it_is_defined() -> None:
    described = set(re.findall(r"^    (\w+):", Settings.__doc__ or "", re.MULTILINE))
    fields = {field.name for field in dataclasses.fields(Settings)}
    source = sources()["cret_desktop/settings.py"]
    described |= {name for name in fields if re.search(rf"^    {name}: .*\n    \"\"\"", source, re.MULTILINE)}
    described |= {
        name for name in fields if re.search(rf"^    #: .*\n(?:    #.*\n)*    {name}: ", source, re.MULTILINE)
    }
    assert fields == described & fields
    assert described <= fields, "it describes a setting that is not there"


def test_every_field_of_a_training_run_is_there() -> None:
    assignments = [
        code for page in ("docs/reproducing.md", "docs/synthetic.md") for code in INLINE.findall(pages()[page])
    ]
    named = {match[1] for code in assignments if (match := re.fullmatch(r"([a-z][\w.]*)=[\w.]+", code))}
    assert len(named) >= 6
    named -= {"key"}  # `key=value`, the form of all
    assert [name for name in named if not is_field(name.split("."), TrainConfig)] == []


def test_every_key_is_one_of_the_window() -> None:
    keys = {key for command in COMMANDS for key in command.keys}
    named = {
        key
        for text in pages().values()
        for key in re.findall(
            r"(?<![\w`-])((?:(?:Ctrl|Shift|Alt)\+)+[A-Z0-9,](?![a-z])|F\d{1,2})\b", FENCE.sub("", text)
        )
    }
    assert {"Ctrl+Z", "F1"} <= named
    assert sorted(named - keys) == []


def test_the_table_of_keys_is_true() -> None:
    table = pages()["docs/using.md"].partition("| key |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.split("\n")[2:]]
    assert len(rows) >= 6
    for names, results, *player in rows:
        for name in names.split(", "):
            scopes = {command.scope for command in COMMANDS if name in command.keys}
            assert not results or scopes & {Scope.RESULTS, Scope.WINDOW}, name
            assert not any(player) or Scope.PLAYER in scopes, name


def test_every_word_of_the_window_is_one_that_it_shows() -> None:
    tree = ET.parse(ROOT / "resources" / "translations" / "cret_desktop_de.ts")
    shown = {(source.text or "").replace("&", "").rstrip("…") for source in tree.iter("source")}
    named = [
        (page, word.strip(" …"))
        for page in WINDOW_PAGES
        for words in re.findall(r"\*\*([^*]+)\*\*", pages()[page])
        for word in words.replace("\n", " ").split("→")
        if not re.search(r"\+|^An? ", word)  # keys, and sentences that begin with their subject
    ]
    assert len(named) >= 6
    assert [f"{page}: {word}" for page, word in named if word not in shown] == []


def test_the_changelog_is_by_version() -> None:
    page = pages()["CHANGELOG.md"]
    versions = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert versions[0] == "Unreleased"
    dated = [re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d", version) for version in versions[1:]]
    released = [match[1] for match in dated if match]
    assert len(released) == len(dated) >= 1
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] in released
    kinds = set(re.findall(r"^### (.+)$", page, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_first_change_is_about_the_code_as_it_is() -> None:
    page = pages()["CONTRIBUTING.md"]
    before, *_ = re.findall(r"```python\n(.+)\n```", page)
    assert before in sources()["cret_desktop/gui/settings/shortcuts.py"]
    (added,) = re.findall(r"def (test_\w+)", page)
    written = "\n".join(sources().values())
    named = set(re.findall(r"`(test_\w+)`", page)) - {added}
    assert len(named) >= 2
    assert [name for name in named if f"def {name}(" not in written] == []
