"""The abilities of confined processes, tested in real ones: a plain child, a decoder, the export's child."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cret_desktop import confinement
from cret_desktop.domain.clips import DecodeEvent, FileDecoded, FileFailed, FrameFormat, VideoFile
from cret_desktop.engine import exports
from cret_desktop.engine.protocol import ExportClips, Passage
from cret_desktop.errors import ExportError
from cret_desktop.media import decoder_pool
from cret_desktop.media.decoder_pool import DecoderPool
from cret_desktop.media.scan import video_file
from cret_desktop.messages import Message
from tests.said import said
from tests.videos import write_colours

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement is Linux's")

# A program that is confined as its argument says and prints, for each deed, "" or the name of the error.
DEEDS = textwrap.dedent(
    """
    import ctypes, json, os, signal, socket, sys, threading
    from cret_desktop.confinement import confine

    options, foreign, parent = json.loads(sys.argv[1]), sys.argv[2], os.getppid()
    mine = (options.get("write") or [foreign])[0]
    handed = os.open(f"{foreign}/handed", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)

    def call(result):
        if result < 0:
            raise OSError(ctypes.get_errno(), "refused")

    def write(path):
        with open(path, "w") as file:
            file.write("changed")

    def renamed():
        write(f"{mine}/before")
        os.rename(f"{mine}/before", f"{mine}/after")
        os.unlink(f"{mine}/after")

    def threaded():
        thread = threading.Thread(target=str)
        thread.start()
        thread.join()

    deeds = {
        "read another file": lambda: open(f"{foreign}/file").read(),
        "read a descriptor": lambda: os.read(handed, 1),
        "open a descriptor anew": lambda: open(f"/proc/self/fd/{handed}").read(),
        "read the parent's memory": lambda: open(f"/proc/{parent}/mem", "rb"),
        "list a folder": lambda: os.listdir(foreign),
        "change a file": lambda: write(f"{foreign}/file"),
        "create a file": lambda: write(f"{foreign}/new"),
        "create a folder": lambda: os.mkdir(f"{foreign}/folder"),
        "create a link": lambda: os.symlink("file", f"{foreign}/link"),
        "create a second name": lambda: os.link(f"{foreign}/file", f"{foreign}/second"),
        "create a pipe": lambda: os.mkfifo(f"{foreign}/pipe"),
        "rename a file": lambda: os.rename(f"{foreign}/handed", f"{foreign}/renamed"),
        "remove a file": lambda: os.unlink(f"{foreign}/removed"),
        "remove a folder": lambda: os.rmdir(f"{foreign}/empty"),
        "shorten a file": lambda: os.truncate(f"{foreign}/file", 0),
        "change permissions": lambda: os.chmod(f"{foreign}/file", 0o777),
        "change permissions by a descriptor": lambda: os.fchmod(handed, 0o777),
        "change times": lambda: os.utime(f"{foreign}/file", (1, 1)),
        "change attributes": lambda: os.setxattr(f"{foreign}/file", "user.a", b"1"),
        "open a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "open a datagram socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "open a local socket": lambda: socket.socket(socket.AF_UNIX),
        "run a program": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
        "start a program": lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ),
        "start a process": lambda: os._exit(0) if os.fork() == 0 else None,
        "signal the parent": lambda: os.kill(parent, 0),
        "signal itself": lambda: os.kill(os.getpid(), 0),
        "trace the parent": lambda: call(libc.ptrace(16, parent, 0, 0)),
        "type into the terminal": lambda: call(libc.ioctl(0, 0x5412, b"x")),
        "start a thread": threaded,
        "import a library": lambda: __import__("colorsys"),
        "work in its own folder": renamed,
    }
    skipped = options.pop("skipped", [])
    told = "" if skipped else confine(**options)
    found = {"": told, "privileges": open("/proc/self/status").read().partition("NoNewPrivs:")[2].split()[0]}
    for name, deed in deeds.items():
        if name in skipped:
            continue
        try:
            deed()
        except OSError as error:
            found[name] = type(error).__name__
        else:
            found[name] = ""
    print(json.dumps(found))
    """
)
ALLOWED = {"read a descriptor", "signal itself", "start a thread", "import a library"}
HARMFUL_HERE = ["run a program", "trace the parent", "type into the terminal"]
OWN_FOLDER = {"work in its own folder"}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder of another user's files."""
    folder = tmp_path / "foreign"
    (folder / "empty").mkdir(parents=True)
    for name in ("file", "handed", "removed"):
        (folder / name).write_text("private")
    return folder


