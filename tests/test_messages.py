"""Messages: the catalog agrees with the source in every language, and rendering never fails in front of a person."""

from __future__ import annotations

import ast
import errno
import inspect
import json
import os
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cret_desktop
import training
from cret_desktop import errors, foreign, messages
from cret_desktop.errors import CretError
from cret_desktop.foreign import Unusable
from cret_desktop.messages import CODE, Message, recognise, recognition, render

PACKAGES = [Path(package.__file__ or "").parent for package in (cret_desktop, training)]
# What the code that builds a message from others' parts fills in by itself.
BUILT_IN = {"message.unknown"}
ENGLISH = """
    a an and are be because been but by can cannot could does file folder for from has have if is it its not of only
    or other should that the their there they this to too use used was were which with without wrong you your
""".split()
# English words that German has, too, or that stand in a command or a name.
ALSO_GERMAN = {"an", "has", "war", "was"}


@dataclass(frozen=True)
class Call:
    place: str
    code: str
    params: frozenset[str]


def _makers() -> set[str]:
    """The names that make a message when they are called with a code: CretError and all below it, in any module."""
    classes = [node for _, module in _sources() for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    found = {"Message", "CretError"}
    while True:
        more = {node.name for node in classes if found & {ast.unparse(base).split(".")[-1] for base in node.bases}}
        if more <= found:
            return found
        found |= more


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            yield path.relative_to(package.parent).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


@cache
def _calls() -> tuple[list[Call], list[str]]:
    """Every code that the source says, and every place that says something else than a code or a message."""
    makers, found, plain = _makers(), [], []
    for place, module in _sources():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name not in makers or not node.args:
                continue
            where = f"{place}:{node.lineno}"
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                if CODE.fullmatch(first.value):
                    params = frozenset(keyword.arg or "**" for keyword in node.keywords)
                    found.append(Call(where, first.value, params))
                else:
                    plain.append(f"{where}: {first.value}")
            elif isinstance(first, ast.JoinedStr | ast.BinOp | ast.IfExp):
                plain.append(f"{where}: {ast.unparse(first)}")
    return found, plain


def test_every_language_has_the_same_codes() -> None:
    assert messages.languages() == ["en", "de"]
    for language in messages.languages():
        assert messages.codes(language) == messages.codes(), language


def test_every_code_that_the_source_says_has_its_message_with_those_parameters() -> None:
    calls, _ = _calls()
    assert len(calls) > 400
    for language in messages.languages():
        for call in calls:
            assert call.code in messages.codes(language), f"{call.place}: no message {call.code} in {language}"
            named = messages.placeholders(messages.template(call.code, language))
            assert named == call.params, f"{call.place}: {call.code} in {language}"


def test_every_message_is_said_somewhere() -> None:
    said = {call.code for call in _calls()[0]} | BUILT_IN
    assert sorted(messages.codes() - said) == []


def test_no_error_is_raised_with_a_sentence_of_its_own() -> None:
    assert _calls()[1] == []


@pytest.mark.parametrize("language", messages.languages())
def test_what_is_a_sentence_is_one_in_every_language(language: str) -> None:
    for code in messages.codes(language):
        words = messages.template(code, language)
        assert words == words.strip(), code
        assert not words.endswith(".."), code
        assert words.endswith(".") == messages.template(code).endswith("."), f"{code}: sentence or part of one?"


def test_no_english_is_left_inside_of_a_german_message() -> None:
    wanted = set(ENGLISH) - ALSO_GERMAN
    for code in messages.codes("de"):
        words = messages.template(code, "de")
        own = re.sub(r"`[^`]*`|\{\w*[^}]*\}|“[^”]*”|https?://\S*|(?<!\w)--\w[\w-]*", " ", words)
        assert set(re.findall(r"[a-zäöüß]+", own.lower())) & wanted == set(), f"{code}: {words}"


def test_german_quotes_and_addresses_nobody() -> None:
    for code in messages.codes("de"):
        words = messages.template(code, "de")
        assert not re.search(r"[”’‘]", words), f"{code}: {words}"
        assert words.count("„") == words.count("“"), f"{code}: {words}"
        assert not re.search(r"\b(Ihr|Ihre|Ihren|Ihrem|Ihnen|du|dein|deine|deinen|dir|dich)\b", words), code


params = st.dictionaries(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
    st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=20),
        st.integers(),
        st.floats(),
        st.builds(Message, st.sampled_from(sorted(messages.codes()))),
    ),
    max_size=4,
)
any_message = st.builds(
    lambda code, params: Message(code, **params),
    st.one_of(st.sampled_from(sorted(messages.codes())), st.from_regex(CODE, fullmatch=True)),
    params,
)


@given(any_message)
def test_a_message_survives_json_and_pickle(message: Message) -> None:
    for copy in (Message.from_json(json.loads(json.dumps(message.to_json()))), pickle.loads(pickle.dumps(message))):
        assert copy == message
        assert hash(copy) == hash(message)
        assert render(copy) == render(message)


@given(any_message, st.sampled_from(["en", "de", "xx", ""]))
def test_rendering_never_fails(message: Message, language: str) -> None:
    text = render(message, language)
    if message.code not in messages.codes():
        assert message.code in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["code", "params", "x"]), inner),
    )
)
def test_json_that_is_no_message_is_refused(value: object) -> None:
    try:
        read = Message.from_json(value)
    except ValueError:
        return
    assert isinstance(value, dict)
    assert read.code == value["code"]


@pytest.mark.parametrize(
    "value",
    [{"code": ""}, {"code": "a.b\x1b[2J"}, {"code": "a.b\n"}, {"code": "a.b", "params": {"\u202e": 1}}, {"code": 3}],
)
def test_a_code_or_name_that_the_source_could_not_hold_is_refused(value: object) -> None:
    """Both may be shown where this version has no words for a code."""
    with pytest.raises(ValueError, match="message"):
        Message.from_json(value)


