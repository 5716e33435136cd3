"""The data sets by name, and how a prepared one is opened: a folder with `annotations` and `frames` in it.

`training.prepare` makes such folders. The synthetic world comes from `training.synthetic` and has its own.
"""

from __future__ import annotations

from pathlib import Path

from cret_desktop.errors import UsageError
from training.datasets import didemo, lsmdc, msrvtt, msvd
from training.datasets.base import DataSet, VideoTexts
from training.datasets.store import FrameStore, StoredSplit

ANNOTATIONS = "annotations"
FRAMES = "frames"
SYNTHETIC = "synthetic"

DATASETS: dict[str, DataSet] = {
    dataset.name: dataset for dataset in (msrvtt.DATASET, msvd.DATASET, lsmdc.DATASET, didemo.DATASET)
}


def dataset(name: str) -> DataSet:
    """Raises: UsageError for a name that is not in `DATASETS`."""
    if name not in DATASETS:
        raise UsageError("dataset.unknown", name=name, names=", ".join([*DATASETS, SYNTHETIC]))
    return DATASETS[name]


def open_split(name: str, split: str, data: Path, *, allow_missing: bool = False) -> VideoTexts:
    """A split of the prepared data set in the folder `data`.

    Raises: UsageError, PathError for a wrong layout or missing videos; StorageError.
    """
    if name == SYNTHETIC:
        from training import synthetic  # it needs no other data set, and they not it

        return synthetic.open_split(data, split)
    found = dataset(name).load(data / ANNOTATIONS, split)
    return StoredSplit(found, FrameStore(data / FRAMES), allow_missing=allow_missing)
