"""What the commands print: a line is a line and no name is a command, whatever files, tags and models are called."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cret_desktop
from cret_desktop import cli
from cret_desktop.cli import examine, export, index, search, terminal
from cret_desktop.cli.terminal import Terminal, cell
from cret_desktop.domain.clips import Match, Moment, Reason
from cret_desktop.engine import protocol
from cret_desktop.errors import UsageError
from cret_desktop.foreign import read_json, visible
from cret_desktop.library.indexing.progress import IndexTotals
from cret_desktop.messages import Message

HOSTILE = "a\x1b]0;title\x07\n\rTotal: 0 failed\x9b2J\u202egpj.\u2028\udcff[red]x[/red].mp4"
names = st.text() | st.text(st.sampled_from("a\n\r\x1b\x07\x9b\u202e\u2028\udcff[]/\\x")) | st.just(HOSTILE)


def lines_of(prints: Callable[[Terminal], object]) -> list[str]:
    written = io.StringIO()
    prints(Terminal(file=written, soft_wrap=True, highlight=False))
    return written.getvalue().split("\n")


@given(names)
def test_what_is_said_is_one_line_that_commands_nothing(name: str) -> None:
    first, *rest = lines_of(lambda to: to.say(f"cret-desktop: {name} is not there."))
    assert rest == [""]
    assert first == visible(f"cret-desktop: {name} is not there.")
    assert first.isprintable()


@given(names.filter(lambda name: not name.endswith("\\")))  # one at the end is escaped for what may follow
def test_a_cell_is_no_markup(name: str) -> None:
    assert lines_of(lambda to: to.print(cell(name), end="")) == [visible(name)]


def answer(name: str) -> protocol.SearchAnswer:
    moment = Moment(1, 1, f"/{name}", 0.0, 1.0, 1.0, 1.0, Match.STRONG, (), 0, (Reason("tag", name),))
    return protocol.SearchAnswer(name, name, 1.0, (moment,), True, {})


def status(name: str) -> protocol.LibraryStatus:
    folder = protocol.Folder(f"/{name}", 1, 1, 0, 0, False)
    return protocol.LibraryStatus(name, name, (folder,), 1, 1, 1.0, 0, 0, False, False)


def told(name: str) -> protocol.IndexFinished:
    totals = IndexTotals(1, 1, 1.0, 1, 0, 1.0, 1, False, offline=(f"/{name}",), unsettled=(f"/{name}",))
    return protocol.IndexFinished(totals, Message("library.read-only", library=name), 5)


class Engine:
    """Answers the requests of `status`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None: ...

    def request(self, body: protocol.Request[Any]) -> Any:
        failed = (protocol.FailedFile(f"/{self._name}", Message("reason.said", text=f"{self._name} is damaged.")),)
        value = status(self._name) if isinstance(body, protocol.GetStatus) else failed
        return type("Future", (), {"result": lambda self: value})()


COMMANDS: dict[str, Callable[[str], object]] = {
    "search": lambda name: search._print_answer(answer(name), 5),
    "index": lambda name: index.report(told(name), as_json=False),
    "status": lambda name: examine.status(failures=True),
}


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=30, deadline=None)
@given(name=names.filter(bool))
def test_no_name_adds_a_line_to_a_command(command: str, name: str) -> None:
    def printed(called: str) -> list[str]:
        written = io.StringIO()
        to = Terminal(file=written, soft_wrap=True, highlight=False, width=10_000)
        with pytest.MonkeyPatch.context() as patch:
            for module in (search, index, examine, terminal):
                for stream in ("out", "err"):
                    patch.setattr(module, stream, to, raising=False)
            patch.setattr(examine, "reading", lambda *_: Engine(called))
            COMMANDS[command](called)
        return written.getvalue().split("\n")

    plain, hostile = printed("name"), printed(name)
    assert len(hostile) == len(plain)
    assert all(line.isprintable() for line in hostile)


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(cli, "err", Terminal(file=written, soft_wrap=True, highlight=False))
    assert cli.run(["export", "csv", HOSTILE.replace("\0", "")]) == 2
    first, *rest = written.getvalue().split("\n")
    assert rest == [""]
    assert first.isprintable()


def test_commands_print_names_by_say_and_cell_alone() -> None:
    """`print` takes words and numbers of our own, and tables, whose cells were made by `cell`."""
    own = {
        "paths.version()", "what:<28", "count", "parts", "found.files", "found.clips", "clock(found.seconds)",
        "found.pending", "found.failed", "totals.files", "totals.clips", "clock(totals.video_seconds)",
        "totals.wall_seconds:.1f", "totals.skipped", "totals.failed", "answer.took_ms:.0f", "steps", "table",
        "escape(error.details)", "_NAMES[kind]:<16",
    }  # fmt: skip
    printed = set()
    for path in (Path(cret_desktop.__file__).parent / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("out.print", "err.print"):
                for argument in node.args:
                    for value in ast.walk(argument):
                        if isinstance(value, ast.FormattedValue):
                            form = ast.unparse(value.format_spec)[2:-1] if value.format_spec else ""
                            printed.add(ast.unparse(value.value) + (f":{form}" if form else ""))
                    if not isinstance(argument, ast.Constant | ast.JoinedStr):
                        printed.add(ast.unparse(argument))
    assert printed - own == set()


# --- what other programs give ---------------------------------------------------------------------------------------


GOOD = {"results": [{"path": "/v/a.mp4", "start": 1, "end": 2.5}]}


def moments_of(tmp_path: Path, text: str) -> tuple[protocol.Passage, ...]:
    source = tmp_path / "answers.jsonl"
    source.write_text(text, encoding="utf-8", errors="surrogatepass")
    return export._found_passages(source)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000, "9" * 5000, "null", "[]", '{"results": 3}', '{"results": [3]}', '{"results": [{}]}', "\ud800",
        '{"results": [], "results": []}',
        *(
            json.dumps({"results": [GOOD["results"][0] | wrong]})
            for wrong in (
                {"path": 3}, {"path": ""}, {"path": "a\0"}, {"path": "\ud800"}, {"start": float("nan")},
                {"end": float("inf")},
                {"start": "1"}, {"start": None}, {"start": -1}, {"end": 0}, {"end": 10**400}, {"end": 1e300},
                {"start": True, "end": []},
            )
        ),
    ],
    ids=lambda text: text[:60],
)  # fmt: skip
def test_answers_that_are_none_are_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        UsageError, match=r"^[ -~]*answers\.jsonl does not contain the output of `cret-desktop search --json`"
    ):
        moments_of(tmp_path, text)


def test_answers_that_are_some_are_read(tmp_path: Path) -> None:
    assert moments_of(tmp_path, json.dumps(GOOD)) == (protocol.Passage("/v/a.mp4", 1.0, 2.5),)


@given(st.binary() | st.text() | st.recursive(st.none() | st.floats() | st.integers(), st.lists).map(json.dumps))
def test_foreign_json_is_a_value_or_a_reason(content: bytes | str) -> None:
    reason = "a value"
    try:
        read_json(content)
    except ValueError as error:
        reason = str(error)
    assert reason
