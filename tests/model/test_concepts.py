"""The starter's concepts: the computation of scores, on three classes with obvious answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cret_desktop.errors import ModelError
from cret_desktop.model.concepts import (
    ARITHMETIC,
    COLOURS,
    Lexicon,
    TextConcepts,
    VisualConcepts,
    colour_shares,
    spelling_keys,
)

CLASSES, FEATURES = 3, 5
VERSION = {"arithmetic": torch.tensor(ARITHMETIC)}
SEA, LION, CONTINUES, OTHER, FILLER = 5, 6, 7, 8, 4  # tokens; 7 continues a word, up to 4 begin no content word
LION_CLASS, SEA_LION_CLASS = 0, 1
NO_WORDS = torch.zeros(CLASSES, 4, dtype=torch.int64)
GREY = torch.zeros(CLASSES, 3, 8, 8)


def words() -> dict[str, Tensor]:
    """Lexicon tensors for "lion" and "sea lion", which are classes, and "red"."""
    spelt = [[LION], [SEA, LION], [OTHER, CONTINUES]]
    keys = torch.tensor([int(spelling_keys(torch.tensor([word]))[0, 0, len(word) - 1]) for word in spelt])
    keys, entries = keys.sort()
    return {
        "keys": keys,
        "entries": entries.int(),
        "concepts": torch.tensor([[LION_CLASS], [SEA_LION_CLASS], [CLASSES + COLOURS.index("red")]]).short(),
        "weights": torch.tensor([[1.0], [0.5], [1.0]]),
        "continuations": (torch.arange(10) == CONTINUES).byte(),
        "content": ((torch.arange(10) > FILLER) & (torch.arange(10) != CONTINUES)).byte(),
    }


def tensors() -> dict[str, Tensor]:
    """Three classes whose descriptions are the axes of the sentences' space, [4], with a common direction."""
    return {
        "centre": torch.tensor([0.0, 0.0, 0.0, 0.5]),
        "descriptions": torch.eye(CLASSES, 4),
        "basis": torch.linalg.svd(torch.eye(CLASSES) - 1 / CLASSES).U[:, :2],
        "average": torch.zeros(6 + len(COLOURS)),
        "temperature": torch.tensor(0.1),
        "part_weights": torch.tensor([0.2, 0.5, 0.3]),
    }


def lexicon() -> Lexicon:
    return Lexicon(CLASSES + len(COLOURS), **words())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "concepts.safetensors"
    save_file({name: tensor.half().contiguous() for name, tensor in tensors().items()} | words() | VERSION, path)
    return path


def classifier() -> nn.Linear:
    layer = nn.Linear(FEATURES, CLASSES)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def pictures(strength: float = 9.0) -> Tensor:
    """A feature map [5, 2, 2] of each class, at one of four places: [3, 5, 2, 2]."""
    maps = torch.zeros(CLASSES, FEATURES, 2, 2)
    maps[torch.arange(CLASSES), torch.arange(CLASSES), 0, 1] = 4 * strength
    return maps


def sentences() -> Tensor:
    """A sentence near each class's description, all with the common direction: [3, 4]."""
    return torch.eye(CLASSES, 4) + torch.tensor([0.0, 0.0, 0.0, 0.5])


def plain(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue])[:, None, None].expand(3, 8, 8)


def test_each_sentence_finds_its_picture(file: Path) -> None:
    frames = VisualConcepts.load(file, classifier())(pictures(), GREY)
    scores = TextConcepts.load(file)(sentences(), NO_WORDS) @ frames.T
    assert scores.argmax(1).tolist() == [0, 1, 2]
    assert scores.argmax(0).tolist() == [0, 1, 2]


