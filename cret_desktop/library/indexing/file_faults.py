"""Confines errors to the file that caused them: scanning, reading, decoding or storing one file never ends a run.

Errors of the library as a whole pass through: a full disk, a damaged catalog, a broken model or decoder. This module
reports a file's failure; the caller decides what to do about it.
"""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cret_desktop.errors import BadFile, CretError, StoreFault, ValueRefused
from cret_desktop.foreign import reason_of
from cret_desktop.messages import Message, render

log = logging.getLogger(__name__)

# Errors of this process rather than of a file: every following file would fail too.
_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE})


def _of_a_file(reason: Message) -> Message:
    return Message("file.unreadable", reason=reason)


@contextmanager
def faults_of(
    path: str, told: Callable[[Message], None], sentence: Callable[[Message], Message] = _of_a_file
) -> Iterator[None]:
    """Catch the errors of one file in the block, pass `told` a message about them, and continue after the block.

    `sentence` turns a reason into that message; a BadFile has its own message.
    """
    try:
        yield
    except BaseException as error:
        if not is_of_a_file(error):
            raise
        if not isinstance(error, BadFile | OSError):
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.warning(
                "%s cannot be read: %s (%s:%d)", path, render(reason_of(error)), place.filename, place.lineno or 0
            )
        told(error.message if isinstance(error, BadFile) else sentence(reason_of(error)))


def note(level: int, text: str, path: str, reason: Message) -> None:
    """Log a file's fault that belongs in no list. `text` has a placeholder for the path, then one for the reason."""
    log.log(level, text, path, render(reason))


def is_of_a_file(error: BaseException) -> bool:
    """Return whether an error raised while processing a file is due to that file.

    This includes errors that are not exceptions: some libraries raise a BaseException, such as a panic in Rust.
    """
    match error:
        case CretError():
            return isinstance(error, BadFile)
        case StoreFault():
            return isinstance(error, ValueRefused)
        case OSError():
            return error.errno not in _OF_THE_PROCESS
        case _:
            return not isinstance(error, KeyboardInterrupt | GeneratorExit)
