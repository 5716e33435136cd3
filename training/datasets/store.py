"""The frame store: what training and evaluation need of every video, decoded once, as JPEGs in a few large files.

Of each video there are K *candidates*, at 0, 1/K, 2/K … of its length. With K = 32 the middles of 1, 2, 4, 8 and 16
equal intervals are among them exactly, and a random frame of an interval is a random one of its candidates.

    store.sqlite          settings; where each video's JPEGs lie; which videos failed and why
    frames-00000.bin …    JPEGs one behind the other, at most about a gibibyte a file

A store is written by one `StoreWriter` (`training.prepare`), which may be killed at any time; a `FrameStore` only
reads, through memory maps that any number of worker processes share. Nothing here decodes video.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from cret_desktop.domain.clips import Frames
from cret_desktop.errors import PathError, StorageError, UsageError
from cret_desktop.foreign import reason_of
from training.datasets.base import Split

INDEX = "store.sqlite"
FORMAT_VERSION = 1
SHARD_BYTES = 1 << 30

_SCHEMA = (
    "CREATE TABLE settings (version INTEGER NOT NULL, json TEXT NOT NULL)",
    # `sizes` are the bytes of each JPEG, uint32 [K]; they follow one another in the shard from `start` on.
    "CREATE TABLE videos (id TEXT PRIMARY KEY, shard INTEGER NOT NULL, start INTEGER NOT NULL, sizes BLOB NOT NULL, "
    "seconds REAL NOT NULL, note TEXT NOT NULL)",
    "CREATE TABLE failures (id TEXT PRIMARY KEY, reason TEXT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """candidates: K. short_side: pixels, no video is enlarged. seconds: only so much of every video; None for all."""

    candidates: int = 32
    short_side: int = 256
    quality: int = 90
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.short_side < 16 or not 1 <= self.quality <= 100:
            raise UsageError("dataset.store-settings")


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """K JPEGs in the order of time. `note` says what is wrong with a video that could be read in part."""

    jpegs: tuple[bytes, ...]
    seconds: float
    note: str = ""


class StoreWriter:
    """Adds videos to a store, and takes up one that was left unfinished. A context manager."""

    def __init__(self, folder: Path, settings: StoreSettings, shard_bytes: int = SHARD_BYTES) -> None:
        """Raises: StorageError where another process writes to it, UsageError where it was made with other settings."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._index = sqlite3.connect(folder / INDEX, timeout=0, isolation_level=None)
        try:
            # The lock is held until the connection is closed, or its process ends.
            self._index.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._index.execute("BEGIN EXCLUSIVE")
            if self._index.execute("PRAGMA schema_version").fetchone() == (0,):
                for statement in _SCHEMA:
                    self._index.execute(statement)
                row = (FORMAT_VERSION, json.dumps(asdict(settings)))
                self._index.execute("INSERT INTO settings VALUES (?, ?)", row)
            self._index.execute("COMMIT")
            _check_same(folder, _read_settings(self._index, folder), settings)
            self._shard, end = self._index.execute("SELECT coalesce(max(shard), 0), 0 FROM videos").fetchone()
            for start, sizes in self._index.execute("SELECT start, sizes FROM videos WHERE shard = ?", (self._shard,)):
                end = max(end, start + int(np.frombuffer(sizes, np.uint32).sum()))
            self._file = open(folder / _shard_name(self._shard), "ab")  # noqa: SIM115
            if self._file.tell() < end:
                self._file.close()
                raise StorageError("dataset.store-cut-short", file=folder / _shard_name(self._shard), folder=folder)
            self._file.truncate(end)  # what was written when a run was killed is in no row
            self._file.seek(end)
        except sqlite3.OperationalError as error:
            self._index.close()
            raise StorageError("dataset.store-busy", folder=folder, reason=reason_of(error)) from error
        except sqlite3.DatabaseError as error:
            self._index.close()
            raise StorageError(
                "dataset.store-damaged", file=folder / INDEX, folder=folder, reason=reason_of(error)
            ) from error
        except BaseException:
            self._index.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._index.close()

    def done(self) -> set[str]:
        """Videos that are in the store."""
        return {id_ for (id_,) in self._index.execute("SELECT id FROM videos")}

    def add(self, id_: str, video: StoredVideo) -> None:
        """The video is in the store once this returns. A failure that was noted for it is forgotten."""
        if self._file.tell() >= self._shard_bytes:
            self._file.close()
            self._shard += 1
            self._file = open(self._folder / _shard_name(self._shard), "wb")  # noqa: SIM115
        start = self._file.tell()
        self._file.write(b"".join(video.jpegs))
        self._file.flush()
        sizes = np.array([len(jpeg) for jpeg in video.jpegs], np.uint32).tobytes()
        self._index.execute("BEGIN")
        row = (id_, self._shard, start, sizes, video.seconds, video.note)
        self._index.execute("INSERT INTO videos VALUES (?, ?, ?, ?, ?, ?)", row)
        self._index.execute("DELETE FROM failures WHERE id = ?", (id_,))
        self._index.execute("COMMIT")

    def fail(self, id_: str, reason: str) -> None:
        """Notes why the video is not in the store; the next run tries it again."""
        self._index.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (id_, reason))


