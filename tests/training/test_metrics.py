"""Ranks against a pairwise definition, including ties; the two re-rankings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training import metrics
from training.metrics import Ranks


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, list[int]]:
    """Draw few distinct values, so that ties are common; every video has at least one text."""
    videos = draw(st.integers(1, 6))
    owners = draw(st.permutations([*range(videos), *draw(st.lists(st.integers(0, videos - 1), max_size=6))]))
    values = st.lists(st.integers(-2, 2), min_size=videos, max_size=videos)
    rows = draw(st.lists(values, min_size=len(owners), max_size=len(owners)))
    return torch.tensor(rows, dtype=torch.float32), list(owners)


def naive_text_to_video(rows: list[list[float]], owners: Sequence[int]) -> list[int]:
    return [
        1 + sum(other >= row[owner] for video, other in enumerate(row) if video != owner)
        for row, owner in zip(rows, owners, strict=True)
    ]


def naive_video_to_text(rows: list[list[float]], owners: Sequence[int]) -> list[int]:
    ranks = []
    for video in range(len(rows[0])):
        column = [row[video] for row in rows]
        best = max(value for value, owner in zip(column, owners, strict=True) if owner == video)
        others = [value for value, owner in zip(column, owners, strict=True) if owner != video]
        ranks.append(1 + sum(value >= best for value in others))
    return ranks


@given(problems())
def test_both_directions_equal_the_definition(problem: tuple[Tensor, list[int]]) -> None:
    similarities, owners = problem
    rows = similarities.tolist()
    assert metrics.text_to_video_ranks(similarities, owners).tolist() == naive_text_to_video(rows, owners)
    assert metrics.video_to_text_ranks(similarities, owners).tolist() == naive_video_to_text(rows, owners)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_summary_of_ranks_equals_the_definition(ranks: list[int]) -> None:
    found = Ranks.of(torch.tensor(ranks))
    for recall, k in ((found.r1, 1), (found.r5, 5), (found.r10, 10)):
        assert recall == pytest.approx(100 * sum(rank <= k for rank in ranks) / len(ranks))
    assert found.median == statistics.median(ranks)
    assert found.mean == pytest.approx(statistics.fmean(ranks))
    assert found.queries == len(ranks)


def test_a_model_that_gives_everything_one_score_is_last() -> None:
    result = metrics.retrieval(torch.zeros(4, 4), range(4))
    assert {ranks.mean for ranks in result.values()} == {4}


def test_a_text_of_ones_own_is_no_rival() -> None:
    """MSVD's rule: a video's best caption counts, and its other captions are no competitors."""
    similarities = torch.tensor([[3.0, 0.0], [2.0, 0.0], [1.0, 5.0]])
    assert metrics.video_to_text_ranks(similarities, [0, 0, 1]).tolist() == [1, 1]
    assert metrics.text_to_video_ranks(similarities, [0, 0, 1]).tolist() == [1, 1, 1]


def test_duplicate_sentences_tie() -> None:
    """Two videos with the same sentence: each finds two equally good texts, so neither is first."""
    similarities = torch.tensor([[1.0, 0.5], [1.0, 0.5]])
    assert metrics.video_to_text_ranks(similarities, [0, 1]).tolist() == [2, 2]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        metrics.retrieval(torch.tensor([[bad, 0.0], [0.0, 1.0]]), [0, 1])


def test_a_video_without_a_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        metrics.retrieval(torch.zeros(2, 2), [0, 0])


def test_dual_softmax_is_the_product_of_two_softmaxes() -> None:
    logits = torch.randn(5, 4, generator=torch.manual_seed(0))
    torch.testing.assert_close(metrics.dual_softmax(logits).exp(), logits.softmax(0) * logits.softmax(1))


def test_dual_softmax_gives_a_hub_to_one_text() -> None:
    """Video 0 attracts both texts; the text with a good second choice leaves it."""
    logits = torch.tensor([[5.0, 0.0], [4.0, 3.5]])
    assert logits.argmax(1).tolist() == [0, 0]
    assert metrics.dual_softmax(logits).argmax(1).tolist() == [0, 1]


def naive_querybank_norm(rows: list[list[float]], bank: list[list[float]]) -> list[list[float]]:
    """Compute the paper's form, with exponentials and a final log."""
    active = {max(range(len(row)), key=row.__getitem__) for row in bank}
    result = []
    for row in rows:
        if max(range(len(row)), key=row.__getitem__) in active:
            likes = [sum(math.exp(other[item]) for other in bank) for item in range(len(row))]
            result.append([math.log(math.exp(value) / like) for value, like in zip(row, likes, strict=True)])
        else:
            result.append(row)
    return result


def test_querybank_norm_equals_the_definition() -> None:
    generator = torch.manual_seed(3)
    logits, bank = torch.randn(20, 6, generator=generator), torch.randn(2, 6, generator=generator)
    expected = torch.tensor(naive_querybank_norm(logits.tolist(), bank.tolist()))
    found = metrics.querybank_norm(logits, bank)
    torch.testing.assert_close(found, expected)
    changed = (found != logits).any(1)
    assert changed.any()
    assert not changed.all()
