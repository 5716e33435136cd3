"""A self-test of every part of the app on clips that it generates: `cret-desktop self-test`.

Continuous integration runs it inside a frozen app, and users are asked to run it to diagnose problems. The parts run in
processes of their own, so that one that crashes is a line in the report. The test works in a temporary folder and
leaves nothing behind; it does not read the user's library, settings or models.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cret_desktop.confinement import no_new_privileges
from cret_desktop.domain.clips import Moment, Picture
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.errors import CretError
from cret_desktop.library.indexing.progress import FileIndexed
from cret_desktop.messages import clauses, render
from cret_desktop.paths import LIBRARIES_VARIABLE

Result = TypeVar("Result")

INDEX_SECONDS = 600.0  # for a slow disk, a busy machine, a model read for the first time
PLAYED = 0.5  # seconds of a clip
QUERY = "a colourful pattern"
FEWEST_COLOURS = 40  # in a picture of the window with results; an empty one has a dozen


@dataclass(frozen=True, slots=True)
class Finding:
    """The result for one part: whether it works, with an observation or the reason why it does not."""

    part: str
    ok: bool
    words: str
    seconds: float


def run(device: str) -> Iterator[Finding]:
    """Yield the findings, each as soon as it is available."""
    before = os.environ.get(LIBRARIES_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="cret-desktop-self-test-", ignore_cleanup_errors=True) as place:
        os.environ[LIBRARIES_VARIABLE] = os.path.join(place, "kept", "libraries.json")  # for the children, too
        try:
            # Resolved, as the engine names files by their real paths (temporary folders are links on macOS).
            yield from _Trial(Path(place).resolve(), device).findings()
        finally:
            if before is None:
                del os.environ[LIBRARIES_VARIABLE]
            else:
                os.environ[LIBRARIES_VARIABLE] = before


class _Trial:
    def __init__(self, place: Path, device: str) -> None:
        self._videos = place / "vidéos of the self-test"  # a space and an accent, as in users' folders
        self._videos.mkdir()
        self._place = place
        self._config = EngineConfig(place / "library", "starter", device)
        self._moments: list[Moment] = []

    def findings(self) -> Iterator[Finding]:
        written: dict[str, str] = {}
        yield _tried("writing clips", lambda: self._write(written))
        yield from self._ask_engine([codec for codec, problem in written.items() if not problem])
        yield _tried("thumbnails", self._read_thumbnails)
        yield _tried("window", self._open_window)
        yield _tried("playing", self._play)
        yield _tried("exporting a clip", self._export)
        yield _tried("importing a model", lambda: _in_child(_import_model, self._place))
        yield _tried("doctor", lambda: _in_child(_examine, self._config))

    def _write(self, written: dict[str, str]) -> str:
        written |= _in_child(_write_clips, self._videos)
        problems = [f"{codec}: {problem}" for codec, problem in written.items() if problem]
        if problems:
            raise CretError("check.clips", problems="; ".join(problems))
        return ", ".join(written)

    def _ask_engine(self, codecs: list[str]) -> Iterator[Finding]:
        try:
            with EngineClient(self._config) as engine:
                reasons: dict[str, str] = {}
                yield _tried("indexing", lambda: self._index(engine, reasons))
                for codec in codecs:
                    reason = reasons.get(codec, "it was not indexed")
                    yield Finding(f"decoding {codec}", not reason, reason or "indexed", 0.0)
                yield _tried("search by words", lambda: self._search(engine))
                yield _tried("search by picture", lambda: self._search_like(engine))
        except CretError as error:
            yield Finding("engine", False, str(error), 0.0)

    def _index(self, engine: EngineClient, reasons: dict[str, str]) -> str:
        """Index the clips; fill `reasons` with codec -> the reason why its clip could not be indexed, or ''."""
        events: queue.SimpleQueue[protocol.Event] = queue.SimpleQueue()
        unsubscribe = engine.subscribe(events.put)
        engine.request(protocol.AddFolders((str(self._videos),))).result(INDEX_SECONDS)
        while not isinstance(event := events.get(timeout=INDEX_SECONDS), protocol.IndexFinished):
            if isinstance(event, FileIndexed):
                reasons[Path(event.path).stem] = render(event.reason) if event.reason is not None else ""
            elif isinstance(event, protocol.EngineLost):
                raise CretError(event.message)
        unsubscribe()
        if event.error:
            raise CretError(event.error)
        return f"{event.totals.files} files, {event.totals.clips} clips"

    def _search(self, engine: EngineClient) -> str:
        answer = engine.request(protocol.Search(QUERY, 50)).result(INDEX_SECONDS)
        self._moments = list(answer.moments)
        if not self._moments:
            raise CretError("check.nothing-found")
        return f"{len(self._moments)} moments"

    def _search_like(self, engine: EngineClient) -> str:
        """Check that each picture finds its own clip: decoder, video tower and index agree."""
        pictures: dict[str, Picture] = _in_child(_pictures)
        missed = []
        for codec, picture in pictures.items():
            answer = engine.request(protocol.Search("", 50, like=picture)).result(INDEX_SECONDS)
            best = Path(answer.moments[0].path).stem if answer.moments else "-"
            if best != codec:
                missed.append(f"{codec} → {best}")
        if missed:
            raise CretError("check.wrong-clip", found="; ".join(missed))
        return f"{len(pictures)} pictures found their clips"

    def _read_thumbnails(self) -> str:
        sprites = sorted({thumbnail.path for moment in self._moments for thumbnail in moment.thumbnails})
        if not sprites:
            raise CretError("check.no-thumbnails")
        sizes = _in_child(_read_pictures, sprites)
        return f"{len(sizes)} strips of {sizes[0][0]} x {sizes[0][1]}"

    def _open_window(self) -> str:
        picture = self._place / "window.png"
        colours = _in_child(_photograph_window, self._config, picture)
        if colours < FEWEST_COLOURS:
            raise CretError("check.blank-window", colours=colours)
        return f"opened with results, {picture.stat().st_size / 1000:.0f} kB of picture"

    def _play(self) -> str:
        return _in_child(_play, str(self._videos / "h264.mp4"))

    def _export(self) -> str:
        return _in_child(_export, str(self._videos / "h264.mp4"), str(self._place / "exported"))


def _tried(part: str, work: Callable[[], str]) -> Finding:
    began = time.perf_counter()
    try:
        words, ok = work(), True
    except CretError as error:
        words, ok = str(error), False
    except Exception as error:  # noqa: BLE001 - this report is for bugs in a part
        words, ok = f"{type(error).__name__}: {error}", False
    return Finding(part, ok, words, time.perf_counter() - began)


def _in_child(function: Callable[..., Result], *arguments: object) -> Result:
    """Return the function's result from a separate process, which contains its imports, crashes and leaks.

    `ChildProcess` returns bytes only. These functions return Python objects and raise errors of any kind, which the
    standard library's executor carries.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=no_new_privileges) as pool:
        return pool.submit(function, *arguments).result()


