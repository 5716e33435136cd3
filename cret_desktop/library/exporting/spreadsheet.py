"""CSV cells that spreadsheets display and never evaluate, and that read back unchanged.

A cell that begins like a formula gets a leading apostrophe (https://owasp.org/www-community/attacks/CSV_Injection). So
does text after a line break, a semicolon or a tab within a cell: in countries where those separate columns, another
cell begins there. Pure.
"""

from __future__ import annotations

import re

# Characters that a spreadsheet may skip, then a sign that starts a formula, in the widths of all scripts.
_FORMULA = "(?=[\\s\\x00-\\x20\"'\u200b-\u200f\u2060\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20])"
_BREAK = "(?='*[\\t\\r\\n])"
_UNGUARDED = re.compile(rf"(\A{_BREAK}|\A{_FORMULA}|[;\t\r\n]{_FORMULA})")
_GUARDED = re.compile(rf"(\A'{_BREAK}|\A'{_FORMULA}|[;\t\r\n]'{_FORMULA})")


def guarded(cell: str) -> str:
    """Return a text as it is written to a cell. Not for numbers: a spreadsheet would read a negative one as text."""
    return _UNGUARDED.sub(r"\1'", cell)


def unguarded(cell: str) -> str:
    """Return the text that was passed to `guarded`."""
    return _GUARDED.sub(lambda found: found[1].removesuffix("'"), cell)
