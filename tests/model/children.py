"""Replacements for `trial._run_child`, for the ways in which a hostile model can affect its child. Quick to import."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

from cret_desktop.messages import Message
from cret_desktop.model import trial


def dying(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def hanging(*_: object) -> None:
    time.sleep(600)


def ending_without_a_word(*_: object) -> None:
    os._exit(0)


def chattering(pipe: Connection, *_: object) -> None:
    pipe.send_bytes(b"x" * (1 << 20))


def lying(pipe: Connection, *_: object) -> None:
    pipe.send_bytes(b'{"digest": "another"}')


def nesting(pipe: Connection, *_: object) -> None:
    pipe.send_bytes(b"[" * 5000)


def growing(*_: object) -> None:
    kept = b"x" * (1 << 30)
    time.sleep(600 + len(kept))


def asking_for_too_much(pipe: Connection, *_: object) -> None:
    trial._bound(64 << 20, 5.0)
    found = {}
    for name, work in (
        ("memory", lambda: bytearray(1 << 30)),
        ("file", lambda: Path(os.environ["TMPDIR"], "written").write_bytes(b"x" * 100)),
    ):
        try:
            work()
            found[name] = "allowed"
        except (MemoryError, OSError) as error:
            found[name] = type(error).__name__
    if sys.platform == "linux":
        found["privileges"] = Path("/proc/self/status").read_text().partition("NoNewPrivs:")[2].split()[0]
    said = Message("reason.said", text=" ".join(f"{name}={what}" for name, what in found.items()))
    pipe.send_bytes(json.dumps({"refused": said.to_json()}).encode())
