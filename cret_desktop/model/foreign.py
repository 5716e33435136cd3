"""Limits for the configuration of an untrusted model, and the check that its weights fit it.

A configuration may not direct timm to the network or to another file, may not name files outside its folder, and may
not request unreasonable sizes. `check` only reads values. `check_fits` loads torch, and runs where memory and time
are bounded (`trial`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cret_desktop.errors import ModelError
from cret_desktop.foreign import reason_of
from cret_desktop.model import bounded_json, checkpoint
from cret_desktop.model.checkpoint import CARD, CONFIG, TOKENIZER, WEIGHTS, Manifest
from cret_desktop.model.config import MOST_LAYERS

# Bytes. `tokenizer_file` bounds tokenizers, too.
LARGEST = {CONFIG: checkpoint.LARGEST_CONFIG, TOKENIZER: 128 << 20, CARD: 1 << 20, WEIGHTS: 16 << 30}
_BACKBONE = re.compile(r"[A-Za-z0-9_.]+")  # without the prefixes `hf-hub:` and `local-dir:`
# Of timm.create_model: these read files, use the network, or return something other than a plain model.
_FORBIDDEN_OPTIONS = re.compile(r"pretrained.*|checkpoint_path|cache_dir|scriptable|exportable|no_jit|features_only")
_COUNTS = re.compile(r".*(layers|depth|blocks|repeat|stages).*")  # options that count repeated parts
_WIDEST = 1 << 20  # bound of any other option
_MOST_OPTIONS = 64
_LONGEST_OPTION = 200  # characters


def check(manifest: Manifest, source: Path | None = None) -> None:
    """Raise a ModelError if the model would make `checkpoint` or timm leave its folder or exhaust memory.

    source: the path that the user named, if it is not the model's folder.
    """
    source, config = source or manifest.folder, manifest.config
    if set(manifest.files) != {WEIGHTS, TOKENIZER}:
        named = bounded_json.brief(", ".join(sorted(manifest.files)))
        raise ModelError("import.files-elsewhere", source=source, files=named)
    unfit = [name for name, record in manifest.files.items() if not 0 < record.size <= LARGEST[name]]
    if unfit:
        raise ModelError("import.bad-sizes", source=source, files=", ".join(unfit))
    if not _BACKBONE.fullmatch(config.video.backbone):
        raise ModelError("import.foreign-backbone", source=source, backbone=config.video.backbone)
    if config.video.feature == "concepts":
        raise ModelError("import.concepts", source=source)
    options = config.video.options
    if len(options) > _MOST_OPTIONS:
        raise ModelError("import.many-options", source=source, count=len(options))
    for option, value in options.items():
        if _FORBIDDEN_OPTIONS.fullmatch(option) or not _is_plain(value):
            raise ModelError("import.bad-option", source=source, option=bounded_json.brief(option))
        most = MOST_LAYERS if _COUNTS.fullmatch(option) else _WIDEST
        for number in _numbers(value):
            if abs(number) > most:
                raise ModelError("import.large-option", source=source, value=number, option=bounded_json.brief(option))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        flat = not any(isinstance(item, list) for item in value)
        return flat and len(value) <= _MOST_OPTIONS and all(map(_is_plain, value))
    if isinstance(value, str):
        return len(value) <= _LONGEST_OPTION
    return isinstance(value, bool | int | float | type(None))


def _numbers(value: Any) -> list[int | float]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, int | float)]


def check_fits(manifest: Manifest) -> None:
    """Build the model without memory for its weights and compare names and shapes. Raises: ModelError."""
    import torch
    from safetensors import safe_open

    from cret_desktop.model.cret import CRET

    file = manifest.folder / WEIGHTS
    try:
        with torch.device("meta"):
            expected = {name: list(tensor.shape) for name, tensor in CRET(manifest.config).state_dict().items()}
    except ModelError:
        raise
    except Exception as error:  # timm may raise anything for an invalid configuration
        raise ModelError("model.unbuildable", reason=reason_of(error)) from error
    with checkpoint.reading_tensors(file), safe_open(file, framework="pt") as stored:
        found = {name: list(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    if differing:
        named = bounded_json.brief(", ".join(differing[:3]))
        raise ModelError("model.unfit", names=named, count=len(differing))
