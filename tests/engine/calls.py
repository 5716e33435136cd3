"""Calls of a session without an engine, for tests of lanes, jobs and handlers."""

from __future__ import annotations

from multiprocessing import Pipe
from typing import Any

from cret_desktop.cancellation import CancelToken
from cret_desktop.engine import protocol
from cret_desktop.engine.handlers import Call
from cret_desktop.engine.sessions import Session


def session() -> Session:
    """Return a session whose client is gone."""
    ours, theirs = Pipe()
    theirs.close()
    return Session(ours)


def call(number: int, request: protocol.Request[Any] | None = None, of: Session | None = None) -> Call:
    return Call(of or session(), number, request or protocol.GetStatus(), CancelToken())
