"""Exports through the real child: names, progress, cancelling, crashes, full disks."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import opentimelineio as otio
import psutil
import pytest

from cret_desktop import cli
from cret_desktop.cancellation import CancelToken
from cret_desktop.cli.terminal import Terminal
from cret_desktop.engine.client import EngineClient, EngineConfig
from cret_desktop.engine.exports import Exporter
from cret_desktop.engine.protocol import CancelExport, ExportClips, ExportList, ExportProgress, Passage
from cret_desktop.errors import ExportCancelled, ExportError
from cret_desktop.library.exporting import timelines as lists
from cret_desktop.media.edit_source import read_edit_source
from tests.media.conftest import numbered_frame
from tests.said import said
from tests.videos import write_colours

WAIT = 60
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_colours(folder / "red then blue.mp4", ["red", "blue"])
    write_colours(folder / "green.mkv", ["green"])
    (folder / "broken.mp4").write_text("this is no video")
    return folder


def quiet(progress: ExportProgress) -> None:
    pass


def passages(videos: Path, *names: str) -> tuple[Passage, ...]:
    return tuple(Passage(str(videos / name), 0.2, 1.2) for name in names)


def left_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_clips_get_names_of_their_own_and_never_overwrite(videos: Path, tmp_path: Path) -> None:
    told: list[ExportProgress] = []
    request = ExportClips(passages(videos, "red then blue.mp4", "green.mkv"), str(tmp_path), "exact")
    for _ in range(2):
        exported = Exporter(told.append).run(request)
        assert (len(exported.paths), exported.failed) == (2, ())
        assert all(os.path.getsize(path) for path in exported.paths)
    assert left_in(tmp_path) == [
        "green 0m00s-0m01s (2).mp4",
        "green 0m00s-0m01s.mp4",
        "red then blue 0m00s-0m01s (2).mp4",
        "red then blue 0m00s-0m01s.mp4",
    ]
    first_run = [progress.done for progress in told[: len(told) // 2]]
    assert first_run == sorted(first_run)
    assert all(0.0 <= progress.done <= 1.0 for progress in told)


def test_handles_are_added_where_the_source_has_them(videos: Path, tmp_path: Path) -> None:
    request = ExportClips((Passage(str(videos / "red then blue.mp4"), 0.4, 2.0),), str(tmp_path), "exact", 1.0)
    (path,) = Exporter(quiet).run(request).paths
    with av.open(path) as container:
        assert len(list(container.decode(video=0))) == 75


def test_one_bad_file_costs_itself_alone(videos: Path, tmp_path: Path) -> None:
    request = ExportClips(passages(videos, "broken.mp4", "gone.mp4", "green.mkv"), str(tmp_path))
    exported = Exporter(quiet).run(request)
    assert len(exported.paths) == 1
    assert [said(reason).split("”")[0] for reason in exported.failed] == ["“broken.mp4", "“gone.mp4"]
    with pytest.raises(ExportError, match=r"broken\.mp4.*not a video"):
        Exporter(quiet).run(ExportClips(passages(videos, "broken.mp4"), str(tmp_path)))
    assert len(left_in(tmp_path)) == 1


def test_a_codec_that_crashes_costs_one_passage(videos: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_once(progress: ExportProgress) -> None:
        if not killed:
            (child,) = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
            killed.append(child.pid)
            child.kill()

    request = ExportClips(passages(videos, "red then blue.mp4", "green.mkv"), str(tmp_path), "exact")
    exported = Exporter(kill_once).run(request)
    assert killed
    assert [s for s in map(said, exported.failed) if "crashed" in s and "red then blue" in s]
    assert left_in(tmp_path) == ["green 0m00s-0m01s.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be stopped there")
def test_a_codec_that_hangs_is_given_up(videos: Path, tmp_path: Path) -> None:
    stopped: list[int] = []

    def stop_once(progress: ExportProgress) -> None:
        if not stopped:
            (child,) = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
            stopped.append(child.pid)
            child.suspend()

    request = ExportClips(passages(videos, "red then blue.mp4"), str(tmp_path), "exact")
    with pytest.raises(ExportError, match="Nothing happened for 1 s"):
        Exporter(stop_once, stall_seconds=1.0).run(request)
    assert left_in(tmp_path) == []


def test_cancelling_leaves_nothing_half_written(videos: Path, tmp_path: Path) -> None:
    token = CancelToken()
    exporter = Exporter(lambda progress: token.cancel())
    with pytest.raises(ExportCancelled):
        exporter.run(ExportClips(passages(videos, "red then blue.mp4"), str(tmp_path), "exact"), token)
    assert left_in(tmp_path) == []
    with pytest.raises(ExportCancelled):
        exporter.run(ExportClips(passages(videos, "green.mkv"), str(tmp_path)), token)
    assert left_in(tmp_path) == []
    assert exporter.run(ExportClips(passages(videos, "green.mkv"), str(tmp_path))).paths


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit of size there")
@pytest.mark.parametrize("mode", ["copy", "exact"])
def test_a_full_disk_is_one_sentence(videos: Path, tmp_path: Path, mode: str) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))  # inherited by the child
    try:
        with pytest.raises(ExportError, match="not enough space"):
            Exporter(quiet).run(ExportClips(passages(videos, "red then blue.mp4"), str(tmp_path), mode))  # type: ignore[arg-type]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert left_in(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "no" / "such"):
        with pytest.raises(ExportError, match=r"Nothing can be written to .* Choose another folder"):
            Exporter(quiet).run(ExportClips(passages(videos, "green.mkv"), str(folder)))
    Exporter(quiet).run(ExportClips(passages(videos, "green.mkv"), str(tmp_path / "new")))
    assert len(left_in(tmp_path / "new")) == 1


@pytest.mark.parametrize("form", ["csv", "edl", "fcpxml"])
def test_lists_hold_what_can_be_read(videos: Path, tmp_path: Path, form: str) -> None:
    request = ExportList(passages(videos, "green.mkv", "broken.mp4", "green.mkv"), str(tmp_path / f"list.{form}"), form)  # type: ignore[arg-type]
    exported = Exporter(quiet).run(request)
    assert exported.paths == (str(tmp_path / f"list.{form}"),)
    assert len(exported.failed) == 1
    assert (tmp_path / f"list.{form}").read_text(encoding="utf-8").count("green.mkv") >= 2
    assert Exporter(quiet).run(request).paths == (str(tmp_path / f"list (2).{form}"),)
    with pytest.raises(ExportError, match=r"broken\.mp4"):
        Exporter(quiet).run(ExportList(passages(videos, "broken.mp4"), str(tmp_path / "other"), form))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "timecode", "expected"),
    [
        (Fraction(24000, 1001), "01:00:00:00", (86400, False)),
        (Fraction(25), "10:20:30:12", (930762, False)),
        (Fraction(30000, 1001), "00:59:58;20", (107852, True)),
        (Fraction(50), "00:00:01:00", (50, False)),
    ],
)
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_a_sources_own_timecode_reel_and_rate_are_found(
    tmp_path: Path, rate: Fraction, timecode: str, expected: tuple[int, bool], suffix: str
) -> None:
    path = tmp_path / f"source{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        stream.metadata["timecode"] = timecode
        stream.metadata["reel_name"] = "A007"
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), "rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = read_edit_source(str(path))
    assert found.rate == rate
    assert (found.first_frame, found.drop_frame) == expected
    assert found.timecode(0) == timecode
    assert (found.frames, found.variable, found.begins) == (40, False, 0.0)
    assert found.reel == ("" if suffix == ".mp4" else "A007"), "MP4 has no place for a reel"

    edit = lists.Edit(found, found.seconds(5), found.seconds(30))
    (clip,) = otio.adapters.read_from_string(
        lists.as_edl([edit], "x").decode(), "cmx_3600", rate=float(rate)
    ).video_tracks()[0]
    assert clip.source_range.start_time == otio.opentime.RationalTime(expected[0] + 5, float(rate))
    assert clip.source_range.duration == otio.opentime.RationalTime(25, float(rate))
    assert clip.metadata["cmx_3600"]["reel"] == (found.reel or "SOURCE")
    (timeline,) = otio.adapters.read_from_string(lists.as_fcpxml([edit], "x").decode(), "fcpx_xml")
    (clip,) = timeline.find_clips()
    assert clip.media_reference.target_url == path.as_uri()


def test_the_engine_answers_exports_and_cancels_them(videos: Path, tmp_path: Path) -> None:
    config = EngineConfig(tmp_path / "library", factory="tests.fakes:open_library")
    out = tmp_path / "out"
    started = threading.Event()
    with EngineClient(config) as client:
        client.subscribe(lambda event: started.set() if isinstance(event, ExportProgress) else None)
        done = client.request(ExportClips(passages(videos, "green.mkv"), str(out))).result(WAIT)
        assert [os.path.basename(path) for path in done.paths] == ["green 0m00s-0m01s.mkv"]
        assert started.is_set()
        waiting = [client.request(ExportClips(passages(videos, "green.mkv") * 50, str(out), "exact")) for _ in range(2)]
        assert client.request(CancelExport()).result(WAIT) is None
        for future in waiting:
            with pytest.raises(ExportCancelled):
                future.result(WAIT)
        assert client.request(ExportList(passages(videos, "green.mkv"), str(out / "a.csv"), "csv")).result(
            WAIT
        ).paths == (str(out / "a.csv"),)
    assert not [name for name in left_in(out) if name.startswith(".")]


def cret(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cret_desktop", "export", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=WAIT, cwd=ROOT, check=False)


def test_the_command_exports_named_and_found_moments(videos: Path, tmp_path: Path) -> None:
    green = videos / "green.mkv"
    done = cret(
        "clips", f"{green}@0.2-0:01", f"{videos / 'gone@home.mp4'}@1-2", "--to", str(tmp_path / "out"), "--exact"
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == [str(tmp_path / "out" / "green 0m00s-0m01s.mp4")]
    assert "gone@home.mp4" in done.stderr
    answer = json.dumps({"query": "green", "results": [{"path": str(green), "start": 0.0, "end": 1.0}]})
    done = cret("edl", "--from", "-", "--to", str(tmp_path / "found.edl"), stdin=answer)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "found.edl"))
    assert "* FROM CLIP NAME: green.mkv" in (tmp_path / "found.edl").read_text()


@pytest.mark.parametrize(
    "arguments", [[], ["a.mp4"], ["a.mp4@2-1"], ["a.mp4@x-1"], ["@1-2"], ["a.mp4@1-inf"], ["--from", "no"]]
)
def test_what_names_no_moment_is_one_sentence(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "err", Terminal(stderr=True, soft_wrap=True))
    assert cli.run(["export", "csv", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_name_that_cannot_be_given_leaves_nothing(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ExportError, match="no space left"):
        Exporter(quiet).run(ExportClips(passages(videos, "green.mkv"), str(tmp_path)))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
