"""Connect a closure to a signal without letting it outlive the object that it works on.

Qt ends a connection to a method of a QObject when that object is deleted. It knows nothing of a lambda's, which is
called as long as the sender lives, and fails on widgets that are gone. So a lambda is connected plainly to signals of
what its own class or function has made, and to any other signal by `connect_for`. This module knows no widget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject


def connect_for(receiver: QObject, signal: Any, call: Callable[..., object]) -> None:
    """Call `call` whenever `signal` is emitted, for as long as `receiver` lives."""
    connection = signal.connect(call)
    receiver.destroyed.connect(lambda: QObject.disconnect(connection))
