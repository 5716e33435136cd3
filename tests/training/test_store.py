"""The frame store and its preparation from real files: times, resuming, kills, missing and broken videos."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import sqlite3
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from cret_desktop.errors import BadFile, PathError, StorageError, UsageError
from tests.narrowing import found
from tests.videos import write_noise_audio
from training import prepare
from training.datasets import msrvtt, registry
from training.datasets.base import Split, Video
from training.datasets.store import (
    FrameStore,
    StoredSplit,
    StoredVideo,
    StoreSettings,
    StoreWriter,
    choose,
)

SMALL = StoreSettings(candidates=4, short_side=32)


def write_ramp(path: Path, frames: int = 64, rate: int = 16, size: tuple[int, int] = (96, 64)) -> Path:
    """Write a video that encodes the time: frame n is grey 3 n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), 3 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def numbers(video: StoredVideo) -> list[int]:
    """Return the frame number in `write_ramp` of each candidate."""
    pictures = [found(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)) for jpeg in video.jpegs]
    return [round(float(picture.mean()) / 3) for picture in pictures]


def plain(value: int, candidates: int = 4) -> StoredVideo:
    """Return a video in which candidate k is grey value + k."""
    jpegs = []
    for k in range(candidates):
        _, jpeg = cv2.imencode(".jpg", np.full((32, 48, 3), value + k, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 100])
        jpegs.append(jpeg.tobytes())
    return StoredVideo(tuple(jpegs), 4.0)


# Selection of frames


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_middles_are_exact_for_powers_of_two(count: int) -> None:
    assert [k / 32 for k in choose(32, count, None)] == [(2 * m + 1) / (2 * count) for m in range(count)]


@pytest.mark.parametrize("count", [1, 3, 5, 12, 32, 100])
def test_other_middles_are_the_nearest(count: int) -> None:
    for interval, k in enumerate(choose(32, count, None)):
        middle = (2 * interval + 1) / (2 * count) * 32
        assert abs(k - middle) == min(abs(other - middle) for other in range(32))


@pytest.mark.parametrize("count", [1, 3, 4, 16])
def test_random_frames_are_uniform_in_their_intervals(count: int) -> None:
    random = np.random.default_rng(0)
    drawn = np.array([choose(32, count, random) for _ in range(2000)])
    for interval in range(count):
        inside = [k for k in range(32) if interval / count <= k / 32 < (interval + 1) / count]
        found, times = np.unique(drawn[:, interval], return_counts=True)
        assert found.tolist() == inside
        assert times.min() > 0.6 * 2000 / len(inside)


def test_more_frames_than_candidates_still_come_in_order() -> None:
    chosen = choose(4, 10, np.random.default_rng(0))
    assert chosen == sorted(chosen)
    assert set(chosen) == {0, 1, 2, 3}


# Decoding


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_candidates_are_the_pictures_on_display(tmp_path: Path, suffix: str) -> None:
    path = write_ramp(tmp_path / f"ramp{suffix}")
    video = prepare.read_candidates(str(path), StoreSettings(candidates=16, short_side=64))
    assert numbers(video) == list(range(0, 64, 4))
    assert video.seconds == pytest.approx(4.0, abs=0.07)
    assert video.note == ""


def test_only_the_first_seconds_where_the_data_set_says_so(tmp_path: Path) -> None:
    path = write_ramp(tmp_path / "ramp.mp4")
    video = prepare.read_candidates(str(path), StoreSettings(candidates=8, short_side=64, seconds=2.0))
    assert numbers(video) == list(range(0, 32, 4))
    assert video.seconds == 2.0


def test_a_video_shorter_than_its_candidates_repeats_pictures(tmp_path: Path) -> None:
    path = write_ramp(tmp_path / "ramp.mp4", frames=3)
    found = numbers(prepare.read_candidates(str(path), StoreSettings(candidates=8, short_side=64)))
    assert found == sorted(found)
    assert set(found) == {0, 1, 2}


def test_pictures_keep_their_shape_and_are_never_enlarged(tmp_path: Path) -> None:
    path = str(write_ramp(tmp_path / "ramp.mp4", size=(640, 480)))
    for side, expected in ((240, (240, 320)), (1000, (480, 640))):
        video = prepare.read_candidates(path, StoreSettings(candidates=1, short_side=side))
        picture = found(cv2.imdecode(np.frombuffer(video.jpegs[0], np.uint8), cv2.IMREAD_COLOR))
        assert picture.shape[:2] == expected


def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_ramp(tmp_path / "whole.avi").read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: len(whole) // 2])
    video = prepare.read_candidates(str(path), StoreSettings(candidates=4, short_side=64))
    assert len(video.jpegs) == 4
    assert "of the 4.0 s that its header claims" in video.note


