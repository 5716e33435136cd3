"""What the engine says is known again by its wording: the table agrees with the source, and values are carried over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from PySide6.QtWidgets import QApplication

import cret_desktop
from cret_desktop.engine.protocol import EngineLost, FailedFile, IndexFinished
from cret_desktop.errors import PathError, StorageError
from cret_desktop.gui import i18n, sentences
from cret_desktop.gui.engine_bridge import _in_words, _translated
from cret_desktop.gui.library.failures_dialog import FailuresModel
from cret_desktop.library.progress import IndexTotals
from cret_desktop.messages import Message

NO_VIDEO = "This is not a video: its content is of no known video format, or badly damaged."


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    translators = i18n.install(qapp, "de")
    yield
    i18n.remove(qapp, translators)


def _plain(template: str) -> str:
    return "".join(words + ("{}" if name is not None else "") for words, name, _, _ in Formatter().parse(template))


def _said() -> set[str]:
    """Every string in the source below the window, values taken out."""
    root = Path(cret_desktop.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        if "gui" in path.relative_to(root).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(v.value if isinstance(v, ast.Constant) else "{}" for v in node.values))
    return found


def test_the_engine_says_every_sentence_of_the_table() -> None:
    said = _said()
    assert [template for template in sentences.TEMPLATES if _plain(template) not in said] == []


def test_each_sentence_is_known_by_its_own_template() -> None:
    """None is taken for a more general one before it."""
    for template in sentences.TEMPLATES:
        sentence = re.sub(r"\{(\w+)\}", r"<\1>", template)
        assert next(t for t, pattern in sentences._patterns() if pattern.fullmatch(sentence)) == template
        assert sentences.told(sentence) == sentence, "English stays as it is"


@pytest.mark.parametrize("sentence", ["", "Something new.", "The file is empty"])
def test_what_is_not_known_is_shown_as_it_came(german: None, sentence: str) -> None:
    assert sentences.told(sentence) == sentence


def test_values_are_carried_over_as_they_are(german: None) -> None:
    path = "/videos/{a} (b).*\nc. Check the name, or plug in its drive"
    shown = sentences.told(f"There is no file or folder {path}. Check the name, or plug in its drive.")
    assert path in shown
    assert "There is" not in shown


def test_errors_events_and_failures_speak_german(german: None, qapp: QApplication) -> None:
    error = _translated(PathError("The video has left the library."))
    assert isinstance(error, PathError)
    assert "left the library" not in str(error)
    lost = _in_words(EngineLost("The search engine stopped (exit code -9) and is restarting.", False))
    assert isinstance(lost, EngineLost)
    assert "-9" in lost.message
    assert "search engine" not in lost.message
    totals = IndexTotals(0, 0, 0.0, 0, 0, 0.0, 0, False)
    ended = _in_words(IndexFinished(totals, "The library /a is open for reading only."))
    assert isinstance(ended, IndexFinished)
    assert "/a" in ended.error
    assert "open for" not in ended.error
    model = FailuresModel((FailedFile("/videos/a.mp4", NO_VIDEO),))
    assert model.index(0, 1).data().startswith("Das ist kein Video")


def test_an_error_with_a_code_needs_no_table(german: None) -> None:
    error = _translated(StorageError("demo.not-written", folder="/a", reason=Message("os.disk-full")))
    expected = "Die Demo-Clips können nicht nach /a geschrieben werden: kein Platz mehr auf dem Datenträger."
    assert i18n.said(error) == expected


def test_the_catalogs_sentences_are_known_by_their_wording(german: None) -> None:
    shown = sentences.told("The folder cannot be listed: permission denied.")
    assert shown == "Der Inhalt des Ordners lässt sich nicht lesen: Zugriff verweigert."
    older = "The file is damaged or incomplete: it could be read up to 12 s only."
    assert "12 s" in sentences.told(older)
    assert "damaged" not in sentences.told(older)


def test_a_value_may_be_empty(german: None) -> None:
    said = "The library /a is being changed by another program. Wait until it is done or close it; searching works "
    assert "Bibliothek /a" in sentences.told(said + "meanwhile.")
