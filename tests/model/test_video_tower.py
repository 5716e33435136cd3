from __future__ import annotations

import dataclasses

import pytest
import timm
import torch
from torch import nn

from cret_desktop.errors import ModelError
from cret_desktop.model import presets
from cret_desktop.model.config import CRETConfig, TemporalConfig
from cret_desktop.model.video_tower import (
    SpatialEncoder,
    TemporalEncoder,
    VideoTower,
    fold_batch_norms,
    interval_positions,
)
from tests.model import tiny
from tests.narrowing import found


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_cait_has_the_size_stated() -> None:
    config = presets.paper().video
    with torch.device("meta"):
        assert round(count(timm.create_model(config.backbone)) / 1e6, 1) == 46.9
        spatial = SpatialEncoder(config)
    classifier = 384 * 1000 + 1000
    assert round((count(spatial) + classifier) / 1e6, 1) == 46.9


@pytest.mark.parametrize("config", [tiny.paper(), tiny.aligned()], ids=lambda config: config.name)
@pytest.mark.parametrize("frames", [1, 4])
def test_shapes(config: CRETConfig, frames: int) -> None:
    features, local = VideoTower(config).eval()(torch.randn(2, frames, 3, 32, 32))
    assert features.shape == (2, frames, config.width)
    assert local.shape == (2, 4, config.video.local_width)  # 4 patches, for any number of frames


def test_the_class_token_is_the_global_feature_and_no_patch() -> None:
    spatial = SpatialEncoder(tiny.paper().video).eval()
    images = torch.randn(3, 3, 32, 32)
    tokens = spatial.backbone.forward_features(images)
    features, patches = spatial(images)
    assert torch.equal(features, tokens[:, 0])
    assert torch.equal(patches, tokens[:, 1:])


def test_patches_are_max_pooled_over_frames_at_each_position() -> None:
    tower = VideoTower(tiny.paper()).eval()
    frames = torch.randn(2, 3, 3, 32, 32)
    _, local = tower(frames)
    apart = torch.stack([tower.spatial(frames[:, m])[1] for m in range(3)])  # [M, B, P, W]
    torch.testing.assert_close(local, apart.max(dim=0).values)


def test_a_new_temporal_encoder_is_the_identity() -> None:
    frames = torch.randn(2, 5, 24)
    assert torch.equal(TemporalEncoder(24, TemporalConfig(layers=3, heads=2)).train()(frames), frames)
    assert torch.equal(TemporalEncoder(24, TemporalConfig(layers=0, heads=2))(frames), frames)


def test_a_trained_temporal_encoder_knows_the_order_of_frames() -> None:
    encoder = TemporalEncoder(24, TemporalConfig(layers=2, heads=2)).eval()
    tiny.fill(encoder)
    frames = torch.randn(2, 4, 24)
    backwards = encoder(frames.flip(1)).flip(1)
    assert not torch.allclose(encoder(frames), backwards, atol=1e-3)


def test_gradients_reach_every_weight_of_the_temporal_encoder_after_a_step() -> None:
    encoder = TemporalEncoder(24, TemporalConfig(layers=2, heads=2, dropout=0.0))
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.1)
    frames, target = torch.randn(2, 4, 24), torch.randn(2, 4, 24)
    for _ in range(2):  # the first step moves only the zero weights
        optimiser.zero_grad()
        (encoder(frames) - target).square().mean().backward()
        optimiser.step()
    # A bias on the keys shifts all of a query's logits equally: softmax ignores it.
    still = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_positions_depend_on_the_place_in_the_clip_only() -> None:
    device = torch.device("cpu")
    middle_of_three = interval_positions(3, 8, device)[1]
    torch.testing.assert_close(interval_positions(1, 8, device)[0], middle_of_three)
    assert interval_positions(4, 7, device).shape == (4, 7)


def test_folding_batch_norms_changes_no_output() -> None:
    backbone = timm.create_model("tf_efficientnet_lite0").eval()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            found(module.running_mean).uniform_(-0.2, 0.2)
            found(module.running_var).uniform_(0.5, 2)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = backbone(images)
        fold_batch_norms(backbone)
        torch.testing.assert_close(backbone(images), before, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(ModelError, match="cait_s25"):
        SpatialEncoder(dataclasses.replace(tiny.paper().video, backbone="cait_s25"))
