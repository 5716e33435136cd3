"""Cells of CSV that spreadsheets show and never reckon with, and that read back as they were.

A cell that begins like a formula gets an apostrophe before it (https://owasp.org/www-community/attacks/CSV_Injection).
So does what follows a line break, a semicolon or a tab within a cell: where those separate columns, as is the custom of
some countries, another cell begins there. Pure.
"""

from __future__ import annotations

import re

# What a spreadsheet may step over, then a sign that it begins to reckon at, in the widths of all scripts.
_FORMULA = "(?=[\\s\\x00-\\x20\"'\u200b-\u200f\u2060\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20])"
_BREAK = "(?='*[\\t\\r\\n])"
_UNGUARDED = re.compile(rf"(\A{_BREAK}|\A{_FORMULA}|[;\t\r\n]{_FORMULA})")
_GUARDED = re.compile(rf"(\A'{_BREAK}|\A'{_FORMULA}|[;\t\r\n]'{_FORMULA})")


def guarded(cell: str) -> str:
    """A text as it is written to a cell. Not for numbers: a negative one is none to a spreadsheet then."""
    return _UNGUARDED.sub(r"\1'", cell)


def unguarded(cell: str) -> str:
    """The text that `guarded` was given."""
    return _GUARDED.sub(lambda found: found[1].removesuffix("'"), cell)
