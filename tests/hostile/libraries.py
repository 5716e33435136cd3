"""Makes hostile libraries from a good one and runs every command on each: `python -m tests.hostile.libraries`.

Each kind (`tests.hostile.kinds`) is tried as someone else's library, as the user's own with this change, and as a
backup to restore. The trial passes if nothing outside the library is changed, or read without being named; if each
command ends in time, without a crash and with at most one sentence; and if the honest part is found.

The commands run in forks of this process, with the tests' colour model and decoder, so that thousands of them take
minutes. `--true` runs `python -m cret_desktop` itself with a real model instead, on some kinds of each group.
"""

from __future__ import annotations

import argparse
import collections
import gc
import hashlib
import io
import json
import logging
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cret_desktop.domain.clips import ClipDecoded
from cret_desktop.errors import LibraryDamaged
from cret_desktop.library.searching.query import parse
from tests.fakes import ColourModel, FakeDecoder
from tests.hostile.kinds import CATALOG, Kind, Place, kinds

if TYPE_CHECKING:
    from cret_desktop.domain.clips import DecodeEvent
    from cret_desktop.engine.assemble import OpenLibrary
    from cret_desktop.engine.client import EngineConfig

ROOT = Path(__file__).parents[2]
SECONDS = 10.0
FACTORY = "tests.hostile.libraries:open_library"
STANCES = ("strange", "own", "restored")
LONG_AGO = 946_684_800 * 10**9  # earlier than any read of a file
MEMORY = 6 << 30  # bytes of one process, so that an unchecked number does not end the whole trial


# --- the good library ---------------------------------------------------------------------------------------------


class Drawing(FakeDecoder):
    """The tests' decoder of words, with displayable pictures."""

    def decode(self, files: Any, *arguments: Any) -> Iterator[DecodeEvent]:
        for event in super().decode(files, *arguments):
            if isinstance(event, ClipDecoded):
                sprite = replace(event.clip.sprite, jpeg=_strip_picture(len(event.clip.times)))
                event = replace(event, clip=replace(event.clip, sprite=sprite))
            yield event


def _strip_picture(tiles: int) -> bytes:
    import cv2
    import numpy as np

    return bytes(cv2.imencode(".jpg", np.full((18, 32 * tiles, 3), 90, np.uint8))[1])


