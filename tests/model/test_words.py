"""Foreign tokenizers: the needs of published ones are accepted, anything else in a file ends in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cret_desktop.errors import CretError, ModelError
from cret_desktop.model import bounded_json, checkpoint, presets, tokenizer_file
from cret_desktop.model.transforms import Tokenizer
from cret_desktop.model.trial import PROBES
from cret_desktop.model.words import MOST_CHARACTERS, Words
from tests.hostile import fuzz_models
from tests.hostile.fuzz_models import TEXT, TOKENIZERS

FILE = Path("tokenizer.json")
BERT, CLIP, SIGLIP, SENTENCEPIECE, WHOLE_WORDS = TOKENIZERS

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("content", TOKENIZERS)
def test_the_tokenizers_that_published_models_have_are_read(content: bytes) -> None:
    words = Words(content, FILE, TEXT)
    assert all(0 < len(ids) <= TEXT.context for ids in words.encode(PROBES))


@pytest.mark.parametrize("name", ["starter", "pe-core-b16"])
def test_the_tokenizers_of_the_presets_that_are_here_are_read(name: str, tmp_path: Path) -> None:
    config = presets.preset(name).text
    Tokenizer(checkpoint.locate(config.tokenizer), config).save(tmp_path / "tokenizer.json")
    content = (tmp_path / "tokenizer.json").read_bytes()
    assert Words(content, FILE, config).encode(["a dog"]) == Words(content, FILE, config, tried=True).encode(["a dog"])


def step(part: str, value: Any) -> Change:
    return lambda tokenizer: tokenizer.update({part: value})


def model(**values: Any) -> Change:
    return lambda tokenizer: tokenizer["model"].update(values)


def split(pattern: dict[str, str]) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(part: str, members: str, *steps: dict[str, Any]) -> Change:
    return step(part, {"type": "Sequence", members: list(steps)})


def template(**values: Any) -> Change:
    return lambda tokenizer: tokenizer["post_processor"].update(values)


PIECE = {"Sequence": {"id": "A", "type_id": 0}}


@pytest.mark.parametrize(
    ("base", "change", "match"),
    [
        # regular expressions that do not end
        (CLIP, step("pre_tokenizer", split({"Regex": "(a+)+$"})), "a Split with an invalid pattern"),
        (CLIP, step("pre_tokenizer", split({"Regex": r"\s+ "})), "a Split with an invalid pattern"),
        (CLIP, step("pre_tokenizer", split({"String": ""})), "a Split with an invalid pattern"),
        (CLIP, step("normalizer", replace({"Regex": "(a|a)*b"}, "")), "a Replace with an invalid pattern"),
        (CLIP, step("decoder", replace({"Regex": "(a|a)*b"}, "")), "a Replace with an invalid pattern"),
        # texts that grow
        (CLIP, step("normalizer", replace({"String": "a"}, "aa")), "makes texts longer"),
        (CLIP, step("normalizer", replace({"Regex": r"\s+"}, "aa")), "makes texts longer"),
        (CLIP, sequence("normalizer", "normalizers", *[{"type": "Prepend", "prepend": "a"}] * 2), "2 steps"),
        (CLIP, sequence("normalizer", "normalizers", *[{"type": "ByteLevel"}] * 2), "2 steps of the kind ByteLevel"),
        (CLIP, sequence("normalizer", "normalizers", *[{"type": "NFC"}] * 13), "too many normalizers: 13"),
        (CLIP, step("normalizer", {"type": "Prepend", "prepend": "a" * 17}), "a Prepend with an invalid prepend"),
        (CLIP, template(single=[PIECE] * 8), "does not contain the text exactly once"),
        (CLIP, template(single=[PIECE] * 10**5), "a TemplateProcessing with an invalid single"),
        (CLIP, template(single=[{"SpecialToken": {"id": "<s>", "type_id": 0}}] * 7 + [PIECE]), None),
        # unknown components
        (CLIP, step("normalizer", {"type": "Magic"}), "an unknown step “Magic”"),
        (
            CLIP,
            step("pre_tokenizer", {"type": "CharDelimiterSplit", "delimiter": "a"}),
            "an unknown step “CharDelimiterSplit”",
        ),
        (CLIP, step("post_processor", {"type": "Magic"}), "an unknown processor “Magic”"),
        (CLIP, step("more", 1), "an unknown setting “more”"),
        (CLIP, model(type="Magic"), "of an unknown kind “Magic”"),
        (CLIP, model(dropout=0.5), "other tokens each time"),
        # ids beyond the model's vocabulary
        (CLIP, model(vocab={**fuzz_models.IDS, "zebra": 18}), "“zebra” the number 18, and its model knows 18 words"),
        (CLIP, model(vocab={**fuzz_models.IDS, "zebra": -1}), "“zebra” no number"),
        (CLIP, model(vocab={**fuzz_models.IDS, "zebra": 1}), "two words one number"),
        (CLIP, template(special_tokens={"<s>": {"id": "<s>", "ids": [99], "tokens": ["<s>"]}}), "the number 99"),
        (BERT, lambda t: t["post_processor"].update(cls=["<s>", 99]), "the number 99"),
        (BERT, lambda t: t["added_tokens"][0].update(id=99), "“added_tokens” the number 99"),
        (BERT, lambda t: t["added_tokens"][0].update(content=""), "a token with an invalid content"),
        # causes of panics in the library
        (SENTENCEPIECE, model(unk_id=None), "no token for unknown words"),
        (SENTENCEPIECE, model(unk_id=18), "no token for unknown words"),
        (SENTENCEPIECE, model(vocab=[["", 0.0], ["a", 0.0]]), "an empty or an endless word"),
        (BERT, model(unk_token="nowhere"), "no token for unknown words"),
        (BERT, model(max_input_chars_per_word=10**9), "words of any length"),
        (CLIP, model(merges=[["a", "zebra"]]), "merges words that are not in its vocabulary"),
        # settings that allocate memory
        (CLIP, step("truncation", {"max_length": 2**40}), "a truncation with an invalid max_length"),
        (CLIP, step("padding", {"strategy": {"Fixed": 2**40}}), "a padding with an invalid strategy"),
    ],
)
def test_what_a_tokenizer_must_not_hold_is_named(base: bytes, change: Change, match: str | None) -> None:
    value = json.loads(base)
    change(value)
    content = json.dumps(value).encode()
    if match is None:
        assert Words(content, FILE, TEXT).encode(["a dog"])
        return
    with pytest.raises(ModelError, match=f"“tokenizer.json” is not used: .*{match}"):
        Words(content, FILE, TEXT)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 40 + b"]" * 40,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"9" * 21 + b"}",
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b"\xff\xfe{}",
        b"",
        b"null",
        b"1",
    ],
)
def test_json_that_no_tokenizer_is(content: bytes) -> None:
    with pytest.raises(ModelError, match=r"“tokenizer.json” is not used: "):
        Words(content, FILE, TEXT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def sentence(work: Callable[[], object]) -> str:
    """Return the sentence of the refusal, or '' without one."""
    try:
        work()
    except CretError as error:
        return str(error) if str(error).isprintable() else f"not a sentence: {error!r}"
    return ""


@given(JSON)
@settings(max_examples=100, deadline=None)
def test_bounded_json_reads_what_json_reads_or_names_the_file(value: Any) -> None:
    content = json.dumps(value).encode()
    found: list[Any] = []
    said = sentence(lambda: found.append(bounded_json.parse(content, "a file")))
    assert found == [value] if not said else "“a file” is not used: " in said


def test_a_panic_of_the_library_is_a_sentence() -> None:
    """For a file admitted by mistake: no panic reaches the caller."""
    value = json.loads(SENTENCEPIECE)
    value["model"]["unk_id"] = None
    words = Words(json.dumps(value).encode(), FILE, TEXT, tried=True)
    with pytest.raises(ModelError, match="its tokenizer fails"):
        words.encode(["zebra"])
    value = json.loads(CLIP)
    value["pre_tokenizer"] = split({"Regex": "(a+)+$"})
    words = Words(json.dumps(value).encode(), FILE, TEXT, tried=True)
    with pytest.raises(ModelError, match="its tokenizer fails"):
        words.encode(["a" * 40 + "!"])


def test_numbers_beyond_the_vocabulary_never_reach_the_model() -> None:
    value = json.loads(WHOLE_WORDS)
    value["model"]["vocab"]["zebra"] = 10**6
    words = Words(json.dumps(value).encode(), FILE, TEXT, tried=True)
    assert words.encode(["a"])
    with pytest.raises(ModelError, match="the number 1000000"):
        words.encode(["zebra"])


def test_a_text_in_which_a_tokenizer_finds_nothing_is_told() -> None:
    value = json.loads(WHOLE_WORDS)
    value |= {"post_processor": None, "normalizer": None}
    words = Words(json.dumps(value).encode(), FILE, TEXT)
    with pytest.raises(ModelError, match="finds no words"):
        words.encode(["  "])


def test_texts_are_bounded_and_halves_of_characters_are_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Words(CLIP, FILE, TEXT)
    assert words.encode(["\ud800 dog"]) == words.encode(["? dog"])
    given: list[str] = []

    class Library:
        def encode_batch_fast(self, texts: list[str]) -> list[Any]:
            given.extend(texts)
            return []

    monkeypatch.setattr(words, "_tokenizer", Library())
    words.ids(["a" * (10 * MOST_CHARACTERS)][:0])
    with pytest.raises(ValueError, match="zip"):
        words.encode(["a" * (10 * MOST_CHARACTERS)])
    assert [len(text) for text in given] == [MOST_CHARACTERS]


def test_every_regular_expression_that_is_let_pass_takes_time_in_proportion() -> None:
    """A quarter of the text takes a quarter of the time, not a sixteenth, and without a panic."""
    from tokenizers import Regex, pre_tokenizers

    for regex in tokenizer_file.REGEXES:
        splitter = pre_tokenizers.Split(Regex(regex), "isolated")
        for text in ("a" * 10_000, " " * 10_000, "'s" * 5_000, "1!" * 5_000, " \n" * 5_000, "é" * 10_000 + "!"):
            splitter.pre_tokenize_str(text)


@pytest.mark.parametrize("target", fuzz_models.TARGETS, ids=lambda target: target.name)
def test_mutated_files_are_read_or_refused_in_a_sentence(target: fuzz_models.Target) -> None:
    """A share of the inputs that `tests.hostile.fuzz` runs by the thousand."""
    contents = [*target.seeds, *fuzz_models.inputs(target, 60)]
    said = [sentence(partial(target.run, content)) for content in contents]
    assert "" in said, "none was read"
    assert [words for words in said if words] != []
    assert [words for words in said if words and words[0] != "“"] == []
