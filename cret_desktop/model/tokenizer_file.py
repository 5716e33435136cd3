"""Checks an untrusted tokenizer.json before the library loads it.

The library's components form a language: a regular expression may not terminate, a replacement may lengthen a text a
million times, an id may exceed the model's vocabulary, and unexpected input makes the library panic. So this module
checks the file first. It admits the components of the tokenizers of BERT, CLIP, SigLIP, GPT-2 and SentencePiece, with
regular expressions that are known to be fast, replacements that never lengthen a text, and ids within the model's
vocabulary. `trial` then tries the admitted file.

This module never imports the tokenizers library.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cret_desktop.messages import Message
from cret_desktop.model import bounded_json
from cret_desktop.model.config import TextConfig

LARGEST = 128 << 20  # bytes; SigLIP 2's has 34 million
_MOST_STEPS = 12  # consecutive normalizers or pre-tokenizers
_MOST_ADDED = 20_000
_MOST_PIECES = 8  # in a template
_LONGEST_WORD = 1024  # characters of a word in the vocabulary
_LONGEST_MARK = 16  # characters of prefixes, patterns and replacements
_LONGEST_CHARSMAP_ENTRY = 64  # bytes by which SentencePiece's table may replace one letter; NFKC needs 33

_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_GPT2 = r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# From the published tokenizers and `transforms.clip_tokenizer`. None backtracks, except over the one character of
# `\s+(?!\S)`.
REGEXES = frozenset(
    {
        rf"{_CONTRACTIONS}|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+",
        rf"{_CONTRACTIONS}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",
        rf"<\|startoftext\|>|<\|endoftext\|>|{_CONTRACTIONS}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",
        rf"{_CONTRACTIONS}{_GPT2}",
        rf"'(?:[sdmt]|ll|ve|re){_GPT2}",
        r"\s+",
        r"\s",
        r" {2,}",
        r"[‘’]",
        r"[“”]",
        r"[\r\n\t]",
    }
)


def check(content: bytes, file: Path | str, config: TextConfig) -> None:
    """Raise a ModelError, one sentence that names the file, for a tokenizer that this model must not use."""
    if len(content) > LARGEST:
        raise bounded_json.refused(file, Message("model.large", most=LARGEST))
    value = bounded_json.parse(content, file)
    try:
        _Check(config).tokenizer(value)
    except _Unfit as unfit:
        raise bounded_json.refused(file, unfit.message) from unfit


class _Unfit(Exception):
    """A forbidden property of the tokenizer, as a part of a sentence."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


def _require(condition: bool, message: Message) -> None:
    if not condition:
        raise _Unfit(message)


def _valid(condition: bool, part: str) -> None:
    """Raise _Unfit that names a part of the file, unless `condition` holds."""
    if not condition:
        raise _Unfit(Message("tokenizer.part", part=part))


def _part(value: dict[str, Any], name: str) -> Any:
    return value.get(name)


Rule = Callable[[Any], bool]


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any, most: int = _LONGEST_MARK) -> bool:
    return isinstance(value, str) and len(value) <= most and _is_unicode(value)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text) if not text.isascii() else True


def _is_mark(value: Any) -> bool:
    return _is_text(value) and bool(value)


def _is_letter(value: Any) -> bool:
    return _is_text(value, 1) and bool(value)


def _is_count(value: Any, most: int = 1 << 20) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _or_none(rule: Rule) -> Rule:
    return lambda value: value is None or rule(value)


def _one_of(*values: Any) -> Rule:
    return lambda value: isinstance(value, str | type(None)) and value in values


_BEHAVIOURS = _one_of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
_SCHEMES = _one_of("first", "never", "always")


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    return _is_mark(value.get("String")) or (isinstance(value.get("Regex"), str) and value["Regex"] in REGEXES)


def _is_charsmap(value: Any) -> bool:
    """Return whether this is SentencePiece's table: a trie's size, the trie, and its target texts, each ended by 0."""
    if value is None:
        return True
    if not isinstance(value, str) or len(value) > 2 << 20:
        return False
    try:
        table = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    size = int.from_bytes(table[:4], "little")
    if len(table) < 8 or size == 0 or size % 4 or 4 + size >= len(table) or table[-1] != 0:
        return False
    return all(len(entry) <= _LONGEST_CHARSMAP_ENTRY for entry in table[4 + size :].split(b"\0"))