def test_messages_nested_without_end_are_refused() -> None:
    value: dict[str, object] = {"code": "reason.said"}
    for _ in range(100_000):
        value = {"code": "reason.said", "params": {"text": value}}
    with pytest.raises(ValueError, match="not a message"):
        Message.from_json(value)


def test_a_missing_parameter_and_an_unknown_code_are_shown_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert "{text}" in render(Message("reason.said"))
    assert "file.lost-sock" in render(Message("file.lost-sock", sock="left"))
    assert "left" in render(Message("file.lost-sock", sock="left"), "de")
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    caplog.clear()


def test_a_message_is_immutable_and_equal_by_value() -> None:
    one = Message("reason.said", text=Path("/a"))
    assert one == Message("reason.said", text="/a")
    assert one != Message("reason.said", text="/b")
    assert {one: 1}[Message("reason.said", text="/a")] == 1
    with pytest.raises(AttributeError):
        one._code = "other.code"
    one.params["text"] = "changed"  # type: ignore[index]
    assert one.params == {"text": "/a"}


def test_numbers_are_written_as_the_language_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    templates = {"x.x": "{number:.1f} of {most} in {file}"}
    monkeypatch.setattr("cret_desktop.messages.catalog._templates", lambda language: templates)
    message = Message("x.x", number=2.25, most=1000, file="a.mp4")
    assert render(message, "en") == "2.2 of 1000 in a.mp4"
    assert render(message, "de") == "2,2 of 1000 in a.mp4"


def test_a_text_is_changed_inside_of_reasons_too() -> None:
    inner = Message("reason.said", text="/theirs/config.json")
    outer = Message("reason.other", kind="/theirs", text=inner)
    changed = outer.mapped(lambda text: text.replace("/theirs", "/mine"))
    assert changed == Message("reason.other", kind="/mine", text=Message("reason.said", text="/mine/config.json"))


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, CretError)]
)
def test_errors_keep_their_message_and_status_through_a_pipe(kind: type[CretError]) -> None:
    error = kind("reason.said", text="what was said")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.message, copy.exit_status) == (error.message, error.exit_status)
    assert str(error) == "what was said"
    assert str(kind(Message("reason.kind", kind="x"))) == "x"


def _system(kind: type[OSError], number: int) -> OSError:
    return kind(number, os.strerror(number), "/a")


@pytest.mark.parametrize(
    ("error", "said", "german"),
    [
        (_system(PermissionError, errno.EACCES), "permission denied", "Zugriff verweigert"),
        (_system(OSError, errno.ENOSPC), "no space left on device", "kein Platz mehr auf dem Datenträger"),
        (OSError(errno.EINVAL, "x.jpg is no regular file"), "x.jpg is no regular file", "„x.jpg is no regular file“"),
        (OSError("gone\n"), "gone", "„gone“"),
        (RecursionError(), "it is nested too deeply", "es ist zu tief verschachtelt"),
        (KeyError("k"), "KeyError: 'k'", "KeyError: „'k'“"),
        (KeyError(), "KeyError", "KeyError"),
        (ValueError("no\x1b[2J"), "no\ufffd[2J", "„no\ufffd[2J“"),
        (CretError("reason.not-utf8"), "it is not text in UTF-8", "es ist kein Text in UTF-8"),
        (
            Unusable(Message("reason.number", number="inf")),
            "inf is not a number that can be used",
            "inf ist keine brauchbare Zahl",
        ),
    ],
)
def test_others_errors_become_messages(error: Exception, said: str, german: str) -> None:
    message = foreign.reason_of(error)
    assert render(message) == said
    assert render(message, "de") == german


def test_json_that_is_broken_says_where() -> None:
    for text, said in (
        ("{", "line 1, column 2"),
        ("[1e999]", "1e999 is not"),
        (b"\xff", "UTF-8"),
        ("[" * 10**5, "deeply"),
    ):
        with pytest.raises(ValueError, match=r"^[^\n]+") as raised:
            foreign.read_json(text)
        assert said in render(foreign.reason_of(raised.value))


def test_the_systems_words_are_its_own() -> None:
    """A sentence that was built of the system's words (by an older version) is known again."""
    for number, message in foreign._SYSTEM.items():
        if number > 0 and os.strerror(number).isascii() and os.name == "posix":
            assert render(message) == os.strerror(number).lower()


@pytest.mark.parametrize("code", sorted(messages.codes()))
def test_a_sentence_is_known_again_by_its_wording(code: str) -> None:
    words = messages.template(code)
    if words.endswith(".") and recognition.is_stored(code):
        params = {name: f"<{name}>" for name in messages.placeholders(words)}
        assert recognise(render(Message(code, **params))) == Message(code, **params)


def test_sentences_of_older_versions_are_known() -> None:
    for words, code in recognition.FORMER.items():
        params = dict.fromkeys(messages.placeholders(words), "3")
        assert recognise(words.format(**params)) == Message(code, **params)
        assert messages.placeholders(messages.template(code)) == set(params)
        assert messages.template(code) != words


def test_a_reason_inside_of_a_sentence_is_known_too() -> None:
    read = recognise("The folder cannot be listed: permission denied.")
    assert read == Message("file.folder-not-listed", reason=Message("os.permission-denied"))
    assert recognise("The file cannot be opened: unheard of.") == Message("file.not-opened", reason="unheard of")


def test_what_no_message_says_is_not_recognised() -> None:
    assert recognise("Nobody has ever said this.") is None
    assert recognise("") is None
    assert recognise("x" * 10**6) is None
