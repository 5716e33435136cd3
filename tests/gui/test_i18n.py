"""Every word that is shown can be translated, German has no gaps, and what is shipped is what was translated."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import QCoreApplication, QLocale, QTranslator
from PySide6.QtWidgets import QApplication, QDialogButtonBox
from pytestqt.qtbot import QtBot

from cret_desktop import app, paths
from cret_desktop.app import build_application
from cret_desktop.engine.client import EngineConfig
from cret_desktop.gui.appearance import formatting, i18n
from cret_desktop.gui.settings.preferences import Preferences
from cret_desktop.gui.settings.shortcuts import COMMANDS
from cret_desktop.gui.shell.menus import MENUS
from cret_desktop.settings import Settings

ROOT = Path(app.__file__).parent.parent
GUI = ROOT / "cret_desktop" / "gui"
GERMAN = paths.resource("translations", "cret_desktop_de.ts")
TRANSLATING = {"tr", "translate", "QT_TRANSLATE_NOOP"}
# Methods whose first words a person sees.
SHOWING = {
    "QAction", "QCheckBox", "QLabel", "QPushButton", "addAction", "addButton", "addMenu", "setAccessibleDescription",
    "setAccessibleName", "setPlaceholderText", "setStatusTip", "setText", "setTitle", "setToolTip", "setWindowTitle",
}  # fmt: skip


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translations", ROOT / ".ci" / "translations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _messages(ts: Path) -> Iterator[tuple[str, str, list[str], bool]]:
    """Context, source, translation in each of its forms, and whether it counts something."""
    for context in ET.parse(ts).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            assert translation is not None
            forms = [form.text or "" for form in translation.iter("numerusform")] or [translation.text or ""]
            yield context.findtext("name", ""), message.findtext("source", ""), forms, message.get("numerus") == "yes"


def _calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Every call in the window's sources, with where it stands and the name that is called."""
    for path in sorted(GUI.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                yield f"{path.name}:{node.lineno}", node, name


def test_lupdate_finds_nothing_new(tmp_path: Path) -> None:
    """`make translations` would change nothing."""
    copy = tmp_path / GERMAN.name
    shutil.copy(GERMAN, copy)
    _script().update(copy)
    assert list(_messages(copy)) == list(_messages(GERMAN)), "run `make translations`"


def test_every_word_handed_to_a_translator_is_one_that_lupdate_can_read() -> None:
    known = {source for _, source, _, _ in _messages(GERMAN)}
    unread = []
    for place, call, name in _calls():
        if name not in TRANSLATING:
            continue
        text = call.args[0 if name == "tr" else 1]
        if isinstance(text, ast.Attribute | ast.Name):
            continue  # words of a table, which are read where they stand
        if not (isinstance(text, ast.Constant) and text.value in known):
            unread.append(f"{place}: {ast.unparse(text)}")
    assert unread == []


def test_no_words_are_shown_that_cannot_be_translated() -> None:
    untranslated = [
        f"{place}: {argument.value!r}"
        for place, call, name in _calls()
        if name in SHOWING
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and re.search("[A-Za-z]{2}", argument.value)
    ]
    assert untranslated == []


def test_german_has_no_gaps() -> None:
    assert _script().gaps(GERMAN) == []


def test_placeholders_are_the_same() -> None:
    pattern = re.compile(r"\{\w*\}|%n")
    for context, source, forms, counts in _messages(GERMAN):
        for form in forms:
            assert sorted(pattern.findall(form)) == sorted(pattern.findall(source)), (context, source)
        assert len(forms) == (2 if counts else 1), (context, source)
        assert counts == ("%n" in source), (context, source)
        assert all(form.endswith("\u2026") == source.endswith("\u2026") for form in forms), (context, source)
        assert all(("&" in form) == ("&" in source) for form in forms), (context, source)


def test_german_is_neutral_and_typeset() -> None:
    for context, source, forms, _ in _messages(GERMAN):
        for form in forms:
            assert not re.search(
                r"\b(Sie|Ihr|Ihre|Ihren|Ihrem|du|dein|deine)\b[^{]*\b(können|haben|möchten|kannst|hast)\b", form
            )
            assert not re.search('["\u201d]', form), (context, source)


def test_what_is_shipped_is_what_was_translated(tmp_path: Path, qapp: QApplication) -> None:
    copy = tmp_path / GERMAN.name
    shutil.copy(GERMAN, copy)
    _script().release(copy)
    assert copy.with_suffix(".qm").read_bytes() == GERMAN.with_suffix(".qm").read_bytes(), "run `make translations`"


def test_mnemonics_of_a_german_menu_differ() -> None:
    german = {(context, source): forms[0] for context, source, forms, _ in _messages(GERMAN)}
    words = {command.id: german["shortcuts", command.words] for command in COMMANDS}
    letters = {menu: [words[id].partition("&")[2][:1].lower() for id in ids if id] for menu, ids in MENUS}
    letters["the menu bar"] = [german["menus", menu].partition("&")[2][:1].lower() for menu, _ in MENUS]
    doubled = {menu: [a for a in found if a and found.count(a) > 1] for menu, found in letters.items()}
    assert {menu: found for menu, found in doubled.items() if found} == {}


@pytest.fixture
def german(qapp: QApplication) -> Iterator[None]:
    translators = i18n.install(qapp, "de")
    assert len(translators) == 2
    yield
    i18n.remove(qapp, translators)
    QLocale.setDefault(QLocale.system())


def test_the_window_speaks_german(german: None, qtbot: QtBot) -> None:
    assert (formatting.videos(1), formatting.videos(1234)) == ("1 Video", "1234 Videos")
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    qtbot.addWidget(buttons)
    assert buttons.button(QDialogButtonBox.StandardButton.Cancel).text() == "Abbrechen", "Qt's own words as well"


def test_the_language_is_the_systems_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert i18n.available() == ["en", "de"]
    for languages, found in [(["fr-FR", "de-AT"], "de"), (["en-GB", "de"], "en"), (["fr"], "en"), ([], "en")]:
        monkeypatch.setattr(QLocale, "uiLanguages", lambda _self, languages=languages: languages)
        assert i18n.chosen("system") == found
    assert i18n.chosen("de") == "de"
    assert i18n.chosen("tlh") == "en"


def test_a_german_window_goes_back_when_it_closes(qapp: QApplication, tmp_path: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library")
    application = build_application([], config, Preferences(Settings(language="de")))
    assert application.window.menuBar().actions()[0].text() == "&Bibliothek"
    application.close_and_wait()
    application.window.deleteLater()
    application.deleteLater()
    assert QCoreApplication.translate("menus", "&Library") == "&Library"
    assert qapp.findChildren(QTranslator) == [] or QCoreApplication.translate("formatting", "Weak") == "Weak"
    QLocale.setDefault(QLocale.system())