# --- in children ------------------------------------------------------------------------------------------------------


def _write_clips(folder: Path) -> dict[str, str]:
    os.environ["SVT_LOG"] = "0"  # otherwise the AV1 encoder prints its whole configuration
    from cret_desktop.media.sample_clips import write_sample_clips

    return write_sample_clips(folder)


def _pictures() -> dict[str, Picture]:
    from cret_desktop.media.sample_clips import FORMATS, picture_of

    pictures = {codec: picture_of(codec) for codec in FORMATS}
    return {codec: Picture(pixels.shape[1], pixels.shape[0], pixels.tobytes()) for codec, pixels in pictures.items()}


def _read_pictures(paths: list[str]) -> list[tuple[int, int]]:
    from cret_desktop.gui.playing.trial import read_pictures

    return read_pictures(paths)


def _photograph_window(config: EngineConfig, picture: Path) -> int:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from cret_desktop import app
    from cret_desktop.gui.playing.trial import count_colours

    app.screenshot(config, QUERY, picture)
    return count_colours(str(picture))


def _play(path: str) -> str:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from cret_desktop.gui.playing.trial import play

    return play(path, PLAYED)


def _export(path: str, folder: str) -> str:
    from cret_desktop.engine.exports import Exporter

    exported = Exporter(lambda _: None).run(
        protocol.ExportClips((protocol.Passage(path, 0.5, 1.5),), folder, mode="exact")
    )
    if not exported.paths:
        if exported.failed:
            raise CretError("check.export", problems=clauses(exported.failed))
        raise CretError("check.nothing-exported")
    return Path(exported.paths[0]).name


def _import_model(place: Path) -> str:
    from cret_desktop.model.encoder import open_model
    from cret_desktop.model.importing import import_model
    from cret_desktop.model.tiny import write_tiny_model

    given = write_tiny_model(place / "given")
    manifest = import_model(given.folder, place / "models")
    features = open_model(str(manifest.folder), "cpu").text.encode(["a moment"])
    return f"{manifest.config.name}, which answers with {features.globals.shape[1]} numbers"


def _examine(config: EngineConfig) -> str:
    from cret_desktop.engine.doctor import report

    return "; ".join(f"{what} {finding}" for what, finding in report(config.library, config.device))