def kept(folder: Path) -> list[tuple[str, int, int, str]]:
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        found.append((str(path), status.st_mode, status.st_mtime_ns, path.read_text() if path.is_file() else ""))
    return found


def done_by(program: Path, options: dict[str, list[str]], foreign: Path) -> dict[str, str]:
    program.mkdir()
    (program / "deeds.py").write_text(DEEDS)
    command = [sys.executable, str(program / "deeds.py"), json.dumps(options), str(foreign)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return dict(json.loads(done.stdout))


def test_a_confined_process_reads_what_it_was_given_and_changes_nothing(tmp_path: Path, foreign: Path) -> None:
    before = kept(foreign)
    found = done_by(tmp_path / "program", {}, foreign)
    assert found.pop("") == "", "this kernel is expected to have both means"
    assert found.pop("privileges") == "1"
    assert {name for name, error in found.items() if not error} == ALLOWED
    assert kept(foreign) == before


def test_one_that_may_write_a_folder_writes_nowhere_else(tmp_path: Path, foreign: Path) -> None:
    before, own = kept(foreign), tmp_path / "own"
    own.mkdir()
    found = done_by(tmp_path / "program", {"write": [str(own)]}, foreign)
    assert (found.pop(""), found.pop("privileges")) == ("", "1")
    assert {name for name, error in found.items() if not error} == ALLOWED | OWN_FOLDER
    assert kept(foreign) == before


def test_one_file_can_be_given_by_its_path(tmp_path: Path, foreign: Path) -> None:
    found = done_by(tmp_path / "program", {"read": [str(foreign / "file"), str(tmp_path / "nowhere")]}, foreign)
    assert (found.pop(""), found.pop("privileges")) == ("", "1")
    assert {name for name, error in found.items() if not error} == ALLOWED | {"read another file"}


def test_an_unconfined_process_can_do_all_of_it(tmp_path: Path, foreign: Path) -> None:
    """Otherwise the tests above would show nothing."""
    found = done_by(tmp_path / "program", {"skipped": HARMFUL_HERE, "write": [str(foreign)]}, foreign)
    assert (found.pop(""), found.pop("privileges")) == ("", "0")
    assert {name for name, error in found.items() if error} == set()


# --- the children that open media files -----------------------------------------------------------------------------

FORMAT = FrameFormat(frames=2, size=32)


@pytest.fixture
def film(tmp_path: Path) -> VideoFile:
    return video_file(str(write_colours(tmp_path / "film.mp4", ["red"], seconds=1.0)))


def tried(foreign: str, port: int, **more: Callable[[], Any]) -> str:
    """Attempt the deeds of a compromised codec; return JSON of deed -> "" or the name of the error."""
    deeds: dict[str, Callable[[], Any]] = {
        "read another file": lambda: Path(foreign, "file").read_text(),
        "create a file": lambda: Path(foreign, "new").write_text("new"),
        "remove a file": lambda: Path(foreign, "removed").unlink(),
        "connect": lambda: socket.create_connection(("127.0.0.1", port), 5),
        "run a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "start a process": lambda: os._exit(0) if os.fork() == 0 else None,
        **more,
    }
    found = {}
    for name, deed in deeds.items():
        try:
            deed()
        except OSError as error:
            found[name] = type(error).__name__
        else:
            found[name] = ""
    return json.dumps(found)


def refused(said: str) -> tuple[set[str], set[str]]:
    """Return the deeds refused for lack of permission, and the successful ones."""
    found = json.loads(said)
    return {name for name in found if found[name] == "PermissionError"}, {name for name in found if not found[name]}


HARM = {"read another file", "create a file", "remove a file", "connect", "run a program", "start a process"}


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a listener on this computer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def treacherous_decoder(foreign: str, port: int, film: str, *given: Any) -> None:
    from cret_desktop.media import decoder_child

    honest = decoder_child._Loop.run

    def run(self: Any, *limits: Any) -> None:
        from cret_desktop.media import decoder

        def decode_file(file: VideoFile, *rest: Any) -> Iterator[DecodeEvent]:
            handed = rest[-1].descriptor
            more = {"read its file": lambda: os.read(handed, 1), "open it": lambda: os.open(film, os.O_RDONLY)}
            yield FileFailed(file, Message("reason.said", text=tried(foreign, port, **more)))

        decoder.decode_file = decode_file  # type: ignore[assignment]
        honest(self, *limits)

    decoder_child._Loop.run = run  # type: ignore[method-assign, assignment]
    decoder_child.run(*given)


def test_a_decoder_reads_the_file_it_was_handed_and_can_do_nothing_else(
    film: VideoFile, foreign: Path, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = kept(foreign)
    confinement.report.cache_clear()
    # This module, which the child imports before anything else, loads numpy: its threads would not be confined.
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setattr(decoder_pool, "_run_child", partial(treacherous_decoder, str(foreign), port, film.path))
    with DecoderPool(FORMAT, workers=1) as pool:
        [told] = list(pool.decode([film]))
    assert isinstance(told, FileFailed)
    assert refused(said(told.reason)) == (HARM | {"open it"}, {"read its file"})
    assert kept(foreign) == before
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def treacherous_exporter(foreign: str, port: int, *given: Any) -> None:
    from cret_desktop.media import cutter

    def copy_clip(cut: Any, scratch: Path, *_: Any) -> None:
        own = {
            "read its file": lambda: Path(cut.path).read_bytes(),
            "change its file": lambda: Path(cut.path).write_text("changed"),
            "write its clip": lambda: Path(scratch, "clip").write_text("clip"),
        }
        raise ExportError("reason.said", text=tried(foreign, port, **own))

    cutter.copy_clip = copy_clip  # type: ignore[assignment]
    exports._run_child(*given)


def test_the_exports_child_reads_its_videos_and_writes_its_folder(
    film: VideoFile, foreign: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(foreign)
    run = partial(treacherous_exporter, str(foreign), port)
    monkeypatch.setattr(exports, "_run_child", run)
    (tmp_path / "exported").mkdir()
    with pytest.raises(ExportError) as told:
        exports.Exporter(lambda _: None).run(ExportClips((Passage(film.path, 0.0, 0.5),), str(tmp_path / "exported")))
    assert refused(str(told.value)) == (HARM | {"change its file"}, {"read its file", "write its clip"})
    assert kept(foreign) == before
    assert list((tmp_path / "exported").iterdir()) == []


def test_a_kernel_that_lacks_it_is_named_once_and_stops_nothing(
    film: VideoFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    confinement.report.cache_clear()
    monkeypatch.setattr(decoder_pool, "_run_child", decoder_on_an_old_kernel)
    for _ in range(2):
        with DecoderPool(FORMAT, workers=1) as pool:
            assert isinstance(list(pool.decode([film]))[-1], FileDecoded)
    [told] = [record.message for record in caplog.records]
    assert "Landlock" in told
    assert "seccomp" in told


def decoder_on_an_old_kernel(*given: Any) -> None:
    from cret_desktop.media import decoder_child

    confinement._call = lambda *_: -1
    decoder_child.run(*given)
