"""A model that knows colours: the word "red" finds the red clip, through the real decoder, SQLite and HNSW.

Cheap, deterministic, torch-free. Named by `EngineConfig.factory` ("tests.fakes:open_library") where the real engine
process runs with it. `FakeDecoder` stands in for the decoder pool where no video is needed at all.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cret_desktop.domain.clips import (
    USUAL_SAMPLING,
    ClipDecoded,
    DecodedClip,
    DecodeEvent,
    Features,
    FileDecoded,
    FileFailed,
    FileOpened,
    FrameFormat,
    Frames,
    ModelInfo,
    Picture,
    Sampling,
    ScoreConfig,
    Sprite,
    VideoFile,
    VideoInfo,
)
from cret_desktop.messages import Message

if TYPE_CHECKING:
    from cret_desktop.engine.assemble import OpenLibrary
    from cret_desktop.library.ports import Model

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 30),
    "blue": (30, 30, 220),
    "yellow": (230, 230, 30),
    "purple": (160, 30, 200),
    "orange": (240, 140, 20),
    "white": (245, 245, 245),
    "grey": (128, 128, 128),
    "cyan": (30, 220, 220),
    "pink": (250, 160, 190),
}
KEY = bytes(range(32))  # a library's secret, the same in each process that opens it
PALETTE = np.array(list(COLOURS.values()), np.float32) / 255
FORMAT = FrameFormat(frames=4, size=32)
INFO = ModelInfo(
    name="colours",
    title="Colours (a test's model)",
    fingerprint="colours-1",
    width=len(COLOURS) + 6,
    centers=0,
    frame_format=FORMAT,
    score=ScoreConfig(),
)


class ColourVideo:
    """Frames to nearness to each colour of the palette."""

    def __init__(self) -> None:
        self.batches = 0

    def encode(self, frames: Frames) -> Features:
        self.batches += 1
        mean = frames.astype(np.float32).mean(axis=(2, 3)) / 255  # [N, M, 3]
        distance = ((mean[:, :, None, :] - PALETTE) ** 2).sum(axis=-1)
        near = np.exp(-distance / 0.02)
        features = np.concatenate([near, np.full((*near.shape[:2], 6), 0.02)], axis=-1)
        return _unit(features)

    def release(self) -> None:
        pass


class ColourText:
    """Colour words to the palette; other words to a little of what no picture has much of."""

    def encode(self, texts: Sequence[str]) -> Features:
        rows = np.zeros((len(texts), INFO.width), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                if word in COLOURS:
                    row[list(COLOURS).index(word)] += 1
                else:
                    row[len(COLOURS) + sum(map(ord, word)) % 6] += 0.2
            row += 1e-3
        return _unit(rows)


def _unit(features: np.ndarray) -> Features:
    globals_ = (features / np.linalg.norm(features, axis=-1, keepdims=True)).astype(np.float32)
    return Features(globals_, np.zeros((len(globals_), 0, INFO.width), np.float32))


def fit_picture(picture: Picture, frame_format: FrameFormat) -> np.ndarray:
    """A square of the picture's mean colour: all that the colour model sees."""
    mean = np.frombuffer(picture.rgb, np.uint8).reshape(-1, 3).mean(axis=0)
    return np.broadcast_to(mean.astype(np.uint8), (frame_format.size, frame_format.size, 3))


@dataclass
class ColourModel:
    info: ModelInfo = INFO
    video: ColourVideo = field(default_factory=ColourVideo)
    text: ColourText = field(default_factory=ColourText)
    device_lost: Message | None = None


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: the real library around the colour model."""
    from cret_desktop.engine.assemble import wire  # here, so that tests of the core need no decoder
    from cret_desktop.media.decoder_pool import DecoderPool

    # Tests write the files that they index; without a second look at each, they need not wait.
    return wire(library, ColourModel(), lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=0.0)


class NoVideo(ColourVideo):
    """Where nothing may be encoded."""

    def encode(self, frames: Frames) -> Features:
        raise AssertionError("something was encoded")


def open_library_that_cannot_encode(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, with a model that encodes no video."""
    from cret_desktop.engine.assemble import wire
    from cret_desktop.media.decoder_pool import DecoderPool

    unable = ColourModel(video=NoVideo())
    return wire(library, unable, lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=0.0)


