"""What a data set is here: splits of videos and the texts that describe them, and what training draws from them.

A `Split` is what annotation files say; a `VideoTexts` is a split whose pictures can be had (`store`, or a generated
world). This module reads no file and never decides what a missing video means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cret_desktop.domain.clips import Frames
from cret_desktop.errors import PathError, UsageError
from cret_desktop.foreign import reason_of


@dataclass(frozen=True, slots=True)
class Video:
    """`path` is where the community's layout puts the file, relative to the folder of videos; its stem may be enough.

    `id` is what annotations, frame stores and results call it.
    """

    id: str
    path: str


@dataclass(frozen=True, slots=True)
class Split:
    """One split as its annotation files say: V videos and T texts; owners[i] is the video that texts[i] describes.

    published: how many videos the split has where it is whole, None where nobody says.
    """

    dataset: str
    name: str
    videos: tuple[Video, ...]
    texts: tuple[str, ...]
    owners: tuple[int, ...]
    published: int | None = None

    def without(self, missing: Iterable[str]) -> Split:
        """The split less these videos (by id) and their texts."""
        gone = set(missing)
        kept = [index for index, video in enumerate(self.videos) if video.id not in gone]
        renumbered = {old: new for new, old in enumerate(kept)}
        pairs = [
            (text, renumbered[owner])
            for text, owner in zip(self.texts, self.owners, strict=True)
            if owner in renumbered
        ]
        return Split(
            self.dataset,
            self.name,
            tuple(self.videos[index] for index in kept),
            tuple(text for text, _ in pairs),
            tuple(owner for _, owner in pairs),
            self.published,
        )


class VideoTexts(Protocol):
    """A split with its pictures: what is trained on and evaluated."""

    @property
    def name(self) -> str:
        """The data set's."""
        ...

    @property
    def split(self) -> str: ...
    @property
    def video_ids(self) -> Sequence[str]:
        """V"""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """T"""
        ...

    @property
    def owners(self) -> Sequence[int]:
        """T: the index of the video that a text describes. Every video has a text."""
        ...

    @property
    def missing(self) -> Mapping[str, str]:
        """Videos of the split that are left out, and why: counted in every result."""
        ...

    @property
    def published(self) -> int | None:
        """See `Split`."""
        ...

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        """uint8 RGB [count, H, W, 3] from `count` equal intervals: a random one of each, or the middles."""
        ...


class FewerVideos:
    """At most `size` videos of a split, evenly spread over it, with the first text of each: a `VideoTexts`."""

    def __init__(self, data: VideoTexts, size: int) -> None:
        first: dict[int, int] = {}
        for text, owner in enumerate(data.owners):
            first.setdefault(owner, text)
        total = len(data.video_ids)
        count = min(size, total)
        self._data = data
        self._chosen = [index * total // count for index in range(count)]
        self.name, self.split, self.published, self.missing = data.name, data.split, data.published, data.missing
        self.video_ids = [data.video_ids[video] for video in self._chosen]
        self.texts = [data.texts[first[video]] for video in self._chosen]
        self.owners = range(count)

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        """See `VideoTexts`."""
        return self._data.frames(self._chosen[video], count, random)


@dataclass(frozen=True, slots=True)
class DataSet:
    """How one data set's files are read.

    files: the annotation files of each split, relative to the annotations' folder.
    read: annotations' folder, split -> Split. Raises: PathError.
    training: the split that texts for QB-Norm's bank are taken from.
    seconds: only so much of every video belongs to the data set; None for all.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    read: Callable[[Path, str], Split]
    training: str
    seconds: float | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.files)

    def load(self, folder: Path, split: str) -> Split:
        """Raises: UsageError for a split that is not of this data set, PathError for files that are not as expected."""
        if split not in self.files:
            raise UsageError("dataset.no-split", dataset=self.name, split=split, names=", ".join(self.splits))
        check_layout(folder, self.files[split], self.name)
        return self.read(folder, split)


def check_layout(folder: Path, files: Sequence[str], dataset: str) -> None:
    """Raises: PathError that says which files were expected and what is there instead."""
    absent = [file for file in files if not (folder / file).is_file()]
    if not absent:
        return
    there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else None
    expected = ", ".join(absent)
    if there is None:
        raise PathError("dataset.no-folder", dataset=dataset, files=expected, folder=folder)
    if not there:
        raise PathError("dataset.empty-folder", dataset=dataset, files=expected, folder=folder)
    found = ", ".join(there[:8]) + ", …" * (len(there) > 8)
    raise PathError(
        "dataset.files-missing", dataset=dataset, files=expected, folder=folder, found=found, count=len(there)
    )


def group(
    dataset: str, split: str, videos: Sequence[Video], captions: Mapping[str, Sequence[str]], published: int | None
) -> Split:
    """Puts captions (by video id) behind each video, in order. Raises: PathError for a video that has none."""
    texts: list[str] = []
    owners: list[int] = []
    for index, video in enumerate(videos):
        own = [text for text in (" ".join(caption.split()) for caption in captions.get(video.id, ())) if text]
        if not own:
            raise PathError("dataset.no-caption", dataset=dataset, video=video.id, split=split)
        texts += own
        owners += [index] * len(own)
    return Split(dataset, split, tuple(videos), tuple(texts), tuple(owners), published)


def read_text(file: Path) -> str:
    """Raises: PathError where it is not UTF-8. A byte order mark is dropped, line ends become \\n."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PathError("dataset.not-utf8", file=file, byte=error.start) from error


def read_json(file: Path) -> Any:
    try:
        return json.loads(read_text(file))
    except ValueError as error:
        raise PathError("dataset.not-json", file=file, reason=reason_of(error)) from error


def stem(name: str) -> str:
    """A file's name without folders and extension; a bare "." at the end (DiDeMo) belongs to neither.

    >>> stem("12345@N00_2408598493_274c77d26a."), stem("a/clip_00.00.51.926-00.00.54.129.avi")
    ('12345@N00_2408598493_274c77d26a', 'clip_00.00.51.926-00.00.54.129')
    """
    base = name.rpartition("/")[2]
    return (base.rpartition(".")[0] or base).rstrip(".")
