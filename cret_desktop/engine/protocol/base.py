"""The base types of messages: a request declares its reply type, its lane and whether it changes the library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar, get_args

from cret_desktop.messages import Message

R = TypeVar("R")


class Lane(Enum):
    """The thread that carries out a request. Requests of one lane are carried out one after the other."""

    CONTROL = "control"  # at once, on the thread that reads the client's pipe
    BROWSE = "browse"  # from the catalog alone; never behind a query or a loading model
    SEARCH = "search"  # may load a model; indexing waits meanwhile
    JOB = "job"  # in order, between two runs of indexing
    EXCLUSIVE = "exclusive"  # like JOB, but stops the run under way
    EXPORTS = "exports"
    PICTURES = "pictures"
    MODELS = "models"
    COPIES = "copies"


class Request(Generic[R]):
    """Base of all requests. `R` is the type of the reply's value.

    Each request gets exactly one `Reply` or `Failure`. `change` marks a request that changes the library: the client
    keeps it until it is acknowledged, even across a restart of the engine.
    """

    __slots__ = ()

    lane: ClassVar[Lane]
    change: ClassVar[bool] = False

    def __init_subclass__(cls, lane: Lane | None = None, change: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if lane is not None:  # `dataclass(slots=True)` creates the class a second time, without these
            cls.lane, cls.change = lane, change

    @classmethod
    def reply_type(cls) -> Any:
        """Return the `R` of a concrete request."""
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
        (reply,) = get_args(base)
        return reply


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the session. Sent by its owner, it ends the engine after the current transaction. No reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    id: int
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` names a class of `cret_desktop.errors`; any other error is a defect and carries its traceback."""

    id: int
    error: str
    message: Message
    details: str = ""
    superseded: bool = False
