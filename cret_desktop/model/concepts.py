"""The starter's way from pictures to words: concepts that an image classifier knows, named in text.

Zero-shot retrieval out of two models that never saw each other. An ImageNet classifier tells how much each of its
classes is in a frame, a sentence encoder tells how near each class's description is to a query, and the classes carry
the one over to the other. Three inner products add up:

- *semantic*: the frame becomes the sentence that its likely classes say (ConSE, Norouzi et al. 2014);
- *evidence*: the query becomes weights over the classes, and the frame answers with its centred logits. A part of a
  query's weights come from its words, looked up in WordNet: it places a caribou, which the sentence encoder has
  hardly heard of, next to the classes that are deer's kin;
- *colours*: how much of the frame has the colours that the query names. Classifiers learn not to care for colour.

A word's say is its share of the query's content words: "moose" is its noun, while of a whole sentence the sentence
encoder knows better what it is about.

The first two start from sentences whose common direction is taken out, and from a text's features those of an average
query are subtracted: what a frame gives to every query (a hub) then counts for none, and stays one inner product.

Torch modules only, made by `training.starter`. This module never loads a backbone, a tokenizer or a sentence encoder,
and never sees strings: words are found by their tokens.
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
ARITHMETIC = 4
VISUAL_TENSORS = ("descriptions", "basis")
TEXT_TENSORS = ("centre", "descriptions", "basis", "average", "temperature", "part_weights")
LEXICON_TENSORS = ("keys", "entries", "concepts", "weights", "continuations", "content")

# Black, white and grey are left out: in photographs they are light, shade and background more than a thing's colour.
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
HUES = (12.0, 40.0, 70.0, 165.0, 260.0, 300.0, 345.0)  # degrees where one of the first seven ends; then red again
DARKEST, PALEST = 0.2, 0.15  # value and saturation from which a pixel has a colour at all
BROWN_VALUE = 0.6  # below it, orange is called brown
COLOUR_POOLING = 4  # pixels a side that are averaged first: texture and noise have no name

LONGEST = 6  # tokens of a word, or of words that belong together
PRIME, BASE = 2**47 - 115, 2**15  # for keys; PRIME * BASE still fits in 63 bits


class VisualConcepts(nn.Module):
    """Feature maps of the backbone [N, W, h, w] and its images -> frame features [N, D], at most 1 long.

    D = S + R + colours. descriptions [classes, S]: unit embeddings of the classes' descriptions, centred.
    basis [classes, R]: orthonormal columns that span the leading directions of the classifier's rows. Fewer than the
        classes, they leave out what is noise in the logits.
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
        """Raises: ModelError."""
        return cls(classifier, *_read(file, VISUAL_TENSORS))

    def forward(self, features: Tensor, images: Tensor) -> Tensor:
        """images [N, 3, H, W]: RGB in [-1, 1]."""
        logits = self.classifier(features.mean((-2, -1)))  # [N, classes]
        semantic = F.normalize(logits.softmax(-1) @ self.descriptions, dim=-1)  # [N, S]
        evidence = F.normalize((logits - logits.mean(-1, keepdim=True)) @ self.basis, dim=-1)  # [N, R]
        # The root makes a little of a colour count, and the shares a vector of at most unit length.
        colours = colour_shares((images.float() + 1) / 2).sqrt()  # [N, colours]
        return torch.cat([semantic, evidence, colours], -1) / 3**0.5


def colour_shares(images: Tensor) -> Tensor:
    """RGB in [0, 1], [N, 3, H, W] -> the share of each of `COLOURS` in the picture [N, colours]."""
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
    """ids [B, L] -> [B, L, LONGEST]: a number for the 1, 2, … tokens that begin at each place."""
    windows = F.pad(ids, (0, LONGEST - 1)).unfold(1, LONGEST, 1)  # [B, L, LONGEST]
    keys = [torch.zeros_like(ids)]
    for token in windows.unbind(-1):
        keys.append((keys[-1] * BASE + token) % PRIME)
    return torch.stack(keys[1:], -1)


class Lexicon:
    """Token ids [B, L] -> how much each text speaks of each concept [B, classes + colours], averaged over its words.

    Words are its content words, known or not; words that belong together ("sea lion") are one.

    Stays on the CPU, where the model's device is another, too: a search of whole numbers, too little for a GPU.

    keys [forms], ascending: the `spelling_keys` of words, singular and plural. entries [forms]: the entry each has.
    concepts, weights [entries, K]: the concepts a word stands for; weights of 0 fill up.
    continuations [vocabulary]: the tokens that only go on with a word ("##s"). content [vocabulary]: those that a
    content word begins with.
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
        # A word begins with its first token, and ends where the next one is not its continuation.
        ends = ~continues[:, 1:].unfold(1, LONGEST, 1)  # [B, L, LONGEST]
        known = (self.keys[forms] == keys) & ends & ~continues[:, : ids.shape[1], None]
        # The longest words first ("sea lion" is no lion), and each token is of one word only.
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
    """Sentence embeddings [B, S] of any length, and token ids [B, L] -> unit text features [B, D].

    centre [S]: the common direction of sentences. average [D]: what an average query comes to before it is subtracted.
    temperature []: of the weights over the classes.
    part_weights [3]: of the semantic part beside the evidence; of words, out of 1, within the evidence, where all are
        classes; of the colours beside the evidence, where all are colours.
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
        """Raises: ModelError."""
        tensors = _read(file, TEXT_TENSORS)
        classes = len(tensors[TEXT_TENSORS.index("descriptions")])
        return cls(Lexicon(classes + len(COLOURS), *_read(file, LEXICON_TENSORS)), *tensors)

    def forward(self, sentences: Tensor, ids: Tensor) -> Tensor:
        # The order of a query's answers does not depend on its length, but how sure the best one looks does.
        return F.normalize(self.uncentred(sentences, ids) - self.average, dim=-1)

    def uncentred(self, sentences: Tensor, ids: Tensor) -> Tensor:
        """[B, S], [B, L] -> [B, D], before the average query is subtracted and the length made one."""
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
