"""The expert of colours: clips by the name of their dominant colour, and the stage that finds it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import ClipDecoded, Reason
from cret_desktop.library.indexing.stage import StageRun
from cret_desktop.library.ports import Decoder, Store
from cret_desktop.library.searching.expert import FileIds, Find, Ranking, SearchRequest
from cret_desktop.library.searching.steps import Steps

_NAMES = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Table(Protocol):
    """Where the colours are kept."""

    def replace(self, file_id: int, colours: Sequence[tuple[float, str]]) -> None: ...

    def find(self, name: str) -> list[tuple[int, float]]:
        """Return (file id, seconds) of the clips of a colour."""
        ...


class ColourStage:
    """Keeps the colour of each clip of a file."""

    name, version, priority = "colours", "1", 30

    def __init__(self, store: Store, table: Table, open_decoder: Callable[[], Decoder]) -> None:
        self._table = table
        self._open_decoder = open_decoder

    def work(self, run: StageRun) -> None:
        with closing(self._open_decoder()) as decoder:
            for file_id, file in run.files():
                with run.faults_of(file_id, file):
                    clips = [event.clip for event in decoder.decode([file]) if isinstance(event, ClipDecoded)]
                    self._table.replace(file_id, [(clip.start, _colour(clip.frames)) for clip in clips])
                    run.done(file_id, file)


class Colours:
    """Finds clips whose dominant colour a query names."""

    name = "colours"

    def __init__(self, store: Store, table: Table) -> None:
        self._clips = store.clips
        self._table = table

    def retrieve(self, request: SearchRequest, allowed: FileIds | None, limit: int | None, steps: Steps) -> Ranking:
        with steps("colours"):
            finds = []
            for name in _NAMES.keys() & set(request.query.text.split()):
                for file_id, start in self._table.find(name):
                    clip = self._clips.clip_at(file_id, start)
                    if clip is not None and (allowed is None or file_id in allowed):
                        reasons = (Reason("colour", name),)  # type: ignore[arg-type] # the copy has this kind
                        finds.append(Find(file_id, clip.start, clip.end, 0.9, reasons=reasons, clips=(clip,)))
            return Ranking(tuple(finds[:limit]), weight=0.5)


def _colour(frames: NDArray[np.uint8]) -> str:
    mean = frames.reshape(-1, 3).mean(axis=0)
    return min(_NAMES, key=lambda name: float(np.abs(mean - _NAMES[name]).sum()))
