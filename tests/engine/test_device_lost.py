"""A GPU fails while a folder is indexed: every client is notified once, and all files are indexed."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import TYPE_CHECKING

from cret_desktop.domain.clips import Features, Frames
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.messages import Message
from tests import fakes
from tests.videos import write_colours

if TYPE_CHECKING:
    from cret_desktop.engine.assemble import OpenLibrary

WAIT = 60
LOST = Message("model.gpu-lost", failure="CUDA error: unspecified launch failure")


class Failing(fakes.ColourVideo):
    """Its GPU fails at the first clip; like the real encoder, it continues without."""

    def __init__(self, model: fakes.ColourModel) -> None:
        super().__init__()
        self._model = model

    def encode(self, frames: Frames) -> Features:
        self._model.device_lost = LOST
        return super().encode(frames)


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`."""
    opened = fakes.open_library(library, model, device, read_only)
    assert isinstance(opened.model, fakes.ColourModel)
    opened.model.video = Failing(opened.model)
    return opened


def test_the_engine_says_once_that_the_gpu_has_failed(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for number, colour in enumerate(["red", "green", "blue"]):
        write_colours(tmp_path / "videos" / f"{number}.mp4", [colour])
    events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
    lost = []
    with EngineClient(EngineConfig(tmp_path / "library", factory=f"{__name__}:open_library")) as client:
        client.subscribe(events.put)
        client.request(protocol.AddFolders((str(tmp_path / "videos"),))).result(WAIT)
        while not isinstance(event := events.get(timeout=WAIT), protocol.IndexFinished):
            lost += [event] if isinstance(event, protocol.DeviceLost) else []
        assert (event.totals.files, event.error) == (3, None)
        assert client.request(protocol.Search("green")).result(WAIT).moments[0].path.endswith("1.mp4")
    while not events.empty():
        event = events.get()
        lost += [event] if isinstance(event, protocol.DeviceLost) else []
    assert lost == [protocol.DeviceLost(LOST)]
