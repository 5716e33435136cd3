"""LSMDC: clips of films, each with one sentence of audio description.

Files are tab-separated without a header: clip, aligned start and end, extracted start and end, sentence. A clip's
folder is its film: the part of its name before the first dot, without the hour.
"""

from __future__ import annotations

from pathlib import Path

from cret_desktop.errors import PathError
from training.datasets.base import DataSet, Split, Video, group, read_text

COLUMNS = 6
# The distributed test file is itself misspelt.
_FILES = {
    "train": ("LSMDC16_annos_training.csv", 101_079),
    "val": ("LSMDC16_annos_val.csv", 7_408),
    "test": ("LSMDC16_challenge_1000_publictect.csv", 1_000),
}


def read(folder: Path, split: str) -> Split:
    name, published = _FILES[split]
    captions: dict[str, list[str]] = {}
    # Not str.splitlines: a sentence may contain one of the rarer line separators.
    for number, line in enumerate(read_text(folder / name).split("\n"), start=1):
        if not line.strip():
            continue
        # Not csv: quotation marks are part of the sentences.
        cells = line.rstrip("\r").split("\t")
        if len(cells) != COLUMNS:
            raise PathError("dataset.cells", file=folder / name, line=number, expected=COLUMNS, found=len(cells))
        captions.setdefault(cells[0].strip(), []).append(cells[-1])
    return group("lsmdc", split, [Video(id_, path(id_)) for id_ in captions], captions, published)


def path(clip: str) -> str:
    """Return the path of a clip's file, relative to the folder of videos.

    >>> path("0001_American_Beauty_00.00.51.926-00.00.54.129")
    '0001_American_Beauty/0001_American_Beauty_00.00.51.926-00.00.54.129.avi'
    """
    return f"{clip.partition('.')[0][:-3]}/{clip}.avi"


DATASET = DataSet(
    name="lsmdc", files={split: (name,) for split, (name, _) in _FILES.items()}, read=read, training="train"
)