def open_library(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: the real library with the colour model and the decoder of words."""
    from cret_desktop.engine.assemble import wire

    return wire(library, ColourModel(), Drawing, read_only, still_seconds=0.0)


def open_library_with_graph(library: Path, model: str, device: str, read_only: bool) -> OpenLibrary:
    """`EngineConfig.factory`: as `open_library`, but builds a graph from two clips on."""
    from cret_desktop.storage.vectors.vector_index import Limits

    opened = open_library(library, model, device, read_only)
    opened.index._limits = Limits(tail=1)
    return opened


@dataclass(frozen=True, slots=True)
class World:
    """The folders of a trial. `template` is copied to `base` for each kind."""

    root: Path

    @property
    def videos(self) -> Path:
        return self.root / "videos"

    @property
    def more(self) -> Path:
        return self.root / "more"

    @property
    def template(self) -> Path:
        return self.root / "template"

    @property
    def base(self) -> Path:
        return self.root / "now"

    @property
    def queries(self) -> Path:
        return self.root / "queries.txt"


def prepare(root: Path, truly: bool = False) -> World:
    """Make the good library, an innocent one, and all files that must not change.

    `truly`: from real videos, by the real command and a real model with random weights.
    """
    world = World(root)
    for name in ("home/.cache", "work", "outside"):  # home folders have a folder for caches
        (world.template / name).mkdir(parents=True)
    for folder, colours in ((world.videos, ("red", "green", "blue")), (world.more, ("yellow",))):
        folder.mkdir()
        for colour in colours:
            if truly:
                from tests.videos import write_colours

                write_colours(folder / f"{colour}.mp4", [colour], seconds=1)
            else:
                (folder / f"{colour}.mp4").write_text(colour)
    (world.videos / "red.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\na walk on the beach\n")
    world.queries.write_text("red\ngreen\n")
    before = _at_home(world.template / "home")
    try:
        if truly:
            _index_truly(world)
        else:
            _index_in_tests(world)
    finally:
        os.environ.clear()
        os.environ.update(before)
    _make_decoys(world.template)
    return world


def _index_truly(world: World) -> None:
    from cret_desktop import paths
    from cret_desktop.model.tiny import write_tiny_model
    from cret_desktop.settings import Settings, save

    write_tiny_model(world.root / "model")
    save(Settings(model=str(world.root / "model")), paths.settings_file())
    for name in ("library", "outside/innocent"):
        program = [sys.executable, "-m", "cret_desktop", "index", str(world.videos), "--library"]
        subprocess.run([*program, str(world.template / name)], check=True, capture_output=True, cwd=ROOT)


def _index_in_tests(world: World) -> None:
    from cret_desktop.domain.clips import USUAL_SAMPLING, Sort
    from cret_desktop.domain.records import SavedSearch
    from cret_desktop.library.indexing.control import Control

    for folder, opening in (("library", open_library_with_graph), ("outside/innocent", open_library)):
        opened = opening(world.template / folder, "", "", False)
        try:
            root = opened.catalog.add_root(str(world.videos))
            opened.indexer(lambda event: None, (), USUAL_SAMPLING, 0.0).run([(root, root.path)], Control())
            opened.annotations.change_tags([1, 2], ["kept"], [])
            opened.annotations.set_note(1, "said of the first")
            opened.annotations.save_search(SavedSearch("mine", "red", "", Sort.NAME, False))
            opened.searcher.encode_references()
            if opened.index.needs_build():
                opened.index.build()
        finally:
            opened.close()


def _make_decoys(template: Path) -> None:
    outside, home = template / "outside", template / "home"
    for place in (outside / "photos", outside / "documents", outside / "hard", home / "Pictures"):
        place.mkdir(parents=True)
        (place / "holiday.jpg").write_bytes(b"\xff\xd8 somebody's holiday \xff\xd9")
        (place / "thesis.txt").write_text("three years of work")
        (place / "clip.mp4").write_text("purple")
    decoy = outside / "named as ours"
    shutil.copytree(template / "library", decoy)
    (decoy / "holiday.jpg").write_bytes(b"\xff\xd8 somebody's holiday \xff\xd9")
    sprite = "ab/cd/abcd00000000000000000000-123.jpg"
    for name in (sprite, f"thumbnails/{sprite}", "0123456789ab-1.hnsw", "colours-1.npz", "stray.jpg"):
        (decoy / name).parent.mkdir(parents=True, exist_ok=True)
        (decoy / name).write_bytes(b"somebody's " + name.encode())
    ours = [path for path in (template / "library").rglob("*") if path.is_file()]
    for name in {path.name for path in ours} | {
        "catalog.sqlite-wal",
        "writer.lock",
        "engine.log",
        "writer.pid",
        "pace.json",
    }:
        source = next((path for path in ours if path.name == name), None)
        for place in (decoy, outside / "hard"):
            if not (place / name).exists():
                (place / name).write_bytes(source.read_bytes() if source else b"somebody's " + name.encode())


def _said(library: Path, query: str) -> str:
    with closing(sqlite3.connect(f"file:{library / CATALOG}?mode=ro&immutable=1", uri=True)) as db:
        return str(db.execute(query).fetchone()[0])


def _identity(library: Path) -> str:
    return _said(library, "SELECT id FROM library")


def _fingerprint(base: Path) -> str:
    return _said(base / "outside/innocent", "SELECT fingerprint FROM models")


# --- one run ------------------------------------------------------------------------------------------------------


def _at_home(home: Path) -> dict[str, str]:
    """Make a folder this process's home; return the previous environment."""
    before = dict(os.environ)
    os.environ.update(
        HOME=str(home), XDG_CONFIG_HOME=str(home / ".config"), XDG_DATA_HOME=str(home / ".local/share"),
        XDG_STATE_HOME=str(home / ".local/state"), XDG_CACHE_HOME=str(home / ".cache"), LC_ALL="C.UTF-8",
        QT_QPA_PLATFORM="offscreen", HF_HUB_OFFLINE="1",
    )  # fmt: skip
    for name in ("CRET_DESKTOP_LIBRARY", "CRET_DESKTOP_DEVICE", "LANGUAGE"):
        os.environ.pop(name, None)
    return before


OWN_FOLDERS = (".config/CRET Desktop", ".local/share/CRET Desktop", ".local/state/CRET Desktop", ".cache")


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of one command. `status` is negative for a signal, None if it did not end in time."""

    status: int | None
    out: str
    err: str
    seconds: float

    @property
    def sentences(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("cret-desktop:")]

    def faults(self) -> list[str]:
        """The reasons why a command may never end like this, for any library."""
        said = self.out + self.err
        if self.status is None:
            return [f"did not end within {self.seconds:.0f} s"]
        if self.status < 0:
            return [f"ended by {signal.Signals(-self.status).name}"]
        found = []
        if "Traceback (most recent call last)" in said or "Something went wrong inside" in said:
            found.append(f"a defect: {said.partition('Traceback')[2][-1500:]}")
        # An engine that meets damage ends once, so that the next one repairs the catalog on opening.
        if said.count("exit code") > said.count(f"(exit code {LibraryDamaged.exit_status}) and is restarting") or (
            said.count("exit code") > 1
        ):
            found.append(f"the engine fell: {_last_line(self.err)}")
        if len(self.sentences) > 1 or (self.status > 1 and len(self.sentences) != 1):
            found.append(f"{len(self.sentences)} sentences at exit {self.status}: {self.err[-300:]!r}")
        if "\x1b]" in said:
            found.append("the terminal was commanded")
        return found


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")[:300]


def run_forked(action: Callable[[], int], home: Path, work: Path, seconds: float) -> Ran:
    """Run in a fork, with its own home and session, so that processes it leaves behind can be ended."""
    out, err = work / ".out", work / ".err"
    began = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become(action, home, work, out, err)
    status = _wait(child, began + seconds)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    took = time.monotonic() - began
    return Ran(status, out.read_text(errors="replace"), err.read_text(errors="replace"), took)


def _become(action: Callable[[], int], home: Path, work: Path, out: Path, err: Path) -> None:
    """Turn this fork into the command; never returns."""
    status = 70
    try:
        os.setsid()
        for path, number in ((out, 1), (err, 2)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _at_home(home)
        os.chdir(work)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), write_through=True) for number in (1, 2)
        )
        try:
            status = action()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 - as an interpreter ends
            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _wait(child: int, deadline: float) -> int | None:
    pause = 0.002
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return None


def command(*arguments: str) -> Callable[[], int]:
    """Return an action that runs a command line as `python -m cret_desktop` does, with the tests' engine."""

    def action() -> int:
        import cret_desktop.cli.options as options
        from cret_desktop import cli
        from cret_desktop.engine import client

        def chosen(*given: Any, **more: Any) -> EngineConfig:
            return replace(client.chosen_config(*given, **more), factory=FACTORY)

        options.chosen_config = chosen  # type: ignore[attr-defined]
        _fork_engines()
        for console in (cli.terminal.out, cli.terminal.err):
            console.file = sys.stdout if console is cli.terminal.out else sys.stderr
        return cli.run(arguments)

    return action


def _fork_engines() -> None:
    """Fork this process's engines: a spawned one takes a second to import modules that are already loaded here."""
    from cret_desktop import environment
    from cret_desktop.child_process import ChildProcess
    from cret_desktop.engine import client

    class Forked(ChildProcess):
        start_method = "fork"

    client.ChildProcess = Forked  # type: ignore[attr-defined]
    # A fork is made while its parent holds this lock, which nobody would release in the child.
    os.register_at_fork(after_in_child=lambda: setattr(environment, "_changing", threading.RLock()))


def requests(library: Path, read_only: bool) -> Callable[[], int]:
    """Return an action that sends all of a window's requests; each is answered or refused in a sentence."""

    def action() -> int:
        from cret_desktop.domain.clips import Sort
        from cret_desktop.engine import protocol
        from cret_desktop.engine.client import EngineClient, EngineConfig
        from cret_desktop.errors import CretError, Defect, EngineError

        _fork_engines()
        asked: list[protocol.Request[Any]] = [
            protocol.GetStatus(), protocol.GetFailures(), protocol.GetTags(), protocol.GetSavedSearches(),
            protocol.GetLibrarySize(), protocol.Prepare(), protocol.GetModels(),
            *(protocol.Search("", 50, sort=sort, reverse=reverse) for sort in Sort for reverse in (False, True)),
            *(protocol.Search(text, 50) for text in ("red", "beach", "tag:kept red", "dur:<30s", "is:offline",
              "in:videos red", "name:blue", "is:failed", "date:2024")),
            protocol.Search("red", 5, without="green"), protocol.Search("", 5, like=1), protocol.Search("", 5, like=5),
            *(protocol.GetFile(i) for i in (1, 2, 3)), *(protocol.GetFilmstrip(i, "red") for i in (1, 2, 3)),
            protocol.ExportTags("tags.csv"),
        ]  # fmt: skip
        if not read_only:
            asked += [
                protocol.ChangeTags((1, 2, 3), ("new",), ("kept",)), protocol.SetNote(3, "new"),
                protocol.SetFavourite((1, 3), True), protocol.SaveSearch(protocol.SavedSearch("new", "blue")),
                protocol.ForgetSearch("mine"), protocol.RetryFailures(),
                protocol.IndexAgain(str(library.parents[1] / "videos")),
                protocol.FreeSpace(), protocol.RemoveFolder(str(library.parents[1] / "videos")),
                protocol.AddFolders((str(library.parents[1] / "videos"),)), protocol.FreeSpace(),
            ]  # fmt: skip
        status = 0
        try:
            with EngineClient(EngineConfig(library, factory=FACTORY, read_only=read_only, watch=True)) as client:
                for body in asked:
                    try:
                        _answered(client, body)
                    except CretError as error:
                        if type(error) is EngineError:
                            sys.stderr.write(f"{str(body)[:100]}: {error}\n{getattr(error, 'details', '')}\n")
                            status = 1
        except CretError as error:
            sys.stderr.write(
                "\n".join([f"cret-desktop: {error}", *([error.details] if isinstance(error, Defect) else []), ""])
            )
            return error.exit_status
        return status

    return action


def in_one_process(library: Path, more: Path, backup_folder: Path, stance: str) -> Callable[[], int]:
    """Return an action that opens, adopts, indexes and searches in this process: one JSON line per step."""

    def action() -> int:
        from cret_desktop.errors import CretError, LibraryDamaged, LibraryStrange

        def step(name: str, work: Callable[[], Any]) -> bool:
            told: dict[str, Any] = {"step": name}
            try:
                told["value"] = work()
            except CretError as error:
                told["error"] = str(error)
                told["damaged"], told["strange"] = isinstance(error, LibraryDamaged), isinstance(error, LibraryStrange)
            sys.stdout.write(json.dumps(told) + "\n")
            return "value" in told

        def again(work: Callable[[], Any]) -> Callable[[], Any]:
            """Repeat the work once if the engine ends because of damage."""

            def twice() -> Any:
                try:
                    return work()
                except LibraryDamaged:
                    return work()

            return twice

        match stance:
            case "strange":
                step("read", lambda: _read(library))
                step("refused", lambda: _index(library, more))
                step("adopt", lambda: _index(library, None, adopt=True))
                step("index", again(lambda: _index(library, more)))
            case "own":
                step("index", again(lambda: _index(library, more)))
                step("read", lambda: _read(library))
            case _:
                step("restore", lambda: _restore(library, backup_folder))
                step("read", lambda: _read(library))
                step("adopt", again(lambda: _index(library, None, adopt=True)))
                step("index", again(lambda: _index(library, more)))
        return 0

    return action


def _read(library: Path) -> dict[str, list[str]]:
    opened = open_library(library, "", "", read_only=True)
    try:
        return _found(opened)
    finally:
        opened.close()


def _found(opened: OpenLibrary) -> dict[str, list[str]]:
    """Search, and run all other queries of a window."""
    from cret_desktop.domain.clips import Sort
    from cret_desktop.storage.sqlite import backup
    from cret_desktop.storage.sqlite.annotation_records import read_records

    catalog, searcher = opened.catalog, opened.searcher
    with catalog.guarded():
        found = {
            query: [Path(moment.path).name for moment in searcher.search(parse(query), 50).moments]
            for query in ("red", "green")
        }
        for query, sort in (
            ("", Sort.LENGTH),
            ("red beach kept", Sort.RELEVANCE),
            ("tag:kept dur:<30s in:videos", Sort.NAME),
        ):
            searcher.search(parse(query), 50, sort=sort)
        for number in (1, 2, 3):
            with suppress(CretErrors()):
                searcher.filmstrip(number, parse("red"))
        catalog.counts(opened.model.info.fingerprint), catalog.failures(), read_records(catalog)
        opened.annotations.tags(), opened.annotations.saved_searches()
        backup.measure(opened.paths.root)
    return found


def CretErrors() -> type[Exception]:  # noqa: N802
    from cret_desktop.errors import CretError

    return CretError


def _index(library: Path, more: Path | None, adopt: bool = False) -> dict[str, list[str]]:
    from cret_desktop.domain.clips import USUAL_SAMPLING
    from cret_desktop.engine import adoption
    from cret_desktop.engine.lock import WriterLock
    from cret_desktop.errors import LibraryDamaged
    from cret_desktop.library.indexing.control import Control
    from cret_desktop.library.indexing.volumes import Volumes, add_root
    from cret_desktop.library.keeping.thumbnails import ThumbnailFolder
    from cret_desktop.paths import LibraryPaths

    with WriterLock(LibraryPaths(library).lock).held():
        adoption.take_restored(library)
        if adopt and adoption.standing(library).origin is adoption.Origin.STRANGE:
            adoption.adopt(library, False)
        adoption.require_ours(library)
        try:
            opened = open_library(library, "", "", read_only=False)
        except LibraryDamaged:
            opened = open_library(library, "", "", read_only=False)
        try:
            with opened.catalog.guarded():
                if more is not None:
                    root = add_root(opened.catalog, str(more), Volumes())
                    opened.indexer(lambda event: None, (), USUAL_SAMPLING, 0.0).run([(root, str(more))], Control())
                    thumbnails = ThumbnailFolder(opened.store)
                    thumbnails.sweep()
                    thumbnails.look(closely=True)
            return _found(opened)
        finally:
            opened.close()


def _restore(library: Path, source: Path) -> dict[str, list[str]]:
    from cret_desktop.engine import adoption
    from cret_desktop.engine.lock import WriterLock
    from cret_desktop.paths import LibraryPaths
    from cret_desktop.storage.sqlite.backup import take_in

    with WriterLock(LibraryPaths(library).lock).held():
        take_in(library, source)
        adoption.take_restored(library)
    return {}


def _answered(client: Any, body: Any) -> None:
    """Send a request as a window does: an engine that meets damage ends, and answers after repairing the catalog."""
    from cret_desktop.errors import EngineError

    deadline = time.monotonic() + SECONDS
    while True:
        try:
            client.request(body).result(SECONDS)
            return
        except EngineError as error:
            if "again" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


# --- files that must not change -----------------------------------------------------------------------------------


def digest(base: Path, library: Path) -> dict[str, tuple[object, ...]]:
    """Return name -> type, mode, size, time and content of a folder, except the library and the app's folders."""
    apart = {library, base / "backup", base / "work", *(base / "home" / name for name in OWN_FOLDERS)}
    found: dict[str, tuple[object, ...]] = {}

    def look(path: Path) -> None:
        status = path.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        # Files come and go in the folder that contains the library.
        moment = 0 if path == base else status.st_mtime_ns
        found[str(path.relative_to(base))] = (status.st_mode, 0 if path == base else status.st_size, moment, content)
        if stat.S_ISDIR(status.st_mode):
            for inner in sorted(path.iterdir()):
                if inner not in apart:
                    look(inner)

    look(base)
    return found


def changed(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> list[str]:
    return [
        f"{'gone' if name not in after else 'new' if name not in before else 'changed'} outside: {name}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def unread(base: Path) -> list[Path]:
    """Return the files and folders that must not be read, after setting their access times far into the past.

    Files with another name in the library may be read.
    """
    outside = base / "outside"
    folders = [outside / "photos", outside / "documents", outside / "named as ours", base / "home" / "Pictures"]
    watched = [path for folder in folders for path in (folder, *sorted(folder.rglob("*"))) if not path.is_symlink()]
    for path in watched:
        os.utime(path, ns=(LONG_AGO, path.lstat().st_mtime_ns))
    return watched


def was_read(watched: Sequence[Path], base: Path) -> list[str]:
    return [
        f"read outside: {path.relative_to(base)}"
        for path in watched
        if path.exists() and path.lstat().st_atime_ns != LONG_AGO
    ]


# --- the trial ----------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """The outcome of trials. `slowest`: seconds and the command."""

    commands: int = 0
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")


class Trial:
    """One kind in one stance."""

    def __init__(self, world: World, kind: Kind, stance: str, seconds: float, mode: str) -> None:
        self.world, self.kind, self.stance, self.seconds, self.mode = world, kind, stance, seconds, mode
        self.base = world.base
        self.library = self.base / "library"
        self.outcome = Outcome()

    def run(self) -> Outcome:
        self._lay_out()
        before = digest(self.base, self.library)
        watched = unread(self.base)
        if self.mode == "few":
            self._in_one_process()
        else:
            getattr(self, f"_as_{self.stance}")()
        self._fault("", was_read(watched, self.base))
        self._fault("", changed(before, digest(self.base, self.library)))
        return self.outcome

    def _lay_out(self) -> None:
        _take_away(self.base)
        shutil.copytree(self.world.template, self.base, symlinks=True)
        records = json.loads((self.base / "home/.config/CRET Desktop/libraries.json").read_text())
        own, other = _identity(self.library), _identity(self.base / "outside/innocent")
        if self.stance == "strange":
            del records["libraries"][own]
            (self.base / "home/.config/CRET Desktop/libraries.json").write_text(json.dumps(records))
        if self.stance == "restored":
            self.library.rename(self.base / "backup")
            shutil.copytree(self.world.template / "library", self.library)
        made = self.base / "backup" if self.stance == "restored" else self.library
        self.kind.make(Place(made, self.base / "outside", self.base / "home", other, _fingerprint(self.base)))

    def _as_strange(self) -> None:
        kind = self.kind
        self._read(kind.reads, "before it is adopted")
        self._run("index", "index", str(self.world.more), wants=(3, 5) if kind.asks else None)
        self._run("import-tags", "import-tags", "tags.json", wants=(2, 3, 5) if kind.asks else None)
        adopted = self._run("adopt", "adopt", "--no-follow")
        if kind.adopts and adopted.status != 0:
            self._fault("adopt", [f"exit {adopted.status}: {adopted.err[-300:]}"])
        self._write(kind.adopts, "after it was adopted")
        self._do("requests", requests(self.library, read_only=False))
        self._run("status again", "status")
        self._run("move", "move", "moved")

    def _as_own(self) -> None:
        self._write(self.kind.keeps, "in one's own library")
        self._do("requests", requests(self.library, read_only=False))
        self._run("window", "window", "--screenshot", "window.png", "--query", "red")

    def _as_restored(self) -> None:
        restored = self._run("restore", "restore", str(self.base / "backup"))
        refused = restored.status != 0
        self._find(True if refused else self.kind.reads, "after the restoring")
        self._run("adopt", "adopt", "--no-follow")
        judged = self.kind.adopts and self.kind.keeps  # adopting a known library does not rebuild it
        self._write(True if refused else judged, "after it was restored and adopted")

    def _in_one_process(self) -> None:
        kind = self.kind
        ran = self._do("", in_one_process(self.library, self.world.more, self.base / "backup", self.stance))
        steps = {told["step"]: told for told in map(json.loads, ran.out.splitlines())}
        refused = "error" in steps.get("restore", {})
        for name, judged, more in (
            ("read", kind.keeps if self.stance == "own" else kind.reads, self.stance == "own"),
            ("adopt", kind.adopts, False),
            ("index", kind.keeps if self.stance == "own" else kind.adopts, True),
        ):
            if name in steps and (judged or refused):
                told = steps[name]
                found = told.get("value", {})
                if found.get("red", [""])[:1] != ["red.mp4"] or found.get("green", [""])[:1] != ["green.mp4"]:
                    self._fault(name, [f"red and green are not found: {found} {told.get('error', '')}"])
                elif more and "yellow.mp4" not in found["red"]:
                    self._fault(name, [f"what was indexed is not found: {found}"])
        if self.stance == "strange" and kind.asks and "value" in steps.get("refused", {}):
            self._fault("index", ["a library of somebody else was changed"])
        for told in steps.values():
            if "\n" in told.get("error", "").strip() or len(told.get("error", "")) > 2000:
                self._fault(told["step"], [f"no sentence: {told['error'][:300]!r}"])

    def _read(self, judged: bool | None, when: str) -> None:
        self._find(judged, when)
        self._run("status", "status")
        self._run("status --failures --json", "status", "--failures", "--json")
        self._run("search", "search", "red beach")
        self._run("export-tags", "export-tags", "tags.json")
        self._run("backup", "backup", "copy")
        self._run("doctor", "doctor")
        self._run("models list", "models", "list", named=False)
        self._do("requests", requests(self.library, read_only=True))
        self._run("window", "window", "--screenshot", "window.png", "--query", "red")
        with suppress(FileNotFoundError):
            self._run("export", "export", "csv", "--from", "answers", "--to", "moments.csv", named=False)

    def _write(self, judged: bool | None, when: str) -> None:
        self._run("index", "index", str(self.world.more), wants=(0,) if judged else None)
        self._find(judged, when, more=bool(judged))

    def _find(self, judged: bool | None, when: str, more: bool = False) -> None:
        """Search, and check that the honest part is found."""
        ran = self._run("search --json", "search", "--from", str(self.world.queries), "--json", "--limit", "50")
        if ran.status == 0:
            (self.base / "work" / "answers").write_text(ran.out)
        if not judged:
            return
        found = {}
        for line in ran.out.splitlines():
            with suppress(ValueError, LookupError, TypeError):
                answer = json.loads(line)
                found[answer["query"]] = [Path(result["path"]).name for result in answer["results"]]
        for colour in ("red", "green"):
            first = found.get(colour, [])[: None if self.mode == "true" else 1]  # its numbers are random
            if f"{colour}.mp4" not in first:
                self._fault("search", [f"{colour} is not found {when}: {found.get(colour)} {_last_line(ran.err)}"])
                return
        if more and "yellow.mp4" not in found["red"]:
            self._fault("search", [f"what was indexed {when} is not found: {found['red']}"])

    def _run(self, name: str, *arguments: str, wants: Sequence[int] | None = None, named: bool = True) -> Ran:
        given = (*arguments, *(["--library", str(self.library)] if named else []))
        ran = self._done(name, self._truly(given)) if self.mode == "true" else self._do(name, command(*given))
        if wants is not None and ran.status not in (None, *wants):
            self._fault(name, [f"exit {ran.status}, not {wants}: {(ran.err or ran.out)[-300:]}"])
        return ran

    def _do(self, name: str, action: Callable[[], int]) -> Ran:
        if self.mode == "true":
            return Ran(0, "", "", 0.0)  # the window's requests go only to the tests' engine
        return self._done(name, run_forked(action, self.base / "home", self.base / "work", self.seconds))

    def _truly(self, arguments: Sequence[str]) -> Ran:
        program = [sys.executable, "-m", "cret_desktop", *arguments]
        began = time.monotonic()

        def action() -> int:
            os.execve(sys.executable, program, {**os.environ, "PYTHONPATH": str(ROOT)})

        return replace(
            run_forked(action, self.base / "home", self.base / "work", self.seconds), seconds=time.monotonic() - began
        )

    def _done(self, name: str, ran: Ran) -> Ran:
        self.outcome.commands += 1
        self.outcome.slowest = max(self.outcome.slowest, (ran.seconds, name))
        self._fault(name, ran.faults())
        return ran

    def _fault(self, name: str, faults: Sequence[str]) -> None:
        self.outcome.faults += [f"{self.kind.name} [{self.stance}] {name}: {fault}" for fault in faults]


def _take_away(base: Path) -> None:
    if base.exists():
        shutil.rmtree(base)


def warm_up(world: World, mode: str) -> None:
    """Import in this process all modules that its forks would import, including lazily imported ones."""
    import cret_desktop.cli
    import cret_desktop.engine.server
    import cret_desktop.media.decoder_pool
    import cret_desktop.media.thumbnails
    import cret_desktop.storage.vectors.vector_index

    if mode == "all":
        import torch  # noqa: F401

        import cret_desktop.app
        import cret_desktop.media.probe
    before = _at_home(world.template / "home")
    shutil.copytree(world.template / "library", world.root / "warm")
    opened = open_library(world.root / "warm", "", "", True)
    opened.searcher.search(parse("red beach"), 5)
    opened.close()
    sys.stdout = io.StringIO()
    try:
        cret_desktop.cli.run(["models", "list"])
    finally:
        sys.stdout = sys.__stdout__
        os.environ.clear()
        os.environ.update(before)
    gc.collect()
    gc.freeze()  # otherwise each fork's first collection would copy all pages


def try_all(
    wanted: Sequence[tuple[Kind, Sequence[str]]], seconds: float, mode: str, say: Callable[[str], None]
) -> list[Outcome]:
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="cret-libraries-") as folder:
        world = prepare(Path(folder), truly=mode == "true")
        if mode != "true":
            warm_up(world, mode)
        for kind, stances in wanted:
            outcome, began = Outcome(), time.monotonic()
            for stance in stances:
                one = Trial(world, kind, stance, seconds, mode).run()
                if one.faults and all(": read outside: " in fault for fault in one.faults):
                    one = Trial(world, kind, stance, seconds, mode).run()  # another program may have read it
                outcome.commands += one.commands
                outcome.faults += one.faults
                outcome.slowest = max(outcome.slowest, one.slowest)
            outcomes.append(outcome)
            say(
                f"{'ok' if not outcome.faults else 'FAULT':6}{kind.name:50} {outcome.commands:3} commands,"
                f" {time.monotonic() - began:5.1f} s, slowest {outcome.slowest[0]:.1f} s ({outcome.slowest[1]})"
            )
            for fault in outcome.faults:
                say(f"      {fault}")
        _take_away(world.base)
    return outcomes


def group_of(kind: Kind) -> str:
    return kind.name.partition(":")[0]


def shared(every: Sequence[Kind], share: int) -> list[tuple[Kind, Sequence[str]]]:
    """Return each group's first kind and every `share`-th after it, with the stances to try; 1 returns all."""
    if share == 1:
        return [(kind, STANCES) for kind in every]
    seen: collections.Counter[str] = collections.Counter()
    chosen: list[tuple[Kind, Sequence[str]]] = []
    for kind in every:
        if seen[group_of(kind)] % share == 0:
            chosen.append((kind, [STANCES[len(chosen) % len(STANCES)]]))
        seen[group_of(kind)] += 1
    return chosen


def _say(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="kinds whose names hold this (a regular expression)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one command")
    parser.add_argument("--stance", choices=STANCES, action="append", help="all of them without this")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--few", dest="mode", action="store_const", const="few", help="in one process for each kind")
    how.add_argument("--true", dest="mode", action="store_const", const="true", help="the real commands and model")
    parser.set_defaults(mode="all")
    parser.add_argument(
        "--share", type=int, default=1, help="of each group of kinds each so manieth, in stances by turns"
    )
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    every = kinds()
    wanted = shared([kind for name, kind in every.items() if re.search(options.only, name)], options.share)
    if options.stance:
        wanted = [(kind, options.stance) for kind, _ in wanted]
    began = time.monotonic()
    outcomes = try_all(wanted, options.seconds, options.mode, _say)
    groups: dict[str, list[Outcome]] = collections.defaultdict(list)
    for (kind, _), outcome in zip(wanted, outcomes, strict=True):
        groups[group_of(kind)].append(outcome)
    _say(f"\n{'':22}{'kinds':>7}{'commands':>10}{'slowest':>9}{'faults':>8}")
    for name, found in [*groups.items(), ("all", outcomes)]:
        slowest = max((outcome.slowest[0] for outcome in found), default=0.0)
        commands, faults = sum(o.commands for o in found), sum(len(o.faults) for o in found)
        _say(f"{name:22}{len(found):7}{commands:10}{slowest:8.1f}s{faults:8}")
    held = not any(outcome.faults for outcome in outcomes)
    _say(f"{(time.monotonic() - began) / 60:.1f} minutes; {'ok' if held else 'FAILED'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
