"""DiDeMo, paragraph to video: the text of a video is all its descriptions, joined in the order of the file.

Videos have the extension that Flickr gave them, and 27 names of the test split end in a bare ".": files are matched by
their stem. Descriptions cover the first 30 seconds of a video.
"""

from __future__ import annotations

from pathlib import Path

from cret_desktop.errors import PathError
from training.datasets.base import DataSet, Split, Video, group, read_json, read_text, stem

_PUBLISHED = {"train": 8392, "val": 1065, "test": 1004}


def read(folder: Path, split: str) -> Split:
    names = [line.strip() for line in read_text(folder / f"{split}_list.txt").splitlines() if line.strip()]
    file = folder / f"{split}_data.json"
    entries = read_json(file)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and {"video", "description"} <= entry.keys() for entry in entries
    ):
        raise PathError("dataset.other-shape", file=file, expected="[{video, description, …}, …]")
    descriptions: dict[str, list[str]] = {}
    for entry in entries:
        descriptions.setdefault(stem(entry["video"]), []).append(entry["description"].strip())
    paragraphs = {id_: [" ".join(sentences)] for id_, sentences in descriptions.items()}
    videos = {stem(name): Video(stem(name), name) for name in names}
    return group("didemo", split, list(videos.values()), paragraphs, _PUBLISHED[split])


DATASET = DataSet(
    name="didemo",
    files={split: (f"{split}_data.json", f"{split}_list.txt") for split in _PUBLISHED},
    read=read,
    training="train",
    seconds=30.0,
)
