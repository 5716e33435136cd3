"""MSVD: 1970 clips with about 40 captions each; 1200 for training, 100 for validation, 670 for testing.

Captions are a pickle of {video: [[word, …], …]}. A pickle can execute anything, so the unpickler here accepts only
lists, dictionaries, strings and numbers.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

from cret_desktop.errors import PathError
from cret_desktop.foreign import reason_of
from training.datasets.base import DataSet, Split, Video, group, read_text

CAPTIONS = "raw-captions.pkl"
_PUBLISHED = {"train": 1200, "val": 100, "test": 670}


class PlainUnpickler(pickle.Unpickler):
    """Builds plain containers, strings and numbers. Anything else needs a class by name, which is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which captions have no use for")


def read(folder: Path, split: str) -> Split:
    ids = [line.strip() for line in read_text(folder / f"{split}_list.txt").splitlines() if line.strip()]
    return group(
        "msvd", split, [Video(id_, f"{id_}.avi") for id_ in ids], _captions(folder / CAPTIONS), _PUBLISHED[split]
    )


def _captions(file: Path) -> dict[str, list[str]]:
    """Return captions by video. Raises: PathError for a pickle with any other content."""
    with file.open("rb") as stream:
        try:
            content: Any = PlainUnpickler(stream, encoding="utf-8").load()
        # A damaged pickle can raise any exception, depending on its opcodes.
        except Exception as error:
            raise PathError("dataset.captions-unreadable", file=file, reason=reason_of(error)) from error
    try:
        return {id_: [" ".join(words) for words in token_lists] for id_, token_lists in content.items()}
    except (AttributeError, TypeError) as error:
        raise PathError("dataset.other-shape", file=file, expected="{video: [[word, …], …]}") from error


DATASET = DataSet(
    name="msvd",
    files={split: (f"{split}_list.txt", CAPTIONS) for split in _PUBLISHED},
    read=read,
    training="train",
)