class FrameStore:
    """Reads a store. Picklable; a copy in another process opens maps of its own."""

    def __init__(self, folder: Path) -> None:
        """Raises: PathError where there is no store, StorageError where it cannot be read."""
        self.folder = folder
        if not (folder / INDEX).is_file():
            raise PathError("dataset.no-store", folder=folder)
        try:
            with closing(sqlite3.connect(f"{(folder / INDEX).absolute().as_uri()}?mode=ro", uri=True)) as index:
                self.settings = _read_settings(index, folder)
                rows = index.execute("SELECT id, shard, start, sizes, seconds, note FROM videos").fetchall()
                self.failures: Mapping[str, str] = dict(index.execute("SELECT id, reason FROM failures"))
        except sqlite3.Error as error:
            raise StorageError("dataset.store-unreadable", file=folder / INDEX, reason=reason_of(error)) from error
        self.seconds: Mapping[str, float] = {row[0]: row[4] for row in rows}
        self.notes: Mapping[str, str] = {row[0]: row[5] for row in rows if row[5]}
        self._rows = {row[0]: index for index, row in enumerate(rows)}
        self._shards = np.array([row[1] for row in rows], np.int64)  # [V]
        sizes = [np.frombuffer(row[3], np.uint32) for row in rows]
        ends = np.cumsum(np.array(sizes, np.int64).reshape(len(rows), self.settings.candidates), axis=1)
        starts = np.array([row[2] for row in rows], np.int64)[:, None]
        self._bounds = np.concatenate([starts, starts + ends], axis=1)  # [V, K + 1]
        self._maps: dict[int, NDArray[np.uint8]] = {}

    def __contains__(self, id_: str) -> bool:
        return id_ in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}

    def frames(self, id_: str, count: int, random: np.random.Generator | None = None) -> Frames:
        """uint8 RGB [count, H, W, 3]; see `choose`. Raises: KeyError, StorageError for a store that is damaged."""
        row = self._rows[id_]
        data, bounds = self._map(int(self._shards[row])), self._bounds[row]
        return np.stack(
            [
                self._decode(id_, data[bounds[k] : bounds[k + 1]])
                for k in choose(self.settings.candidates, count, random)
            ]
        )

    def _decode(self, id_: str, jpeg: NDArray[np.uint8]) -> Frames:
        picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB) if len(jpeg) else None
        if picture is None:
            raise StorageError("dataset.frames-damaged", video=id_, folder=self.folder)
        return picture.astype(np.uint8, copy=False)

    def _map(self, shard: int) -> NDArray[np.uint8]:
        if shard not in self._maps:
            file = self.folder / _shard_name(shard)
            try:
                # As a plain array: a memmap's slices are slower by more than their decoding is worth.
                self._maps[shard] = np.asarray(np.memmap(file, np.uint8, mode="r"))
            except (OSError, ValueError) as error:
                raise StorageError("dataset.shard-unreadable", file=file, reason=reason_of(error)) from error
        return self._maps[shard]


def choose(candidates: int, count: int, random: np.random.Generator | None) -> list[int]:
    """Which of K candidates, at k / K of the length, stand for `count` equal intervals.

    random: one of those in each interval, each as likely; None: the one nearest its middle. Where an interval is too
    short to hold one, the nearest is taken.
    """
    if count < 1:
        raise UsageError("dataset.no-frames")
    chosen = []
    for interval in range(count):
        first, end = -(-interval * candidates // count), -(-(interval + 1) * candidates // count)
        if random is not None and first < end:
            chosen.append(int(random.integers(first, end)))
        else:
            # The middle is at (2 i + 1) K / 2n candidates; of two that are as near, the earlier.
            nearest = -(-((2 * interval + 1) * candidates - count) // (2 * count))
            chosen.append(min(candidates - 1, nearest))
    return chosen


class StoredSplit:
    """A split whose frames are in a store: `datasets.base.VideoTexts`."""

    def __init__(self, split: Split, store: FrameStore, *, allow_missing: bool = False) -> None:
        """Raises: UsageError where videos are missing and that was not allowed, or nothing is left."""
        absent = "not prepared: run `python -m training.prepare` with the splits that are used"
        self.missing: Mapping[str, str] = {
            video.id: store.failures.get(video.id, absent) for video in split.videos if video.id not in store
        }
        if self.missing and not allow_missing:
            raise _missing(split, self.missing)
        kept = split.without(self.missing)
        if not kept.videos:
            raise UsageError(
                "dataset.nothing-prepared", count=len(split.videos), dataset=split.dataset, split=split.name
            )
        self._store = store
        self.name, self.split, self.published = kept.dataset, kept.name, kept.published
        self.video_ids: Sequence[str] = [video.id for video in kept.videos]
        self.texts: Sequence[str] = kept.texts
        self.owners: Sequence[int] = kept.owners

    def frames(self, video: int, count: int, random: np.random.Generator | None = None) -> Frames:
        """See `VideoTexts`. Raises: StorageError."""
        return self._store.frames(self.video_ids[video], count, random)


def _missing(split: Split, missing: Mapping[str, str]) -> UsageError:
    named = "; ".join(f"{id_}: {reason}" for id_, reason in list(missing.items())[:3])
    return UsageError(
        "dataset.videos-missing",
        count=len(missing),
        all=len(split.videos),
        dataset=split.dataset,
        split=split.name,
        named=named,
    )


def _shard_name(shard: int) -> str:
    return f"frames-{shard:05}.bin"


def _read_settings(index: sqlite3.Connection, folder: Path) -> StoreSettings:
    version, text = index.execute("SELECT version, json FROM settings").fetchone()
    if version != FORMAT_VERSION:
        raise StorageError("dataset.other-version", folder=folder)
    return StoreSettings(**json.loads(text))


def _check_same(folder: Path, there: StoreSettings, wanted: StoreSettings) -> None:
    differing = [
        f"{name}: {value} → {asdict(wanted)[name]}"
        for name, value in asdict(there).items()
        if value != asdict(wanted)[name]
    ]
    if differing:
        raise UsageError("dataset.prepared-otherwise", folder=folder, differences="; ".join(differing))
