"""Models of the real kinds that run in milliseconds, and weights for them that no library version changes."""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn

from cret_desktop.clips import FrameFormat
from cret_desktop.model import presets
from cret_desktop.model.config import CRETConfig, TemporalConfig

WORDS = "a dog cat runs sits on the beach red square moves left right then and in snow".split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]


def paper() -> CRETConfig:
    """The paper's model: CaiT, BERT, temporal layers and shared centers; 32 x 32 pixels, so 4 patches."""
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
    """A CLIP-like model: a ViT with an attention pool as head, a causal text tower, nothing of CRET on top."""
    full = presets.pe_core_t16()
    return dataclasses.replace(
        full,
        name="tiny-aligned",
        width=16,
        frames=FrameFormat(frames=2, size=32),
        video=dataclasses.replace(
            full.video,
            width=16,
            local_width=32,
            options={
                "num_classes": 16,
                "global_pool": "map",
                "img_size": 32,
                "embed_dim": 32,
                "depth": 2,
                "num_heads": 2,
                "ref_feat_shape": [2, 2],
            },
            weights="",
        ),
        text=dataclasses.replace(
            full.text,
            vocabulary=len(VOCABULARY),
            positions=12,
            context=12,
            layers=2,
            heads=2,
            width=16,
            feedforward=64,
            weights="",
            tokenizer="",
        ),
    )


def write_tokenizer(file: Path) -> Path:
    """A BERT-like tokenizer.json over `VOCABULARY`."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(file))
    return file


def fill(model: nn.Module) -> nn.Module:
    """Gives every parameter values that depend on its name alone, whatever the versions of torch and timm."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = np.random.default_rng(zlib.crc32(name.encode())).normal(size=tuple(parameter.shape))
            parameter.copy_(torch.from_numpy(0.3 * values) + (1 if name.endswith("norm.weight") else 0))
    return model


def frames(config: CRETConfig, clips: int = 2, count: int | None = None, seed: int = 0) -> np.ndarray:
    """uint8 [N, M, H, W, 3]"""
    size = config.frames.size
    shape = (clips, count or config.frames.frames, size, size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