def test_a_word_finds_its_picture_whatever_the_sentence_encoder_makes_of_it(file: Path) -> None:
    text = TextConcepts.load(file)
    frames = VisualConcepts.load(file, classifier())(pictures(), GREY)
    unknown = sentences().mean(0, keepdim=True)
    for ids, found in (([OTHER, LION], LION_CLASS), ([SEA, LION], SEA_LION_CLASS)):
        assert (text(unknown, torch.tensor([ids])) @ frames.T).argmax().item() == found


def test_a_colour_word_finds_the_picture_of_that_colour(file: Path) -> None:
    images = torch.stack([plain(-0.8, 0.8, -0.8), plain(0.8, -0.8, -0.8), plain(-0.8, -0.8, 0.8)])
    same = pictures()[:1].expand(3, -1, -1, -1)
    frames = VisualConcepts.load(file, classifier())(same, images)
    query = TextConcepts.load(file)(sentences()[:1], torch.tensor([[OTHER, CONTINUES]]))
    assert (query @ frames.T).argmax().item() == 1


def test_widths_agree(file: Path) -> None:
    text, visual = TextConcepts.load(file), VisualConcepts.load(file, classifier())
    assert text.width == visual.width == 6 + len(COLOURS)
    assert text(sentences(), NO_WORDS).shape == visual(pictures(), GREY).shape == (3, text.width)


def test_a_frames_features_are_at_most_one_long_however_sure_the_classifier_is(file: Path) -> None:
    visual = VisualConcepts.load(file, classifier())
    images = torch.stack([plain(0.8, -0.8, -0.8), plain(0.0, 0.0, 0.0), torch.rand(3, 8, 8)])
    for strength in (0.5, 9.0, 40.0):
        features = visual(pictures(strength), images)
        semantic, evidence, _ = features.split([4, 2, len(COLOURS)], -1)
        torch.testing.assert_close(semantic.norm(dim=-1), torch.full((3,), 3**-0.5))
        torch.testing.assert_close(evidence.norm(dim=-1), torch.full((3,), 3**-0.5))
        assert (features.norm(dim=-1) <= 1 + 1e-6).all()


def test_a_constant_added_to_all_logits_changes_nothing(file: Path) -> None:
    shifted = classifier()
    nn.init.constant_(shifted.bias, 5.0)
    expected = VisualConcepts.load(file, classifier())(pictures(), GREY)
    # The basis is stored in 16 bits, so its columns are orthogonal to a constant to three digits.
    torch.testing.assert_close(VisualConcepts.load(file, shifted)(pictures(), GREY), expected, atol=2e-3, rtol=0)


def test_the_length_of_a_sentence_embedding_does_not_matter(file: Path) -> None:
    text = TextConcepts.load(file)
    torch.testing.assert_close(text(sentences() * 7, NO_WORDS), text(sentences(), NO_WORDS))


def test_text_features_are_unit_vectors(file: Path) -> None:
    torch.testing.assert_close(TextConcepts.load(file)(sentences(), NO_WORDS).norm(dim=-1), torch.ones(3))


def test_the_order_of_candidates_for_one_query_changes_with_the_average() -> None:
    """A frame near the average query's features ranks below one that fits this query as well and others less."""
    parts = tensors()
    before = TextConcepts(lexicon(), **parts)
    average = before.uncentred(sentences()[:1], NO_WORDS[:1])[0]
    after = TextConcepts(lexicon(), **parts | {"average": average})
    frames = VisualConcepts(classifier(), parts["descriptions"], parts["basis"])(pictures(), GREY)
    query = sentences()[:1] + sentences()[1:2]
    first_before, second_before = (before(query, NO_WORDS[:1]) @ frames.T)[0, :2].tolist()
    first, second = (after(query, NO_WORDS[:1]) @ frames.T)[0, :2].tolist()
    assert first_before == pytest.approx(second_before, abs=1e-5)
    assert first < second - 0.1


def test_the_classifier_is_shared_not_copied(file: Path) -> None:
    layer = classifier()
    assert VisualConcepts.load(file, layer).classifier is layer


