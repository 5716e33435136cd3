"""Describes damage of a catalog as messages: found by a check, or reported by SQLite."""

from __future__ import annotations

import sqlite3

from cret_desktop import foreign
from cret_desktop.messages import Message, render

# SQLite's own texts for common errors. They exist in English only.
_SAID = {
    "database disk image is malformed": Message("sqlite.malformed"),
    "file is not a database": Message("sqlite.not-a-database"),
    "database or disk is full": Message("sqlite.full"),
    "disk I/O error": Message("sqlite.input-output"),
    "database is locked": Message("sqlite.locked"),
    "attempt to write a readonly database": Message("sqlite.read-only"),
    "unable to open database file": Message("sqlite.not-opened"),
}


class BadCatalog(sqlite3.DatabaseError):
    """A catalog that must not be read, with the reason as a message: a part of a sentence."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return render(self.message)


class DamageFound(BadCatalog):
    """Raised if a check finds damage; SQLite raises its own errors."""


def reason_of(error: BaseException) -> Message:
    """Return the text of an error of SQLite or the system, as a part of a sentence."""
    if isinstance(error, sqlite3.Error) and not isinstance(error, BadCatalog):
        return _SAID.get(str(error)) or Message("reason.said", text=foreign.short(str(error)))
    return foreign.reason_of(error)
