"""The commands as users run them: real processes, the starter model, real good and bad files."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.videos import write_colours, write_noise_audio

WAIT = 300
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def as_ordinary_user() -> None:
    """Drop root's right to read everything in the child, so that mode 000 has an effect."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "the capability could not be dropped")


def cret(*arguments: str, library: Path | None = None, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    named = ["--library", str(library)] if library is not None else []
    done = subprocess.run(
        [sys.executable, "-m", "cret_desktop", *arguments, *named],
        capture_output=True,
        text=True,
        timeout=WAIT,
        preexec_fn=as_ordinary_user,
        cwd=Path(__file__).parents[2],
    )
    if status is not None:
        assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def make_broken(folder: Path, good: Path) -> list[str]:
    """Make twenty entries with a video's name that are not videos; return their names."""
    whole = good.read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("hello\n" * 2000)
    (folder / "random.mkv").write_bytes(os.urandom(100_000))
    (folder / "zeros.webm").write_bytes(bytes(100_000))
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])  # its index is at the end
    (folder / "head.mp4").write_bytes(whole[:40])
    (folder / "page.avi").write_text("<!doctype html><title>Not found</title>")
    (folder / "playlist.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{good}\n#EXT-X-ENDLIST\n")
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{good.name}'\n")
    (folder / "directory.mp4").mkdir()
    os.mkfifo(folder / "fifo.mp4")
    (folder / "dangling.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    (folder / "secret.mp4").write_bytes(whole)
    (folder / "secret.mp4").chmod(0)
    here = os.getcwd()
    os.chdir(folder)  # a socket's path has about a hundred characters at most
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.mp4")
    os.chdir(here)
    with (folder / "sparse.mov").open("wb") as sparse:
        sparse.truncate(5 * 1024**3)
    write_noise_audio(folder / "sound.mp4")
    (folder / "archive.mov").write_bytes(b"PK\x03\x04" + os.urandom(5000))
    (folder / "document.wmv").write_bytes(b"%PDF-1.7\n" + b"0" * 5000)
    (folder / "program.flv").write_bytes(b"\x7fELF" + os.urandom(5000))
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("good"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str], dict[str, object]]:
    folder = tmp_path_factory.mktemp("videos")
    for number, colours in enumerate((["red"], ["green", "blue"], ["white"], ["orange"], ["grey"])):
        write_colours(folder / f"good{number}.mp4", colours)
    broken = make_broken(folder, folder / "good0.mp4")
    assert len(broken) == 20
    place = tmp_path_factory.mktemp("library") / "lib"
    done = cret("index", str(folder), "--json", library=place, status=1)
    return place, folder, broken, json.loads(done.stdout.splitlines()[-1])


def test_five_found_and_twenty_listed(library: tuple[Path, Path, list[str], dict[str, object]]) -> None:
    place, folder, broken, totals = library
    assert {key: totals[key] for key in ("files", "clips", "failed", "skipped")} == {
        "files": 5, "clips": 6, "failed": 20, "skipped": 0,
    }  # fmt: skip
    assert totals["seconds"] == pytest.approx(12, abs=0.5)
    status = json.loads(cret("status", "--failures", "--json", library=place).stdout)
    reasons = {Path(item["path"]).name: item["reason"] for item in status["failures"]}
    assert sorted(reasons) == broken
    for name, reason in reasons.items():
        assert reason.endswith("."), (name, reason)
        assert len(reason.split()) >= 4, (name, reason)
    plain = cret("status", "--failures", library=place).stdout
    assert all(reason in " ".join(plain.split()) for reason in reasons.values())

    queries = folder.parent / "queries.txt"
    queries.write_text("a plain red wall\n   \nsomething\n", encoding="utf-8")
    done = cret("search", "--from", str(queries), "--json", "--limit", "50", library=place, status=2)
    first, empty, third = map(json.loads, done.stdout.splitlines())
    assert {Path(r["path"]).name for r in first["results"]} == {f"good{n}.mp4" for n in range(5)}
    assert first["model"] == "Starter (objects and scenes)"
    assert first["took_ms"] > 0
    for result in first["results"]:
        assert Path(result["path"]).is_absolute()
        assert Path(result["thumbnail"]).is_file()
        assert 0 <= result["start"] < result["end"]
        assert 0 <= result["relevance"] <= 1
    scores = [result["score"] for result in first["results"]]
    assert scores == sorted(scores, reverse=True)
    assert "empty" in empty["error"]
    assert third["results"], "a bad line does not end the others"


