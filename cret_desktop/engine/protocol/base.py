"""What every message has: a request names its reply type, its lane and whether it changes the library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar, get_args

from cret_desktop.messages import Message

R = TypeVar("R")


class Lane(Enum):
    """Where the engine carries a request out. Requests of one lane are carried out one after the other."""

    CONTROL = "control"  # at once, on the thread that reads the client's pipe
    BROWSE = "browse"  # the catalog alone answers; never behind a query or a model that is being loaded
    SEARCH = "search"  # may load a model; indexing waits meanwhile
    JOB = "job"  # between two runs of indexing, in its turn
    EXCLUSIVE = "exclusive"  # as JOB, and the run under way is stopped for it
    EXPORTS = "exports"
    PICTURES = "pictures"
    MODELS = "models"
    COPIES = "copies"


class Request(Generic[R]):
    """Base of all requests. `R` is the type of the reply's value.

    Each request gets exactly one `Reply` or `Failure`. `change` marks a request that changes the library: the client
    keeps it until it is acknowledged, also over a restart of the engine.
    """

    __slots__ = ()

    lane: ClassVar[Lane]
    change: ClassVar[bool] = False

    def __init_subclass__(cls, lane: Lane | None = None, change: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if lane is not None:  # `dataclass(slots=True)` builds the class a second time, without these
            cls.lane, cls.change = lane, change

    @classmethod
    def reply_type(cls) -> Any:
        """The `R` of a concrete request."""
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]
        (reply,) = get_args(base)
        return reply


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the session. The engine ends after the transaction under way when its owner says this. No reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    id: int
    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` names a class of `cret_desktop.errors`; anything else is a defect and carries its traceback."""

    id: int
    error: str
    message: Message
    details: str = ""
    superseded: bool = False
