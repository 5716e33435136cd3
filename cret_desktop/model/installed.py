"""The installed models, and their removal. Reads only descriptions, never weights."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cret_desktop import paths
from cret_desktop.errors import ModelError, StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.model import checkpoint, foreign, trial
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.encoder import Model, user_models


def installed() -> dict[str, Manifest]:
    """Return the models that can be opened by name, those shipped with the app first, without damaged ones."""
    found: dict[str, Manifest] = {}
    for place in (paths.resource("models"), user_models()):
        for file in sorted(place.glob(f"*/{checkpoint.CONFIG}")):
            folder = file.parent
            if folder.name.startswith(".") or folder.name in found:  # unfinished, or hidden by a shipped model
                continue
            try:
                manifest = checkpoint.read_manifest(folder)
                if not trial.is_ours(folder):
                    foreign.check(manifest)
                Model(manifest).check_files()
            except ModelError:
                continue
            found[folder.name] = manifest
    return found


def size_of(manifest: Manifest) -> int:
    """Return the bytes of all the model's files."""
    return sum(record.size for record in manifest.files.values())


def is_removable(manifest: Manifest) -> bool:
    """Return whether the model is the user's own."""
    return manifest.folder.parent == user_models()


def with_fingerprint(fingerprint: str, device: str) -> Model | None:
    """Return the installed model with this fingerprint, whatever its name, or None."""
    manifests = (manifest for manifest in installed().values() if manifest.fingerprint == fingerprint)
    return next((Model(manifest, device) for manifest in manifests), None)


def remove(name: str) -> None:
    """Delete one of the user's models, completely or not at all. Raises: ModelError, StorageError."""
    manifest = installed().get(name)
    if manifest is None or not is_removable(manifest):
        raise ModelError("model.not-removable", name=name)
    try:
        with tempfile.TemporaryDirectory(prefix=".remove-", dir=user_models(), ignore_cleanup_errors=True) as grave:
            shutil.move(manifest.folder, Path(grave, name))
    except OSError as error:
        raise StorageError("model.not-removed", name=name, reason=reason_of(error)) from error
