"""The record of downloads: the commit and the sha256 of every file of a model's first download.

Without a pin in `downloads.OFFERS` the first download of a model is trusted; later ones must have the same files. The
record is in the folder of models and survives the models, so deleting a model does not bypass it. Users who want
different content delete the record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cret_desktop.errors import ModelError
from cret_desktop.foreign import Unusable
from cret_desktop.messages import Message
from cret_desktop.model import bounded_json
from cret_desktop.model.config import from_json

RECORD = ".downloaded.json"
_LARGEST = 1 << 20  # bytes
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"([0-9a-f]{40})?")


@dataclass(frozen=True, slots=True)
class Pin:
    """commit: of the hub's repository, or ''. files: sha256 by source."""

    commit: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def with_more(self, commit: str, files: Mapping[str, str]) -> Pin:
        """Return this pin, with the given commit and digests taking precedence."""
        return Pin(commit or self.commit, {**self.files, **files})


def known(models_folder: Path, name: str) -> Pin:
    """Return the pin of a model's first download, or an empty one. Raises: ModelError for an unreadable record."""
    return _read(models_folder).get(name, Pin())


def remember(models_folder: Path, name: str, pin: Pin) -> None:
    """Add a model's pin to the record. Raises: ModelError, OSError."""
    found = {**_read(models_folder), name: pin}
    bounded_json.replace(models_folder / RECORD, {known: asdict(kept) for known, kept in found.items()})


def _read(models_folder: Path) -> dict[str, Pin]:
    file = models_folder / RECORD
    try:
        content = bounded_json.parse(bounded_json.read_bytes(file, _LARGEST), file)
        if not isinstance(content, dict):
            raise Unusable(Message("model.not-an-object"))
        found = {name: from_json(Pin, value, f"{name}.") for name, value in content.items()}
        for pin in found.values():
            digests = [isinstance(digest, str) and _DIGEST.fullmatch(digest) for digest in pin.files.values()]
            if not all(digests) or not _COMMIT.fullmatch(pin.commit):
                raise Unusable(Message("download.bad-digest"))
    except FileNotFoundError:
        return {}
    except (ModelError, Unusable, OSError) as error:
        raise ModelError("download.record-unreadable", file=file, reason=bounded_json.reason_in(error)) from error
    return found