@pytest.mark.parametrize(
    ("ids", "classes"),
    [
        ([1, LION, 2, 0], [1.0, 0.0]),
        ([1, SEA, LION, 2], [0.0, 0.5]),  # only the longest
        ([LION, SEA, LION, LION], [2 / 3, 0.5 / 3]),  # of three words
        ([FILLER, LION, FILLER, LION], [1.0, 0.0]),
        ([LION, OTHER, CONTINUES, 0], [0.5, 0.0]),  # one of two: "red" has two tokens
        ([LION, OTHER, OTHER, SEA], [0.25, 0.0]),  # unknown words have no concepts, but reduce the weight of known ones
        ([LION, CONTINUES, 2, LION], [0.5, 0.0]),  # another word with the same beginning
        ([SEA, OTHER, 0, 0], [0.0, 0.0]),
        ([1, 2, 3, LION], [1.0, 0.0]),  # at the very end
    ],
)
def test_words_are_found_by_their_tokens(ids: list[int], classes: list[float]) -> None:
    told = lexicon()(torch.tensor([[0, 0, 0, 0], ids]))
    assert told[0].tolist() == [0.0] * (CLASSES + len(COLOURS))
    assert told[1, [LION_CLASS, SEA_LION_CLASS]].tolist() == pytest.approx(classes)


def test_the_longer_the_query_the_less_a_words_say(file: Path) -> None:
    text = TextConcepts.load(file)
    other_class = sentences()[2:]
    short, long = (text.uncentred(other_class, torch.tensor([ids]))[0] for ids in ([LION], [LION, OTHER, OTHER, OTHER]))
    none = text.uncentred(other_class, NO_WORDS[:1])[0]
    torch.testing.assert_close(long - none, (short - none) / 4)


def test_texts_of_one_batch_do_not_mix() -> None:
    ids = torch.tensor([[SEA, LION, 0], [OTHER, CONTINUES, LION], [0, 0, 0]])
    together = lexicon()(ids)
    for row, told in zip(ids, together, strict=True):
        torch.testing.assert_close(lexicon()(row[None])[0], told)


def test_keys_tell_lengths_and_orders_apart() -> None:
    one, two = spelling_keys(torch.tensor([[3, 4, 30521], [4, 3, 30521]]))[:, 0, :3]
    assert len({*one.tolist(), *two.tolist()}) == 6


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((0.9, 0.1, 0.1), "red"),
        ((0.9, 0.1, 0.2), "red"),  # beyond 345 degrees
        ((0.95, 0.5, 0.1), "orange"),
        ((0.95, 0.9, 0.1), "yellow"),
        ((0.1, 0.6, 0.2), "green"),
        ((0.2, 0.3, 0.9), "blue"),
        ((0.5, 0.1, 0.8), "purple"),
        ((1.0, 0.4, 0.8), "pink"),
        ((0.4, 0.25, 0.1), "brown"),
        ((0.1, 0.02, 0.02), None),  # too dark
        ((0.9, 0.88, 0.85), None),  # too pale
        ((0.5, 0.5, 0.5), None),
    ],
)
def test_colours_have_their_names(rgb: tuple[float, float, float], colour: str | None) -> None:
    shares = colour_shares(plain(*rgb)[None])[0]
    assert shares.tolist() == [float(name == colour) for name in COLOURS]


def test_a_colours_share_is_that_of_the_area() -> None:
    image = plain(0.5, 0.5, 0.5).clone()
    image[:, :, :4] = plain(0.9, 0.1, 0.1)[:, :, :4]
    assert colour_shares(image[None])[0, COLOURS.index("red")].item() == 0.5


@pytest.mark.parametrize("content", [b"", b"no tensors in here"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    foreign = tmp_path / "concepts.safetensors"
    foreign.write_bytes(content)
    with pytest.raises(ModelError, match=r"concepts\.safetensors.*Install"):
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
