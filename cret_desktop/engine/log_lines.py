"""The format of lines in the engine's log and on standard error: each record is one safe line.

A file's name may contain a line break or terminal escapes; neither reaches the output.
"""

from __future__ import annotations

import logging

from cret_desktop.foreign import escaped, visible

_MORE = "\n    | "  # starts the further lines of a record, such as a traceback


def guard_standard_error() -> None:
    """Write warnings that have no log to standard error in this format."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LineFormatter("%(message)s"))


class LineFormatter(logging.Formatter):
    """Escapes unprintable characters as Python's repr does. Traceback lines follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        first = visible(self.formatMessage(self._prepared(record)), escaped)
        more = self.formatException(record.exc_info) if record.exc_info else ""
        return _MORE.join([first, *(visible(line, escaped) for line in more.split("\n") if line)])

    def _prepared(self, record: logging.LogRecord) -> logging.LogRecord:
        record.message = record.getMessage()
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        return record
