"""The engine of the kill tests: the real one, which kills itself by SIGKILL according to a plan beside the library.

`POINTS` names the points at which it can end. The shipped code does not contain them: the factory that
`EngineConfig.factory` names wraps functions in the child.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cret_desktop.domain.clips import USUAL_SAMPLING, ClipDecoded, DecodeEvent, Sampling, VideoFile
from cret_desktop.library_files import LibraryFiles
from tests.fakes import ColourModel, FakeDecoder

if TYPE_CHECKING:
    from cret_desktop.engine.assemble import OpenLibrary

TAIL = 30  # clips, from which on a graph is built
_TRANSACTIONS = ("scan", "commit", "failure", "purge", "removal", "tags", "graph record")
_WITHIN = [f"{name}: {moment}" for name in _TRANSACTIONS for moment in ("begun", "not committed", "committed")]
POINTS = (
    *_WITHIN, "decoding", "encoding", "thumbnail: half written", "thumbnail: not named", "thumbnail: named",
    "index: not added", "index: added", "graph: begun", "graph: being saved", "graph: built", "graph: older ones",
    "migration: backup", "migration: within", "repair: copying", "repair: naming",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """End when a point is passed for the `count`-th time, or `seconds` after opening the library, whichever is set."""

    point: str = ""
    count: int = 1
    seconds: float = 0.0

    def write(self, library: Path) -> None:
        plan_of(library).write_text(json.dumps(asdict(self)), encoding="utf-8")


def plan_of(library: Path) -> Path:
    return library.with_name("plan.json")


def begun_of(library: Path) -> Path:
    """Return the log with a line for each file that a decoder began."""
    return library.with_name("begun.log")


def open_light(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: the colour model and files of words, without decoder processes."""
    from cret_desktop.engine.assemble import wire

    _arm(library)
    opened = wire(library, ColourModel(), lambda: _Decoder(begun_of(library)), read_only, 0.0)
    _wrap(opened.model.video, "encode", "encoding")
    return opened


def open_starter(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: everything real."""
    from cret_desktop.engine.assemble import open_library

    _arm(library)
    opened = open_library(library, "starter", device, read_only)
    opened.still_seconds = 0.0
    original = opened.open_decoder
    opened.open_decoder = lambda: _Logged(original(), begun_of(library))
    _wrap(opened.model.video, "encode", "encoding")
    return opened


class _Decoder(FakeDecoder):
    """A slow decoder, so that a random kill may come anywhere."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for event in super().decode(_logged(files, self._log)):
            _here("decoding")
            time.sleep(0.002)
            if isinstance(event, ClipDecoded):  # all clips differ, so that all answers can
                content = Path(event.file.path).read_bytes() + event.clip.ordinal.to_bytes(2, "big")
                shade = np.random.default_rng(zlib.crc32(content)).integers(-25, 25, 3)
                frames = np.clip(event.clip.frames + shade, 0, 255).astype(np.uint8)
                event = replace(event, clip=replace(event.clip, frames=frames))
            yield event


class _Logged:
    def __init__(self, decoder: Any, log: Path) -> None:
        self._decoder = decoder
        self._log = log

    def decode(self, files: Iterable[VideoFile], sampling: Sampling = USUAL_SAMPLING) -> Iterator[DecodeEvent]:
        for event in self._decoder.decode(_logged(files, self._log), sampling):
            _here("decoding")
            yield event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)


def _logged(files: Iterable[VideoFile], log: Path) -> Iterator[VideoFile]:
    for file in files:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(file.path + "\n")
        yield file


_plan = Plan()
_passed = 0
_doing = threading.local()


