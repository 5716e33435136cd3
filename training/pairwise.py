"""Model-based retrieval: a compact cross-encoder over CRET's own towers that scores every pair of a text and a video.

An embedding-based model compares features that each side computed alone. Here the tokens of a pair attend to each other
before scoring, which is repeated for every pair. This baseline measures the cost and the gain of that (the paper uses
ClipBERT), with the same towers, trainer and losses. It supports GEES and CCM, which the paper's authors name as future
work: the network gives one score per frame, so GEES takes their mean and variance as for inner products, and CCM's loss
and score are added if the model has centers.

This module does not depend on the loss and reads no video. The app never uses such a model: it cannot be indexed.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from cret_desktop.errors import ModelError
from cret_desktop.foreign import reason_of
from cret_desktop.messages import Message
from cret_desktop.model.config import CRETConfig, from_json
from cret_desktop.model.cret import CRET

WEIGHTS = "pairwise.safetensors"  # in a model's folder, beside CRET's own weights
TEXTS_AT_ONCE, VIDEOS_AT_ONCE = 32, 8


@dataclass(frozen=True, slots=True)
class PairwiseConfig:
    """Sizes of the cross-encoder. All of it is open: the baseline is ours."""

    # 0 compares embeddings, as CRET does.
    layers: int = 0
    # The rest as in `model.config.TemporalConfig`; `feedforward` is a multiple of the width.
    heads: int = 12
    feedforward: int = 4
    dropout: float = 0.1

    def problems(self, width: int) -> list[Message]:
        """Return the faults of these values in a model of that width, each as a part of a sentence."""
        found = []
        if self.layers < 0:
            found.append(Message("config.negative", name="pairwise.layers"))
        if min(self.heads, self.feedforward) < 1 or not 0 <= self.dropout < 1:
            found.append(Message("training.pairwise-sizes"))
        elif self.layers and width % self.heads:
            found.append(Message("config.not-a-multiple", name=f"model.width {width}", other="pairwise.heads"))
        return found


class TextTokens(NamedTuple):
    """A text's input: global feature [T, D], local tokens [T, L, W], mask [T, L], true for real tokens."""

    text: Tensor
    tokens: Tensor
    mask: Tensor


class VideoTokens(NamedTuple):
    """A video's input: frame features [V, M, D] and patch tokens [V, P, W_local]."""

    frames: Tensor
    patches: Tensor


class PairLayer(nn.Module):
    """A pre-norm layer: the tokens of a pair attend to each other, then to the video's patches."""

    def __init__(self, width: int, config: PairwiseConfig) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.cross = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(width, config.feedforward * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feedforward * width, width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, pairs: Tensor, padding: Tensor, patches: Tensor) -> Tensor:
        """Update pairs [V, T, S, D]; padding bool [V * T, S] is true where there is no token, patches are [V, P, D]."""
        videos, texts = pairs.shape[:2]
        normed = self.norms[0](pairs).flatten(0, 1)  # [V * T, S, D]
        looked = self.own(normed, normed, normed, key_padding_mask=padding, need_weights=False)[0]
        pairs = pairs + self.dropout(looked.unflatten(0, (videos, texts)))
        # The texts of a video are adjacent, so that its patches become keys and values once for all of them.
        normed = self.norms[1](pairs).flatten(1, 2)  # [V, T * S, D]
        looked = self.cross(normed, patches, patches, need_weights=False)[0]
        pairs = pairs + self.dropout(looked.unflatten(1, (texts, -1)))
        changed: Tensor = pairs + self.dropout(self.feedforward(self.norms[2](pairs)))
        return changed


