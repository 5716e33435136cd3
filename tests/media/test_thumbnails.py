"""Colours and sizes of pictures: matrices, ranges, depth, HDR against its SDR rendition, the geometry of sprites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cret_desktop.domain.clips import ClipDecoded, FrameFormat
from cret_desktop.media import sprites, thumbnails, tone_mapping
from cret_desktop.media.decoder import decode_file
from cret_desktop.media.ring import Ring
from cret_desktop.media.scan import video_file
from cret_desktop.media.thumbnails import Orientation, Pictures, draw_sprite
from tests.videos import add_video_stream

FORMAT = FrameFormat(frames=2, size=64)
# Linear BT.709 light, relative to diffuse white: greys, primaries, skin, sky, leaf.
PATCHES = np.array(
    [
        [0.02, 0.02, 0.02],
        [0.18, 0.18, 0.18],
        [0.5, 0.5, 0.5],
        [0.35, 0.18, 0.12],
        [0.12, 0.25, 0.5],
        [0.06, 0.2, 0.04],
        [0.4, 0.05, 0.03],
        [0.05, 0.05, 0.35],
    ]
)
LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
BT709_TO_BT2020 = np.linalg.inv(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)


def srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def yuv_frame(code: NDArray[np.float64], matrix: int, bits: int, full: bool) -> av.VideoFrame:
    """Return vertical stripes of non-linear RGB codes [K, 3] in [0, 1] as one YUV 4:4:4 frame, by the textbook."""
    kr, kb = LUMA[matrix]
    y = code @ [kr, 1 - kr - kb, kb]
    cb, cr = (code[:, 2] - y) / (2 - 2 * kb), (code[:, 0] - y) / (2 - 2 * kr)
    scale = 1 << (bits - 8)
    top = (1 << bits) - 1
    luma = y * top if full else (16 + 219 * y) * scale
    chroma = [c * (top if full else 224 * scale) + 128 * scale for c in (cb, cr)]
    frame = av.VideoFrame(len(code) * 32, 64, "yuv444p" if bits == 8 else "yuv444p10le")
    for plane, values in zip(frame.planes, [luma, *chroma], strict=True):
        kind = np.uint8 if bits == 8 else np.uint16
        row = np.repeat(np.round(values), 32).astype(kind)
        np.frombuffer(memoryview(plane), kind).reshape(64, -1)[:, : len(row)] = row
    frame.colorspace = matrix
    frame.color_range = ColorRange.JPEG if full else ColorRange.MPEG
    return frame


def stripes(frame: av.VideoFrame) -> NDArray[np.float64]:
    picture = Pictures((frame.width, frame.height), Orientation(), FORMAT).picture(frame)
    centers = (np.arange(frame.width // 32) + 0.5) * picture.shape[1] / (frame.width // 32)
    return np.asarray(picture[picture.shape[0] // 2, centers.astype(int)], float)


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full", [False, True])
def test_matrices_ranges_and_depths(matrix: int, bits: int, full: bool) -> None:
    code = srgb(PATCHES)
    assert np.abs(stripes(yuv_frame(code, matrix, bits, full)) - code * 255).max() < 4


@pytest.mark.parametrize(("height", "matrix"), [(480, 5), (720, 1)])
def test_untagged_video_is_read_as_players_do(height: int, matrix: int) -> None:
    kr, kb = LUMA[matrix]
    red_luma = 16 + 219 * kr
    frame = av.VideoFrame(64, height, "yuv444p")
    for plane, value in zip(frame.planes, (red_luma, 128 - 224 * kr / (2 - 2 * kb), 240), strict=True):
        np.frombuffer(memoryview(plane), np.uint8)[:] = round(value)
    picture = Pictures((64, height), Orientation(), FORMAT).picture(frame)
    assert np.abs(picture.mean(axis=(0, 1)) - [255, 0, 0]).max() < 4


def pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the SMPTE ST 2084 encoding of light relative to 203 cd/m²."""
    y = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ARIB STD-B67 encoding of displayed light relative to 203 cd/m², on a display of 1,000 cd/m²."""
    shown = light * 203 / 1000
    luma = np.maximum(shown @ [0.2627, 0.6780, 0.0593], 1e-9)[:, None]
    scene = shown * luma ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )


@pytest.mark.parametrize(("encode", "transfer"), [(pq, ColorTrc.SMPTE2084), (hlg, ColorTrc.ARIB_STD_B67)])
def test_hdr_looks_like_its_sdr_rendition(
    encode: Callable[[NDArray[np.float64]], NDArray[np.float64]], transfer: ColorTrc
) -> None:
    wide = PATCHES @ BT709_TO_BT2020.T
    frame = yuv_frame(encode(wide), 9, 10, full=False)
    frame.color_trc, frame.color_primaries = transfer, ColorPrimaries.BT2020
    assert np.abs(stripes(frame) - srgb(PATCHES) * 255).max() < 8


def test_highlights_keep_their_order_and_hue() -> None:
    light = np.array([[1.0] * 3, [2.0] * 3, [4.5] * 3, [4.0, 2.0, 1.0]])
    codes = (pq(light @ BT709_TO_BT2020.T) * 65535).round().astype(np.uint16)
    sdr = tone_mapping.to_sdr(codes[None], "pq", wide_gamut=True)[0].astype(int)
    assert 200 < sdr[0, 0] < sdr[1, 0] < sdr[2, 0] <= 255
    assert np.ptp(sdr[:3], axis=1).max() <= 2
    assert sdr[3, 0] > sdr[3, 1] + 20 > sdr[3, 2] + 40


@pytest.mark.parametrize("codec", ["libx265", "libx264"])
def test_hdr_files_are_recognised(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "hdr.mkv"
    wide = yuv_frame(pq(PATCHES @ BT709_TO_BT2020.T), 9, 10, full=False)
    with av.open(str(path), "w") as container:
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = add_video_stream(container, codec, 25, {"crf": "8", **options})
        stream.width, stream.height, stream.pix_fmt = wide.width, wide.height, "yuv444p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, 16, 1
        for i in range(5):
            wide.pts = i
            container.mux(stream.encode(wide))
        container.mux(stream.encode(None))
    [clip] = [e.clip for e in decode_file(video_file(str(path)), FORMAT) if isinstance(e, ClipDecoded)]
    centers = ((np.arange(len(PATCHES)) + 0.5) * 64 / len(PATCHES)).astype(int)
    assert np.abs(clip.frames[0][32, centers] - srgb(PATCHES) * 255).max() < 14


def test_the_poster_is_the_first_tile_that_shows_something() -> None:
    black = np.zeros((90, 160, 3), np.uint8)
    flat = np.full_like(black, 128)
    scene = np.random.default_rng(0).integers(0, 256, black.shape, np.uint8)
    assert draw_sprite([black, flat, scene, scene], [0, 1, 2, 3]).poster == 2
    assert draw_sprite([scene, black], [0, 1]).poster == 0
    assert draw_sprite([black, black], [0, 1]).poster == 0


def test_a_sprite_of_pure_noise_fits_its_slot() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    jpeg = draw_sprite([noise] * 4, [0, 1, 2, 3]).jpeg
    frame_format = FrameFormat(frames=4)
    assert len(jpeg) < Ring.slot_bytes(frame_format) - 4 * frame_format.size**2 * 3


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_tiles_fit_and_keep_the_aspect(width: int, height: int) -> None:
    tile_width, tile_height = sprites.tile_size(width, height)
    assert 1 <= tile_width <= min(sprites.MAX_TILE_WIDTH, width)
    assert 1 <= tile_height <= min(sprites.MAX_TILE_HEIGHT, height)
    ideal = min(sprites.MAX_TILE_WIDTH / width, sprites.MAX_TILE_HEIGHT / height, 1)
    assert abs(tile_width - width * ideal) <= 1
    assert abs(tile_height - height * ideal) <= 1


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from([64, 224, 336]))
def test_pictures_are_small_and_large_enough(width: int, height: int, size: int) -> None:
    picture = thumbnails._picture_size(width, height, FrameFormat(size=size))
    tile = sprites.tile_size(width, height)
    assert picture[0] >= tile[0]
    assert picture[1] >= tile[1]
    assert picture[0] <= width
    assert picture[1] <= height
    assert picture[0] * picture[1] <= (4 * max(size, 320)) ** 2


def test_a_tiles_rectangle() -> None:
    assert [sprites.tile_rect(i, 320, 180) for i in (0, 3)] == [(0, 0, 320, 180), (960, 0, 320, 180)]
