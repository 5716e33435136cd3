"""Exports moments as clips and lists, with a child process that opens the media.

The child (torch-free, spawned on first use) cuts one clip or reads one file's facts at a time: a codec that crashes or
hangs costs that one passage and a new child. Clips are written into a hidden folder in the target folder and get their
name when they are complete; the remains of a cancelled export are deleted with that folder. This module never
overwrites a file and never touches the library.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cret_desktop import confinement
from cret_desktop.atomic_write import flush_to_disk
from cret_desktop.cancellation import CancelToken
from cret_desktop.child_process import ChildLimits, ChildProcess, bound_memory, end_with_parent
from cret_desktop.engine.protocol import ExportClips, Exported, ExportList, ExportProgress, Passage
from cret_desktop.errors import BadFile, CretError, DecoderFailed, ExportCancelled, ExportError
from cret_desktop.foreign import reason_of, visible
from cret_desktop.library.exporting import timelines as lists
from cret_desktop.media.timecode import EditSource
from cret_desktop.messages import Message

MEMORY_BYTES = 6 << 30  # the child's limit: a defence against damaged files, far above the needs of valid ones
STALL_SECONDS = 60.0  # of silence, after which a child is ended
_LISTEN_SECONDS = 0.1  # maximum delay until a cancellation is noticed
_TICK_SECONDS = 0.1
_CLEAN_SECONDS = 10.0  # for the child of a killed parent to delete its unfinished files
_LONGEST_STEM = 180  # bytes of a file's name, so that times and suffix still fit into the usual 255
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')  # on any system; clips may be copied

Request = ExportClips | ExportList
Listener = Callable[[ExportProgress], None]


class Exporter:
    """Runs one export at a time in the thread that calls `run`."""

    def __init__(self, listener: Listener, stall_seconds: float = STALL_SECONDS) -> None:
        self._listener = listener
        self._stall_seconds = stall_seconds

    def run(self, request: Request, token: CancelToken | None = None) -> Exported:
        """Run an export; return the files written. Raises: ExportError; ExportCancelled once `token` is cancelled."""
        token = token or CancelToken()
        if token.cancelled:
            raise ExportCancelled("export.cancelled")
        if not request.passages:
            raise ExportError("export.empty")
        sources = sorted({os.path.abspath(passage.path) for passage in request.passages})
        worker = _Worker(token, self._stall_seconds, sources)
        try:
            if isinstance(request, ExportClips):
                return self._export_clips(request, worker)
            return self._export_list(request, worker)
        finally:
            worker.end()

    def _export_clips(self, request: ExportClips, worker: _Worker) -> Exported:
        paths: list[str] = []
        notes: list[Message] = []
        failed: list[Message] = []
        total = sum(max(0.0, passage.end - passage.start) for passage in request.passages) or 1.0
        done = 0.0
        with _scratch(request.folder) as scratch:
            for passage in request.passages:
                length = max(0.0, passage.end - passage.start)
                part = partial(self._tell, passage.path, done / total, length / total)
                try:
                    clip = worker.cut(passage, request, scratch, part)
                    path = _publish(Path(clip["path"]), Path(request.folder), _clip_name(passage))
                except (BadFile, DecoderFailed) as error:
                    failed.append(_of(passage.path, error))
                else:
                    paths.append(path)
                    said = [Message.from_json(note) for note in clip["notes"]]
                    notes += [Message("export.note", name=visible(os.path.basename(path)), note=note) for note in said]
                done += length
        if not paths:
            raise ExportError(failed[0])
        return Exported(tuple(paths), tuple(notes), tuple(failed))

    def _export_list(self, request: ExportList, worker: _Worker) -> Exported:
        failed: dict[str, Message] = {}
        sources: dict[str, EditSource] = {}
        videos = list(dict.fromkeys(passage.path for passage in request.passages))
        for number, path in enumerate(videos):
            self._tell(path, number / len(videos), 0.0, 0.0)
            try:
                sources[path] = worker.facts(path)
            except (BadFile, DecoderFailed) as error:
                failed[path] = _of(path, error)
        edits = [lists.Edit(sources[p.path], p.start, p.end) for p in request.passages if p.path in sources]
        if not edits:
            raise ExportError(next(iter(failed.values())))
        target = Path(request.path)
        content = _list_content(request, edits)
        with _scratch(str(target.parent)) as scratch:
            unfinished = scratch / "list"
            try:
                unfinished.write_bytes(content)
            except OSError as error:
                raise _not_written(target.parent, error) from error
            path = _publish(unfinished, target.parent, target.stem, target.suffix)
        return Exported((path,), tuple(lists.notes(edits, request.form)), tuple(failed.values()))

    def _tell(self, path: str, done: float, share: float, within: float) -> None:
        self._listener(ExportProgress(min(1.0, done + share * within), path))


def _list_content(request: ExportList, edits: list[lists.Edit]) -> bytes:
    title = request.title or Path(request.path).stem
    match request.form:
        case "csv":
            return lists.as_csv(edits)
        case "edl":
            return lists.as_edl(edits, title)
        case "fcpxml":
            return lists.as_fcpxml(edits, title)


# --- files ----------------------------------------------------------------------------------------------------------


@contextmanager
def _scratch(folder: str) -> Iterator[Path]:
    """Yield a hidden folder in `folder` (created if only its last part is missing), and delete it afterwards."""
    try:
        if not os.path.isdir(folder):
            os.mkdir(folder)
        scratch = tempfile.mkdtemp(prefix=".cret-desktop-", dir=folder)
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        yield Path(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(unfinished: Path, folder: Path, stem: str, suffix: str = "") -> str:
    """Rename a complete file to its name, or the next free one: 'name (2).mp4'. It then survives a power cut."""
    try:
        with open(unfinished, "r+b") as stream:
            flush_to_disk(stream)
        # Reserve the name, then replace: a rename alone could overwrite a file created in between.
        target = _taken_name(folder, stem, suffix or unfinished.suffix)
        try:
            os.replace(unfinished, target)
        except OSError:
            target.unlink()
            raise
    except OSError as error:
        raise _not_written(folder, error) from error
    return str(target)


def _taken_name(folder: Path, stem: str, suffix: str) -> Path:
    """Create an empty file under the first free name and return its path. Raises: OSError."""
    for number in itertools.count(1):
        addition = f" ({number})" if number > 1 else ""
        target = folder / f"{stem}{addition}{suffix}"
        with suppress(FileExistsError):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return target
    raise AssertionError("unreachable")


def _clip_name(passage: Passage) -> str:
    """Return a name like 'walk 0m12s-0m19s', legal on every system."""
    stem = _NOT_IN_NAMES.sub("_", Path(passage.path).stem).encode()[:_LONGEST_STEM].decode(errors="ignore")
    stem = stem.strip(" .") or "clip"
    return f"{stem} {_clock(passage.start)}-{_clock(passage.end)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"


def _of(path: str, error: CretError) -> Message:
    name = os.fsencode(os.path.basename(path)).decode("utf-8", "replace")
    return Message("export.failed", name=name, reason=error.message)


def _not_written(folder: str | Path, error: OSError) -> ExportError:
    shown = os.fsencode(folder).decode("utf-8", "replace")
    return ExportError("export.folder", folder=shown, reason=reason_of(error))


# --- the child, seen from the parent --------------------------------------------------------------------------------


class _Worker:
    """The child, started on demand and restarted after a crash."""

    def __init__(self, token: CancelToken, stall_seconds: float, sources: list[str]) -> None:
        self._sources = sources  # all that the child may read, besides the program's own files
        self._token = token
        self._stall_seconds = stall_seconds
        self._child: ChildProcess | None = None

    def cut(
        self, passage: Passage, request: ExportClips, scratch: Path, progress: Callable[[float], None]
    ) -> dict[str, Any]:
        """Cut a clip; return the child's answer. Raises: BadFile, DecoderFailed, ExportError, ExportCancelled."""
        job = {
            "job": request.mode,
            "path": os.path.abspath(passage.path),
            "start": passage.start - request.handles,
            "end": passage.end + request.handles,
            "scratch": str(scratch),
        }
        return self._ask(job, progress)

    def facts(self, path: str) -> EditSource:
        """Return the facts of a video that a list needs. Raises: BadFile, DecoderFailed, ExportCancelled."""
        found = self._ask({"job": "facts", "path": os.path.abspath(path)}, lambda _: None)["source"]
        return EditSource(**{**found, "rate": Fraction(found["rate"])})

    def end(self) -> None:
        """End the child at once; between two jobs it has nothing to lose."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def _ask(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        child = self._child or self._start([job["scratch"]] if "scratch" in job else [])
        child.expect()
        try:
            child.send(json.dumps(job).encode())
            while True:
                if self._token.cancelled:
                    self.end()
                    raise ExportCancelled("export.cancelled")
                if not child.poll(_LISTEN_SECONDS):
                    if child.has_stalled:
                        self.end()
                        raise DecoderFailed("export.stalled", seconds=self._stall_seconds)
                    continue
                message: dict[str, Any] = json.loads(child.receive())
                match message["kind"]:
                    case "progress":
                        confinement.report(str(message.get("unconfined", "")))
                        progress(message["done"])
                    case "done":
                        return message
                    case "bad":
                        raise BadFile(Message.from_json(message["reason"]))
                    case "failed":
                        raise ExportError(Message.from_json(message["reason"]))
                    case "defect":
                        raise RuntimeError(message["details"])
        except (EOFError, OSError, LookupError, ValueError) as error:
            # The child is gone, or its message is invalid, as after memory corruption.
            self.end()
            raise DecoderFailed("export.crashed") from error

    def _start(self, places: list[str]) -> ChildProcess:
        """Start a child that may write into the folders `places`."""
        limits = ChildLimits(stall_seconds=self._stall_seconds)
        self._child = ChildProcess("cret-export", _run_child, self._sources, places, limits=limits)
        return self._child


# --- the child's side -----------------------------------------------------------------------------------------------


def _run_child(pipe: Connection, sources: list[str], places: list[str]) -> None:
    unconfined = confinement.confine(read=sources, write=places)
    end_with_parent(_CLEAN_SECONDS)
    # Imported here so that the parent never loads a codec.
    from cret_desktop.media.cutter import Cut, copy_clip
    from cret_desktop.media.edit_source import read_edit_source
    from cret_desktop.media.exact_cut import cut_exactly

    bound_memory(MEMORY_BYTES)
    told = 0.0

    def tell(kind: str, **content: Any) -> None:
        pipe.send_bytes(json.dumps({"kind": kind, **content}).encode())

    def tick(done: float) -> None:
        nonlocal told
        if time.monotonic() - told > _TICK_SECONDS:
            told = time.monotonic()
            tell("progress", done=done)

    def work(job: dict[str, Any]) -> None:
        if job["job"] == "facts":
            facts = dataclasses.asdict(read_edit_source(job["path"]))
            tell("done", source={**facts, "rate": str(facts["rate"])})
            return
        cut = Cut(job["path"], job["start"], job["end"])
        clip = (cut_exactly if job["job"] == "exact" else copy_clip)(cut, Path(job["scratch"]), tick)
        tell("done", path=str(clip.path), notes=[note.to_json() for note in clip.notes])

    scratch: str | None = None
    try:
        while True:
            job = json.loads(pipe.recv_bytes())
            scratch = job.get("scratch")
            tell("progress", done=0.0, unconfined=unconfined)
            try:
                work(job)
            except BadFile as error:
                tell("bad", reason=error.message.to_json())
            except MemoryError:
                tell("bad", reason=Message("file.memory").to_json())
            except CretError as error:
                tell("failed", reason=error.message.to_json())
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:  # noqa: BLE001 - the parent reports it
                tell("defect", details="".join(traceback.format_exception(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)  # the parent is gone and cannot delete it
