"""Mutates models' files by their structure: any content ends in one sentence, never in a panic, a hang or an abort.

`tests.hostile.fuzz` runs `TARGETS` by the thousand in a child with bounded memory. `inputs` generates the inputs of a
target from numbers alone.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cret_desktop.model import checkpoint, foreign, presets
from cret_desktop.model.checkpoint import Manifest
from cret_desktop.model.config import CRETConfig, TextConfig
from cret_desktop.model.tiny import tiny_config
from cret_desktop.model.tokenizer_file import REGEXES
from cret_desktop.model.trial import PROBES
from cret_desktop.model.words import Words
from tests.model import tiny

Mutator = Callable[[random.Random, bytes], bytes]
MOST = 1 << 20  # bytes of an input


@dataclass(frozen=True)
class Target:
    """The reader of one kind of file. `run` may raise a CretError; anything else is a fault."""

    name: str
    seeds: tuple[bytes, ...]
    run: Callable[[bytes], None]
    mutators: tuple[Mutator, ...]


def inputs(target: Target, count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield the target's inputs; always the same bytes for the same numbers."""
    for number in range(count):
        chance = random.Random(f"{seed} {target.name} {number}")
        content = chance.choice(target.seeds)
        for _ in range(chance.choice((1, 1, 2, 3, 6))):
            content = chance.choice(target.mutators)(chance, content)[:MOST]
        yield content


# Seeds: the tokenizers of published models, with few words

WORDS = (
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "a",
    "d",
    "o",
    "g",
    "##g",
    "▁",
    "▁a",
    "do",
    "dog",
    "a</w>",
    "Ġ",
    "ĠA",
    "é",
    "<0x0A>",
)
IDS = {word: number for number, word in enumerate(WORDS)}
TEXT = TextConfig(
    vocabulary=len(WORDS), positions=16, context=12, layers=1, heads=1, width=8, feedforward=8, weights="", tokenizer=""
)


def _template(first: str = "<s>", last: str = "</s>") -> dict[str, Any]:
    special = {word: {"id": word, "ids": [IDS[word]], "tokens": [word]} for word in (first, last)}
    ends = [{"SpecialToken": {"id": word, "type_id": 0}} for word in (first, last)]
    text = [{"Sequence": {"id": name, "type_id": number}} for number, name in enumerate("AB")]
    return {
        "type": "TemplateProcessing",
        "single": [ends[0], text[0], ends[1]],
        "pair": [ends[0], *text, ends[1]],
        "special_tokens": special,
    }


def _tokenizer(model: dict[str, Any], **parts: Any) -> bytes:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [{"id": IDS[word], "content": word, **flags, "special": True} for word in WORDS[:4]]
    return json.dumps(
        {
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 12, "strategy": "LongestFirst", "stride": 0},
            "padding": None,
            "added_tokens": added,
            "normalizer": parts.get("normalizer"),
            "pre_tokenizer": parts.get("pre_tokenizer"),
            "post_processor": parts.get("post_processor", _template()),
            "decoder": parts.get("decoder"),
            "model": model,
        },
        ensure_ascii=False,
    ).encode()


def _charsmap() -> str:
    """Return SentencePiece's table with a trie that matches nothing, and one replacement."""
    trie = bytes(2048)
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + b"a\0").decode()


def _split(regex: str, behavior: str = "Isolated") -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": False}


