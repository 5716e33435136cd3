"""Cross-modal Correspondence Modelling (CCM): learned centers that gather the local features of either modality.

C center queries cross-attend to the local tokens of a video or of a text. The results are compared center by center, so
center c learns the same meaning on both sides. This module never computes a similarity.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from cret_desktop.model.config import CorrespondenceConfig

Modality = Literal["video", "text"]


class CenterDecoderLayer(nn.Module):
    """A pre-norm decoder layer: centers [B, C, D] attend to tokens [B, P, D], and first to each other if set."""

    def __init__(self, width: int, config: CorrespondenceConfig) -> None:
        super().__init__()
        attention = {"embed_dim": width, "num_heads": config.heads, "dropout": config.dropout, "batch_first": True}
        self.self_attention = nn.MultiheadAttention(**attention) if config.self_attention else None
        self.self_norm = nn.LayerNorm(width) if config.self_attention else None
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = nn.MultiheadAttention(**attention)
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, config.feedforward * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feedforward * width, width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, centers: Tensor, tokens: Tensor, padding: Tensor | None) -> Tensor:
        """Update the centers; `padding` bool [B, P] is true where there is no token."""
        if self.self_attention is not None and self.self_norm is not None:
            normed = self.self_norm(centers)
            centers = centers + self.dropout(self.self_attention(normed, normed, normed, need_weights=False)[0])
        looked = self.cross_attention(
            self.cross_norm(centers), tokens, tokens, key_padding_mask=padding, need_weights=False
        )[0]
        centers = centers + self.dropout(looked)
        changed: Tensor = centers + self.dropout(self.feedforward(self.feedforward_norm(centers)))
        return changed


class Correspondence(nn.Module):
    """Maps local tokens [B, P, W] of one modality to centers [B, C, D], not normalised.

    Both modalities share queries and decoder weights (stated), or each has its own (the ablation). A modality with
    tokens of another width than D has its own projection.
    """

    def __init__(self, config: CorrespondenceConfig, width: int, video_width: int, text_width: int) -> None:
        super().__init__()
        self.share_queries, self.share_weights = config.share_queries, config.share_weights

        def owners(shared: bool) -> tuple[str, ...]:
            return ("shared",) if shared else ("video", "text")

        self.inputs = nn.ModuleDict(
            {
                modality: nn.Identity() if local == width else nn.Linear(local, width)
                for modality, local in (("video", video_width), ("text", text_width))
            }
        )
        self.queries = nn.ParameterDict(
            {owner: nn.Parameter(torch.randn(config.centers, width) * 0.02) for owner in owners(config.share_queries)}
        )
        self.decoders = nn.ModuleDict(
            {
                owner: nn.ModuleList(CenterDecoderLayer(width, config) for _ in range(config.layers))
                for owner in owners(config.share_weights)
            }
        )

    def forward(self, tokens: Tensor, modality: Modality, padding: Tensor | None = None) -> Tensor:
        """Return the centers of tokens [B, P, W]; `padding` bool [B, P] marks missing tokens, never a whole row."""
        tokens = self.inputs[modality](tokens)  # [B, P, D]
        queries = self.queries["shared" if self.share_queries else modality]
        centers: Tensor = queries.expand(len(tokens), -1, -1)  # [C, D] -> [B, C, D]
        for layer in cast(nn.ModuleList, self.decoders["shared" if self.share_weights else modality]):
            centers = layer(centers, tokens, padding)
        return centers