def test_what_is_no_video_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    for path in (tmp_path / "text.mp4", write_noise_audio(tmp_path / "sound.mp4")):
        with pytest.raises(BadFile):
            prepare.read_candidates(str(path), SMALL)


# The store


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SMALL) as writer:
        for number, id_ in enumerate("abc"):
            writer.add(id_, plain(40 * number))
    store = FrameStore(tmp_path)
    assert len(store) == 3
    assert store.settings == SMALL
    for number, id_ in enumerate("abc"):
        frames = store.frames(id_, 2)
        assert frames.shape == (2, 32, 48, 3)
        assert frames[:, 0, 0, 0].tolist() == [40 * number + 1, 40 * number + 3]
        assert store.frames(id_, 4, np.random.default_rng(0))[:, 0, 0, 0].tolist() == list(
            range(40 * number, 40 * number + 4)
        )


def test_colours_come_back_as_rgb(tmp_path: Path) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[:] = (200, 10, 10)
    with StoreWriter(tmp_path, StoreSettings(candidates=1, short_side=32)) as writer:
        writer.add("red", StoredVideo((prepare._jpeg(red, 95),), 1.0))
    assert np.abs(FrameStore(tmp_path).frames("red", 1)[0].astype(int) - red).max() < 8


def test_shards_are_bounded_and_all_readable(tmp_path: Path) -> None:
    size = sum(map(len, plain(0).jpegs))
    with StoreWriter(tmp_path, SMALL, shard_bytes=2 * size - 10) as writer:
        for number in range(5):
            writer.add(str(number), plain(10 * number))
    assert len(list(tmp_path.glob("frames-*.bin"))) == 3
    store = FrameStore(tmp_path)
    assert [int(store.frames(str(number), 1)[0, 0, 0, 0]) for number in range(5)] == [2, 12, 22, 32, 42]


def test_bytes_of_a_killed_run_are_written_over(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SMALL) as writer:
        writer.add("a", plain(0))
    with (tmp_path / "frames-00000.bin").open("ab") as shard:
        shard.write(b"half a video")
    with StoreWriter(tmp_path, SMALL) as writer:
        assert writer.done() == {"a"}
        writer.add("b", plain(100))
    store = FrameStore(tmp_path)
    assert int(store.frames("a", 4)[3, 0, 0, 0]) == 3
    assert int(store.frames("b", 4)[0, 0, 0, 0]) == 100


def hold(folder: Path, ready: multiprocessing.synchronize.Event, done: multiprocessing.synchronize.Event) -> None:
    with StoreWriter(folder, SMALL):
        ready.set()
        done.wait(60)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(StorageError, match="another run"):
            StoreWriter(tmp_path, SMALL)
        with pytest.raises(StorageError, match="still preparing"):
            FrameStore(tmp_path)
    finally:
        done.set()
        other.join()
    StoreWriter(tmp_path, SMALL).__exit__()


