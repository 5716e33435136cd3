"""Finding video files among other files in folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cret_desktop.domain.clips import VideoFile
from cret_desktop.media.scan import ScanProblem, fingerprint, scan, video_file
from tests.said import said


def names(root: Path) -> list[str]:
    return [os.path.relpath(found.path, root) for found in scan(str(root)) if isinstance(found, VideoFile)]


def problems(root: Path) -> dict[str, str]:
    found = scan(str(root))
    return {os.path.relpath(one.path, root): said(one.reason) for one in found if isinstance(one, ScanProblem)}


def fill(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"G" + path.encode())


def test_containers_people_have(tmp_path: Path) -> None:
    suffixes = "mp4 m4v mov mkv webm avi mpg mpeg ts m2ts mts wmv flv 3gp ogv mxf gif vob".split()
    fill(tmp_path, *(f"a.{suffix}" for suffix in suffixes), "b.MP4", "c.txt", "d.jpg", "mp4", "e.srt")
    assert sorted(names(tmp_path)) == sorted([f"a.{suffix}" for suffix in suffixes] + ["b.MP4"])


def test_passed_over_in_silence(tmp_path: Path) -> None:
    fill(
        tmp_path, "._a.mp4", ".hidden.mp4", ".trash/a.mp4", "a.mp4.part", "b.mp4.crdownload", "c.part.mp4", "d.tmp.mkv"
    )
    fill(tmp_path, "kept.mp4")
    assert list(scan(str(tmp_path))) == [video_file(str(tmp_path / "kept.mp4"))]


def test_typescript_is_not_a_transport_stream(tmp_path: Path) -> None:
    fill(tmp_path, "video.ts")
    (tmp_path / "source.ts").write_text("export const answer = 42;\n")
    assert names(tmp_path) == ["video.ts"]


def test_a_root_may_be_a_file_of_any_name(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "recording.bin")
    assert list(scan(str(tmp_path / "a.mp4"))) == [video_file(str(tmp_path / "a.mp4"))]
    assert list(scan(str(tmp_path / "recording.bin"))) == [video_file(str(tmp_path / "recording.bin"))]


def test_what_has_a_videos_name_but_is_none_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "good.mp4", "folder.mp4/inside.mp4")
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "dangling.mp4").symlink_to("nowhere")
    (tmp_path / "itself.mp4").symlink_to("itself.mp4")
    assert names(tmp_path) == ["folder.mp4/inside.mp4", "good.mp4"]
    told = problems(tmp_path)
    assert sorted(told) == ["dangling.mp4", "fifo.mp4", "folder.mp4", "itself.mp4"]
    assert told["fifo.mp4"] == "This is not a regular file."
    assert told["dangling.mp4"] == "The file does not exist, or the link is broken."
    assert all(reason.endswith(".") for reason in told.values())


def test_a_missing_root_is_a_problem(tmp_path: Path) -> None:
    [problem] = scan(str(tmp_path / "gone"))
    assert isinstance(problem, ScanProblem)


def test_loops_of_links_end_and_no_folder_is_visited_twice(tmp_path: Path) -> None:
    fill(tmp_path, "a/one.mp4", "b/two.mp4")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "across").symlink_to(tmp_path / "b")
    assert sorted(os.path.basename(name) for name in names(tmp_path)) == ["one.mp4", "two.mp4"]


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/a.bin")
    (tmp_path / "a.mp4").symlink_to(tmp_path / "elsewhere" / "a.bin")
    [found] = scan(str(tmp_path))
    assert isinstance(found, VideoFile)
    assert found.path == str(tmp_path / "a.mp4")
    assert found.inode == (tmp_path / "elsewhere" / "a.bin").stat().st_ino


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on Unix")
def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    raw = os.fsencode(str(tmp_path)) + b"/caf\xe9.mp4"
    try:
        with open(raw, "wb") as handle:
            handle.write(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    [found] = scan(str(tmp_path))
    assert isinstance(found, VideoFile)
    assert os.fsencode(found.path) == raw
    assert fingerprint(found.path)


@pytest.mark.skipif(os.name == "nt", reason="permissions are Unix's")
def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "secret.mp4", "closed/a.mp4", "open/b.mp4")
    (tmp_path / "secret.mp4").chmod(0)
    (tmp_path / "closed").chmod(0)
    if os.geteuid() == 0:
        # Root reads everything: simulate the refusal that the mode implies.
        real_scandir = os.scandir
        monkeypatch.setattr(os, "access", lambda path, mode: os.stat(path).st_mode & 0o400 != 0)

        def refusing(path: str) -> object:
            if os.stat(path).st_mode & 0o500 == 0:
                raise PermissionError(13, "Permission denied", path)
            return real_scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)
    told = problems(tmp_path)
    assert told == {
        "closed": "The folder cannot be listed: permission denied.",
        "secret.mp4": "The file cannot be opened: permission denied.",
    }
    (tmp_path / "closed").chmod(0o700)


def test_fingerprint_follows_content_not_names(tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    first, moved = tmp_path / "a.mp4", tmp_path / "b.mp4"
    first.write_bytes(content)
    before = fingerprint(str(first))
    first.rename(moved)
    assert fingerprint(str(moved)) == before
    for position in (0, len(content) // 2, len(content) - 1):
        other = bytearray(content)
        other[position] ^= 1
        moved.write_bytes(other)
        assert fingerprint(str(moved)) != before
    moved.write_bytes(content + b"\0")
    assert fingerprint(str(moved)) != before
    moved.write_bytes(b"")
    assert fingerprint(str(moved))


@pytest.mark.skipif(os.name == "nt", reason="pipes among files are Unix's")
def test_what_would_be_waited_for_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="not a regular file"):
        fingerprint(str(tmp_path / "pipe.mp4"))


@pytest.mark.skipif(not os.access("/proc/kmsg", os.R_OK), reason="only root may read the kernel's messages")
def test_a_file_of_the_kernel_without_an_end_is_empty(tmp_path: Path) -> None:
    for name in ("film.mp4", "film.ts"):
        (tmp_path / name).symlink_to("/proc/kmsg")
    assert [(Path(file.path).name, file.size) for file in scan(str(tmp_path)) if isinstance(file, VideoFile)] == [
        ("film.mp4", 0),
        ("film.ts", 0),
    ]
    (tmp_path / "empty").touch()
    assert fingerprint(str(tmp_path / "film.mp4")) == fingerprint(str(tmp_path / "empty"))
