from __future__ import annotations

import dataclasses

import pytest
import torch

from cret_desktop.model.config import CorrespondenceConfig
from cret_desktop.model.correspondence import Correspondence

CONFIG = CorrespondenceConfig(centers=3, heads=2, dropout=0.0)


def parameters(**changes: bool) -> set[str]:
    module = Correspondence(dataclasses.replace(CONFIG, **changes), 8, video_width=6, text_width=8)
    return {name.removeprefix("inputs.") for name, _ in module.named_parameters() if not name.startswith("inputs.")}


@pytest.mark.parametrize("self_attention", [False, True])
def test_shapes_of_both_modalities(self_attention: bool) -> None:
    module = Correspondence(dataclasses.replace(CONFIG, self_attention=self_attention), 8, video_width=6, text_width=8)
    assert module(torch.randn(2, 5, 6), "video").shape == (2, 3, 8)
    assert module(torch.randn(2, 7, 8), "text", torch.zeros(2, 7, dtype=torch.bool)).shape == (2, 3, 8)


def test_one_set_of_queries_and_weights_or_one_each() -> None:
    both = parameters()
    assert {name for name in both if name.startswith("queries")} == {"queries.shared"}
    assert {name.split(".")[1] for name in both} == {"shared"}
    apart = parameters(share_queries=False)
    assert {name for name in apart if name.startswith("queries")} == {"queries.video", "queries.text"}
    assert len(parameters(share_weights=False) - both) == 2 * (len(both) - 1)


@pytest.mark.parametrize("shared", [False, True])
def test_the_same_tokens_give_the_same_centers_only_where_all_is_shared(shared: bool) -> None:
    config = dataclasses.replace(CONFIG, share_queries=shared, share_weights=shared)
    module = Correspondence(config, 8, video_width=8, text_width=8).eval()
    tokens = torch.randn(2, 5, 8)
    assert torch.allclose(module(tokens, "video"), module(tokens, "text")) == shared


def test_padding_changes_nothing() -> None:
    module = Correspondence(CONFIG, 8, video_width=6, text_width=8)
    tokens = torch.randn(2, 5, 8)
    padding = torch.tensor([[False] * 5, [False, False, True, True, True]])
    centers = module(tokens, "text", padding)
    torch.testing.assert_close(module(torch.where(padding[..., None], 100.0, tokens), "text", padding), centers)
    torch.testing.assert_close(module(tokens[1:, :2], "text"), centers[1:])


def test_centers_do_not_depend_on_the_order_of_tokens() -> None:
    module = Correspondence(CONFIG, 8, video_width=6, text_width=8)
    tokens = torch.randn(2, 5, 6)
    torch.testing.assert_close(module(tokens.flip(1), "video"), module(tokens, "video"))
