"""How times, counts, rates and file names are written for people. Never touches a widget.

File names come from `os.fsdecode` and may hold anything: `shown` makes them safe to draw, `tooltip` safe as rich text.
"""

from __future__ import annotations

import html
import os
from math import ceil

from PySide6.QtCore import QCoreApplication

from cret_desktop.clips import Match


def _tr(text: str, number: int = -1) -> str:
    return QCoreApplication.translate("wording", text, None, number)


def clock(seconds: float) -> str:
    """'0:42', '12:05', '1:02:03'. Fractions are dropped, as players do."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(start: float, end: float) -> str:
    """'0:42–0:49'; an end that falls into the same second as the start gets the next one."""
    return f"{clock(start)}\u2013{clock(max(ceil(end), int(start) + 1))}"


def rate(seconds_per_second: float) -> str:
    return _tr("{rate}\u00d7 real time").format(rate=f"{seconds_per_second:.1f}")


def videos(count: int) -> str:
    return _tr("1 video") if count == 1 else _tr("%n videos", count)


def clips(count: int) -> str:
    return _tr("1 clip") if count == 1 else _tr("%n clips", count)


def match(value: Match) -> str:
    return {Match.STRONG: _tr("Strong"), Match.POSSIBLE: _tr("Possible"), Match.WEAK: _tr("Weak")}[value]


def shown(path: str) -> str:
    """A path or name that can be drawn: bytes that are not UTF-8 and control characters become visible marks."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def file_name(path: str) -> str:
    """The last part of a path, as it is drawn."""
    return shown(os.path.basename(path.rstrip("/\\")) or path)


def tooltip(text: str) -> str:
    """Text for a tool tip, which Qt would otherwise render as markup where it looks like it."""
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>'
