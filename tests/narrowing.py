"""Assertions that give a value the narrower type which the test relies on. Each fails the test where it is not so."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def found(value: T | None) -> T:
    """Return `value`, which must not be None."""
    assert value is not None, "nothing was found"
    return value


def of_type(kind: type[T], value: object) -> T:
    """Return `value`, which must be a `kind`."""
    assert isinstance(value, kind), f"a {type(value).__name__}, not a {kind.__name__}"
    return value
