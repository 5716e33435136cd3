"""A tiny saved model, a split of noise and a prepared data folder, as inputs for evaluation and similar commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from cret_desktop.domain.clips import Frames
from cret_desktop.model import checkpoint
from cret_desktop.model.cret import CRET
from tests.model import tiny
from training.datasets.store import StoredVideo, StoreSettings, StoreWriter

TEXTS = ("a dog runs", "a cat sits", "a red square", "a cat sits on the beach", "snow")


class Noise:
    """A `VideoTexts` of three videos of noise with five texts."""

    name, split, published = "noise", "test", None
    missing: Mapping[str, str] = {}
    video_ids = ("v0", "v1", "<v2>")
    texts = TEXTS
    owners = (0, 1, 2, 1, 0)

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        pictures = np.random.default_rng([video, count]).integers(0, 256, (count, 40, 56, 3), dtype=np.uint8)
        return pictures.astype(np.uint8)


def save_model(folder: Path) -> checkpoint.Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny.write_tokenizer(folder / "tokenizer.source")
    model = tiny.fill(CRET(tiny.paper()))
    assert isinstance(model, CRET)
    return checkpoint.save(model, folder / "tiny", tokenizer, "# Tiny\n")


def write_data(folder: Path, videos: int = 4, prepared: int = 4) -> Path:
    """Write the data folder that `training.prepare` produces for MSRVTT's 1k-A test."""
    (folder / "annotations").mkdir(parents=True)
    rows = "".join(f"ret{n},msr{n},video{n},{TEXTS[n]}\n" for n in range(videos))
    (folder / "annotations" / "MSRVTT_JSFUSION_test.csv").write_text("key,vid_key,video_id,sentence\n" + rows)
    with StoreWriter(folder / "frames", StoreSettings(candidates=8, short_side=32)) as writer:
        for video in range(prepared):
            pictures = Noise().frames(video, 8)
            jpegs = tuple(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures)
            writer.add(f"video{video}", StoredVideo(jpegs, 3.0))
    return folder
