"""Tokenizes texts with an admitted tokenizer.json, and turns every failure of the library into a ModelError.

The library raises panics, which do not inherit from Exception; they are caught here. Input texts are bounded.
This module never imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer as TokenizerFile

from cret_desktop.foreign import reason_of
from cret_desktop.messages import Message
from cret_desktop.model import bounded_json, tokenizer_file
from cret_desktop.model.config import TextConfig

MOST_CHARACTERS = 10_000  # of a text; no model reads more than a few hundred tokens

Result = TypeVar("Result")


class Words:
    """Maps texts to ids, each text cut to the config's context."""

    def __init__(self, content: bytes, file: Path, config: TextConfig, *, tried: bool = False) -> None:
        """`content` is that of `file`. With `tried` it has passed a trial (`trial`) and is not checked again.

        Raises: ModelError.
        """
        if not tried:
            tokenizer_file.check(content, file, config)
        self._file = file
        self._vocabulary = config.vocabulary
        self._tokenizer = self._carry_out(lambda: TokenizerFile.from_buffer(content))
        self._carry_out(lambda: self._prepare(config.context))

    @classmethod
    def of(cls, tokenizer: TokenizerFile, file: Path, config: TextConfig) -> Words:
        """Wrap a tokenizer built from `file` by this program."""
        words = cls.__new__(cls)
        words._file, words._vocabulary, words._tokenizer = file, config.vocabulary, tokenizer
        words._prepare(config.context)
        return words

    def _prepare(self, context: int) -> None:
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return at least one id per text, each within the vocabulary. Raises: ModelError."""
        found = self.ids(texts)
        for text, ids in zip(texts, found, strict=True):
            if not ids:
                raise bounded_json.refused(self._file, Message("tokenizer.no-words", text=text[:40]))
        return found

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return ids within the vocabulary; none for a text that is empty to this tokenizer. Raises: ModelError."""
        # The library rejects lone surrogates, which a file's name may contain.
        given = [text[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        found = self._carry_out(lambda: [encoding.ids for encoding in self._tokenizer.encode_batch_fast(given)])
        highest = max((number for ids in found for number in ids), default=0)
        if highest >= self._vocabulary:
            unknown = Message("tokenizer.result", number=highest, most=self._vocabulary)
            raise bounded_json.refused(self._file, unknown)
        return found

    def save(self, file: Path) -> None:
        self._tokenizer.save(str(file))

    def _carry_out(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic is not an Exception
            raise bounded_json.refused(self._file, Message("tokenizer.fails", reason=reason_of(error))) from error
