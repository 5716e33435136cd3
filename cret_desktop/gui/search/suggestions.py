"""Suggestions for the word that is being typed: operators, and the values of an operator.

Pure: text and vocabulary in, suggestions out. This module never decides what is searched.
"""

from __future__ import annotations

from dataclasses import dataclass

from cret_desktop.gui.appearance import formatting
from cret_desktop.gui.search.operators import choices, operator_words
from cret_desktop.library.searching import query

MOST = 8


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The folders (paths) and tags of this library."""

    folders: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` replaces the typed text from `start` to the cursor. `hint` explains it; `whole`: it includes a value."""

    text: str
    hint: str
    start: int
    whole: bool


def suggest(before: str, vocabulary: Vocabulary) -> list[Suggestion]:
    """Return the suggestions for the text before the cursor; none within plain words."""
    start = _word_start(before)
    word = before[start:]
    sign = "-" if word.startswith("-") else ""
    name, colon, typed = word[len(sign) :].partition(":")
    if colon and name in query.OPERATORS:
        typed = typed.strip('"').casefold()
        found = [
            Suggestion(query.operator_text(name, value, bool(sign)), hint, start, True)
            for value, hint, names in _values(name, vocabulary)
            if any(candidate.casefold().startswith(typed) for candidate in names)
        ]
    elif not colon and len(name) > 1:  # "in" and "is" are common words, so complete names are not offered
        found = [
            Suggestion(f"{sign}{operator}:", operator_words(operator), start, False)
            for operator in query.OPERATORS
            if operator.startswith(name) and operator != name
        ]
    else:
        found = []
    return [suggestion for suggestion in found if suggestion.text != word][:MOST]


def _values(operator: str, vocabulary: Vocabulary) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the values of an operator: the value, a hint, and the texts that match it when typed."""
    if operator == "tag":
        return [(tag, "", (tag,)) for tag in vocabulary.tags]
    if operator == "in":
        return [
            (folder, formatting.file_name(folder), (formatting.file_name(folder), folder))
            for folder in vocabulary.folders
        ]
    return [(value, hint, (value, hint)) for value, hint in choices(operator)]


def _word_start(before: str) -> int:
    """Return the start of the last word; spaces inside quotes do not end one."""
    start, quoted = 0, False
    for position, letter in enumerate(before):
        if letter == '"':
            quoted = not quoted
        elif letter.isspace() and not quoted:
            start = position + 1
    return start