def _here(point: str) -> None:
    global _passed
    if point and point == _plan.point:
        _passed += 1
        if _passed >= _plan.count:
            end()


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(library: Path) -> None:
    global _plan
    from cret_desktop.library.indexing import looking
    from cret_desktop.storage.sqlite import catalog, migrations, recovery
    from cret_desktop.storage.sqlite.annotations import Annotations
    from cret_desktop.storage.sqlite.catalog import Catalog
    from cret_desktop.storage.sqlite.embeddings import Embeddings
    from cret_desktop.storage.sqlite.file_changes import FileChanges
    from cret_desktop.storage.vectors import vector_index
    from cret_desktop.storage.vectors.vector_index import Limits, VectorIndex

    _plan = Plan(**json.loads(plan_of(library).read_text(encoding="utf-8")))
    vector_index.Limits = functools.partial(Limits, tail=TAIL)  # type: ignore[assignment,misc]
    for owner, name, word in (
        (looking, "apply_scan", "scan"),
        (FileChanges, "commit_file", "commit"),
        (FileChanges, "fail_file", "failure"),
        (FileChanges, "purge", "purge"),
        (Catalog, "remove_root", "removal"),
        (Annotations, "change_tags", "tags"),
        (Embeddings, "record_graph", "graph record"),
    ):
        setattr(owner, name, _transaction(getattr(owner, name), word))
    Catalog.write = _write(Catalog.write)  # type: ignore[method-assign]
    _wrap(VectorIndex, "add", "index: not added", "index: added")
    _wrap(VectorIndex, "_start_build", "", "graph: begun")
    _wrap(VectorIndex, "_take_over", "graph: built")
    _wrap(VectorIndex, "_keep_generations", "graph: older ones")
    LibraryFiles.write = _writing(LibraryFiles.write)  # type: ignore[method-assign]
    _wrap(LibraryFiles, "rename", "repair: naming")
    _wrap(recovery, "_insert", "repair: copying")
    _wrap(migrations, "copy_catalog", "migration: backup")
    catalog.migrate = _watched(migrations.migrate)  # type: ignore[attr-defined]
    if _plan.point == "graph: being saved":
        threading.Thread(target=_watch_graphs, args=(library / "graphs",), daemon=True).start()
    if _plan.seconds:
        timer = threading.Timer(_plan.seconds, end)
        timer.daemon = True
        timer.start()


def _wrap(owner: Any, name: str, before: str, after: str = "") -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _here(before)
        value = original(*args, **kwargs)
        _here(after)
        return value

    setattr(owner, name, wrapped)


def _transaction(original: Callable[..., Any], word: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _doing.word = word
        try:
            value = original(*args, **kwargs)
        finally:
            _doing.word = ""
        _here(f"{word}: committed")
        return value

    return wrapped


def _write(original: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def write(self: Any, durable: bool = False) -> Iterator[sqlite3.Connection]:
        word = getattr(_doing, "word", "")
        with original(self, durable) as db:
            _here(f"{word}: begun")
            yield db
            _here(f"{word}: not committed")

    return write


def _writing(original: Callable[..., None]) -> Callable[..., None]:
    """Leave at "half written" and "not named" what `LibraryFiles.write` has on the disk at these moments."""

    def write(self: LibraryFiles, name: str, content: bytes, flush: bool = False) -> None:
        is_thumbnail = name.endswith(".jpg")
        for point, written in (("half written", content[: len(content) // 2]), ("not named", content)):
            if is_thumbnail and _plan.point == f"thumbnail: {point}":
                self.make_folder(name.rpartition("/")[0])
                (self.root / f"{name}.part").write_bytes(written)
                _here(_plan.point)
        original(self, name, content, flush)
        _here("thumbnail: named" if is_thumbnail else "")

    return write


def _watched(original: Callable[..., None]) -> Callable[..., None]:
    def migrate(connection: sqlite3.Connection, path: Path) -> None:
        connection.set_progress_handler(lambda: _here("migration: within"), 20)
        try:
            original(connection, path)
        finally:
            connection.set_progress_handler(None, 0)

    return migrate


def _watch_graphs(folder: Path) -> None:
    while not any(folder.glob("*.build/graph")):
        time.sleep(0.0002)
    _here("graph: being saved")
