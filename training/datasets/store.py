"""The frame store: the frames of every video for training and evaluation, decoded once, as JPEGs in a few large files.

A video has K *candidates*, at 0, 1/K, 2/K … of its length. With K = 32 they include the exact middles of 1, 2, 4, 8 and
16 equal intervals; a random frame of an interval is one of its candidates.

    store.sqlite          settings; position of each video's JPEGs; failed videos with the reason
    frames-00000.bin …    concatenated JPEGs, at most about a gibibyte per file

A store has one `StoreWriter` (`training.prepare`), which may be killed at any time. A `FrameStore` only reads, through
memory maps shared by any number of worker processes. This module decodes no video.
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
    # `sizes` are the bytes of each JPEG, uint32 [K]; they are contiguous in the shard, from `start`.
    "CREATE TABLE videos (id TEXT PRIMARY KEY, shard INTEGER NOT NULL, start INTEGER NOT NULL, sizes BLOB NOT NULL, "
    "seconds REAL NOT NULL, note TEXT NOT NULL)",
    "CREATE TABLE failures (id TEXT PRIMARY KEY, reason TEXT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """candidates: K. short_side: pixels; no video is enlarged. seconds: where videos are cut off; None for nowhere."""

    candidates: int = 32
    short_side: int = 256
    quality: int = 90
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.short_side < 16 or not 1 <= self.quality <= 100:
            raise UsageError("dataset.store-settings")


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """K JPEGs in temporal order. `note` describes the fault of a partly readable video."""

    jpegs: tuple[bytes, ...]
    seconds: float
    note: str = ""


class StoreWriter:
    """Context manager that adds videos to a store, new or unfinished."""

    def __init__(self, folder: Path, settings: StoreSettings, shard_bytes: int = SHARD_BYTES) -> None:
        """Raise StorageError if another process is writing to the store, UsageError if its settings differ."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._index = sqlite3.connect(folder / INDEX, timeout=0, isolation_level=None)
        try:
            # The lock is held until the connection is closed or the process ends.
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
            self._file.truncate(end)  # bytes without a row, from a killed run
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
        """Return the ids of the videos in the store."""
        return {id_ for (id_,) in self._index.execute("SELECT id FROM videos")}

    def add(self, id_: str, video: StoredVideo) -> None:
        """Add a video and commit it; delete its recorded failure."""
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
        """Record why the video could not be added; the next run retries it."""
        self._index.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (id_, reason))


class FrameStore:
    """Reads a store. Picklable; an unpickled copy opens its own maps."""

    def __init__(self, folder: Path) -> None:
        """Raise PathError if there is no store, StorageError if it cannot be read."""
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
        """Return uint8 RGB [count, H, W, 3]; see `choose`. Raises: KeyError, StorageError for a damaged store."""
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
                # A plain array: slicing a memmap costs more time than decoding saves.
                self._maps[shard] = np.asarray(np.memmap(file, np.uint8, mode="r"))
            except (OSError, ValueError) as error:
                raise StorageError("dataset.shard-unreadable", file=file, reason=reason_of(error)) from error
        return self._maps[shard]


def choose(candidates: int, count: int, random: np.random.Generator | None) -> list[int]:
    """Return the candidates that represent `count` equal intervals; candidate k is at k / K of the length.

    random: draws a candidate of each interval, uniformly; None takes the candidate nearest the middle. An interval too
    short to contain a candidate gets the nearest one.
    """
    if count < 1:
        raise UsageError("dataset.no-frames")
    chosen = []
    for interval in range(count):
        first, end = -(-interval * candidates // count), -(-(interval + 1) * candidates // count)
        if random is not None and first < end:
            chosen.append(int(random.integers(first, end)))
        else:
            # The middle is at (2 i + 1) K / 2n candidates; of two equally near, take the earlier.
            nearest = -(-((2 * interval + 1) * candidates - count) // (2 * count))
            chosen.append(min(candidates - 1, nearest))
    return chosen


class StoredSplit:
    """A `datasets.base.VideoTexts` whose frames come from a store."""

    def __init__(self, split: Split, store: FrameStore, *, allow_missing: bool = False) -> None:
        """Raise UsageError if videos are missing without `allow_missing`, or if none remain."""
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
        """Return frames as `VideoTexts.frames` does. Raises: StorageError."""
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
