"""The catalog of messages: loads the wording of each language and inserts a message's parameters.

A template is a sentence with `{name}` or, for a number, `{name:.1f}`. Rendering never raises, so that displaying an
error cannot cause another one. A defect of a message (an unknown code, a missing parameter) is logged and shown.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter

from cret_desktop.messages.message import Message

log = logging.getLogger(__name__)

SOURCE = "en"  # the language that all others fall back to
_FOLDER = Path(__file__).parent
_DECIMAL_COMMA = frozenset({"de"})


def languages() -> list[str]:
    """Return the codes of the languages in the catalog, the source language first."""
    return sorted((path.stem for path in _FOLDER.glob("*.toml")), key=lambda language: (language != SOURCE, language))


def codes(language: str = SOURCE) -> frozenset[str]:
    """Return every code with a wording in this language."""
    return frozenset(_templates(language))


def template(code: str, language: str = SOURCE) -> str:
    """Return the wording of a code from the catalog. Raises: KeyError."""
    return _templates(language)[code]


def placeholders(text: str) -> frozenset[str]:
    """Return the names of the parameters in a template. Raises: ValueError for unmatched braces."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def render(message: Message, language: str = SOURCE) -> str:
    """Return a message as a sentence in a language; in the source language if the catalog lacks that one.

    A nested message is rendered as a part of the sentence, without its full stop.
    """
    templates = _templates(language if language in languages() else SOURCE)
    wording = templates.get(message.code)
    if wording is None:
        log.error("no message has the code %s", message.code)
        values = ", ".join(f"{name}={_shown(value, '', language)}" for name, value in message.params.items())
        return _filled(templates["message.unknown"], {"code": message.code, "values": values}, language)
    return _filled(wording, message.params, language)


def _filled(wording: str, params: Mapping[str, str | int | float | Message], language: str) -> str:
    parts = []
    for words, name, spec, _ in Formatter().parse(wording):
        parts.append(words)
        if name is None:
            continue
        if name in params:
            parts.append(_shown(params[name], spec or "", language))
        else:
            log.error("a message lacks its parameter %s: %s", name, wording)
            parts.append(f"{{{name}}}")
    return "".join(parts)


def _shown(value: str | int | float | Message, spec: str, language: str) -> str:
    if isinstance(value, Message):
        return render(value, language).removesuffix(".")
    if isinstance(value, str):
        return value
    try:
        text = format(value, spec)
    except (ValueError, OverflowError):
        text = str(value)
    return text.replace(".", ",") if language in _DECIMAL_COMMA else text


@cache
def _templates(language: str) -> Mapping[str, str]:
    with (_FOLDER / f"{language}.toml").open("rb") as file:
        sections = tomllib.load(file)
    return {f"{section}.{name}": words for section, found in sections.items() for name, words in found.items()}
