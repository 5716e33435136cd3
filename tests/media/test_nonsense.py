"""A decoder's child may send anything after memory corruption: its file fails, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cret_desktop.domain.clips import FileDecoded, FileFailed
from cret_desktop.media import decoder_pool
from cret_desktop.media.decoder_pool import DecoderPool
from cret_desktop.media.scan import video_file
from tests.fakes import FORMAT
from tests.said import said
from tests.videos import write_colours


def test_nonsense_of_any_kind_is_that_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = (write_colours(tmp_path / name, ["red"]) for name in ("good.mp4", "bad.mp4"))
    receive = decoder_pool._Child.receive

    def nonsense(self: decoder_pool._Child) -> Any:
        event = receive(self)
        if self.started and self.job is not None and self.job.file.path == str(bad):
            raise RecursionError("too deep")
        return event

    monkeypatch.setattr(decoder_pool._Child, "receive", nonsense)
    with DecoderPool(FORMAT, workers=1) as pool:
        events = list(pool.decode([video_file(str(bad)), video_file(str(good))]))
    assert [event.file.path for event in events if isinstance(event, FileDecoded)] == [str(good)]
    failed = [(event.file.path, said(event.reason)) for event in events if isinstance(event, FileFailed)]
    assert failed == [(str(bad), "The decoder crashed twice on this file.")]
