"""Indexes a hostile corpus (`tests.hostile.corpus`) and checks the outcome: `python -m tests.hostile.run OUT`.

The real engine, catalog, decoders and index run, with a light encoder that knows colours. The run passes if it stays
within its minutes and its memory, every file is indexed, partial or listed with a reason, each good one is found by its
colour, nothing from elsewhere is found, and no process remains. On Linux it runs without a network and is traced: it
may connect to no address of the internet, and may open no outside file that a file of the corpus names.
"""

from __future__ import annotations

import argparse
import collections
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from cret_desktop.domain.records import FileRow
from cret_desktop.engine import protocol
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.paths import LibraryPaths
from cret_desktop.storage.sqlite.catalog import Catalog
from tests.fakes import COLOURS, INFO
from tests.hostile.corpus import CORPUS, ELSEWHERE, FORBIDDEN, MANIFEST, Entry, read_manifest
from tests.said import said

MINUTES = 5.0  # for a thousand files; two busy cores took 0.6
GIB = 1.0  # per process; the highest seen was 0.14
_LOOK_SECONDS = 0.05
_SENTENCE = re.compile(r"[A-Z“].*\.", re.DOTALL)
TRACED = "connect,bind,open,openat,openat2,creat,execve,listen"


@dataclass
class Outcome:
    """The outcome of a run. `faults` is empty if it passed."""

    minutes: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)  # bytes of the largest process by name
    states: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)  # (kind, state)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)


class Watch(threading.Thread):
    """Records every process below this one, and its peak memory."""

    def __init__(self) -> None:
        super().__init__(name="watch", daemon=True)
        self.seen: dict[psutil.Process, str] = {}
        self.peaks: dict[str, int] = collections.defaultdict(int)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error, OSError):
                    name = self.seen.setdefault(process, _role(process))
                    self.peaks[name] = max(self.peaks[name], _peak(process))

    def end(self) -> None:
        self._ended.set()
        self.join()


def _role(process: psutil.Process) -> str:
    """Return the process's role: the engine, or one of its children (decoders, sometimes a builder of graphs)."""
    words = " ".join(process.cmdline())
    if "resource_tracker" in words:
        return "resource tracker"
    parent = process.parent()
    return "engine" if parent is not None and parent.pid == os.getpid() else "decoder or builder"


def _peak(process: psutil.Process) -> int:
    """Return the peak resident memory of a process in bytes; the current one on systems other than Linux."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return int(process.memory_info().rss)
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) << 10 if "VmHWM:" in status else 0


def run(out: Path, minutes: float = MINUTES, gib: float = GIB) -> Outcome:
    """Index `out`'s corpus into a new library and judge the outcome."""
    outcome = Outcome()
    entries = read_manifest(out)
    before = _listing(out / ELSEWHERE)
    watch = Watch()
    watch.start()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cret-hostile-") as folder:
        library = Path(folder, "library")
        try:
            with EngineClient(EngineConfig(library, factory="tests.fakes:open_library")) as client:
                _index(client, out / CORPUS, minutes * 60, outcome)
                _search(client, entries, out / CORPUS, outcome)
            outcome.minutes = (time.monotonic() - began) / 60
            _judge_catalog(library, entries, out / CORPUS, outcome)
            log = LibraryPaths(library).log
            if log.exists() and "Traceback" in log.read_text(encoding="utf-8", errors="replace"):
                outcome.faults.append(f"a defect is in the engine's log:\n{log.read_text(errors='replace')[-4000:]}")
        finally:
            watch.end()
    outcome.peaks = dict(watch.peaks)
    _, left = psutil.wait_procs([p for p, role in watch.seen.items() if role != "resource tracker"], timeout=10)
    outcome.faults += [f"process {process.pid} is left ({watch.seen[process]})" for process in left]
    outcome.faults += [
        f"the {role} took {peak / (1 << 30):.2f} GiB" for role, peak in watch.peaks.items() if peak > gib * (1 << 30)
    ]
    if outcome.minutes > minutes:
        outcome.faults.append(f"it took {outcome.minutes:.1f} minutes, more than {minutes:.1f}")
    if _listing(out / ELSEWHERE) != before or [*out.rglob("executed")]:
        outcome.faults.append("something was written where nothing may be")
    return outcome


def _index(client: EngineClient, corpus: Path, seconds: float, outcome: Outcome) -> None:
    finished: queue.SimpleQueue[protocol.IndexFinished | protocol.EngineLost] = queue.SimpleQueue()

    def listen(event: protocol.Event) -> None:
        if isinstance(event, protocol.IndexFinished | protocol.EngineLost):
            finished.put(event)

    client.subscribe(listen)
    client.request(protocol.AddFolders((str(corpus),))).result(60)
    try:
        event = finished.get(timeout=seconds)
    except queue.Empty:
        outcome.faults.append("indexing has not ended in its time")
        return
    if isinstance(event, protocol.EngineLost):
        outcome.faults.append(f"the engine fell: {event.message}")
    elif event.error:
        outcome.faults.append(f"indexing ended with: {said(event.error)}")


def _search(client: EngineClient, entries: Sequence[Entry], corpus: Path, outcome: Outcome) -> None:
    """Check that each good film is found by its colour, before every good film of another colour."""
    colours = {str(corpus / entry.path): entry.colour for entry in entries if entry.colour}
    for colour in sorted(set(colours.values())):
        answer = client.request(protocol.Search(colour, limit=len(entries))).result(120)
        found = list(dict.fromkeys(moment.path for moment in answer.moments if moment.path in colours))
        wanted = {path for path, other in colours.items() if other == colour}
        if (first := set(found[: len(wanted)])) != wanted:
            outcome.faults.append(f"good, but not the first to be found as {colour}: {sorted(wanted - first)}")


