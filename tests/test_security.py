"""What the whole package never does: unpickle, use a shell, build SQL of what people type, render names as markup."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from cret_desktop.cli.terminal import Terminal

PACKAGE = Path(__file__).parents[1] / "cret_desktop"
GUI = PACKAGE / "gui"


@cache
def modules(folder: Path = PACKAGE) -> list[tuple[str, ast.Module]]:
    paths = sorted(folder.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def calls(folder: Path = PACKAGE) -> Iterator[tuple[str, str, ast.Call]]:
    """Every call: the module, the function's last name, the call."""
    for module, tree in modules(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield module, ast.unparse(node.func).rpartition(".")[2], node


def keyword(call: ast.Call, name: str) -> str:
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), "")


def found(fits: Callable[[str, ast.Call], bool], folder: Path = PACKAGE) -> list[str]:
    return [f"{module}:{call.lineno} {ast.unparse(call)}" for module, name, call in calls(folder) if fits(name, call)]


# --- pickle, and other ways to run what a file holds ----------------------------------------------------------------


def test_nothing_that_unpickles_is_imported() -> None:
    imported = []
    for module, tree in modules():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported += [(module, name) for name in names if name in {"pickle", "marshal", "shelve", "dill", "joblib"}]
    assert imported == [("model/checkpoint.py", "pickle")]  # for the name of the error that torch.load raises


def test_what_could_unpickle_or_run_is_told_not_to() -> None:
    running = {"eval", "exec", "compile", "__import__"}
    assert found(lambda name, call: isinstance(call.func, ast.Name) and name in running) == []
    assert found(lambda _, call: keyword(call, "allow_pickle") not in ("", "False")) == []
    loads = [call for _, _, call in calls() if ast.unparse(call.func) == "torch.load"]
    # Of an installed package only (`checkpoint.locate`): the tensors of the starter's network.
    assert [keyword(call, "weights_only") for call in loads] == ["True"]


def test_no_pipe_unpickles() -> None:
    """`recv` unpickles, `recv_bytes` does not."""
    assert found(lambda name, call: name == "recv" and not call.args) == []  # a socket's has a size


# --- shells ---------------------------------------------------------------------------------------------------------


def test_no_shell() -> None:
    shells = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "QProcess.startCommand"}
    assert found(lambda _, call: ast.unparse(call.func) in shells or keyword(call, "shell") not in ("", "False")) == []


def test_programs_are_started_with_a_list_of_arguments() -> None:
    def is_line(name: str, call: ast.Call) -> bool:
        if ast.unparse(call.func).startswith("subprocess."):
            return not isinstance(call.args[0], ast.List)
        return name == "startDetached" and len(call.args) < 2

    assert found(is_line) == []


# --- SQL ------------------------------------------------------------------------------------------------------------

# What is put together into statements, beside constants: names of columns and tables, question marks, conditions made
# of question marks (`storage.sqlite.filters`). A new one belongs here once somebody has seen where it comes from.
SQL_PARTS = {
    "', '.join('?' * len(names))", "', '.join(columns)", "', '.join(found)", "', '.join(names)",
    "','.join('?' * len(ids))", "','.join('?' * len(part))", "APPLICATION_ID", "BEHIND", "CLIP_COLUMNS",
    "FILE_COLUMNS", "GRAPH_COLUMNS", "INDEXED", "IS_ANNOTATED", "LONGEST_PRINT", "PENDING", "PICTURES", "REASON",
    "STATE", "STEPS[number]", "WITH_PICTURES", "_AT_ONCE", "_IN_REACH", "_IS_FREE", "_OF_CLIPS",
    "_CONTENT_COLUMNS", "OF_CLIP", "OF_FILE", "_FROM", "_WEIGHTS", "_outdated(stage)",
    "_source(filters)", "chosen", "column", "columns", "condition", "direction", "has", "marks", "number + 1", "select",
    "source", "table", "wanted", "where.sql",
}  # fmt: skip


def test_statements_are_made_of_known_parts() -> None:
    def parts(call: ast.Call) -> Iterator[str]:
        for node in ast.walk(call.args[0]):
            if isinstance(node, ast.FormattedValue):
                yield ast.unparse(node.value)
            elif (
                isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod) and not inside_a_part(call, node)
            ):
                yield ast.unparse(node)

    def inside_a_part(call: ast.Call, node: ast.AST) -> bool:
        values = [value for value in ast.walk(call.args[0]) if isinstance(value, ast.FormattedValue)]
        return any(node in ast.walk(value) for value in values)

    executing = [call for _, name, call in calls() if name in ("execute", "executemany", "executescript") and call.args]
    assert len(executing) > 50
    assert {part for call in executing for part in parts(call)} - SQL_PARTS == set()


# --- paths ----------------------------------------------------------------------------------------------------------

# What is joined to a path below the window, beside constants. What a catalog names goes through `library_files`, which
# looks at it; a new one belongs here once somebody has seen where it comes from.
PATH_PARTS = {
    "engine/adoption.py kept",
    "engine/exports.py f'{stem}{addition}{suffix}'",
    "storage/sqlite/backup.py aside",
    "storage/sqlite/backup.py f'.{target.name}.unfinished'",
    "storage/sqlite/backup.py folder",
    "storage/sqlite/backup.py waiting",
    "storage/sqlite/catalog.py self.path.name + '-wal'",
    "storage/sqlite/migrations.py f'{path.stem}.v{version}.backup{path.suffix}'",
    "storage/sqlite/recovery.py f'{path.stem}.damaged-{moment}{path.suffix}'",
    "storage/sqlite/rows.py relative",  # a video's, seen by `beliefs`
    "storage/vectors/vector_index.py graph_file_name(self._model, generation)",
    "storage/vectors/vector_index.py manifest.file",  # seen by `rows.graph_manifest`
    "library/keeping/caches.py name",
    "library/indexing/looking.py name",  # a folder's own, while videos are looked for
    "library/indexing/volumes.py os.path.relpath(row.path, before)",
    "library/indexing/volumes.py root.within",
}
PLACES = re.compile(
    r"(^|[._])(library|folder|root|directory|place|path|scratch|target|unfinished|data|graphs|thumbnails|calibration"
    r"|settings|data_folder\(\))$"
)
JOINING = ("joinpath", "with_name", "with_suffix", "with_stem")


