"""The text encoder: a transformer over tokens that is BERT's, CLIP's or SigLIP's text tower, depending on its config.

All three are `torch.nn.TransformerEncoder` with differently placed norms. One implementation avoids the run-time
dependencies on transformers and open_clip, whose import takes several times as long as encoding a query.
This module never reads strings: `transforms.Tokenizer` provides the ids.

References: Devlin et al. 2019 (BERT), Radford et al. 2021 (CLIP), Tschannen et al. 2025 (SigLIP 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cret_desktop.model.concepts import TextConcepts
from cret_desktop.model.config import CRETConfig


class TextTower(nn.Module):
    """Maps ids [B, L], mask [B, L] to a global feature [B, D], and to local tokens [B, L - 1, W] with their mask."""

    def __init__(self, config: CRETConfig, concepts: Path | None = None, *, initialise: bool = True) -> None:
        """`concepts` is the file of `model.concepts`, read only if text.projection is `concepts`.

        Without `initialise` the weights are undefined, for callers that assign them all: drawing them takes a second.
        """
        super().__init__()
        text = config.text
        self.pooling = text.pooling
        self.causal = text.causal
        # nn.Embedding draws millions of weights, which are replaced anyway.
        empty = torch.empty(text.vocabulary, text.width)
        self.token_embedding = nn.Embedding.from_pretrained(empty, freeze=False)  # type: ignore[no-untyped-call]
        self.position_embedding = nn.Parameter(torch.empty(text.positions, text.width))
        # BERT has norm and dropout on its embeddings and no norm at the end; CLIP the opposite.
        post = text.norm == "post"
        self.embedding_norm = nn.LayerNorm(text.width, eps=text.norm_eps) if post else nn.Identity()
        self.embedding_dropout = nn.Dropout(text.dropout)
        layer = nn.TransformerEncoderLayer(
            text.width,
            text.heads,
            text.feedforward,
            dropout=text.dropout,
            # Not nn.GELU(approximate="tanh"): torch's fast path treats any nn.GELU as exact.
            activation=F.gelu if text.activation == "gelu" else partial(F.gelu, approximate="tanh"),
            layer_norm_eps=text.norm_eps,
            batch_first=True,
            norm_first=not post,
        )
        self.encoder = nn.TransformerEncoder(layer, text.layers, enable_nested_tensor=False)
        self.final_norm = nn.Identity() if post else nn.LayerNorm(text.width, eps=text.norm_eps)
        self.projection: nn.Module
        match text.projection:
            case "none":
                self.projection = nn.Identity()
            case "linear":
                self.projection = nn.Linear(text.width, config.width, bias=text.bias)
            case "concepts":
                assert concepts is not None
                self.projection = TextConcepts.load(concepts)
        if initialise:
            self._initialise()

    def _initialise(self) -> None:
        # BERT's scheme. TransformerEncoder copies one layer; without this all layers would start equal.
        nn.init.trunc_normal_(self.position_embedding, std=0.02)
        nn.init.trunc_normal_(self.token_embedding.weight, std=0.02)
        for name, parameter in self.encoder.named_parameters():
            if parameter.ndim == 2:
                nn.init.trunc_normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode ids int64 [B, L]; mask bool [B, L] is true for real tokens, with padding only at the end.

        Returns the global feature [B, D], local tokens [B, L - 1, W] (all but the first) and their mask [B, L - 1].
        """
        length = ids.shape[1]
        tokens = self.token_embedding(ids) + self.position_embedding[:length]  # [B, L, W]
        tokens = self.embedding_dropout(self.embedding_norm(tokens))
        unseen = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1) if self.causal else None
        # Padding follows every real token: a causal encoder cannot attend to it and needs no second mask.
        padding = None if self.causal or bool(mask.all()) else ~mask
        tokens = self.final_norm(self.encoder(tokens, mask=unseen, src_key_padding_mask=padding))  # [B, L, W]
        pooled = self._pool(tokens, mask)
        # Concepts also look up the words, which the pooled sentence may have lost.
        concepts = isinstance(self.projection, TextConcepts)
        features = self.projection(pooled, ids) if concepts else self.projection(pooled)
        return features, tokens[:, 1:], mask[:, 1:]

    def _pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Pool tokens [B, L, W] to [B, W]."""
        if self.pooling == "first":
            return tokens[:, 0]
        if self.pooling == "mean":
            weights = mask.to(tokens.dtype).unsqueeze(-1)  # [B, L, 1]
            return (tokens * weights).sum(1) / weights.sum(1)
        return tokens[torch.arange(len(tokens), device=tokens.device), mask.sum(1) - 1]


def from_bert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a Hugging Face `BertModel` to those of a `TextTower`, without its pooler and heads.

    Only token type 0 is ever used, so its embedding is added to the positions.
    """
    # Checkpoints of complete BERTs have a prefix, and older ones use TensorFlow's names for the norms.
    weights = {
        name.removeprefix("bert.").replace(".gamma", ".weight").replace(".beta", ".bias"): tensor
        for name, tensor in weights.items()
    }
    positions, types = (weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("position", "token_type"))
    renamed = {
        "token_embedding.weight": weights["embeddings.word_embeddings.weight"],
        "position_embedding": positions + types[0],
    }
    names = {
        "attention.output.dense": "self_attn.out_proj",
        "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "linear1",
        "output.dense": "linear2",
        "output.LayerNorm": "norm2",
    }
    for kind in ("weight", "bias"):
        renamed[f"embedding_norm.{kind}"] = weights[f"embeddings.LayerNorm.{kind}"]
        layer = 0
        while f"encoder.layer.{layer}.output.dense.{kind}" in weights:
            old, new = f"encoder.layer.{layer}", f"encoder.layers.{layer}"
            for theirs, ours in names.items():
                renamed[f"{new}.{ours}.{kind}"] = weights[f"{old}.{theirs}.{kind}"]
            parts = [weights[f"{old}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            renamed[f"{new}.self_attn.in_proj_{kind}"] = torch.cat(parts)
            layer += 1
    return renamed


def from_open_clip(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the `text.*` weights of an open_clip checkpoint to those of a `TextTower`."""
    names = {
        ".ln_1.": ".norm1.",
        ".ln_2.": ".norm2.",
        ".attn.": ".self_attn.",
        ".mlp.c_fc.": ".linear1.",
        ".mlp.c_proj.": ".linear2.",
        "transformer.resblocks.": "encoder.layers.",
        "positional_embedding": "position_embedding",
        "ln_final.": "final_norm.",
        "text_projection.": "projection.",
    }
    renamed = {}
    for name, tensor in weights.items():
        if not name.startswith("text."):
            continue
        name = name.removeprefix("text.")
        if name == "text_projection":  # a bare matrix, multiplied from the right
            name, tensor = "projection.weight", tensor.T.contiguous()
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        renamed[name] = tensor
    return renamed
