"""The message for an English reason: for libraries indexed before reasons were stored as messages."""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from cret_desktop.messages.catalog import codes, template
from cret_desktop.messages.message import Message, Param

# Reasons as earlier versions stored them in the catalog, with a wording that has changed since.
FORMER = {  # wording -> code
    "No picture of this file could be decoded.": "file.no-frame",
    "The file is damaged or incomplete: it could be read up to {seconds} s only.": "file.damaged",
    "The pictures of this file cannot be read: {reason}.": "file.frames-unreadable",
    "The video is of a kind that cannot be decoded here: no decoder knows its codec.": "file.no-decoder",
    "The file holds sound but no video.": "file.only-sound",
    "The file holds no video.": "file.no-video",
    "The file is not there, or the link leads nowhere.": "file.dangling",
    "The file's clock is damaged.": "file.bad-clock",
    "The picture is too large to decode: {width} × {height}.": "file.too-large",
    "Decoding it takes more memory than a video may: it is damaged, or its pictures are too large.": "file.memory",
    "Decoding crashed the decoder, twice.": "file.decoder-crashed",
    "Decoding made no progress for {seconds} s, twice.": "file.decoder-stalled",
    "Decoding took more than {gigabytes} GB of memory, twice.": "file.decoder-memory",
    "The times of this file's pictures are damaged.": "file.bad-times",
}
STORED = "file"  # the section of all reasons that a catalog has ever stored
_LONGEST = 4000  # characters of a sentence
_LEAST_WORDS = 6  # fixed characters that a wording needs to be recognised


def is_stored(code: str) -> bool:
    """Return whether the message of a code may be the reason of a failure in a library's catalog."""
    return code.partition(".")[0] == STORED


def recognise(sentence: str) -> Message | None:
    """Return the message with this English wording, its parameters as texts; None if there is none.

    A `reason` parameter becomes a message itself if it has the wording of one.
    """
    return _recognised(sentence, sentences=True) if len(sentence) <= _LONGEST else None


def _recognised(text: str, sentences: bool) -> Message | None:
    for code, pattern in _patterns(sentences):
        found = pattern.fullmatch(text)
        if found is not None:
            params: dict[str, Param] = dict(found.groupdict())
            if reason := found.groupdict().get("reason"):
                params["reason"] = _recognised(reason, sentences=False) or reason
            return Message(code, **params)
    return None


@cache
def _patterns(sentences: bool) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the patterns of all sentences, or of all parts of sentences; the most specific first."""
    wordings = [(template(code), code) for code in sorted(codes()) if not sentences or is_stored(code)]
    wordings += list(FORMER.items())
    known = [(words, code) for words, code in wordings if words.endswith(".") == sentences]
    known = [(words, code) for words, code in known if len(_own(words).strip()) >= _LEAST_WORDS]
    known.sort(key=lambda item: -len(_own(item[0])))
    return tuple((code, re.compile(_pattern(words), re.DOTALL)) for words, code in known)


def _own(wording: str) -> str:
    return "".join(words for words, _, _, _ in Formatter().parse(wording))


def _pattern(wording: str) -> str:
    parts: list[str] = []
    for words, name, _, _ in Formatter().parse(wording):
        parts.append(re.escape(words))
        if name is not None:
            group = f"(?P<{name}>.*)"
            parts.append(f"(?P={name})" if group in parts else group)
    return "".join(parts)
