"""The named training runs, complete: model, data, loss, optimiser. This module measures and looks up nothing.

msrvtt-7k   the paper's training set (train and val of the official split); no selection, the last step counts
msrvtt-9k   all but the 1k-A test; the list leaves no validation set, so there is no selection
msrvtt-1000 the small run: 1000 videos of the 7k list
msvd, lsmdc, didemo
synthetic   the generated world of `training.synthetic`, sized for two CPU cores
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable

from cret_desktop.domain.clips import FrameFormat, ScoreConfig
from cret_desktop.model import presets
from cret_desktop.model.config import CorrespondenceConfig, CRETConfig, TemporalConfig, TextConfig, VideoConfig
from training import synthetic
from training.config import ConfigError, DataConfig, OptimiserConfig, TrainConfig
from training.losses import LossConfig


def _paper(name: str, dataset: str, train: str, validation: str = "", *, context: int) -> TrainConfig:
    model = presets.paper()
    return TrainConfig(
        recipe=name,
        # Open: the number of tokens kept of a caption.
        model=dataclasses.replace(model, text=dataclasses.replace(model.text, context=context)),
        data=DataConfig(dataset, train, validation, workers=4),
    )


def msrvtt_7k() -> TrainConfig:
    return _paper("msrvtt-7k", "msrvtt", "train-7k", context=20)


def msrvtt_9k() -> TrainConfig:
    return _paper("msrvtt-9k", "msrvtt", "train-9k", context=20)


def msrvtt_1000() -> TrainConfig:
    return _paper("msrvtt-1000", "msrvtt", "train-1000", "val-full", context=20)


def msvd() -> TrainConfig:
    return _paper("msvd", "msvd", "train", "val", context=32)


def lsmdc() -> TrainConfig:
    return _paper("lsmdc", "lsmdc", "train", "val", context=32)


def didemo() -> TrainConfig:
    return _paper("didemo", "didemo", "train", "val", context=100)


def synthetic_model() -> CRETConfig:
    """Return every part of CRET, from scratch: an XCiT block, a 2-layer BERT, 2 temporal layers, 4 shared centers.

    XCiT replaces the paper's CaiT: nothing is pretrained, and an untrained CaiT's class token carries no positions.
    The text feature is the mean of the tokens for the same reason: an untrained BERT's CLS is nearly constant.
    """
    width, spatial = 96, 64
    return CRETConfig(
        name="synthetic",
        title="CRET (synthetic world)",
        width=width,
        frames=FrameFormat(frames=4, size=synthetic.SIZE, fit="squash"),
        mean=presets.HALF,
        std=presets.HALF,
        video=VideoConfig(
            backbone="xcit_nano_12_p8_224",
            feature="class_token",
            width=spatial,
            local_width=spatial,
            options={
                "num_classes": 0,
                "img_size": synthetic.SIZE,
                "embed_dim": spatial,
                "depth": 1,
                "num_heads": 4,
                "cls_attn_layers": 1,
                "eta": 1.0,
            },
        ),
        text=TextConfig(
            vocabulary=len(synthetic.VOCABULARY),
            positions=32,
            context=32,
            layers=2,
            heads=4,
            width=width,
            feedforward=4 * width,
            pooling="mean",
            dropout=0.0,
            tokenizer=synthetic.TOKENIZER,
        ),
        temporal=TemporalConfig(layers=2, heads=4, dropout=0.0),
        correspondence=CorrespondenceConfig(centers=4, heads=4, dropout=0.0),
        score=ScoreConfig(temperature=0.1),  # equal to the loss's
    )


def synthetic_world() -> TrainConfig:
    return TrainConfig(
        recipe="synthetic",
        model=synthetic_model(),
        data=DataConfig(
            "synthetic",
            "train",
            "val",
            crop=False,
            flip=False,
            workers=0,
            group=synthetic.FAMILY,
        ),
        loss=LossConfig(temperature=0.1, center_temperature=0.1),
        optimiser=OptimiserConfig(learning_rate=2e-3, text_rate=0.2),
        steps=1000,
        batch=12 * synthetic.FAMILY,
        validate_every=250,
        save_every=250,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "msrvtt-7k": msrvtt_7k,
    "msrvtt-9k": msrvtt_9k,
    "msrvtt-1000": msrvtt_1000,
    "msvd": msvd,
    "lsmdc": lsmdc,
    "didemo": didemo,
    "synthetic": synthetic_world,
}


def recipe(name: str) -> TrainConfig:
    """Return the recipe of that name. Raises: ConfigError for a name that is not in `RECIPES`."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        if near:
            raise ConfigError("training.near-recipe", name=name, other=near[0])
        raise ConfigError("training.no-recipe", name=name, names=", ".join(RECIPES))
    return RECIPES[name]()
