"""What comes of one file is that file's: whatever looking at, reading, decoding or keeping it raises ends no run.

What is of the library as a whole passes through: a full disk, a damaged catalog, a model or a decoder that does not
work. This module never decides what becomes of a file; it only tells.
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

# Of this process and not of any file: each file would fail in its turn.
_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE})


def _of_a_file(reason: Message) -> Message:
    return Message("file.unreadable", reason=reason)


@contextmanager
def faults_of(
    path: str, told: Callable[[Message], None], sentence: Callable[[Message], Message] = _of_a_file
) -> Iterator[None]:
    """Where a file cannot be dealt with as stands within, give `told` a message about it, and go on after it.

    `sentence` makes one of a reason; a BadFile has its own.
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
    """Log a fault of a file that goes into no list. `text` has a place for the path, then one for the reason."""
    log.log(level, text, path, render(reason))


def is_of_a_file(error: BaseException) -> bool:
    """Whether an error that came while a file was dealt with is due to that file.

    Not only exceptions are: some libraries end a call with what is none (a panic of Rust's).
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
