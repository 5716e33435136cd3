"""Text and JSON from other sources: file names, files to import, output of other programs. Pure.

Nothing here trusts its input, and each function raises only the errors it documents.
"""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from typing import Any

from cret_desktop.messages import Message, render

MARK = "\ufffd"  # stands for a character that cannot be shown
_LONGEST_NUMBER = 20  # digits of an integer: the largest of SQLite and C have 19
_LONGEST_REASON = 300
# Wording for the system errors that users meet. The system's own text may be in any language.
_SYSTEM = {
    errno.EPERM: Message("os.not-permitted"),
    errno.ENOENT: Message("os.not-found"),
    errno.EINTR: Message("os.interrupted"),
    errno.EIO: Message("os.input-output"),
    errno.ENXIO: Message("os.no-such-device-or-address"),
    errno.EBADF: Message("os.bad-descriptor"),
    errno.EAGAIN: Message("os.unavailable"),
    errno.ENOMEM: Message("os.no-memory"),
    errno.EACCES: Message("os.permission-denied"),
    errno.EBUSY: Message("os.busy"),
    errno.EEXIST: Message("os.exists"),
    errno.EXDEV: Message("os.other-disk"),
    errno.ENODEV: Message("os.no-such-device"),
    errno.ENOTDIR: Message("os.not-a-folder"),
    errno.EISDIR: Message("os.is-a-folder"),
    errno.EINVAL: Message("os.invalid"),
    errno.ENFILE: Message("os.system-files"),
    errno.EMFILE: Message("os.open-files"),
    errno.EFBIG: Message("os.too-large"),
    errno.ENOSPC: Message("os.disk-full"),
    errno.ESPIPE: Message("os.no-seek"),
    errno.EROFS: Message("os.read-only"),
    errno.EPIPE: Message("os.broken-pipe"),
    errno.ENAMETOOLONG: Message("os.name-too-long"),
    errno.ENOTEMPTY: Message("os.not-empty"),
    errno.ELOOP: Message("os.links"),
    errno.ETIMEDOUT: Message("os.timed-out"),
    errno.ECONNREFUSED: Message("os.refused"),
    errno.ECONNRESET: Message("os.reset"),
    errno.ENETUNREACH: Message("os.no-network"),
    errno.EHOSTUNREACH: Message("os.no-route"),
    getattr(errno, "EDQUOT", -1): Message("os.quota"),
    getattr(errno, "ESTALE", -1): Message("os.stale"),
}


class Unusable(ValueError):
    """An unusable value from another source. `message` is the reason, as a part of a sentence."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return render(self.message)


def visible(text: str, shown_as: Callable[[str], str] = lambda letter: MARK) -> str:
    """Return a text as one printable line, with no character that controls a terminal or hides another.

    Control characters, line breaks, direction marks and lone surrogates are replaced by `shown_as` of them.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else shown_as(c) for c in text)


def escaped(letter: str) -> str:
    """Return a character as Python writes it in a string: \\n, \\x1b, \\u202e."""
    return letter.encode("unicode_escape").decode("ascii")


def why(error: BaseException) -> str:
    """Return the reason of an error as the end of a sentence: short, on one line, without a full stop."""
    match error:
        case OSError(strerror=str() as words):
            said = words.lower()
        case RecursionError():
            said = "it is nested too deeply"
        case MemoryError():
            said = "it takes more memory than there is"
        case ValueError() if str(error):
            said = str(error)
        case _:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return short(said)


def reason_of(error: BaseException) -> Message:
    """Return the reason of an error as a message: a part of a sentence, or the whole sentence of a CretError.

    An error without wording of the app's own is quoted, in the language of the library or system it comes from.
    """
    match error:
        case object(message=Message() as said):
            return said
        case RecursionError():
            return Message("reason.nested")
        case MemoryError():
            return Message("reason.memory")
        case json.JSONDecodeError():
            return Message("reason.json", line=error.lineno, column=error.colno)
        case UnicodeDecodeError():
            return Message("reason.not-utf8")
    number, words = getattr(error, "errno", None), getattr(error, "strerror", None)
    if number in _SYSTEM and (not words or words == os.strerror(number) or getattr(error, "winerror", None)):
        return _SYSTEM[number]
    if words:
        return Message("reason.said", text=short(words))
    if not str(error):
        return Message("reason.kind", kind=type(error).__name__)
    if isinstance(error, ValueError | OSError):
        return Message("reason.said", text=short(str(error)))
    return Message("reason.other", kind=type(error).__name__, text=short(str(error)))


def short(text: str) -> str:
    """Return the beginning of an untrusted text: on one line, printable, without a full stop."""
    return visible(" ".join(text[:_LONGEST_REASON].split())).rstrip(".")


def read_json(content: bytes | str) -> Any:
    """Return the value of a JSON text. Raises: ValueError with the reason, whatever the content.

    Numbers that are not finite or are too large, and duplicate names in one object, are refused as well.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable(Message("reason.not-utf8")) from None
    try:
        return json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_once_each
        )
    except RecursionError:
        raise Unusable(Message("reason.nested")) from None


def is_text(value: object) -> bool:
    """Return whether a value is a text that UTF-8 can encode."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise Unusable(Message("reason.digits", count=len(digits)))
    return int(digits)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise Unusable(Message("reason.number", number=number[:_LONGEST_NUMBER]))
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise Unusable(Message("reason.repeated", name=visible(name[:_LONGEST_REASON])))
        found[name] = value
    return found
