"""The starter's concepts: how scores come about, on three classes whose answer is plain to see."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cret_desktop.errors import ModelError
from cret_desktop.model.concepts import ARITHMETIC, TextConcepts, VisualConcepts

CLASSES, FEATURES = 3, 5
VERSION = {"arithmetic": torch.tensor(ARITHMETIC)}


def tensors() -> dict[str, Tensor]:
    """Three classes whose descriptions are the axes of the sentences' space, [4] with a direction common to all."""
    return {
        "centre": torch.tensor([0.0, 0.0, 0.0, 0.5]),
        "descriptions": torch.eye(CLASSES, 4),
        "basis": torch.linalg.svd(torch.eye(CLASSES) - 1 / CLASSES).U[:, :2],
        "average": torch.zeros(6),
        "temperature": torch.tensor(0.1),
        "semantic_weight": torch.tensor(0.2),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "concepts.safetensors"
    save_file({name: tensor.half().contiguous() for name, tensor in tensors().items()} | VERSION, path)
    return path


def classifier() -> nn.Linear:
    layer = nn.Linear(FEATURES, CLASSES)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def pictures(strength: float = 9.0) -> Tensor:
    """A feature map [5, 2, 2] of each class, in one place of four only: [3, 5, 2, 2]."""
    maps = torch.zeros(CLASSES, FEATURES, 2, 2)
    maps[torch.arange(CLASSES), torch.arange(CLASSES), 0, 1] = 4 * strength
    return maps


def sentences() -> Tensor:
    """A sentence near each class's description, all with the common direction: [3, 4]."""
    return torch.eye(CLASSES, 4) + torch.tensor([0.0, 0.0, 0.0, 0.5])


def test_each_sentence_finds_its_picture(file: Path) -> None:
    scores = TextConcepts.load(file)(sentences()) @ VisualConcepts.load(file, classifier())(pictures()).T
    assert scores.argmax(1).tolist() == [0, 1, 2]
    assert scores.argmax(0).tolist() == [0, 1, 2]


def test_widths_agree_and_leading_axes_are_kept(file: Path) -> None:
    text, visual = TextConcepts.load(file), VisualConcepts.load(file, classifier())
    assert text.width == visual.width == 6
    assert text(sentences()).shape == (3, 6)
    assert visual(pictures().expand(7, 3, FEATURES, 2, 2)).shape == (7, 3, 6)


def test_both_parts_of_a_frame_have_one_length_however_sure_the_classifier_is(file: Path) -> None:
    visual = VisualConcepts.load(file, classifier())
    for strength in (0.5, 9.0, 40.0):
        semantic, evidence = visual(pictures(strength)).split([4, 2], -1)
        torch.testing.assert_close(semantic.norm(dim=-1), torch.full((3,), 0.5**0.5))
        torch.testing.assert_close(evidence.norm(dim=-1), torch.full((3,), 0.5**0.5))


def test_a_constant_added_to_all_logits_changes_nothing(file: Path) -> None:
    shifted = classifier()
    nn.init.constant_(shifted.bias, 5.0)
    expected = VisualConcepts.load(file, classifier())(pictures())
    # The basis is stored in 16 bits, so its columns are orthogonal to a constant to three digits.
    torch.testing.assert_close(VisualConcepts.load(file, shifted)(pictures()), expected, atol=2e-3, rtol=0)


def test_the_length_of_a_sentence_embedding_does_not_matter(file: Path) -> None:
    text = TextConcepts.load(file)
    torch.testing.assert_close(text(sentences() * 7), text(sentences()))


def test_text_features_are_unit_vectors(file: Path) -> None:
    torch.testing.assert_close(TextConcepts.load(file)(sentences()).norm(dim=-1), torch.ones(3))


def test_the_order_of_candidates_for_one_query_changes_with_the_average() -> None:
    """A frame near the average query's features falls behind one that fits this query as well and others less."""
    parts = tensors()
    plain = TextConcepts(**parts)
    corrected = TextConcepts(**parts | {"average": plain.uncentred(sentences()[:1])[0]})
    frames = VisualConcepts(classifier(), parts["descriptions"], parts["basis"])(pictures())
    query = sentences()[:1] + sentences()[1:2]
    first_before, second_before = (plain(query) @ frames.T)[0, :2].tolist()
    first, second = (corrected(query) @ frames.T)[0, :2].tolist()
    assert first_before == pytest.approx(second_before, abs=1e-5)
    assert first < second - 0.1


def test_the_classifier_is_shared_not_copied(file: Path) -> None:
    layer = classifier()
    assert VisualConcepts.load(file, layer).classifier is layer


@pytest.mark.parametrize("content", [b"", b"no tensors in here"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    foreign = tmp_path / "concepts.safetensors"
    foreign.write_bytes(content)
    with pytest.raises(ModelError, match=r"concepts\.safetensors.*install"):
        TextConcepts.load(foreign)


def test_a_missing_file_or_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        TextConcepts.load(tmp_path / "missing.safetensors")
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)} | VERSION, other)
    with pytest.raises(ModelError, match="other"):
        VisualConcepts.load(other, classifier())


def test_a_file_of_another_arithmetic_is_refused(file: Path) -> None:
    save_file({"arithmetic": torch.tensor(0)}, file)
    with pytest.raises(ModelError, match="another version"):
        TextConcepts.load(file)
