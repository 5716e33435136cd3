"""The starter's link between pictures and words: the classes of an image classifier, described in text.

Zero-shot retrieval from two models that were not trained together. An ImageNet classifier scores each class in a frame,
a sentence encoder scores each class's description against a query, and the classes connect the two. The score is the
sum of three inner products:

- *semantic*: the frame's embedding is the average description of its likely classes (ConSE, Norouzi et al. 2014);
- *evidence*: the query's weights over the classes, with the frame's centred logits. A part of these weights comes from
  the query's words, looked up in WordNet: it places a caribou, which the sentence encoder hardly knows, next to the
  classes related to deer;
- *colours*: the frame's share of the colours in the query. Classifiers learn to ignore colour.

The influence of words is their share of the query's content words: for "moose" the noun decides, while the sentence
encoder is the better judge of a whole sentence.

The first two use sentence embeddings without their common direction, and a text's features without those of an average
query. A frame that scores high for every query (a hub) gains nothing then, and the score stays one inner product.

Torch modules only; `training.starter` computes their tensors. This module never loads a backbone, a tokenizer or a
sentence encoder, and never reads strings: words are found by their tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from cret_desktop.errors import ModelError

# Version of the arithmetic below. It is a tensor of the file, so that the model's fingerprint covers it.
ARITHMETIC = 4
VISUAL_TENSORS = ("descriptions", "basis")
TEXT_TENSORS = ("centre", "descriptions", "basis", "average", "temperature", "part_weights")
LEXICON_TENSORS = ("keys", "entries", "concepts", "weights", "continuations", "content")

# Without black, white and grey: in photographs these are light, shade and background rather than colours.
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
HUES = (12.0, 40.0, 70.0, 165.0, 260.0, 300.0, 345.0)  # degrees at which each of the first seven ends; then red
DARKEST, PALEST = 0.2, 0.15  # minimum value and saturation of a coloured pixel
BROWN_VALUE = 0.6  # orange with a lower value counts as brown
COLOUR_POOLING = 4  # pixels per side averaged first, to suppress texture and noise

LONGEST = 6  # tokens of a word or compound
PRIME, BASE = 2**47 - 115, 2**15  # for keys; PRIME * BASE fits in 63 bits


class VisualConcepts(nn.Module):
    """Maps the backbone's features [N, W, h, w] and its images to frame features [N, D] of norm at most 1.

    D = S + R + colours. descriptions [classes, S]: unit embeddings of the classes' descriptions, centred.
    basis [classes, R]: orthonormal columns that span the leading directions of the classifier's rows. With R below the
        number of classes they leave out the noise of the logits.
    """

    def __init__(self, classifier: nn.Linear, descriptions: Tensor, basis: Tensor) -> None:
        """`classifier` is the backbone's own last layer, shared with it."""
        super().__init__()
        self.classifier = classifier
        self.descriptions = nn.Buffer(descriptions)
        self.basis = nn.Buffer(basis)
        self.width = descriptions.shape[1] + basis.shape[1] + len(COLOURS)

    @classmethod
    def load(cls, file: Path, classifier: nn.Linear) -> Self:
        """Read the tensors of `concepts.safetensors`. Raises: ModelError."""
        return cls(classifier, *_read(file, VISUAL_TENSORS))

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """Compute frame features; images [N, 3, H, W] are RGB in [-1, 1]."""
        logits = self.classifier(features.mean((-2, -1)))  # [N, classes]
        semantic = F.normalize(logits.softmax(-1) @ self.descriptions, dim=-1)  # [N, S]
        evidence = F.normalize((logits - logits.mean(-1, keepdim=True)) @ self.basis, dim=-1)  # [N, R]
        # The root amplifies small shares; the norm of the shares stays at most 1.
        colours = colour_shares((images.float() + 1) / 2).sqrt()  # [N, colours]
        return torch.cat([semantic, evidence, colours], -1) / 3**0.5


def colour_shares(images: Tensor) -> Tensor:
    """Return the share of each of `COLOURS` [N, colours] in pictures [N, 3, H, W], RGB in [0, 1]."""
    red, green, blue = F.avg_pool2d(images, COLOUR_POOLING).unbind(1)  # [N, h, w] each
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    sextant = torch.where(
        value == red,
        (green - blue) / chroma.clamp_min(1e-6),
        torch.where(
            value == green,
            (blue - red) / chroma.clamp_min(1e-6) + 2,
            (red - green) / chroma.clamp_min(1e-6) + 4,
        ),
    )
    hue = sextant * 60 % 360
    name = torch.bucketize(hue, torch.tensor(HUES, device=hue.device), right=True) % len(HUES)
    name = torch.where((name == COLOURS.index("orange")) & (value < BROWN_VALUE), COLOURS.index("brown"), name)
    named = (value >= DARKEST) & (chroma >= PALEST * value)
    shares = [((name == colour) & named).float().mean((-2, -1)) for colour in range(len(COLOURS))]
    return torch.stack(shares, -1)


def spelling_keys(ids: Tensor) -> Tensor:
    """Map ids [B, L] to keys [B, L, LONGEST]: one number for the 1, 2, … tokens from each place."""
    windows = F.pad(ids, (0, LONGEST - 1)).unfold(1, LONGEST, 1)  # [B, L, LONGEST]
    keys = [torch.zeros_like(ids)]
    for token in windows.unbind(-1):
        keys.append((keys[-1] * BASE + token) % PRIME)
    return torch.stack(keys[1:], -1)


