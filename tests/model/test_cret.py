"""The whole model; `python -m tests.model.test_cret` rewrites the golden numbers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cret_desktop.model import presets
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.cret import CRET
from cret_desktop.model.transforms import normalise_pixels
from tests.model import tiny
from tests.narrowing import found

GOLDEN = Path(__file__).parent.parent / "golden" / "tiny_models.json"
CONFIGS = {config.name: config for config in (tiny.paper(), tiny.aligned())}
IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 9, 3, 0, 0]])


def forward(config: CRETConfig) -> dict[str, Tensor]:
    model = tiny.fill(CRET(config).eval())
    with torch.inference_mode():
        pixels = normalise_pixels(torch.from_numpy(tiny.frames(config)), config.mean, config.std)
        frames, video_centers = model.encode_video(pixels)
        text, text_centers = model.encode_text(IDS, IDS != 0)
    return {"frames": frames, "video_centers": video_centers, "text": text, "text_centers": text_centers}


@pytest.mark.parametrize("name", CONFIGS)
def test_golden_forward_pass(name: str) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    for part, tensor in forward(CONFIGS[name]).items():
        expected = torch.tensor(golden[part]).reshape(tensor.shape)
        torch.testing.assert_close(tensor, expected, atol=2e-5, rtol=2e-4, msg=partial("{}: {}".format, part))


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_and_unit_lengths(name: str) -> None:
    config = CONFIGS[name]
    outputs = forward(config)
    centers = config.correspondence.centers
    assert outputs["frames"].shape == (2, config.frames.frames, config.width)
    assert outputs["text"].shape == (2, config.width)
    assert outputs["video_centers"].shape == outputs["text_centers"].shape == (2, centers, config.width)
    for tensor in outputs.values():
        torch.testing.assert_close(tensor.norm(dim=-1), torch.ones(tensor.shape[:-1]))


def test_padded_ids_change_nothing() -> None:
    model = tiny.fill(CRET(tiny.paper()).eval())
    for mine, other in zip(
        model.encode_text(IDS, IDS != 0), model.encode_text(torch.where(IDS == 0, 7, IDS), IDS != 0), strict=True
    ):
        torch.testing.assert_close(mine, other)


def test_a_side_alone_has_the_whole_model_s_weights_of_that_side() -> None:
    config = tiny.paper()
    whole = CRET(config).state_dict()
    text = set(CRET(config, video=False).state_dict())
    video = set(CRET(config, text=False).state_dict())
    assert text | video == set(whole)
    assert {name.split(".")[0] for name in text & video} == {"correspondence"}


def test_the_whole_paper_preset_has_its_184_million_parameters() -> None:
    """CaiT-S/24 without its classifier, BERT-base without its pooler, 3 temporal layers, CCM, the projection."""
    with torch.device("meta"):
        model = CRET(presets.paper())
    modules: dict[str, nn.Module] = {"spatial": found(model.video).spatial, "text": found(model.text), "whole": model}
    parts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in modules.items()}
    assert parts == {"spatial": 46_531_200, "text": 108_890_112, "whole": 184_370_304}


if __name__ == "__main__":
    numbers = {
        name: {
            part: [round(value, 6) for value in tensor.flatten().tolist()] for part, tensor in forward(config).items()
        }
        for name, config in CONFIGS.items()
    }
    GOLDEN.write_text(json.dumps(numbers) + "\n", encoding="utf-8")
