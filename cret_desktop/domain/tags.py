"""The stored spelling of tags and other typed words, and the equality of two spellings."""

from __future__ import annotations

import unicodedata

from cret_desktop.errors import QueryError

LONGEST_TAG = 100  # characters


def fold_tag(tag: str) -> str:
    """Return the form in which two spellings of a tag are equal: NFC, spaces and case folded."""
    return " ".join(unicodedata.normalize("NFC", tag).split()).casefold()


def checked_tag(tag: str) -> str:
    """Return a tag as it is stored: spaces folded, storable. Raises: QueryError for an empty or too long one."""
    name = storable(" ".join(tag.split()))
    if not fold_tag(name) or len(name) > LONGEST_TAG:
        raise QueryError("annotation.tag", most=LONGEST_TAG)
    return name


def storable(text: str) -> str:
    """Return the text with "?" for each lone surrogate, which no database stores as text."""
    return text.encode("utf-8", "replace").decode("utf-8")
