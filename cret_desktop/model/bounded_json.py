"""Reads untrusted JSON: size, depth, numbers and repeated keys are bounded.

Every fault raises a ModelError that names the file. Written files are readable by their owner only.
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
_MOST_WORDS = 200  # characters shown of a reason


def refused(file: Path | str, reason: Message) -> ModelError:
    """Return the error for forbidden content in a model's file."""
    return ModelError("model.refused", file=file, reason=reason.mapped(brief))


def reason_in(error: Exception) -> Message:
    """Return the reason passed to `refused`, or the whole message of another error."""
    message = reason_of(error)
    reason = message.params.get("reason")
    return reason if message.code == "model.refused" and isinstance(reason, Message) else message


def brief(reason: object) -> str:
    """Return the first line of a message, short and printable: it may quote untrusted text."""
    words = (str(reason).splitlines() or [""])[0].rstrip(". ") or type(reason).__name__
    words = visible(words[: _MOST_WORDS + 1])
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}…"


def read_bytes(file: Path, most: int) -> bytes:
    """Return the content of a regular file. Raises: ModelError for one larger than `most` bytes; OSError."""
    with open_regular(file) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise refused(file, Message("model.large", most=most))
    return content


def open_regular(file: Path) -> IO[bytes]:
    """Open a regular file for reading; a pipe or a device would block its reader for ever.

    Raises: ModelError for anything but a regular file; OSError.
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
    """Write a new file that only its owner may read; a symbolic link at its path is replaced, not followed.

    Raises: OSError, which leaves the old file unchanged.
    """
    with atomic_write(file, private=True) as stream:
        stream.write(json.dumps(value, indent=2).encode())


def parse(content: bytes, file: Path | str) -> Any:
    """Return the JSON value. Raises: ModelError that names the file, whatever its content."""
    try:
        value = read_json(content)
    except ValueError as error:
        raise refused(file, reason_of(error)) from error
    _check_depth(value, file)
    return value


def _check_depth(value: Any, file: Path | str) -> None:
    """Raise a ModelError for deep nesting. Iterative, because the depth of the value is not yet known to be safe."""
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
