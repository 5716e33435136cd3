"""Models of the real kinds that run in milliseconds, with weights that are equal for all library versions."""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from cret_desktop.domain.clips import FrameFormat
from cret_desktop.model import presets
from cret_desktop.model.config import CRETConfig, TemporalConfig
from cret_desktop.model.tiny import tiny_config

# Tests' engines import this for a configuration only: torch is imported where weights are made.
if TYPE_CHECKING:
    from typing import TypeVar

    from torch import nn

    from cret_desktop.model.cret import CRET

    ModuleT = TypeVar("ModuleT", bound=nn.Module)

WORDS = "a dog cat runs sits on the beach red square moves left right then and in snow".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]


def paper() -> CRETConfig:
    """Return the paper's model: CaiT, BERT, temporal layers and shared centers; 32 x 32 pixels, so 4 patches."""
    full = presets.paper()
    return dataclasses.replace(
        full,
        name="tiny-paper",
        width=24,
        frames=FrameFormat(frames=4, size=32),
        video=dataclasses.replace(
            full.video,
            width=16,
            local_width=16,
            options={"num_classes": 0, "img_size": 32, "embed_dim": 16, "depth": 2, "num_heads": 2},
            weights="",
        ),
        text=dataclasses.replace(
            full.text,
            vocabulary=len(VOCABULARY),
            positions=16,
            context=12,
            layers=2,
            heads=2,
            width=24,
            feedforward=48,
            weights="",
            tokenizer="",
        ),
        temporal=TemporalConfig(layers=2, heads=2),
        correspondence=dataclasses.replace(full.correspondence, centers=3, heads=2, self_attention=True),
    )


def aligned() -> CRETConfig:
    """Return a CLIP-like model: a ViT with an attention pool as head, a causal text tower, without CRET's parts."""
    config = tiny_config()
    return dataclasses.replace(
        config, name="tiny-aligned", text=dataclasses.replace(config.text, vocabulary=len(VOCABULARY))
    )


def published() -> CRETConfig:
    """Return `aligned` as a preset whose weights are on a hub (see `write_published`), in "tiny/aligned"."""
    config = aligned()
    weights = "hub:tiny/aligned/open_clip_model.safetensors"
    return dataclasses.replace(
        config,
        name="tiny-published",
        title="Tiny",
        video=dataclasses.replace(config.video, weights=weights),
        text=dataclasses.replace(config.text, weights=weights, tokenizer="hub:tiny/aligned/tokenizer.json"),
    )


def write_published(folder: Path) -> CRET:
    """Write the hub's files of `published` and return the model."""
    from cret_desktop.model.cret import CRET

    folder.mkdir(parents=True, exist_ok=True)
    model = CRET(aligned())
    fill(model)
    write_open_clip(model, folder / "open_clip_model.safetensors")
    write_tokenizer(folder / "tokenizer.json")
    return model


def write_open_clip(model: CRET, file: Path) -> None:
    """Write both towers of a model like `aligned` under open_clip's names."""
    import torch
    from safetensors.torch import save_file

    names = {"norm1": "ln_1", "norm2": "ln_2", "self_attn": "attn", "linear1": "mlp.c_fc", "linear2": "mlp.c_proj"}
    tensors = {"logit_scale": torch.tensor(4.6)}
    assert model.video is not None
    assert model.text is not None
    for name, tensor in model.video.spatial.backbone.state_dict().items():
        tensors[f"visual.trunk.{name}"] = tensor
    for name, tensor in model.text.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        name = name.replace("encoder.layers.", "transformer.resblocks.").replace("final_norm", "ln_final")
        name = name.replace("position_embedding", "positional_embedding")
        if name == "projection.weight":
            name, tensor = "text_projection", tensor.T
        tensors[f"text.{name}"] = tensor.contiguous()
    save_file(tensors, file)


def write_tokenizer(file: Path) -> Path:
    """Write a BERT-like tokenizer.json over `VOCABULARY`."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(file))
    return file


def fill(model: ModuleT) -> ModuleT:
    """Give every parameter values that depend only on its name, not on the versions of torch and timm."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = np.random.default_rng(zlib.crc32(name.encode())).normal(size=tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(0.3 * values) + (1 if name.endswith("norm.weight") else 0))
    return model


def frames(config: CRETConfig, clips: int = 2, count: int | None = None, seed: int = 0) -> np.ndarray:
    """Return uint8 frames [N, M, H, W, 3]."""
    size = config.frames.size
    shape = (clips, count or config.frames.frames, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
