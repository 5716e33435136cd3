"""A target with the faults that the fuzzer looks for: see `test_fuzz`."""

from __future__ import annotations

import os
import random
import time

from cret_desktop.errors import UsageError
from tests.hostile.fuzz import Target

WHAT = {
    b"fault": "ZeroDivisionError: planted",
    b"end": "SystemExit: planted",
    b"hang": "it hangs for more than 0.5 s",
    b"death": "it ended the child (exit code 9)",
}


def chosen(chance: random.Random, content: bytes) -> bytes:
    return chance.choice([*WHAT, b"refused", *[content] * 5])


def run(content: bytes) -> None:
    match content:
        case b"fault":
            raise ZeroDivisionError("planted")
        case b"end":
            raise SystemExit("planted")
        case b"hang":
            time.sleep(600)
        case b"death":
            os._exit(9)
        case b"refused":
            raise UsageError("picture.copied")


TARGETS = (Target("planted", (b"fine",), run, (chosen,)),)
