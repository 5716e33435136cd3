"""The form of lines in the engine's log and on standard error: a record is one line, whatever names it holds.

A file's name may hold a line break, or the terminal's commands: neither a record nor a command is made of it.
"""

from __future__ import annotations

import logging

from cret_desktop.foreign import escaped, visible

_MORE = "\n    | "  # before the further lines of a record, which tell where an error came from


def guard_standard_error() -> None:
    """Write warnings for which there is no log to standard error in lines of this form."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LineFormatter("%(message)s"))


class LineFormatter(logging.Formatter):
    """Shows what cannot be printed as Python writes it in a string. Tracebacks follow in lines that are set off."""

    def format(self, record: logging.LogRecord) -> str:
        first = visible(self.formatMessage(self._prepared(record)), escaped)
        more = self.formatException(record.exc_info) if record.exc_info else ""
        return _MORE.join([first, *(visible(line, escaped) for line in more.split("\n") if line)])

    def _prepared(self, record: logging.LogRecord) -> logging.LogRecord:
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        return record
