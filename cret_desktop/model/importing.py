"""Imports a model from elsewhere, a folder or a zip, into the folder of models.

The source is not trusted. Only the four files of a model are read, and no member of a zip chooses its own path. Sizes
are bounded before anything is written. A configuration may not direct timm to the network or to another file
(`foreign`). Every file must match config.json, and the model is tried in a separate process (`trial`). A model is
imported completely or not at all.

This module executes no content of files and never replaces an existing model.
"""

from __future__ import annotations

import lzma
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from cret_desktop.errors import ModelError, StorageError
from cret_desktop.foreign import reason_of
from cret_desktop.model import bounded_json, checkpoint, foreign, trial
from cret_desktop.model.checkpoint import CONFIG, TOKENIZER, WEIGHTS, Manifest
from cret_desktop.model.foreign import LARGEST

_REQUIRED = (CONFIG, WEIGHTS, TOKENIZER)
_LARGEST_RATIO = 200  # of a member's size to its compressed size; weights hardly compress, texts twentyfold
_PIECE = 1 << 20
_SMALL = 1 << 16  # compressed bytes, below which the ratio says little
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


def import_model(source: Path, models_folder: Path, name: str | None = None) -> Manifest:
    """Copy the model into `models_folder`, as `name` or under its own name; return the copy's manifest.

    source: a model's folder, or a zip with its files at the top or in one folder.
    Importing an existing model again changes nothing.

    Raises: ModelError for a source that is not a model, is damaged, or has the name of another model; StorageError.
    """
    try:
        with ExitStack() as opened:
            files = _files_of_zip(source, opened) if source.is_file() else _files_of_folder(source)
            missing = [file for file in _REQUIRED if file not in files]
            if missing:
                raise ModelError("import.incomplete", source=source, files=", ".join(missing))
            models_folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".import-", dir=models_folder) as temporary:
                return _bring_in(files, source, Path(temporary) / "model", models_folder, name)
    # zipfile lets errors of its decompressors and parsers through.
    except (
        zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, struct.error,
        zlib.error, lzma.LZMAError, OverflowError,
    ) as error:  # fmt: skip
        raise ModelError("import.bad-zip", source=source, reason=reason_of(error)) from error
    except OSError as error:
        raise StorageError("import.not-copied", source=source, folder=models_folder, reason=reason_of(error)) from error


def _bring_in(
    files: Mapping[str, Opener], source: Path, folder: Path, models_folder: Path, name: str | None
) -> Manifest:
    folder.mkdir()
    _copy(files[CONFIG], folder / CONFIG, LARGEST[CONFIG], source)
    with _named(source, folder):
        manifest = checkpoint.read_manifest(folder)
    foreign.check(manifest, source)
    name = name or manifest.config.name
    if not _NAME.fullmatch(name):
        raise ModelError("import.bad-name", name=name)
    target = models_folder / name
    if target.exists():
        if _fingerprint(target) == manifest.fingerprint:
            return checkpoint.read_manifest(target)
        raise ModelError("import.name-taken", name=name, folder=models_folder)
    sizes = {file: manifest.files[file].size for file in (WEIGHTS, TOKENIZER)}
    if sum(sizes.values()) > shutil.disk_usage(models_folder).free:
        raise StorageError("import.no-space", folder=models_folder, gigabytes=sum(sizes.values()) / 1e9)
    for file in files:
        if file != CONFIG:
            _copy(files[file], folder / file, sizes.get(file, LARGEST[file]), source)
    with _named(source, folder):
        checkpoint.verify(folder)
    trial.believed(manifest, trial.Stage.WHOLE, source)
    folder.rename(target)
    return checkpoint.read_manifest(target)


@contextmanager
def _named(source: Path, folder: Path) -> Iterator[None]:
    """Make errors name the user's path instead of the temporary copy's."""
    try:
        yield
    except ModelError as error:
        raise ModelError(error.message.mapped(lambda text: text.replace(str(folder), str(source)))) from error


def _fingerprint(folder: Path) -> str | None:
    try:
        return checkpoint.read_manifest(folder).fingerprint
    except ModelError:
        return None


# Reading the source


def _files_of_folder(folder: Path) -> dict[str, Opener]:
    """Return openers of a model's own files; other files in the folder are ignored."""
    for name in LARGEST:
        if (folder / name).is_symlink():
            raise ModelError("import.link", folder=folder, file=name)
    return {name: _opener(folder / name) for name in LARGEST if (folder / name).is_file()}


def _opener(file: Path) -> Opener:
    return lambda: bounded_json.open_regular(file)


def _files_of_zip(source: Path, opened: ExitStack) -> dict[str, Opener]:
    """Return openers of the members. Raises: ModelError for foreign, repeated or excessively large ones."""
    archive = opened.enter_context(zipfile.ZipFile(source))
    members: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for member in archive.infolist():
        if member.is_dir():
            continue
        path = PurePosixPath(member.filename)
        if path.name not in LARGEST or len(path.parts) > 2 or path.name in members or path.parts[0] in ("..", "/"):
            raise ModelError("import.foreign-member", source=source, file=bounded_json.brief(member.filename))
        if member.flag_bits & 1:
            raise ModelError("import.encrypted", source=source)
        if member.file_size > LARGEST[path.name] or member.file_size > _LARGEST_RATIO * max(
            _SMALL, member.compress_size
        ):
            raise ModelError("import.bomb", source=source, file=member.filename, size=member.file_size)
        members[path.name] = member
        folders.add(path.parent)
    if len(folders) > 1:
        raise ModelError("import.two-folders", source=source)
    return {name: _member_opener(archive, member) for name, member in members.items()}


def _member_opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Opener:
    return lambda: archive.open(member)


def _copy(open_file: Opener, target: Path, most: int, source: Path) -> None:
    """Copy at most `most` bytes: the sizes in a zip or in config.json may be false. Raises: ModelError."""
    with open_file() as reading, target.open("xb") as writing:
        written = 0
        while piece := reading.read(_PIECE):
            written += len(piece)
            if written > most:
                raise ModelError("import.large", source=source, file=target.name, most=most)
            writing.write(piece)