def open_library_with_models(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, with two models, "colours" and "paints", that find the same.

    A preset more, `tests.model.tiny.published`, can be downloaded; each model that is neither is a real one.
    """
    from cret_desktop.engine import assemble
    from cret_desktop.media.decoder_pool import DecoderPool

    publish_tiny_model()
    models = {
        "colours": ColourModel(),
        "paints": ColourModel(replace(INFO, name="paints", title="Paints (another)", fingerprint="paints-1")),
    }
    if model not in models:
        opened = assemble.open_library(library, model, device, read_only)
        opened.still_seconds = 0.0
        return opened
    by_fingerprint: dict[str, Model] = {known.info.fingerprint: known for known in models.values()}
    return assemble.wire(
        library,
        models[model],
        lambda: DecoderPool(FORMAT, workers=2),
        read_only,
        still_seconds=0.0,
        reopen=by_fingerprint.get,
    )


def publish_tiny_model() -> None:
    """Makes the tests' tiny model one that can be downloaded, in this process and before all others."""
    from cret_desktop.model import downloads, presets
    from tests.model import tiny

    presets.PRESETS["tiny-published"] = tiny.published
    downloads.ALLOW_LOOPBACK_HTTP = True
    downloads.OFFERS["tiny-published"] = downloads.Offer(10_000, "Apache-2.0", "en")


@dataclass
class FakeDecoder:
    """Decodes a file that holds colour words, one a clip of four seconds; "broken" fails. Counts what it is given."""

    taken: list[str] = field(default_factory=list)
    closed: bool = False

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for file in files:
            self.taken.append(file.path)
            words = Path(file.path).read_text(encoding="utf-8").split()
            if "broken" in words:
                yield FileFailed(file, Message("file.not-a-video"))
                continue
            yield FileOpened(file, VideoInfo(4.0 * len(words), 320, 180, 25.0, "fake", "fake"))
            for ordinal, word in enumerate(words):
                yield ClipDecoded(file, colour_clip(word, ordinal))
            yield FileDecoded(file, None, FORMAT.frames * len(words))

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        yield from ()

    def close(self) -> None:
        self.closed = True


def colour_clip(colour: str, ordinal: int, shot: int | None = None) -> DecodedClip:
    start = 4.0 * ordinal
    times = tuple(start + 0.5 + i for i in range(FORMAT.frames))
    frames = np.empty((FORMAT.frames, FORMAT.size, FORMAT.size, 3), np.uint8)
    frames[:] = COLOURS[colour]
    sprite = Sprite(b"\xff\xd8 no picture \xff\xd9", 32, 18, times, 0)
    return DecodedClip(ordinal, ordinal if shot is None else shot, start, start + 4.0, times, frames, sprite)


class LoggedDecoder:
    """The real decoder pool, with a line in a file for each file begun and each file ended (with its frames)."""

    def __init__(self, log: Path) -> None:
        from cret_desktop.media.decoder_pool import DecoderPool

        self._pool = DecoderPool(FORMAT, workers=2)
        self._log = log

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for event in self._pool.decode(self._begun(files), sampling):
            if isinstance(event, FileDecoded):
                self._write(f"ended\t{event.file.path}\t{event.frames_decoded}")
            yield event

    def probe(self, files: Iterable[VideoFile], seconds: float) -> Iterator[FileOpened]:
        return self._pool.probe(files, seconds)

    def _begun(self, files: Iterable[VideoFile]) -> Iterator[VideoFile]:
        for file in files:
            self._write(f"begun\t{file.path}\t0")
            yield file

    def _write(self, line: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def close(self) -> None:
        self._pool.close()


def open_logged_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, with `decoder.log` beside the library saying what was decoded."""
    from cret_desktop.engine.assemble import wire

    decoder_log = library.with_name("decoder.log")
    return wire(library, ColourModel(), lambda: LoggedDecoder(decoder_log), read_only, still_seconds=0.0)


def open_careful_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but files that have just changed are looked at twice, as in life."""
    from cret_desktop.engine.assemble import wire
    from cret_desktop.media.decoder_pool import DecoderPool

    return wire(library, ColourModel(), lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=1.0)


@dataclass
class HeldText(ColourText):
    """Encodes a query when the file `go` is there, as a model does that takes long to load."""

    go: Path

    def encode(self, texts: Sequence[str]) -> Features:
        while len(texts) == 1 and not self.go.exists():
            time.sleep(0.01)
        return super().encode(texts)


def open_library_held(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but queries wait for the file `go` beside the library."""
    from cret_desktop.engine.assemble import wire
    from cret_desktop.media.decoder_pool import DecoderPool

    held = ColourModel(text=HeldText(library.with_name("go")))
    return wire(library, held, lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=0.0)


class HeldVideo(ColourVideo):
    """Encodes videos when the file `go` is there."""

    def __init__(self, go: Path) -> None:
        super().__init__()
        self.go = go

    def encode(self, frames: Frames) -> Features:
        while not self.go.exists():
            time.sleep(0.01)
        return super().encode(frames)


def open_library_held_videos(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but a run waits for the file `go` beside the library."""
    from cret_desktop.engine.assemble import wire
    from cret_desktop.media.decoder_pool import DecoderPool

    held = ColourModel(video=HeldVideo(library.with_name("go")))
    return wire(library, held, lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=0.0)


def _read_for_ever(pipe: Any) -> None:
    pipe.send_bytes(b"{}")
    time.sleep(600)


def open_library_slow_pictures(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but no picture to search by is ever read to its end."""
    from cret_desktop.engine.services import pictures
    from cret_desktop.media import still_picture

    still_picture._run_child = _read_for_ever
    pictures.PictureReader = partial(still_picture.PictureReader, seconds=2.0)  # type: ignore[assignment, attr-defined]
    return open_library(library, model, device, read_only)


def open_library_slow_graph(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but two clips make a graph worth building, which waits for `go`."""
    from cret_desktop.storage.vectors.vector_index import Limits

    opened = open_library(library, model, device, read_only)
    index, build = opened.index, opened.index.build

    def held() -> None:
        while not library.with_name("go").exists():
            time.sleep(0.01)
        build()

    index._limits = Limits(tail=1)
    index.build = held  # type: ignore[method-assign]
    return opened


class Panic(BaseException):
    """As tokenizers end with one: no Exception."""


RAISED = {"panic": Panic, "exit": SystemExit, "memory": MemoryError, "depth": RecursionError, "value": ValueError}


class RaisingText(ColourText):
    """Raises what a query names."""

    def encode(self, texts: Sequence[str]) -> Features:
        if len(texts) == 1 and texts[0] in RAISED:
            raise RAISED[texts[0]](texts[0])
        return super().encode(texts)


def open_library_that_raises(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but something on each of the engine's threads raises."""
    from cret_desktop.engine.assemble import wire

    def raise_panic(*_: object, **__: object) -> None:
        raise Panic("here")

    raising = ColourModel(text=RaisingText())
    opened = wire(library, raising, raise_panic, read_only, still_seconds=0.0)  # type: ignore[arg-type]
    opened.searcher.filmstrip = lambda *_: (lambda: None,)  # type: ignore[method-assign, assignment] # cannot be sent
    opened.changes.retry_failures = raise_panic  # type: ignore[method-assign, assignment]
    opened.changes.index_root_again = raise_panic  # type: ignore[method-assign, assignment]
    opened.annotations.tags = raise_panic  # type: ignore[method-assign, assignment]
    opened.embeddings.count_embedded = raise_panic  # type: ignore[method-assign, assignment]
    opened.catalog.compact = raise_panic  # type: ignore[method-assign, assignment]
    return opened


def open_library_checked_whole(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but what an idle engine checks of it is all."""
    from cret_desktop.engine.services import upkeep

    upkeep.CHECKED_SHARE, upkeep.QUIET_SECONDS = 1.0, 0.1
    return open_library(library, model, device, read_only)


class CountedText(HeldText):
    """Adds a line to `loads` when the first query is encoded, as a model does that is loaded then."""

    def __init__(self, go: Path, loads: Path) -> None:
        super().__init__(go)
        self._loads: Path | None = loads

    def encode(self, texts: Sequence[str]) -> Features:
        if self._loads is not None:
            with self._loads.open("a", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")
            self._loads = None
        return super().encode(texts)


def open_library_counted(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library_held`; each model that is loaded adds a line to `loads` beside it."""
    from cret_desktop.engine.assemble import wire
    from cret_desktop.media.decoder_pool import DecoderPool

    counted = ColourModel(text=CountedText(library.with_name("go"), library.with_name("loads")))
    return wire(library, counted, lambda: DecoderPool(FORMAT, workers=2), read_only, still_seconds=0.0)
