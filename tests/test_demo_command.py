"""The command `demo` makes its clips in a child, whose failure is the command's."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cret_desktop.cli import demo
from cret_desktop.errors import CretError, StorageError
from cret_desktop.media.demo import CLIPS, PHOTOGRAPHS


def test_the_clips_are_made_and_the_next_run_keeps_them(tmp_path: Path) -> None:
    for name in [*CLIPS, *PHOTOGRAPHS]:
        (tmp_path / name).write_bytes(b"kept")
    (tmp_path / next(iter(CLIPS))).unlink()
    demo._make_demo_videos(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*CLIPS, *PHOTOGRAPHS}
    assert (tmp_path / next(iter(CLIPS))).stat().st_size > 10_000
    assert (tmp_path / next(iter(PHOTOGRAPHS))).read_bytes() == b"kept"


def test_an_error_in_the_child_keeps_its_class_and_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file") as raised:
        demo._make_demo_videos(tmp_path / "file" / "videos")
    assert raised.value.message.code == "demo.not-written"


def crashing(pipe: Connection, folder: Path) -> None:
    os._exit(7)


def test_a_child_that_crashes_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_demo_child", crashing)
    with pytest.raises(CretError, match=r"exit status 7"):
        demo._make_demo_videos(tmp_path)
