"""The starter's builder: its linear algebra, and the committed file against its sources."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cret_desktop import paths
from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.concepts import COLOURS, Lexicon, TextConcepts
from cret_desktop.model.encoder import open_model
from cret_desktop.model.transforms import Tokenizer
from training import starter

RESOURCES = paths.resource("models", "starter")
CONCEPTS = RESOURCES / checkpoint.CONCEPTS


# Two kinds of dog and one of cat, in the formats of data.noun, index.noun and noun.exc.
DATA = """\
  1 This software and database is being provided to you
00000001 03 n 01 animal 0 002 ~ 00000002 n 0000 ~ 00000005 n 0000 | a living thing
00000002 05 n 02 dog 0 domestic_dog 0 003 @ 00000001 n 0000 ~ 00000003 n 0000 ~ 00000004 n 0000 | it barks
00000003 05 n 01 poodle 0 001 @ 00000002 n 0000 | curly | or not
00000004 05 n 01 husky 0 001 @ 00000002 n 0000 | draws sledges
00000005 05 n 01 cat 0 001 @ 00000001 n 0000 | it does not
00000006 03 n 01 idea 0 000 | not a living thing
00000007 18 n 01 Rex 0 001 @i 00000002 n 0000 | one of them
"""
INDEX = """\
  1 This software and database is being provided to you
animal n 1 1 ~ 1 1 00000001
cat n 1 1 @ 1 1 00000005
domestic_dog n 1 2 @ ~ 1 0 00000002
dog n 2 2 @ ~ 2 1 00000002 00000006
husky n 2 1 @ 2 0 00000006 00000004
poodle n 1 1 @ 1 0 00000003
rex n 1 1 @i 1 0 00000007
"""
EXCEPTIONS = "doggies dog\noxen ox\n"
KINDS = ["n00000003", "n00000004", "n00000005"]  # the classes: poodle, husky, cat


@pytest.fixture(scope="module")
def wordnet() -> starter.WordNet:
    return starter.WordNet.parse(DATA.splitlines(), INDEX.splitlines(), EXCEPTIONS.splitlines())


def test_wordnets_files_are_read(wordnet: starter.WordNet) -> None:
    assert wordnet.senses["domestic dog"] == ["n00000002"]
    assert wordnet.senses["dog"] == ["n00000002", "n00000006"]
    assert wordnet.ancestors("n00000007") == {"n00000007", "n00000002", "n00000001"}
    assert wordnet.hypernyms["n00000001"] == []


def test_plurals(wordnet: starter.WordNet) -> None:
    regular = {"cat": "cats", "box": "boxes", "fly": "flies", "toy": "toys", "sea lion": "sea lions", "bus": "buses"}
    assert {noun: wordnet.plurals(noun) for noun in regular} == {noun: [form] for noun, form in regular.items()}
    assert wordnet.plurals("dog") == ["dogs", "doggies"]


def test_nearness_is_full_to_own_kinds_and_falls_with_the_way_through_the_tree(wordnet: starter.WordNet) -> None:
    near = starter.Nearness(wordnet, KINDS)
    assert near("n00000002").tolist() == [1.0, 1.0, pytest.approx(0.0, abs=0.2)]
    poodle = near("n00000003").tolist()
    assert poodle[0] == 1.0
    assert 0.2 < poodle[1] < 1.0
    assert poodle[2] < poodle[1]
    assert near("n00000006").tolist() == [0.0, 0.0, 0.0]


def test_a_word_stands_for_the_classes_of_its_kind(wordnet: starter.WordNet) -> None:
    near = starter.Nearness(wordnet, KINDS)
    concepts = starter.word_concepts(near, "n00000002")
    assert sum(concepts.values()) == pytest.approx(1.0)
    assert concepts[0] == pytest.approx(concepts[1])
    assert concepts[0] > 100 * concepts[2]
    assert starter.word_concepts(near, "n00000006") == {}


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
    """Everything except most class sentences, whose encoding takes too long for a test."""
    committed = load_file(CONCEPTS)
    config = presets.starter()
    basis = starter.leading_directions(
        starter.classifier_rows(checkpoint.locate(config.video.weights)), starter.BASIS_WIDTH
    )
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
    torch.testing.assert_close(starter.average_query(encode, concepts, queries), concepts.average, atol=1e-3, rtol=0)


@needs_weights
def test_the_lexicon_knows_words_by_their_tokens_and_colours(wordnet: starter.WordNet) -> None:
    config = presets.starter()
    file = checkpoint.locate(config.text.tokenizer)
    tokenizer = Tokenizer(file, config.text)
    kinds = starter.kinds_of_tokens(file, config.text.vocabulary)
    tensors = starter.lexicon(wordnet, KINDS, tokenizer, kinds)
    lexicon = Lexicon(len(KINDS) + len(COLOURS), **tensors)

    told = lexicon(tokenizer(["Domestic dogs, and a CAT!", "two poodles", "a husky", "doggedly", "a scarlet bus"])[0])
    dogs_and_cat, poodles, husky, adverb, bus = told
    assert dogs_and_cat.sum() == pytest.approx(1, abs=0.01)
    assert dogs_and_cat[2] == pytest.approx(0.5, abs=0.01)  # one of two words
    assert poodles.argmax() == 0
    assert husky.sum() == 0  # the word's first meaning is no animal here
    assert adverb.sum() == 0
    assert bus.nonzero().flatten().tolist() == [len(KINDS) + COLOURS.index("red")]
    assert bus.sum() == pytest.approx(0.5)  # the other word is unknown here


@needs_weights
def test_content_words_are_neither_function_words_nor_punctuation_nor_the_rest_of_a_word() -> None:
    config = presets.starter()
    file = checkpoint.locate(config.text.tokenizer)
    kinds = starter.kinds_of_tokens(file, config.text.vocabulary)
    ids, _ = Tokenizer(file, config.text)(["In the sea, some narwhals."])
    assert kinds["content"][ids[0]].sum() == 2
    assert not (kinds["content"] & kinds["continuations"]).any()


@needs_weights
def test_the_committed_lexicon_places_what_the_classifier_lacks_next_to_its_kin() -> None:
    config = presets.starter()
    tokenizer = Tokenizer(checkpoint.locate(config.text.tokenizer), config.text)
    lexicon = TextConcepts.load(CONCEPTS).lexicon
    names = starter.class_texts(glossed=False)
    for query, kin in (("a zebu", "ox"), ("macaques", "macaque"), ("the kayaks", "canoe")):
        told = lexicon(tokenizer([query])[0])[0]
        near = [names[number] for number in told.topk(5).indices.tolist()]
        assert any(kin in name for name in near), (query, near)
    assert lexicon(tokenizer(["you can be what you like"])[0]).sum() == 0


@needs_weights
def test_words_for_one_thing_are_nearer_than_words_for_another() -> None:
    features = open_model("starter", "cpu").text.encode(["a puppy", "a small dog", "a sailing boat"]).globals
    puppy, dog, boat = features
    assert puppy @ dog > puppy @ boat + 0.2
