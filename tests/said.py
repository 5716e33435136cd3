"""What a message, or several, say in English; '' where there is none."""

from __future__ import annotations

from collections.abc import Iterable

from cret_desktop.messages import Message, render


def said(what: Message | Iterable[Message] | None) -> str:
    if what is None:
        return ""
    return render(what) if isinstance(what, Message) else " ".join(map(render, what))
