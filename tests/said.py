"""Messages in tests: what they say in English, and where none may come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import pytest

from cret_desktop.messages import Message, render


def said(what: Message | Iterable[Message] | None) -> str:
    """Say a message, or several; '' where there is none."""
    if what is None:
        return ""
    return render(what) if isinstance(what, Message) else " ".join(map(render, what))


def never(message: Message) -> NoReturn:
    """A listener where nothing may be said."""
    pytest.fail(render(message))