# Permitted settings of each component besides its type. All are optional, except those required in `_steps`.
_NORMALIZERS: Mapping[str, Mapping[str, Rule]] = {
    "BertNormalizer": {
        "clean_text": _is_flag, "handle_chinese_chars": _is_flag, "strip_accents": _or_none(_is_flag),
        "lowercase": _is_flag,
    },
    "ByteLevel": {},
    "Lowercase": {},
    "NFC": {},
    "NFD": {},
    "NFKC": {},
    "NFKD": {},
    "Nmt": {},
    "Precompiled": {"precompiled_charsmap": _is_charsmap},
    "Prepend": {"prepend": _is_mark},
    "Replace": {"pattern": _is_pattern, "content": _is_text},
    "Strip": {"strip_left": _is_flag, "strip_right": _is_flag},
    "StripAccents": {},
}  # fmt: skip
_PRE_TOKENIZERS: Mapping[str, Mapping[str, Rule]] = {
    "BertPreTokenizer": {},
    "ByteLevel": {"add_prefix_space": _is_flag, "trim_offsets": _is_flag, "use_regex": _is_flag},
    "Digits": {"individual_digits": _is_flag},
    "Metaspace": {
        "replacement": _is_letter, "str_rep": _is_mark, "prepend_scheme": _SCHEMES, "add_prefix_space": _is_flag,
        "split": _is_flag,
    },
    "Punctuation": {"behavior": _BEHAVIOURS},
    "Split": {"pattern": _is_pattern, "behavior": _BEHAVIOURS, "invert": _is_flag},
    "Whitespace": {},
    "WhitespaceSplit": {},
}  # fmt: skip
_DECODERS: Mapping[str, Mapping[str, Rule]] = {
    "BPEDecoder": {"suffix": _is_text},
    "ByteFallback": {},
    "ByteLevel": _PRE_TOKENIZERS["ByteLevel"],
    "Fuse": {},
    "Metaspace": _PRE_TOKENIZERS["Metaspace"],
    "Replace": _NORMALIZERS["Replace"],
    "Strip": {"content": _is_letter, "start": _is_count, "stop": _is_count},
    "WordPiece": {"prefix": _is_text, "cleanup": _is_flag},
}
_TRUNCATION: Mapping[str, Rule] = {
    "direction": _one_of("Left", "Right"),
    "max_length": _is_count,
    "strategy": _one_of("LongestFirst", "OnlyFirst", "OnlySecond"),
    "stride": _is_count,
}
_ADDED: Mapping[str, Rule] = {
    "content": lambda value: _is_text(value, _LONGEST_WORD) and bool(value),
    "single_word": _is_flag,
    "lstrip": _is_flag,
    "rstrip": _is_flag,
    "normalized": _is_flag,
    "special": _is_flag,
}
_TOP = (
    "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
    "model",
)  # fmt: skip


