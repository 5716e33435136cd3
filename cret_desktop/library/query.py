"""The query as typed, made into what the encoders and the catalog understand. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from cret_desktop.errors import QueryError

LONGEST = 2_000  # characters; text encoders read some 60 words, so more than this is a mistake


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `text` goes to the text encoder."""

    text: str


def parse(typed: str) -> Query:
    """Normalise a typed query. Raises: QueryError, in words, for what cannot be searched."""
    text = " ".join(unicodedata.normalize("NFC", typed).split())
    if not text:
        raise QueryError("The query is empty. Type what the moment shows, for example: a dog running on a beach.")
    if len(text) > LONGEST:
        raise QueryError(
            f"The query has {len(text):,} characters; at most {LONGEST:,} can be searched. Describe the moment in a "
            "sentence or two."
        )
    if not any(unicodedata.category(c)[0] in "LN" for c in text) and not any(
        unicodedata.category(c) == "So" for c in text
    ):
        raise QueryError(f"The query {text!r} has no words. Type what the moment shows.")
    return Query(_spell_out_symbols(text))


def _spell_out_symbols(text: str) -> str:
    """Pictographs by their Unicode names ("🐕" -> "dog"), since the text encoders know words, not pictures."""
    out = []
    for c in text:
        if unicodedata.category(c) == "So":
            out.append(f" {unicodedata.name(c, '').lower()} ")
        elif unicodedata.category(c) in ("Cf", "Mn", "Sk") and ord(c) > 0x2000:  # joiners, variants, skin tones
            continue
        else:
            out.append(c)
    return " ".join("".join(out).split())
