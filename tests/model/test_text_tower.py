from __future__ import annotations

import dataclasses
from functools import partial
from typing import Literal

import pytest
import torch
from torch import nn

from cret_desktop.model.text_tower import TextTower, from_bert, from_open_clip
from tests.model import tiny

IDS = torch.tensor([[2, 5, 6, 7, 3, 0, 0], [2, 9, 3, 0, 0, 0, 0], [2, 5, 8, 9, 10, 11, 3]])
MASK = IDS != 0


def test_equal_to_the_bert_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    text = tiny.paper().text
    bert = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=text.vocabulary,
            hidden_size=text.width,
            num_hidden_layers=text.layers,
            num_attention_heads=text.heads,
            intermediate_size=text.feedforward,
            max_position_embeddings=text.positions,
        ),
        add_pooling_layer=False,
    ).eval()
    tiny.fill(bert)
    tower = TextTower(tiny.paper()).eval()
    tower.load_state_dict(from_bert(bert.state_dict()))
    with torch.inference_mode():
        theirs = bert(IDS, attention_mask=MASK.long()).last_hidden_state
        features, local, real = tower(IDS, MASK)
    torch.testing.assert_close(features, theirs[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(local[real], theirs[:, 1:][MASK[:, 1:]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_equal_to_the_text_tower_of_open_clip(kind: str) -> None:
    transformer = pytest.importorskip("open_clip.transformer")
    config = tiny.aligned()
    if kind == "siglip":
        siglip = dataclasses.replace(config.text, causal=False, activation="gelu_tanh", norm_eps=1e-6, bias=True)
        config = dataclasses.replace(config, text=siglip)
    text = config.text
    theirs = transformer.TextTransformer(
        context_length=text.positions,
        vocab_size=text.vocabulary,
        width=text.width,
        heads=text.heads,
        layers=text.layers,
        mlp_ratio=text.feedforward / text.width,
        output_dim=config.width,
        no_causal_mask=not text.causal,
        pool_type="eos" if kind == "clip" else "last",
        eos_id=3,
        proj_bias=text.bias,
        act_layer=partial(nn.GELU, approximate="tanh") if kind == "siglip" else nn.GELU,
        norm_layer=partial(nn.LayerNorm, eps=text.norm_eps),
    ).eval()
    tiny.fill(theirs)
    tower = TextTower(config).eval()
    tower.load_state_dict(from_open_clip({f"text.{name}": tensor for name, tensor in theirs.state_dict().items()}))
    ids = nn.functional.pad(IDS, (0, text.positions - IDS.shape[1]))  # open_clip's has only one length
    with torch.inference_mode():
        expected = theirs(ids)
        features = tower(IDS, MASK)[0] if kind == "clip" else tower(ids, torch.ones_like(ids, dtype=torch.bool))[0]
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
@pytest.mark.parametrize("training", [False, True])
def test_what_padding_holds_and_how_long_it_is_changes_nothing(
    pooling: Literal["first", "mean", "last"], training: bool
) -> None:
    config = tiny.paper()
    config = dataclasses.replace(config, text=dataclasses.replace(config.text, pooling=pooling, dropout=0.0))
    tower = TextTower(config).train(training)
    tiny.fill(tower)
    other = torch.where(MASK, IDS, 4)
    longer, longer_mask = nn.functional.pad(IDS, (0, 3)), nn.functional.pad(MASK, (0, 3))
    with torch.set_grad_enabled(training):
        features, local, real = tower(IDS, MASK)
        for ids, mask in ((other, MASK), (longer, longer_mask)):
            others, local_others, real_others = tower(ids, mask)
            torch.testing.assert_close(features, others, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(local[real], local_others[real_others], atol=1e-5, rtol=1e-5)


def test_new_layers_differ_from_each_other() -> None:
    first, second = (layer.linear1.weight for layer in TextTower(tiny.paper()).encoder.layers)
    assert not torch.equal(first, second)
