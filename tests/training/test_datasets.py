"""The community's files, including their quirks, in a few lines each; errors for malformed ones; training samples."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from cret_desktop.domain.clips import FrameFormat, Frames
from cret_desktop.errors import PathError, UsageError
from training.datasets import didemo, lsmdc, msrvtt, msvd
from training.datasets.base import DataSet, FewerVideos, Split, Video, stem
from training.datasets.pairs import TrainingPairs, random_crop


def write_msrvtt(folder: Path) -> Path:
    official = {"video0": "train", "video1": "train", "video2": "validate", "video7010": "test", "video7011": "test"}
    content = {
        "info": {"year": "2016"},
        "videos": [{"video_id": id_, "id": n, "split": split} for n, (id_, split) in enumerate(official.items())],
        "sentences": [
            {"video_id": id_, "caption": f"{id_} caption {number}", "sen_id": number}
            for number in range(2)
            for id_ in reversed(official)
        ],
    }
    (folder / "MSRVTT_data.json").write_text(json.dumps(content))
    (folder / "MSRVTT_train.7k.csv").write_text("video_id\nvideo0\nvideo1\nvideo2\n")
    (folder / "MSRVTT_train.9k.csv").write_text("video_id\r\nvideo0\r\nvideo1\r\nvideo2\r\nvideo7011\r\n")
    (folder / "MSRVTT_JSFUSION_test.csv").write_text(
        "key,vid_key,video_id,sentence\n"
        'ret0,msr7010,video7010,"a man, in a hat, talks"\n'
        "ret1,msr7011,video7011,a person is cooking\n"
        "ret2,msr7012,video7012,a person is cooking\n"
    )
    return folder


@pytest.mark.parametrize(
    ("split", "ids", "texts_each"),
    [
        ("train-7k", ["video0", "video1", "video2"], 2),
        ("train-9k", ["video0", "video1", "video2", "video7011"], 2),
        ("train-full", ["video0", "video1"], 2),
        ("val-full", ["video2"], 2),
        ("test-full", ["video7010", "video7011"], 2),
        ("test-1k", ["video7010", "video7011", "video7012"], 1),
    ],
)
def test_msrvtt_splits(tmp_path: Path, split: str, ids: list[str], texts_each: int) -> None:
    found = msrvtt.DATASET.load(write_msrvtt(tmp_path), split)
    assert [video.id for video in found.videos] == ids
    assert [video.path for video in found.videos] == [f"{id_}.mp4" for id_ in ids]
    assert list(found.owners) == [index for index in range(len(ids)) for _ in range(texts_each)]


def test_msrvtt_test_keeps_commas_and_sentences_that_occur_twice(tmp_path: Path) -> None:
    found = msrvtt.DATASET.load(write_msrvtt(tmp_path), "test-1k")
    assert found.texts == ("a man, in a hat, talks", "a person is cooking", "a person is cooking")
    assert found.published == 1000


def test_msrvtt_thousand_is_the_same_thousand_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msrvtt, "SMALL", 3)
    orders = []
    for ids in (range(10), reversed(range(10))):
        videos = [{"video_id": f"video{n}", "split": "train"} for n in ids]
        sentences = [{"video_id": video["video_id"], "caption": "x"} for video in videos]
        (tmp_path / "MSRVTT_data.json").write_text(json.dumps({"videos": videos, "sentences": sentences}))
        orders.append([video.id for video in msrvtt.DATASET.load(tmp_path, "train-1000").videos])
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 3


def write_msvd(folder: Path, captions: object) -> Path:
    for split, ids in {"train": ["vid_a_1_2", "vid_b_3_4"], "val": ["vid_c_0_9"], "test": ["vid_d_5_6"]}.items():
        (folder / f"{split}_list.txt").write_text("\n".join(ids) + "\n")
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(captions))
    return folder


def test_msvd_token_lists_become_sentences(tmp_path: Path) -> None:
    captions = {
        "vid_b_3_4": [["a", "cat", "jumps"]],
        "vid_a_1_2": [["a", "dog"], ["the", "dog", "runs"]],
        "vid_z_0_0": [["in", "no", "list"]],
    }
    found = msvd.DATASET.load(write_msvd(tmp_path, captions), "train")
    assert found.texts == ("a dog", "the dog runs", "a cat jumps")
    assert found.owners == (0, 0, 1)
    assert found.videos[0] == Video("vid_a_1_2", "vid_a_1_2.avi")


class Harmful:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("harm-done",)


@pytest.mark.parametrize("harm", [Harmful(), {"vid_a_1_2": [[Harmful()]]}])
def test_msvd_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: object) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PathError, match="mkdir"):
        msvd.DATASET.load(write_msvd(tmp_path, harm), "train")
    assert not (tmp_path / "harm-done").exists()


@pytest.mark.parametrize("damage", [b"", b"\x80\x04nonsense", b"(lp0\nS'x'\n"])
def test_msvd_damaged_pickle(tmp_path: Path, damage: bytes) -> None:
    write_msvd(tmp_path, {})
    (tmp_path / "raw-captions.pkl").write_bytes(damage)
    with pytest.raises(PathError, match=r"raw-captions\.pkl"):
        msvd.DATASET.load(tmp_path, "train")


CLIP = "0003_CASABLANCA_00.09.29.110-00.09.33.459"


def test_lsmdc_rows_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "LSMDC16_challenge_1000_publictect.csv").write_text(
        f'{CLIP}\t00:09:29\t00:09:33\t00:09:29\t00:09:33\tSOMEONE says "no", and leaves.\n'
        "1031_Quantum_of_Solace_00.52.35.159-00.52.37.144\t0\t1\t0\t1\tHe falls.\n",
        encoding="utf-8",
    )
    found = lsmdc.DATASET.load(tmp_path, "test")
    assert found.texts == ('SOMEONE says "no", and leaves.', "He falls.")
    assert found.videos[0] == Video(CLIP, f"0003_CASABLANCA/{CLIP}.avi")
    assert found.videos[1].path.startswith("1031_Quantum_of_Solace/1031_Quantum_of_Solace_00.52")


def test_lsmdc_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "LSMDC16_annos_val.csv").write_text(f"{CLIP}\t0\t1\t0\t1\tFine.\n\n{CLIP},0,1,0,1,Commas.\n")
    with pytest.raises(PathError, match=r"line 3: expected 6 cells .* found 1"):
        lsmdc.DATASET.load(tmp_path, "val")


def test_didemo_joins_descriptions_in_the_order_of_the_file(tmp_path: Path) -> None:
    entries = [
        {"annotation_id": 1, "video": "77@N00_12_ab.avi", "description": "a dog enters ", "times": [[0, 0]]},
        {"annotation_id": 2, "video": "88@N01_34_cd.", "description": "the camera pans", "times": [[1, 1]]},
        {"annotation_id": 0, "video": "77@N00_12_ab.avi", "description": "it barks", "times": [[2, 2]]},
    ]
    (tmp_path / "test_data.json").write_text(json.dumps(entries))
    (tmp_path / "test_list.txt").write_text("88@N01_34_cd.\n77@N00_12_ab.avi\n")
    found = didemo.DATASET.load(tmp_path, "test")
    assert [video.id for video in found.videos] == ["88@N01_34_cd", "77@N00_12_ab"]
    assert found.texts == ("the camera pans", "a dog enters it barks")
    assert didemo.DATASET.seconds == 30


@pytest.mark.parametrize("name", ["x@N00_1.", "x@N00_1.mp4", "x@N00_1", "folder/x@N00_1.avi", "x@N00_1..mp4"])
def test_stems(name: str) -> None:
    assert stem(name) == "x@N00_1"


@pytest.mark.parametrize("dataset", [msrvtt.DATASET, msvd.DATASET, lsmdc.DATASET, didemo.DATASET], ids=lambda d: d.name)
def test_wrong_layout_says_what_was_expected_and_found(tmp_path: Path, dataset: DataSet) -> None:
    (tmp_path / "something_else.txt").touch()
    split = dataset.splits[0]
    for folder, found in ((tmp_path, "contains something_else.txt"), (tmp_path / "none", "no such folder")):
        with pytest.raises(PathError) as raised:
            dataset.load(folder, split)
        assert found in str(raised.value)
        assert all(file in str(raised.value) for file in dataset.files[split])
    with pytest.raises(UsageError, match=rf"no split “nope”\. Available: {split}"):
        dataset.load(tmp_path, "nope")


@pytest.mark.parametrize(
    ("file", "content", "split", "expected"),
    [
        ("MSRVTT_data.json", "[1, 2]", "train-full", "another structure than expected: .*videos"),
        ("MSRVTT_data.json", "{", "train-full", "not valid JSON"),
        ("MSRVTT_data.json", '{"videos": [], "sentences": []}', "val-full", "no video with the split “validate”"),
        (
            "MSRVTT_JSFUSION_test.csv",
            "video,caption\n",
            "test-1k",
            "should have the columns key, .* it has these: video, caption",
        ),
        ("MSRVTT_JSFUSION_test.csv", "key,vid_key,video_id,sentence\nret0,msr1\n", "test-1k", "line 2"),
        ("MSRVTT_train.7k.csv", "video_id\nvideo9999\n", "train-7k", "“video9999” .* without a caption"),
    ],
)
def test_msrvtt_wrong_content(tmp_path: Path, file: str, content: str, split: str, expected: str) -> None:
    (write_msrvtt(tmp_path) / file).write_text(content)
    with pytest.raises(PathError, match=expected):
        msrvtt.DATASET.load(tmp_path, split)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "LSMDC16_annos_val.csv").write_bytes(CLIP.encode() + b"\t0\t1\t0\t1\tcaf\xe9\n")
    with pytest.raises(PathError, match="not UTF-8"):
        lsmdc.DATASET.load(tmp_path, "val")


def test_split_without_some_videos() -> None:
    split = Split("d", "s", tuple(Video(id_, id_) for id_ in "abc"), ("1", "2", "3", "4"), (0, 1, 1, 2))
    left = split.without(["b"])
    assert [video.id for video in left.videos] == ["a", "c"]
    assert left.texts == ("1", "4")
    assert left.owners == (0, 1)


class Ramp:
    """A `VideoTexts`: video v, frame m is grey 10 v + 9 m, brighter from left to right."""

    name, split, published = "ramp", "train", None
    missing: Mapping[str, str] = MappingProxyType({})
    video_ids = ("a", "b", "c")
    texts = ("a1", "a2", "b1", "c1", "c2", "c3")
    owners = (0, 0, 1, 2, 2, 2)

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        ramp = np.tile(np.arange(60, dtype=np.uint8)[None, None, :, None], (count, 40, 1, 3))
        offset = random.integers(5) if random is not None else 0
        return ramp + np.uint8(10 * video + offset) + 9 * np.arange(count, dtype=np.uint8)[:, None, None, None]


FORMAT = FrameFormat(frames=3, size=16)


def test_pairs_depend_on_seed_epoch_and_item_alone() -> None:
    def drawn(seed: int, epoch: int) -> list[tuple[bytes, str]]:
        pairs = TrainingPairs(Ramp(), FORMAT, seed)
        order = [(epoch, item) for item in (2, 0, 1)] if epoch % 2 else [(epoch, item) for item in range(3)]
        samples = {key: pairs[key] for key in order}
        return [(samples[epoch, item].frames.tobytes(), samples[epoch, item].text) for item in range(3)]

    assert drawn(1, 5) == drawn(1, 5)
    assert len({str(drawn(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_one_caption_a_video_or_all() -> None:
    one, every = (TrainingPairs(Ramp(), FORMAT, 0, captions) for captions in ("one", "all"))
    assert len(one) == 3
    assert len(every) == 6
    assert {one[epoch, 2].text for epoch in range(30)} == {"c1", "c2", "c3"}
    assert all(one[epoch, item].video == item for epoch in range(3) for item in range(3))
    assert [(every[0, item].text, every[0, item].video) for item in range(6)] == list(
        zip(Ramp.texts, Ramp.owners, strict=True)
    )


def test_all_frames_of_a_clip_are_cut_and_mirrored_alike() -> None:
    pairs = TrainingPairs(Ramp(), FORMAT, 0)
    mirrored = 0
    for epoch in range(40):
        frames = pairs[epoch, 0].frames.astype(int)
        assert frames.shape == (3, 16, 16, 3)
        np.testing.assert_allclose(np.diff(frames, axis=0), 9, atol=1)  # each frame of `Ramp` is 9 brighter
        mirrored += frames[0, 0, 0, 0] > frames[0, 0, -1, 0]
    assert 8 < mirrored < 32


def test_without_cutting_and_mirroring_the_picture_is_as_at_inference() -> None:
    frames = TrainingPairs(Ramp(), FORMAT, 0, crop_scale=None, flip=False)[0, 0].frames.astype(int)
    assert frames[0, 0, -1, 0] - frames[0, 0, 0, 0] > 50  # the ramp's 60, without half a pixel at both ends


def test_the_part_that_is_cut_out_has_the_size_asked_for() -> None:
    frames = np.tile(np.arange(200, dtype=np.uint8)[None, None, :, None], (1, 150, 1, 3))
    random = np.random.default_rng(0)
    spans = [int(np.ptp(random_crop(frames, 32, (0.5, 1.0), random).astype(int))) for _ in range(100)]
    # Of 150 x 200 pixels half the area at an aspect of 3:4 is 106 wide; all of it is never wider than 200.
    assert 95 < min(spans) < 130
    assert 180 < max(spans) <= 199


def test_fewer_videos_are_spread_over_the_split() -> None:
    fewer = FewerVideos(Ramp(), 2)
    assert fewer.video_ids == ["a", "b"]
    assert fewer.texts == ["a1", "b1"]
    np.testing.assert_array_equal(fewer.frames(1, 2), Ramp().frames(1, 2))
    assert len(FewerVideos(Ramp(), 10).video_ids) == 3