def _judge_catalog(library: Path, entries: Sequence[Entry], corpus: Path, outcome: Outcome) -> None:
    with Catalog.open(LibraryPaths(library).catalog, read_only=True) as catalog:
        rows: dict[str, FileRow] = {p: row for root in catalog.roots() for p, row in catalog.files(root.id).items()}
        failures = dict(catalog.failures())
        features = [
            np.frombuffer(row[0], np.float16) for row in catalog.reader().execute("SELECT globals FROM embeddings")
        ]
        broken = catalog.reader().execute("PRAGMA integrity_check").fetchone()[0]
    if broken != "ok":
        outcome.faults.append(f"the catalog is damaged: {broken}")
    if any((frames.reshape(-1, INFO.width)[:, list(COLOURS).index(FORBIDDEN)] > 0.5).any() for frames in features):
        outcome.faults.append("what lies elsewhere was indexed")
    for entry in entries:
        path = str(corpus / entry.path)
        row = rows.get(path)
        reason = said(row.reason if row is not None else failures.get(path))
        state = "unknown" if row is None else row.state
        if state == "indexed" and reason:
            state = "partial"
        outcome.states[entry.kind, state] += 1
        if reason:
            outcome.reasons[re.sub(r"\d+", "N", reason)] += 1
        if state in ("unknown", "pending") and (entry.listed or state == "pending"):
            outcome.faults.append(f"{state}: {entry.path!r}")
        elif state in ("failed", "partial") and not _SENTENCE.fullmatch(reason):
            outcome.faults.append(f"no reason in words, {reason!r}: {entry.path!r}")
    for path in rows.keys() - {str(corpus / entry.path) for entry in entries}:
        outcome.faults.append(f"nobody made this: {path!r}")


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir())


# --- traced ---------------------------------------------------------------------------------------------------------


def trace(out: Path, arguments: Sequence[str]) -> int:
    """Run this program again, without a network and under strace where both are available; judge the trace."""
    with tempfile.TemporaryDirectory(prefix="cret-trace-") as folder:
        log = Path(folder, "trace")
        tracer = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={TRACED}", "-o", str(log)]
        apart = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
        command = [sys.executable, "-m", "tests.hostile.run", str(out), "--inner", *arguments]
        for name, prefix in (("traced", tracer), ("without a network", apart)):
            if shutil.which(prefix[0]) and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
                command = [*prefix, *command]
            else:
                _say(f"NOT CHECKED {name}: {prefix[0]} cannot be used here")
        status = subprocess.run(command).returncode
        faults = judge_trace(log, out) if log.exists() else []
        for fault in faults:
            _say(f"FAULT {fault}")
        _say(f"traced: {sum(1 for _ in log.open(errors='replace')) if log.exists() else 0} calls")
    return 1 if faults else status


def judge_trace(log: Path, out: Path) -> list[str]:
    """Return connections to the internet, listeners, started programs, and opened files that only the corpus names."""
    faults = set()
    local: set[tuple[str, str]] = set()  # process and descriptor of sockets that are bound to a path of this computer
    forbidden = (str(out / ELSEWHERE), "/dev/zero", "/dev/full", "/proc/self/mem", "/proc/kmsg", f"../{ELSEWHERE}")
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            process, _, call = line.partition(" ")
            call = call.strip()
            if call.startswith("bind(") and "AF_UNIX" in call:
                local.add((process, _descriptor(call)))
            elif call.startswith("listen("):
                if (process, _descriptor(call)) not in local:
                    faults.add(call)
            elif call.startswith(("connect(", "bind(")) and "AF_UNIX" not in call:
                faults.add(call)
            elif call.startswith("open") and any(name in call for name in forbidden):
                # The judge itself lists the forbidden folder, before and after.
                if "O_DIRECTORY" not in call:
                    faults.add(call)
            elif call.startswith("execve(") and "= 0" in call and not _is_ours(call):
                faults.add(call)
    return sorted(faults)


def _descriptor(call: str) -> str:
    return call.partition("(")[2].partition(",")[0]


def _is_ours(call: str) -> bool:
    return "python" in call.partition(",")[0]


def _say(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


def _report(outcome: Outcome, minutes: float, gib: float) -> None:
    states = ("indexed", "partial", "failed", "unknown", "pending")
    _say(f"{'':12}" + "".join(f"{state:>9}" for state in states))
    for kind in dict.fromkeys(kind for kind, _ in outcome.states):
        _say(f"{kind:12}" + "".join(f"{outcome.states[kind, state]:9}" for state in states))
    for reason, count in outcome.reasons.most_common():
        _say(f"{count:5}  {reason}")
    for role, peak in outcome.peaks.items():
        _say(f"peak of {role}: {peak / (1 << 30):.2f} GiB (of {gib:.2f})")
    _say(f"{outcome.minutes:.1f} minutes (of {minutes:.1f})")
    for fault in outcome.faults:
        _say(f"FAULT {fault}")
    _say("FAILED" if outcome.faults else "ok")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where tests.hostile.corpus has written")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--gib", type=float, default=GIB, help="of the largest process")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    out = options.out.absolute()
    if not (out / MANIFEST).exists():
        parser.error(f"{out} holds no corpus: make one first with python -m tests.hostile.corpus {out}")
    if not options.inner:
        return trace(out, ["--minutes", str(options.minutes), "--gib", str(options.gib)])
    outcome = run(out, options.minutes, options.gib)
    _report(outcome, options.minutes, options.gib)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
