"""Reasons of failures as the catalog keeps them: the JSON of a message, '' where there is none."""

from __future__ import annotations

import json

from cret_desktop.messages import Message, recognise


def written(reason: Message | None) -> str:
    """Return what is kept of a reason: ASCII, the same text for equal messages."""
    return "" if reason is None else json.dumps(reason.to_json(), separators=(",", ":"))


def reason_in(text: str) -> Message | None:
    """Read a reason that anybody may have written. What is no message is quoted as it stands."""
    if not text:
        return None
    try:
        return Message.from_json(json.loads(text))
    except (ValueError, RecursionError):
        return Message("file.said", text=text)


def from_sentence(content: bytes) -> str:
    """Return what is kept of a reason that an earlier version wrote as an English sentence. Never raises."""
    sentence = content.decode("utf-8", "replace")
    return written(recognise(sentence) or Message("file.said", text=sentence))
