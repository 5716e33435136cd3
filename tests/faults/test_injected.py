"""A sample of the failures and power cuts of `python -m tests.faults.injected`."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest

from tests.faults import injected, replay

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc/self/fd are Linux's")


def test_failing_operations_and_power_cuts_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    done = injected.run_over_shim(tmp_path, "--every", "80", "--cuts", "25", "--work", str(tmp_path / "work"))
    assert done.returncode == 0, done.stdout
    assert "All as it must be" in done.stdout


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="install gcc or clang"):
        injected.compile_shim(tmp_path)


def record(kind: str, name: str = "", data: bytes = b"", inode: int = 1, offset: int = 0) -> replay.Record:
    return replay.Record(kind, inode, offset, name, data)


def test_a_power_cut_leaves_what_was_flushed(tmp_path: Path) -> None:
    folder = str(tmp_path / "library")
    file, final = f"{folder}/file.part", f"{folder}/file"
    flushed = [record("C", file), record("W", file, b"durable"), record("S", file), record("S", folder, inode=9)]
    later = [record("W", file, b"!" * 7), record("R", file, final.encode())]
    for number, (records, keep, left) in enumerate(
        (
            (flushed[:2], 0.0, {}),
            (flushed[:3], 0.0, {}),  # its name was not
            (flushed, 0.0, {"file.part": b"durable"}),
            ([*flushed, *later], 0.0, {"file.part": b"durable"}),
            ([*flushed, *later], 1.0, {"file": b"!!!!!!!"}),
            ([*flushed, *later, record("S", folder, inode=9)], 0.0, {"file": b"durable"}),
        )
    ):
        replay.restore(records, tmp_path / "library", keep, random.Random(0))
        assert {p.name: p.read_bytes() for p in (tmp_path / "library").iterdir()} == left, number
        (tmp_path / "library").rename(tmp_path / str(number))
