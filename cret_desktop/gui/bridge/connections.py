"""Connections of closures to signals that end with the object that the closure works on.

Qt ends a connection to a method of a QObject when that object is deleted. It cannot do so for a lambda, which is called
as long as the sender lives, and fails on deleted widgets. So a lambda is connected directly only to signals of objects
that its own class or function has created, and to any other signal by `connect_for`. This module imports no widget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject


def connect_for(receiver: QObject, signal: Any, call: Callable[..., object]) -> None:
    """Call `call` whenever `signal` is emitted, for as long as `receiver` lives."""
    connection = signal.connect(call)
    receiver.destroyed.connect(lambda: QObject.disconnect(connection))
