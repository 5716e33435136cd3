"""Sixty hostile files through the real engine, as `tests.hostile.run` does with a thousand; and tests of its judges."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.hostile import corpus, lies, long_run, run
from tests.hostile.names import NAMES
from tests.hostile.videos import RECIPES, make_video


@pytest.mark.skipif(os.name == "nt", reason="names of any bytes, pipes and devices are Unix's")
def test_every_file_is_indexed_partial_or_listed_and_the_good_ones_are_found(tmp_path: Path) -> None:
    entries = corpus.make(tmp_path / "hostile", count=60)
    assert {entry.kind.partition("-")[0] for entry in entries} == set(corpus.KINDS)
    outcome = run.run(tmp_path / "hostile")
    assert outcome.faults == []
    assert sum(outcome.states.values()) == len(entries)


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    first = corpus.make(tmp_path / "one", seed=3, count=20)
    kept = {entry.path: _bytes(tmp_path / "one", entry) for entry in first}
    shutil.rmtree(tmp_path / "one")
    assert corpus.make(tmp_path / "one", seed=3, count=20) == first
    assert {entry.path: _bytes(tmp_path / "one", entry) for entry in first} == kept
    assert corpus.make(tmp_path / "other", seed=4, count=20) != first


def _bytes(out: Path, entry: corpus.Entry) -> bytes | None:
    path = out / corpus.CORPUS / entry.path
    return path.read_bytes() if path.is_file() and path.stat().st_size < 1 << 24 else None


def test_every_lie_changes_the_file_that_it_is_told_in() -> None:
    source = random.Random(0)
    films = {recipe: make_video(recipe, "red", source) for recipe in RECIPES}
    for recipe, name, lie in lies.LIES:
        told = {bytes(content) for content in (_told(films[recipe], lie, seed) for seed in range(9))}
        assert told != {films[recipe]}, name
    for recipe, enlarge in lies.HUGE:
        content = bytearray(films[recipe])
        enlarge(content, 16000, 16000)
        assert content != films[recipe], recipe


def _told(film: bytes, lie: lies.Lie, seed: int) -> bytearray:
    content = bytearray(film)
    lie(content, random.Random(seed))
    return content


def test_names_are_as_long_as_names_can_be_and_no_two_the_same() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert max(map(len, NAMES)) == 255


def test_what_was_traced_is_judged(tmp_path: Path) -> None:
    ours = [
        '1 execve("/usr/bin/python3", ["python3", "-m", "x"], 0x7f /* 9 vars */) = 0',
        '1 openat(AT_FDCWD, "/out/corpus/elsewhere/1.mp4", O_RDONLY) = 3',
        '1 openat(AT_FDCWD, "/out/elsewhere", O_RDONLY|O_DIRECTORY) = 3',
        '1 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = -1 ENOENT',
        '1 bind(9, {sa_family=AF_UNIX, sun_path="/run/y"}, 110) = 0',
        "1 listen(9, 16)  = 0",
    ]
    foreign = [
        '2 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 ENETUNREACH',
        '2 openat(AT_FDCWD, "/out/elsewhere/target.ts", O_RDONLY) = 3',
        '2 openat(AT_FDCWD, "/dev/zero", O_RDONLY) = 3',
        '2 listen(9, 1) = 0',
        '1 bind(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0',
        '2 execve("/bin/sh", ["sh", "-c", "touch executed"], 0x7f /* 9 vars */) = 0',
    ]  # fmt: skip
    log = tmp_path / "trace"
    log.write_text("\n".join(ours))
    assert run.judge_trace(log, Path("/out")) == []
    log.write_text("\n".join(ours + foreign))
    assert len(run.judge_trace(log, Path("/out"))) == len(foreign)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not here")
def test_a_file_that_leads_elsewhere_is_opened_and_what_it_names_is_not(tmp_path: Path) -> None:
    """Without a whole engine: one decoder, traced, on each script and each film that refers to another."""
    out = tmp_path / "hostile"
    entries = corpus.make(out, kinds=["elsewhere"])
    script = (
        "import sys\nfrom cret_desktop.domain.clips import FrameFormat\n"
        "from cret_desktop.media.decoder import decode_file\n"
        "from cret_desktop.media.scan import video_file\n"
        "for path in sys.argv[1:]:\n    list(decode_file(video_file(path), FrameFormat(2, 32)))\n"
    )
    paths = [str(out / corpus.CORPUS / entry.path) for entry in entries]
    log = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-e", f"trace={run.TRACED}", "-o", str(log), sys.executable, "-c", script, *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("nothing may be traced here")
    assert done.returncode == 0, done.stderr
    traced = log.read_text(errors="replace")
    assert all(path in traced for path in paths)
    assert run.judge_trace(log, out) == []


def test_rounds_of_films_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    rests = long_run.Run(tmp_path, files=4).rounds(3)
    grown = [fault for fault in long_run.grown(rests) if fault.partition(":")[0] not in long_run.SLACK]
    assert grown == []
    assert (rests[-1].thumbnails, rests[-1].thumbnail_folders) == (0, 0)


def test_what_grows_is_named() -> None:
    names = set(long_run.Rest.__dataclass_fields__)
    rest = long_run.Rest(**dict.fromkeys(names, 100))

    def grown(size: int) -> set[str]:
        more = long_run.Rest(**dict.fromkeys(names, size))
        return {fault.partition(":")[0] for fault in long_run.grown([more, rest, more])}

    assert grown(100) == set()
    assert grown(104) == names - set(long_run.SLACK)
    assert grown(106) == names - {"engine_own"}
    assert grown(111) == names