def test_bad_input_is_one_sentence(library: tuple[Path, Path, list[str], dict[str, object]], tmp_path: Path) -> None:
    place, _, _, _ = library
    (tmp_path / "nothing").mkdir()
    newer = tmp_path / "newer"
    newer.mkdir()
    shutil.copy(place / "catalog.sqlite", newer)
    import sqlite3

    with sqlite3.connect(newer / "catalog.sqlite") as db:
        db.execute("PRAGMA user_version = 77")
    db.close()
    cases: list[tuple[tuple[str, ...], Path, str, int]] = [
        (("index", str(tmp_path / "nowhere")), tmp_path / "a", "nowhere", 2),
        (("index", str(tmp_path / "nothing")), tmp_path / "b", "No video", 2),
        (("search", "red"), tmp_path / "c", "no library", 3),
        (("search", "x" * 10_000), place, "10,000", 2),
        (("search", " \t "), place, "empty", 2),
        (("index", str(tmp_path / "nothing")), newer, "newer version", 3),
        (("search", "red", "--model", str(tmp_path / "nothing")), place, "nothing", 4),
        (("search", "red", "--device", "quantum"), place, "quantum", 2),
    ]
    for arguments, where, word, status in cases:
        done = cret(*arguments, library=where, status=status)
        sentence = done.stderr.strip().splitlines()
        assert sentence[-1].startswith("cret-desktop: "), (arguments, sentence)
        assert word in sentence[-1], (arguments, sentence)
        assert done.stdout == ""


def test_emoji_are_words(library: tuple[Path, Path, list[str], dict[str, object]]) -> None:
    done = cret("search", "🍊", "--json", library=library[0])
    assert json.loads(done.stdout)["results"]


def test_searches_take_operators_pictures_and_an_order(
    library: tuple[Path, Path, list[str], dict[str, object]], tmp_path: Path
) -> None:
    import cv2
    import numpy as np

    place = library[0]

    def found(*arguments: str) -> list[str]:
        done = cret("search", *arguments, "--json", library=place)
        return list(dict.fromkeys(Path(result["path"]).name for result in json.loads(done.stdout)["results"]))

    good = [f"good{n}.mp4" for n in range(5)]
    assert found("ext:mp4 -is:failed", "--sort", "name") == good
    assert found('wall "good3"') == ["good3.mp4"]
    assert found("wall dur:>10h") == []
    picture = tmp_path / "red.png"
    cv2.imwrite(str(picture), np.full((30, 40, 3), (20, 20, 220), np.uint8))
    assert sorted(found("--like", str(picture))) == good
    assert set(found("something", "--without", "a plain colour")) <= set(good)
    for arguments, word in [
        (("wall", "--like", str(tmp_path / "none.png")), "none.png"),
        (("dur:soon",), "dur:<30s"),
        (("size:>1gb",), "tag:NAME"),
    ]:
        refused = cret("search", *arguments, library=place, status=2)
        assert word in refused.stderr.strip().splitlines()[-1]


def test_options_may_stand_before_the_command(library: tuple[Path, Path, list[str], dict[str, object]]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cret_desktop", "--library", str(library[0]), "status", "--json"],
        capture_output=True,
        text=True,
        timeout=WAIT,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert json.loads(done.stdout)["library"] == str(library[0])


@pytest.mark.parametrize("command", ["models", "doctor"])
def test_looking_at_the_installation(library: tuple[Path, Path, list[str], dict[str, object]], command: str) -> None:
    printed = cret(command, library=library[0]).stdout
    assert "starter" in printed
    assert "ready" in printed
    if command == "doctor":
        assert "good0" not in printed, "names of videos are private"
        assert "25 files" in printed
