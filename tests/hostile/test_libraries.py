"""A share of the hostile libraries (`tests.hostile.libraries`), in a separate process; and tests of its judges."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import libraries
from tests.hostile.kinds import Kind, kinds
from tests.hostile.libraries import Ran, changed, digest, shared, unread, was_read

SHARE = 16  # each group's first kind and every sixteenth after it; the command tries all


@pytest.mark.skipif(os.name == "nt", reason="links, pipes and forks are Unix's")
def test_nothing_outside_is_touched_and_the_honest_part_is_found() -> None:
    """In a separate process: the trial forks, which a process with threads must not do."""
    command = [sys.executable, "-m", "tests.hostile.libraries", "--few", "--share", str(SHARE), "--seconds", "60"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=libraries.ROOT, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = re.findall(r"^ok +(.*?)  ", done.stdout, re.MULTILINE)
    assert len(tried) == len(shared(list(kinds().values()), SHARE)) > 40
    assert not done.stderr


def test_every_group_of_kinds_and_every_stance_is_in_the_share() -> None:
    every = list(kinds().values())
    assert len(every) > 500
    chosen = shared(every, SHARE)
    assert {libraries.group_of(kind) for kind, _ in chosen} == {libraries.group_of(kind) for kind in every}
    assert {stance for _, stances in chosen for stance in stances} == set(libraries.STANCES)
    assert shared(every[:2], 1) == [(kind, libraries.STANCES) for kind in every[:2]]


def test_what_changes_outside_is_named(tmp_path: Path) -> None:
    library, outside = tmp_path / "library", tmp_path / "outside"
    for folder in (library, outside / "photos", tmp_path / "home" / ".cache", tmp_path / "work"):
        folder.mkdir(parents=True)
    photo = outside / "photos" / "holiday.jpg"
    photo.write_bytes(b"photo")
    before = digest(tmp_path, library)
    for own in (library, tmp_path / "work", tmp_path / "home" / ".cache"):
        (own / "file").write_text("ours")
    assert changed(before, digest(tmp_path, library)) == []
    moment = photo.stat().st_mtime_ns
    photo.write_bytes(b"PHOTO")
    os.utime(photo, ns=(moment, moment))
    assert changed(before, digest(tmp_path, library)) == ["changed outside: outside/photos/holiday.jpg"]
    photo.write_bytes(b"photo")
    os.utime(photo, ns=(moment, moment))
    photo.chmod(0o600)
    (tmp_path / "home" / "new").symlink_to(photo)
    found = changed(before, digest(tmp_path, library))
    assert {"changed outside: outside/photos/holiday.jpg", "new outside: home/new"} <= set(found)
    photo.unlink()
    assert "gone outside: outside/photos/holiday.jpg" in changed(before, digest(tmp_path, library))


def test_what_is_read_outside_is_named(tmp_path: Path) -> None:
    photo = tmp_path / "outside" / "photos" / "holiday.jpg"
    for name in ("outside/photos", "outside/documents", "outside/named as ours", "home/Pictures"):
        (tmp_path / name).mkdir(parents=True)
    photo.write_bytes(b"photo")
    watched = unread(tmp_path)
    assert photo in watched
    assert was_read(watched, tmp_path) == []
    photo.read_bytes()
    if photo.stat().st_atime_ns != libraries.LONG_AGO:  # some file systems are mounted without access times
        assert was_read(watched, tmp_path) == ["read outside: outside/photos/holiday.jpg"]


@pytest.mark.parametrize(
    ("ran", "fault"),
    [
        (Ran(0, "{}", "", 1.0), ""),
        (Ran(3, "", "cret-desktop: The library is damaged.\n", 1.0), ""),
        (Ran(1, "", "two videos failed\n", 1.0), ""),
        (Ran(None, "", "", 10.0), "did not end within 10 s"),
        (Ran(-11, "", "", 1.0), "ended by SIGSEGV"),
        (Ran(1, "", "Traceback (most recent call last):\nKeyError: 5\n", 1.0), "KeyError: 5"),
        (Ran(6, "", "cret-desktop: Something went wrong inside the search engine: X\n", 1.0), "a defect"),
        (Ran(3, "", "", 1.0), "0 sentences at exit 3"),
        (Ran(3, "", "cret-desktop: One.\ncret-desktop: Two.\n", 1.0), "2 sentences"),
        (Ran(0, "\x1b]0;title\x07", "", 1.0), "the terminal was commanded"),
    ],
)
def test_how_a_command_may_end(ran: Ran, fault: str) -> None:
    found = ran.faults()
    assert bool(found) == bool(fault)
    assert fault in "".join(found)


@pytest.mark.skipif(os.name == "nt", reason="forks are Unix's")
def test_a_fork_that_hangs_or_falls_is_ended(tmp_path: Path) -> None:
    code = (
        "import os, time; from pathlib import Path; from tests.hostile.libraries import run_forked\n"
        "place = Path(os.environ['PLACE'])\n"
        "print(run_forked(lambda: time.sleep(60), place, place, 0.2).status,"
        " run_forked(lambda: os.abort(), place, place, 20).status, run_forked(lambda: 5, place, place, 20).status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PLACE": str(tmp_path)}, capture_output=True, text=True,
        cwd=libraries.ROOT, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["None", "-6", "5"], done.stderr


def test_kinds_have_names_of_their_own_and_say_what_they_expect() -> None:
    for name, kind in kinds().items():
        assert isinstance(kind, Kind)
        assert name == kind.name
        assert "\n" not in name