_BPE = {
    "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
    "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": IDS,
    "merges": [["d", "o"], ["do", "g"]],
}  # fmt: skip
TOKENIZERS = (
    _tokenizer(  # BERT
        {
            "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": IDS,
        },
        normalizer={
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
            "lowercase": True,
        },
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor={"type": "BertProcessing", "sep": ["</s>", 3], "cls": ["<s>", 2]},
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    ),
    _tokenizer(  # CLIP
        {**_BPE, "end_of_word_suffix": "</w>", "merges": ["d o"]},
        normalizer={
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [
                _split(max(REGEXES, key=len), "Removed"),
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        decoder={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    ),
    _tokenizer(  # SigLIP 2
        {**_BPE, "byte_fallback": True, "fuse_unk": True},
        normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        pre_tokenizer={
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False,
        },
        decoder={"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
    ),
    _tokenizer(  # SentencePiece
        {
            "type": "Unigram", "unk_id": 1, "byte_fallback": False,
            "vocab": [[word, -float(number)] for word, number in IDS.items()],
        },
        normalizer={
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": _charsmap()},
                {"type": "Strip", "strip_left": False, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
            ],
        },
        pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    ),
    _tokenizer(  # whole words, as in the synthetic world
        {"type": "WordLevel", "vocab": IDS, "unk_token": "<unk>"},
        normalizer={"type": "Prepend", "prepend": "▁"},
        pre_tokenizer={"type": "Whitespace"},
        post_processor={
            "type": "RobertaProcessing", "sep": ["</s>", 3], "cls": ["<s>", 2], "trim_offsets": True,
            "add_prefix_space": True,
        },
    ),
)  # fmt: skip


def read_tokenizer(content: bytes) -> None:
    words = Words(content, Path("tokenizer.json"), TEXT)
    for ids in words.ids(PROBES):
        assert len(ids) <= TEXT.context
        assert all(0 <= number < TEXT.vocabulary for number in ids)


# Configurations


def _config(config: CRETConfig) -> bytes:
    records = {name: checkpoint.FileRecord(1000, "0" * 64) for name in (checkpoint.WEIGHTS, checkpoint.TOKENIZER)}
    return json.dumps(
        {
            "format": checkpoint.FORMAT,
            "format_version": checkpoint.FORMAT_VERSION,
            "fingerprint": checkpoint._fingerprint(config, records),
            "config": config.to_json(),
            "files": {name: {"size": record.size, "digest": record.digest} for name, record in records.items()},
        }
    ).encode()


CONFIGS = tuple(_config(config) for config in (tiny_config(), tiny.paper(), presets.siglip2_b32(), presets.starter()))


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cret-fuzz-models-")


def read_config(content: bytes) -> None:
    folder = Path(_scratch().name)
    (folder / checkpoint.CONFIG).write_bytes(_sealed(content))
    manifest: Manifest = checkpoint.read_manifest(folder)
    foreign.check(manifest)
    config = manifest.config
    assert CRETConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.text.context <= 1024
    assert config.frames.frames * config.frames.size**2 <= 64 << 20


def _sealed(content: bytes) -> bytes:
    """Return the manifest with a matching fingerprint, as an expert forger would; unchanged if that is impossible."""
    try:
        value = json.loads(content)
        config = CRETConfig.from_json(value["config"])
        value["fingerprint"] = checkpoint._fingerprint(config, checkpoint._records(value["files"]))
        return json.dumps(value).encode()
    except Exception:  # noqa: BLE001 - unsealable content stays unchanged
        return content


# Weights


def _weights(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


WEIGHTS = tuple(
    _weights(
        {
            "__metadata__": {"format": "pt", "digest": "0" * 64},
            "a": {"dtype": kind, "shape": [2, 3], "data_offsets": [0, 6 * size]},
            "b": {"dtype": kind, "shape": [], "data_offsets": [6 * size, 7 * size]},
        },
        bytes(7 * size),
    )
    for kind, size in (("F32", 4), ("F16", 2), ("I64", 8), ("F8_E4M3", 1))
)


def read_weights(content: bytes) -> None:
    file = Path(_scratch().name) / checkpoint.WEIGHTS
    file.write_bytes(content)
    assert len(checkpoint.digest(file)) == 64


def mutated_header(chance: random.Random, content: bytes) -> bytes:
    """Put another header before the same numbers, with a right or wrong length."""
    size = int.from_bytes(content[:8], "little")
    text = mutated_tree(chance, content[8 : 8 + size])
    stated = chance.choice((len(text),) * 6 + (0, 1, len(text) + 1, 2**63, 2**64 - 1, 100_000_001))
    return struct.pack("<Q", stated) + text + content[8 + size :]


# Mutators

_ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 17, 18, 257, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, float("nan"),
    float("inf"), "", "\ud800", "\0", "a", "▁" * 16, "a" * 2000, "(a+)+$", "(a|a)*b", ".*.*.*.*=.*", [], {}, [[]],
    {"": 0}, "main", "../x",
    "<unk>", "<mask>", "Regex", {"String": ""}, {"String": "a"}, {"Regex": "(a+)+$"}, {"Regex": ""}, {"Fixed": 2**40},
    {"type": "Sequence"}, {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 16},
    {"type": "Prepend", "prepend": "a" * 16}, {"type": "NFKD"}, {"type": "ByteLevel"}, {"type": "Nmt"},
    {"type": "Precompiled", "precompiled_charsmap": None}, {"type": "Fuse"}, {"type": "CTC"},
    {"type": "CharDelimiterSplit"},
    {"type": "UnicodeScripts"}, {"type": "Digits", "individual_digits": True}, {"type": "FixedLength", "length": 0},
    {"type": "Split", "pattern": {"String": "a"}, "behavior": "Contiguous", "invert": True},
    {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "StripAccents"}, {"type": "WhitespaceSplit"},
)  # fmt: skip
_SEEDS = [json.loads(seed) for seed in (*TOKENIZERS, *CONFIGS)]


def mutated_tree(chance: random.Random, content: bytes) -> bytes:
    """Change values' types, insert parts of other files, remove or repeat names, or nest deeply, at any place."""
    try:
        tree = json.loads(content)
        places = list(_places(tree))
    except (ValueError, RecursionError):
        return mutated_bytes(chance, content)
    if not places or chance.random() < 0.02:
        depth = chance.choice((20, 100, 2000, 100_000))
        opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
        return (opening * depth + "1" + closing * chance.choice((depth, 0))).encode()
    holder, key = chance.choice(places)
    match chance.randrange(7):
        case 0:
            del holder[key]
        case 1 | 2:
            holder[key] = chance.choice(_ODD)
        case 3:
            donor, name = chance.choice(list(_places(chance.choice(_SEEDS))))
            holder[key] = donor[name]
        case 4 if isinstance(holder, dict):
            holder[str(chance.choice(_ODD))[:40]] = holder[key]
        case 5:
            same = [(other, name) for other, name in places if name == key and other is not holder]
            donor, name = chance.choice(same or places)
            holder[key], donor[name] = donor[name], holder[key]
        case _:
            holder[key] = [holder[key]] * chance.choice((0, 1, 2, 13, 300))
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.8)
    if chance.random() < 0.03:
        name = chance.choice(['"type"', '"vocab"', '"size"', '"id"'])
        text = text.replace(f"{name}:", f"{name}: 1, {name}:", 1)
    return text.encode("utf-8", "surrogatepass")


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(tree[key])


_STEPS: dict[str, tuple[str, tuple[dict[str, Any], ...]]] = {
    "normalizer": ("normalizers", (
        {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "Nmt"},
        {"type": "StripAccents"}, {"type": "ByteLevel"}, {"type": "Prepend", "prepend": "▁" * 16},
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Precompiled", "precompiled_charsmap": _charsmap()},
        *({"type": "Replace", "pattern": {"Regex": regex}, "content": ""} for regex in sorted(REGEXES)),
        *({"type": "Replace", "pattern": {"String": text}, "content": "x"} for text in ("a", " ", "\n", "é", "<s>")),
    )),
    "pre_tokenizer": ("pretokenizers", (
        {"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"},
        {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Contiguous"},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        *(_split(regex, "MergedWithNext") for regex in sorted(REGEXES)),
        *({**_split(""), "pattern": {"String": text}, "invert": True} for text in ("a", " ", "\n", "é")),
    )),
}  # fmt: skip


def mutated_steps(chance: random.Random, content: bytes) -> bytes:
    """Combine permitted steps, one or several in sequence, or another model: most results are admitted."""
    tree = json.loads(chance.choice(TOKENIZERS))
    for part, (members, steps) in _STEPS.items():
        several = [chance.choice(steps) for _ in range(chance.randrange(1, 8))]
        tree[part] = chance.choice((None, several[0], {"type": "Sequence", members: several}, tree[part]))
    for part in ("post_processor", "model", "decoder"):
        tree[part] = json.loads(chance.choice(TOKENIZERS))[part]
    tree["post_processor"] = chance.choice((None, tree["post_processor"]))
    return json.dumps(tree).encode()


def mutated_bytes(chance: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat or fill bytes, regardless of their meaning."""
    at = chance.randrange(len(content) + 1)
    to = min(len(content), at + chance.choice((1, 2, 8, 64, 1024)))
    fill = chance.choice(
        (b"", content[at:to] * 2, bytes([chance.randrange(256)]), b"\xff\xfe", b"9" * 5000, b'"', b"\\ud800")
    )
    return content[:at] + fill + content[to:]


TREE = (mutated_tree,) * 8 + (mutated_bytes,)
TARGETS = (
    Target("tokenizer", TOKENIZERS, read_tokenizer, (*TREE, *(mutated_steps,) * 5)),
    Target("config", CONFIGS, read_config, TREE),
    Target("weights", WEIGHTS, read_weights, (*(mutated_header,) * 8, mutated_bytes)),
)
