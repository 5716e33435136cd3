"""Hard cuts in generated scenes, with negatives that look like cuts; and where a cut may hide undecoded."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cret_desktop.media.shots import LOOKAHEAD, THUMB, ShotDetector, Thumb, dissimilarity, suspicious

FRAME = 0.04  # seconds
WIDTH, HEIGHT = THUMB


def world(seed: int, width: int = 480) -> NDArray[np.float32]:
    """Return a textured, coloured picture wider than a thumbnail, as smooth as a small photograph."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (6, width // 8, 3)).astype(np.float32)
    fine = random.uniform(-40, 40, (HEIGHT // 2, width // 2, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, HEIGHT), interpolation=cv2.INTER_CUBIC) + cv2.resize(fine, (width, HEIGHT))


def scene(seed: int, frames: int, speed: float = 0.3) -> list[Thumb]:
    """Return the views of a window that moves `speed` pixels a frame over a world, with noise."""
    picture, random = world(seed), np.random.default_rng([seed, 1])
    out = []
    for number in range(frames):
        warp = np.array([[1, 0, speed * number], [0, 1, 0]])
        view = cv2.warpAffine(picture, warp, THUMB, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        out.append(np.clip(view + random.normal(0, 2, view.shape), 0, 255).astype(np.uint8))
    return out


def plain(colour: tuple[int, int, int], frames: int) -> list[Thumb]:
    texture = np.random.default_rng(0).integers(-8, 8, (HEIGHT, WIDTH, 3))
    return [np.clip(np.array(colour) + texture, 0, 255).astype(np.uint8)] * frames


def cuts(thumbs: list[Thumb]) -> list[int]:
    """Return the frame numbers of the cuts; check that none is confirmed later than promised."""
    detector, found = ShotDetector(), []
    for number, thumb in enumerate(thumbs):
        for time in detector.push(number * FRAME, thumb):
            found.append(round(time / FRAME))
            assert number - found[-1] <= LOOKAHEAD
    return found + [round(time / FRAME) for time in detector.finish()]


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(6, 30), min_size=1, max_size=5), seed=st.integers(0, 10_000))
def test_every_cut_is_found_at_its_frame(lengths: list[int], seed: int) -> None:
    thumbs = [thumb for number, length in enumerate(lengths) for thumb in scene(seed * 10 + number, length)]
    assert cuts(thumbs) == np.cumsum(lengths)[:-1].tolist()


def test_a_cut_at_the_very_last_frame_is_found() -> None:
    assert cuts(scene(1, 20) + scene(2, 1)) == [20]


@pytest.mark.parametrize("flash_frames", [1, 2, 3])
@pytest.mark.parametrize("light", [(2.5, 130), (1.0, 255), (0.0, 0)])
def test_a_flash_or_a_dropped_picture_is_no_cut(flash_frames: int, light: tuple[float, float]) -> None:
    thumbs = scene(3, 40)
    for at in range(20, 20 + flash_frames):
        thumbs[at] = np.clip(thumbs[at] * light[0] + light[1], 0, 255).astype(np.uint8)
    assert cuts(thumbs) == []


@pytest.mark.parametrize("speed", [2.0, 6.0, 12.0])
def test_a_pan_is_no_cut_however_much_it_brings_into_view(speed: float) -> None:
    rest, pan = scene(4, 10, 0.0), scene(4, 25, speed)
    assert cuts(rest + pan) == []


def test_something_large_that_comes_into_the_picture_is_no_cut() -> None:
    thumbs, passer = scene(5, 30), scene(6, 1)[0]
    for number, at in enumerate(range(12, 20)):
        thumbs[at] = thumbs[at].copy()
        thumbs[at][:, number * 4 : number * 4 + 30] = passer[:, :30]
    assert cuts(thumbs) == []


def test_a_slow_dissolve_is_no_hard_cut() -> None:
    before, after = scene(7, 60), scene(8, 60)
    mixed = [cv2.addWeighted(before[i], 1 - i / 60, after[i], i / 60, 0).astype(np.uint8) for i in range(60)]
    assert cuts(scene(7, 20) + mixed + scene(8, 20)) == []


def test_still_and_flat_pictures_have_no_cuts() -> None:
    assert cuts([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 30) == []
    assert cuts(plain((200, 30, 30), 30)) == []


def test_plain_colours_are_told_apart_even_with_the_same_texture() -> None:
    assert cuts(plain((200, 30, 30), 20) + plain((30, 30, 200), 20) + plain((20, 20, 20), 20)) == [20, 40]


def test_no_frame_and_a_single_frame() -> None:
    assert ShotDetector().finish() == []
    assert cuts(scene(9, 1)) == []


def test_memory_does_not_grow_with_the_video() -> None:
    detector = ShotDetector()
    for number, thumb in enumerate(scene(10, 200)):
        detector.push(number * FRAME, thumb)
    assert len(detector._seen) < 12


def test_dissimilarity_orders_same_moved_and_other() -> None:
    first, moved = (thumb.astype(np.float32) for thumb in scene(11, 2, speed=8.0))
    other = scene(12, 1)[0].astype(np.float32)
    assert dissimilarity(first, first) == 0.0
    assert dissimilarity(first, moved) < 0.2 < 0.4 < dissimilarity(first, other)


def span(sizes: list[int]) -> tuple[list[int], list[bool]]:
    return sizes, [True] + [False] * (len(sizes) - 1)


def test_different_keyframes_are_suspicious() -> None:
    first, last = scene(13, 1)[0], scene(14, 1)[0]
    assert suspicious(*span([10_000] + [500] * 40), first, last)


def test_alike_keyframes_with_even_packets_between_are_not() -> None:
    thumbs = scene(15, 40)
    sizes = [10_000] + [1_500, 300, 300] * 13
    assert not suspicious(*span(sizes), thumbs[0], thumbs[-1])


def test_a_picture_that_went_and_came_back_leaves_a_large_packet() -> None:
    thumbs = scene(16, 40)
    sizes = [10_000] + [1_500, 300, 300] * 13
    sizes[17] = 8_000
    assert suspicious(*span(sizes), thumbs[0], thumbs[-1])


def test_steady_motion_with_large_packets_throughout_is_not_suspicious() -> None:
    thumbs = scene(17, 40)
    assert not suspicious(*span([10_000] + [6_000] * 39), thumbs[0], thumbs[-1])


def test_a_span_of_keyframes_alone_is_judged_by_its_ends() -> None:
    thumb, other = scene(18, 1)[0], scene(19, 1)[0]
    assert not suspicious([10_000] * 20, [True] * 20, thumb, thumb)
    assert suspicious([10_000] * 20, [True] * 20, thumb, other)
