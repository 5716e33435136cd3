"""Converts decoded frames to small upright pictures, and pictures to strips of JPEG thumbnails.

FFmpeg's scaler averages areas and applies the colour matrix in one pass on the large frame; the rest works on small
pictures. This module never opens or decodes a file and does not select frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

from cret_desktop.domain.clips import FrameFormat, Sprite
from cret_desktop.media import sprites, tone_mapping
from cret_desktop.media.shots import THUMB

Picture = NDArray[np.uint8]  # [H, W, 3] RGB
JPEG_QUALITY = 82
_MAX_ASPECT = 4  # a wider panorama is stored no sharper than this along its long side
_BLACK = 20  # mean of a picture without content
_FLAT = 6  # standard deviation of one
# AVColorSpace -> the scaler's name. BT.2020's constant-luminance variant is rare and close enough.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}


class Orientation:
    """How a stored picture is rotated and mirrored for display: one of the eight symmetries of a rectangle.

    Read from the nine 16.16 numbers of a container's display matrix (FFmpeg `libavutil/display.h`): a stored point (x,
    y) is shown at (a x + c y, b x + d y), y pointing down.
    """

    def __init__(self, matrix: bytes | None = None) -> None:
        a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist() if matrix else (1, 0, 0, 0, 1)
        self.transposed = abs(b) + abs(c) > abs(a) + abs(d)
        self._flip_x, self._flip_y = (c < 0, b < 0) if self.transposed else (a < 0, d < 0)

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        try:
            matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        except ValueError:
            # PyAV rejects all side data if one kind is newer than itself: the picture then stays as stored.
            return cls()
        return cls(bytes(matrix) if matrix is not None else None)

    def shown_size(self, width: float, height: float) -> tuple[float, float]:
        return (height, width) if self.transposed else (width, height)

    def apply(self, picture: Picture) -> Picture:
        if self.transposed:
            picture = picture.transpose(1, 0, 2)
        return picture[:: -1 if self._flip_y else 1, :: -1 if self._flip_x else 1]


class Pictures:
    """Converts the frames of one video stream.

    `thumb` is used to detect shots. `picture` is a small upright picture, the source of both the model's frame
    (`fit_frame`) and the tile of the sprite.
    """

    def __init__(self, shown_size: tuple[int, int], orientation: Orientation, frame_format: FrameFormat) -> None:
        width, height = orientation.shown_size(*_picture_size(*shown_size, frame_format))
        self._orientation = orientation
        self._stored_size = int(width), int(height)
        self._thumb_scaler = VideoReformatter()
        self._picture_scaler = VideoReformatter()

    def thumb(self, frame: av.VideoFrame) -> Picture:
        """Return [36, 64, 3]: as stored, neither rotated nor tone-mapped, so that it costs next to nothing."""
        return _scaled(self._thumb_scaler, frame, THUMB, "rgb24").astype(np.uint8, copy=False)

    def picture(self, frame: av.VideoFrame) -> Picture:
        """Return [H, W, 3], upright, square pixels, natural colour."""
        transfer = _transfer(frame)
        wide_gamut = frame.color_primaries == ColorPrimaries.BT2020
        if transfer == "sdr" and not wide_gamut:
            picture = _scaled(self._picture_scaler, frame, self._stored_size, "rgb24").astype(np.uint8, copy=False)
        else:
            deep = _scaled(self._picture_scaler, frame, self._stored_size, "rgb48le").astype(np.uint16, copy=False)
            picture = tone_mapping.to_sdr(deep, transfer, wide_gamut)
        return np.ascontiguousarray(self._orientation.apply(picture))


def fit_frame(picture: Picture, frame_format: FrameFormat) -> Picture:
    """Return the model's square input, [size, size, 3]."""
    if frame_format.fit == "crop":
        height, width = picture.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        picture = picture[top : top + side, left : left + side]
    return _resized(picture, frame_format.size, frame_format.size)


def draw_sprite(pictures: Sequence[Picture], times: Sequence[float], widest: int = sprites.MAX_TILE_WIDTH) -> Sprite:
    """Return one strip of tiles from pictures of the same size. The poster is the first tile with content."""
    height, width = pictures[0].shape[:2]
    tile_width, tile_height = sprites.tile_size(width, height, widest)
    tiles = [_resized(picture, tile_width, tile_height) for picture in pictures]
    strip = cv2.cvtColor(np.concatenate(tiles, axis=1), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    poster = next((i for i, tile in enumerate(tiles) if tile.mean() > _BLACK and tile.std() > _FLAT), None)
    if poster is None:
        poster = int(np.argmax([tile.std() for tile in tiles]))
    return Sprite(jpeg.tobytes(), tile_width, tile_height, tuple(times), poster)


def shrink_sprite(jpeg: bytes, tiles: int, widest: int) -> tuple[bytes, int, int]:
    """Return a strip redrawn with tiles of at most `widest`: (JPEG, tile width, tile height). Raises: ValueError."""
    strip = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    if strip is None or strip.shape[1] % tiles:
        raise ValueError("it is no strip of thumbnails")
    width, height = sprites.tile_size(strip.shape[1] // tiles, strip.shape[0], widest)
    tile = [_resized(part, width, height) for part in np.split(strip.astype(np.uint8, copy=False), tiles, axis=1)]
    _, smaller = cv2.imencode(".jpg", np.concatenate(tile, axis=1), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return smaller.tobytes(), width, height


def _picture_size(width: int, height: int, frame_format: FrameFormat) -> tuple[int, int]:
    """Return a small size that suffices for both the tile and the model's frame, never larger than the video itself."""
    tile_width, tile_height = sprites.tile_size(width, height)
    scale = max(frame_format.size / min(width, height), tile_width / width, tile_height / height)
    scale = min(scale, 1.0, _MAX_ASPECT * max(frame_format.size, tile_width, tile_height) / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scaled(scaler: VideoReformatter, frame: av.VideoFrame, size: tuple[int, int], pixels: str) -> NDArray[Any]:
    small = scaler.reformat(
        frame,
        *size,
        pixels,
        src_colorspace=_matrix(frame),
        dst_colorspace=_matrix(frame),
        src_color_range=_color_range(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA,
        threads=1,
    )
    return small.to_ndarray()


def _matrix(frame: av.VideoFrame) -> Colorspace | None:
    if frame.format.is_rgb:
        return None
    # Untagged video: players assume BT.709 for high definition and BT.601 below it.
    untagged = Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
    return _MATRICES.get(frame.colorspace, untagged)


def _color_range(frame: av.VideoFrame) -> ColorRange:
    if frame.color_range == ColorRange.JPEG or frame.format.is_rgb or frame.format.name.startswith("yuvj"):
        return ColorRange.JPEG
    return ColorRange.MPEG


def _transfer(frame: av.VideoFrame) -> Literal["pq", "hlg", "sdr"]:
    if frame.color_trc == ColorTrc.SMPTE2084:
        return "pq"
    return "hlg" if frame.color_trc == ColorTrc.ARIB_STD_B67 else "sdr"


def _resized(picture: Picture, width: int, height: int) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    larger = width > picture.shape[1] or height > picture.shape[0]
    interpolation = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
    return cv2.resize(picture, (width, height), interpolation=interpolation).astype(np.uint8, copy=False)