class Lexicon:
    """Maps token ids [B, L] to concept weights [B, classes + colours], averaged over a text's words.

    The average is over all content words, known or not; a compound ("sea lion") is one word.

    Always on the CPU, even if the model is not: a small integer search gains nothing from a GPU.

    keys [forms], ascending: the `spelling_keys` of words, singular and plural. entries [forms]: the entry of each.
    concepts, weights [entries, K]: the concepts of an entry, padded with weights of 0.
    continuations [vocabulary]: whether a token only continues a word ("##s"). content [vocabulary]: whether a content
    word can begin with it.
    """

    def __init__(
        self,
        width: int,
        keys: Tensor,
        entries: Tensor,
        concepts: Tensor,
        weights: Tensor,
        continuations: Tensor,
        content: Tensor,
    ) -> None:
        self.width = width
        self.keys = keys
        self.entries = entries.long()
        self.concepts = concepts.long()
        self.weights = weights.float()
        self.continuations = continuations.bool()
        self.content = content.bool()

    def __call__(self, ids: Tensor) -> Tensor:
        ids = ids.cpu()
        keys = spelling_keys(ids)
        forms = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        continues = F.pad(self.continuations[ids], (0, LONGEST))
        # A word begins with its first token, and ends where no continuation follows.
        ends = ~continues[:, 1:].unfold(1, LONGEST, 1)  # [B, L, LONGEST]
        known = (self.keys[forms] == keys) & ends & ~continues[:, : ids.shape[1], None]
        # Longest words first ("sea lion" is not a lion); each token belongs to one word only.
        lengths = (known * torch.arange(1, LONGEST + 1)).amax(-1).tolist()
        begins = self.content[ids].tolist()
        told = torch.zeros(len(ids), self.width)
        for text, row in enumerate(lengths):
            free = words = 0
            for place, length in enumerate(row):
                if place < free:
                    continue
                if length:
                    entry = self.entries[forms[text, place, length - 1]]
                    told[text].index_add_(0, self.concepts[entry], self.weights[entry])
                    free = place + length
                words += length > 0 or begins[text][place]
            told[text] /= max(words, 1)
        return told


class TextConcepts(nn.Module):
    """Maps sentence embeddings [B, S] of any length and token ids [B, L] to unit text features [B, D].

    centre [S]: the common direction of sentences. average [D]: the mean query's features before the subtraction.
    temperature []: of the softmax over the classes.
    part_weights [3]: the semantic part relative to the evidence; words, out of 1, within the evidence, if all are
        classes; the colours relative to the evidence, if all are colours.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        centre: Tensor,
        descriptions: Tensor,
        basis: Tensor,
        average: Tensor,
        temperature: Tensor,
        part_weights: Tensor,
    ) -> None:
        super().__init__()
        self.lexicon = lexicon
        self.centre = nn.Buffer(centre)
        self.descriptions = nn.Buffer(descriptions)
        self.basis = nn.Buffer(basis)
        self.average = nn.Buffer(average)
        self.temperature = nn.Buffer(temperature)
        self.part_weights = nn.Buffer(part_weights)
        self.width = descriptions.shape[1] + basis.shape[1] + len(COLOURS)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read the tensors of `concepts.safetensors`. Raises: ModelError."""
        tensors = _read(file, TEXT_TENSORS)
        classes = len(tensors[TEXT_TENSORS.index("descriptions")])
        return cls(Lexicon(classes + len(COLOURS), *_read(file, LEXICON_TENSORS)), *tensors)

    def forward(self, sentences: Tensor, ids: Tensor) -> Tensor:
        # The norm does not change the order of a query's answers, but it does change the confidence of the best one.
        return F.normalize(self.uncentred(sentences, ids) - self.average, dim=-1)

    def uncentred(self, sentences: Tensor, ids: Tensor) -> Tensor:
        """Map [B, S], [B, L] to [B, D], before the average query is subtracted and the norm set to 1."""
        semantic_weight, word_weight, colour_weight = self.part_weights
        semantic = F.normalize(F.normalize(sentences, dim=-1) - self.centre, dim=-1)  # [B, S]
        classes = (semantic @ self.descriptions.T / self.temperature).softmax(-1)  # [B, classes]
        told = self.lexicon(ids).to(classes.device)
        words, colours = word_weight * told[:, : -len(COLOURS)], colour_weight * told[:, -len(COLOURS) :]
        classes = (1 - words.sum(-1, keepdim=True)) * classes + words
        return torch.cat([semantic_weight * semantic, classes @ self.basis, colours], -1)


def _read(file: Path, names: tuple[str, ...]) -> list[Tensor]:
    try:
        with safe_open(file, framework="pt") as tensors:
            if int(tensors.get_tensor("arithmetic")) != ARITHMETIC:
                raise ModelError("model.other-concepts", file=file)
            read = [tensors.get_tensor(name) for name in names]
    except (OSError, SafetensorError) as error:
        raise ModelError("model.no-concepts", file=file) from error
    return [tensor.float() if tensor.is_floating_point() else tensor for tensor in read]
