"""Text and JSON that others wrote: names of files, files to import, output of other programs. Pure.

Nothing here trusts what it is given, and nothing raises other than it says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

MARK = "\ufffd"  # stands for a character that cannot be shown
_LONGEST_NUMBER = 20  # characters of a whole number: SQLite's and C's largest have 19
_LONGEST_REASON = 300


def visible(text: str, shown_as: Callable[[str], str] = lambda letter: MARK) -> str:
    """A text on one line, in which no character commands a terminal or hides another.

    Control characters, line breaks, marks of direction, and halves of characters are replaced by `shown_as` of them.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else shown_as(c) for c in text)


def escaped(letter: str) -> str:
    """A character as Python writes it in a string: \\n, \\x1b, \\u202e."""
    return letter.encode("unicode_escape").decode("ascii")


def why(error: BaseException) -> str:
    """What an error says, as the end of a sentence: short, on one line, without a full stop."""
    match error:
        case OSError(strerror=str() as words):
            reason = words.lower()
        case RecursionError():
            reason = "it is nested too deeply"
        case MemoryError():
            reason = "it takes more memory than there is"
        case ValueError() if str(error):
            reason = str(error)
        case _:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return visible(" ".join(reason[:_LONGEST_REASON].split())).rstrip(".")


def read_json(content: bytes | str) -> Any:
    """The value of a JSON text. Raises: ValueError that says why it cannot be used, whatever the content.

    Refused are also numbers that are not finite or too large for any use, and names that stand twice in one object.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    try:
        return json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_once_each
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def is_text(value: object) -> bool:
    """Whether a value is a text that UTF-8 can hold."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:_LONGEST_NUMBER]} is not a number that can be used")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name “{visible(name[:_LONGEST_REASON])}” stands twice in it")
        found[name] = value
    return found
