"""The video encoder: a timm model per frame, projection to the joint width, a transformer over the frames.

This module never reads image files and never normalises pixels (`transforms`). It is the model's only module that
imports timm, which is slow: the text side never imports it.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cret_desktop.errors import ModelError
from cret_desktop.foreign import reason_of
from cret_desktop.model.concepts import VisualConcepts
from cret_desktop.model.config import CRETConfig, TemporalConfig, VideoConfig


class SpatialEncoder(nn.Module):
    """Maps images [B, 3, H, W] to a global feature [B, W] and patch tokens [B, P, W_local] each, by a timm model.

    In CaiT (Touvron et al. 2021) the class token enters only in the last two class-attention blocks, so self-attention
    alone computes the patch tokens.
    """

    def __init__(self, config: VideoConfig, concepts: Path | None = None) -> None:
        """Raise ModelError if timm has no such model."""
        super().__init__()
        self.feature = config.feature
        self.backbone: Any
        self.concepts: VisualConcepts | None = None
        try:
            self.backbone = timm.create_model(config.backbone, pretrained=False, **config.options)
        except (RuntimeError, TypeError) as error:
            raise ModelError(
                "model.no-backbone", version=timm.__version__, backbone=config.backbone, reason=reason_of(error)
            ) from error
        if self.feature == "concepts":
            assert concepts is not None, "a model of concepts needs their file"
            self.concepts = VisualConcepts.load(concepts, self.backbone.get_classifier())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features: Tensor = self.backbone.forward_features(
            images
        )  # [B, prefix + P, W], or [B, W, h, w] from a convolutional net
        patches = features.flatten(2).transpose(1, 2) if features.ndim == 4 else features
        patches = patches[:, getattr(self.backbone, "num_prefix_tokens", 1 if self.feature == "class_token" else 0) :]
        if self.feature == "class_token":
            return features[:, 0], patches
        if self.feature == "head":
            return self.backbone.forward_head(features), patches
        assert self.concepts is not None
        return self.concepts(features, images), patches


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm into the convolution registered just before it; for inference only.

    Outputs are equal up to rounding. Saves a fifth of EfficientNet's time on a CPU.
    """
    children = list(module.named_children())
    for (name, convolution), (norm_name, norm) in itertools.pairwise(children):
        if (
            isinstance(convolution, nn.Conv2d)
            and isinstance(norm, nn.BatchNorm2d)
            and norm.num_features == convolution.out_channels
        ):
            setattr(module, name, fuse_conv_bn_eval(convolution, norm))
            setattr(module, norm_name, getattr(norm, "act", nn.Identity()))  # timm's norms include their activation
    for _, child in children:
        fold_batch_norms(child)


class TemporalBlock(nn.Module):
    """A pre-norm transformer block whose branches end in zeros, so that a new block is the identity."""

    def __init__(self, width: int, config: TemporalConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        contraction = nn.Linear(config.feedforward * width, width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, config.feedforward * width), nn.GELU(), nn.Dropout(config.dropout), contraction
        )
        self.dropout = nn.Dropout(config.dropout)
        for last in (self.attention.out_proj, contraction):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, frames: Tensor, positions: Tensor) -> Tensor:
        """Update frames [B, M, D] with positions [M, D]."""
        normed = self.norm1(frames) + positions
        frames = frames + self.dropout(self.attention(normed, normed, normed, need_weights=False)[0])
        changed: Tensor = frames + self.dropout(self.feedforward(self.norm2(frames)))
        return changed


class TemporalEncoder(nn.Module):
    """Maps frames [B, M, D] to [B, M, D]; the identity when new, or without layers.

    Training on an aligned backbone therefore starts from the zero-shot model. Positions are sinusoids of a frame's
    place in the clip, from 0 to 1. They enter only the attention branches, never the features, and need no table, so
    any number of frames works. Open (the paper states only 3 layers).
    """

    def __init__(self, width: int, config: TemporalConfig) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(TemporalBlock(width, config) for _ in range(config.layers))

    def forward(self, frames: Tensor) -> Tensor:
        if self.blocks:
            positions = interval_positions(frames.shape[1], self.width, frames.device)
            for block in self.blocks:
                frames = block(frames, positions)
        return frames


def interval_positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Return sines and cosines [M, D] of the middles of M equal intervals, from a quarter turn to 32 turns per clip."""
    times = (torch.arange(frames, device=device) + 0.5) / frames  # [M]
    turns = 0.25 * 2 ** torch.linspace(0, 7, math.ceil(width / 2), device=device)  # [D / 2]
    angles = 2 * math.pi * times[:, None] * turns  # [M, D / 2]
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]


class VideoTower(nn.Module):
    """Maps frames [B, M, 3, H, W] to frame features v_1..v_M [B, M, D] and local tokens [B, P, W_local].

    Local tokens are the patch tokens, max-pooled over the frames at each patch position (stated): P per clip, for any
    number of frames.
    """

    def __init__(self, config: CRETConfig, concepts: Path | None = None) -> None:
        """`concepts` is the file of `model.concepts`, read only if video.feature is `concepts`."""
        super().__init__()
        self.spatial = SpatialEncoder(config.video, concepts)
        # An aligned backbone already has the joint width: a new projection would only destroy the alignment.
        aligned = config.video.feature != "class_token" and config.video.width == config.width
        self.projection = nn.Identity() if aligned else nn.Linear(config.video.width, config.width)
        self.temporal = TemporalEncoder(config.width, config.temporal)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        batch, count = frames.shape[:2]
        features, patches = self.spatial(frames.flatten(0, 1))  # [B * M, W], [B * M, P, W_local]
        features = self.projection(features).unflatten(0, (batch, count))  # [B, M, D]
        local = patches.unflatten(0, (batch, count)).amax(dim=1)  # [B, M, P, W_local] -> [B, P, W_local]
        return self.temporal(features), local