class _Check:
    def __init__(self, config: TextConfig) -> None:
        self._config = config

    def tokenizer(self, value: Any) -> None:
        _valid(isinstance(value, dict), "tokenizer.json")
        self._known(value, _TOP)
        _valid(_part(value, "version") == "1.0", "version")
        model = _part(value, "model")
        _valid(isinstance(model, dict), "model")
        words = self._model(model)
        added = self._added(_part(value, "added_tokens") or [])
        most = 2 * self._config.vocabulary + _MOST_ADDED
        _require(len(added) + words <= most, Message("tokenizer.too-many-words"))
        self._steps(_part(value, "normalizer"), "normalizers", _NORMALIZERS)
        self._steps(_part(value, "pre_tokenizer"), "pretokenizers", _PRE_TOKENIZERS)
        self._steps(_part(value, "decoder"), "decoders", _DECODERS)
        self._post_processor(_part(value, "post_processor"))
        self._settings(_part(value, "truncation"), "truncation", _TRUNCATION)
        self._padding(_part(value, "padding"))

    def _id(self, value: Any, word: str) -> None:
        most = self._config.vocabulary
        _require(_is_count(value, 1 << 62), Message("tokenizer.no-number", word=word[:40]))
        _require(value < most, Message("tokenizer.number", word=word[:40], number=value, most=most))

    def _known(self, value: dict[str, Any], names: Any) -> None:
        unknown = [name for name in value if name not in names]
        if unknown:
            raise _Unfit(Message("tokenizer.unknown-setting", name=unknown[0][:40]))

    def _settings(self, value: Any, what: str, rules: Mapping[str, Rule]) -> None:
        if value is None:
            return
        _valid(isinstance(value, dict), what)
        self._known(value, rules)
        for name, rule in rules.items():
            fits = name not in value or rule(value[name])
            _require(fits, Message("tokenizer.setting", step=what, name=name))

    def _padding(self, value: Any) -> None:
        """Check the padding. It has no effect: texts are padded as the model's configuration defines."""
        if value is None:
            return
        _valid(isinstance(value, dict), "padding")
        strategy = _part(value, "strategy")
        fixed = isinstance(strategy, dict) and list(strategy) == ["Fixed"] and _is_count(strategy["Fixed"])
        _require(strategy == "BatchLongest" or fixed, Message("tokenizer.setting", step="padding", name="strategy"))
        rules: Mapping[str, Rule] = {
            "direction": _one_of("Left", "Right"), "pad_to_multiple_of": _or_none(_is_count), "pad_id": _is_count,
            "pad_type_id": _is_count, "pad_token": lambda token: _is_text(token, _LONGEST_WORD),
        }  # fmt: skip
        self._settings({name: item for name, item in value.items() if name != "strategy"}, "padding", rules)

    def _added(self, value: Any) -> list[Any]:
        _valid(isinstance(value, list) and len(value) <= _MOST_ADDED, "added_tokens")
        for token in value:
            _valid(isinstance(token, dict), "added_tokens")
            self._id(_part(token, "id"), "added_tokens")
            self._settings({name: item for name, item in token.items() if name != "id"}, "token", _ADDED)
            _require("content" in token, Message("tokenizer.missing", step="token", name="content"))
        return list(value)

    # The steps of a text

    def _steps(self, value: Any, members: str, kinds: Mapping[str, Mapping[str, Rule]]) -> None:
        steps = self._flat(value, members, 0)
        _require(len(steps) <= _MOST_STEPS, Message("tokenizer.too-many-steps", part=members, count=len(steps)))
        for step in steps:
            kind = _part(step, "type")
            known = isinstance(kind, str) and kind in kinds
            _require(known, Message("tokenizer.unknown-step", kind=str(kind)[:40]))
            self._settings({name: item for name, item in step.items() if name != "type"}, str(kind), kinds[str(kind)])
            needed = {"Replace": ("pattern", "content"), "Split": ("pattern", "behavior", "invert")}.get(str(kind), ())
            for name in needed:
                _require(name in step, Message("tokenizer.missing", step=str(kind), name=name))
            if kind == "Replace":
                # No replacement may lengthen: a few that turn one letter into sixteen would fill any memory.
                shortest = len(step["pattern"].get("String", "x"))
                _require(len(step["content"]) <= shortest, Message("tokenizer.longer"))
        # Each writes a text's bytes as letters, or prepends something.
        for kind in ("ByteLevel", "Prepend", "Metaspace", "Precompiled", "NFKC", "NFKD"):
            times = sum(_part(step, "type") == kind for step in steps)
            _require(times <= 1, Message("tokenizer.repeated-step", count=times, kind=kind))

    def _flat(self, value: Any, members: str, depth: int) -> list[dict[str, Any]]:
        """Return the steps of nested sequences as one list."""
        if value is None:
            return []
        _valid(isinstance(value, dict), members)
        if _part(value, "type") != "Sequence":
            return [value]
        _require(depth < 3, Message("tokenizer.nested"))
        self._known(value, ("type", members))
        inner = value.get(members)
        _valid(isinstance(inner, list), members)
        _require(len(inner) <= _MOST_STEPS, Message("tokenizer.too-many-steps", part=members, count=len(inner)))
        _valid(all(isinstance(item, dict) for item in inner), members)
        return [step for item in inner for step in self._flat(item, members, depth + 1)]

    # Tokens before and after a text

    def _post_processor(self, value: Any) -> None:
        steps = self._flat(value, "processors", 0)
        _require(len(steps) <= _MOST_STEPS, Message("tokenizer.too-many-steps", part="processors", count=len(steps)))
        longer = sum(self._processor(step) for step in steps)
        _require(longer < self._config.context, Message("tokenizer.adds", count=longer))

    def _processor(self, step: dict[str, Any]) -> int:
        """Check a processor and return the number of tokens it adds to a text."""
        match _part(step, "type"):
            case "ByteLevel":
                self._settings(
                    {name: item for name, item in step.items() if name != "type"},
                    "ByteLevel",
                    _PRE_TOKENIZERS["ByteLevel"],
                )
                return 0
            case "BertProcessing" | "RobertaProcessing" as kind:
                more = ("trim_offsets", "add_prefix_space") if kind == "RobertaProcessing" else ()
                self._known(step, ("type", "sep", "cls", *more))
                _valid(all(_is_flag(step[name]) for name in more if name in step), str(kind))
                for name in ("sep", "cls"):
                    pair = _part(step, name)
                    lacking = Message("tokenizer.missing", step=str(kind), name=name)
                    _require(isinstance(pair, list) and len(pair) == 2, lacking)
                    _require(_is_text(pair[0], _LONGEST_WORD), lacking)
                    self._id(pair[1], name)
                return 2
            case "TemplateProcessing":
                return self._template(step)
            case kind:
                raise _Unfit(Message("tokenizer.unknown-processor", kind=str(kind)[:40]))

    def _template(self, step: dict[str, Any]) -> int:
        self._known(step, ("type", "single", "pair", "special_tokens"))
        special = _part(step, "special_tokens")
        _valid(isinstance(special, dict) and len(special) <= 64, "special_tokens")
        lengths = {}
        for name, token in special.items():
            _valid(isinstance(token, dict), "special_tokens")
            self._known(token, ("id", "ids", "tokens"))
            ids, tokens = _part(token, "ids"), _part(token, "tokens")
            valid = isinstance(ids, list) and isinstance(tokens, list) and 0 < len(ids) == len(tokens) <= 4
            _valid(valid and _part(token, "id") == name, "special_tokens")
            _valid(all(_is_text(word, _LONGEST_WORD) for word in tokens), "special_tokens")
            for number in ids:
                self._id(number, "special_tokens")
            lengths[name] = len(ids)
        longest = 0
        for which, sequences in (("single", ["A"]), ("pair", ["A", "B"])):
            pieces = _part(step, which)
            fits = isinstance(pieces, list) and len(pieces) <= _MOST_PIECES
            _require(fits, Message("tokenizer.setting", step="TemplateProcessing", name=which))
            seen, added = [], 0
            for piece in pieces:
                _valid(isinstance(piece, dict) and len(piece) == 1, "TemplateProcessing")
                ((kind, inner),) = piece.items()
                _valid(isinstance(inner, dict), "TemplateProcessing")
                self._known(inner, ("id", "type_id"))
                _valid(_is_count(_part(inner, "type_id"), 1 << 16), "TemplateProcessing")
                name = _part(inner, "id")
                if kind == "Sequence":
                    seen.append(name)
                else:
                    known = kind == "SpecialToken" and isinstance(name, str) and name in lengths
                    _valid(known, "TemplateProcessing")
                    added += lengths[str(name)]
            # Pairs are never encoded, and some files have an empty or wrong template for them.
            _require(which == "pair" or seen == sequences, Message("tokenizer.text-once"))
            longest = added if which == "single" else longest
        return longest

    # The model

    def _model(self, model: dict[str, Any]) -> int:
        """Check the model and return the number of words in its vocabulary."""
        kind = _part(model, "type")
        match kind:
            case "BPE":
                return self._bpe(model)
            case "WordPiece":
                self._known(
                    model, ("type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab")
                )
                _valid(_is_text(_part(model, "continuing_subword_prefix")), "continuing_subword_prefix")
                # The time is quadratic in a word's length.
                few = _is_count(_part(model, "max_input_chars_per_word"), 1000)
                _require(few, Message("tokenizer.any-length"))
            case "WordLevel":
                self._known(model, ("type", "vocab", "unk_token"))
            case "Unigram":
                return self._unigram(model)
            case _:
                raise _Unfit(Message("tokenizer.unknown-kind", kind=str(kind)[:40]))
        vocabulary = self._vocabulary(_part(model, "vocab"))
        unknown = _part(model, "unk_token")
        _require(isinstance(unknown, str) and unknown in vocabulary, Message("tokenizer.unknown-word"))
        return len(vocabulary)

    def _vocabulary(self, vocabulary: Any) -> Mapping[str, int]:
        _valid(isinstance(vocabulary, dict) and bool(vocabulary), "vocab")
        value: dict[str, Any] = vocabulary
        most = self._config.vocabulary
        for word, number in value.items():
            if type(number) is not int or not 0 <= number < most:
                self._id(number, word)
            if not (0 < len(word) <= _LONGEST_WORD and _is_unicode(word)):
                raise _Unfit(Message("tokenizer.bad-word"))
        _require(len(set(value.values())) == len(value), Message("tokenizer.same-number"))
        return value

    def _bpe(self, model: dict[str, Any]) -> int:
        self._known(
            model,
            (
                "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                "byte_fallback", "ignore_merges", "vocab", "merges",
            ),
        )  # fmt: skip
        vocabulary = self._vocabulary(_part(model, "vocab"))
        _require(_part(model, "dropout") in (None, 0, 0.0), Message("tokenizer.random"))
        unknown = _part(model, "unk_token")
        known = unknown is None or (isinstance(unknown, str) and unknown in vocabulary)
        _require(known, Message("tokenizer.unknown-word"))
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            _valid(model.get(name) is None or _is_text(model[name]), name)
        for name in ("fuse_unk", "byte_fallback", "ignore_merges"):
            _valid(_is_flag(model.get(name, False)), name)
        merges = _part(model, "merges")
        _valid(isinstance(merges, list) and len(merges) <= 4 * self._config.vocabulary, "merges")
        prefix = len(_part(model, "continuing_subword_prefix") or "")
        for merge in merges:
            pair = merge.split(" ") if isinstance(merge, str) else merge
            _valid(isinstance(pair, list) and len(pair) == 2, "merges")
            left, right = pair
            valid = isinstance(left, str) and isinstance(right, str) and left in vocabulary and right in vocabulary
            if not (valid and left + right[prefix:] in vocabulary):
                raise _Unfit(Message("tokenizer.foreign-merge"))
        return len(vocabulary)

    def _unigram(self, model: dict[str, Any]) -> int:
        self._known(model, ("type", "unk_id", "vocab", "byte_fallback"))
        pieces = _part(model, "vocab")
        _valid(isinstance(pieces, list) and bool(pieces), "vocab")
        _require(len(pieces) <= self._config.vocabulary, Message("tokenizer.too-many-words"))
        for piece in pieces:
            valid = isinstance(piece, list) and len(piece) == 2 and isinstance(piece[0], str)
            valid = valid and isinstance(piece[1], int | float) and not isinstance(piece[1], bool)
            _valid(valid and abs(piece[1]) < 1e9, "vocab")
            if not (0 < len(piece[0]) <= _LONGEST_WORD and _is_unicode(piece[0])):
                raise _Unfit(Message("tokenizer.bad-word"))
        _require(len({piece[0] for piece in pieces}) == len(pieces), Message("tokenizer.same-word"))
        _valid(_is_flag(model.get("byte_fallback", False)), "byte_fallback")
        unknown = _part(model, "unk_id")
        _require(_is_count(unknown) and unknown < len(pieces), Message("tokenizer.unknown-word"))
        return len(pieces)