def joined_parts(tree: ast.Module) -> Iterator[ast.expr]:
    """What is put behind a path, by `/`, `os.path.join`, `Path` and the like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and PLACES.search(ast.unparse(node.left)):
            yield node.right
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.endswith("path.join") or called == "Path":
                yield from node.args[1:]
            elif called.rpartition(".")[2] in JOINING:
                yield from node.args


def is_constant(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) or (isinstance(part, ast.Name) and part.id.strip("_").isupper())


def test_paths_are_made_of_known_parts() -> None:
    found = {
        f"{module} {ast.unparse(part)}"
        for module, tree in modules()
        if module.split("/")[0] in ("engine", "library", "storage")
        for part in joined_parts(tree)
        if not is_constant(part)
    }
    assert found == PATH_PARTS


@pytest.mark.parametrize(
    "planted",
    [
        "self._folder / row.sprite",
        "os.path.join(thumbnails, clip.sprite)",
        "library.joinpath(name)",
        "Path(root, file)",
    ],
)
def test_a_path_that_is_joined_otherwise_is_found(planted: str) -> None:
    assert [ast.unparse(part) for part in joined_parts(ast.parse(planted)) if not is_constant(part)]


# --- markup ---------------------------------------------------------------------------------------------------------


def is_fixed(text: ast.expr) -> bool:
    """Whether these are words of our own, translated or not, with nothing put into them."""
    if isinstance(text, ast.IfExp):
        return is_fixed(text.body) and is_fixed(text.orelse)
    if isinstance(text, ast.Call) and ast.unparse(text.func).rpartition(".")[2] in ("tr", "translate"):
        return all(isinstance(argument, ast.Constant) for argument in text.args[:2])
    return isinstance(text, ast.Constant)


# Labels and tool tips that only ever say words of our own, though they are not written where they are made.
OUR_OWN = {
    "gui/shell/about_dialog.py title", "gui/shell/about_dialog.py self.versions", "gui/shell/drop_cover.py self._words",
    "gui/appearance/error_dialog.py (no name)", "gui/export/export_dialog.py about",
    "gui/library/failures_dialog.py heading",
    "gui/library/storage_dialog.py heading", "gui/library/storage_dialog.py caption",
    "gui/models/model_dialog.py self.purpose", "gui/models/model_dialog.py heading",
    "gui/playing/seek_bar.py self._words", "gui/settings/settings_dialog.py caption",
    "gui/shell/about_dialog.py updates.setToolTip", "gui/results/results_page.py self._sort_button.setToolTip",
    "gui/search/search_bar.py button.setToolTip", "gui/settings/shortcuts.py action.setToolTip",
    "gui/shell/tray.py self.icon.setToolTip",
}  # fmt: skip


@pytest.mark.parametrize("widget", ["QLabel", "QMessageBox"])
def test_labels_take_what_they_are_given_for_plain_text(widget: str) -> None:
    """A label guesses: a file named <img src=…> would be a picture."""
    guessing = []
    for module, tree in modules(GUI):
        source = ast.unparse(tree)
        nodes = list(ast.walk(tree))
        names = {id(n.value): ast.unparse(n.targets[0]) for n in nodes if isinstance(n, ast.Assign)}
        for call in nodes:
            if not isinstance(call, ast.Call) or ast.unparse(call.func) != widget:
                continue
            name = names.get(id(call), "(no name)")
            plain = (
                "PlainText" in keyword(call, "textFormat") or f"{name}.setTextFormat(Qt.TextFormat.PlainText)" in source
            )
            given = call.args[:1] if widget == "QLabel" else []
            if not plain and (f"{name}.setText(" in source or not all(is_fixed(text) for text in given)):
                guessing.append(f"{module} {name}")
    assert set(guessing) - OUR_OWN == set()


def test_tool_tips_are_escaped_or_words_of_our_own() -> None:
    given = [
        (f"{module} {ast.unparse(call.func)}", call.args[0])
        for module, name, call in calls(GUI)
        if name == "setToolTip"
    ]
    unknown = {place for place, text in given if not is_fixed(text) and "formatting.tooltip(" not in ast.unparse(text)}
    assert unknown - OUR_OWN == set()


# --- terminals ------------------------------------------------------------------------------------------------------


def test_a_name_cannot_command_the_terminal_or_end_the_command() -> None:
    for written in (io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        terminal = Terminal(file=written, force_terminal=True, soft_wrap=True, highlight=False)
        terminal.print("a\x1b]0;title\x07b\udce9c\u202ed.mp4", markup=False, style="bold")
        terminal.print("two\nlines")
        written.seek(0)
        text = written.read()
        assert "a\ufffd]0;titleb\ufffdc\ufffdd.mp4" in text
        assert text.startswith("\x1b[1m")  # the terminal's own commands are
        assert "two\nlines" in text
