"""The stored form of failure reasons: a message as JSON, '' if there is none."""

from __future__ import annotations

import json

from cret_desktop.messages import Message, recognise


def written(reason: Message | None) -> str:
    """Return the stored form of a reason: ASCII, the same text for equal messages."""
    return "" if reason is None else json.dumps(reason.to_json(), separators=(",", ":"))


def reason_in(text: str) -> Message | None:
    """Parse a reason from an untrusted catalog. Any text that is not a message is quoted unchanged."""
    if not text:
        return None
    try:
        return Message.from_json(json.loads(text))
    except (ValueError, RecursionError):
        return Message("file.said", text=text)


def from_sentence(content: bytes) -> str:
    """Return the stored form of a reason that an earlier version wrote as an English sentence. Never raises."""
    sentence = content.decode("utf-8", "replace")
    return written(recognise(sentence) or Message("file.said", text=sentence))
