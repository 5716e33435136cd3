from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cret_desktop.errors import ModelError
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.transforms import Tokenizer, canonical, normalise_pixels
from tests.model import tiny


def test_pixels_are_scaled_shifted_and_moved_to_the_front() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    expected = ((frames / 255 - mean) / std).transpose(0, 1, 4, 2, 3).astype(np.float32)
    pixels = normalise_pixels(torch.from_numpy(frames), mean.tolist(), std.tolist())
    torch.testing.assert_close(pixels, torch.from_numpy(expected), atol=1e-5, rtol=1e-5)
    assert pixels.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


def test_texts_are_cut_padded_and_masked(tmp_path: Path) -> None:
    tokenizer = Tokenizer(tiny.write_tokenizer(tmp_path / "tokenizer.json"), tiny.paper().text)
    ids, mask = tokenizer(["a dog", "dog " * 5000, ""])
    assert ids.shape == mask.shape == (3, 12)
    assert ids[0].tolist() == [2, 4, 5, 3] + [0] * 8
    assert mask.sum(1).tolist() == [4, 12, 2]
    assert ids[1, -1] == 3  # truncation keeps the end token
    assert tokenizer(["a dog"])[0].shape == (1, 4)
    assert tokenizer([])[0].shape == (0, 0)


def test_attended_padding_has_one_length_and_hides_nothing(tmp_path: Path) -> None:
    text = dataclasses.replace(tiny.paper().text, padding="attended", cleaning="canonical")
    tokenizer = Tokenizer(tiny.write_tokenizer(tmp_path / "tokenizer.json"), text)
    ids, mask = tokenizer(["A DOG!"])
    assert ids.tolist() == [[2, 4, 5, 3] + [0] * 8]
    assert mask.all()


def test_canonical_text() -> None:
    assert canonical("  A man's_hat,\tisn't it? ") == "a mans hat isnt it"


def test_clip_s_tokens_are_those_of_open_clip(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip")
    config = presets.pe_core_t16().text
    tokenizer = Tokenizer(checkpoint.locate(config.tokenizer), config)
    tokenizer.save(tmp_path / "tokenizer.json")
    saved = Tokenizer(tmp_path / "tokenizer.json", config)
    texts = [
        "A man's hat, isn't it?  \n two\tspaces",
        "naïve façade 東京タワー straße",
        "it’s “quoted” — dash…",
        "1234 5,000.50 #tag @me http://x.y/z?a=b don't you're",
        "😀😀 emoji 👩‍👩‍👧",
        "",
        "a" * 300,
        "long " * 100,
    ]
    for text, expected in zip(texts, open_clip.get_tokenizer("PE-Core-T-16-384")(texts), strict=True):
        for ids, mask in (tokenizer([text]), saved([text])):
            assert ids[0].tolist() == expected[: ids.shape[1]].tolist()
            assert mask.all()
            assert not expected[ids.shape[1] :].any()


def test_a_foreign_file_is_no_tokenizer(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "merges.txt.gz"):
        (tmp_path / name).write_text("no tokenizer")
        with pytest.raises(ModelError, match=name):
            Tokenizer(tmp_path / name, tiny.paper().text)
