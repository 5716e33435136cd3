"""Collects the facts for a bug report: versions, devices, codecs, models, library state. Nothing private, nothing sent.

File names are left out and the home folder is written ~. Heavy libraries are imported only when the report is made; the
window never imports this module.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from cret_desktop.engine.models import cards
from cret_desktop.engine.older_profile import older_libraries
from cret_desktop.engine.protocol import Device, ModelState
from cret_desktop.errors import CretError, ModelError, StoreFault
from cret_desktop.model.encoder import available_devices, choose_device, describe_device, open_model
from cret_desktop.paths import LibraryPaths, version
from cret_desktop.storage.sqlite.catalog import Catalog

PACKAGES = (
    "PySide6", "torch", "timm", "av", "opencv-python", "hnswlib", "numpy", "safetensors", "tokenizers",
)  # fmt: skip


def devices() -> tuple[Device, ...]:
    """Return the devices that a model can run on here, fastest first. Loads torch."""
    return tuple(Device(name, describe_device(choose_device(name))) for name in available_devices())


def report(library: Path, device: str) -> Iterator[tuple[str, str]]:
    """Yield (subject, finding) pairs, in the order to print them."""
    yield "CRET Desktop", version()
    yield "Python", f"{platform.python_version()} on {platform.platform()}"
    memory = psutil.virtual_memory()
    yield "Machine", f"{psutil.cpu_count()} cores, {memory.total / 2**30:.0f} GiB of memory"
    for package in PACKAGES:
        yield package, _version(package)
    try:
        yield "Device", describe_device(choose_device(device))
    except ModelError as error:
        yield "Device", str(error)
    from cret_desktop.media.probe import missing_codecs  # loads the decoders' libraries

    missing = missing_codecs()
    yield "Codecs", f"missing: {', '.join(missing)}" if missing else "all that are looked for"
    for card in cards():
        yield f"Model {card.name}", "ready" if card.state is ModelState.READY else "not on this computer"
    yield from _library(library)
    if sys.platform == "linux":
        yield "/dev/shm", f"{shutil.disk_usage('/dev/shm').free / 2**20:.0f} MiB free"


def _library(library: Path) -> Iterator[tuple[str, str]]:
    yield "Library", _private(library)
    for older in older_libraries():
        yield "Older library", f"{_private(older)}, not used; the window offers to move it when it has no library yet"
    try:
        with Catalog.open(LibraryPaths(library).catalog, read_only=True) as catalog, catalog.guarded():
            counts = catalog.counts(open_model("starter").info.fingerprint)
            yield (
                "Holds",
                f"{sum(c.files for c in counts)} files, {sum(c.clips for c in counts)} clips, "
                f"{sum(c.failed for c in counts)} failed, {sum(c.pending for c in counts)} waiting",
            )
    except (CretError, StoreFault) as error:
        yield "State", _private(str(error))
    nearest = next(p for p in (library, *library.parents) if p.exists())
    yield "Disk", f"{shutil.disk_usage(nearest).free / 2**30:.1f} GiB free"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _private(text: str | Path) -> str:
    return str(text).replace(os.path.expanduser("~"), "~")