def test_other_settings_need_another_folder(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SMALL):
        pass
    with pytest.raises(UsageError, match=r"candidates: 4 → 8"):
        StoreWriter(tmp_path, StoreSettings(candidates=8, short_side=32))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"training\.prepare"):
        FrameStore(tmp_path / "nothing")
    with StoreWriter(tmp_path, SMALL) as writer:
        writer.add("a", plain(0))
    shard = tmp_path / "frames-00000.bin"
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(StorageError, match=r"“a” .* damaged"):
        FrameStore(tmp_path).frames("a", 1)
    shard.unlink()
    with pytest.raises(StorageError, match="frames-00000"):
        FrameStore(tmp_path).frames("a", 1)
    with pytest.raises(StorageError, match="cut short"):
        StoreWriter(tmp_path, SMALL)
    (tmp_path / "store.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError):
        FrameStore(tmp_path)


def test_a_store_travels_to_workers_without_its_maps(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SMALL) as writer:
        writer.add("a", plain(7))
    store = FrameStore(tmp_path)
    store.frames("a", 1)
    sent = pickle.dumps(store)
    assert len(sent) < 5000
    np.testing.assert_array_equal(pickle.loads(sent).frames("a", 4), store.frames("a", 4))


def test_missing_videos_stop_unless_allowed_and_are_counted(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, SMALL) as writer:
        writer.add("a", plain(0))
        writer.fail("b", "The file is empty.")
    split = Split("d", "test", tuple(Video(id_, id_) for id_ in "abc"), ("1", "2", "3", "4"), (0, 1, 2, 0), 3)
    store = FrameStore(tmp_path)
    with pytest.raises(UsageError, match=r"2 of the 3 videos .*\(b: The file is empty"):
        StoredSplit(split, store)
    found = StoredSplit(split, store, allow_missing=True)
    assert set(found.missing) == {"b", "c"}
    assert (list(found.video_ids), list(found.texts), list(found.owners)) == (["a"], ["1", "4"], [0, 0])
    with pytest.raises(UsageError, match="None of the 1"):
        StoredSplit(split.without("ac"), store, allow_missing=True)


# From files to a folder


def write_data_set(folder: Path) -> tuple[Path, Path]:
    """Write three videos of 1k-A in three different places, a broken one, and leave one missing."""
    videos = folder / "videos"
    (videos / "deeper").mkdir(parents=True)
    write_ramp(videos / "video1.mp4", frames=16)
    write_ramp(videos / "deeper" / "video2.avi", frames=16)
    write_ramp(videos / "video3.webm.mkv", frames=16).rename(videos / "video3.mkv")
    (videos / "video4.mp4").write_bytes(b"")
    rows = "".join(f"ret{n},msr{n},video{n},text {n}\n" for n in range(1, 6))
    (folder / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,sentence\n" + rows)
    return videos, folder / "out"


def test_prepare_then_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos, out = write_data_set(tmp_path)
    arguments = ["msrvtt", "--videos", str(videos), "--out", str(out), "--processes", "1", "--candidates", "4"]
    assert prepare.main(arguments) == 1
    captured = capsys.readouterr()
    assert "2 videos are missing or broken" in captured.err
    report = json.loads((out / "report.json").read_text())
    assert report["splits"] == {"test-1k": {"published": 1000, "listed": 5, "prepared": 3}}
    assert report["missing"]["video4"] == "The file is empty."
    assert "video5.mp4" in report["missing"]["video5"]
    with pytest.raises(UsageError, match="2 of the 5 videos"):
        registry.open_split("msrvtt", "test-1k", out)
    assert len(registry.open_split("msrvtt", "test-1k", out, allow_missing=True).video_ids) == 3

    # Once prepared, only new videos are decoded: the others' files may be gone.
    shutil.copyfile(videos / "video1.mp4", videos / "video5.mp4")
    shutil.move(videos / "video1.mp4", videos / "video4.mp4")
    assert prepare.main(arguments) == 0
    data = registry.open_split("msrvtt", "test-1k", out)
    assert data.video_ids == [f"video{n}" for n in range(1, 6)]
    assert data.missing == {}
    np.testing.assert_array_equal(data.frames(0, 2), data.frames(4, 2))


def test_prepare_names_what_it_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "videos").mkdir()
    out = ["--out", str(tmp_path / "out")]
    assert prepare.main(["msvd", "--videos", str(tmp_path / "nowhere"), *out]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert prepare.main(["msvd", "--videos", str(tmp_path / "videos"), *out]) == 2
    assert "msvd expects raw-captions.pkl, test_list.txt" in capsys.readouterr().err


def test_two_files_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("x.avi", "x.mkv", "y.", "z.mp4", "z.mkv"):
        (tmp_path / name).touch()
    found, reasons = prepare.find_videos(
        tmp_path, [Video("x", "x.mp4"), Video("y", "y."), Video("z", "z.mp4"), Video("w", "w.avi")]
    )
    assert found == {"y": str(tmp_path / "y."), "z": str(tmp_path / "z.mp4")}
    assert "several files" in reasons["x"]
    assert "w.avi" in reasons["w"]


def read_or_die(path: str) -> StoredVideo:
    if path == "deadly":
        os._exit(1)
    if path == "bad":
        raise BadFile("file.no-video")
    return StoredVideo((path.encode(),), 1.0)


def test_a_decoder_that_dies_costs_its_own_video_only() -> None:
    paths = {"a": "fine", "b": "deadly", "c": "bad", "d": "fine", "e": "fine"}
    found = dict(prepare.decode_all(paths, read_or_die, processes=2))
    assert set(found) == set(paths)
    assert found["b"] == "The process that read it ended: the file brings the decoder down."
    assert found["c"] == "The file contains no video."
    assert all(isinstance(found[id_], StoredVideo) for id_ in "ade")


def read_or_hang(path: str) -> StoredVideo:
    if path == "poison":
        multiprocessing.Event().wait()
    return plain(9)


def test_a_decoder_that_hangs_costs_its_own_video_only() -> None:
    paths = {str(number): "poison" if number == 3 else "good" for number in range(6)}
    found = dict(prepare.decode_all(paths, read_or_hang, processes=2, limit=1.5))
    assert sorted(found) == sorted(paths)
    assert "not read within 1.5 s" in str(found.pop("3"))
    assert all(isinstance(video, StoredVideo) for video in found.values())


def test_a_broken_database_is_told_from_a_busy_one(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.sqlite") as index:
        index.execute("CREATE TABLE something (else_ TEXT)")
    index.close()
    with pytest.raises(StorageError):
        StoreWriter(tmp_path, SMALL)
    assert msrvtt.DATASET.name in registry.DATASETS
