"""The data sets by name, and access to prepared ones: a folder that contains `annotations` and `frames`.

`training.prepare` writes such folders. The synthetic world comes from `training.synthetic` and has its own layout.
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
    """Return the data set of that name. Raises: UsageError for a name that is not in `DATASETS`."""
    if name not in DATASETS:
        raise UsageError("dataset.unknown", name=name, names=", ".join([*DATASETS, SYNTHETIC]))
    return DATASETS[name]


def open_split(name: str, split: str, data: Path, *, allow_missing: bool = False) -> VideoTexts:
    """Open a split of the prepared data set in the folder `data`.

    Raises: UsageError, PathError for a wrong layout or missing videos; StorageError.
    """
    if name == SYNTHETIC:
        from training import synthetic  # imported only for the synthetic world, which needs no other data set

        return synthetic.open_split(data, split)
    found = dataset(name).load(data / ANNOTATIONS, split)
    return StoredSplit(found, FrameStore(data / FRAMES), allow_missing=allow_missing)
