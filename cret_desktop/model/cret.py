"""CRET, the Cross-Modal Retrieval Transformer (SIGIR 2022): one class for every preset.

A clip becomes M frame features, the samples of a Gaussian in the joint space (GEES), and C centers (CCM); a text
becomes one feature and C centers. This module does not compare them: losses are in `training.losses`, the score in
`library.searching.score`.

Departures from the paper concern only what it leaves open: see the fields of `model.config`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cret_desktop.model.config import CRETConfig
from cret_desktop.model.correspondence import Correspondence

if TYPE_CHECKING:
    from cret_desktop.model.text_tower import TextTower
    from cret_desktop.model.video_tower import VideoTower


class CRET(nn.Module):
    """Both encoders, or one of them alone (the other attribute is then None)."""

    def __init__(
        self,
        config: CRETConfig,
        *,
        video: bool = True,
        text: bool = True,
        concepts: Path | None = None,
        initialise_text: bool = True,
    ) -> None:
        """Build the model with new weights. `concepts`: the file of `model.concepts`, for configs that use it.

        initialise_text: false if the text tower's weights will be assigned; see `TextTower`.
        """
        super().__init__()
        self.config = config
        self.video: VideoTower | None = None
        self.text: TextTower | None = None
        self.correspondence: Correspondence | None = None
        # A search needs only the text side; importing timm would double the time of a cold start.
        if video:
            from cret_desktop.model.video_tower import VideoTower

            self.video = VideoTower(config, concepts)
        if text:
            from cret_desktop.model.text_tower import TextTower

            self.text = TextTower(config, concepts, initialise=initialise_text)
        if config.correspondence.centers:
            self.correspondence = Correspondence(
                config.correspondence, config.width, config.video.local_width, config.text.width
            )

    def encode_video(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Encode frames float [B, M, 3, H, W], normalised, to frame features [B, M, D] and centers [B, C, D]."""
        features, centers, _ = self.encode_video_tokens(frames)
        return features, centers

    def encode_video_tokens(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode as `encode_video` does; also return the local tokens [B, P, W_local] behind the centers."""
        assert self.video is not None, "this model was built without its video side"
        features, local = self.video(frames)  # [B, M, D], [B, P, W_local]
        centers = self._no_centers(features) if self.correspondence is None else self.correspondence(local, "video")
        return self._normalised(features), F.normalize(centers, dim=-1), local

    def encode_text(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode ids int64 [B, L], mask bool [B, L] (true for real tokens) to features [B, D] and centers [B, C, D].

        Padded ids may have any value: the results do not depend on them.
        """
        features, centers, _, _ = self.encode_text_tokens(ids, mask)
        return features, centers

    def encode_text_tokens(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode as `encode_text` does; also return local tokens [B, L - 1, W] and their mask [B, L - 1]."""
        assert self.text is not None, "this model was built without its text side"
        features, local, real = self.text(ids, mask)  # [B, D], [B, L - 1, W], [B, L - 1]
        centers = (
            self._no_centers(features) if self.correspondence is None else self.correspondence(local, "text", ~real)
        )
        return self._normalised(features), F.normalize(centers, dim=-1), local, real

    def _normalised(self, features: Tensor) -> Tensor:
        return F.normalize(features, dim=-1) if self.config.normalise else features

    def _no_centers(self, features: Tensor) -> Tensor:
        return torch.empty(len(features), 0, self.config.width, dtype=features.dtype, device=features.device)
