"""Sample files and clips for the tests of storage, the same for every back end."""

from __future__ import annotations

import numpy as np

from cret_desktop.domain.clips import FrameFormat, ModelInfo, ScoreConfig, VideoFile, VideoInfo
from cret_desktop.domain.records import PICTURES, NewClip
from cret_desktop.library.indexing.identity import apply_scan
from cret_desktop.library.ports import Store

MODEL = ModelInfo("m", "M", "print-1", 8, 2, FrameFormat(4, 32), ScoreConfig())

INFO = VideoInfo(10.0, 640, 360, 25.0, "h264", "mp4")


def video(path: str, size: int = 100) -> VideoFile:
    return VideoFile(path, size, 1_000, 1, hash(path) % 1000)


def sprite(number: int) -> str:
    """Return a sprite name in the indexer's format."""
    return f"aa/bb/aabb{'0' * 20}-{number}.jpg"


def clip(ordinal: int, seed: int = 0) -> NewClip:
    random = np.random.default_rng(ordinal + 100 * seed)
    return NewClip(
        ordinal, ordinal, ordinal * 5.0, ordinal * 5.0 + 5, sprite(ordinal), 32, 18, 1,
        (1.0, 2.0, 3.0, 4.0), random.normal(size=(4, 8)).astype("f4"), random.normal(size=(2, 8)).astype("f4"),
    )  # fmt: skip


def indexed(store: Store, name: str, clips: int, content: bytes | None = None) -> tuple[int, list[int]]:
    """Index a file of `/videos`; return its id and the ids of its clips."""
    root = store.catalog.add_root("/videos")
    apply_scan(store.scans, root, [video(f"/videos/{name}")], [], within=f"/videos/{name}")
    waiting = store.stages.due(PICTURES, MODEL.fingerprint, root.id)
    ((file_id, file),) = [found for found in waiting if found[1].path.endswith(name)]
    made = [clip(ordinal) for ordinal in range(clips)]
    model = store.features.record_model(MODEL)
    ids, _, _ = store.queue.commit_file(file_id, file, INFO, content or name.encode(), made, model)
    return file_id, ids
