"""Encodes messages as JSON, in both directions, for pipes and any other transport.

A message is one object: `kind` names its type, `id` the request that it is or answers (0 for an event), `body` holds
its fields. Bytes are base64. A path that is not UTF-8 keeps its surrogate escapes, written as JSON's \\udcXX. Numbers
are finite. Only types of `engine.protocol` are decoded, field by field, each checked against its annotation.
"""

from __future__ import annotations

import json
import math
import numbers
from typing import Any, get_args

import msgspec

from cret_desktop import messages
from cret_desktop.engine.protocol import Event, Failure, Reply, Request, Shutdown
from cret_desktop.foreign import reason_of


class Undecodable(ValueError):
    """Raised for a message of unknown type or form. `number` is its request's, 0 if unreadable."""

    def __init__(self, message: messages.Message, number: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.number = number

    def __str__(self) -> str:
        return messages.render(self.message)


class _Head(msgspec.Struct):
    kind: str
    id: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _PlainHead(msgspec.Struct):
    """A head whose body is already parsed into plain objects and lists."""

    kind: str
    id: int = 0
    body: Any = None


def _request_types() -> dict[str, type[Any]]:
    return {kind.__name__: kind for kind in (*Request.__subclasses__(), Shutdown)}


_REQUESTS = _request_types()
_EVENTS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(Event), Failure)}
_REPLY = Reply.__name__


def encode_request(number: int, request: Request[Any] | Shutdown) -> bytes:
    """Return an encoded request. Raises: TypeError, ValueError if it cannot be encoded."""
    return _encoded(type(request).__name__, number, request)


def decode_request(data: bytes) -> tuple[int, Request[Any] | Shutdown]:
    """Return the number and the request of an encoded message. Raises: Undecodable."""
    head = _head(data)
    kind = _REQUESTS.get(head.kind)
    if kind is None:
        raise Undecodable(messages.Message("engine.unknown-request", kind=head.kind[:80]), head.id)
    try:
        return head.id, _decoded(head.body, kind)
    except (ValueError, TypeError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise Undecodable(_unreadable(head.kind, error), head.id) from error


def encode_message(message: Reply | Event | Failure) -> bytes:
    """Return an encoded message. Raises: TypeError, ValueError if it cannot be encoded."""
    if isinstance(message, Reply):
        return _encoded(_REPLY, message.id, message.value)
    return _encoded(type(message).__name__, message.id if isinstance(message, Failure) else 0, message)


class Message:
    """A message from the engine with a parsed head. The body is decoded once its type is known."""

    def __init__(self, data: bytes) -> None:
        """Parse the head. Raises: Undecodable."""
        head = _head(data)
        self.number = head.id
        self.is_reply = head.kind == _REPLY
        self._body = head.body
        self._kind = head.kind

    def value(self, reply_type: Any) -> Any:
        """Return the value of a reply, decoded as the reply type of its request. Raises: Undecodable."""
        try:
            return _decoded(self._body, reply_type)
        except (ValueError, TypeError, RecursionError) as error:
            raise Undecodable(_unreadable(_REPLY, error), self.number) from error

    def event(self) -> Event | Failure:
        """Return the event or failure. Raises: Undecodable."""
        kind = _EVENTS.get(self._kind)
        if kind is None:
            raise Undecodable(messages.Message("engine.unknown-message", kind=self._kind[:80]), self.number)
        try:
            found: Event | Failure = _decoded(self._body, kind)
        except (ValueError, TypeError, RecursionError) as error:
            raise Undecodable(_unreadable(self._kind, error), self.number) from error
        return found


def _unreadable(kind: str, error: Exception) -> messages.Message:
    return messages.Message("engine.unreadable-message", kind=kind, reason=reason_of(error))


def _head(data: bytes) -> _Head | _PlainHead:
    try:
        return msgspec.json.decode(data, type=_Head)
    except ValueError:  # lone surrogates, for example, which only the standard library's parser accepts
        try:
            return msgspec.convert(json.loads(data), _PlainHead)
        except (ValueError, RecursionError) as error:
            raise Undecodable(_unreadable("", error)) from error


def _encoded(kind: str, number: int, body: object) -> bytes:
    plain = msgspec.to_builtins(body, enc_hook=_plain)
    try:
        content = json.dumps(plain, allow_nan=False, separators=(",", ":")).encode("ascii")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return b'{"kind":"%s","id":%d,"body":%s}' % (kind.encode("ascii"), number, content)


def _decoded(body: Any, kind: Any) -> Any:
    if isinstance(body, msgspec.Raw):
        return msgspec.json.decode(body, type=kind, dec_hook=_from_plain)
    return msgspec.convert(body, kind, dec_hook=_from_plain)


def _from_plain(kind: type[Any], value: object) -> object:
    """Decode a custom type. Raises: NotImplementedError, ValueError."""
    if kind is messages.Message:
        return messages.Message.from_json(value)
    raise NotImplementedError(kind.__name__)


def _plain(value: object) -> object:
    """Return messages as objects, and subclasses of numbers as Python's own. Raises: TypeError, ValueError."""
    if isinstance(value, messages.Message):
        return value.to_json()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise ValueError("it holds a number that is not finite")
        return float(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent")
