"""Takes a model that somebody else made, a folder or a zip, into the folder of models.

What comes from elsewhere is not trusted: only the four files of a model are looked at, nothing is unpacked by the name
it carries, sizes are bounded before anything is written, a configuration may not send timm to the network or to another
file, and every file must be the one that config.json describes. A model is there whole, or not at all.

This module never runs what a file holds and never replaces a model that is there.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cret_desktop.errors import ModelError, StorageError
from cret_desktop.model import checkpoint
from cret_desktop.model.checkpoint import CARD, CONFIG, TOKENIZER, WEIGHTS, Manifest

_LARGEST = {CONFIG: 1 << 20, TOKENIZER: 128 << 20, CARD: 1 << 20, WEIGHTS: 16 << 30}  # bytes
_REQUIRED = (CONFIG, WEIGHTS, TOKENIZER)
_LARGEST_RATIO = 200  # of a zip's member to what it takes up; weights hardly shrink, texts twentyfold
_PIECE = 1 << 20
_SMALL = 1 << 16  # bytes packed, below which the ratio says little
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BACKBONE = re.compile(r"[A-Za-z0-9_.]+")  # no `hf-hub:` or `local-dir:` before it
# Of timm.create_model: these read files, use the network or return something that is no plain model.
_FORBIDDEN_OPTIONS = re.compile(r"pretrained.*|checkpoint_path|cache_dir|scriptable|exportable|no_jit|features_only")
_MOST_LAYERS, _WIDEST = 256, 1 << 20  # beyond any model; a number that is larger would take the memory first

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


def import_model(source: Path, models_folder: Path, name: str | None = None) -> Manifest:
    """Copies the model into `models_folder`, under `name` or the one it has; returns what it is there.

    source: a model's folder, or a zip with its files at the top or in one folder.
    Importing a model again that is there already changes nothing.

    Raises: ModelError for what is not a model of ours, is damaged, or bears the name of another; StorageError.
    """
    try:
        with ExitStack() as opened:
            files = _files_of_zip(source, opened) if source.is_file() else _files_of_folder(source)
            missing = [file for file in _REQUIRED if file not in files]
            if missing:
                raise ModelError(f"“{source}” is not a model: it has no {' and no '.join(missing)}.")
            models_folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".import-", dir=models_folder) as temporary:
                return _bring_in(files, source, Path(temporary) / "model", models_folder, name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise ModelError(f"“{source}” is not a zip that can be read: {error}") from error
    except OSError as error:
        raise StorageError(
            f"“{source}” could not be copied to “{models_folder}”: {error.strerror or error}."
        ) from error


def _bring_in(
    files: Mapping[str, Opener], source: Path, folder: Path, models_folder: Path, name: str | None
) -> Manifest:
    folder.mkdir()
    _copy(files[CONFIG], folder / CONFIG, _LARGEST[CONFIG], source)
    manifest = checkpoint.read_manifest(folder)
    _check_config(manifest, source)
    name = name or manifest.config.name
    if not _NAME.fullmatch(name):
        raise ModelError(f"“{name}” cannot be a model's name: use letters, digits, dots, dashes and underscores.")
    target = models_folder / name
    if target.exists():
        if _fingerprint(target) == manifest.fingerprint:
            return checkpoint.read_manifest(target)
        raise ModelError(f"There is another model “{name}” in “{models_folder}”: give this one another name.")
    sizes = {file: manifest.files[file].size for file in (WEIGHTS, TOKENIZER)}
    if sum(sizes.values()) > shutil.disk_usage(models_folder).free:
        raise StorageError(
            f"There is no room in “{models_folder}”: the model takes {sum(sizes.values()) / 1e9:.1f} GB."
        )
    for file in files:
        if file != CONFIG:
            _copy(files[file], folder / file, sizes.get(file, _LARGEST[file]), source)
    checkpoint.verify(folder)
    _check_fits(manifest, source)
    folder.rename(target)
    return checkpoint.read_manifest(target)


def _fingerprint(folder: Path) -> str | None:
    try:
        return checkpoint.read_manifest(folder).fingerprint
    except ModelError:
        return None


# What is offered


def _files_of_folder(folder: Path) -> dict[str, Opener]:
    """A model's own files; others in the folder are left where they are."""
    return {name: _opener(folder / name) for name in _LARGEST if (folder / name).is_file()}


def _opener(file: Path) -> Opener:
    return lambda: file.open("rb")