class PairScorer(nn.Module):
    """Scores every text with every video, for each frame: [T, V, M]. A new scorer returns zeros: no preference.

    The tokens of a pair are the text's global feature, its local tokens and the M frame features.
    """

    def __init__(self, config: PairwiseConfig, model: CRETConfig) -> None:
        super().__init__()
        width = model.width
        self.config = config
        self.token_input = nn.Linear(model.text.width, width)
        self.patch_input = nn.Linear(model.video.local_width, width)
        # Global features are unit vectors, tokens are not: norms bring them to one scale.
        self.norms = nn.ModuleDict({part: nn.LayerNorm(width) for part in ("text", "tokens", "frames", "patches")})
        self.kinds = nn.ParameterDict(
            {part: nn.Parameter(0.02 * torch.randn(width)) for part in ("text", "tokens", "frames")}
        )
        self.layers = nn.ModuleList(PairLayer(width, config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, texts: TextTokens, videos: VideoTokens) -> Tensor:
        tokens = self.norms["tokens"](self.token_input(texts.tokens)) + self.kinds["tokens"]  # [T, L, D]
        text = self.norms["text"](texts.text) + self.kinds["text"]  # [T, D]
        frames = self.norms["frames"](videos.frames) + self.kinds["frames"]  # [V, M, D]
        patches = self.norms["patches"](self.patch_input(videos.patches))  # [V, P, D]
        words = torch.cat([text[:, None], tokens], 1)  # [T, 1 + L, D]
        count = frames.shape[1]
        pairs = torch.cat(
            [
                words.expand(len(frames), *words.shape),
                frames[:, None].expand(-1, len(words), -1, -1),
            ],
            2,
        )  # [V, T, 1 + L + M, D]
        always = torch.zeros(len(words), 1, dtype=torch.bool, device=words.device)
        padding = torch.cat([always, texts.mask == 0, always.expand(-1, count)], 1)  # [T, S]
        padding = padding.repeat(len(frames), 1)  # [V * T, S]
        for layer in self.layers:
            pairs = layer(pairs, padding, patches)
        scores: Tensor = self.head(self.norm(pairs[:, :, -count:])).squeeze(-1)  # [V, T, M]
        return scores.transpose(0, 1).to(torch.promote_types(scores.dtype, torch.float32))


def pad_tokens(tokens: Tensor, mask: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Pad [B, L, W] and bool [B, L] to [B, length, W] and 0 or 1 [B, length], so that batches and processes match."""
    more = length - tokens.shape[1]
    return F.pad(tokens, (0, 0, 0, more)), F.pad(mask.to(tokens.dtype), (0, more))


@torch.inference_mode()
def score_all(scorer: PairScorer, texts: TextTokens, videos: VideoTokens, device: torch.device) -> Tensor:
    """Score all T x V pairs in blocks: float32 [T, V, M] on the CPU. Leaves the scorer evaluating on `device`."""
    scorer.eval().to(device)
    rows = []
    for start in range(0, len(texts.text), TEXTS_AT_ONCE):
        some = TextTokens(*(part[start : start + TEXTS_AT_ONCE].to(device) for part in texts))
        columns = [
            scorer(some, VideoTokens(*(part[first : first + VIDEOS_AT_ONCE].to(device) for part in videos))).cpu()
            for first in range(0, len(videos.frames), VIDEOS_AT_ONCE)
        ]
        rows.append(torch.cat(columns, 1))
    return torch.cat(rows)


def encode_texts(model: CRET, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, TextTokens]:
    """Encode ids and mask as `CRET.encode_text` does; also return tokens padded to the model's whole context."""
    text, centers, tokens, real = model.encode_text_tokens(ids, mask)
    return text, centers, TextTokens(text, *pad_tokens(tokens, real, model.config.text.context - 1))


def save(scorer: PairScorer, folder: Path) -> None:
    """Write the scorer into a model's folder, with its configuration in the file's header."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in scorer.state_dict().items()}
    save_file(tensors, folder / WEIGHTS, metadata={"config": json.dumps(dataclasses.asdict(scorer.config))})


def load(folder: Path, model: CRETConfig) -> PairScorer | None:
    """Load the scorer in a model's folder, in evaluation mode; None if the model compares embeddings.

    Raises: ModelError for a file that is damaged or does not fit the model.
    """
    file = folder / WEIGHTS
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="pt") as stored:
            config = from_json(PairwiseConfig, json.loads((stored.metadata() or {})["config"]), "pairwise.")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        scorer = PairScorer(config, model)
        scorer.load_state_dict(tensors)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError("training.no-scorer", file=file, reason=reason_of(error)) from error
    return scorer.eval()
