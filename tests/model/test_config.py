from __future__ import annotations

import dataclasses
import json

import pytest

from cret_desktop.errors import ModelError
from cret_desktop.model.config import CRETConfig, TemporalConfig
from cret_desktop.model.presets import PRESETS, paper, preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    config = preset(name)
    assert config.name == name
    assert CRETConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_paper_s_stated_sizes() -> None:
    config = paper()
    assert (config.video.backbone, config.video.width) == ("cait_s24_224", 384)
    assert (config.text.layers, config.text.width, config.text.pooling) == (12, 768, "first")
    assert (config.temporal.layers, config.frames.frames) == (3, 4)
    assert config.correspondence.share_queries
    assert config.correspondence.share_weights


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("text", "width"), "wide", "text.width"),
        (("text", "pooling"), "max", "text.pooling"),
        (("text", "causal"), 1, "text.causal"),
        (("mean",), [0.5], "mean"),
        (("frames",), 4, "frames"),
        (("temporal", "depth"), 3, "temporal.depth is unknown"),
        (("correspondence", "heads"), 7, "correspondence.heads"),
        (("text", "context"), 1000, "text.context"),
        (("std",), [0.5, 0.0, 0.5], "std"),
    ],
)
def test_a_wrong_field_is_named(path: tuple[str, ...], value: object, named: str) -> None:
    values = json.loads(json.dumps(paper().to_json()))
    inner = values
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    with pytest.raises(ModelError, match=named):
        CRETConfig.from_json(values)


def test_a_missing_field_is_named() -> None:
    values = paper().to_json()
    del values["video"]["backbone"]
    with pytest.raises(ModelError, match=r"video\.backbone is missing"):
        CRETConfig.from_json(values)


def test_concepts_need_both_sides() -> None:
    config = paper()
    with pytest.raises(ModelError, match="both modalities"):
        dataclasses.replace(config, video=dataclasses.replace(config.video, feature="concepts"))


def test_differences_name_the_fields() -> None:
    config = paper()
    other = dataclasses.replace(config, temporal=TemporalConfig(layers=1), mean=(0.5, 0.5, 0.5))
    assert [line.split(":")[0] for line in config.differences(other)] == ["mean", "temporal.layers"]
    assert config.differences(config) == []


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(ModelError, match="starter"):
        preset("clip")
