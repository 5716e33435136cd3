"""Pan-and-zoom clips from photographs of every shape and kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cret_desktop.errors import BadFile
from cret_desktop.media.pan_and_zoom import (
    LIGHT_GROUND,
    crop_frames,
    pan_and_zoom_frames,
    pan_and_zoom_path,
    read_photograph,
    seed_of,
    write_pan_and_zoom,
    write_video,
)

ASPECT = 16 / 9


def save(path: Path, picture: NDArray[np.integer[Any]]) -> Path:
    """Write RGB or RGBA pixels in the format of the suffix."""
    order = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[picture.shape[-1] if picture.ndim == 3 else 2]
    assert cv2.imwrite(str(path), picture if order is None else cv2.cvtColor(picture, order))
    return path


def photograph(width: int, height: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(20, 235, (6, 9, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


@given(
    width=st.integers(20, 3000),
    height=st.integers(20, 3000),
    frames=st.integers(1, 50),
    seed=st.integers(0, 2**64 - 1),
)
def test_the_window_stays_inside_keeps_its_aspect_and_moves_smoothly(
    width: int, height: int, frames: int, seed: int
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    path = pan_and_zoom_path(picture, frames, ASPECT, seed)
    left, top, wide, high = path.T
    slack = 1e-6 * max(width, height)
    assert path.shape == (frames, 4)
    assert min(left.min(), top.min()) >= -slack
    assert (left + wide).max() <= width + slack
    assert (top + high).max() <= height + slack
    assert np.allclose(wide / high, ASPECT)
    if frames >= 10:
        steps = np.abs(np.diff(path, axis=0)).max(axis=1)
        assert steps.max() <= 2.5 * np.abs(path[-1] - path[0]).max() / (frames - 1) + slack


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.webp"])
@pytest.mark.parametrize("shape", [(1200, 500), (300, 900), (31, 40)])
def test_any_format_and_shape_gives_frames_of_the_size_asked_for(
    tmp_path: Path, name: str, shape: tuple[int, int]
) -> None:
    frames = list(pan_and_zoom_frames(save(tmp_path / name, photograph(*shape)), 5, (160, 90)))
    assert [frame.shape for frame in frames] == [(90, 160, 3)] * 5
    assert not np.array_equal(frames[0], frames[-1])


def test_grey_and_16_bit_photographs_are_read(tmp_path: Path) -> None:
    grey = photograph(64, 48)[..., 0]
    assert np.array_equal(read_photograph(save(tmp_path / "grey.png", grey)), np.repeat(grey[..., None], 3, axis=2))
    deep = save(tmp_path / "deep.png", photograph(64, 48).astype(np.uint16) * 257)
    assert np.abs(read_photograph(deep).astype(int) - photograph(64, 48)).max() <= 1


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_cut_out_is_laid_whole_on_a_light_ground(tmp_path: Path, depth: type[np.unsignedinteger]) -> None:
    cut_out = np.zeros((200, 100, 4), depth)
    cut_out[20:180, 10:90] = np.array([200, 30, 40, 255]) * (np.iinfo(depth).max // 255)
    picture = read_photograph(save(tmp_path / "cut_out.png", cut_out))
    red = (picture.astype(int) - [200, 30, 40] == 0).all(axis=2)
    ground = (picture == LIGHT_GROUND).all(axis=2)
    assert red.sum() == 160 * 80
    assert ground.sum() == ground.size - red.sum()
    assert picture.shape[1] / picture.shape[0] == pytest.approx(ASPECT, abs=0.02)


def test_an_opaque_alpha_channel_leaves_a_photograph_as_it_is(tmp_path: Path) -> None:
    opaque = np.dstack([photograph(120, 80), np.full((80, 120), 255, np.uint8)])
    assert np.array_equal(read_photograph(save(tmp_path / "opaque.png", opaque)), photograph(120, 80))


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    path = save(tmp_path / "side.jpg", photograph(96, 64))
    upright = read_photograph(path)
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6: rotate clockwise
    exif = b"Exif\0\0" + tiff
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    assert np.array_equal(read_photograph(path), np.rot90(upright, -1))


def test_large_photographs_shrink_without_aliasing(tmp_path: Path) -> None:
    stripes = np.zeros((1800, 3200, 3), np.uint8)
    stripes[:, ::2] = 255
    crops = np.array([[0.0, 0.0, 3200.0, 1800.0]])
    (frame,) = crop_frames(stripes, crops, (160, 90))
    assert np.ptp(frame) < 25  # of 255


def test_a_clip_plays_as_asked_in_bt709_with_true_colours(tmp_path: Path) -> None:
    saturated = np.zeros((360, 640, 3), np.uint8)
    saturated[:, :320], saturated[:, 320:] = (210, 40, 40), (30, 60, 190)
    clip = tmp_path / "clip.mp4"
    write_pan_and_zoom(save(tmp_path / "photo.png", saturated), clip, seconds=1.0, size=(320, 180), frame_rate=20)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 320, 180)
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert [round(float(frame.time) * 20) for frame in frames] == list(range(20))
    decoded = frames[10].to_ndarray(format="rgb24").astype(int)
    assert np.abs(decoded[90, 20] - (210, 40, 40)).max() <= 6
    assert np.abs(decoded[90, 300] - (30, 60, 190)).max() <= 6


def test_the_same_photograph_gives_the_same_bytes_and_another_name_another_path(tmp_path: Path) -> None:
    photo = save(tmp_path / "one.png", photograph(320, 200))
    contents = set()
    for number in range(20):  # some of the encoder's ways give other bytes now and then only
        write_pan_and_zoom(photo, tmp_path / f"{number}.mp4", seconds=0.4, size=(160, 90))
        contents.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(contents) == 1
    assert seed_of(photo) == seed_of(tmp_path / "elsewhere" / "one.png")
    other = pan_and_zoom_path(photograph(320, 200), 10, ASPECT, seed_of(tmp_path / "two.png"))
    assert not np.allclose(other, pan_and_zoom_path(photograph(320, 200), 10, ASPECT, seed_of(photo)))


@pytest.mark.parametrize("content", [b"", b"not a picture", None])
def test_what_is_no_picture_gives_a_sentence_and_leaves_nothing(tmp_path: Path, content: bytes | None) -> None:
    photo = tmp_path / "photo.jpg"
    if content is not None:
        photo.write_bytes(content)
    with pytest.raises(BadFile, match=r"photo\.jpg .*\.$"):
        write_pan_and_zoom(photo, tmp_path / "clip.mp4")
    assert set(tmp_path.iterdir()) == ({photo} if content is not None else set())


def test_a_video_needs_a_frame(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_video([], tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
