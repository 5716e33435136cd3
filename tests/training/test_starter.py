"""The starter's builder: its linear algebra, and the committed file against what it was built from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cret_desktop import paths
from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.concepts import TextConcepts
from cret_desktop.model.encoder import open_model
from training import starter

RESOURCES = paths.resource("models", "starter")
CONCEPTS = RESOURCES / checkpoint.CONCEPTS


def weights_installed() -> bool:
    try:
        checkpoint.locate(presets.starter().video.weights)
        checkpoint.locate(presets.starter().text.weights)
    except ModelError:
        return False
    return True


needs_weights = pytest.mark.skipif(not weights_installed(), reason="the starter's weight packages are not installed")


def test_leading_directions_are_orthonormal_and_hold_the_most() -> None:
    rows = torch.randn(40, 12, generator=torch.manual_seed(0)) * torch.arange(1, 13)
    basis = starter.leading_directions(rows, 4)
    torch.testing.assert_close(basis.T @ basis, torch.eye(4), atol=1e-5, rtol=0)
    centred = rows - rows.mean(0)
    kept = (basis.T @ centred).square().sum()
    assert kept == pytest.approx(torch.linalg.svdvals(centred)[:4].square().sum().item(), rel=1e-4)


def test_leading_directions_have_one_sign() -> None:
    rows = torch.randn(30, 8, generator=torch.manual_seed(1))
    basis = starter.leading_directions(rows, 5)
    assert (basis.gather(0, basis.abs().argmax(0, keepdim=True)) > 0).all()
    torch.testing.assert_close(starter.leading_directions(-rows, 5), basis, atol=1e-5, rtol=0)


def test_the_classifier_is_the_last_matrix_of_a_thousand_rows(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    last = torch.randn(1000, 4)
    torch.save({"conv": torch.zeros(1000, 4), "head.weight": last, "head.bias": torch.zeros(1000)}, file)
    torch.testing.assert_close(starter.classifier_rows(file), last)


def test_the_committed_file_is_small_and_has_the_presets_width() -> None:
    tensors = load_file(CONCEPTS)
    assert CONCEPTS.stat().st_size < 4e6
    assert tensors["average"].shape == (presets.starter().width,)
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


@needs_weights
def test_the_committed_file_is_what_the_builder_builds() -> None:
    """All but the class sentences, which take longer to encode than a test may; of these, some."""
    committed = load_file(CONCEPTS)
    config = presets.starter()
    basis = starter.leading_directions(starter.classifier_rows(checkpoint.locate(config.video.weights)), 384)
    torch.testing.assert_close(basis, committed["basis"].float(), atol=1e-3, rtol=0)

    some = slice(0, 1000, 125)
    encode = starter.SentenceEncoder(config)
    described = torch.nn.functional.normalize(
        encode(starter.class_texts(glossed=False)[some]) + encode(starter.class_texts(glossed=True)[some]), dim=-1
    )
    expected = torch.nn.functional.normalize(described - committed["centre"].float(), dim=-1)
    torch.testing.assert_close(expected, committed["descriptions"][some].float(), atol=2e-3, rtol=0)


@needs_weights
def test_the_average_query_is_that_of_the_reference_queries() -> None:
    queries = paths.resource("reference_queries.txt").read_text(encoding="utf-8").splitlines()
    encode, concepts = starter.SentenceEncoder(presets.starter()), TextConcepts.load(CONCEPTS)
    torch.testing.assert_close(concepts.uncentred(encode(queries)).mean(0), concepts.average, atol=1e-3, rtol=0)


@needs_weights
def test_words_for_one_thing_are_nearer_than_words_for_another() -> None:
    features = open_model("starter", "cpu").text.encode(["a puppy", "a small dog", "a sailing boat"]).globals
    puppy, dog, boat = features
    assert puppy @ dog > puppy @ boat + 0.2
