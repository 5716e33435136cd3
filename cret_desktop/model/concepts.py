"""The starter's way from pictures to words: concepts that an image classifier knows, named in text.

Zero-shot retrieval out of two models that never saw each other. An ImageNet classifier tells how much each of its
classes is in a frame, a sentence encoder tells how near each class's description is to a query, and the classes carry
the one over to the other in two ways, whose inner products add up:

- *semantic*: the frame becomes the sentence that its likely classes say (ConSE, Norouzi et al. 2014);
- *evidence*: the query becomes weights over the classes, and the frame answers with its centred logits.

Both start from sentences whose common direction is taken out, and from a text's features those of an average query are
subtracted: what a frame gives to every query (a hub) then counts for none, and stays one inner product.

Torch modules only, made by `training.starter`. This module never loads a backbone, a tokenizer or a sentence encoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from cret_desktop.errors import ModelError

# Counts changes of the arithmetic below. A tensor of the file, so that the model's fingerprint covers it.
ARITHMETIC = 3
VISUAL_TENSORS = ("descriptions", "basis")
TEXT_TENSORS = ("centre", "descriptions", "basis", "average", "temperature", "semantic_weight")


class VisualConcepts(nn.Module):
    """Feature maps of the backbone [..., W, h, w] -> unit frame features [..., D], D = S + R.

    descriptions [classes, S]: unit embeddings of the classes' descriptions, centred.
    basis [classes, R]: orthonormal columns that span the leading directions of the classifier's rows. Fewer than the
        classes, they leave out what is noise in the logits.
    """

    def __init__(self, classifier: nn.Linear, descriptions: Tensor, basis: Tensor) -> None:
        """`classifier` is the backbone's own last layer, shared with it."""
        super().__init__()
        self.classifier = classifier
        self.descriptions = nn.Buffer(descriptions)
        self.basis = nn.Buffer(basis)
        self.width = descriptions.shape[1] + basis.shape[1]

    @classmethod
    def load(cls, file: Path, classifier: nn.Linear) -> Self:
        """Raises: ModelError."""
        return cls(classifier, *_read(file, VISUAL_TENSORS))

    def forward(self, features: Tensor) -> Tensor:
        logits = self.classifier(features.mean((-2, -1)))  # [..., classes]
        semantic = F.normalize(logits.softmax(-1) @ self.descriptions, dim=-1)  # [..., S]
        evidence = F.normalize((logits - logits.mean(-1, keepdim=True)) @ self.basis, dim=-1)  # [..., R]
        return torch.cat([semantic, evidence], -1) / 2**0.5


class TextConcepts(nn.Module):
    """Sentence embeddings [B, S] of any length -> unit text features [B, D].

    centre [S]: the common direction of sentences. average [D]: what an average query comes to before it is subtracted.
    temperature []: of the weights over the classes. semantic_weight []: of that part beside the evidence.
    """

    def __init__(
        self,
        centre: Tensor,
        descriptions: Tensor,
        basis: Tensor,
        average: Tensor,
        temperature: Tensor,
        semantic_weight: Tensor,
    ) -> None:
        super().__init__()
        self.centre = nn.Buffer(centre)
        self.descriptions = nn.Buffer(descriptions)
        self.basis = nn.Buffer(basis)
        self.average = nn.Buffer(average)
        self.temperature = nn.Buffer(temperature)
        self.semantic_weight = nn.Buffer(semantic_weight)
        self.width = descriptions.shape[1] + basis.shape[1]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Raises: ModelError."""
        return cls(*_read(file, TEXT_TENSORS))

    def forward(self, sentences: Tensor) -> Tensor:
        # The order of a query's answers does not depend on its length, but how sure the best one looks does.
        return F.normalize(self.uncentred(sentences) - self.average, dim=-1)

    def uncentred(self, sentences: Tensor) -> Tensor:
        """[B, S] -> [B, D], before the average query is subtracted and the length made one."""
        semantic = F.normalize(F.normalize(sentences, dim=-1) - self.centre, dim=-1)  # [B, S]
        classes = (semantic @ self.descriptions.T / self.temperature).softmax(-1)  # [B, classes]
        return torch.cat([self.semantic_weight * semantic, classes @ self.basis], -1)


def _read(file: Path, names: tuple[str, ...]) -> list[Tensor]:
    try:
        with safe_open(file, framework="pt") as tensors:
            if int(tensors.get_tensor("arithmetic")) != ARITHMETIC:
                raise ModelError(f"“{file}” was made for another version of CRET Desktop: install it again.")
            return [tensors.get_tensor(name).float() for name in names]
    except (OSError, SafetensorError) as error:
        raise ModelError(f"“{file}” is not the concepts of a starter model: install CRET Desktop again.") from error
