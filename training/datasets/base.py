"""The interface of a data set: splits of videos, and the texts that describe them.

A `Split` holds the content of annotation files. A `VideoTexts` is a split with access to its frames (`store`, or a
generated world). This module reads no frames and never decides how to handle a missing video.
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
    """One video of a split.

    id: its name in annotations, frame stores and results.
    path: its usual path relative to the folder of videos; a file with the same stem elsewhere is accepted.
    """

    id: str
    path: str


@dataclass(frozen=True, slots=True)
class Split:
    """The annotations of one split: V videos and T texts; owners[i] is the index of the video that texts[i] describes.

    published: the number of videos in the complete split, None if unpublished.
    """

    dataset: str
    name: str
    videos: tuple[Video, ...]
    texts: tuple[str, ...]
    owners: tuple[int, ...]
    published: int | None = None

    def without(self, missing: Iterable[str]) -> Split:
        """Return the split without these videos (by id) and their texts."""
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
    """A split with its frames: the input of training and evaluation."""

    @property
    def name(self) -> str:
        """Name of the data set."""
        ...

    @property
    def split(self) -> str: ...
    @property
    def video_ids(self) -> Sequence[str]:
        """The V ids."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The T texts."""
        ...

    @property
    def owners(self) -> Sequence[int]:
        """For each of the T texts, the index of its video. Every video has a text."""
        ...

    @property
    def missing(self) -> Mapping[str, str]:
        """Videos left out of the split, with the reason; every result counts them."""
        ...

    @property
    def published(self) -> int | None:
        """Number of videos in the complete split, None if unpublished."""
        ...

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        """Return uint8 RGB [count, H, W, 3] from `count` equal intervals: a random frame of each, or the middle one."""
        ...


class FewerVideos:
    """A `VideoTexts` of at most `size` videos, evenly spread over a split, with the first text of each."""

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
        """Return frames as `VideoTexts.frames` does."""
        return self._data.frames(self._chosen[video], count, random)


@dataclass(frozen=True, slots=True)
class DataSet:
    """The reader of one data set.

    files: the annotation files of each split, relative to the annotations' folder.
    read: annotations' folder, split -> Split. Raises: PathError.
    training: the split that provides QB-Norm's bank of texts.
    seconds: the length at which videos are cut off; None for no limit.
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
        """Read a split. Raises: UsageError for an unknown split, PathError for missing or malformed files."""
        if split not in self.files:
            raise UsageError("dataset.no-split", dataset=self.name, split=split, names=", ".join(self.splits))
        check_layout(folder, self.files[split], self.name)
        return self.read(folder, split)


def check_layout(folder: Path, files: Sequence[str], dataset: str) -> None:
    """Raise a PathError that names the expected and the present files, if any is missing."""
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
    """Build a split from captions by video id, in the order of `videos`. Raises: PathError for one without captions."""
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
    """Return the file's text without byte order mark, with line ends as \\n. Raises: PathError if it is not UTF-8."""
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
    """Return a file's name without folders and extension; a bare "." at the end (DiDeMo) is removed, too.

    >>> stem("12345@N00_2408598493_274c77d26a."), stem("a/clip_00.00.51.926-00.00.54.129.avi")
    ('12345@N00_2408598493_274c77d26a', 'clip_00.00.51.926-00.00.54.129')
    """
    base = name.rpartition("/")[2]
    return (base.rpartition(".")[0] or base).rstrip(".")
