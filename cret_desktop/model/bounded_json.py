"""Reads JSON that somebody else may have written: size, depth, numbers and repeated keys are bounded.

Every fault is one ModelError that names the file. What is written here is this person's alone.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import IO, Any

from cret_desktop.atomic_write import atomic_write
from cret_desktop.errors import ModelError
from cret_desktop.foreign import read_json, reason_of, visible
from cret_desktop.messages import Message

MOST_DEPTH = 32
_MOST_WORDS = 200  # characters of a reason that are shown


def refused(file: Path | str, reason: Message) -> ModelError:
    """The one error for what a model's file must not hold."""
    return ModelError("model.refused", file=file, reason=reason.mapped(brief))


def reason_in(error: Exception) -> Message:
    """What was said to `refused`, or the whole of another error."""
    message = reason_of(error)
    reason = message.params.get("reason")
    return reason if message.code == "model.refused" and isinstance(reason, Message) else message


def brief(reason: object) -> str:
    """The first line of what is said, short and printable: it may quote what a stranger wrote."""
    words = (str(reason).splitlines() or [""])[0].rstrip(". ") or type(reason).__name__
    words = visible(words[: _MOST_WORDS + 1])
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


def read_bytes(file: Path, most: int) -> bytes:
    """All of a regular file. Raises: ModelError for one larger than `most` bytes; OSError."""
    with open_regular(file) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise refused(file, Message("model.large", most=most))
    return content


def open_regular(file: Path) -> IO[bytes]:
    """Opens for reading; a pipe or a device in a model's place would keep its reader for ever.

    Raises: ModelError for what is no regular file; OSError.
    """
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise refused(file, Message("reason.not-regular"))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def replace(file: Path, value: Any) -> None:
    """Writes a new file, which none but this person may read; a link in its place is replaced, not followed.

    Raises: OSError, after which the file is as it was.
    """
    with atomic_write(file, private=True) as stream:
        stream.write(json.dumps(value, indent=2).encode())


def parse(content: bytes, file: Path | str) -> Any:
    """The JSON value. Raises: ModelError that names the file, whatever it holds."""
    try:
        value = read_json(content)
    except ValueError as error:
        raise refused(file, reason_of(error)) from error
    _check_depth(value, file)
    return value


def _check_depth(value: Any, file: Path | str) -> None:
    """A loop, not a recursion: reading has its bound, what comes after has none."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_DEPTH):
        inner: list[Any] = []
        for container in level:
            items = container.values() if isinstance(container, dict) else container
            inner += [item for item in items if isinstance(item, dict | list)]
        if not inner:
            return
        level = inner
    raise refused(file, Message("reason.nested"))
