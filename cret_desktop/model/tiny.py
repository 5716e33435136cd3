"""The smallest real model, with random weights, for the self-test: built, saved and imported in a second."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cret_desktop.domain.clips import FrameFormat
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.config import CRETConfig

_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "moment"]


def tiny_config() -> CRETConfig:
    """Return a vision transformer and a causal text tower of two layers each, structured like CLIP's."""
    full = presets.pe_core_t16()
    video = dataclasses.replace(
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
    )
    text = dataclasses.replace(
        full.text,
        vocabulary=len(_VOCABULARY),
        positions=12,
        context=12,
        layers=2,
        heads=2,
        width=16,
        feedforward=64,
        weights="",
        tokenizer="",
    )
    return dataclasses.replace(full, name="tiny", width=16, frames=FrameFormat(2, 32), video=video, text=text)


def write_tiny_model(folder: Path) -> Manifest:
    """Write a complete model's folder, as `training.export` does. Loads torch."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(_VOCABULARY)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / checkpoint.TOKENIZER))
    model = checkpoint.initialise(tiny_config())
    return checkpoint.save(model, folder, folder / checkpoint.TOKENIZER, "# Random numbers, made by the self-test\n")
