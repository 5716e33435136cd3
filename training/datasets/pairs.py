"""Training samples of a split: a clip's frames, cropped and flipped at random, and one caption.

All randomness depends on the seed, the epoch and the item alone, so the number of workers and resuming a run change
nothing. This module never imports torch: any worker process can build samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from cret_desktop.domain.clips import FrameFormat, Frames
from cret_desktop.media.thumbnails import fit_frame
from training.datasets.base import VideoTexts

_ASPECTS = (3 / 4, 4 / 3)  # of the crop, as in torchvision's RandomResizedCrop
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """frames uint8 [M, S, S, 3]; `video` is an index into the split's videos."""

    frames: Frames
    text: str
    video: int


class TrainingPairs:
    """A map-style data set for torch's loaders; its keys are (epoch, item).

    captions: `one` random caption per video and epoch (item = video), or `all` of them (item = text). Open.
    crop_scale: range of the crop's share of the frame's area; a clip has one crop (open: 0.5 to 1). None fits the
        whole frame as the model's frame format defines.
    flip: flip half of the clips (open: yes); wrong where left and right have a meaning.
    """

    def __init__(
        self,
        data: VideoTexts,
        frame_format: FrameFormat,
        seed: int,
        captions: Literal["one", "all"] = "one",
        crop_scale: tuple[float, float] | None = (0.5, 1.0),
        flip: bool = True,
    ) -> None:
        self._data = data
        self._format = frame_format
        self._seed = seed
        self._captions = captions
        self._crop_scale = crop_scale
        self._flip = flip
        self._texts_of: list[list[int]] = [[] for _ in data.video_ids]
        for text, owner in enumerate(data.owners):
            self._texts_of[owner].append(text)

    def __len__(self) -> int:
        return len(self._texts_of) if self._captions == "one" else len(self._data.texts)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, item = key
        random = np.random.default_rng([self._seed, epoch, item])
        text = int(random.choice(self._texts_of[item])) if self._captions == "one" else item
        video = self._data.owners[text]
        frames = self._data.frames(video, self._format.frames, random)
        if self._crop_scale is None:
            frames = fit_frames(frames, self._format)
        else:
            frames = random_crop(frames, self._format.size, self._crop_scale, random)
        if self._flip and random.random() < 0.5:
            frames = np.ascontiguousarray(frames[:, :, ::-1])
        return Sample(frames, self._data.texts[text], video)


def fit_frames(frames: Frames, frame_format: FrameFormat) -> Frames:
    """Fit uint8 [M, H, W, 3] to [M, S, S, 3], squashed or cropped as at inference."""
    return np.stack([fit_frame(frame, frame_format) for frame in frames])


def random_crop(frames: Frames, size: int, scale: tuple[float, float], random: np.random.Generator) -> Frames:
    """Crop one random part of a random shape from all frames and resize it to [M, size, size, 3]."""
    height, width = frames.shape[1:3]
    top, left, rows, columns = _part(height, width, scale, random)
    parts = frames[:, top : top + rows, left : left + columns]
    interpolation = cv2.INTER_AREA if min(rows, columns) >= size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(part, (size, size), interpolation=interpolation) for part in parts]).astype(np.uint8)


def _part(
    height: int, width: int, scale: tuple[float, float], random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return top, left, rows, columns of a crop: area uniform in `scale`, aspect log-uniform; centred if none fits."""
    for _ in range(_ATTEMPTS):
        area = height * width * random.uniform(*scale)
        aspect = math.exp(random.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        rows, columns = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = random.integers(height - rows + 1), random.integers(width - columns + 1)
            return int(top), int(left), rows, columns
    columns = min(width, round(height * _ASPECTS[1]))
    rows = min(height, round(width / _ASPECTS[0]))
    return (height - rows) // 2, (width - columns) // 2, rows, columns
