"""The generated world: the separation of its splits, the differences in its families, the information in its frames."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cret_desktop.errors import PathError
from cret_desktop.media import probe
from cret_desktop.model.transforms import Tokenizer
from training import recipes, synthetic
from training.synthetic import FAMILY, KINDS, SPLITS, Scene, SyntheticSplit


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    assert synthetic.main(["--out", str(folder), "--size", "tiny"]) == 0
    return folder


def taken(split: str, count: int = 60) -> SyntheticSplit:
    return SyntheticSplit(split, [scene for family in synthetic.families(split, count, seed=0) for scene in family])


def objects(scene: Scene) -> set[tuple[str, str]]:
    return {(event.colour, event.shape) for event in (scene.first, scene.second)}


def test_the_same_seed_gives_the_same_world(world: Path, tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "same", "tiny", seed=0)
    synthetic.generate(tmp_path / "other", "tiny", seed=1)
    for split in SPLITS:
        bytes_of = [
            (folder / f"{split}.jsonl").read_bytes() for folder in (world, tmp_path / "same", tmp_path / "other")
        ]
        assert bytes_of[0] == bytes_of[1] != bytes_of[2]


def test_captions_of_one_split_are_in_no_other() -> None:
    texts = {split: set(taken(split, 300).texts) for split in SPLITS}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["val"]
    assert not texts["val"] & texts["test"]


def test_some_objects_of_the_test_are_new() -> None:
    seen = set().union(*map(objects, taken("train", 300).scenes))
    assert len(seen) == 22
    assert not seen & synthetic.NEW_OBJECTS
    share = np.mean([bool(objects(scene) & synthetic.NEW_OBJECTS) for scene in taken("test", 300).scenes])
    assert 0.2 < share < 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_differs_in_one_fact(kind: str) -> None:
    split = taken("train")
    questions = [question for question in split.questions if question.kind == kind]
    assert len(questions) == 60
    for question in questions:
        one, other = split.scenes[question.first], split.scenes[question.second]
        words = Counter(one.caption.split())
        changed = Counter(other.caption.split())
        assert one.background == other.background
        assert one.caption != other.caption
        if kind in ("order", "binding"):
            assert words == changed  # the same words in another order: a bag of words cannot distinguish them
        if kind == "direction":
            assert [len(words - changed), len(changed - words)] == [1, 1]
            assert {*(words - changed)} <= {*synthetic.DIRECTIONS}
        if kind == "count":
            assert one.first == other.first or one.second == other.second
            assert objects(one) == objects(other)


@pytest.mark.parametrize("kind", ["order", "direction"])
@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_order_and_direction_are_in_the_order_of_frames_alone(kind: str, count: int) -> None:
    split = taken("test", 20)
    for question in split.questions:
        if question.kind == kind:
            one, other = (
                sorted(frame.tobytes() for frame in split.frames(video, count))
                for video in (question.first, question.second)
            )
            assert one == other
            same = np.array_equal(split.frames(question.first, count), split.frames(question.second, count))
            # Two frames show each event once, half-way: no motion is visible.
            assert same == (kind == "direction" and count == 2)


@pytest.mark.parametrize("kind", ["binding", "count"])
def test_binding_and_count_are_seen_in_single_frames(kind: str) -> None:
    split = taken("test", 20)
    for question in split.questions:
        if question.kind == kind:
            one, other = (
                {frame.tobytes() for frame in split.frames(video, 4)} for video in (question.first, question.second)
            )
            assert len(one & other) <= 2  # objects of the unchanged event


def test_random_frames_lie_in_their_intervals_and_follow_the_generator() -> None:
    split = taken("train", 3)
    first, again = (split.frames(0, 4, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (4, synthetic.SIZE, synthetic.SIZE, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    scene = split.scenes[0]
    colours = [{tuple(pixel) for pixel in frame.reshape(-1, 3).tolist()} - {(scene.background,) * 3} for frame in first]
    first_colour, second_colour = (synthetic.COLOURS[event.colour] for event in (scene.first, scene.second))
    assert colours == [{first_colour}, {first_colour}, {second_colour}, {second_colour}]


def test_all_objects_are_inside_the_frame_and_apart() -> None:
    for scene in taken("train", 100).scenes:
        for time, event in ((0.0, scene.first), (0.25, scene.first), (0.5, scene.second), (0.999, scene.second)):
            drawn = (scene.draw(time) != scene.background).any(axis=2).sum()
            assert drawn == event.count * synthetic._MASKS[event.shape].sum()


def test_pair_accuracy_counts_both_clips_and_equal_scores_as_wrong() -> None:
    split = taken("test", 2)
    right = np.eye(2 * FAMILY, dtype=np.float32)
    assert synthetic.pair_accuracy(right, split.questions) == dict.fromkeys((*KINDS, "all"), 100.0)
    # Clips that a model cannot distinguish: one of two answers is right, whatever it prefers.
    blind = np.tile(np.random.default_rng(0).random((2 * FAMILY, 1), np.float32), 2 * FAMILY)
    assert synthetic.pair_accuracy(blind, split.questions)["all"] == 50
    assert synthetic.pair_accuracy(np.zeros_like(right), split.questions)["all"] == 0


def test_every_word_has_a_token_and_every_caption_fits(world: Path) -> None:
    config = recipes.synthetic_model().text
    ids, mask = Tokenizer(world / synthetic.TOKENIZER, config)(taken("train", 100).texts)
    assert not (ids[mask] == synthetic.VOCABULARY.index("[UNK]")).any()
    assert ids.shape[1] < config.context


def test_a_split_is_read_as_it_was_written(world: Path) -> None:
    split = synthetic.open_split(world, "train")
    assert split.scenes == taken("train", 20).scenes
    assert len(split.video_ids) == len(split.texts) == len(split.owners) == 100


def test_a_folder_without_a_world_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"python -m training\.synthetic"):
        synthetic.open_split(tmp_path, "train")
    (tmp_path / "train.jsonl").write_text('{"first": 1}\n')
    with pytest.raises(PathError, match="Generate it again"):
        synthetic.open_split(tmp_path, "train")


def test_scenes_as_video_files(tmp_path: Path) -> None:
    assert synthetic.main(["--out", str(tmp_path), "--size", "tiny", "--videos", "1"]) == 0
    (file,) = (tmp_path / "videos").iterdir()
    info = probe.probe(str(file))
    assert (info.width, info.height, info.duration) == (240, 240, 2.0)
