"""The words of a query as full-text search takes them, and what finding them says. Pure."""

from __future__ import annotations

import math
import re

MOST_FINDS = 50  # that an expert of words returns
MORE_UNDER_OPERATORS = 40  # times as many are read where operators may refuse the best ones
FEWEST_WEIGHT = 0.25  # of a find, below which it says nothing; at 10,000 files: found at more than every tenth
# English and German words that a description is full of and a name need not hold.
_SMALL = frozenset(
    "a an and at by for from in into is of on or the to with "
    "am an auf bei das dem den der die ein eine einem einen einer es für im in ist mit oder und von vor zu zum "
    "zur".split()
)


def content_words(query: str) -> tuple[str, ...]:
    """Return the words of a query but the smallest, in order."""
    return tuple(word for word in re.findall(r"\w+", query) if word.casefold() not in _SMALL)


def rarity(found: int, total: int) -> float:
    """Return the weight of words found `found` times in a library of `total` files.

    1 for words that are found once, 0 for those that are found nowhere or at every tenth file or more, such as the name
    of the folder that everything is in.
    """
    if not found:
        return 0.0
    weight = math.log((total + 1) / min(found, total + 1)) / math.log(total + 1) if total else 0.0
    return weight if weight >= FEWEST_WEIGHT else 0.0
