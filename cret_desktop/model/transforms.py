"""Converts pixels and strings to a model's input tensors; the same code serves training, indexing and searching.

Resizing is elsewhere: the decoders return square frames (`clips.FrameFormat`).
"""

from __future__ import annotations

import gzip
import string
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as TokenizerFile
from torch import Tensor

from cret_desktop.errors import ModelError
from cret_desktop.foreign import reason_of
from cret_desktop.model import bounded_json, tokenizer_file
from cret_desktop.model.words import Words

if TYPE_CHECKING:
    from cret_desktop.model.config import TextConfig

_LARGEST_MERGES = 16 << 20  # uncompressed bytes
PADDING_ID = 0  # [PAD] of BERT, <pad> of SigLIP's Gemma vocabulary; CLIP pads with zeros, too


def normalise_pixels(frames: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Convert uint8 [N, M, H, W, 3] to float32 [N, M, 3, H, W] of (pixel / 255 - mean) / std.

    The result keeps the memory layout of the bytes, which convolutions call channels-last.
    """
    scale = 1 / (255 * torch.tensor(std, device=frames.device))  # [3]
    shift = -torch.tensor(mean, device=frames.device) / torch.tensor(std, device=frames.device)  # [3]
    return torch.addcmul(shift, frames.float(), scale).movedim(-1, 2)


class Tokenizer:
    """Maps texts to ids [B, L] and mask [B, L], cut to the config's context, padded at the end."""

    def __init__(self, file: Path, config: TextConfig, *, tried: bytes | None = None) -> None:
        """`file` is a tokenizer.json, or CLIP's gzipped list of merges.

        tried: the file's content if it has passed a trial (`trial`) and needs no further check.
        Raises: ModelError.
        """
        if file.suffix == ".gz":
            self._words = Words.of(clip_tokenizer(file), file, config)
        elif tried is not None:
            self._words = Words(tried, file, config, tried=True)
        else:
            self._words = Words(_read(file), file, config)
        self._canonical = config.cleaning == "canonical"
        self._fixed_length = config.context if config.padding == "attended" else None

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return ids int64 [B, L] and mask bool [B, L], true for the tokens that the model attends to.

        Raises: ModelError.
        """
        encoded = self._words.encode([canonical(text) if self._canonical else text for text in texts])
        length = self._fixed_length or max(map(len, encoded), default=0)
        ids = torch.full((len(encoded), length), PADDING_ID)
        mask = torch.full((len(encoded), length), self._fixed_length is not None)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = True
        return ids, mask

    def save(self, file: Path) -> None:
        """Write a tokenizer.json that gives the same ids."""
        self._words.save(file)


def _read(file: Path) -> bytes:
    """Read a tokenizer.json of bounded size. Raises: ModelError."""
    try:
        return bounded_json.read_bytes(file, tokenizer_file.LARGEST)
    except OSError as error:
        raise ModelError("model.unreadable", file=file, reason=reason_of(error)) from error


def canonical(text: str) -> str:
    """Apply SigLIP's cleaning: no punctuation, lower case, single spaces."""
    return " ".join(text.replace("_", " ").translate(str.maketrans("", "", string.punctuation)).lower().split())


def clip_tokenizer(merges_file: Path) -> TokenizerFile:
    """Build CLIP's byte-pair tokenizer from `bpe_simple_vocab_16e6.txt.gz`, lower case, with start and end of text.

    open_clip's version first repairs broken encodings with ftfy; only ftfy's straight quotes are kept here.
    Raises: ModelError.
    """
    try:
        with gzip.open(merges_file) as stream:
            lines = stream.read(_LARGEST_MERGES).decode("utf-8").split("\n")
        merges = [(left, right) for left, right in (line.split() for line in lines[1 : 49152 - 256 - 2 + 1])]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ModelError("model.bad-merges", file=merges_file, reason=reason_of(error)) from error
    # The vocabulary has the order of OpenAI's byte table: printable bytes first, then the others.
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(256 - len(printable))]
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *(left + right for left, right in merges)]
    start, end = "<start_of_text>", "<end_of_text>"
    vocabulary = {word: number for number, word in enumerate([*words, start, end])}
    tokenizer = TokenizerFile(models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=end))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex("[‘’]"), "'"),
            normalizers.Replace(Regex("[“”]"), '"'),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )
    words_of_text = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words_of_text, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(token, vocabulary[token]) for token in (start, end)]
    )
    return tokenizer
