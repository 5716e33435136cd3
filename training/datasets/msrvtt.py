"""MSRVTT: 10,000 clips with 20 captions each, in the files that the retrieval community distributes.

Four protocols share the files. *7k* trains on 7010 videos (the official training and validation sets), *9k* on all but
the 1000 of the *1k-A* test (JSFusion's). *full* is the official division: 6513, 497 and 2990. The 7k and 9k lists leave
no videos for validation. Runs on `train-full` may select a checkpoint on `val-full`; the 7k list contains both.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

from cret_desktop.errors import PathError
from training.datasets.base import DataSet, Split, Video, group, read_json, read_text

DATA = "MSRVTT_data.json"
TEST = "MSRVTT_JSFUSION_test.csv"
_LISTS = {"train-7k": ("MSRVTT_train.7k.csv", 7010), "train-9k": ("MSRVTT_train.9k.csv", 9000)}
_OFFICIAL = {"train-full": ("train", 6513), "val-full": ("validate", 497), "test-full": ("test", 2990)}
SMALL = 1000  # videos in `train-1000`


def read(folder: Path, split: str) -> Split:
    if split == "test-1k":
        return _read_test(folder / TEST)
    content = _read_data(folder / DATA)
    if split in _LISTS:
        file, published = _LISTS[split]
        ids = [row["video_id"] for row in _rows(folder / file, ("video_id",))]
    else:
        name, published = _OFFICIAL["train-full" if split == "train-1000" else split]
        ids = [video["video_id"] for video in content["videos"] if video.get("split") == name]
        if not ids:
            raise PathError("dataset.no-official-split", file=folder / DATA, name=name, split=split)
    if split == "train-1000":
        # Ordered by a hash of the name: independent of the file's order, and the same thousand everywhere.
        ids, published = sorted(ids, key=lambda id_: hashlib.blake2b(id_.encode()).digest())[:SMALL], SMALL
    captions: dict[str, list[str]] = {}
    for sentence in content["sentences"]:
        captions.setdefault(sentence["video_id"], []).append(sentence["caption"])
    return group("msrvtt", split, [_video(id_) for id_ in dict.fromkeys(ids)], captions, published)


def _read_test(file: Path) -> Split:
    """Read 1k-A: one sentence per video. Five sentences occur twice, for different videos."""
    rows = _rows(file, ("key", "vid_key", "video_id", "sentence"))
    captions: dict[str, list[str]] = {}
    for row in rows:
        captions.setdefault(row["video_id"], []).append(row["sentence"])
    return group("msrvtt", "test-1k", [_video(id_) for id_ in captions], captions, 1000)


def _video(id_: str) -> Video:
    return Video(id_, f"{id_}.mp4")


def _read_data(file: Path) -> dict[str, Any]:
    content = read_json(file)
    whole = (
        isinstance(content, dict)
        and all(isinstance(content.get(key), list) for key in ("videos", "sentences"))
        and all(isinstance(video, dict) and "video_id" in video for video in content["videos"])
        and all(
            isinstance(sentence, dict) and {"video_id", "caption"} <= sentence.keys()
            for sentence in content["sentences"]
        )
    )
    if not whole:
        raise PathError(
            "dataset.other-shape",
            file=file,
            expected="{videos: [{video_id, split}], sentences: [{video_id, caption}]}",
        )
    return dict(content)


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    reader = csv.DictReader(read_text(file).splitlines())
    found = [name.strip() for name in reader.fieldnames or ()]
    if not set(columns) <= set(found):
        raise PathError("dataset.columns", file=file, expected=", ".join(columns), found=", ".join(found))
    rows = []
    for row in reader:
        if any(row[column] is None for column in columns):
            raise PathError("dataset.short-line", file=file, line=reader.line_num, count=len(columns))
        rows.append({column: row[column].strip() for column in columns})
    return rows


DATASET = DataSet(
    name="msrvtt",
    files={
        "train-7k": (DATA, _LISTS["train-7k"][0]),
        "train-9k": (DATA, _LISTS["train-9k"][0]),
        "train-1000": (DATA,),
        "train-full": (DATA,),
        "val-full": (DATA,),
        "test-1k": (TEST,),
        "test-full": (DATA,),
    },
    read=read,
    training="train-7k",
)
