"""The words of a query for full-text search, and the weight of their matches. Pure."""

from __future__ import annotations

import math
import re

MOST_FINDS = 50  # returned by an expert of words
MORE_UNDER_OPERATORS = 40  # factor for the matches read if operators may refuse the best ones
FEWEST_WEIGHT = 0.25  # a smaller weight counts as 0; at 10,000 files: found in more than every tenth
# English and German function words, common in a description and rare in a name.
_SMALL = frozenset(
    "a an and at by for from in into is of on or the to with "
    "am an auf bei das dem den der die ein eine einem einen einer es für im in ist mit oder und von vor zu zum "
    "zur".split()
)


def content_words(query: str) -> tuple[str, ...]:
    """Return the words of a query without function words, in order."""
    return tuple(word for word in re.findall(r"\w+", query) if word.casefold() not in _SMALL)


def rarity(found: int, total: int) -> float:
    """Return the weight of words found `found` times in a library of `total` files.

    1 for words found once, 0 for words found nowhere or in every tenth file or more, such as the name of a folder that
    contains everything.
    """
    if not found:
        return 0.0
    weight = math.log((total + 1) / min(found, total + 1)) / math.log(total + 1) if total else 0.0
    return weight if weight >= FEWEST_WEIGHT else 0.0