def _files_of_zip(source: Path, opened: ExitStack) -> dict[str, Opener]:
    """Raises: ModelError for a member that is no file of a model, is there twice, or would unpack to too much."""
    archive = opened.enter_context(zipfile.ZipFile(source))
    members: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for member in archive.infolist():
        if member.is_dir():
            continue
        path = PurePosixPath(member.filename)
        if path.name not in _LARGEST or len(path.parts) > 2 or path.name in members or path.parts[0] in ("..", "/"):
            raise ModelError(f"“{source}” holds “{member.filename}”, which is no part of a model.")
        if member.flag_bits & 1:
            raise ModelError(f"“{source}” is encrypted: unpack it and import the folder.")
        if member.file_size > _LARGEST[path.name] or member.file_size > _LARGEST_RATIO * max(
            _SMALL, member.compress_size
        ):
            raise ModelError(
                f"“{source}” is refused: its “{member.filename}” would unpack to {member.file_size} bytes."
            )
        members[path.name] = member
        folders.add(path.parent)
    if len(folders) > 1:
        raise ModelError(f"“{source}” holds more than one folder: pack one model alone.")
    return {name: _member_opener(archive, member) for name, member in members.items()}


def _member_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Opener:
    return lambda: archive.open(member)


def _copy(open_file: Opener, target: Path, most: int, source: Path) -> None:
    """Copies bytes, never more than `most`: sizes that a zip or config.json state may be lies."""
    with open_file() as reading, target.open("xb") as writing:
        written = 0
        while piece := reading.read(_PIECE):
            written += len(piece)
            if written > most:
                raise ModelError(
                    f"“{source}” is refused: its “{target.name}” is larger than the {most} bytes it may be."
                )
            writing.write(piece)


# What it says it is


def _check_config(manifest: Manifest, source: Path) -> None:
    """Raises: ModelError for what `checkpoint` and timm would follow out of the model's folder, or drown in."""
    config = manifest.config
    if set(manifest.files) != {WEIGHTS, TOKENIZER}:
        raise ModelError(
            f"“{source}” needs files from elsewhere ({', '.join(sorted(manifest.files))}): export it again."
        )
    unfit = [name for name, record in manifest.files.items() if not 0 < record.size <= _LARGEST[name]]
    if unfit:
        raise ModelError(f"“{source}” states impossible sizes for {', '.join(unfit)}.")
    if not _BACKBONE.fullmatch(config.video.backbone):
        raise ModelError(f"“{source}” names a backbone, “{config.video.backbone}”, that is not timm's own.")
    if config.video.feature == "concepts":
        raise ModelError(f"“{source}” is a model of concepts, which cannot be imported.")
    for option, value in config.video.options.items():
        if _FORBIDDEN_OPTIONS.fullmatch(option) or not _is_plain(value):
            raise ModelError(f"“{source}” sets “{option}” for its backbone, which an imported model may not.")
    for field, number in _numbers(config.to_json()):
        most = _MOST_LAYERS if field in ("layers", "depth", "frames") else _WIDEST
        if abs(number) > most:
            raise ModelError(f"“{source}” has {number} for “{field}”, which no model has.")


def _is_plain(value: Any) -> bool:
    plain = (bool, int, float, str, type(None))
    return isinstance(value, plain) or (isinstance(value, list) and all(isinstance(item, plain) for item in value))


def _numbers(value: Any, field: str = "") -> list[tuple[str, int | float]]:
    if isinstance(value, Mapping):
        return [found for name, item in value.items() for found in _numbers(item, name)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in _numbers(item, field)]
    return [(field, value)] if isinstance(value, int | float) else []


def _check_fits(manifest: Manifest, source: Path) -> None:
    """Builds the model without memory for its weights and compares names and shapes. Raises: ModelError."""
    import torch
    from safetensors import safe_open

    from cret_desktop.model.cret import CRET

    file = manifest.folder / WEIGHTS
    try:
        with torch.device("meta"):
            expected = {name: list(tensor.shape) for name, tensor in CRET(manifest.config).state_dict().items()}
    except ModelError:
        raise
    except Exception as error:  # whatever timm makes of a configuration that it was not made for
        raise ModelError(f"The configuration of “{source}” builds no model: {error}") from error
    with safe_open(file, framework="pt") as stored:
        found = {name: list(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ModelError(f"The weights of “{source}” do not fit its configuration: {', '.join(differing[:3])}{more}.")
