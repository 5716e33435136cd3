"""The files of a library that a search is limited to: a query's operators, as values."""

from __future__ import annotations

from dataclasses import dataclass

STATES = ("offline", "favourite", "failed", "pending", "noted", "tagged")  # values of `is:`


@dataclass(frozen=True, slots=True)
class Bounds:
    """low <= value < high; None is no bound."""

    low: float | None = None
    high: float | None = None

    def within(self, other: Bounds) -> Bounds:
        """Return the intersection of both."""
        lows = [b for b in (self.low, other.low) if b is not None]
        highs = [b for b in (self.high, other.high) if b is not None]
        return Bounds(max(lows, default=None), min(highs, default=None))


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that must all hold; for `folders` and `suffixes`, any one value.

    `folders` are absolute paths, or words that start a word of a folder name between the root and the file. `names` are
    words of file names. Tags are folded (see `tags.fold_tag`). `duration` is in seconds, `lines` as in 1080p,
    `modified` in seconds since the epoch.
    """

    folders: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    not_folders: tuple[str, ...] = ()
    not_suffixes: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    not_states: tuple[str, ...] = ()
    duration: Bounds = Bounds()
    lines: Bounds = Bounds()
    modified: Bounds = Bounds()
