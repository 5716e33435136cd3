"""A user-visible message without its wording: a code and the values of its sentence. Pure."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, final

CODE = re.compile(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*")  # section of the catalog, name in it
MOST_DEPTH = 40  # maximum depth of nested messages that are read
_LARGEST = 1 << 64  # larger integers are stored as text; Python refuses to format those of thousands of digits

Param: TypeAlias = "str | int | float | Message | os.PathLike[str]"


@final
class Message:
    """A code of the catalog with its parameters. Immutable; equal and hashable by value.

    A parameter is a text, a number, or another message (a reason within a sentence). A path becomes its text, as does a
    number that is not finite, so that every message has a JSON form.
    """

    __slots__ = ("_code", "_params")
    _code: str
    _params: tuple[tuple[str, str | int | float | Message], ...]

    def __init__(self, code: str, /, **params: Param) -> None:
        object.__setattr__(self, "_code", code)
        object.__setattr__(self, "_params", tuple(sorted((name, _plain(value)) for name, value in params.items())))

    @property
    def code(self) -> str:
        return self._code

    @property
    def params(self) -> Mapping[str, str | int | float | Message]:
        """The parameters by name; a copy."""
        return dict(self._params)

    def mapped(self, change: Callable[[str], str]) -> Message:
        """Return the same message with every text in its parameters changed, including nested messages."""
        changed: dict[str, Param] = {}
        for name, value in self._params:
            if isinstance(value, Message):
                changed[name] = value.mapped(change)
            else:
                changed[name] = change(value) if isinstance(value, str) else value
        return Message(self._code, **changed)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; `from_json` returns an equal message."""
        params = {name: value.to_json() if isinstance(value, Message) else value for name, value in self._params}
        return {"code": self._code, "params": params} if params else {"code": self._code}

    @classmethod
    def from_json(cls, value: object) -> Message:
        """Return a message from untrusted JSON values.

        The code need not be in the catalog: a newer version may have written it. Raises: ValueError.
        """
        return cls._read(value, MOST_DEPTH)

    @classmethod
    def _read(cls, value: object, depth: int) -> Message:
        code = value.get("code") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(code, str) or not CODE.fullmatch(code) or not depth:
            raise ValueError("not a message")
        params = value.get("params", {})
        if not isinstance(params, dict):
            raise ValueError("a message's parameters are not an object")
        read: dict[str, Param] = {}
        for name, param in params.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError("a message's parameter has no name")
            if isinstance(param, dict):
                read[name] = cls._read(param, depth - 1)
            elif isinstance(param, str | int | float) and not isinstance(param, bool):
                read[name] = param
            else:
                raise ValueError("a message's parameter is neither a text, a number nor a message")
        return cls(code, **read)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a message cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a message cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self._code, self._params) == (other._code, other._params)

    def __hash__(self) -> int:
        return hash((self._code, self._params))

    def __repr__(self) -> str:
        return f"Message({', '.join([repr(self._code), *(f'{name}={value!r}' for name, value in self._params)])})"

    def __reduce__(self) -> tuple[Callable[..., Message], tuple[str, Mapping[str, Param]]]:
        return _again, (self._code, self.params)


def _again(code: str, params: Mapping[str, Param]) -> Message:
    return Message(code, **params)


def _plain(value: Param) -> str | int | float | Message:
    if isinstance(value, bool):
        return str(value)
    # `int` and `float` also convert subclasses (numpy's, enumerations') to plain numbers.
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return int(value) if abs(value) < _LARGEST else hex(value)
    if isinstance(value, Message):
        return value
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
